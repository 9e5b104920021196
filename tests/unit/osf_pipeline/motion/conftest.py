"""A figure of boxes, its own clip, and small BVH files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from osf_pipeline.character.character import Bone, Character, Role
from osf_pipeline.motion.clip import Clip

Point = tuple[float, float]

JOINTS: dict[str, Point] = {
    "hips": (0.02, 0.8), "waist": (0.014, 0.9), "neck": (0.0, 1.25), "head": (-0.03, 1.7),
    "left_shoulder": (0.2, 1.2), "left_elbow": (0.45, 1.0), "left_wrist": (0.65, 0.85), "left_hand": (0.72, 0.8),
    "right_shoulder": (-0.2, 1.22), "right_elbow": (-0.44, 1.02), "right_wrist": (-0.66, 0.84),
    "right_hand": (-0.74, 0.79),
    "left_hip": (0.1, 0.75), "left_knee": (0.13, 0.42), "left_ankle": (0.14, 0.1), "left_toe": (0.2, 0.04),
    "right_hip": (-0.1, 0.76), "right_knee": (-0.12, 0.43), "right_ankle": (-0.15, 0.1), "right_toe": (-0.21, 0.04),
}  # fmt: skip
TRUNK = (("pelvis", -1, "hips", "waist"), ("torso", 0, "waist", "neck"), ("head", 1, "neck", "head"))
LIMBS = (("upper_arm", "shoulder", "elbow"), ("forearm", "elbow", "wrist"), ("hand", "wrist", "hand"),
         ("thigh", "hip", "knee"), ("shin", "knee", "ankle"), ("foot", "ankle", "toe"))  # fmt: skip

Build = Callable[..., Character]


def bones_of(joints: Mapping[str, Point]) -> tuple[Bone, ...]:
    place = {name: (float(x), float(y), 0.0) for name, (x, y) in joints.items()}
    bones = [Bone(name, parent, place[a], place[b], Role(name)) for name, parent, a, b in TRUNK]
    for side in ("left", "right"):
        for part, a, b in LIMBS:
            parent = {"upper_arm": 1, "thigh": 0}.get(part, len(bones) - 1)
            name = f"{side}_{part}"
            bones.append(Bone(name, parent, place[f"{side}_{a}"], place[f"{side}_{b}"], Role(name)))
    return tuple(bones)


def boxed(bones: Sequence[Bone], depth: Mapping[str, float], wide: Mapping[str, float]) -> Character:
    """A box of surface points around each bone, all its own; half as deep and wide as told, else 0.05 and 0.04."""
    rest, weights = [], []
    for number, bone in enumerate(bones):
        low, high = np.minimum(bone.head, bone.tail) - 0.04, np.maximum(bone.head, bone.tail) + 0.04
        half, broader = depth.get(bone.name, 0.05), wide.get(bone.name, 0.04) - 0.04
        low[0], high[0] = low[0] - broader, high[0] + broader
        x, y = (np.arange(low[k], high[k] + 0.015, 0.015) for k in (0, 1))
        sheet = np.stack(np.meshgrid(x, y, (-half, half)), axis=-1).reshape(-1, 3)
        rest.append(sheet)
        weights.append(np.eye(len(bones), dtype=np.float32)[[number] * len(sheet)])
    return Character(
        tuple(bones), np.concatenate(rest), np.array([[0, 1, 2]], np.int32), np.array([1], np.uint16),
        np.concatenate(weights), np.zeros((1, 3, 2), np.float32), np.ones((2, 4, 3), np.float32), 0.005, (0, 0),
    )  # fmt: skip


@pytest.fixture
def build() -> Build:
    """`build(left_knee=(x, y), ..., depth={bone: half}, wide={bone: half})`: the figure with some joints elsewhere."""

    def figure(
        depth: Mapping[str, float] | None = None, wide: Mapping[str, float] | None = None, **joints: Point
    ) -> Character:
        return boxed(bones_of(JOINTS | joints), depth or {}, wide or {})

    return figure


@pytest.fixture
def figure(build: Build) -> Character:
    return build()


@pytest.fixture
def still() -> Clip:
    """The figure's own joints, as drawn, for a second."""
    names = tuple(JOINTS)
    positions = np.array([[(*JOINTS[name], 0.0) for name in names]] * 25, float)
    return Clip("own", names, np.array([-1] + [0] * (len(names) - 1)), positions, 24)
