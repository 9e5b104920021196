"""A figure of boxes with joints where they are told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product

import numpy as np
import pytest

from osf_pipeline.character.character import Bone, Character, Role
from osf_pipeline.motion.clip import Clip

JOINTS = {
    "hips": (0.02, 0.8), "waist": (0.01, 0.9), "neck": (0.0, 1.25), "head": (-0.03, 1.7),
    "left_shoulder": (0.2, 1.2), "left_elbow": (0.45, 1.0), "left_wrist": (0.65, 0.85), "left_hand": (0.72, 0.8),
    "right_shoulder": (-0.2, 1.22), "right_elbow": (-0.44, 1.02), "right_wrist": (-0.66, 0.84),
    "right_hand": (-0.74, 0.79),
    "left_hip": (0.1, 0.75), "left_knee": (0.13, 0.42), "left_ankle": (0.14, 0.1), "left_toe": (0.2, 0.04),
    "right_hip": (-0.1, 0.76), "right_knee": (-0.12, 0.43), "right_ankle": (-0.15, 0.1), "right_toe": (-0.21, 0.04),
}  # fmt: skip
TRUNK = (("pelvis", -1, "hips", "waist"), ("torso", 0, "waist", "neck"), ("head", 1, "neck", "head"))
LIMBS = (("upper_arm", "shoulder", "elbow"), ("forearm", "elbow", "wrist"), ("hand", "wrist", "hand"),
         ("thigh", "hip", "knee"), ("shin", "knee", "ankle"), ("foot", "ankle", "toe"))  # fmt: skip


def bones_of(joints: Mapping[str, Sequence[float]]) -> tuple[Bone, ...]:
    """One bone for each line of a standing figure."""
    place = {name: (float(x), float(y), 0.0) for name, (x, y) in joints.items()}
    bones = [Bone(name, parent, place[a], place[b], Role(name)) for name, parent, a, b in TRUNK]
    for side in ("left", "right"):
        for part, a, b in LIMBS:
            parent = {"upper_arm": 1, "thigh": 0}.get(part, len(bones) - 1)
            name = f"{side}_{part}"
            bones.append(Bone(name, parent, place[f"{side}_{a}"], place[f"{side}_{b}"], Role(name)))
    return tuple(bones)


def boxes(bones: Sequence[Bone], thickness: Mapping[str, float] | None = None) -> Character:
    """A box around each bone; `thickness` is half its depth in z, 0.05 where it is not told."""
    corners = np.array(list(product((-1, 1), repeat=3)), float)
    rest, faces, part, weights = [], [], [], []
    quads = np.array([(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)])
    for number, bone in enumerate(bones):
        low, high = np.minimum(bone.head, bone.tail) - 0.04, np.maximum(bone.head, bone.tail) + 0.04
        low[2] = -(thickness or {}).get(bone.name, 0.05)
        high[2] = -low[2]
        grid = np.stack(np.meshgrid(*(np.linspace(a, b, 9) for a, b in zip(low, high, strict=True))), -1).reshape(-1, 3)
        faces.append(
            len(np.concatenate([*rest, grid])) - len(grid) + np.concatenate([quads[:, :3], quads[:, [0, 2, 3]]])
        )
        rest.append(grid)
        part.append(np.full(12, number + 1, np.uint16))
        weights.append(np.eye(len(bones), dtype=np.float32)[[number] * len(grid)])
    del corners
    count = sum(len(p) for p in part)
    return Character(
        tuple(bones), np.concatenate(rest), np.concatenate(faces).astype(np.int32), np.concatenate(part),
        np.concatenate(weights), np.zeros((count, 3, 2), np.float32), np.ones((2, 4, 3), np.float32), 0.01, (0, 0),
    )  # fmt: skip


@pytest.fixture
def figure() -> Character:
    return boxes(bones_of(JOINTS))


@pytest.fixture
def body_clip() -> Callable[..., Clip]:
    """A clip of the figure's own joints: `move(name, place, seconds)` tells where a joint is."""

    def build(frames: int = 1, fps: float = 24, **moves: Callable[[float], Sequence[float]]) -> Clip:
        names = tuple(JOINTS)
        positions = np.array([[(*JOINTS[name], 0.0) for name in names]] * frames, float)
        for name, move in moves.items():
            positions[:, names.index(name)] += [move(frame / fps) for frame in range(frames)]
        return Clip("own", names, np.array([-1] + [0] * (len(names) - 1)), positions, fps)

    return build
