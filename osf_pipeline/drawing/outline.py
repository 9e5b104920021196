"""The border of a figure as closed paths, and pictures seen along them.

Belongs here: geometry of the silhouette. Does not: what is drawn there (`contour`, `strip`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from skimage import measure

_TANGENT_SIGMA = 2.0  # pixels: a mask's stairs are shorter


@dataclass(frozen=True)
class Outline:
    """One closed path along the border of a mask, sampled every pixel of arc length (nearly: S is whole).

    Attributes:
        path: (S, 2) float64 x, y; the last sample is followed by the first.
        inward: (S, 2) float64 unit normals that point into the figure.
    """

    path: np.ndarray
    inward: np.ndarray

    def points(self, depth: np.ndarray) -> np.ndarray:
        """(S, D, 2) x, y of the places `depth` pixels inside of each sample; negative depths lie outside."""
        return self.path[:, None] + depth[None, :, None] * self.inward[:, None]

    def unroll(self, image: np.ndarray, depth: np.ndarray) -> np.ndarray:
        """(S, D, C) bilinear samples of an (H, W, C) image at `points`; clamped at the picture's border."""
        where = self.points(depth)[..., ::-1].transpose(2, 0, 1)
        channels = np.moveaxis(image, 2, 0)
        return np.stack([ndimage.map_coordinates(c, where, order=1, mode="nearest") for c in channels], axis=-1)


def outlines(mask: np.ndarray) -> tuple[Outline, ...]:
    """All borders of an (H, W) bool mask, the longest first: the silhouette, then those of holes."""
    margin = 4
    soft = ndimage.gaussian_filter(np.pad(mask, margin).astype(np.float64), 1.0)  # melts the stairs of the pixels
    found = []
    for contour in measure.find_contours(soft, 0.5):
        path = _resample(contour[:-1, ::-1] - margin)
        ahead = np.roll(path, -1, axis=0) - np.roll(path, 1, axis=0)
        ahead = ndimage.gaussian_filter1d(ahead, _TANGENT_SIGMA, axis=0, mode="wrap")
        ahead /= np.maximum(np.linalg.norm(ahead, axis=1, keepdims=True), 1e-9)
        # find_contours has the figure at its right in x, y with y down.
        found.append(Outline(path, np.stack([-ahead[:, 1], ahead[:, 0]], axis=1)))
    return tuple(sorted(found, key=lambda outline: -len(outline.path)))


def _resample(path: np.ndarray) -> np.ndarray:
    closed = np.concatenate([path, path[:1]])
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    at = np.linspace(0, length[-1], max(8, round(length[-1])), endpoint=False)
    return np.stack([np.interp(at, length, closed[:, axis]) for axis in (0, 1)], axis=1)
