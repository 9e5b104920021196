"""Drawn lines as masks and centre lines.

Belongs here: where a picture has a line, how broad it is, and its centre. Does not: scores (`metrics`), where a line
should be (`truth`).
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

LINE_COLOR = 0.15
"""Smallest difference of display-encoded RGB (L2) between a line and the render below it that counts as drawn."""

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


def drawn_mask(picture: np.ndarray, render: np.ndarray) -> np.ndarray:
    """(y, x) bool: where a picture differs visibly from the render it was drawn on.

    Works for every method alike, with or without a line layer, so it decides the headline table.

    Args:
        picture, render: (3, y, x) display-encoded in 0..1 over the same background.
    """
    return tidy(np.linalg.norm(picture - render, axis=0) > LINE_COLOR)


def layer_mask(alpha: np.ndarray) -> np.ndarray:
    """(y, x) bool: where a line layer is more than half opaque."""
    return tidy(alpha > 0.5)


def stroke_width(mask: np.ndarray, centre: np.ndarray) -> float:
    """Median width in pixels of a line mask, measured on its centre line; NaN without a line."""
    if not centre.any():
        return float("nan")
    # A pixel centre lies half a pixel inside its own edge, on both sides.
    return float(2 * np.median(ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1][centre]) - 1)


def distance_to(mask: np.ndarray) -> np.ndarray:
    """(y, x) float32 pixels to the nearest set pixel; +inf everywhere when none is set."""
    if not mask.any():
        return np.full(mask.shape, np.inf, np.float32)
    return ndimage.distance_transform_edt(~mask).astype(np.float32)
