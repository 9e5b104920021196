"""Closed surfaces of simple things, centred on the origin.

Belongs here: vertices and outward triangles. Does not: figures (`osf_pipeline.sample`, `osf_pipeline.character`).
"""

from __future__ import annotations

import numpy as np

Shape = tuple[np.ndarray, np.ndarray]
"""(V, 3) float64 vertices and (F, 3) int32 triangles, counter-clockwise seen from outside."""


def ball(radius: float, rows: int = 24) -> Shape:
    """A sphere."""
    columns = 2 * rows
    polar, turn = np.meshgrid(
        np.pi * np.arange(1, rows) / rows, 2 * np.pi * np.arange(columns) / columns, indexing="ij"
    )
    ring = np.stack([np.sin(polar) * np.sin(turn), np.cos(polar), np.sin(polar) * np.cos(turn)], axis=-1).reshape(-1, 3)
    top, bottom = len(ring), len(ring) + 1
    i, j = (grid.ravel() for grid in np.meshgrid(np.arange(rows - 2), np.arange(columns), indexing="ij"))
    a, b = i * columns + j, i * columns + (j + 1) % columns
    c, d = a + columns, b + columns
    k = np.arange(columns)
    last = (rows - 2) * columns
    faces = np.concatenate([
        np.stack([a, c, d], axis=1), np.stack([a, d, b], axis=1),
        np.stack([np.full(columns, top), k, (k + 1) % columns], axis=1),
        np.stack([last + k, np.full(columns, bottom), last + (k + 1) % columns], axis=1),
    ])  # fmt: skip
    return radius * np.concatenate([ring, [[0, 1, 0], [0, -1, 0]]]), faces.astype(np.int32)


def box(size: tuple[float, float, float]) -> Shape:
    """A cuboid. Its sides share no vertices, so that interpolated normals keep its edges sharp."""
    square = np.array([(-1, -1, 1), (1, -1, 1), (1, 1, 1), (-1, 1, 1)], np.float64)
    sides = [np.roll(square, k, axis=1) for k in range(3)]  # cyclic: keeps the turning sense
    sides += [side * -1 for side in sides]
    faces = [np.array([(0, 1, 2), (0, 2, 3)]) + 4 * k for k in range(3)]
    faces += [np.array([(0, 2, 1), (0, 3, 2)]) + 4 * k for k in range(3, 6)]
    return np.concatenate(sides) * size / 2, np.concatenate(faces).astype(np.int32)


def pole(size: tuple[float, float, float], columns: int = 48) -> Shape:
    """An upright cylinder. Its ends have vertices of their own, so that their rims stay sharp."""
    turn = 2 * np.pi * np.arange(columns) / columns
    ring = np.stack([np.sin(turn), np.zeros(columns), np.cos(turn)], axis=1)
    half = np.array([0, 1, 0])
    top, bottom = ring + half, ring - half
    k = np.arange(columns)
    after = (k + 1) % columns
    upper, lower = 2 * columns, 3 * columns
    faces = np.concatenate([
        np.stack([k, k + columns, after + columns], axis=1), np.stack([k, after + columns, after], axis=1),
        np.stack([np.full(columns, 4 * columns), k + upper, after + upper], axis=1),
        np.stack([np.full(columns, 4 * columns + 1), after + lower, k + lower], axis=1),
    ])  # fmt: skip
    vertices = np.concatenate([top, bottom, top, bottom, [[0, 1, 0], [0, -1, 0]]])
    return vertices * size / 2, faces.astype(np.int32)


def ground(reach: float) -> Shape:
    """The square y = 0 from -`reach` to `reach`, facing up; it has no underside."""
    corners = np.array([(-1, 0, 1), (1, 0, 1), (1, 0, -1), (-1, 0, -1)], np.float64)
    return reach * corners, np.array([(0, 1, 2), (0, 2, 3)], np.int32)
