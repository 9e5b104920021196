"""Arms and thick bodies."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from osf_pipeline.character.character import Character
from osf_pipeline.motion.builtin import builtin
from osf_pipeline.motion.clearance import clear_body, penetration
from osf_pipeline.motion.retarget import retarget

FAT = {"torso": 0.3, "pelvis": 0.3, "head": 0.2}


@pytest.fixture
def fat(build: Callable[..., Character]) -> Character:
    return build(depth=FAT, wide={"torso": 0.22, "pelvis": 0.22})


def test_arms_come_out_of_the_belly_in_front(fat: Character) -> None:
    before = retarget(builtin("cross_arms"), fat, fps=24, correct=False)
    assert penetration(fat, before).max() > 0.05
    after = clear_body(fat, before)
    assert penetration(fat, after).max() < 0.01
    names = [bone.name for bone in fat.bones]
    crossed = 33
    for side in ("left", "right"):
        hand = names.index(f"{side}_hand")
        torso = np.swapaxes(after.rotation[:, 1], 1, 2)
        local = np.einsum("tij,tj->ti", torso, after.position[:, hand] - after.position[:, 1])
        assert local[crossed, 2] > 0.28  # in front, not pushed aside


def test_what_is_clear_is_not_touched(figure: Character) -> None:
    before = retarget(builtin("walk"), figure, fps=24, correct=False)
    assert penetration(figure, before).max() == 0
    after = clear_body(figure, before)
    legs = [number for number, bone in enumerate(figure.bones) if "arm" not in bone.name and "hand" not in bone.name]
    np.testing.assert_array_equal(after.rotation[:, legs], before.rotation[:, legs])
    np.testing.assert_allclose(after.rotation, before.rotation, atol=1e-12)


def test_the_push_does_not_jerk(fat: Character) -> None:
    before = retarget(builtin("cross_arms"), fat, fps=24, correct=False)
    after = clear_body(fat, before)
    jerk = [np.linalg.norm(np.diff(p.position, n=2, axis=0), axis=2).max() for p in (before, after)]
    assert jerk[1] < 1.5 * jerk[0]


def test_arms_stay_joined_and_hands_turn_with_them(fat: Character) -> None:
    before = retarget(builtin("cross_arms"), fat, fps=24, correct=False)
    after = clear_body(fat, before)
    names = [bone.name for bone in fat.bones]
    for performance in (before, after):
        fore, hand = (performance.rotation[:, names.index(f"left_{part}")] for part in ("forearm", "hand"))
        bend = np.swapaxes(fore, 1, 2) @ hand
        np.testing.assert_allclose(bend, np.swapaxes(before.rotation[:, names.index("left_forearm")], 1, 2)
                                   @ before.rotation[:, names.index("left_hand")], atol=1e-9)  # fmt: skip


def test_arms_drawn_on_the_body_may_stay_there(build: Callable[..., Character]) -> None:
    pocket = build(depth=FAT, left_elbow=(0.28, 1.0), left_wrist=(0.1, 0.9), left_hand=(0.05, 0.88))
    performance = retarget(builtin("rest"), pocket, fps=24, count=5)
    np.testing.assert_allclose(clear_body(pocket, performance).rotation, performance.rotation, atol=0.6)
