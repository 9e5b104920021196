"""Joint names of other programs."""

from __future__ import annotations

import numpy as np
import pytest

from osf_pipeline.errors import RequestError
from osf_pipeline.motion.clip import Clip
from osf_pipeline.motion.names import LANDMARKS, REQUIRED, joint_of, landmarks

MIXAMO = [
    "Hips", "Spine", "Spine1", "Spine2", "Neck", "Head", "HeadTop_End",
    "LeftShoulder", "LeftArm", "LeftForeArm", "LeftHand", "LeftHandThumb1", "LeftHandMiddle1",
    "RightShoulder", "RightArm", "RightForeArm", "RightHand", "RightHandThumb1", "RightHandMiddle1",
    "LeftUpLeg", "LeftLeg", "LeftFoot", "LeftToeBase", "RightUpLeg", "RightLeg", "RightFoot", "RightToeBase",
]  # fmt: skip


def sided(form: str, sides: str, names: str) -> list[str]:
    return [form.format(side=side, name=name) for side in sides for name in names.split()]


WANTED = {
    "mixamo": (
        [f"mixamorig:{name}" for name in MIXAMO],
        {"left_shoulder": "mixamorig:LeftArm", "left_hip": "mixamorig:LeftUpLeg", "left_knee": "mixamorig:LeftLeg",
         "head": "mixamorig:HeadTop_End", "right_wrist": "mixamorig:RightHand",
         "left_hand": "mixamorig:LeftHandMiddle1", "left_toe": "mixamorig:LeftToeBase"},
    ),
    "a prefix without a colon": (
        [f"Boy_{name}" for name in MIXAMO], {"left_shoulder": "Boy_LeftArm", "hips": "Boy_Hips"},
    ),
    "collar and shoulder": (
        ["Hips", "LeftHip", "LeftKnee", "LeftAnkle", "LeftToe", "RightHip", "RightKnee", "RightAnkle", "RightToe",
         "Chest", "LeftCollar", "LeftShoulder", "LeftElbow", "LeftWrist", "RightCollar", "RightShoulder", "RightElbow",
         "RightWrist", "Neck", "Head"],
        {"left_shoulder": "LeftShoulder", "left_hip": "LeftHip", "hips": "Hips", "right_ankle": "RightAnkle"},
    ),
    "biped": (
        ["Bip01", "Bip01 Pelvis", "Bip01 Spine", "Bip01 Neck", "Bip01 Head",
         *sided("Bip01 {side} {name}", "LR", "Clavicle UpperArm Forearm Hand Thigh Calf Foot Toe0")],
        {"left_shoulder": "Bip01 L UpperArm", "right_knee": "Bip01 R Calf", "hips": "Bip01 Pelvis",
         "left_toe": "Bip01 L Toe0"},
    ),
    "suffixes": (
        ["pelvis", "spine_01", "neck_01", "head",
         *sided("{name}_{side}", "lr", "clavicle upperarm lowerarm hand thigh calf foot ball")],
        {"left_elbow": "lowerarm_l", "right_ankle": "foot_r", "right_toe": "ball_r"},
    ),
    "dots": (
        ["root", "spine", "neck", "head",
         *sided("{name}.{side}", "LR", "shoulder upper_arm forearm hand thigh shin foot toe")],
        {"left_shoulder": "upper_arm.L", "right_knee": "shin.R"},
    ),
    "bones in latin": (
        ["root", "thorax", "lowerneck", "head",
         *sided("{side}{name}", "lr", "clavicle humerus radius wrist hand femur tibia foot toes")],
        {"left_shoulder": "lhumerus", "right_elbow": "rradius", "left_wrist": "lwrist", "left_hand": "lhand",
         "right_hip": "rfemur", "neck": "lowerneck"},
    ),
    "landmarks themselves": (list(LANDMARKS), {name: name for name in LANDMARKS}),
}  # fmt: skip


def clip_of(joints: list[str], parents: list[int] | None = None) -> Clip:
    flat = [-1] + [0] * (len(joints) - 1)
    positions = np.arange(6.0 * len(joints)).reshape(2, -1, 3)
    return Clip("test", tuple(joints), np.array(parents or flat), positions, 30)


@pytest.mark.parametrize("source", WANTED)
def test_names_of_other_programs(source: str) -> None:
    joints, wanted = WANTED[source]
    found = {landmark: joints[index] for landmark, index in joint_of(clip_of(joints)).items()}
    assert set(REQUIRED) <= set(found)
    assert wanted.items() <= found.items()
    assert len(set(found.values())) == len(found)


def test_hips_and_neck_lie_between_their_neighbours_where_they_are_missing() -> None:
    clip = clip_of([name for name in LANDMARKS if name not in ("hips", "neck")])
    found = landmarks(clip)
    np.testing.assert_allclose(found["hips"], (found["left_hip"] + found["right_hip"]) / 2)
    np.testing.assert_allclose(found["neck"], (found["left_shoulder"] + found["right_shoulder"]) / 2)


def test_hierarchy_tells_what_lies_between_and_below() -> None:
    names = "root left_shoulder x left_wrist right_shoulder y z left_hip left_knee left_ankle q right_knee right_ankle"
    joints = names.split()
    parents = [-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11]
    found = {landmark: joints[index] for landmark, index in joint_of(clip_of(joints, parents)).items()}
    assert found["left_elbow"] == "x"
    assert (found["right_elbow"], found["right_wrist"]) == ("y", "z")
    assert found["right_hip"] == "q"


def test_what_cannot_be_told_is_asked_with_a_mapping_to_paste() -> None:
    lost = ("left_elbow", "left_wrist", "left_hand")
    joints = [*(name for name in LANDMARKS if name not in lost), "Lefty_Elbo", "Lefty_Rist"]
    parents = [-1] + [0] * (len(joints) - 1)
    with pytest.raises(RequestError, match="left_elbow, left_wrist") as caught:
        landmarks(clip_of(joints, parents))
    assert "mapping:\n  left_elbow: Lefty_Elbo\n  left_wrist: Lefty_Rist" in caught.value.fix
    assert "Lefty_Elbo" in caught.value.where["joints"]


def test_a_mapping_goes_before_names() -> None:
    clip = clip_of([*LANDMARKS, "other"])
    assert joint_of(clip, {"left_elbow": "other"})["left_elbow"] == len(LANDMARKS)


@pytest.mark.parametrize(
    ("mapping", "near"), [({"left_elbow": "othr"}, "other"), ({"left_elbo": "other"}, "left_elbow")]
)
def test_a_mapping_to_nothing_is_refused(mapping: dict[str, str], near: str) -> None:
    with pytest.raises(RequestError, match="does not exist") as caught:
        joint_of(clip_of([*LANDMARKS, "other"]), mapping)
    assert near in caught.value.fix
