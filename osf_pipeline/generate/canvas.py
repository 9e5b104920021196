"""A sheet that colour and ink are laid on: media that wash, streak, granulate and leave paper bare; strokes of a hand.

Belongs here: how paint and pen behave on paper. Does not: what is painted (`body`, `dress`, `sample.original`), the
outline around the whole figure (`sample.hand`), or the sheet a scanner saw (`paper`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from osf_pipeline.generate.shapes import Cover, brush_mark, cover, resample, spline
from osf_pipeline.sample.hand import Hand
from osf_pipeline.sample.noise import smoothstep
from osf_pipeline.sample.paint import linear


@dataclass(frozen=True)
class Medium:
    """How a colour lies on paper; strengths are fractions of the pigment's optical density.

    Attributes:
        wash, cloud, grain: unevenness over wide, middle and finest distances; grain follows the paper's tooth.
        streak: unevenness along the strokes it is laid with.
        rim: pigment gathered along the area's edge.
        bare: how much paper shows between strokes, 0..1.
        lines: pixels between the strokes of a fill that is hatched; 0 for one that covers.
    """

    wash: float
    cloud: float
    grain: float
    streak: float
    rim: float
    bare: float
    lines: float = 0


FLAT = Medium(0, 0, 0, 0, 0, 0)
GOUACHE = Medium(0.05, 0.05, 0.03, 0.05, 0.04, 0.03)
WATERCOLOUR = Medium(0.22, 0.15, 0.10, 0.02, 0.34, 0.04)
MARKER = Medium(0.04, 0.02, 0.01, 0.16, 0.10, 0)
PENCIL = Medium(0.06, 0.08, 0.18, 0.14, 0, 0.30)
CRAYON = Medium(0.06, 0.08, 0.20, 0.10, 0, 0.48)
HATCHED = Medium(0.05, 0.10, 0.15, 0.05, 0, 0.10, lines=7.5)


def noise(size: tuple[int, int], spacing: float | tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """Smooth noise of about zero mean and unit variance: a cubic B-spline surface over random knots.

    Args:
        size: width, height.
        spacing: pixels between knots, along x and y.

    Returns:
        (height, width) float32.
    """
    across, down = spacing if isinstance(spacing, tuple) else (spacing, spacing)
    columns, rows = _spline_matrix(size[0], across), _spline_matrix(size[1], down)
    knots = rng.standard_normal((rows.shape[1], columns.shape[1])).astype(np.float32)
    # Along one axis the mean over phases of the sum of squared weights is 0.479: it is the variance that is left.
    return (rows @ knots @ columns.T) / np.float32(0.479)


def _spline_matrix(count: int, spacing: float) -> np.ndarray:
    """(count, knots) float32 cubic B-spline weights of pixels."""
    at = np.arange(count) / spacing
    first = np.floor(at).astype(int)
    t = at - first
    weights = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]) / 6
    matrix = np.zeros((count, int(first[-1]) + 4), np.float32)
    for k in range(4):
        matrix[np.arange(count), first + k] = weights[k]
    return matrix


class Canvas:
    """A white sheet of `size` width, height. `color` (y, x, 3) is float32 and scene-linear."""

    def __init__(self, size: tuple[int, int], seed: int, *, unit: float, slant: float = 0.9) -> None:
        """An empty sheet.

        Args:
            size: width, height.
            unit: pixels to a pixel of a picture whose figure is about 620 high; sizes of textures are stated for that.
            slant: direction of strokes, radians clockwise from +x.
        """
        self.size = size
        self.unit = unit
        self.color = np.ones((size[1], size[0], 3), np.float32)
        self.rng = np.random.default_rng([seed, 1])
        unit = self.unit
        self.wash, self.cloud = noise(size, 95 * unit, self.rng), noise(size, 22 * unit, self.rng)
        self.tooth = 0.9 * noise(size, 1.4 * unit, self.rng) + 0.44 * noise(size, 3.2 * unit, self.rng)
        self.slant = slant
        y, x = np.mgrid[: size[1], : size[0]].astype(np.float32)
        self.along = np.cos(slant) * x + np.sin(slant) * y
        self.across = np.cos(slant) * y - np.sin(slant) * x
        self.streak = self._streaks(2.4 * unit, 70 * unit)

    def _streaks(self, thin: float, long: float) -> np.ndarray:
        """Noise drawn out along the strokes."""
        knots = self.rng.standard_normal((64, 512)).astype(np.float32)
        at = np.stack([self.along / long, self.across / thin + 3 * self.wash])
        return 1.6 * ndimage.map_coordinates(knots, at, order=1, mode="grid-wrap", output=np.float32)

    def area(self, shape: Cover | Sequence[np.ndarray], color: str, medium: Medium, clip: np.ndarray | None = None,
             opacity: float = 1) -> Cover:  # fmt: skip
        """Lay a colour.

        Args:
            shape: coverage, or polygons of which the union is covered.
            color: display colour, `#rrggbb`.
            clip: (y, x) 0..1, where colour may go.
            opacity: of the whole layer.

        Returns:
            What was covered.
        """
        laid = shape if isinstance(shape, Cover) else cover(list(shape), self.size)
        if clip is not None:
            laid = Cover(laid.window, laid.value * clip[laid.window])
        window, value = laid.window, laid.value
        wash, cloud, tooth, streak = (plane[window] for plane in (self.wash, self.cloud, self.tooth, self.streak))
        density = 1 + medium.wash * wash + medium.cloud * cloud + medium.grain * tooth + medium.streak * streak
        if medium.rim:
            depth = ndimage.distance_transform_edt(np.pad(value > 0.5, 1))[1:-1, 1:-1]
            density = density + medium.rim * np.exp(-np.square(depth / (3.2 * self.unit)))
        # Thicker pigment absorbs more: optical density scales the logarithm of the colour (Beer-Lambert).
        pigment = np.maximum(linear(color), 2e-3).astype(np.float32) ** np.clip(density, 0.5, 1.7)[..., None]
        alpha = opacity * value
        if medium.bare:
            alpha = alpha * (1 - medium.bare * smoothstep(0.55, 1.7, 0.62 * streak + 0.62 * tooth + 0.2 * cloud))
        if medium.lines:
            alpha = alpha * self._lines(window, medium.lines * self.unit)
        self._lay(window, alpha, pigment)
        return laid

    def _lines(self, window: tuple[slice, slice], spacing: float) -> np.ndarray:
        """Coverage of loose parallel strokes over a pale tone."""
        bent = self.across[window] + 1.6 * self.unit * self.cloud[window] + 3 * self.unit * self.wash[window]
        offset = np.abs((bent / spacing) % 1 - 0.5) * spacing
        broad = 0.30 * spacing * (1 + 0.35 * self.streak[window])
        return 0.22 + 0.78 * smoothstep(0.7 * self.unit, -0.7 * self.unit, offset - broad)

    def shade(self, shape: Cover, color: str, strength: float, shift: tuple[float, float], soft: float) -> None:
        """Glaze the side of an area that `shift` (x, y pixels) points to, with a border `soft` pixels wide."""
        lit = ndimage.shift(shape.value, (-shift[1], -shift[0]), order=1, mode="constant")
        region = ndimage.gaussian_filter(np.clip(shape.value - lit, 0, 1), soft) * shape.value
        alpha = np.clip(strength * (1 + 0.25 * self.cloud[shape.window]), 0, 1) * region
        tint = linear(color).astype(np.float32)
        self.color[shape.window] *= 1 - alpha[..., None] * (1 - tint)

    def tint(
        self, polygon: np.ndarray, color: str, strength: float, soft: float, clip: np.ndarray | None = None
    ) -> None:
        """Glaze a patch without an edge: cheeks, a shadow."""
        patch = cover([polygon], self.size, margin=int(3 * soft) + 2)
        alpha = strength * ndimage.gaussian_filter(patch.value, soft) * (1 + 0.18 * self.tooth[patch.window])
        if clip is not None:
            alpha = alpha * clip[patch.window]
        tint = linear(color).astype(np.float32)
        self.color[patch.window] *= 1 - np.clip(alpha, 0, 1)[..., None] * (1 - tint)

    def stroke(self, path: np.ndarray, hand: Hand, clip: np.ndarray | None = None, *, color: str | None = None,
               opacity: float = 1) -> None:  # fmt: skip
        """Draw one stroke with the hand's ink.

        Args:
            path: (N, 3) x, y and half width in pixels, as `pen_path` makes it.
            color: another ink than the hand's.
        """
        mark = brush_mark(path, self.size)
        tooth, cloud = self.tooth[mark.window], self.cloud[mark.window]
        rubbed = 1 - max(hand.tooth, 0.35 * hand.dry) * smoothstep(0.1, 1.5, tooth)
        alpha = mark.value * rubbed * np.clip(hand.darkness - hand.fade * np.maximum(cloud, 0), 0, 1) * opacity
        if clip is not None:
            alpha = alpha * clip[mark.window]
        self._lay(mark.window, alpha, linear(color or hand.ink).astype(np.float32))

    def line(self, points: Sequence[Sequence[float]] | np.ndarray, width: float, hand: Hand,
             clip: np.ndarray | None = None, *, color: str | None = None, closed: bool = False,
             taper: tuple[float, float] = (0.5, 0.5)) -> None:  # fmt: skip
        """Draw through control points; a hand that sketches goes over it a second time.

        Args:
            points: (N, 2) x, y, or (N, 3) with a pressure about 1.
            width: pixels at pressure 1.
            taper: pixels over which the pen lands and lifts, as a share of the stroke's length up to 0.5.
        """
        points = np.asarray(points, np.float64)
        self.stroke(self.pen_path(points, width, closed=closed, taper=taper), hand, clip, color=color)
        if hand.second_rare < 0:
            again = points.copy()
            again[:, :2] += self.rng.normal(0, 1.3 * self.unit, again[:, :2].shape)
            path = self.pen_path(again, 0.6 * width, closed=closed, taper=taper)
            self.stroke(path, hand, clip, color=color, opacity=hand.second_darkness)

    def pen_path(self, points: np.ndarray, width: float, *, closed: bool = False,
                 taper: tuple[float, float] = (0.5, 0.5)) -> np.ndarray:  # fmt: skip
        """(N, 3) x, y, half width: a spline through the points with the pressure of a living hand."""
        if points.shape[1] == 2:
            points = np.concatenate([points, np.ones((len(points), 1))], axis=1)
        path = resample(spline(points, closed=closed), 1.5)
        count = len(path)
        knots = self.rng.normal(0, 1, (max(int(count * 1.5 / (26 * self.unit)), 2) + 2, 3))
        wave = spline(knots, per_segment=8)
        at = np.linspace(0, len(wave) - 1, count)
        uneven = np.stack([np.interp(at, np.arange(len(wave)), column) for column in wave.T], axis=1)
        path[:, :2] += 0.35 * self.unit * uneven[:, :2]
        radius = 0.5 * width * path[:, 2] * np.clip(1 + 0.16 * uneven[:, 2], 0.6, 1.4)
        if not closed:
            place = np.linspace(0, 1, count)
            for share, end in ((taper[0], place), (taper[1], 1 - place)):
                if share:
                    radius = radius * (0.18 + 0.82 * np.sqrt(np.clip(end / share, 0, 1)))
        path[:, 2] = radius
        return path

    def _lay(self, window: tuple[slice, slice], alpha: np.ndarray, color: np.ndarray) -> None:
        alpha = np.clip(alpha, 0, 1)[..., None].astype(np.float32)
        self.color[window] += alpha * (color - self.color[window])
