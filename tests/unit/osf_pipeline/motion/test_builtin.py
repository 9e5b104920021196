"""Motions by formula."""

from __future__ import annotations

import numpy as np
import pytest

from osf_pipeline.motion.builtin import FOREARM, FPS, NAMES, SECONDS, SHIN, THIGH, UPPER_ARM, builtin
from osf_pipeline.motion.clip import Clip
from osf_pipeline.motion.names import SIDES, landmarks

MOVING = sorted(set(NAMES) - {"rest"})


@pytest.fixture(params=MOVING)
def clip(request: pytest.FixtureRequest) -> Clip:
    return builtin(request.param)


def test_a_body_keeps_its_bones(clip: Clip) -> None:
    marks = landmarks(clip)
    for side in SIDES:
        for start, end, length in (("shoulder", "elbow", UPPER_ARM), ("elbow", "wrist", FOREARM),
                                   ("hip", "knee", THIGH), ("knee", "ankle", SHIN)):  # fmt: skip
            bone = np.linalg.norm(marks[f"{side}_{end}"] - marks[f"{side}_{start}"], axis=1)
            np.testing.assert_allclose(bone, length, rtol=1e-6, err_msg=f"{clip.name} {side} {start}")


def test_it_leads_back_to_its_start(clip: Clip) -> None:
    assert clip.loops
    assert len(clip.positions) == SECONDS * FPS + 1
    root = clip.positions[:, :1] * (1, 0, 1)
    local = clip.positions - root
    np.testing.assert_allclose(local[-1], local[0], atol=1e-9)
    seam = np.concatenate([local[-2:], local[1:2]])
    assert jerk(seam) <= jerk(local) * 1.01


def jerk(positions: np.ndarray) -> float:
    """Largest change of speed, metres a frame a frame."""
    return float(np.linalg.norm(np.diff(positions, n=2, axis=0), axis=2).max())


def test_it_is_smooth_and_above_the_ground(clip: Clip) -> None:
    assert clip.positions[:, :, 1].min() > -1e-6
    assert jerk(clip.positions) < 0.15


def test_knees_bend_forward(clip: Clip) -> None:
    marks = landmarks(clip)
    for side in SIDES:
        middle = (marks[f"{side}_hip"] + marks[f"{side}_ankle"]) / 2
        toe = marks[f"{side}_toe"] - marks[f"{side}_ankle"]
        assert np.einsum("ti,ti->t", marks[f"{side}_knee"] - middle, toe).min() > -1e-6


def test_what_they_are_named_for() -> None:
    walk, jump, wave, cross, turn = (landmarks(builtin(n)) for n in ("walk", "jump", "wave", "cross_arms", "turn"))
    assert walk["hips"][-1, 2] - walk["hips"][0, 2] > 3
    swing = [walk[f"{side}_wrist"][:, 2] - walk["hips"][:, 2] for side in SIDES]
    step = [walk[f"{side}_ankle"][:, 2] - walk["hips"][:, 2] for side in SIDES]
    assert np.corrcoef(swing[0], step[0])[0, 1] < -0.8  # arms against legs
    assert np.corrcoef(step[0], step[1])[0, 1] < -0.8
    assert np.minimum(jump["left_toe"][:, 1], jump["right_toe"][:, 1]).max() > 0.25
    assert (wave["right_wrist"][:, 1] > wave["right_shoulder"][:, 1]).mean() > 0.4
    assert (wave["left_wrist"][:, 1] < wave["left_elbow"][:, 1]).all()
    crossed = cross["left_wrist"][:, 0] < cross["right_wrist"][:, 0]
    assert 0.2 < crossed.mean() < 0.6
    assert cross["left_wrist"][crossed, 2].min() > 0.15
    apart = (cross["left_wrist"] - cross["right_wrist"])[crossed]
    assert apart[:, 2].min() < -0.03 < 0.03 < apart[:, 2].max()  # once the one, once the other is the outer
    line = turn["left_shoulder"] - turn["right_shoulder"]
    heading = np.unwrap(np.arctan2(-line[:, 2], line[:, 0]))
    np.testing.assert_allclose(heading[-1] - heading[0], 2 * np.pi, atol=1e-6)


def test_rest_moves_nothing() -> None:
    rest = builtin("rest")
    assert rest.joints == ()
    assert rest.positions.shape == (97, 0, 3)
