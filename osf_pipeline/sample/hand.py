"""The hand that draws the line: where along a contour ink lies, how broad, how dark, in which colour.

Belongs here: the line layer. Does not: finding contours (`contours`) or the colour inside them (`paint`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from osf_pipeline.render.frame import box_filter
from osf_pipeline.sample.contours import GAP, Contours
from osf_pipeline.sample.noise import field, smoothstep
from osf_pipeline.sample.paint import PAPER, linear

REFERENCE_WIDTH = 384
"""Picture width for which pen sizes are stated; they scale with the picture."""

REACH = 0.14
"""Scene units of rest distance over which a pixel still lies on the surface beside its contour."""

INKS = linear("#2b1d1f"), linear("#1d2a52"), linear("#5a2a20")
"""Sepia black, indigo and burnt umber."""

INDIGO_PARTS = (1, 2, 4, 5, 7, 8)
"""Parts outlined with the indigo pen: tunic and sleeves."""


@dataclass(frozen=True)
class Stroke:
    """The pen at N contour samples; lengths in pixels of the picture.

    Attributes:
        width: from the contour inwards.
        overshoot: beyond the contour outwards.
        darkness: 0..1 opacity.
        ink: (N, 3) scene-linear.
        bare: width of the strip that the colour leaves bare beside the line; 0 where it meets the line.
        second, second_width: place (inwards) and width of a lighter second stroke; width 0 where there is none.
    """

    width: np.ndarray
    overshoot: np.ndarray
    darkness: np.ndarray
    ink: np.ndarray
    bare: np.ndarray
    second: np.ndarray
    second_width: np.ndarray


def pen(rest: np.ndarray, part: np.ndarray, gap: np.ndarray, seed: int, scale: float) -> Stroke:
    """How the hand draws at contour samples; anchored to the surface, so it holds from frame to frame.

    Args:
        rest: (N, 3) rest positions.
        part: (N,) part ids.
        gap: (N,) depth steps; a line thins out where the surfaces close up.
        scale: pixels of the picture for a pixel at `REFERENCE_WIDTH`.
    """
    swell, press, hurry = field(rest, 5, seed), field(rest, 13, seed + 1), field(rest, 3.2, seed + 2)
    taper = smoothstep(GAP, 4 * GAP, gap)
    width = np.clip(3.6 + 1.0 * swell + 0.45 * press, 2.4, 6.5) * (0.35 + 0.65 * taper)
    darkness = np.clip(0.975 - 0.05 * np.maximum(hurry, 0) + 0.02 * press, 0.84, 1) * (0.5 + 0.5 * taper)
    mix = smoothstep(-0.9, 0.9, field(rest, 2.3, seed + 3))[:, None]
    base = np.where(np.isin(part, INDIGO_PARTS)[:, None], INKS[1], INKS[0])
    stray = smoothstep(0.5, 0.9, field(rest, 4.2, seed + 4))
    again = smoothstep(0.85, 1.25, field(rest, 3.6, seed + 5)) * taper
    return Stroke(
        width=scale * width,
        overshoot=scale * np.clip(0.35 + 0.35 * field(rest, 9, seed + 6), 0, 1.1),
        darkness=darkness,
        ink=0.72 * base + 0.28 * (mix * INKS[2] + (1 - mix) * base),
        bare=scale * 1.9 * stray,
        second=scale * (width + 1.6 + 1.3 * np.abs(field(rest, 6, seed + 7))),
        second_width=scale * 1.1 * again,
    )


def draw_line(contours: Contours, supersample: int, size: tuple[int, int], seed: int) -> np.ndarray:
    """(4, y, x) float32 premultiplied scene-linear line layer of one frame.

    Each sample near a contour is drawn by the nearest contour sample of the surface it lies on, part by part, so that
    a line never spills on what hides its contour. Beyond the contour the pen overshoots by a pixel at most.

    Args:
        size: width, height of the picture in pixels.
    """
    scale = size[0] / REFERENCE_WIDTH
    owner = np.flatnonzero(contours.owner)
    shape = contours.owner.shape
    flat_rest = contours.rest.reshape(3, -1)
    stroke = pen(flat_rest[:, owner].T, contours.part.flat[owner], contours.gap.flat[owner], seed, scale)
    order = np.full(contours.owner.size, -1, np.int32)
    order[owner] = np.arange(len(owner))
    margin = int(np.ceil(13 * scale * supersample))

    line = np.zeros((4, contours.owner.size), np.float32)
    key = contours.object.astype(np.int64) << 16 | contours.part
    for surface in np.unique(key.flat[owner]):
        seeds = contours.owner & (key == surface)
        window = _dilated_box(seeds, margin)
        distance, nearest = ndimage.distance_transform_edt(~seeds[window], return_indices=True)
        near = np.flatnonzero(distance <= margin)
        rows, columns = np.divmod(near, distance.shape[1])
        pixel = (rows + window[0].start) * shape[1] + columns + window[1].start
        seed_at = (
            (nearest[0].flat[near] + window[0].start) * shape[1] + nearest[1].flat[near] + window[1].start
        )  # fmt: skip
        ink = _ink(contours, flat_rest, pixel, seed_at, order[seed_at], distance.flat[near] / supersample, stroke, seed)
        stronger = ink[3] > line[3, pixel]
        line[:, pixel[stronger]] = ink[:, stronger]

    full = np.zeros((4, size[1] * supersample, size[0] * supersample), np.float32)
    full[:, *contours.crop] = line.reshape(4, *shape)
    return box_filter(full, supersample).astype(np.float32)


def _ink(
    contours: Contours,
    rest: np.ndarray,
    pixel: np.ndarray,
    at: np.ndarray,
    index: np.ndarray,
    distance: np.ndarray,
    stroke: Stroke,
    seed: int,
) -> np.ndarray:
    """(4, N) premultiplied ink on samples `pixel`, drawn by contour samples `at`, both flat positions in the crop."""
    behind = contours.depth.flat[pixel] - contours.depth.flat[at]
    away = np.linalg.norm(rest[:, pixel] - rest[:, at], axis=0)
    on_surface = (
        (contours.object.flat[pixel] == contours.object.flat[at]) & (behind < 0.5 * GAP) & (away < REACH)
    )  # fmt: skip
    beyond = ~on_surface & (behind > 0.5 * GAP)
    side = np.where(on_surface, distance, -distance)

    # Paper tooth: fine grain on the surface itself; beyond it the contour's own.
    anchor = np.where(on_surface, rest[:, pixel], rest[:, at]).T
    tooth = field(anchor, 62, seed + 8)
    side = side + 0.22 * tooth
    width, overshoot = stroke.width[index], stroke.overshoot[index]
    body = _between(side, -overshoot, width)
    dry = smoothstep(0.9, 2.2, 0.8 * field(anchor, 44, seed + 9) + 1.1 * side / np.maximum(width, 1) - 0.2)
    alpha = body * stroke.darkness[index] * (1 - 0.3 * dry)
    second = stroke.second_width[index]
    middle = stroke.second[index] + 0.5 * tooth
    sketch = _between(side, middle - second / 2, middle + second / 2) * np.minimum(second, 1)
    alpha = np.maximum(alpha, 0.5 * sketch * (1 - 0.5 * dry))
    bare = 0.42 * _between(side, width - 0.5, width + stroke.bare[index]) * (stroke.bare[index] > 0.2) * (1 - alpha)
    drawn = on_surface | beyond
    alpha, bare = np.where(drawn, alpha, 0), np.where(on_surface, bare, 0)
    color = alpha * stroke.ink[index].T + bare * PAPER[:, None]
    return np.concatenate([color, (alpha + bare)[None]]).astype(np.float32)


def _between(value: np.ndarray, low: np.ndarray, high: np.ndarray, soft: float = 0.5) -> np.ndarray:
    """1 between two edges, with linear ramps `soft` wide centred on them."""
    return np.clip((value - low) / soft + 0.5, 0, 1) * np.clip((high - value) / soft + 0.5, 0, 1)


def _dilated_box(mask: np.ndarray, margin: int) -> tuple[slice, slice]:
    """The box of a mask, `margin` samples larger on each side, inside the array."""
    spans = []
    for axis in (0, 1):
        used = np.flatnonzero(mask.any(axis=1 - axis))
        spans.append(slice(max(used[0] - margin, 0), min(used[-1] + margin + 1, mask.shape[axis])))
    return spans[0], spans[1]
