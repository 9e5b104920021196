"""Curves and areas of a drawing: splines through control points, limbs of varying width, their rasters.

Belongs here: plane geometry in picture pixels (integers are pixel centres, y down) and its coverage of pixels. Does
not: colour, texture or line (`canvas`), or what a figure is made of (`body`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

Window = tuple[slice, slice]

SUPERSAMPLE = 4
"""Samples a pixel and axis behind a coverage."""


def spline(points: np.ndarray, *, closed: bool = False, per_segment: int = 12) -> np.ndarray:
    """Uniform Catmull-Rom curve through control points (Catmull and Rom 1974).

    Args:
        points: (N, D) control points, N >= 2; columns beyond x and y (pressure) are interpolated alike.
        closed: the last point leads back to the first, which is not repeated.
        per_segment: samples between neighbouring control points.

    Returns:
        (M, D) float64.
    """
    points = np.asarray(points, np.float64)
    if closed:
        padded = np.concatenate([points[-1:], points, points[:2]])
    else:
        padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    t = (np.arange(per_segment) / per_segment)[:, None, None]
    before, start, end, after = (padded[k : len(padded) - 3 + k][None] for k in range(4))
    curve = start + 0.5 * t * (
        end - before
        + t * (2 * before - 5 * start + 4 * end - after)
        + t * t * (3 * (start - end) + after - before)
    )  # fmt: skip
    flat = curve.transpose(1, 0, 2).reshape(-1, points.shape[1])
    return flat if closed else np.concatenate([flat, points[-1:]])


def ribbon(path: np.ndarray, radii: np.ndarray, caps: tuple[float, float] = (1, 1)) -> np.ndarray:
    """Closed polygon around a path of varying half width: its left side, its end cap, its right side, its start cap.

    Args:
        path: (N, 2), N >= 2.
        radii: (N,) half widths.
        caps: roundness of the start's and the end's cap: 1 is half a circle, 0 a straight cut.
    """
    along = tangents(path)
    left = np.stack([along[:, 1], -along[:, 0]], axis=1)
    turn = np.linspace(0, np.pi, 13)[1:-1, None]

    def cap(k: int, side: np.ndarray, outwards: np.ndarray, roundness: float) -> np.ndarray:
        return path[k] + radii[k] * (np.cos(turn) * side + roundness * np.sin(turn) * outwards)

    right_side = (path - radii[:, None] * left)[::-1]
    end, start = cap(-1, left[-1], along[-1], caps[1]), cap(0, -left[0], -along[0], caps[0])
    return np.concatenate([path + radii[:, None] * left, end, right_side, start])


def tangents(path: np.ndarray) -> np.ndarray:
    """(N, 2) unit directions along a path."""
    step = np.gradient(path, axis=0)
    return step / np.maximum(np.linalg.norm(step, axis=1, keepdims=True), 1e-9)


def resample(path: np.ndarray, spacing: float, *, closed: bool = False) -> np.ndarray:
    """(M, D) points about `spacing` pixels apart along a polyline; columns beyond x and y follow."""
    if closed:
        path = np.concatenate([path, path[:1]])
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(path[:, :2], axis=0), axis=1))])
    count = max(int(np.ceil(length[-1] / spacing)), 2) + 1
    at = np.linspace(0, length[-1], count)
    out = np.stack([np.interp(at, length, column) for column in path.T], axis=1)
    return out[:-1] if closed else out


def ellipse(x: float, y: float, rx: float, ry: float, *, angle: float = 0, power: float = 2) -> np.ndarray:
    """(64, 2) polygon of a superellipse; `power` 2 is an ellipse, more is boxier; `angle` in radians, clockwise."""
    turn = 2 * np.pi * np.arange(64) / 64
    c, s = np.cos(turn), np.sin(turn)
    u = rx * np.sign(c) * np.abs(c) ** (2 / power)
    v = ry * np.sign(s) * np.abs(s) ** (2 / power)
    return np.stack([x + u * np.cos(angle) - v * np.sin(angle), y + u * np.sin(angle) + v * np.cos(angle)], axis=1)


def unsteady(polygon: np.ndarray, amount: float, spacing: float, rng: np.random.Generator) -> np.ndarray:
    """A closed polygon as an unsteady hand draws it: displaced along a smooth random line.

    Args:
        amount: standard deviation in pixels.
        spacing: pixels over which the hand changes its mind.
    """
    points = resample(polygon, 3.0, closed=True)
    knots = max(int(3 * len(points) / spacing), 4)
    shift = spline(rng.normal(0, amount, (knots, 2)), closed=True, per_segment=16)
    at = np.arange(len(points)) * len(shift) / len(points)
    rings = [np.interp(at, np.arange(len(shift) + 1), np.append(column, column[0])) for column in shift.T]
    return points + np.stack(rings, axis=1)


def inside(polygon: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(N,) bool: which (N, 2) points a closed polygon encloses, by the even-odd rule."""
    x, y = points[:, :1], points[:, 1:]
    start, stop = polygon.T[:, None], np.roll(polygon, -1, axis=0).T[:, None]
    spans = (start[1] > y) != (stop[1] > y)
    rise = np.where(start[1] == stop[1], 1, stop[1] - start[1])
    left = x < start[0] + (y - start[1]) * (stop[0] - start[0]) / rise
    return (spans & left).sum(axis=1) % 2 == 1


@dataclass(frozen=True)
class Cover:
    """How much of each pixel an area covers.

    Attributes:
        window: rows and columns of the picture; outside nothing is covered.
        value: (rows, columns) float32, 0..1.
    """

    window: Window
    value: np.ndarray

    def full(self, size: tuple[int, int]) -> np.ndarray:
        """(y, x) float32 over the whole picture of `size` width, height."""
        out = np.zeros((size[1], size[0]), np.float32)
        out[self.window] = self.value
        return out


def cover(polygons: list[np.ndarray], size: tuple[int, int], margin: int = 2) -> Cover:
    """Coverage of the union of closed polygons, inside the picture.

    Pillow fills the samples that a border runs through, so areas reach an eighth of a pixel beyond their borders.

    Args:
        polygons: (N, 2) each.
        size: width, height of the picture.
        margin: empty pixels kept around the area.
    """
    points = np.concatenate(polygons)
    low = np.clip(np.floor(points.min(axis=0)).astype(int) - margin, 0, np.array(size) - 1)
    high = np.clip(np.ceil(points.max(axis=0)).astype(int) + margin + 1, low + 1, size)
    wide, tall = (high - low).tolist()
    image = Image.new("L", (wide * SUPERSAMPLE, tall * SUPERSAMPLE))
    draw = ImageDraw.Draw(image)
    for polygon in polygons:
        # Sample centres lie at (k + 0.5) / SUPERSAMPLE - 0.5 of the picture's pixels.
        at = (polygon - low + 0.5) * SUPERSAMPLE - 0.5
        draw.polygon([(x, y) for x, y in at.tolist()], fill=255)
    value = np.asarray(image.reduce(SUPERSAMPLE), np.float32) / 255
    return Cover((slice(low[1], high[1]), slice(low[0], high[0])), value)


def one_piece(laid: Cover, size: tuple[int, int]) -> np.ndarray:
    """(y, x) bool: the largest connected part of an area, its corners softened, its holes filled."""
    soft = ndimage.gaussian_filter(laid.full(size), 0.7)
    parts, _ = ndimage.label(ndimage.binary_fill_holes(soft > 0.5))
    return parts == np.bincount(parts.ravel())[1:].argmax() + 1


def brush_mark(path: np.ndarray, size: tuple[int, int]) -> Cover:
    """Coverage of a stroke of varying width.

    Args:
        path: (N, 3) x, y and half width in pixels.
    """
    points = resample(path, 1.5)
    points, radii = points[:, :2], np.maximum(points[:, 2], 0.05)
    along = tangents(points)
    left = np.stack([along[:, 1], -along[:, 0]], axis=1)
    sides = points + radii[:, None] * left, points - radii[:, None] * left
    quads = np.stack([sides[0][:-1], sides[0][1:], sides[1][1:], sides[1][:-1]], axis=1)
    broad = radii > 0.4
    dots = points[broad, None] + radii[broad, None, None] * ellipse(0, 0, 1, 1)[::4]
    return cover([*quads, *dots], size)
