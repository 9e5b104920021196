"""The figure's dance: key poses over a time of 0..1, joined by smooth curves, solved for the limbs.

Belongs here: when what is where. Does not: the body (`figure`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.spatial.transform import Rotation

from osf_pipeline.sample.figure import ORIGIN, PARENT, PARTS

# time, hips (x, y), turn of hips, chest and head about y, tilt of the head about z.
_TRUNK = np.array([
    (0.00,  0.00,  0.00,  0.00,  0.00,  0.00,  0.00),
    (0.20, -0.01, -0.02,  0.06,  0.16,  0.10,  0.05),
    (0.42,  0.03, -0.05,  0.12,  0.30,  0.22,  0.09),
    (0.64,  0.01, -0.02,  0.00,  0.08,  0.02, -0.03),
    (0.84, -0.03, -0.04, -0.10, -0.20, -0.18, -0.09),
    (1.00, -0.04, -0.05, -0.13, -0.30, -0.24, -0.10),
])  # fmt: skip

# time, wrist (x, y, z): over the torso, then over the face.
_RIGHT_WRIST = np.array([
    (0.00, -0.60, -0.17, 0.04),
    (0.13, -0.50, -0.19, 0.18),
    (0.26, -0.28, -0.13, 0.32),
    (0.38, -0.06, -0.03, 0.38),
    (0.48,  0.07,  0.08, 0.38),
    (0.59,  0.08,  0.24, 0.40),
    (0.72, -0.01,  0.38, 0.42),
    (0.84, -0.12,  0.46, 0.41),
    (1.00, -0.27,  0.50, 0.36),
])  # fmt: skip
_LEFT_WRIST = np.array([
    (0.00, 0.60, -0.17, 0.04),
    (0.20, 0.61, -0.01, 0.08),
    (0.35, 0.58, -0.02, 0.13),
    (0.48, 0.50, -0.12, 0.22),
    (0.61, 0.33, -0.16, 0.32),
    (0.75, 0.13, -0.13, 0.37),
    (0.88, -0.02, -0.06, 0.38),
    (1.00, -0.07, 0.02, 0.38),
])  # fmt: skip

# time, ankle (x, y, z): each leg crosses in front of the other once.
_RIGHT_ANKLE = np.array([
    (0.00, -0.18, -0.78, 0.00),
    (0.12, -0.16, -0.75, 0.10),
    (0.26, -0.04, -0.73, 0.18),
    (0.40,  0.10, -0.73, 0.20),
    (0.50,  0.09, -0.73, 0.20),
    (0.64, -0.04, -0.73, 0.17),
    (0.76, -0.15, -0.76, 0.07),
    (0.84, -0.18, -0.78, 0.00),
    (1.00, -0.18, -0.78, 0.00),
])  # fmt: skip
_LEFT_ANKLE = np.array([
    (0.00, 0.18, -0.78, 0.00),
    (0.56, 0.18, -0.78, 0.00),
    (0.68, 0.15, -0.75, 0.10),
    (0.81, 0.04, -0.73, 0.18),
    (0.94, -0.08, -0.73, 0.20),
    (1.00, -0.10, -0.73, 0.20),
])  # fmt: skip


@lru_cache(maxsize=8)
def _curve(name: str) -> PchipInterpolator:
    table = {
        "trunk": _TRUNK, "right_wrist": _RIGHT_WRIST, "left_wrist": _LEFT_WRIST,
        "right_ankle": _RIGHT_ANKLE, "left_ankle": _LEFT_ANKLE,
    }[name]  # fmt: skip
    return PchipInterpolator(table[:, 0], table[:, 1:])


@dataclass(frozen=True)
class Pose:
    """Where every part is: x goes to `rotation[k] @ (x - ORIGIN[k]) + joint[k]`.

    Attributes:
        rotation: (15, 3, 3).
        joint: (15, 3).
    """

    rotation: np.ndarray
    joint: np.ndarray


REST = Pose(np.tile(np.eye(3), (len(PARTS), 1, 1)), ORIGIN)


def dance(time: float, meet: np.ndarray | None = None) -> Pose:
    """The pose at a time in 0..1.

    Args:
        meet: a point the left wrist reaches for around the middle of the dance, instead of its own way.
    """
    x, y, hips_turn, chest_turn, head_turn, tilt = _curve("trunk")(time)
    rotation, joint = np.tile(np.eye(3), (len(PARTS), 1, 1)), ORIGIN.copy()
    rotation[0] = Rotation.from_euler("y", hips_turn).as_matrix()
    rotation[1] = Rotation.from_euler("yz", [chest_turn, -0.4 * tilt]).as_matrix()
    rotation[2] = Rotation.from_euler("yz", [head_turn, tilt]).as_matrix()
    joint[0] = ORIGIN[0] + (x, y, 0)
    for part in (1, 2, 3, 6, 9, 12):
        joint[part] = _follow(part, rotation, joint)
    wrists = {3: _curve("right_wrist")(time), 6: _curve("left_wrist")(time)}
    if meet is not None:
        reach = np.exp(-(((time - 0.38) / 0.16) ** 4))
        wrists[6] = (1 - reach) * wrists[6] + reach * meet
    for first, wrist in wrists.items():
        outwards = -1 if first == 3 else 1
        _reach(first, wrist, np.array([outwards, -0.9, -0.25]), rotation, joint)
    for first, name in ((9, "right_ankle"), (12, "left_ankle")):
        outwards = -1 if first == 9 else 1
        _reach(first, _curve(name)(time), np.array([0.25 * outwards, 0, 1.0]), rotation, joint)
        rotation[first + 2] = rotation[0]  # feet keep flat
    return Pose(rotation, joint)


def _follow(part: int, rotation: np.ndarray, joint: np.ndarray) -> np.ndarray:
    """Where the parent carries this part's joint."""
    parent = PARENT[part]
    return rotation[parent] @ (ORIGIN[part] - ORIGIN[parent]) + joint[parent]


def _reach(first: int, target: np.ndarray, pole: np.ndarray, rotation: np.ndarray, joint: np.ndarray) -> None:
    """Two-bone inverse kinematics: set parts `first`, +1 and +2 so that the joint of +2 comes to `target`.

    A target out of reach is approached as far as the limb allows. The middle joint bends towards `pole`.
    """
    upper, lower = ORIGIN[first + 1] - ORIGIN[first], ORIGIN[first + 2] - ORIGIN[first + 1]
    a, b = np.linalg.norm(upper), np.linalg.norm(lower)
    line = target - joint[first]
    length = np.clip(np.linalg.norm(line), abs(a - b) + 1e-3, 0.995 * (a + b))
    line = line / np.linalg.norm(line)
    side = pole - (pole @ line) * line
    side /= np.linalg.norm(side)
    along = (a**2 - b**2 + length**2) / (2 * length)
    middle = joint[first] + along * line + np.sqrt(max(a**2 - along**2, 0)) * side
    end = joint[first] + length * line
    parent = rotation[PARENT[first]]
    rotation[first] = _swing(parent @ upper, middle - joint[first]) @ parent
    rotation[first + 1] = _swing(rotation[first] @ lower, end - middle) @ rotation[first]
    rotation[first + 2] = rotation[first + 1]
    joint[first + 1], joint[first + 2] = middle, end


def _swing(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """(3, 3) the smallest rotation that turns one direction to another."""
    before, after = before / np.linalg.norm(before), after / np.linalg.norm(after)
    axis = np.cross(before, after)
    sine = np.linalg.norm(axis)
    if sine < 1e-9:
        return np.eye(3)
    return Rotation.from_rotvec(axis / sine * np.arctan2(sine, before @ after)).as_matrix()
