"""A character's limbs and measures, as motion needs them.

Belongs here: chains of bones, lengths, the points it stands on, how bones hang together. Does not: rotations to use.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import radians

import numpy as np

from osf_pipeline.character.character import Character, Role
from osf_pipeline.motion.names import SIDES
from osf_pipeline.motion.rotations import unit

UPRIGHT = radians(50)
"""A body drawn further from upright lies (an animal from the side): it walks along the picture, not out of it."""

HELD = 0.5
"""Share of a vertex' weight from which on it counts to a bone."""


@dataclass(frozen=True)
class Limb:
    """An arm or a leg.

    Attributes:
        side: left or right, the figure's own.
        upper, lower: bone indices: upper arm and forearm, thigh and shin.
        end: hand or foot; None where none was drawn.
    """

    side: str
    upper: int
    lower: int
    end: int | None

    @property
    def last(self) -> int:
        return self.lower if self.end is None else self.end


def attach(character: Character, rotation: np.ndarray, root: np.ndarray) -> np.ndarray:
    """(T, B, 3) bone heads: each hangs on its parent where it was drawn.

    Args:
        rotation: (T, B, 3, 3) world rotations from rest.
        root: (T, 3) head of the first bone.
    """
    position = np.empty((*rotation.shape[:2], 3))
    heads = character.heads
    for number, bone in enumerate(character.bones):
        parent = max(bone.parent, 0)
        base = root if bone.parent < 0 else position[:, parent]
        turned = rotation[:, parent] if bone.parent >= 0 else np.eye(3)
        position[:, number] = base + turned @ (heads[number] - heads[parent])
    return position


def arms(character: Character) -> list[Limb]:
    return list(_limbs(character, "upper_arm", "forearm", "hand"))


def legs(character: Character) -> list[Limb]:
    return list(_limbs(character, "thigh", "shin", "foot"))


def _limbs(character: Character, upper: str, lower: str, end: str) -> Iterator[Limb]:
    bones = character.bones
    for side in SIDES:
        for first, bone in enumerate(bones):
            if bone.role == f"{side}_{upper}":
                for second in (n for n, b in enumerate(bones) if b.parent == first and b.role == f"{side}_{lower}"):
                    ends = (n for n, b in enumerate(bones) if b.parent == second and b.role == f"{side}_{end}")
                    yield Limb(side, first, second, next(ends, None))


def vector(character: Character, bone: int) -> np.ndarray:
    """(3,) from a bone's head to its tail, as drawn."""
    return np.array(character.bones[bone].tail, np.float64) - character.heads[bone]


def reach(character: Character, limb: Limb) -> tuple[np.ndarray, np.ndarray]:
    """(3,) upper and lower part as drawn: joint to joint; the lower one ends where hand or foot begin."""
    heads = character.heads
    lower = vector(character, limb.lower) if limb.end is None else heads[limb.end] - heads[limb.lower]
    return heads[limb.lower] - heads[limb.upper], lower


def spine(character: Character) -> np.ndarray:
    """(3,) drawn direction from the hips to the base of the neck; up where there is no trunk."""
    trunk = [number for number, bone in enumerate(character.bones) if bone.role in (Role.PELVIS, Role.TORSO)]
    along = unit(character.heads[trunk[-1]] + vector(character, trunk[-1]) - character.heads[trunk[0]])
    return along if along.any() else np.array([0.0, 1.0, 0.0])


def drawn_heading(character: Character) -> float:
    """Where the figure faces as drawn, radians about +y: 0 for one that stands and faces its viewer, +-pi/2 for one
    that lies along the picture with its head to the right or left."""
    x, y, _ = spine(character)
    return 0.0 if abs(np.arctan2(x, y)) < UPRIGHT else float(np.copysign(np.pi / 2, x))


def leg_length(character: Character) -> float:
    """Mean drawn length of thigh and shin; the height of the pelvis where there are no legs."""
    lengths = [sum(float(np.linalg.norm(part)) for part in reach(character, leg)) for leg in legs(character)]
    length = float(np.mean(lengths)) if lengths else float(character.heads[0, 1])
    return length if length > 0 else Character.SIZE / 2


@dataclass(frozen=True)
class Sole:
    """Surface points of a leg that can touch the ground.

    Attributes:
        points: (N, 3) rest positions.
        weights: (N, B) of the bones.
        foot: (N,) bool, those of the last bone; all where it has none.
    """

    points: np.ndarray
    weights: np.ndarray
    foot: np.ndarray

    def posed(self, character: Character, rotation: np.ndarray, position: np.ndarray) -> np.ndarray:
        """(T, N, 3) by linear blend skinning, from (T, B, 3, 3) and (T, B, 3)."""
        shift = position - np.einsum("tbij,bj->tbi", rotation, character.heads)
        affine = np.concatenate([rotation, shift[..., None]], axis=3).reshape(*position.shape[:2], 12)
        blended = (self.weights @ affine).reshape(len(position), -1, 3, 4)
        return np.einsum("tnij,nj->tni", blended[..., :3], self.points) + blended[..., 3]


def soles(character: Character) -> list[Sole]:
    """For each leg, the points of its lower half furthest in 64 directions around the lower half space."""
    turns = np.arange(64)
    down = -(turns + 0.5) / 64  # a spiral over the lower half sphere
    angle = turns * np.pi * (3 - np.sqrt(5))
    ring = np.sqrt(1 - down**2)
    directions = np.stack([ring * np.cos(angle), down, ring * np.sin(angle)])
    found = []
    for leg in legs(character):
        weights = character.weights.astype(np.float64)
        lower = np.flatnonzero(weights[:, sorted({leg.lower, leg.last})].sum(axis=1) > HELD)
        if len(lower):
            lower = lower[np.unique(np.argmax(character.rest[lower] @ directions, axis=0))]
            points, weights = character.rest[lower], weights[lower]
        else:  # no surface: the bone's own end
            points, weights = np.array([character.bones[leg.last].tail]), np.eye(weights.shape[1])[[leg.last]]
        foot = weights[:, leg.last] > HELD
        found.append(Sole(points, weights, foot if foot.any() else np.full(len(foot), True)))
    return found
