"""Two frames whose every change is known."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from osf_pipeline.evaluation.contours import Drawn, TrueLine
from osf_pipeline.evaluation.lines import grown
from osf_pipeline.evaluation.temporal import Motion, Step

H, W = 60, 80
ASKED = np.zeros((H, W), bool)
ASKED[10:50, 40] = True
ROWS = np.arange(10, 50)
POINTS = np.stack([ROWS, np.full(40, 40.25)], 1).astype(np.float64)
EMPTY = np.zeros((H, W), bool)
EVERYWHERE = np.ones((1, H, W), bool)


def motion(x: float, y: float, valid: np.ndarray | None = None, before: tuple[int, int] = (0, 0)) -> Motion:
    field = np.broadcast_to(np.array([x, y])[:, None, None], (2, H, W))
    return Motion.of(field, np.ones((H, W), bool) if valid is None else valid, (0, 0), before, (H, W))


def drawn(rows: np.ndarray, width: float | np.ndarray = 3.0, ink: np.ndarray = EMPTY) -> Drawn:
    there = np.isin(ROWS, rows)
    return Drawn(there, ~there, np.broadcast_to(width, 40).astype(np.float64), ink)


def step(
    moved: Motion, before: np.ndarray = POINTS, width_change: float = 0.1, error: float = 0.01,
    ink: np.ndarray = EMPTY, ink_before: np.ndarray = EMPTY,
) -> Step:  # fmt: skip
    """A step whose true line swells by a known width, and covers `ink`."""
    now, _ = moved.follow(ASKED, POINTS, before)
    of_truth, of_truth_before = np.zeros(40), np.zeros(len(before))
    of_truth[now] += width_change
    true, true_before = (SimpleNamespace(asked=ASKED, points=points) for points in (POINTS, before))
    return Step.of(
        1, moved, cast("TrueLine", true), cast("TrueLine", true_before),
        Drawn(ROWS > 0, ROWS < 0, of_truth, ink), Drawn(ROWS > 0, ROWS < 0, of_truth_before, ink_before),
        np.full(moved.here.sum(), error),
    )  # fmt: skip


BLANK = np.zeros((3, H, W))


def scores(taken: Step, line: Drawn, before: Drawn) -> dict[str, float]:
    out = {}
    for name, sampled in taken.metrics(BLANK, BLANK, line, before).items():
        total, per, _ = sampled.within(EVERYWHERE)[0]
        out[name] = total / per if per else float("nan")
    return out


# --- Following lines


def test_a_line_is_followed_to_where_it_was():
    now, before = motion(5, -3).follow(ASKED, POINTS, POINTS - [-3, 5])
    np.testing.assert_array_equal(now, np.arange(40))
    np.testing.assert_array_equal(before, np.arange(40))


def test_what_cannot_be_followed_is_left_out():
    assert not len(motion(-5, 0).follow(ASKED, POINTS, POINTS)[0])  # no line there
    assert not len(motion(0, 0, np.zeros((H, W), bool)).follow(ASKED, POINTS, POINTS)[0])  # hidden, or a cut
    assert not len(motion(50, 0).follow(ASKED, POINTS, POINTS - [0, 50])[0])  # from outside the picture
    assert not len(motion(0, 0).follow(ASKED, POINTS, np.zeros((0, 2)))[0])
    half = np.ones((H, W), bool)
    half[30:] = False
    assert len(motion(0, 0, half).follow(ASKED, POINTS, POINTS)[0]) == 20


def test_windows_of_the_two_frames_may_differ():
    now, before = motion(0, 0, before=(4, 7)).follow(ASKED, POINTS, POINTS - [4, 7])
    np.testing.assert_array_equal(now, before)
    assert len(now) == 40


# --- Flicker and width


def test_flicker_is_the_share_of_the_persisting_line_that_toggles():
    still = step(motion(0, 0))
    found = scores(still, drawn(ROWS), drawn(ROWS[10:]))
    assert found["flicker"] == found["flicker_drawn"] == 0.25
    assert scores(still, drawn(ROWS[:30]), drawn(ROWS[:30]))["flicker"] == 0
    third = scores(still, drawn(ROWS[:20]), drawn(ROWS[10:20]))
    assert third["flicker"] == 0.25
    assert third["flicker_drawn"] == 0.5  # of the half that is ever drawn
    never = scores(still, drawn(ROWS[:0]), drawn(ROWS[:0]))
    assert never["flicker"] == 0
    assert np.isnan(never["flicker_drawn"])


def test_a_line_that_drifts_a_little_off_does_not_flicker():
    beside = Drawn(np.zeros(40, bool), np.zeros(40, bool), np.full(40, 3.0), EMPTY)
    assert scores(step(motion(0, 0)), drawn(ROWS), beside)["flicker"] == 0


def test_flicker_lies_where_the_line_toggles():
    taken = step(motion(0, 0))
    upper = np.zeros((1, H, W), bool)
    upper[:, :30] = True
    flicker = taken.metrics(BLANK, BLANK, drawn(ROWS), drawn(ROWS[10:]))["flicker"]
    np.testing.assert_array_equal(flicker.within(upper)[0], [10, 20, 20])
    np.testing.assert_array_equal(flicker.within(~upper)[0], [0, 20, 20])


def test_a_line_of_constant_width_is_steadier_than_the_truth():
    taken = step(motion(0, 0))
    assert scores(taken, drawn(ROWS), drawn(ROWS))["width_change"] == 0
    assert scores(taken, drawn(ROWS), drawn(ROWS))["width_ratio"] == 0
    found = scores(taken, drawn(ROWS, 3.4), drawn(ROWS, 3.0))
    assert found["width_change"] == pytest.approx(0.4)
    assert found["width_ratio"] == pytest.approx(4)
    swelling = np.where(ROWS < 30, 3.2, 3.0)
    assert scores(taken, drawn(ROWS[20:], swelling), drawn(ROWS, 3.0))["width_change"] == 0  # undrawn has no width
    assert scores(taken, drawn(ROWS, swelling), drawn(ROWS, 3.0))["width_change"] == pytest.approx(0.1)


# --- Ink that boils

STROKE = EMPTY.copy()
STROKE[10:50, 39:42] = True  # 120 pixels


def instability(
    ink: np.ndarray, before: np.ndarray, moved: Motion | None = None, true: np.ndarray = STROKE,
    true_before: np.ndarray = STROKE, region: np.ndarray = EVERYWHERE,
) -> float:  # fmt: skip
    taken = step(moved or motion(0, 0), ink=true, ink_before=true_before)
    lines = drawn(ROWS, ink=ink), drawn(ROWS, ink=before)
    total, per, _ = taken.metrics(BLANK, BLANK, *lines)["contour_instability"].within(region)[0]
    return float(total / per)


def sparse(seed: int, share: float) -> np.ndarray:
    """Blocks of 5x5 pixels, each inked by chance."""
    cells = np.random.default_rng(seed).random((H // 5, W // 5)) < share
    return cells.repeat(5, 0).repeat(5, 1)


def test_a_line_as_steady_as_the_true_one_scores_nothing():
    assert instability(STROKE, STROKE) == 0
    assert instability(EMPTY, EMPTY) == 0  # never drawn: seen by the recall
    carried, moved = np.roll(STROKE, (2, 4), (0, 1)), motion(4.3, 2.4)
    assert instability(carried, STROKE, moved, carried, STROKE) == 0
    # Where the true line slides over the surface, so may the drawn one.
    slid = np.roll(STROKE, 4, 1)
    assert instability(slid, STROKE, true=slid) == 0
    assert instability(STROKE, STROKE, true=slid) == 0
    assert instability(slid, STROKE) == 2  # but not over a surface on which the true one stays


def test_a_line_a_little_off_or_broader_is_no_less_steady():
    slid, off = np.roll(STROKE, 4, 1), np.roll(STROKE, 1, 1)
    assert instability(np.roll(off, 4, 1), off, true=slid) == 0
    assert instability(grown(slid), grown(STROKE), true=slid) == 0
    assert instability(off, STROKE) == 0


def test_stretches_that_drop_out_count_by_their_area():
    dropped = STROKE.copy()
    dropped[20:24] = False  # a tenth, of which the ends lie beside ink that stays
    assert instability(STROKE, dropped) == instability(dropped, STROKE) == pytest.approx(0.1 - 0.05)
    dropped[20:40] = False
    assert instability(STROKE, dropped) == pytest.approx(0.5 - 0.05)


def test_a_flood_counts_when_it_boils_and_not_when_it_is_steady():
    flood = STROKE.copy()
    flood[:, 20:60] = True
    assert instability(flood, flood) == 0
    assert instability(flood, STROKE) > 10
    assert instability(STROKE | sparse(0, 0.3), STROKE | sparse(1, 0.3)) > 2
    assert instability(STROKE | sparse(0, 0.3), STROKE | sparse(0, 0.3)) == 0


def test_ink_is_followed_by_the_motion_and_not_where_it_was_hidden():
    moving = motion(4, 2)
    block = sparse(0, 0.3)
    assert instability(STROKE | np.roll(block, (2, 4), (0, 1)), STROKE | block) > 0.5
    here = np.zeros((1, H, W), bool)
    here[:, 10:50, 10:70] = True  # away from the border, where rolling brings in the other side
    carried = np.roll(STROKE, (2, 4), (0, 1))
    both = carried | np.roll(block, (2, 4), (0, 1)), STROKE | block
    assert instability(*both, moving, carried, STROKE, here) == 0
    valid = np.ones((H, W), bool)
    valid[20:40] = False
    dropped = STROKE.copy()
    dropped[20:40] = False
    assert instability(STROKE, dropped, motion(0, 0, valid)) == 0
    assert instability(STROKE, dropped) > 0.4


def test_instability_lies_where_ink_toggles():
    blot = STROKE.copy()
    blot[10:20, 60:70] = True
    upper = np.zeros((1, H, W), bool)
    upper[:, :30] = True
    assert instability(blot, STROKE, region=upper) == pytest.approx(100 / 60)
    assert instability(blot, STROKE, region=~upper) == 0


# --- Warping


def test_a_picture_carried_by_the_motion_has_no_warp_error():
    before = np.random.default_rng(0).random((3, H, W))
    moved = motion(4, 2)
    now = np.roll(before, (2, 4), (1, 2))
    error = moved.warp_error(now, before)
    assert error.shape == (moved.here.sum(),) == ((H - 2) * (W - 4),)
    np.testing.assert_allclose(error, 0, atol=1e-12)
    assert moved.warp_error(before, before).mean() > 0.1
    np.testing.assert_allclose(motion(0, 0).warp_error(before + 0.2, before), 0.04)


def test_the_ratio_is_of_sums_and_leaves_out_what_was_hidden():
    valid = np.zeros((H, W), bool)
    valid[:20] = True
    moved = motion(0, 0, valid)
    picture = BLANK.copy()
    picture[:, :10], picture[:, 30:] = 0.3, 1  # the lower half was hidden
    total, per, pixels = (
        step(moved, error=0.01).metrics(picture, BLANK, drawn(ROWS), drawn(ROWS))["warp_ratio"].within(EVERYWHERE)[0]
    )
    assert pixels == 20 * W
    assert total / per == pytest.approx(0.5 * 0.09 / 0.01)
