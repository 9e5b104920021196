"""Bones from joints: names, roles, ends, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_figures import PLACES, SHAPE, capsule, figure_mask, skeleton

from osf_pipeline.character.bones import DrawnBone, drawn_bones
from osf_pipeline.character.character import Role
from osf_pipeline.drawing.skeleton import Joint, Skeleton
from osf_pipeline.errors import InputDataError

MASK = figure_mask(PLACES)
FULL = np.ones(SHAPE, bool)


def bones(joints: Skeleton, mask: np.ndarray = FULL) -> dict[str, DrawnBone]:
    return {bone.name: bone for bone in drawn_bones(joints, mask)}


def limb(names: tuple[str, ...], parent: str, start: tuple[float, float], step: tuple[float, float]) -> list[Joint]:
    places = [(start[0] + k * step[0], start[1] + k * step[1]) for k in range(len(names))]
    parents = (parent, *names[:-1])
    return [Joint(name, *place, above) for name, place, above in zip(names, places, parents, strict=True)]


TRUNK = [
    Joint("root", 90, 130, None),
    Joint("hip", 90, 130, "root"),
    Joint("torso", 90, 84, "hip"),
    Joint("neck", 90, 40, "torso"),
]


def test_a_person_has_every_role_once() -> None:
    made = drawn_bones(skeleton(PLACES), MASK)
    assert sorted(bone.role for bone in made) == sorted(Role)
    assert all(bone.name == bone.role for bone in made)
    assert [bone.parent for bone in made][:3] == [-1, 0, 1]
    assert all(bone.parent < index for index, bone in enumerate(made))
    assert made[2].parent == 1
    parents = {bone.name: made[bone.parent].name for bone in made}
    assert parents["left_upper_arm"] == "torso"
    assert parents["left_thigh"] == "pelvis"
    assert parents["left_foot"] == "left_shin"


def test_bones_begin_at_their_joints_and_end_inside_the_figure() -> None:
    made = bones(skeleton(PLACES), MASK)
    assert made["right_forearm"].head == pytest.approx(PLACES["right_elbow"])
    assert made["right_forearm"].tail == pytest.approx(PLACES["right_hand"])
    for bone in made.values():
        x, y = np.round(bone.tail).astype(int)
        assert MASK[y, x], bone.name
    hand = made["left_hand"]
    assert 4 < np.linalg.norm(hand.tail - hand.head) < 8, "cut off where the figure ends"
    wide = bones(skeleton(PLACES))["left_hand"]
    forearm = np.linalg.norm(np.subtract(PLACES["left_hand"], PLACES["left_elbow"]))
    assert np.linalg.norm(wide.tail - wide.head) == pytest.approx(forearm / 2)
    foot = bones(skeleton(PLACES))["left_foot"]
    shin = np.linalg.norm(np.subtract(PLACES["left_foot"], PLACES["left_knee"]))
    assert np.linalg.norm(foot.tail - foot.head) == pytest.approx(0.3 * shin, abs=1.5)


def test_the_head_runs_from_the_narrow_neck_to_the_crown() -> None:
    head = bones(skeleton(PLACES), MASK)["head"]
    assert 64 < head.head[1] < 76
    assert 16 <= head.tail[1] < 20
    straight = bones(skeleton(PLACES), capsule(SHAPE, (90, 0), (90, 229), 60))["head"]
    assert straight.head[1] == pytest.approx(62), "halfway where nothing is pinched"


def test_further_limbs_are_numbered_and_share_a_role() -> None:
    joints = [*TRUNK]
    for k in (1, 2, 3):
        names = tuple(f"right_{joint}{k}" for joint in ("shoulder", "elbow", "hand"))
        joints += limb(names, "torso", (70, 60 + 20 * k), (-15, 0))
    made = bones(Skeleton.of(joints))
    assert [name for name in made if "upper_arm" in name] == [f"right_upper_arm_{k}" for k in (1, 2, 3)]
    assert {made[f"right_hand_{k}"].role for k in (1, 2, 3)} == {Role.RIGHT_HAND}
    assert len({made[f"right_hand_{k}"].chain for k in (1, 2, 3)}) == 3


def test_front_legs_of_a_quadruped_hang_on_the_torso_and_trot() -> None:
    joints = [Joint("root", 90, 130, None), Joint("torso", 150, 100, "root"), Joint("neck", 152, 70, "torso")]
    for side, suffix, x in (("right", "b", 30), ("left", "b", 50), ("right", "f", 130), ("left", "f", 150)):
        names = tuple(f"{side}_{joint}_{suffix}" for joint in ("hip", "knee", "foot"))
        joints += limb(names, "root", (x, 140), (0, 25))
    made = bones(Skeleton.of(joints))
    order = list(made)
    assert made["right_thigh_b"].role is Role.RIGHT_THIGH
    assert made["right_thigh_f"].role is Role.LEFT_THIGH
    assert made["left_shin_f"].role is Role.RIGHT_SHIN
    assert order[made["left_thigh_f"].parent] == "torso"
    assert order[made["left_thigh_b"].parent] == "pelvis"
    assert made["pelvis"].tail == pytest.approx([40, 140]), "towards the hind legs"
    assert made["torso"].head == pytest.approx([90, 130])


@pytest.mark.parametrize("name", ["tail", "right_wing", "right_elbow_f", "left_hand_b", "right_shoulder_1"])
def test_an_unknown_joint_is_named(name: str) -> None:
    with pytest.raises(InputDataError, match="name is unknown") as caught:
        bones(Skeleton.of([*TRUNK, Joint(name, 50, 50, "torso")]))
    assert f"joint={name}" in str(caught.value)


@pytest.mark.parametrize("gone", ["neck", "left_hand", "right_hip"])
def test_a_missing_joint_is_named(gone: str) -> None:
    kept = [joint for joint in skeleton(PLACES).joints if joint.name != gone]
    kept = [Joint(j.name, j.x, j.y, "root" if j.parent == gone else j.parent) for j in kept]
    with pytest.raises(InputDataError, match=r"missing|lacks") as caught:
        bones(Skeleton.of(kept))
    assert f"joint={gone}" in str(caught.value)


def test_a_joint_beside_the_figure_is_moved_in_or_refused() -> None:
    near = bones(skeleton(PLACES | {"left_elbow": (136, 103)}), MASK)["left_forearm"]
    x, y = np.round(near.head).astype(int)
    assert MASK[y, x]
    with pytest.raises(InputDataError, match="outside the figure") as caught:
        bones(skeleton(PLACES | {"left_elbow": (150, 160)}), MASK)
    assert "joint=left_elbow" in str(caught.value)
