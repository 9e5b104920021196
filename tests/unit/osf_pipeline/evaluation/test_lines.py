import numpy as np
import pytest
from scipy import ndimage

from osf_pipeline.evaluation.lines import (
    LINE_COLOR,
    distance_to,
    drawn_mask,
    layer_mask,
    stroke_width,
    thin,
    tidy,
)

Y, X = np.mgrid[:60, :70]
EIGHT = np.ones((3, 3))


def topology(mask: np.ndarray) -> tuple[int, int]:
    """Numbers of 8-connected pieces and of 4-connected pieces of the paper around and inside them."""
    padded = np.pad(mask, 1)
    return ndimage.label(padded, EIGHT)[1], ndimage.label(~padded)[1]


STROKES = {
    "bar": (abs(X - 30) <= 3) & (abs(Y - 30) <= 20),
    "even bar": (X >= 30) & (X < 34) & (abs(Y - 30) <= 20),
    "diagonal": (abs(X - Y) <= 4) & (X > 8) & (X < 50),
    "ring": abs(np.hypot(X - 32, Y - 30) - 18) <= 2.5,
    "wave": abs(Y - 30 - 12 * np.sin(X / 9)) <= 4,
    "cross": ((abs(X - 30) <= 3) & (abs(Y - 30) <= 22)) | ((abs(Y - 30) <= 3) & (abs(X - 30) <= 22)),
    "at the border": (X < 5) | (Y < 5),
}


@pytest.mark.parametrize("name", STROKES)
def test_centre_line_is_inside_connected_and_one_pixel_wide(name: str):
    mask = STROKES[name]
    centre = thin(mask)
    assert not (centre & ~mask).any()
    assert topology(centre) == topology(mask)
    blocks = centre[1:, 1:] & centre[:-1, 1:] & centre[1:, :-1] & centre[:-1, :-1]
    assert not blocks.any()
    np.testing.assert_array_equal(thin(centre), centre)


def test_centre_line_runs_in_the_middle():
    centre = thin(STROKES["bar"])
    assert set(np.nonzero(centre[14:46])[1]) == {30}
    assert centre[14:46].any(1).all()
    radius = np.hypot(X - 32, Y - 30)[thin(STROKES["ring"])]
    assert np.abs(radius - 18).max() < 1.5


def test_thinning_keeps_the_topology_of_anything():
    rng = np.random.default_rng(0)
    for blur in (0, 0.7, 1.5):
        for _ in range(20):
            noise = ndimage.gaussian_filter(rng.random((40, 44)), blur)
            mask = noise > np.quantile(noise, rng.uniform(0.2, 0.9))
            before = mask.copy()
            assert topology(thin(mask)) == topology(mask)
            np.testing.assert_array_equal(mask, before)


def test_thinning_nothing_and_a_point():
    point = np.zeros((5, 5), bool)
    np.testing.assert_array_equal(thin(point), point)
    point[2, 2] = True
    np.testing.assert_array_equal(thin(point), point)


@pytest.mark.parametrize("turns", range(4))
def test_a_corner_loses_its_inner_pixel_whichever_way_it_points(turns: int):
    corner = np.rot90(np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0]], bool), turns)
    centre = thin(corner)
    assert centre.sum() == 2
    assert topology(centre) == (1, 1)


def test_tidy_closes_pinholes_only():
    mask = STROKES["bar"].copy()
    mask[30, 30] = False
    np.testing.assert_array_equal(tidy(mask), STROKES["bar"])
    np.testing.assert_array_equal(tidy(STROKES["at the border"]), STROKES["at the border"])
    assert (tidy(STROKES["ring"]) >= STROKES["ring"]).all()
    assert topology(tidy(STROKES["ring"])) == (1, 2)


def test_drawn_is_what_differs_visibly_from_the_render():
    render = np.full((3, 60, 70), 0.5)
    picture, faint = render.copy(), render.copy()
    # Equal change in every channel: L2 is sqrt(3) of it.
    picture[:, STROKES["bar"]] -= 1.01 * LINE_COLOR / np.sqrt(3)
    faint[:, STROKES["bar"]] -= 0.99 * LINE_COLOR / np.sqrt(3)
    np.testing.assert_array_equal(drawn_mask(picture, render), STROKES["bar"])
    assert not drawn_mask(faint, render).any()
    np.testing.assert_array_equal(drawn_mask(render, picture), STROKES["bar"])  # light lines count too


def test_layer_is_drawn_where_it_is_more_than_half_opaque():
    alpha = np.where(STROKES["bar"], 0.51, 0.5).astype(np.float32)
    np.testing.assert_array_equal(layer_mask(alpha), STROKES["bar"])


@pytest.mark.parametrize("width", [1, 3, 7])
def test_stroke_width_is_in_pixels(width: int):
    mask = abs(X - 30) <= width // 2
    assert stroke_width(mask, thin(mask)) == width


def test_stroke_width_at_the_border_and_without_a_line():
    mask = X < 5
    assert stroke_width(mask, thin(mask)) == pytest.approx(5, abs=1)
    nothing = np.zeros((60, 70), bool)
    assert np.isnan(stroke_width(nothing, nothing))


def test_distance_is_euclidean_and_infinite_to_nothing():
    mask = np.zeros((60, 70), bool)
    mask[20, 30] = True
    np.testing.assert_allclose(distance_to(mask), np.hypot(Y - 20, X - 30), rtol=1e-6)
    nothing = distance_to(np.zeros((4, 5), bool))
    assert nothing.dtype == np.float32
    assert np.isposinf(nothing).all()
