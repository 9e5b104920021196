"""Where a camera puts a world point on the picture, and which ray a pixel looks along.

Belongs here: projection and its inverse. Does not: the camera description itself (`config.Camera`).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import radians, tan

import numpy as np

from osf_pipeline.config import Camera


@dataclass(frozen=True)
class View:
    """A camera together with a picture size.

    Integer pixel coordinates are pixel centres and y runs down, so the optical axis meets the picture at
    `((width - 1) / 2, (height - 1) / 2)`. Pixels are square.
    """

    camera: Camera
    width: int
    height: int

    @property
    def centre(self) -> tuple[float, float]:
        return (self.width - 1) / 2, (self.height - 1) / 2

    @property
    def pixels_per_unit(self) -> float:
        """Pixels that one world unit covers: everywhere (ortho), or at depth 1 (persp)."""
        if self.camera.projection == "ortho":
            return self.width / float(self.camera.scale or 1)
        return self.width / 2 / tan(radians(float(self.camera.fov or 90)) / 2)

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """World points to pixels.

        Args:
            points: (N, 3) world space.

        Returns:
            (N, 2) pixel coordinates and (N,) planar depth, both float64. Perspective points at or behind the camera
            plane project to NaN.
        """
        x, y, z = ((points - np.array(self.camera.position)) @ self.camera.rotation.T).T
        depth = -z
        scale = np.full_like(depth, self.pixels_per_unit)
        if self.camera.projection == "persp":
            scale /= np.where(depth > 0, depth, np.nan)
        cx, cy = self.centre
        return np.stack([cx + x * scale, cy - y * scale], axis=1), depth

    def rays(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The rays through pixel coordinates.

        Args:
            pixels: (N, 2), fractions allowed.

        Returns:
            Origins and directions, (N, 3) float64 each. A direction advances the planar depth by exactly 1, so the
            ray parameter of a hit is its depth.
        """
        cx, cy = self.centre
        right, up, back = self.camera.rotation
        x = (pixels[:, :1] - cx) / self.pixels_per_unit
        y = (cy - pixels[:, 1:]) / self.pixels_per_unit
        plane = x * right + y * up
        position = np.broadcast_to(np.array(self.camera.position, np.float64), plane.shape)
        if self.camera.projection == "ortho":
            return position + plane, np.broadcast_to(-back, plane.shape)
        return position, plane - back

    def inside(self, pixels: np.ndarray) -> np.ndarray:
        """(N,) bool: the (N, 2) coordinates fall on the picture; NaN does not."""
        x, y = pixels.T
        return (x >= -0.5) & (x < self.width - 0.5) & (y >= -0.5) & (y < self.height - 0.5)
