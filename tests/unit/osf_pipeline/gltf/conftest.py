"""A small character whose every number is known: a tube along +x with six bones, and what it performs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from osf_pipeline.character.character import Bone, Character, Role
from osf_pipeline.motion.clip import Performance

RINGS, SIDES, BONES = 13, 8, 6


@pytest.fixture(scope="session")
def tube() -> Character:
    """Closed; bones of unit length, two of them below the third; every vertex hangs on all six."""
    x = np.linspace(0, BONES, RINGS)
    angle = 2 * np.pi * np.arange(SIDES) / SIDES
    ring = np.stack([np.zeros(SIDES), np.cos(angle), np.sin(angle)], axis=1) * 0.3
    rings = (ring + np.stack([x, 0 * x, 0 * x], axis=1)[:, None]).reshape(-1, 3)
    rest = np.concatenate([rings, [[0, 0, 0], [BONES, 0, 0]]])
    i, j = (grid.ravel() for grid in np.meshgrid(np.arange(RINGS - 1), np.arange(SIDES), indexing="ij"))
    a, b = i * SIDES + j, i * SIDES + (j + 1) % SIDES
    k = np.arange(SIDES)
    first, last = len(rest) - 2, len(rest) - 1
    ends = [np.full(SIDES, first), (k + 1) % SIDES, k], [np.full(SIDES, last), a[-SIDES:] + SIDES, b[-SIDES:] + SIDES]
    sides = [a, b, a + SIDES], [b, b + SIDES, a + SIDES]
    faces = np.concatenate([np.stack(corners, axis=1) for corners in (*sides, *ends)]).astype(np.int32)
    distance = np.abs(rest[:, :1] - (np.arange(BONES) + 0.5))
    weights = np.exp(-(distance**2) / 2)
    part = np.minimum(rest[faces].mean(1)[:, 0].astype(int), BONES - 1) + 1
    uv = np.stack([rest[faces][..., 0] / BONES, 0.5 - rest[faces][..., 1]], axis=-1).astype(np.float32)
    back = rest[faces].mean(1)[:, 2] < 0
    uv[back, :, 1] *= 0.5  # front and back meet with coordinates of their own
    texture = np.random.default_rng(5).uniform(size=(6, 10, 3)).astype(np.float32)
    parents = (-1, 0, 1, 2, 2, 4)
    bones = tuple(
        Bone(f"bone_{n}", parent, (float(n), 0, 0), (float(n + 1), 0, 0), Role.TORSO)
        for n, parent in enumerate(parents)
    )
    return Character(
        bones, rest, faces, part.astype(np.uint16), (weights / weights.sum(1, keepdims=True)).astype(np.float32),
        uv, texture, 0.01, (0, 0),
    )  # fmt: skip


@pytest.fixture(scope="session")
def performance() -> Performance:
    """Five frames; rotations of up to half a turn and heads that leave their parents."""
    random = np.random.default_rng(7)
    rotation = Rotation.from_rotvec(random.normal(size=(5 * BONES, 3)))
    rotation = rotation.as_matrix().reshape(5, BONES, 3, 3)
    return Performance(rotation, random.normal(size=(5, BONES, 3)), 24)
