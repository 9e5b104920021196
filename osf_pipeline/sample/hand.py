"""The hand that draws the line: where along a contour ink lies, how broad, how dark, in which colour.

Belongs here: the line layer. Does not: finding contours (`contours`) or the colour inside them (`paint`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from osf_pipeline.render.frame import box_filter
from osf_pipeline.sample.contours import GAP, Contours
from osf_pipeline.sample.noise import field, smoothstep
from osf_pipeline.sample.paint import PAPER, linear

REFERENCE_WIDTH = 384
"""Width of the sample's picture for which pen sizes are stated; they scale with the picture."""

PEN_UNIT = REFERENCE_WIDTH / 2.2
"""Pixels of one scene unit on that picture; a picture of another scale draws at `pixels per unit / PEN_UNIT`."""

REACH = 0.14
"""Scene units of rest distance over which a pixel still lies on the surface beside its contour."""


@dataclass(frozen=True)
class Hand:
    """How one person draws an outline. Lengths in pixels at `REFERENCE_WIDTH`, colours display-encoded.

    Attributes:
        width: of the line, from the contour inwards; `swell` and `tremor` vary it over long and short stretches,
            within `limits`.
        darkness: opacity of the ink; up to about twice `fade` is lost where the pen hurries, never below `faintest`.
        ink: of the line. Parts in `accent_parts` are drawn with `accent`.
        stray: share of `stray_ink` that comes and goes in the ink.
        overshoot: how far the line reaches beyond the contour, in the mean; `wander` moves the whole line off the
            contour and back.
        rough: height of the ragged edge; `rough_frequency` its lattice points a scene unit.
        dry: opacity lost where the ink runs dry; `tooth`: opacity lost in the valleys of the paper.
        bare: width of the strip that the colour leaves bare here and there beside the line.
        second: width of a second, lighter stroke; `second_offset` inwards of the first, `second_rare` in standard
            deviations how seldom it is set: -2 is always, 2 nearly never.
        second_darkness: its opacity.
        seed: of its noise, added to the picture's: two hands in one picture tremble each in their own way.
    """

    width: float = 3.6
    swell: float = 1.0
    tremor: float = 0.45
    limits: tuple[float, float] = (2.4, 6.5)
    darkness: float = 0.975
    fade: float = 0.05
    faintest: float = 0.84
    ink: str = "#2b1d1f"
    accent: str = "#1d2a52"
    accent_parts: tuple[int, ...] = ()
    stray_ink: str = "#5a2a20"
    stray: float = 0.28
    overshoot: float = 0.35
    wander: float = 0.0
    rough: float = 0.0
    rough_frequency: float = 120.0
    dry: float = 0.3
    tooth: float = 0.0
    bare: float = 1.9
    second: float = 1.1
    second_offset: float = 1.6
    second_rare: float = 0.85
    second_darkness: float = 0.5
    seed: int = 0

    @property
    def reach(self) -> float:
        """Pixels at `REFERENCE_WIDTH` beyond which this hand puts no ink."""
        beside = self.second_offset + 4.9 if self.second else self.bare + 1
        return self.limits[1] + beside + 3 * self.wander

    @property
    def spill(self) -> float:
        """The same on the side that lies outside the contour."""
        return 1.1 + 3 * self.wander + 4 * self.rough


SAMPLE_HAND = Hand(accent_parts=(1, 2, 4, 5, 7, 8))
"""The sample's: sepia black going over into burnt umber, indigo for tunic and sleeves."""


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
        wander: how far outwards the whole line lies off the contour.
    """

    width: np.ndarray
    overshoot: np.ndarray
    darkness: np.ndarray
    ink: np.ndarray
    bare: np.ndarray
    second: np.ndarray
    second_width: np.ndarray
    wander: np.ndarray


def pen(rest: np.ndarray, part: np.ndarray, gap: np.ndarray, hand: Hand, seed: int, scale: float) -> Stroke:
    """How the hand draws at contour samples; anchored to the surface, so it holds from frame to frame.

    Args:
        rest: (N, 3) rest positions.
        part: (N,) part ids.
        gap: (N,) depth steps; a line thins out where the surfaces close up.
        scale: pixels of the picture for a pixel at `REFERENCE_WIDTH`.
    """
    swell, press, hurry = field(rest, 5, seed), field(rest, 13, seed + 1), field(rest, 3.2, seed + 2)
    taper = smoothstep(GAP, 4 * GAP, gap)
    width = np.clip(hand.width + hand.swell * swell + hand.tremor * press, *hand.limits) * (0.35 + 0.65 * taper)
    faded = hand.darkness - hand.fade * np.maximum(hurry, 0) + 0.02 * press
    darkness = np.clip(faded, hand.faintest, 1) * (0.5 + 0.5 * taper)
    mix = smoothstep(-0.9, 0.9, field(rest, 2.3, seed + 3))[:, None]
    base = np.where(np.isin(part, hand.accent_parts)[:, None], linear(hand.accent), linear(hand.ink))
    stray = smoothstep(0.5, 0.9, field(rest, 4.2, seed + 4))
    again = smoothstep(hand.second_rare, hand.second_rare + 0.4, field(rest, 3.6, seed + 5)) * taper
    return Stroke(
        width=scale * width,
        overshoot=scale * np.clip(hand.overshoot + hand.overshoot * field(rest, 9, seed + 6), 0, 1.1),
        darkness=darkness,
        ink=(1 - hand.stray) * base + hand.stray * (mix * linear(hand.stray_ink) + (1 - mix) * base),
        bare=scale * hand.bare * stray,
        second=scale * (width + hand.second_offset + 1.3 * np.abs(field(rest, 6, seed + 7))),
        second_width=scale * hand.second * again,
        wander=scale * hand.wander * field(rest, 2.6, seed + 10) if hand.wander else np.zeros(len(rest)),
    )


@dataclass(frozen=True)
class DrawnLine:
    """The line of one frame.

    Attributes:
        layer: (4, y, x) float32, premultiplied, scene-linear.
        breadth: (rows, columns) float32 on the crop of the sample grid: width in pixels of the main stroke that covers
            a sample, 0 where none does; the geometry of the stroke alone, without grain, fading or second strokes.
    """

    layer: np.ndarray
    breadth: np.ndarray


def draw_line(
    contours: Contours,
    supersample: int,
    size: tuple[int, int],
    scale: float,
    seed: int,
    hands: Mapping[int, Hand],
) -> DrawnLine:
    """Draw the line of one frame.

    Each sample near a contour is drawn by the nearest contour sample of the surface it lies on, part by part, so that
    a line never spills on what hides its contour. Beyond the contour the pen overshoots by a pixel at most, unless the
    hand wanders.

    Args:
        size: width, height of the picture in pixels.
        scale: pixels of the picture for a pixel at `REFERENCE_WIDTH`.
        hands: object id to the hand that draws it; an object without one gets no line.
    """
    shape = contours.owner.shape
    flat_rest = contours.rest.reshape(3, -1)
    line, breadth = (np.zeros((n, contours.owner.size), np.float32) for n in (4, 1))
    key = contours.object.astype(np.int64) << 16 | contours.part
    order = np.full(contours.owner.size, -1, np.int32)
    for surface in np.unique(key[contours.owner]):
        if (hand := hands.get(int(surface) >> 16)) is None:
            continue
        seeds = contours.owner & (key == surface)
        owner = np.flatnonzero(seeds)
        own = seed + hand.seed
        stroke = pen(flat_rest[:, owner].T, contours.part.flat[owner], contours.gap.flat[owner], hand, own, scale)
        order[owner] = np.arange(len(owner))
        margin = int(np.ceil(hand.reach * scale * supersample))
        window = _dilated_box(seeds, margin)
        distance, nearest = ndimage.distance_transform_edt(~seeds[window], return_indices=True)
        outside = (hand.spill * scale + 2) * supersample  # two pixels more for the soft, ragged edge
        near = np.flatnonzero(distance <= np.where(contours.seen[window], margin, min(outside, margin)))
        rows, columns = np.divmod(near, distance.shape[1])
        pixel = (rows + window[0].start) * shape[1] + columns + window[1].start
        seed_at = (
            (nearest[0].flat[near] + window[0].start) * shape[1] + nearest[1].flat[near] + window[1].start
        )  # fmt: skip
        away = distance.flat[near] / supersample
        ink, covered = _ink(contours, flat_rest, pixel, seed_at, order[seed_at], away, stroke, hand, own, scale)
        for layer, drawn in ((line, ink), (breadth, covered)):
            stronger = drawn[-1] > layer[-1, pixel]
            layer[:, pixel[stronger]] = drawn[:, stronger]

    full = np.zeros((4, size[1] * supersample, size[0] * supersample), np.float32)
    full[:, *contours.crop] = line.reshape(4, *shape)
    return DrawnLine(box_filter(full, supersample).astype(np.float32), breadth.reshape(shape))


def _ink(
    contours: Contours,
    rest: np.ndarray,
    pixel: np.ndarray,
    at: np.ndarray,
    index: np.ndarray,
    distance: np.ndarray,
    stroke: Stroke,
    hand: Hand,
    seed: int,
    scale: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Ink on samples `pixel`, drawn by contour samples `at`, both flat positions in the crop.

    Returns:
        (4, N) premultiplied ink; (1, N) width in pixels of the stroke that covers a sample, else 0.
    """
    behind = contours.depth.flat[pixel] - contours.depth.flat[at]
    away = np.linalg.norm(rest[:, pixel] - rest[:, at], axis=0)
    on_surface = (
        (contours.object.flat[pixel] == contours.object.flat[at]) & (behind < 0.5 * GAP) & (away < REACH)
    )  # fmt: skip
    beyond = ~on_surface & (behind > 0.5 * GAP)
    drawn = on_surface | beyond
    side = np.where(on_surface, distance, -distance)
    width, overshoot = stroke.width[index], stroke.overshoot[index]
    smooth = side + stroke.wander[index]
    covered = np.where(drawn & (smooth >= -overshoot) & (smooth <= width), width + overshoot, 0)

    # Paper tooth: fine grain on the surface itself; beyond it the contour's own.
    anchor = np.where(on_surface, rest[:, pixel], rest[:, at]).T
    tooth = field(anchor, 62, seed + 8)
    side = side + 0.22 * tooth
    if hand.rough:
        side = side + scale * hand.rough * field(anchor, hand.rough_frequency, seed + 11)
    if hand.wander:
        side = side + stroke.wander[index]
    body = _between(side, -overshoot, width)
    dry = smoothstep(0.9, 2.2, 0.8 * field(anchor, 44, seed + 9) + 1.1 * side / np.maximum(width, 1) - 0.2)
    alpha = body * stroke.darkness[index] * (1 - hand.dry * dry)
    second = stroke.second_width[index]
    middle = stroke.second[index] + 0.5 * tooth
    sketch = _between(side, middle - second / 2, middle + second / 2) * np.minimum(second, 1)
    alpha = np.maximum(alpha, hand.second_darkness * sketch * (1 - 0.5 * dry))
    if hand.tooth:
        alpha = alpha * (1 - hand.tooth * smoothstep(-0.3, 1.2, field(anchor, 190, seed + 12)))
    bare = 0.42 * _between(side, width - 0.5, width + stroke.bare[index]) * (stroke.bare[index] > 0.2) * (1 - alpha)
    alpha, bare = np.where(drawn, alpha, 0), np.where(on_surface, bare, 0)
    color = alpha * stroke.ink[index].T + bare * PAPER[:, None]
    return np.concatenate([color, (alpha + bare)[None]]).astype(np.float32), covered[None].astype(np.float32)


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
