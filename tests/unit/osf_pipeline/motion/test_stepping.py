"""Poses held on twos and threes, whole or bone by bone."""

from __future__ import annotations

import numpy as np
import pytest

from osf_pipeline.character.character import Character
from osf_pipeline.errors import RequestError
from osf_pipeline.motion.body import attach
from osf_pipeline.motion.builtin import builtin
from osf_pipeline.motion.clip import Performance
from osf_pipeline.motion.retarget import retarget
from osf_pipeline.motion.stepping import held, stepped


@pytest.fixture
def walk(figure: Character) -> Performance:
    return retarget(builtin("walk"), figure, fps=24, count=9)


def index(figure: Character, name: str) -> int:
    return [bone.name for bone in figure.bones].index(name)


def local(figure: Character, performance: Performance, bone: int) -> np.ndarray:
    """(T, 3, 3) angle of a bone to the one it hangs on."""
    parent = performance.rotation[:, figure.bones[bone].parent]
    return parent.transpose(0, 2, 1) @ performance.rotation[:, bone]


def test_ones_change_nothing(figure: Character, walk: Performance) -> None:
    assert stepped(walk, figure, 1) is walk
    assert stepped(walk, figure, {}, default=1) is walk


@pytest.mark.parametrize("step", [2, 3])
def test_a_whole_figure_shows_every_nth_pose(figure: Character, walk: Performance, step: int) -> None:
    found = stepped(walk, figure, step)
    shown = held(np.arange(9), step)
    np.testing.assert_allclose(found.rotation, walk.rotation[shown], atol=1e-12)
    np.testing.assert_allclose(found.position, walk.position[shown], atol=1e-9)
    for time in range(1, 9):
        same = np.array_equal(found.position[time], found.position[time - 1])
        assert same == (time % step != 0), "held poses are equal to the last bit, others move"


def test_a_held_arm_is_carried_by_the_body(figure: Character, walk: Performance) -> None:
    found = stepped(walk, figure, {"left_upper_arm": 3})
    for name in ("left_upper_arm", "left_forearm", "left_hand"):
        bone = index(figure, name)
        angles = local(figure, found, bone)
        np.testing.assert_allclose(angles, local(figure, walk, bone)[held(np.arange(9), 3)], atol=1e-12)
        assert np.abs(np.diff(found.position[:, bone], axis=0)).max(axis=1).min() > 1e-4, "the body moves on"
    for name in ("torso", "right_forearm", "left_foot"):
        bone = index(figure, name)
        np.testing.assert_allclose(found.rotation[:, bone], walk.rotation[:, bone], atol=1e-12)
    np.testing.assert_allclose(attach(figure, found.rotation, found.position[:, 0]), found.position, atol=1e-12)


def test_a_bone_that_is_named_itself_keeps_its_own_step(figure: Character, walk: Performance) -> None:
    found = stepped(walk, figure, {"left_forearm": 1, "head": 3}, default=2)
    forearm, head = index(figure, "left_forearm"), index(figure, "head")
    np.testing.assert_allclose(local(figure, found, forearm), local(figure, walk, forearm), atol=1e-12)
    assert np.array_equal(found.rotation[1, index(figure, "torso")], found.rotation[0, index(figure, "torso")])
    np.testing.assert_allclose(
        local(figure, found, head), local(figure, walk, head)[[0, 0, 0, 3, 3, 3, 6, 6, 6]], atol=1e-12
    )


def test_an_unknown_bone_is_refused(figure: Character, walk: Performance) -> None:
    with pytest.raises(RequestError, match=r"left_lower_arm.*left_forearm"):
        stepped(walk, figure, {"left_lower_arm": 3})
