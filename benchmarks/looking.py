"""Looking at stylized frames: the sheet of pictures, where to look, and what is measured there.

Belongs here: what `pictures.py` needs of one frame. Does not: which frames (`pictures.py`), metrics against a truth
(`osf_pipeline.evaluation`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from osf_pipeline.color import display, encode_srgb, lab
from osf_pipeline.delivery.preview import encode_png
from osf_pipeline.evaluation.lines import trace
from osf_pipeline.evaluation.regions import BAND
from osf_pipeline.evaluation.sheets import contact_sheet
from osf_pipeline.stylize.line import inner_share

Window = tuple[slice, slice]
Numbers = dict[str, float]

LABEL, STRIP, MARGIN, INK = 12, 20, 6, (51, 51, 51)
"""Pixels of type, of the strip it stands on, and between pictures; the type's colour."""


@dataclass
class Sheet:
    """Captioned pictures of one size, row by row, and what was measured on them."""

    columns: int
    cells: list[np.ndarray] = field(default_factory=list)
    numbers: Numbers = field(default_factory=dict)

    def add(self, caption: str, pixels: np.ndarray, scale: int = 1) -> None:
        """Args: pixels: (y, x, 3) uint8; scale: whole factor to enlarge by, so that every pixel stays one."""
        large = pixels.repeat(scale, 0).repeat(scale, 1)
        strip = Image.new("RGB", (large.shape[1], STRIP), "white")
        font = ImageFont.truetype(Path(mpl.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"), LABEL)  # it has a ×
        ImageDraw.Draw(strip).text((strip.width / 2, STRIP / 2), caption, fill=INK, font=font, anchor="mm")
        cell = np.concatenate([np.asarray(strip), large])
        self.cells.append(np.pad(cell, ((0, MARGIN), (0, MARGIN), (0, 0)), constant_values=255))

    def png(self) -> bytes:
        return encode_png(contact_sheet(self.cells, self.columns))


def window(where: np.ndarray, height: int, width: int) -> Window:
    """The window of that size that holds most of a (y, x) mask, as far as the frame reaches.

    Args:
        where: bool.

    Returns:
        Rows and columns; all of a side that is no longer than asked for.
    """
    size = [min(asked, there) for asked, there in zip((height, width), where.shape, strict=True)]
    total = np.pad(np.cumsum(np.cumsum(where.astype(np.int64), 0), 1), ((1, 0), (1, 0)))
    held = total[size[0] :, size[1] :] - total[: -size[0], size[1] :]
    held = held - total[size[0] :, : -size[1]] + total[: -size[0], : -size[1]]
    # Of equally good places the middle one, so that what is shown stands in the middle.
    rows, columns = np.nonzero(held == held.max())
    top, left = int(np.median(rows)), int(np.median(columns))
    return slice(top, top + size[0]), slice(left, left + size[1])


def around(masks: Sequence[np.ndarray], margin: int = 10) -> Window:
    """The box around all of some (y, x) masks."""
    seen = np.any(masks, axis=0)
    sides = [np.flatnonzero(seen.any(axis)) for axis in (1, 0)]
    rows, columns = (slice(max(0, int(side[0]) - margin), int(side[-1]) + 1 + margin) for side in sides)
    return rows, columns


def stroke_width(frame: Mapping[str, np.ndarray]) -> float:
    """Median breadth in pixels of the drawn line, between where it is half opaque."""
    found = trace(frame["line"][3].astype(np.float32)).width
    return float(np.median(found)) if len(found) else 0.0


DARKER = 25.0
"""CIE L* below the rest of a head at which something is drawn in it."""


def features(frame: Mapping[str, np.ndarray], part: int, stroke: float) -> float:
    """Share of a part, clear of every contour, that is much darker than most of it: what a face is drawn with."""
    inside = (frame["part_id"][0] == part) & (frame["contour"][0] > 1.5 * stroke + 2)
    if not inside.any():
        return 0.0
    light = lab(display(frame["beauty"]))[0][inside]
    return float((light < np.median(light) - DARKER).mean())


def fringe(layer: np.ndarray, grey: float) -> np.ndarray:
    """(y, x) 8-bit steps by which soft pixels come out lighter than anything solid near them explains: left paper.

    A soft pixel's own colour, its alpha divided out, is held below that of the lightest solid pixel within 3 pixels.

    Args:
        layer: (4, y, x) premultiplied linear; grey: linear.
    """
    alpha, ground = layer[3], float(encode_srgb(np.array(grey)))
    own = np.divide(layer[:3], alpha, out=np.zeros_like(layer[:3]), where=alpha > 0)
    solid = alpha >= 0.99
    lightest = ndimage.maximum_filter(np.where(solid, own, -np.inf), (1, 7, 7))
    known = (alpha > 0) & ~solid & np.isfinite(lightest).all(0)
    held = layer.copy()
    held[:3, known] = np.minimum(own, lightest)[:, known] * alpha[known]
    return 255 * np.abs(display(layer, ground) - display(held, ground)).max(0)


def between(objects: np.ndarray) -> np.ndarray:
    """(y, x) bool: one object's pixel beside another's."""
    where = np.zeros(objects.shape, bool)
    for a, b, here in (
        (objects[1:], objects[:-1], where[1:]),
        (objects[:, 1:], objects[:, :-1], where[:, 1:]),
    ):
        here |= (a != b) & (a > 0) & (b > 0)
    return where


def occlusion_band(frame: Mapping[str, np.ndarray], stroke: float) -> np.ndarray:
    """(y, x) bool: within `BAND` pixels of an inner contour, as the guides know it."""
    return (inner_share(frame, stroke) > 0.5) & (frame["contour"][0] <= BAND)
