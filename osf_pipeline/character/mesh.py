"""The outline of a mask and a triangulation of what it encloses.

Belongs here: outline, element sizes, point placement. Does not: what the mesh is used for.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy import ndimage
from scipy.spatial import Delaunay, cKDTree
from skimage.measure import points_in_poly

from osf_pipeline.character.sheet import SIDES, Sheet, cross
from osf_pipeline.drawing.outline import outlines
from osf_pipeline.errors import InputDataError

VERTICES = 5000

FINEST = 0.7
"""Pixels: no element is planned smaller, whatever the figure's thickness."""

SMALLEST_HOLE = 4.0
"""Square pixels: smaller gaps are filled."""

GROWTH = 0.3
"""By how much the element size may grow per pixel of distance."""

RELAXATIONS = 60

CROWDED_AT = (16, 32)
"""Steps at which points are taken out where they are twice as close as wanted."""


def triangulate(mask: np.ndarray, vertices: int = VERTICES) -> Sheet:
    """Triangulate a figure; holes of background stay holes.

    Points start as a hexagonal grid thinned to the wanted density and are relaxed as a truss of springs under Delaunay
    triangulation (Persson & Strang 2004); outline points stay where they are. Elements are smaller along the outline
    and where the figure is thin, so that a limb two pixels wide has vertices inside.

    Args:
        mask: (H, W) bool, one component.
        vertices: about how many a compact figure gets; the edge length follows from its area.

    Raises:
        InputDataError: for a mask too small to hold a figure.
    """
    if mask.sum() < 64:
        raise InputDataError(
            "the mask holds no figure", pixels=int(mask.sum()), fix="Check mask.png: the figure is white."
        )
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1] - 0.5
    size = _sizes(mask, depth, vertices)
    loops = [_resample(loop, size) for loop in figure_loops(mask)]
    corners = np.concatenate(loops)
    inner = _relax(_seeds(mask, depth, size), corners, depth, size)
    return _conforming(loops, inner)


def figure_loops(mask: np.ndarray) -> list[np.ndarray]:
    """Closed sub-pixel outlines, the outer one first, then holes: (N, 2) x, y each, about a pixel apart.

    Smoothed along their length without shrinking (Taubin 1995).
    """
    loops = []
    for outline in outlines(mask):
        low = ndimage.gaussian_filter1d(outline.path, 1.0, axis=0, mode="wrap")
        loops.append(low + ndimage.gaussian_filter1d(outline.path - low, 1.0, axis=0, mode="wrap"))
    loops.sort(key=lambda loop: -abs(_area(loop)))
    # Further outer loops are specks that the smoothing parted; holes wind the other way.
    outer = _area(loops[0])
    return [loops[0], *(loop for loop in loops[1:] if _area(loop) * outer < 0 and abs(_area(loop)) >= SMALLEST_HOLE)]


def _area(loop: np.ndarray) -> float:
    return float(cross(loop, np.roll(loop, -1, axis=0)).sum() / 2)


def _resample(loop: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Points on a closed polyline, `size` (H, W) pixels apart."""
    density = 1 / _at(size, loop)
    steps = np.linalg.norm(np.roll(loop, -1, axis=0) - loop, axis=1)
    count = np.concatenate([[0], np.cumsum(steps * (density + np.roll(density, -1)) / 2)])
    at = np.arange(n := max(8, round(count[-1]))) * count[-1] / n
    closed = np.concatenate([loop, loop[:1]])
    return np.stack([np.interp(at, count, closed[:, k]) for k in range(2)], axis=1)


def _sizes(mask: np.ndarray, depth: np.ndarray, vertices: int) -> np.ndarray:
    """(H, W) wanted edge length in pixels."""
    coarse = max(FINEST, float(np.sqrt(mask.sum() / (vertices * np.sqrt(3) / 2))))
    size = np.minimum(coarse, 0.6 * coarse + GROWTH * np.maximum(depth, 0))
    # Local thickness by opening: where no disc of radius r fits, the figure is thinner than 2 r. Corners are left out:
    # there too no disc fits, but all of a corner is near one.
    for smaller, radius in pairwise(np.geomspace(FINEST, max(2 * coarse, 2), 7)):
        fits = depth >= radius
        away = ndimage.distance_transform_edt(~fits) - radius if fits.any() else np.full(mask.shape, np.inf)
        region, count = ndimage.label(mask & (away > 0.5), np.ones((3, 3)))
        furthest = ndimage.maximum(away, region, np.arange(count + 1))
        thin = (region > 0) & (furthest > radius)[region]
        if thin.any():
            size = np.minimum(size, 0.7 * smaller + GROWTH * ndimage.distance_transform_edt(~thin))
    return np.maximum(size, FINEST)


def _at(field: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(N,) bilinear values of an (H, W) field at x, y points; the nearest pixel's beyond the border."""
    return ndimage.map_coordinates(field, points[:, ::-1].T, order=1, mode="nearest")


def _seeds(mask: np.ndarray, depth: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Hexagonal grid of the finest size, thinned at random to the wanted density; seeded."""
    finest = float(size[mask].min())
    height, width = mask.shape
    rows = np.arange(0, height, finest * np.sqrt(3) / 2)
    columns = np.arange(0, width, finest)
    grid = np.concatenate(
        [np.stack([columns + (k % 2) * finest / 2, np.full_like(columns, y)], axis=1) for k, y in enumerate(rows)]
    )
    wanted = _at(size, grid)
    grid = grid[_at(depth, grid) > 0.4 * wanted]
    keep = np.random.default_rng(0).random(len(grid)) < (finest / _at(size, grid)) ** 2
    return grid[keep]


def _relax(inner: np.ndarray, corners: np.ndarray, depth: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Spring equilibrium of the inner points; repulsive forces only (Persson & Strang 2004, section 3)."""
    fixed = len(corners)
    points = np.concatenate([corners, inner])
    bars = _bars(points, depth)
    for step in range(RELAXATIONS):
        along = points[bars[:, 1]] - points[bars[:, 0]]
        length = np.linalg.norm(along, axis=1)
        wanted = _at(size, points[bars].mean(axis=1))
        wanted = wanted * 1.2 * np.sqrt((length**2).sum() / (wanted**2).sum())
        if step in CROWDED_AT:
            crowded = np.unique(bars[wanted > 2 * length])
            points = np.delete(points, crowded[crowded >= fixed], axis=0)
            bars = _bars(points, depth)
            continue
        force = (np.maximum(wanted - length, 0) / np.maximum(length, 1e-9))[:, None] * along
        total = np.zeros_like(points)
        np.add.at(total, bars[:, 1], force)
        np.add.at(total, bars[:, 0], -force)
        moved = points + 0.2 * total
        inside = _at(depth, moved) > 0.45 * _at(size, moved)
        inside[:fixed] = False
        points[inside] = moved[inside]
        if step % 4 == 3:
            bars = _bars(points, depth)
    return points[fixed:]


def _bars(points: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """(E, 2) Delaunay edges of triangles whose centre lies in the figure."""
    simplices = Delaunay(points).simplices
    simplices = simplices[_at(depth, points[simplices].mean(axis=1)) > 0]
    return np.unique(np.sort(simplices[:, SIDES].reshape(-1, 2), axis=1), axis=0)


def _conforming(loops: list[np.ndarray], inner: np.ndarray) -> Sheet:
    """Delaunay triangulation that holds every outline segment: missing ones are halved until all are there."""
    for _ in range(40):
        corners = np.concatenate(loops)
        following = np.concatenate(
            [np.roll(np.arange(len(loop)), -1) + start for loop, start in zip(loops, _starts(loops), strict=True)]
        )
        # Inner points in a segment's diametral circle would push it out of the triangulation.
        middle, radius = (corners + corners[following]) / 2, np.linalg.norm(corners - corners[following], axis=1) / 2
        inner = inner[_clear(inner, middle, radius)]
        points = np.concatenate([corners, inner])
        simplices = Delaunay(points).simplices
        edges = np.sort(simplices[:, SIDES].reshape(-1, 2), axis=1).astype(np.int64)
        wanted = np.sort(np.stack([np.arange(len(corners)), following], axis=1), axis=1)
        n = len(points)
        missing = ~np.isin(wanted[:, 0] * n + wanted[:, 1], edges[:, 0] * n + edges[:, 1])
        if not missing.any():
            break
        loops = [
            _halve(loop, missing[start : start + len(loop)]) for loop, start in zip(loops, _starts(loops), strict=True)
        ]
    else:
        raise InputDataError(
            "the outline of the mask cannot be triangulated", fix="Smooth mask.png: it touches or crosses itself."
        )
    centre = points[simplices].mean(axis=1)
    inside = np.zeros(len(centre), bool)
    for loop in loops:
        inside ^= points_in_poly(centre, loop)
    faces = simplices[inside]
    a, b, c = (points[faces[:, k]] for k in range(3))
    turned = cross(b - a, c - a) > 0
    faces[turned] = faces[turned][:, [0, 2, 1]]
    used = np.unique(faces)
    number = np.full(n, -1)
    number[used] = np.arange(len(used))
    return Sheet(points[used], number[faces].astype(np.int32))


def _starts(loops: list[np.ndarray]) -> list[int]:
    return np.cumsum([0, *(len(loop) for loop in loops[:-1])]).tolist()


def _halve(loop: np.ndarray, where: np.ndarray) -> np.ndarray:
    middle = (loop + np.roll(loop, -1, axis=0)) / 2
    return np.insert(loop, np.flatnonzero(where) + 1, middle[where], axis=0)


def _clear(points: np.ndarray, centres: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """(N,) bool: points in none of the circles."""
    near = cKDTree(points).query_ball_point(centres, radii * (1 - 1e-9))
    clear = np.ones(len(points), bool)
    clear[np.unique(np.concatenate([np.array(found, int) for found in near]))] = False
    return clear
