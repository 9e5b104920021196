"""A character: closed mesh, bones, weights and texture, and its files.

Belongs here: the result of building, posing by linear blend skinning, saving and loading. Does not: how the mesh, the
parts or the weights are made (the other modules here), motion (`osf_pipeline.motion`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np


class Role(StrEnum):
    """What a bone is in a body, so that a motion of another body can be carried over."""

    PELVIS = "pelvis"
    TORSO = "torso"
    HEAD = "head"
    RIGHT_UPPER_ARM = "right_upper_arm"
    RIGHT_FOREARM = "right_forearm"
    RIGHT_HAND = "right_hand"
    LEFT_UPPER_ARM = "left_upper_arm"
    LEFT_FOREARM = "left_forearm"
    LEFT_HAND = "left_hand"
    RIGHT_THIGH = "right_thigh"
    RIGHT_SHIN = "right_shin"
    RIGHT_FOOT = "right_foot"
    LEFT_THIGH = "left_thigh"
    LEFT_SHIN = "left_shin"
    LEFT_FOOT = "left_foot"


@dataclass(frozen=True)
class Bone:
    """One bone, which is one part of the body.

    Attributes:
        name: unique; the part's name: `right_forearm`, `right_forearm_2`.
        parent: index of the parent bone, lower than the bone's own; -1 for the pelvis.
        head, tail: (x, y, z) rest positions in scene units; the bone turns about its head.
        role: what it follows in a motion. Several bones may share a role (a figure of six arms).
    """

    name: str
    parent: int
    head: tuple[float, float, float]
    tail: tuple[float, float, float]
    role: Role


@dataclass(frozen=True)
class Character:
    """A posable figure in its rest pose.

    Scene units: +x right and +y up on the drawing, +z towards its viewer; the drawing lies in the plane z = 0, the
    lowest point stands on y = 0, the pelvis at x = 0, and the longer side of the figure's box is `SIZE` units.

    Attributes:
        bones: B bones, parents first.
        rest: (V, 3) float64 vertices.
        faces: (F, 3) int32, counter-clockwise seen from outside; a closed surface: each edge has two faces.
        part: (F,) uint16, index of the face's bone + 1.
        weights: (V, B) float32, rows sum to 1.
        uv: (F, 3, 2) float32 texture coordinates of each face's corners: u right, v DOWN, 0..1 over the whole texture
            (glTF's convention), so texel centre i lies at (i + 0.5) / size.
        texture: (H, W, 3) float32 display-encoded sRGB without the outline; front in the left half, back in the right.
        pixel: scene units of one pixel of the drawing.
        origin: (x, y) pixel of the drawing at the scene's x = 0, y = 0:
            scene x = (px - origin x) * pixel, scene y = (origin y - py) * pixel.
    """

    SIZE = 1.8

    bones: tuple[Bone, ...]
    rest: np.ndarray
    faces: np.ndarray
    part: np.ndarray
    weights: np.ndarray
    uv: np.ndarray
    texture: np.ndarray
    pixel: float
    origin: tuple[float, float]

    @cached_property
    def heads(self) -> np.ndarray:
        """(B, 3) float64 rest position each bone turns about."""
        return np.array([bone.head for bone in self.bones], np.float64)

    @property
    def parts(self) -> Mapping[int, str]:
        """Part id to name."""
        return {number: bone.name for number, bone in enumerate(self.bones, start=1)}

    def posed(self, rotation: np.ndarray, position: np.ndarray) -> np.ndarray:
        """(V, 3) float64 vertices by linear blend skinning.

        Args:
            rotation: (B, 3, 3) world rotation of each bone from its rest orientation.
            position: (B, 3) world position of each bone's head.
        """
        shift = position - np.einsum("bij,bj->bi", rotation, self.heads)
        affine = np.concatenate([rotation, shift[:, :, None]], axis=2).reshape(len(self.bones), 12)
        blended = (self.weights @ affine).reshape(-1, 3, 4)
        return np.einsum("vij,vj->vi", blended[:, :, :3], self.rest) + blended[:, :, 3]
