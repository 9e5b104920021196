"""Rules on silhouettes: how colour falls off with alpha there, and whether colour and data share one outline.

Belongs here: statistics over soft edge pixels and over the outline of one frame. Does not: pairs of frames
(`validate.motion`).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from osf_pipeline.exr.convert import ALPHA_ONE, COVERED
from osf_pipeline.validate.findings import Finding
from osf_pipeline.validate.subject import Subject, thin

SAMPLES = 2000
LINES = 64
"""Rows, and columns, that are searched for edges."""
REACH = 4
"""Pixels from a soft pixel to the opaque one inside and to the empty one outside; wider edges say nothing."""
EMPTY = 0.02
LOW, HIGH = (0.1, 0.4), (0.6, 0.9)
"""Alpha of the thin and of the dense half of an edge."""
ENOUGH = 40
STRAIGHT, TWICE = 0.2, 1.6
"""Exponents of alpha up to which colour does not fall with it, and from which it falls twice. Premultiplied: 1."""
GLOW = (0.1, 0.9)
"""Colour of empty pixels next to an edge, in colours inside, that a glow leaves there. Straight colour is cut off or
carried on whole."""

SHIFT = 8
"""Largest shift of colour against data that is tried, pixels along each axis."""
OFFSETS = (-5, -3, -1, 2, 4, 6)
"""Pixels from an outline, across it, at which colour and data are compared; the outline is between 0 and 1."""
OUTLINE = 320
"""Largest number of places on the outline that are compared."""
AGREE = 0.03
"""Share of comparisons that may differ without a search for a shift."""
LEAST_SHIFT = 1.5
"""Pixels. Filters and other pixel centres shift by half a pixel."""
BETTER = 0.25
"""Share of the disagreement that a true shift leaves at most."""


def premultiplication(subject: Subject) -> Iterator[Finding]:
    """Straight colour taken as premultiplied, or the other way round.

    Colour above alpha is legal, for light may be any bright. But from an opaque pixel across a soft edge, premultiplied
    colour falls with alpha, as alpha to the power of 1, however bright it is. Straight colour does not fall (0), and
    premultiplied colour that was multiplied again falls with the square (2). Only narrow edges between opaque and empty
    pixels count, so that veils and defocus do not.
    """
    alpha, color = subject.alpha, subject.buffers["color"][:3]
    every = max(1, alpha.shape[0] // LINES)
    rows, columns = np.nonzero((alpha[::every] > LOW[0]) & (alpha[::every] < HIGH[1]))
    y, x = thin(rows * every, columns, samples=SAMPLES)
    inner, outer = _across(alpha, y, x)
    keep = inner[0] >= 0
    if keep.sum() < 2 * ENOUGH:
        return
    (y, x), (iy, ix), (oy, ox) = ((a[keep], b[keep]) for a, b in ((y, x), inner, outer))
    inside = color[:, iy, ix].astype(np.float32)
    strongest = np.abs(inside).argmax(0)
    whole = np.take_along_axis(inside, strongest[None], 0)[0]
    lit = np.abs(whole) > 1e-3
    here, beyond = (
        color[strongest[lit], py[lit], px[lit]].astype(np.float32) / whole[lit] for py, px in ((y, x), (oy, ox))
    )
    a = alpha[y, x][lit]
    thin_half, dense_half = (a > LOW[0]) & (a < LOW[1]), (a > HIGH[0]) & (a < HIGH[1])
    if min(thin_half.sum(), dense_half.sum()) < ENOUGH:
        return
    low, high = float(np.median(here[thin_half])), float(np.median(here[dense_half]))
    if low <= 0 or high <= 0:
        return
    exponent = float(np.log(high / low) / np.log(np.median(a[dense_half]) / np.median(a[thin_half])))
    glows = GLOW[0] < float(np.median(np.abs(beyond))) < GLOW[1]
    measured = f"at soft edges colour falls as alpha to the power of {exponent:.2f}"
    if subject.source.alpha == "premultiplied" and exponent < STRAIGHT and low < 2 and not glows:
        yield subject.finding(
            "alpha_straight", "error", "color", f"colour is not premultiplied: {measured}, not 1",
            "Set `alpha: straight`.",
        )  # fmt: skip
    elif subject.source.alpha == "straight" and exponent > TWICE:
        yield subject.finding(
            "alpha_premultiplied", "error", "color", f"colour is premultiplied already: {measured}, not 1",
            "Set `alpha: premultiplied`, or leave `alpha` out.",
        )  # fmt: skip


Places = tuple[np.ndarray, np.ndarray]
"""Rows and columns; -1 where there is none."""


def _across(alpha: np.ndarray, y: np.ndarray, x: np.ndarray) -> tuple[Places, Places]:
    """The nearest opaque pixel to each (y, x) along an axis and the nearest empty one on the other side, or neither."""
    height, width = alpha.shape
    inner, outer = ((np.full(len(y), -1), np.full(len(y), -1)) for _ in range(2))
    for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        ahead, behind = ((np.full(len(y), -1), np.full(len(y), -1)) for _ in range(2))
        for places, sign, opaque in ((ahead, 1, True), (behind, -1, False)):
            for distance in range(1, REACH + 1):
                py, px = y + sign * distance * dy, x + sign * distance * dx
                inside = (py >= 0) & (py < height) & (px >= 0) & (px < width)
                # Beyond the figure's box all is empty, and its colour is that of the box's rim at most.
                py, px = np.clip(py, 0, height - 1), np.clip(px, 0, width - 1)
                value = np.where(inside, alpha[py, px], 0)
                first = (places[0] < 0) & (value >= ALPHA_ONE if opaque else value <= EMPTY)
                places[0][first], places[1][first] = py[first], px[first]
        better = (inner[0] < 0) & (ahead[0] >= 0) & (behind[0] >= 0)
        for places, found in ((inner, ahead), (outer, behind)):
            places[0][better], places[1][better] = found[0][better], found[1][better]
    return inner, outer


def shift(subject: Subject) -> Iterator[Finding]:
    """Colour that lies some pixels beside the data: another crop, another camera, another frame's overscan.

    Alpha is compared with the surface that data passes see at places across the outline, and then again for every
    shift. Soft outlines are as wide as their shift may seem, so they need a larger one.
    """
    if not {"depth", "object_id", "part_id"} & set(subject.buffers):
        return
    data, covered = subject.surface, subject.alpha >= COVERED
    if covered.all() or not covered.any():
        return
    y, x = _outline(data)
    if len(y) < ENOUGH:
        return
    expected = _at(data, y, x)
    before = float((_at(covered, y, x) != expected).mean())
    if before <= AGREE:
        return
    span = range(-SHIFT, SHIFT + 1)
    differ = {(dx, dy): float((_at(covered, y + dy, x + dx) != expected).mean()) for dy, dx in product(span, span)}
    dx, dy = min(differ, key=lambda s: (differ[s], s[0] ** 2 + s[1] ** 2))
    soft = (subject.alpha > 0.05) & (subject.alpha < 0.95)
    softness = float(_at(soft, y + dy, x + dx).mean()) * (OFFSETS[-1] - OFFSETS[0])
    if np.hypot(dx, dy) >= max(LEAST_SHIFT, softness / 2 + 1) and differ[dx, dy] <= BETTER * before:
        yield subject.finding(
            "color_shift", "error", "color",
            f"colour lies {dx:+d} px across and {dy:+d} px down from the data passes: alpha and surface differ at "
            f"{before:.0%} of the outline, moved back at {differ[dx, dy]:.0%}",
            "Render colour and data with one camera, crop and overscan; check the data windows of their parts.",
        )  # fmt: skip


def _outline(data: np.ndarray) -> Places:
    """Rows and columns of places across the outline of `data`, along rows and along columns."""
    (rows, along), (columns, down) = _crossings(data), _crossings(data.T)
    return np.concatenate([rows, down]), np.concatenate([along, columns])


def _crossings(data: np.ndarray) -> Places:
    """Places at `OFFSETS` along some lines of `data` from where its value changes."""
    every = max(1, len(data) // LINES)
    lines = data[::every]
    line, at = thin(*np.nonzero(lines[:, 1:] != lines[:, :-1]), samples=OUTLINE // 2)
    return np.tile(line * every, len(OFFSETS)), np.concatenate([at + offset for offset in OFFSETS])


def _at(values: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """`values` (y, x) bool at some places; False outside."""
    height, width = values.shape
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    return inside & values[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
