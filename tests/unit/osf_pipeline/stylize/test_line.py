from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from model.stylizer import Architecture
from model.weights import Card
from osf_pipeline.buffers import CONTOUR_RANGE
from osf_pipeline.colorspaces.spaces import LINEAR_REC709, SPACES, convert
from osf_pipeline.stylize.line import LineControls, figure_scale, inner_share, line_owner, reshaped
from osf_pipeline.stylize.look import Look

CARD = Card(Architecture(), 6.0, 0.01, ((0, 0, 0), (1, 1, 1)), "CC0-1.0", 0, {})
SIZE = 120


def frame() -> dict[str, np.ndarray]:
    """A body (part 1) with an arm (part 2) that starts inside it and sticks out to the right."""
    part = np.zeros((SIZE, SIZE), np.uint16)
    part[20:100, 20:80] = 1
    part[50:70, 40:110] = 2
    body, arm = part == 1, part == 2
    seen = part > 0
    seed = (body & ndimage.binary_dilation(~seen)) | (arm & ndimage.binary_dilation(~arm))
    to_seed, (rows, columns) = ndimage.distance_transform_edt(~seed, return_indices=True)
    y, x = np.mgrid[:SIZE, :SIZE]
    side = seen & (part == part[rows, columns])
    # A contour lies half a pixel outside its owner's pixels.
    distance = np.where(side, to_seed + 0.5, np.maximum(to_seed - 0.5, 0))
    return {
        "part_id": part[None],
        "object_id": seen[None].astype(np.uint16),
        "contour": np.minimum(distance, CONTOUR_RANGE).astype(np.float16)[None],
        "contour_side": side[None].astype(np.uint8),
        "contour_step": np.ones((1, *side.shape), np.float16),
        "color": np.stack([0.5 * seen] * 3 + [seen]).astype(np.float32),
        "rest_position": (0.01 * np.stack([x, y, 0 * x]) * seen).astype(np.float32),
    }


def strokes(width: float = 6.0, alpha: float = 1.0) -> np.ndarray:
    """The plain line of the frame: that many pixels of every contour's owner."""
    pixels = frame()
    line = np.zeros((4, SIZE, SIZE), np.float32)
    line[3] = alpha * np.clip(width - pixels["contour"][0] + 0.5, 0, 1) * pixels["contour_side"][0]
    line[:3] = line[3] * np.array([0.1, 0.2, 0.05])[:, None, None]
    return line


def finished(drawn: np.ndarray, space=LINEAR_REC709, stroke: float = 6, **keys) -> np.ndarray:
    controls = LineControls.of(Look.model_validate(keys), frame(), replace(CARD, stroke=stroke), ())
    return controls.finish(drawn, frame(), space)


def test_by_part_the_owner_decides():
    """Of two parts, and past the silhouette, the line goes by whose contour it is."""
    line = strokes()
    line[3, 62, 112] = 0.4  # a stray beyond the arm's tip
    line[:3, 62, 112] = 0.04
    found = finished(line, parts={2: {"line": {"draw": False}}})
    assert not found[3, 48:72, 82:].any()
    assert not found[:, 50:70, 45:75].any()
    np.testing.assert_array_equal(found[3, 20:45], line[3, 20:45])
    owner = line_owner(frame())
    assert (owner[47:50, 60] == 2).all(), "the far side of the arm's contour"
    assert owner[40, 60] in (1, 2)
    assert owner[25, 30] == owner[5, 30] == 1


def test_ink_is_replaced_in_the_frames_own_primaries():
    line = strokes()
    space = SPACES["acescg"]
    found = finished(line, space, line={"color": "#ff8000"}, parts={1: {"line": {"color": "#0000ff"}}})
    shown = convert(found, space, LINEAR_REC709)
    np.testing.assert_allclose(shown[:3, 50, 60], [1, 0.2158605, 0], atol=1e-4)
    np.testing.assert_allclose(shown[:3, 20, 30], [0, 0, 1], atol=1e-4)
    np.testing.assert_array_equal(found[3], line[3])


def test_occlusion_turns_inner_contours_and_no_silhouette():
    line = strokes(alpha=0.6)
    gone = finished(line, occlusion=0)[3]
    strong = finished(line, occlusion=1.5)[3]
    assert gone[50, 60] == 0
    assert strong[50, 60] == pytest.approx(0.9, abs=1e-3)
    for found in (gone, strong):
        np.testing.assert_allclose(found[20, 25:75], line[3, 20, 25:75], atol=1e-3)
        np.testing.assert_allclose(found[50, 95:105], line[3, 50, 95:105], atol=1e-3)
    share = inner_share(frame(), 6.0)
    assert 0 < share[50, 76] < 1, "a taper where they meet"
    assert finished(strokes(), occlusion=1.5)[3].max() == 1


def test_threshold_and_crispness():
    alpha = np.linspace(0, 1, 101, dtype=np.float32)[None]
    one, half = np.ones((1, 1)), np.full((1, 1), 0.5)
    assert reshaped(alpha, half, one) is alpha
    found = reshaped(alpha, np.full((1, 1), 0.3), one)
    assert found[0, 30] == pytest.approx(0.5)
    assert (np.diff(found[0]) > 0).all()
    assert (found[0, 0], found[0, -1]) == (0, 1)
    hard = reshaped(alpha, half, 30 * one)
    assert hard[0, 40] < 0.01
    assert hard[0, 60] > 0.99


@pytest.mark.parametrize("turn", [0, 50])
@pytest.mark.parametrize("size", [0.5, 1, 3])
def test_a_figure_is_measured_whatever_way_it_turns(size, turn):
    pixels = frame()
    foreshortened = np.array([1 / np.cos(np.radians(turn)), 1, np.tan(np.radians(turn))])
    y, x = np.mgrid[:SIZE, :SIZE]
    pixels["rest_position"] = (np.stack([x, y, x]) * foreshortened[:, None, None] * 0.01 / size).astype(np.float32)
    pixels["rest_position"][0] = 0.01 * x / size if turn == 0 else pixels["rest_position"][0]
    if turn == 0:
        pixels["rest_position"][2] = 0
    assert figure_scale(pixels, 0.01, ()) == pytest.approx(size, rel=1e-3)


def test_objects_are_measured_apart():
    pixels = frame()
    pixels["object_id"][0, :, 80:] *= 2
    pixels["rest_position"][:, :, 80:] /= 2
    assert figure_scale(pixels, 0.01, [1]) == pytest.approx(1, rel=1e-3)
    assert figure_scale(pixels, 0.01, [2]) == pytest.approx(2, rel=1e-3)
    assert figure_scale(pixels, 0.01, [3]) == 1, "not in the picture"


def test_locks():
    """At twice the size a line locked to the character is drawn twice as broad, one locked to the screen not."""
    pixels = frame()
    pixels["rest_position"] /= 2
    look = Look.model_validate(
        {"line": {"lock": "character"}, "parts": {2: {"line": {"lock": "screen", "width": 0.5}}}}
    )
    controls = LineControls.of(look, pixels, CARD, ())
    assert controls.width[25, 30] == pytest.approx(2, rel=1e-3)
    assert controls.width[60, 60] == 0.5
    assert controls.stroke == pytest.approx(12, rel=1e-3)
    np.testing.assert_array_equal(LineControls.of(Look(), pixels, CARD, ()).width, [[1]])


def test_a_broader_stroke_is_as_crisp():
    """The profile of a stroke drawn at scale 2 falls off over twice as many pixels."""
    ramp = np.zeros((4, SIZE, SIZE), np.float32)
    ramp[3] = np.clip((12 - frame()["contour"][0]) / 4 + 0.5, 0, 1)
    soft, crisp = (finished(ramp, line={"width": width})[3, 20:36, 36] for width in (1, 2))
    assert ((crisp > 0.1) & (crisp < 0.9)).sum() < ((soft > 0.1) & (soft < 0.9)).sum()
    assert abs(crisp.sum() - soft.sum()) < 0.2
