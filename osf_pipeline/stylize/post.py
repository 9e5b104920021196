"""Steps on the finished layers of one frame, in the order a look names them.

Belongs here: edge enhancement, colour match, smoothing, and measuring the colours to match. Does not: their keys
(`look`), the line's own controls (`line`). Layers are `(channel, y, x)` float32, premultiplied and scene-linear; every
step keeps them so, and leaves the coverage of the fill as it is. A pixel's bits depend on its surroundings alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from osf_pipeline.color import decode_srgb
from osf_pipeline.colorspaces.spaces import Space, to_xyz
from osf_pipeline.stylize.look import Match, Row, Sharpen, Smooth, Step

if TYPE_CHECKING:
    from osf_pipeline.training.exemplar import ExemplarData

DARKEST = 0.1
"""Lightness below which a step in it counts no more than at it: noise of blacks is not detail."""

GREATEST_GAIN = 2.0
"""Of lightness, by edge enhancement."""


def finish(line: np.ndarray, fill: np.ndarray, steps: Sequence[Step], space: Space) -> tuple[np.ndarray, np.ndarray]:
    """Line and fill after all steps.

    Args:
        space: scene-linear space of both layers; says what is bright.
    """
    luma = to_xyz(space.chromaticities)[1].astype(np.float32)
    for step in steps:
        match step:
            case Sharpen():
                line, fill = _sharper_line(line, step), _sharper_fill(fill, step, luma)
            case Match(to="fill"):
                line = _tinted(line, fill, step.amount, luma)
            case Match():
                fill = _matched(fill, step)
            case Smooth():
                fill = _smooth(fill, step)
    return line, fill


def color_matrix(exemplars: Iterable[ExemplarData]) -> tuple[Row, Row, Row]:
    """The colour change from keyframes to their drawings, for `Match.matrix`: an affine map of scene-linear colour.

    Least squares on lightness-weighted residuals, reweighted so that ink, which is on the drawing alone, does not count
    (Holland and Welsch, "Robust regression using iteratively reweighted least-squares", 1977, with Cauchy weights).
    Colours the keyframes do not show stay as they are.
    """
    seen, drawn = [], []
    for exemplar in exemplars:
        color = exemplar.buffers["color"].astype(np.float64)
        solid = (color[3] > 0.99) & (exemplar.drawing[3] > 0.99) & (exemplar.mask[0] > 0.5)
        seen.append(color[:, solid])
        drawn.append(decode_srgb(exemplar.drawing[:3, solid].astype(np.float64)))
    source, target = np.concatenate(seen, 1), np.concatenate(drawn, 1)
    rows = np.eye(3, 4)
    scale = 1 / (source[:3].mean(0) + target.mean(0) + 0.1)
    prior = 1e-3 * source.shape[1] * np.eye(4)
    for _ in range(20):
        error = np.linalg.norm(target - rows @ source, axis=0) * scale
        weight = scale**2 / (1 + (error / 0.1) ** 2)
        left = (source * weight) @ source.T + prior
        rows = np.linalg.solve(left, (source * weight) @ target.T + prior @ np.eye(4, 3)).T
    first, second, third = (tuple(float(value) for value in row) for row in rows.round(5))
    return first, second, third  # type: ignore[return-value]


def _matched(fill: np.ndarray, step: Match) -> np.ndarray:
    assert step.matrix is not None, "`Look.bound` measures it"
    rows = np.array(step.matrix, np.float32)
    out = fill.copy()
    for i, row in enumerate(rows):  # not a matrix product: those differ in the last bit with the shape
        wanted = row[0] * fill[0] + row[1] * fill[1] + row[2] * fill[2] + row[3] * fill[3]
        out[i] = fill[i] + np.float32(step.amount) * (wanted - fill[i])
    return out


def _tinted(line: np.ndarray, fill: np.ndarray, amount: float, luma: np.ndarray) -> np.ndarray:
    """The ink in the hue of the fill below it; where there is no light below, as it is."""
    below, own = _luminance(fill, luma), _luminance(line, luma)
    wanted = fill[:3] * np.divide(own, below, out=np.zeros_like(own), where=below > 1e-4)
    found = np.where((fill[3] > 0) & (below > 1e-4), wanted, line[:3])
    return np.concatenate([line[:3] + np.float32(amount) * (found - line[:3]), line[3:]])


def _sharper_line(line: np.ndarray, step: Sharpen) -> np.ndarray:
    alpha = line[3]
    sharper = np.clip(alpha + step.amount * (alpha - _blurred(alpha, step.radius)), 0, 1)
    return line * np.divide(sharper, alpha, out=np.zeros_like(alpha), where=alpha > 0)


def _sharper_fill(fill: np.ndarray, step: Sharpen, luma: np.ndarray) -> np.ndarray:
    """Lightness is the cube root of luminance (CIE 1976, without its linear toe), so HDR sharpens as mid-grey does."""
    alpha = fill[3]
    light = np.cbrt(np.divide(np.maximum(_luminance(fill, luma), 0), alpha, out=np.zeros_like(alpha), where=alpha > 0))
    around, covered = _blurred(light * alpha, step.radius), _blurred(alpha, step.radius)
    detail = light - np.divide(around, covered, out=light.copy(), where=covered > 0)
    gain = np.clip(1 + step.amount * detail / np.maximum(light, DARKEST), 1 / GREATEST_GAIN, GREATEST_GAIN)
    return np.concatenate([fill[:3] * gain**3, fill[3:]])


def _smooth(fill: np.ndarray, step: Smooth) -> np.ndarray:
    """Bilateral filter (Tomasi and Manduchi, "Bilateral filtering for gray and color images", ICCV 1998)."""
    alpha = fill[3:]
    light = np.cbrt(np.divide(np.maximum(fill[:3], 0), alpha, out=np.zeros_like(fill[:3]), where=alpha > 0))
    sums, weights = np.zeros_like(fill[:3]), np.zeros_like(alpha)
    reach, spread = step.radius, step.radius / 2
    neighbours, lights = (_padded(planes, reach) for planes in (fill, light))
    height, width = alpha.shape[1:]
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            there = (slice(None), slice(reach + dy, reach + dy + height), slice(reach + dx, reach + dx + width))
            apart = ((lights[there] - light) ** 2).sum(0) / (2 * 3 * step.tolerance**2)
            weight = np.exp(-apart - np.float32((dx * dx + dy * dy) / (2 * spread**2)))
            sums += weight * neighbours[there][:3]
            weights += weight * neighbours[there][3:]
    smooth = np.divide(sums, weights, out=np.zeros_like(sums), where=weights > 0) * alpha
    return np.concatenate([np.where(alpha > 0, smooth, fill[:3]), alpha])


def _luminance(layer: np.ndarray, luma: np.ndarray) -> np.ndarray:
    return luma[0] * layer[0] + luma[1] * layer[1] + luma[2] * layer[2]


def _blurred(plane: np.ndarray, sigma: float) -> np.ndarray:
    """(y, x) Gaussian blur, the picture's edge repeated."""
    reach = int(np.ceil(3 * sigma))
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    taps = (taps / taps.sum()).astype(np.float32)
    for axis in (0, 1):
        wide = np.pad(plane, [(reach, reach) if axis == i else (0, 0) for i in (0, 1)], mode="edge")
        length = plane.shape[axis]
        views = (wide[i : i + length] if axis == 0 else wide[:, i : i + length] for i in range(len(taps)))
        plane = sum((tap * view for tap, view in zip(taps, views, strict=True)), np.zeros_like(plane))
    return plane


def _padded(planes: np.ndarray, by: int) -> np.ndarray:
    return np.pad(planes, ((0, 0), (by, by), (by, by)), mode="edge")
