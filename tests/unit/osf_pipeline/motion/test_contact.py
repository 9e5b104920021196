"""Feet on the ground."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from osf_pipeline.character.character import Character
from osf_pipeline.motion.builtin import builtin
from osf_pipeline.motion.bvh import read_bvh
from osf_pipeline.motion.clip import Clip
from osf_pipeline.motion.contact import STANDS, skate, stance
from osf_pipeline.motion.names import landmarks
from osf_pipeline.motion.retarget import retarget


def lowest(character: Character, performance) -> np.ndarray:
    rows = zip(performance.rotation, performance.position, strict=True)
    return np.array([character.posed(*row)[:, 1].min() for row in rows])


def test_the_steps_of_a_walk_are_found() -> None:
    stand = stance(landmarks(builtin("walk")), 24)
    for side, other in (("left", "right"), ("right", "left")):
        share = (stand.weight[side] > STANDS).mean()
        assert 0.45 < share < 0.75
        assert (np.maximum(stand.weight[side], stand.weight[other]) > STANDS).mean() > 0.95  # one foot always stands


def test_nobody_stands_in_the_air() -> None:
    clip = builtin("jump")
    stand = stance(landmarks(clip), 24)
    air = landmarks(clip)["left_toe"][:, 1] > 0.2
    assert air.sum() > 8
    assert stand.weight["left"][air].max() < 0.2
    assert stand.height[air].min() > 0.1
    assert stand.height[0] == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("name", ["walk", "turn", "wave", "cross_arms", "jump"])
def test_standing_feet_hold_still_on_the_ground(figure: Character, name: str) -> None:
    clip = builtin(name)
    stand = stance(landmarks(clip), 24)
    before, after = (retarget(clip, figure, fps=24, correct=correct) for correct in (False, True))
    assert skate(figure, after, stand) < 0.02
    assert skate(figure, after, stand) <= skate(figure, before, stand) + 1e-6
    low = lowest(figure, after)
    assert low.min() > -1e-9
    standing = np.maximum(stand.weight["left"], stand.weight["right"]) > 0.99
    assert low[standing].max() < 0.02


def test_the_correction_does_not_jerk(figure: Character) -> None:
    clip = builtin("walk")
    before, after = (retarget(clip, figure, fps=24, correct=correct) for correct in (False, True))
    jerk = [np.linalg.norm(np.diff(p.position, n=2, axis=0), axis=2).max() for p in (before, after)]
    assert jerk[1] < 1.5 * jerk[0] + 0.02


def test_knees_keep_bending_forward(figure: Character) -> None:
    after = retarget(builtin("walk"), figure, fps=24)
    names = [bone.name for bone in figure.bones]
    for side in ("left", "right"):
        hip, knee, ankle = (after.position[:, names.index(f"{side}_{part}")] for part in ("thigh", "shin", "foot"))
        middle = (hip + ankle) / 2
        assert (knee - middle)[:, 2].min() > -0.01


def test_a_figure_without_legs_is_left_alone(figure: Character, still: Clip) -> None:
    from dataclasses import replace

    trunk = replace(figure, bones=figure.bones[:3], weights=figure.weights[:, :3])
    performance = retarget(still, trunk, fps=24)
    assert np.isfinite(performance.position).all()
    assert skate(trunk, performance, stance(landmarks(still), 24)) == 0


@pytest.mark.data
@pytest.mark.parametrize(("name", "most"), [("dab", 0.03), ("zombie", 0.03)])
def test_captured_motions_stop_sliding(figure: Character, shared_data: Path, name: str, most: float) -> None:
    clip = read_bvh((shared_data / "motions" / f"{name}.bvh").read_bytes(), name)
    stand = stance(landmarks(clip), 30)
    before, after = (retarget(clip, figure, fps=30, correct=correct) for correct in (False, True))
    assert skate(figure, after, stand) < min(most, skate(figure, before, stand))
    assert lowest(figure, after).min() > -1e-9
