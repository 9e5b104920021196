"""The figure: rounded parts, blended to one closed mesh and skinned to a skeleton.

Belongs here: shape, parts and skinning. Does not: movement (`motion`) or colour (`paint`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np

PARTS = (
    "hips", "chest", "head",
    "right_upper_arm", "right_forearm", "right_hand",
    "left_upper_arm", "left_forearm", "left_hand",
    "right_thigh", "right_shin", "right_foot",
    "left_thigh", "left_shin", "left_foot",
)  # fmt: skip
"""Part id is the position + 1. Right is the figure's right: the left of the picture."""

PARENT = (-1, 0, 1, 1, 3, 4, 1, 6, 7, 0, 9, 10, 0, 12, 13)
"""Position of each part's parent."""

BLEND = 0.022
"""Scene units over which neighbouring parts melt into each other."""

SPACING = 0.015
"""Scene units between mesh vertices."""


@dataclass(frozen=True)
class Lump:
    """A rounded cone between two points, stretched along the axes.

    Attributes:
        part: position in `PARTS`.
        start, end: ends of its axis.
        radii: at the ends.
        stretch: of x, y, z about the axis.
    """

    part: int
    start: tuple[float, float, float]
    end: tuple[float, float, float]
    radii: tuple[float, float]
    stretch: tuple[float, float, float] = (1, 1, 1)

    def distance(self, points: np.ndarray) -> np.ndarray:
        """(...,) about the signed distance of (..., 3) points; negative inside."""
        stretch = np.array(self.stretch, points.dtype)
        start, end = np.array(self.start, points.dtype), np.array(self.end, points.dtype)
        axis = end - start
        along = np.clip((points - start) @ axis / max(float(axis @ axis), 1e-12), 0, 1)
        away = (points - start - along[..., None] * axis) / stretch
        radius = self.radii[0] + along * (self.radii[1] - self.radii[0])
        return (np.linalg.norm(away, axis=-1) - radius) * float(min(self.stretch))


# Joints of the figure's left side (x > 0); the right side mirrors them.
SHOULDER, ELBOW, WRIST, KNUCKLE = (0.16, 0.17, 0.0), (0.40, 0.0, 0.0), (0.62, -0.15, 0.0), (0.70, -0.205, 0.0)
HIP, KNEE, ANKLE, TOE = (0.105, -0.25, 0.0), (0.15, -0.52, 0.0), (0.18, -0.78, 0.0), (0.255, -0.83, 0.07)

ORIGIN = np.array(
    [(0, -0.2, 0), (0, -0.08, 0), (0, 0.3, 0)]
    + [(side * x, y, z) for side in (-1, 1) for x, y, z in (SHOULDER, ELBOW, WRIST)]
    + [(side * x, y, z) for side in (-1, 1) for x, y, z in (HIP, KNEE, ANKLE)]
)
"""(15, 3) joint each part turns about, rest pose."""


def _lumps() -> tuple[Lump, ...]:
    middle = [
        Lump(0, (0, -0.10, 0), (0, -0.245, 0), (0.150, 0.190), (1, 1, 0.85)),
        Lump(1, (0, 0.17, 0), (0, -0.07, 0), (0.128, 0.145), (1, 1, 0.85)),
        Lump(1, (0, 0.26, 0.005), (0, 0.26, 0.005), (0.150, 0.150), (1, 0.48, 0.92)),  # scarf
        Lump(2, (0, 0.56, 0), (0, 0.56, 0), (0.290, 0.290), (1, 0.94, 0.88)),
        Lump(2, (-0.235, 0.80, -0.04), (-0.235, 0.80, -0.04), (0.105, 0.105)),  # two buns of hair
        Lump(2, (0.235, 0.80, -0.04), (0.235, 0.80, -0.04), (0.105, 0.105)),
    ]

    def limb(
        side: int, first: int, path: tuple[tuple[float, float, float], ...], radii: tuple[float, ...]
    ) -> list[Lump]:
        points = [(side * x, y, z) for x, y, z in path]
        ends = zip(points, points[1:], radii[::2], radii[1::2], strict=False)
        return [Lump(first + k, a, b, (ra, rb)) for k, (a, b, ra, rb) in enumerate(ends)]

    arm, arm_radii = (SHOULDER, ELBOW, WRIST, KNUCKLE), (0.082, 0.070, 0.070, 0.060, 0.060, 0.078)
    leg, leg_radii = (HIP, KNEE, ANKLE, TOE), (0.095, 0.082, 0.080, 0.074, 0.074, 0.088)
    thumbs = [
        Lump(f, (s * 0.655, -0.155, 0.03), (s * 0.685, -0.105, 0.04), (0.03, 0.026)) for s, f in ((-1, 5), (1, 8))
    ]
    return (
        *middle, *thumbs,
        *limb(-1, 3, arm, arm_radii), *limb(1, 6, arm, arm_radii),
        *limb(-1, 9, leg, leg_radii), *limb(1, 12, leg, leg_radii),
    )  # fmt: skip


LUMPS = _lumps()


def part_distances(points: np.ndarray) -> np.ndarray:
    """(15, ...) about the signed distance of (..., 3) rest points to each part."""
    best = np.full((len(PARTS), *points.shape[:-1]), np.inf, points.dtype)
    for lump in LUMPS:
        np.minimum(best[lump.part], lump.distance(points), out=best[lump.part])
    return best


def surface_distance(points: np.ndarray) -> np.ndarray:
    """(...,) about the signed distance to the blended surface: a soft minimum over all lumps."""
    total = np.zeros(points.shape[:-1], points.dtype)
    for lump in LUMPS:
        total += np.exp(np.clip(-lump.distance(points) / BLEND, -60, 60))
    return -BLEND * np.log(np.maximum(total, 1e-30))


def surface_nets(inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A closed mesh around the True samples of a grid (naive surface nets, Gibson 1998, without the relaxation).

    Args:
        inside: (X, Y, Z) bool, False on the border.

    Returns:
        (V, 3) float64 vertices in grid coordinates, at cell centres, and (F, 3) int32 triangles facing outwards.
    """
    corners = [
        inside[dx : dx + inside.shape[0] - 1, dy : dy + inside.shape[1] - 1, dz : dz + inside.shape[2] - 1]
        for dx, dy, dz in product((0, 1), repeat=3)
    ]
    cell = np.any(corners, axis=0) & ~np.all(corners, axis=0)
    number = np.full(cell.shape, -1, np.int32)
    number[cell] = np.arange(cell.sum())
    quads = []
    for axis in range(3):
        low, high = (np.take(inside, range(k, inside.shape[axis] - 1 + k), axis) for k in (0, 1))
        edges = np.argwhere(low != high)
        u, v = np.eye(3, dtype=int)[(axis + 1) % 3], np.eye(3, dtype=int)[(axis + 2) % 3]
        around = np.stack([number[tuple((edges - step).T)] for step in (u + v, v, 0 * u, u)], axis=1)
        leaving = low[tuple(edges.T)]
        quads.append(np.where(leaving[:, None], around, around[:, ::-1]))
    quad = np.concatenate(quads)
    return np.argwhere(cell) + 0.5, np.concatenate([quad[:, [0, 1, 2]], quad[:, [0, 2, 3]]]).astype(np.int32)


@dataclass(frozen=True)
class Body:
    """The skinned mesh in the rest pose.

    Attributes:
        rest: (V, 3) float64.
        faces: (F, 3) int32.
        part: (F,) uint16 part ids from 1.
        weights: (V, 15) float64 skinning weights, rows sum to 1.
    """

    rest: np.ndarray
    faces: np.ndarray
    part: np.ndarray
    weights: np.ndarray

    def posed(self, rotation: np.ndarray, joint: np.ndarray) -> np.ndarray:
        """(V, 3) vertices by linear blend skinning: part k moves x to `rotation[k] @ (x - ORIGIN[k]) + joint[k]`."""
        shift = joint - np.einsum("kij,kj->ki", rotation, ORIGIN)
        affine = np.concatenate([rotation, shift[:, :, None]], axis=2).reshape(len(PARTS), 12)
        blended = (self.weights @ affine).reshape(-1, 3, 4)
        return np.einsum("vij,vj->vi", blended[:, :, :3], self.rest) + blended[:, :, 3]


def skin_weights(points: np.ndarray) -> np.ndarray:
    """(V, 15): soft nearest part, shared only with the part's parent and children."""
    distance = part_distances(points).T
    nearest = distance.argmin(axis=1)
    parent = np.array(PARENT)
    related = (np.eye(len(PARTS)) + (parent[:, None] == np.arange(len(PARTS)))).astype(bool)
    related |= related.T
    weight = np.where(related[nearest], np.exp(-(distance - distance.min(axis=1, keepdims=True)) / 0.03), 0)
    return weight / weight.sum(axis=1, keepdims=True)


@lru_cache(maxsize=2)
def build_body(spacing: float = SPACING) -> Body:
    """Mesh the blended surface; vertices lie on it to about 1e-5."""
    low, high = np.array([-0.87, -1.0, -0.36]), np.array([0.87, 1.0, 0.36])
    axes = [np.arange(a, b, spacing, dtype=np.float32) for a, b in zip(low, high, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    vertices, faces = surface_nets(surface_distance(grid) < 0)
    rest = low + vertices * spacing
    for _ in range(4):
        rest -= _newton_step(rest)
    weights = skin_weights(rest)
    part = weights[faces].mean(axis=1).argmax(axis=1) + 1
    return Body(rest, faces, part.astype(np.uint16), weights)


def _newton_step(points: np.ndarray, h: float = 1e-5) -> np.ndarray:
    value = surface_distance(points)
    slope = np.stack(
        [(surface_distance(points + h * e) - surface_distance(points - h * e)) / (2 * h) for e in np.eye(3)], axis=-1
    )
    return (value / np.maximum((slope**2).sum(axis=-1), 1e-6))[:, None] * slope
