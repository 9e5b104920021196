"""A motion as its source has it, and a motion as a character performs it.

Belongs here: the two results everything else exchanges. Does not: reading files (`bvh`, `gltf`), formulas (`steps`), or
carrying one over to the other (`retarget`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Clip:
    """Joint positions of some body over T frames.

    Attributes:
        name: of the motion.
        joints: J names as the source has them.
        parents: (J,) int, -1 for the root; parents come first.
        positions: (T, J, 3) float64, world space of the source turned to +y up; its units are the source's own.
        fps: frames a second.
        loops: the last frame is the first again, perhaps further along on the ground, so that playing may go on.
    """

    name: str
    joints: tuple[str, ...]
    parents: np.ndarray
    positions: np.ndarray
    fps: float
    loops: bool = False

    @property
    def seconds(self) -> float:
        """From the first frame to the last."""
        return (len(self.positions) - 1) / self.fps

    def digest(self) -> str:
        """sha256 of the movement, whatever its name."""
        text = repr((self.joints, self.parents.tolist(), self.fps, self.loops)).encode()
        return hashlib.sha256(text + np.ascontiguousarray(self.positions, "<f8").tobytes()).hexdigest()


@dataclass(frozen=True)
class Performance:
    """One character's bones over T frames.

    Attributes:
        rotation: (T, B, 3, 3) float64 world rotation of each bone from its rest orientation.
        position: (T, B, 3) float64 world position of each bone's head, scene units; the ground is y = 0.
        fps: frames a second.
    """

    rotation: np.ndarray
    position: np.ndarray
    fps: float
