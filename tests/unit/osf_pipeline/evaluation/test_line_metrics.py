"""Lines of known place: what is measured must be what was drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from osf_pipeline.evaluation.contours import LAYER_SHARE, PICTURE_SHARE, Drawn, TrueLine, line_metrics
from osf_pipeline.evaluation.metrics import Sampled
from osf_pipeline.evaluation.truth import FrameTruth

H, W = 80, 100
Y, X = np.mgrid[:H, :W].astype(np.float64)
ROWS = slice(10, 70)


def ink(column: float, width: float = 4.0) -> np.ndarray:
    """(y, x) coverage of a vertical stroke whose middle is at a column, not reaching the border."""
    out = np.clip(width / 2 + 0.5 - np.abs(X - column), 0, 1)
    out[: ROWS.start] = out[ROWS.stop :] = 0
    return out


def picture(alpha: np.ndarray, render: np.ndarray, color: float = 0.0) -> np.ndarray:
    return render * (1 - alpha) + color * alpha


WHITE = np.ones((3, H, W))


def truth(column: float = 40.2, width: float = 4.0, alpha: np.ndarray | None = None) -> FrameTruth:
    """A figure everywhere; what lies to the right of the line is behind it."""
    dy = np.clip(Y, ROWS.start, ROWS.stop - 1) - Y
    contour = np.hypot(X - column - width / 2, dy).astype(np.float32)
    line = ink(column, width) if alpha is None else alpha
    return FrameTruth(
        np.ones((4, H, W), np.float32), line.astype(np.float32), contour, contour, np.stack([column - X, dy]),
        np.full((H, W), width), None, column + width / 2 < X,
    )  # fmt: skip


def mean(sampled: Sampled) -> float:
    total, per, _ = sampled.within(np.ones((1, H, W), bool))[0]
    return total / per if per else float("nan")


def measured(true: TrueLine, change: np.ndarray) -> dict[str, float]:
    line = true.find(change)
    found = {name: mean(sampled) for name, sampled in line_metrics(line, Drawn.of(line, true), true).items()}
    return found | {"offset_rms": found["offset_rms"] ** 0.5}


def score(alpha: np.ndarray, frame: FrameTruth | None = None, render: np.ndarray = WHITE) -> dict[str, float]:
    """A black line of some opacity against the truth's, both found in pictures."""
    frame = truth() if frame is None else frame
    true = TrueLine.of(frame, picture(frame.line, render) - render, PICTURE_SHARE)
    return measured(true, picture(alpha, render) - render)


def test_the_true_line_scores_perfectly():
    scores = score(ink(40.2))
    perfect = {"contour_recall": 1, "contour_precision": 1, "stray_ink": 0, "interior_ink": 0, "ghost_ink": 0}
    assert {name: scores[name] for name in perfect} == perfect
    assert scores["offset"] < 0.03
    assert scores["line_width"] == pytest.approx(4, abs=0.5)  # a third of the contrast lies a little outside


@pytest.mark.parametrize("shift", [-0.5, 0.5, 0.75])
def test_a_shifted_line_shows_its_offset(shift: float):
    scores = score(ink(40.2 + shift))
    assert min(scores["contour_recall"], scores["contour_precision"]) > 0.98  # ends of a line are a pixel of give
    assert scores["offset"] == pytest.approx(abs(shift), abs=0.03)
    assert scores["offset_rms"] == pytest.approx(abs(shift), abs=0.03)


@pytest.mark.parametrize("shift", [1.3, 20])
def test_a_line_more_than_a_pixel_off_is_another_line(shift: float):
    scores = score(ink(40.2 + shift))
    assert scores["contour_recall"] < 0.05
    assert scores["contour_precision"] < 0.05


def test_the_middle_counts_and_not_the_edge():
    """Half a pixel broader on both sides is the same line; a pixel and a half on one side is not."""
    assert score(ink(40.2, 5.0))["offset"] < 0.03
    assert score(ink(40.2, 5.0))["contour_recall"] > 0.98
    assert score(ink(40.95, 5.5))["offset"] == pytest.approx(0.75, abs=0.03)


def test_dropping_a_tenth_of_a_contour_loses_a_tenth_of_recall_only():
    alpha = ink(40.2)
    alpha[30:36] = 0
    scores = score(alpha)
    assert scores["contour_recall"] == pytest.approx(0.9, abs=0.025)
    assert scores["contour_precision"] == 1


def test_a_line_is_there_gone_or_a_little_off():
    frame = truth()
    true = TrueLine.of(frame, picture(frame.line, WHITE) - WHITE, PICTURE_SHARE)
    alpha = ink(40.2)
    alpha[30:50] = 0  # gone
    alpha[50:] = ink(41.6)[50:]  # beside its place, yet it covers it
    drawn = Drawn.of(true.find(picture(alpha, WHITE) - WHITE), true)
    rows = np.rint(true.points[:, 0])
    for chosen, there, gone in (
        ((rows > 12) & (rows < 28), 1, 0),
        ((rows > 32) & (rows < 47), 0, 1),
        (rows > 54, 0, 0),
    ):
        assert (drawn.there[chosen].mean(), drawn.gone[chosen].mean()) == (there, gone)
    np.testing.assert_allclose(drawn.width[rows < 25], 4.2, atol=0.4)


def test_a_pale_grainy_line_is_as_exact_as_a_strong_one():
    grain = np.random.default_rng(0).uniform(0.5, 1.0, (H, W))
    frame = truth(alpha=0.35 * grain * ink(40.2))
    own = score(frame.line, frame)
    assert own["contour_recall"] == own["contour_precision"] == 1
    assert own["offset"] < 0.2
    scores = score(0.3 * ink(40.7), frame)
    assert scores["contour_recall"] > 0.97
    assert scores["offset"] == pytest.approx(0.5, abs=0.12)


def test_a_line_counts_as_drawn_from_a_third_of_its_contrast_and_half_of_its_opacity():
    frame = truth()
    assert score(0.36 * ink(40.2))["contour_recall"] == 1
    assert score(0.30 * ink(40.2))["contour_recall"] == 0
    layer = TrueLine.of(frame, frame.line[None], LAYER_SHARE)
    for alpha, recall in ((0.55, 1), (0.45, 0)):
        assert measured(layer, alpha * ink(40.2)[None])["contour_recall"] == recall


def test_lighter_is_no_darker_line():
    """The bare strip of paper beside a line differs from the render, and is no ink."""
    render = np.full_like(WHITE, 0.6)
    frame = truth()
    true = TrueLine.of(frame, picture(frame.line, render) - render, PICTURE_SHARE)
    bare = picture(ink(44.2, 3.0), picture(frame.line, render), 1.0)
    assert measured(true, bare - render) == measured(true, picture(frame.line, render) - render)


def test_ink_that_cannot_be_seen_is_allowed_and_not_asked_for():
    render = WHITE.copy()
    render[:, 40:] = 0.08  # black ink does not show on it
    frame = truth()
    true = TrueLine.of(frame, picture(frame.line, render) - render, PICTURE_SHARE)
    assert true.asked[12:34].any()
    assert not true.asked[46:].any()
    upper = ink(40.2)
    upper[40:] = 0
    for alpha in (upper, ink(40.2)):
        scores = measured(true, picture(alpha, render) - render)
        assert scores["contour_recall"] > 0.9  # but for a pixel or two where it goes out of sight
        assert scores["contour_precision"] == 1
        assert scores["stray_ink"] == 0


def test_what_the_hand_draws_beside_its_stroke_is_right_and_not_asked_for():
    second = np.maximum(ink(40.2), ink(48.0, 2.0))
    frame = truth(alpha=second)
    assert score(second, frame)["contour_precision"] == 1
    assert score(ink(40.2), frame)["contour_recall"] == 1
    assert score(second)["contour_precision"] == pytest.approx(0.5, abs=0.03)


def test_flooding_is_the_inked_share_of_the_interior():
    alpha = ink(40.2)
    alpha[20:50, 60:90] = 1
    scores = score(alpha)
    interior = np.count_nonzero(np.hypot(np.clip(Y, 10, 69) - Y, X - 40.2) > 4 / 2 + 3)
    assert scores["interior_ink"] == pytest.approx(900 / interior, rel=0.02)
    assert scores["stray_ink"] > 0.7
    assert scores["contour_recall"] == 1


def test_a_ghost_lies_on_the_far_side_within_the_band():
    def ghost(column: float) -> float:
        return score(np.maximum(ink(40.2), ink(column, 1.0)))["ghost_ink"]

    assert ghost(46.2) > 0.1  # on the right, 4 px beyond the contour at 42.2
    assert ghost(34.2) == 0  # on the near side
    assert ghost(56.2) == 0  # beyond the band: stray, but no ghost
    assert "ghost_ink" not in score(ink(40.2), replace(truth(), far=None))


def test_without_a_line_recall_is_zero_and_precision_undefined():
    scores = score(np.zeros((H, W)))
    assert scores["contour_recall"] == scores["interior_ink"] == 0
    assert np.isnan(scores["contour_precision"])
    assert np.isnan(scores["offset"])


def test_a_line_where_none_belongs_has_no_precision():
    far = np.full((H, W), 32.0)
    nothing = FrameTruth(np.ones((4, H, W)), np.zeros((H, W)), far, far, np.full((2, H, W), 32.0), np.zeros((H, W)))
    scores = score(ink(40.2), nothing)
    assert scores["contour_precision"] == 0
    assert np.isnan(scores["contour_recall"])
    assert scores["stray_ink"] == 1
    assert measured(TrueLine.of(nothing, nothing.line[None], LAYER_SHARE), ink(40.2)[None])["contour_precision"] == 0


def test_a_soft_line_is_still_the_line():
    scores = score(ndimage.gaussian_filter(ink(40.2, 2.0), 0.7), truth(width=2.0))
    assert scores["contour_recall"] == scores["contour_precision"] == 1
    assert scores["offset"] < 0.12
