import numpy as np
import pytest

from osf_pipeline.color import encode_srgb
from osf_pipeline.colorspaces.spaces import LINEAR_REC709
from osf_pipeline.stylize.look import Look
from osf_pipeline.stylize.post import color_matrix, finish
from osf_pipeline.training.exemplar import ExemplarData

LUMA = np.array([0.2126, 0.7152, 0.0722])


def run(line, fill, *steps):
    post = Look.model_validate({"post": list(steps)}).post
    return finish(line.astype(np.float32), fill.astype(np.float32), post, LINEAR_REC709)


def square(seed: int = 0, size: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """A two-coloured noisy square of soft edge, HDR, and a vertical line of half coverage."""
    rng = np.random.default_rng(seed)
    fill = np.zeros((4, size, size), np.float32)
    fill[3, 8:-8, 8:-8] = 1
    fill[3, 8, 8:-8] = 0.5
    colors = np.where(np.arange(size) < size // 2, 0.2, 1.5)[None, None]
    fill[:3] = fill[3] * colors * np.array([1, 0.6, 0.3])[:, None, None] * rng.uniform(0.9, 1.1, (1, size, size))
    line = np.zeros_like(fill)
    line[3, 8:-8, 18:21] = (0.3, 0.8, 0.3)
    line[:3] = line[3] * np.array([0.1, 0.05, 0.2])[:, None, None]
    return line, fill


STEPS = [{"step": "sharpen"}, {"step": "smooth"}, {"step": "match", "to": "fill"}]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step["step"])
def test_coverage_stays_and_nothing_is_nothing(step):
    line, fill = square()
    new_line, new_fill = run(line, fill, step)
    np.testing.assert_array_equal(new_fill[3], fill[3])
    assert not new_fill[:3, fill[3] == 0].any()
    assert not new_line[:, line[3] == 0].any()
    assert new_line.min() >= 0
    assert new_line[3].max() <= 1
    assert new_line.dtype == new_fill.dtype == np.float32


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step["step"])
def test_a_pixel_depends_on_its_surroundings_alone(step):
    line, fill = square()
    whole = run(line, fill, step)
    part = run(line[:, 3:, 5:-2], fill[:, 3:, 5:-2], step)
    for a, b in zip(whole, part, strict=True):
        assert np.array_equal(a[:, 3:, 5:-2], b)


def test_sharpening_steepens_edges_and_keeps_hue():
    line, fill = square()
    sharper_line, sharper = run(line, fill, {"step": "sharpen", "amount": 1, "radius": 1})
    contrast = [np.abs(np.diff(layer[1, 20]))[18:21].max() for layer in (fill, sharper)]
    assert contrast[1] > 1.1 * contrast[0]
    assert sharper_line[3, 20, 19] > line[3, 20, 19]
    inside = fill[3] == 1
    np.testing.assert_allclose(sharper[0, inside] / sharper[1, inside], 1 / 0.6, rtol=1e-3)


def test_flat_colour_is_not_sharpened_even_at_its_rim():
    line, fill = square()
    fill[:3] = fill[3] * 0.4
    _, sharper = run(line, fill, {"step": "sharpen", "amount": 4})
    np.testing.assert_allclose(sharper, fill, atol=1e-4)


def test_smoothing_calms_grain_and_keeps_the_edge():
    line, fill = square()
    _, smooth = run(line, fill, {"step": "smooth", "radius": 3, "tolerance": 0.1})
    left, right = (slice(12, -12), slice(10, 18)), (slice(12, -12), slice(22, 30))
    for side in (left, right):
        assert smooth[1][side].std() < 0.5 * fill[1][side].std()
        assert smooth[1][side].mean() == pytest.approx(fill[1][side].mean(), rel=0.02)
    assert abs(smooth[1, 20, 20] - smooth[1, 20, 19]) > 0.9 * abs(
        fill[1, 12:-12, 20:28].mean() - fill[1, 12:-12, 12:19].mean()
    )


def test_ink_takes_the_hue_of_the_fill_at_its_own_luminance():
    line, fill = square()
    tinted, kept = run(line, fill, {"step": "match", "to": "fill"})
    below = (line[3] > 0) & (fill[3] > 0)
    np.testing.assert_allclose(tinted[0, below] / tinted[1, below], 1 / 0.6, rtol=1e-3)
    np.testing.assert_allclose(np.tensordot(LUMA, tinted[:3], 1), np.tensordot(LUMA, line[:3], 1), rtol=1e-3)
    assert np.array_equal(kept, fill)
    half, _ = run(line, fill, {"step": "match", "to": "fill", "amount": 0.5})
    np.testing.assert_allclose(half, (tinted + line) / 2, atol=1e-6)


def exemplar(graded: np.ndarray, ink: float = 0.2) -> ExemplarData:
    """A keyframe of many colours, and a drawing that is an affine change of it with ink over a share of it."""
    rng = np.random.default_rng(3)
    color = np.ones((4, 60, 60), np.float32)
    color[:3] = rng.uniform(0.05, 0.7, (3, 60, 60))
    drawn = np.tensordot(graded, color, 1).clip(0, 1)
    drawn[:, rng.uniform(size=(60, 60)) < ink] = 0.01
    drawing = np.concatenate([encode_srgb(drawn), np.ones((1, 60, 60))]).astype(np.float32)
    return ExemplarData({"color": color}, drawing, np.ones((1, 60, 60), np.float32))


def test_the_colour_change_is_found_in_spite_of_ink():
    graded = np.array([[0.8, 0.1, 0, 0.02], [0, 0.9, 0, 0], [0.05, 0, 0.6, 0.1]])
    found = np.array(color_matrix([exemplar(graded)]))
    np.testing.assert_allclose(found, graded, atol=0.02)
    np.testing.assert_allclose(color_matrix([exemplar(np.eye(3, 4))]), np.eye(3, 4), atol=0.02)


def test_matching_is_right_in_premultiplied_light():
    line, fill = square()
    matrix = [[0.5, 0, 0, 0.1], [0, 1, 0, 0], [0, 0, 1, 0]]
    _, found = run(line, fill, {"step": "match", "matrix": matrix, "amount": 0.5})
    np.testing.assert_allclose(found[0], 0.75 * fill[0] + 0.05 * fill[3], atol=1e-6)
    assert np.array_equal(found[1:], fill[1:])


def test_steps_run_in_their_order():
    line, fill = square()
    steps = [{"step": "sharpen", "amount": 2}, {"step": "smooth"}]
    assert not np.array_equal(run(line, fill, *steps)[1], run(line, fill, *steps[::-1])[1])
