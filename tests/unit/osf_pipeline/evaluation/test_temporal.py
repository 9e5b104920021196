"""Two frames whose every change is known."""

from __future__ import annotations

import numpy as np
import pytest

from osf_pipeline.evaluation.contours import Drawn
from osf_pipeline.evaluation.temporal import Motion, Step

H, W = 60, 80
ASKED = np.zeros((H, W), bool)
ASKED[10:50, 40] = True
ROWS = np.arange(10, 50)
POINTS = np.stack([ROWS, np.full(40, 40.25)], 1).astype(np.float64)
EVERYWHERE = np.ones((1, H, W), bool)


def motion(x: float, y: float, valid: np.ndarray | None = None, before: tuple[int, int] = (0, 0)) -> Motion:
    field = np.broadcast_to(np.array([x, y])[:, None, None], (2, H, W))
    return Motion.of(field, np.ones((H, W), bool) if valid is None else valid, (0, 0), before, (H, W))


def drawn(rows: np.ndarray, width: float | np.ndarray = 3.0) -> Drawn:
    there = np.isin(ROWS, rows)
    return Drawn(there, ~there, np.broadcast_to(width, 40).astype(np.float64))


def step(moved: Motion, before: np.ndarray = POINTS, width_change: float = 0.1, error: float = 0.01) -> Step:
    now, then = moved.follow(ASKED, POINTS, before)
    return Step(1, moved, now, then, ASKED, np.full(moved.here.sum(), error), np.full(len(now), width_change))


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
    beside = Drawn(np.zeros(40, bool), np.zeros(40, bool), np.full(40, 3.0))
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
