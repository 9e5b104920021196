"""Drawn lines as masks and centre lines, to a fraction of a pixel.

Belongs here: where a line is, how broad, and its centre. Does not: scores (`contours`), where a line should be
(`truth`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import ndimage
from scipy.spatial import KDTree

# The 8 neighbours clockwise from north: bit i of a neighbourhood code is neighbour i.
_CLOCKWISE = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))


def _deletable() -> np.ndarray:
    """(2, 256) bool: whether Guo-Hall thinning deletes a pixel of this neighbourhood code in its two sub-iterations."""
    out = np.zeros((2, 256), bool)
    for code in range(256):
        n, ne, e, se, s, sw, w, nw = ((code >> i) & 1 for i in range(8))
        crossings = ((1 - n) & (ne | e)) + ((1 - e) & (se | s)) + ((1 - s) & (sw | w)) + ((1 - w) & (nw | n))
        pairs_1, pairs_2 = (nw | n) + (ne | e) + (se | s) + (sw | w), (n | ne) + (e | se) + (s | sw) + (w | nw)
        inner = crossings == 1 and 2 <= min(pairs_1, pairs_2) <= 3
        out[0, code] = inner and not (e & (n | ne | (1 - se)))
        out[1, code] = inner and not (w & (s | sw | (1 - nw)))
    return out


_DELETABLE = _deletable()


def thin(mask: np.ndarray) -> np.ndarray:
    """One-pixel-wide, 8-connected centre line of a (y, x) bool mask; topology is kept.

    Guo and Hall, "Parallel thinning with two-subiteration algorithms", CACM 32(3), 1989, algorithm A1.
    """
    padded = np.pad(mask, 1)
    flat = padded.ravel()  # a view
    steps = [dy * padded.shape[1] + dx for dy, dx in _CLOCKWISE]
    pixels, quiet = np.flatnonzero(flat), 0
    turn = 0
    while quiet < 2:
        code = np.zeros(len(pixels), np.uint8)
        for bit, step in enumerate(steps):
            code |= flat[pixels + step].astype(np.uint8) << np.uint8(bit)
        gone = _DELETABLE[turn, code]
        flat[pixels[gone]] = False
        pixels = pixels[~gone]
        quiet = 0 if gone.any() else quiet + 1
        turn = 1 - turn
    return padded[1:-1, 1:-1].copy()


def tidy(mask: np.ndarray) -> np.ndarray:
    """A line mask without the pinholes of grainy ink, each of which would become a loop of the centre line."""
    return ndimage.binary_closing(np.pad(mask, 2), np.ones((3, 3), bool))[2:-2, 2:-2] | mask


def grown(mask: np.ndarray) -> np.ndarray:
    """A (y, x) bool mask and the pixels next to it."""
    return ndimage.binary_dilation(mask, np.ones((3, 3), bool))


def distance_to(mask: np.ndarray) -> np.ndarray:
    """(y, x) float32 pixels to the nearest set pixel; +inf everywhere when none is set."""
    if not mask.any():
        return np.full(mask.shape, np.inf, np.float32)
    return ndimage.distance_transform_edt(~mask).astype(np.float32)


@dataclass(frozen=True)
class Line:
    """A line as it is drawn in a frame; N pixels of its centre.

    Attributes:
        mask: (y, x) bool, its area.
        centre: (y, x) bool, its centre line, one pixel wide.
        points: (N, 2) y and x of the middle of the stroke at the centre's pixels, in row order, to a fraction of a
            pixel.
        normals: (N, 2) unit vectors across the stroke.
        width: (N,) pixels, mean of the stretch around each.
    """

    mask: np.ndarray
    centre: np.ndarray
    points: np.ndarray
    normals: np.ndarray
    width: np.ndarray

    @cached_property
    def tree(self) -> KDTree:
        return KDTree(self.points)

    def across(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How far points lie beside the line.

        Args:
            points: (M, 2) y and x.

        Returns:
            (M,) pixels across the stroke, +inf where the line's nearest centre is more than `GAP` away, and (M,) the
            index of that nearest centre, N where there is none.
        """
        if not len(self.points):
            return np.full(len(points), np.inf), np.zeros(len(points), np.int64)
        _, nearest = self.tree.query(points, distance_upper_bound=GAP)
        found = nearest < len(self.points)
        index = np.where(found, nearest, 0)
        beside = np.abs(((points - self.points[index]) * self.normals[index]).sum(1))
        return np.where(found, beside, np.inf), nearest


GAP = 1.5
"""Pixels between a place and the nearest centre of a line that runs through it; beyond it the line is interrupted."""


def trace(opacity: np.ndarray) -> Line:
    """The line that covers what is more than half opaque.

    The centre comes from thinning; each of its pixels is then moved across the stroke to the centroid of the opacity
    there. The stroke's edges are where the opacity falls to one half.

    Args:
        opacity: (y, x), 1 or more where the line is as opaque as it gets, 0 or less where there is none.
    """
    mask = tidy(opacity > 0.5)
    centre = thin(mask)
    rows, columns = np.nonzero(centre)
    places = np.stack([rows, columns], 1).astype(np.float64)
    if not len(places):
        return Line(mask, centre, places, places, np.zeros(0))
    ink = np.maximum(opacity, 0).astype(np.float32)
    # Where the mask was tidied, opacity and mask disagree; the mask decides on edges.
    soft = np.where(mask, np.clip(ink, 0.5 + 1e-3, 1), np.minimum(ink, 0.5))
    normals = _normals(soft, rows, columns)
    inside = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1][rows, columns]
    reach = np.arange(0, inside.max() + 2 * BEYOND, STEP)
    steps = np.concatenate([-reach[:0:-1], reach])
    profile = places.T[:, :, None] + normals.T[:, :, None] * steps
    edges, across = (ndimage.map_coordinates(plane, profile, order=1, mode="constant") for plane in (soft, ink))
    middle = len(reach) - 1
    there, back = (_edge(half, inside + BEYOND) for half in (edges[:, middle:], edges[:, middle::-1]))
    across *= (steps <= there[:, None] + BEYOND) & (steps >= -back[:, None] - BEYOND)
    shift = (across * steps).sum(1) / np.maximum(across.sum(1), 1e-6)
    return Line(mask, centre, places + shift[:, None] * normals, normals, along(centre, there + back))


STEP = 0.5
"""Pixels between samples across a stroke."""
BEYOND = 1.0
"""Pixels by which a soft edge reaches beyond where it is half opaque."""


def _edge(values: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """(N,) pixels to where (N, samples) values, `STEP` apart, fall to one half, at most `limit`."""
    below = values <= 0.5
    first = np.where(below.any(1), below.argmax(1), values.shape[1] - 1).clip(1)
    high, low = (np.take_along_axis(values, at[:, None], 1)[:, 0] for at in (first - 1, first))
    part = np.clip((high - 0.5) / np.maximum(high - low, 1e-6), 0, 1)
    return np.minimum((first - 1 + part) * STEP, limit)


def along(centre: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Values at the pixels of a centre line, averaged over the stretch of line about each.

    Args:
        centre: (y, x) bool; values: (..., N) at its pixels, in row order.
    """
    planes = np.zeros((*values.shape[:-1], *centre.shape), np.float32)
    planes[..., centre] = values
    sigma = [0.0] * (values.ndim - 1) + [STRETCH, STRETCH]
    weight = ndimage.gaussian_filter(centre.astype(np.float32), STRETCH, mode="constant")[centre]
    averaged: np.ndarray = ndimage.gaussian_filter(planes, sigma, mode="constant")[..., centre] / weight
    return averaged


STRETCH = 3.0
"""Pixels (standard deviation) of line over which its strength and width are averaged, so that grain does not decide."""


def _normals(soft: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """(N, 2) unit vectors of steepest change about each pixel: the structure tensor's first eigenvector."""
    dy, dx = (ndimage.gaussian_filter(soft, 1.0, order) for order in ((1, 0), (0, 1)))
    yy, xx, yx = (ndimage.gaussian_filter(product, 2.0)[rows, columns] for product in (dy * dy, dx * dx, dy * dx))
    angle = 0.5 * np.arctan2(2 * yx, xx - yy)  # of the first eigenvector, from the x axis
    return np.stack([np.sin(angle), np.cos(angle)], 1).astype(np.float64)
