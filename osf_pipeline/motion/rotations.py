"""Rotations between directions, for many frames at once.

Belongs here: unit vectors, the smallest rotation between two directions, frames from two directions. Does not: bodies.
"""

from __future__ import annotations

import numpy as np

TINY = 1e-9


def unit(vectors: np.ndarray) -> np.ndarray:
    """(..., 3) vectors of length 1; those shorter than `TINY` become 0."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.where(length > TINY, vectors / np.maximum(length, TINY), 0.0)


def swing(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The smallest rotation that turns one unit direction to another (Rodrigues' formula without angles).

    Args:
        before, after: (..., 3) unit vectors, broadcast against each other.

    Returns:
        (..., 3, 3). Opposite directions turn about an axis across them; where either is 0, nothing turns.
    """
    before, after = np.broadcast_arrays(before, after)
    cosine = np.einsum("...i,...i->...", before, after)
    axis = np.cross(before, after)
    opposite = cosine < -1 + 1e-12
    cross = _skew(axis)
    small = np.where(opposite, 1.0, 1 + cosine)[..., None, None]
    rotation = np.eye(3) + cross + cross @ cross / small
    if opposite.any():
        least = np.eye(3)[np.argmin(np.abs(before), axis=-1)]
        across = unit(np.cross(before, least))
        half_turn = 2 * across[..., :, None] * across[..., None, :] - np.eye(3)
        rotation = np.where(opposite[..., None, None], half_turn, rotation)
    absent = ((before == 0).all(axis=-1) | (after == 0).all(axis=-1))[..., None, None]
    return np.where(absent, np.eye(3), rotation)


def frame(up: np.ndarray, left: np.ndarray) -> np.ndarray:
    """(..., 3, 3) rotations whose columns are left (made square to up), up and front of a body.

    `up` +y and `left` +x give the identity: a figure that faces +z has its left at +x.
    """
    up, left = np.broadcast_arrays(unit(up), left)
    left = unit(left - np.einsum("...i,...i->...", left, up)[..., None] * up)
    return np.stack([left, up, np.cross(left, up)], axis=-1)


def about_y(angle: float) -> np.ndarray:
    """(3, 3) turn about +y; positive turns +z towards +x."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def _skew(v: np.ndarray) -> np.ndarray:
    zero = np.zeros_like(v[..., 0])
    x, y, z = v[..., 0], v[..., 1], v[..., 2]
    rows = ((zero, -z, y), (z, zero, -x), (-y, x, zero))
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)
