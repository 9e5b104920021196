"""First hits of rays on a scene posed at one frame.

Belongs here: all use of Embree. Does not: what is made of the hits (`frame`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene

from osf_pipeline.render.scene import Scene
from osf_pipeline.render.view import View

BIAS = 2e-3
"""Scene units by which a shadow ray starts above the surface: more than flat faces lie below the round surface they
stand for, less than a pixel of a figure that fills the picture."""


@dataclass(frozen=True)
class Hits:
    """Surface points seen through a grid of `supersample` x `supersample` samples a pixel; misses are left out.

    Attributes:
        shape: rows and columns of the sample grid.
        supersample: samples a pixel and axis; odd, so that the middle sample is the pixel centre.
        index: (N,) flat position in the sample grid, ascending.
        face: (N,) face of the scene.
        weights: (N, 3) float64 barycentric weights of its corners.
    """

    shape: tuple[int, int]
    supersample: int
    index: np.ndarray
    face: np.ndarray
    weights: np.ndarray

    def interpolate(self, faces: np.ndarray, values: np.ndarray) -> np.ndarray:
        """(N, C) of per-vertex `values` (V, C)."""
        return np.einsum("nk,nkc->nc", self.weights, values.take(faces.take(self.face, axis=0), axis=0))

    def scatter(self, values: np.ndarray, background: float = 0) -> np.ndarray:
        """(N,) or (N, C) onto the sample grid: (rows, columns) or (C, rows, columns)."""
        flat = np.full((*values.shape[1:], self.shape[0] * self.shape[1]), background, values.dtype)
        flat[..., self.index] = values.T
        return flat.reshape(*values.shape[1:], *self.shape)

    def mean(self, values: np.ndarray) -> np.ndarray:
        """(C, y, x) float64 mean over the samples of each pixel of (N, C) values; misses count as 0."""
        k = self.supersample
        rows, columns = self.shape[0] // k, self.shape[1] // k
        y, x = np.divmod(self.index, self.shape[1])
        pixel = y // k * columns + x // k
        sums = [np.bincount(pixel, column, minlength=rows * columns) for column in values.T]
        return np.stack(sums).reshape(-1, rows, columns) / k**2

    @cached_property
    def central(self) -> np.ndarray:
        """(N,) bool: samples at pixel centres."""
        y, x = np.divmod(self.index, self.shape[1])
        middle = self.supersample // 2
        return (y % self.supersample == middle) & (x % self.supersample == middle)

    @cached_property
    def centres(self) -> Hits:
        """The samples at pixel centres, as a grid of one sample a pixel."""
        k, keep = self.supersample, self.central
        y, x = np.divmod(self.index[keep], self.shape[1])
        shape = self.shape[0] // k, self.shape[1] // k
        return Hits(shape, 1, y // k * shape[1] + x // k, self.face[keep], self.weights[keep])


class Posed:
    """A scene at one frame, ready for rays."""

    def __init__(self, scene: Scene, frame: int, width: int, height: int) -> None:
        self.scene, self.frame = scene, frame
        self.view = View(scene.camera(frame), width, height)
        self.vertices = scene.posed(frame)

    @cached_property
    def _embree(self) -> EmbreeScene:
        # Robust: rays through a shared edge must not slip between its two triangles.
        embree = EmbreeScene(robust=True)
        TriangleMesh(embree, self.vertices.astype(np.float32), self.scene.faces)
        return embree

    @cached_property
    def _across(self) -> np.ndarray:
        """(F, 3) along the face's normal, as long as twice its area."""
        a, b, c = (self.vertices[self.scene.faces[:, k]] for k in range(3))
        return np.cross(b - a, c - a)

    @cached_property
    def areas(self) -> np.ndarray:
        """(F,) of the faces, square scene units."""
        return np.linalg.norm(self._across, axis=1) / 2

    @cached_property
    def normals(self) -> np.ndarray:
        """(V, 3) unit vertex normals, world space: area-weighted mean of the faces around."""
        corner = self.scene.faces.T.ravel()
        total = np.stack(
            [np.bincount(corner, np.tile(axis, 3), minlength=len(self.vertices)) for axis in self._across.T], axis=1
        )
        return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-30)

    @cached_property
    def cover(self) -> np.ndarray:
        """(y, x) bool: pixels that can show something, because the box around a projected face touches them."""
        height, width = self.view.height, self.view.width
        pixels, _ = self.view.project(self.vertices)
        if np.isnan(pixels).any():  # something reaches behind the camera
            return np.ones((height, width), bool)
        corners = np.stack([pixels[self.scene.faces[:, k]] for k in range(3)])
        x0, y0 = np.clip(np.floor(corners.min(axis=0)), 0, (width, height)).astype(int).T
        x1, y1 = np.clip(np.ceil(corners.max(axis=0)) + 1, 0, (width, height)).astype(int).T
        # Summed over rows and columns, four corners fill a box.
        count = np.zeros((height + 1) * (width + 1), int)
        for y, x, sign in ((y0, x0, 1), (y0, x1, -1), (y1, x0, -1), (y1, x1, 1)):
            count += sign * np.bincount(y * (width + 1) + x, minlength=len(count))
        return count.reshape(height + 1, width + 1).cumsum(0).cumsum(1)[:-1, :-1] > 0

    def cast(self, supersample: int = 1, band: slice | None = None) -> Hits:
        """First hits of the pixel grid.

        Args:
            supersample: odd number of samples a pixel and axis.
            band: rows of the picture that the sample grid covers; all of them when absent.
        """
        if supersample % 2 == 0:
            raise ValueError("an even number of samples has none at the pixel centre")
        band = band or slice(0, self.view.height)
        cover = self.cover[band].repeat(supersample, axis=0).repeat(supersample, axis=1)
        index = np.flatnonzero(cover)
        if not len(index):
            return Hits(cover.shape, supersample, index, index.astype(np.int32), np.empty((0, 3)))
        y, x = np.divmod(index, cover.shape[1])
        middle = supersample // 2
        where = np.stack([x - middle, y + band.start * supersample - middle], axis=1) / supersample
        origins, directions = self.view.rays(where)
        found = self._embree.run(
            origins.astype(np.float32), np.ascontiguousarray(directions, np.float32), output=True
        )  # fmt: skip
        hit = found["primID"] >= 0
        u, v = found["u"][hit].astype(np.float64), found["v"][hit].astype(np.float64)
        return Hits(cover.shape, supersample, index[hit], found["primID"][hit], np.stack([1 - u - v, u, v], axis=1))

    def reaches(self, points: np.ndarray, normals: np.ndarray, towards: np.ndarray) -> np.ndarray:
        """Whether light from a direction reaches surface points: one hard shadow ray each.

        Args:
            points, normals: (N, 3) places on the surface and their unit normals.
            towards: (3,) unit vector to the light.

        Returns:
            (N,) bool; False where the surface faces away.
        """
        lit = normals @ towards > 0
        facing = np.flatnonzero(lit)
        if facing.size:
            origins = (points[facing] + BIAS * normals[facing]).astype(np.float32)
            directions = np.tile(np.float32(towards), (len(origins), 1))
            lit[facing] = self._embree.run(origins, directions, query="OCCLUDED") < 0
        return lit

    def sees(self, points: np.ndarray, tolerance: float = 1e-3) -> np.ndarray:
        """Whether world points on this frame's surface are visible.

        Args:
            points: (N, 3).
            tolerance: depth in scene units by which another surface must be nearer to hide a point.

        Returns:
            (N,) bool; False off the picture.
        """
        pixels, depth = self.view.project(points)
        seen = self.view.inside(pixels) & (depth > 0)
        if seen.any():
            origins, directions = self.view.rays(pixels[seen])
            nearest = self._embree.run(
                origins.astype(np.float32), np.ascontiguousarray(directions, np.float32), query="DISTANCE"
            )
            seen[seen] = nearest >= depth[seen] - tolerance
        return seen
