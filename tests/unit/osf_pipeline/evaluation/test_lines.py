import numpy as np
import pytest
from scipy import ndimage

from osf_pipeline.evaluation.lines import GAP, along, distance_to, thin, tidy, trace

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


def test_the_width_of_a_stroke_at_the_border():
    line = trace((X < 5) * 1.0)
    assert np.median(line.width) == pytest.approx(5, abs=1)


def test_distance_is_euclidean_and_infinite_to_nothing():
    mask = np.zeros((60, 70), bool)
    mask[20, 30] = True
    np.testing.assert_allclose(distance_to(mask), np.hypot(Y - 20, X - 30), rtol=1e-6)
    nothing = distance_to(np.zeros((4, 5), bool))
    assert nothing.dtype == np.float32
    assert np.isposinf(nothing).all()


# --- Lines to a fraction of a pixel


def stripe(angle: float, width: float, middle: float, samples: int = 16) -> np.ndarray:
    """(60, 70) coverage of a straight stroke `middle` pixels beside (30, 34), its normal at an angle to the x axis."""
    fine = (np.arange(-samples // 2, samples // 2) + 0.5) / samples
    y, x = (Y[..., None, None] - 30 + fine[:, None]), (X[..., None, None] - 34 + fine)
    beside = x * np.cos(angle) + y * np.sin(angle) - middle
    return (np.abs(beside) <= width / 2).mean((-2, -1))


@pytest.mark.parametrize("angle", [0, 0.2, 0.6, np.pi / 4, np.pi / 2, 2.5])
@pytest.mark.parametrize("width", [1.5, 3.0, 5.5])
@pytest.mark.parametrize("middle", [0.0, 0.3, 0.5])
def test_the_middle_and_the_width_of_a_stroke_are_found_to_a_fraction_of_a_pixel(
    angle: float, width: float, middle: float
):
    line = trace(stripe(angle, width, middle))
    far = np.hypot(*(line.points - (30, 34)).T) < 20  # the picture cuts the stroke off at its border
    across = np.array([np.sin(angle), np.cos(angle)])
    beside = (line.points[far] - (30, 34)) @ across - middle
    assert np.count_nonzero(far) >= 28
    assert np.abs(beside).max() < 0.3
    assert np.abs(beside.mean()) < 0.1
    assert np.median(line.width[far]) == pytest.approx(width, abs=0.25)
    assert (np.abs(line.normals[far] @ across) > 0.98).all()


def test_half_opaque_decides_and_pinholes_do_not_move_the_middle():
    faint = trace(0.49 * STROKES["bar"])
    assert not faint.mask.any()
    assert faint.points.shape == (0, 2)
    ink = STROKES["bar"] * 1.0
    ink[np.random.default_rng(1).random(ink.shape) > 0.93] = 0
    line = trace(ink)
    inner = abs(line.points[:, 0] - 30) < 15
    assert np.abs(line.points[inner, 1] - 30).mean() < 0.2


def test_a_line_full_of_holes_has_a_middle():
    """Where tidying fills a hole, there may be no ink at all across the line."""
    dots = np.zeros((60, 70))
    dots[20:40:2, 30:33] = dots[20:40, 30:33:2] = 1
    dots[20:40:2] = -np.abs(dots[20:40:2])
    line = trace(dots)
    assert len(line.points)
    assert np.isfinite(line.points).all()
    assert np.isfinite(line.width).all()


def test_values_are_averaged_along_the_line_only():
    centre = np.zeros((60, 70), bool)
    centre[10:50, 20] = centre[10:50, 50] = True
    values = np.where(np.nonzero(centre)[1] == 20, 1.0, 5.0)
    np.testing.assert_allclose(along(centre, values), values, atol=1e-6)
    jagged = np.tile([0.0, 2.0], 40)[np.argsort(np.argsort(np.nonzero(centre)[1], kind="stable"))]
    np.testing.assert_allclose(along(centre, jagged)[20:60], 1, atol=0.05)
    two = along(centre, np.stack([values, -values]))
    np.testing.assert_allclose(two, np.stack([values, -values]), atol=1e-6)


def test_places_beside_a_line_and_where_it_is_interrupted():
    line = trace(stripe(0, 3, 0.25))  # runs down the column 34.25
    beside, nearest = line.across(np.array([[30, 34.25], [30.5, 35.0], [30, 33.0], [30, 36.5]]))
    np.testing.assert_allclose(beside[:3], [0, 0.75, 1.25], atol=0.05)
    assert np.isinf(beside[3])
    np.testing.assert_allclose(line.points[nearest[0]], (30, 34.25), atol=0.05)
    assert np.isinf(trace(np.zeros((60, 70))).across(np.array([[30, 34.0]]))[0]).all()
    assert GAP == 1.5
