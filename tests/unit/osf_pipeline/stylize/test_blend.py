"""A line is averaged where it stays on its surface point, and left alone where it does not."""

from __future__ import annotations

import numpy as np
import pytest

from osf_pipeline.stylize.blend import SLIDE, blended
from osf_pipeline.stylize.frame import MATTE_FLOOR

SIZE = (20, 40)
Y, X = np.mgrid[: SIZE[0], : SIZE[1]].astype(np.float32)


def guides(
    left: float = 10, motion: float = 0, *, contour: float | None = None, confidence: float = 1, revealed: float = 0
) -> dict[str, np.ndarray]:
    """A surface from column `left` on that moved right by `motion`; its contour is its edge, or at another column."""
    on = left <= X
    signed = X - (left if contour is None else contour)
    return {
        "motion": np.stack([motion * on, 0 * X]).astype(np.float32),
        "motion_valid": on[None].astype(np.uint8),
        "contour": np.abs(signed)[None].astype(np.float16),
        "contour_side": (signed >= 0)[None].astype(np.uint8),
        "confidence": np.full((1, *SIZE), confidence, np.float16),
        "revealed": np.full((1, *SIZE), revealed, np.float16),
    }


def layers(alpha: np.ndarray | float) -> dict[str, np.ndarray]:
    """A line of that opacity, half as red as it is opaque, over a green fill."""
    line = np.stack([0.5 * alpha + 0 * X, 0 * X, 0 * X, alpha + 0 * X]).astype(np.float16)
    fill = np.stack([0 * X, 1 + 0 * X, 0 * X, 1 + 0 * X]).astype(np.float16)
    return {"line": line, "fill": fill, "beauty": line + fill * (1 - line[3:]), "confidence": fill[:1]}


def stroke(at: float) -> np.ndarray:
    """A stroke of 3 px about a column."""
    return (np.abs(X - at) < 1.6).astype(np.float32)


def same(found: dict[str, np.ndarray], source: dict[str, np.ndarray]) -> bool:
    return all(found[name].tobytes() == source[name].tobytes() for name in source)


def test_a_still_line_is_the_mean_of_its_frames() -> None:
    found = blended(layers(0.75), [guides()] * 3, [layers(0.5)["line"], layers(0.25)["line"]])
    np.testing.assert_allclose(found["line"][3].astype(float), 0.5, atol=1e-3)
    np.testing.assert_allclose(found["line"][0].astype(float), 0.25, atol=1e-3)
    np.testing.assert_allclose(found["beauty"][1].astype(float), 0.5, atol=1e-3)
    assert found["fill"].tobytes() == layers(0.75)["fill"].tobytes()


def test_a_line_moves_with_its_surface_through_two_frames() -> None:
    """5 px in the last step, 3 in the one before: the stroke lies on one point, and stays as sharp as it is."""
    frames = [guides(18, 5), guides(13, 3), guides(10)]
    found = blended(layers(stroke(20)), frames, [layers(stroke(15))["line"], layers(stroke(12))["line"]])
    np.testing.assert_allclose(found["line"], layers(stroke(20))["line"], atol=1e-3)
    assert ((found["line"][3] == 0) | (found["line"][3] >= MATTE_FLOOR)).all(), "a clean matte"
    dropped = blended(layers(0), frames, [layers(0)["line"], layers(stroke(12))["line"]])["line"][3].astype(float)
    np.testing.assert_allclose(dropped, stroke(20) / 3, atol=1e-3)


def test_a_line_beside_the_silhouette_moves_with_it() -> None:
    found = blended(layers(stroke(16)), [guides(18, 5), guides(13)], [layers(stroke(11))["line"]])
    np.testing.assert_allclose(found["line"], layers(stroke(16))["line"], atol=1e-3)


@pytest.mark.parametrize("slide", [SLIDE, 2, 5])
def test_a_contour_that_slides_over_a_still_surface_leaves_no_ghost(slide: float) -> None:
    drawn = layers(stroke(20))
    frames = [guides(contour=20), guides(contour=20 - slide), guides(contour=20 - 2 * slide)]
    earlier = [layers(stroke(20 - slide))["line"], layers(stroke(20 - 2 * slide))["line"]]
    assert same(blended(drawn, frames, earlier), drawn)


def test_a_slower_slide_counts_in_part() -> None:
    frames = [guides(contour=20), guides(contour=20 - SLIDE / 2)]
    found = blended(layers(0.75), frames, [layers(0)["line"]])["line"][3, 10, 30]
    assert float(found) == pytest.approx(0.75 / 1.5, abs=2e-3)


def test_a_side_change_is_no_agreement() -> None:
    """Three pixels from the contour on its owner, three on what lies beyond: the same distance, another line."""
    frames = [guides(contour=20), guides(contour=26)]
    assert same(blended(layers(0.75), frames, [layers(0)["line"]]), layers(0.75))


def test_what_was_hidden_is_not_blended() -> None:
    drawn = layers(0.75)
    assert same(blended(drawn, [guides(revealed=1), guides()], [layers(0)["line"]]), drawn)
    frames = [guides(), guides(revealed=1), guides()]
    found = blended(drawn, frames, [layers(0.75)["line"], layers(0)["line"]])
    np.testing.assert_allclose(found["line"].astype(float), drawn["line"].astype(float), atol=1e-3)
    gone = guides() | {"motion_valid": np.zeros((1, *SIZE), np.uint8)}
    assert same(blended(drawn, [gone, guides()], [layers(0)["line"]]), drawn)


def test_frames_weigh_by_confidence() -> None:
    frames = [guides(confidence=0.25), guides(confidence=0.75)]
    found = blended(layers(1), frames, [layers(0)["line"]])
    np.testing.assert_allclose(found["line"][3].astype(float), 0.25, atol=1e-3)
    assert same(blended(layers(1), [guides(), guides(confidence=0)], [layers(0)["line"]]), layers(1))


def test_what_left_the_picture_is_not_blended() -> None:
    found = blended(layers(0.75), [guides(-40, 5), guides(-45)], [layers(0.25)["line"]])["line"][3, 10]
    assert (found[:5] == 0.75).all()
    np.testing.assert_allclose(found[6:].astype(float), 0.5, atol=1e-3)
