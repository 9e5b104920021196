"""Baked textures seen through the frames, and how steady they are there.

Belongs here: one frame's projection and the sums of its comparison. Does not: files and the loop (`stage`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from osf_pipeline.bake.texels import Footprint
from osf_pipeline.color import lab
from osf_pipeline.evaluation.metrics import ciede2000

RIM = 2.0
"""Pixels beyond a surface in which soft edges go on with its colour."""


@dataclass(frozen=True)
class Baked:
    """The texture of one object.

    Attributes:
        color: (3, rows, columns) straight, scene-linear.
        coverage: (rows, columns) 0..1, how far the frames decide it; 0 is the object's own texture, or made up.
        columns: of equal width that no lookup crosses.
    """

    color: np.ndarray
    coverage: np.ndarray
    columns: int


def project(
    objects: np.ndarray, uv: np.ndarray, alpha: np.ndarray, baked: Mapping[int, Baked]
) -> tuple[np.ndarray, np.ndarray]:
    """A frame's picture of baked textures.

    Args:
        objects: (y, x) object ids.
        uv: (2, y, x).
        alpha: (y, x) of the render.

    Returns:
        (4, y, x) float32 premultiplied by the render's alpha, 0 where other objects are; (y, x) float32 coverage.
    """
    color, coverage = np.zeros((3, *alpha.shape), np.float32), np.zeros(alpha.shape, np.float32)
    for number, texture in baked.items():
        here = objects == number
        place = Footprint.of_uv(uv[:, here], texture.coverage.shape, texture.columns)
        color[:, here], coverage[here] = place.lookup(texture.color), place.lookup(texture.coverage)
    mine = np.isin(objects, list(baked))
    rim = (objects == 0) & (alpha > 0)
    if rim.any() and mine.any():  # a soft edge has no surface at the pixel's centre
        distance, (rows, columns) = ndimage.distance_transform_edt(objects == 0, return_indices=True)
        rim &= (distance <= RIM) & mine[rows, columns]
        for values in (color, coverage):
            values[..., rim] = values[..., rows[rim], columns[rim]]
        mine |= rim
    matte = np.where(mine, alpha, 0).astype(np.float32)
    return np.concatenate([color * matte, matte[None]]), coverage


@dataclass(frozen=True)
class Shown:
    """What `Steadiness` compares of one frame.

    Attributes:
        layer, projection: (3, y, x) display-encoded straight colour, 0..1.
        objects: (y, x) ids.
        clear: (y, x) bool, pixels that show one baked surface and nothing else.
        motion: (2, y, x) pixels since the previous frame; None where the shot has none.
        seen_before: (y, x) bool, motion is valid and the surface was not hidden in the previous frame.
    """

    layer: np.ndarray
    projection: np.ndarray
    objects: np.ndarray
    clear: np.ndarray
    motion: np.ndarray | None
    seen_before: np.ndarray


class Steadiness:
    """How much the projection differs from the layer, and how much each changes on the surface from frame to frame."""

    def __init__(self) -> None:
        self.difference, self.pixels = 0.0, 0
        self.change, self.steps = np.zeros(2), 0
        self.before: Shown | None = None

    def add(self, now: Shown) -> None:
        """Frames in order; frames whose motion leads to another one than the last must not be `seen_before`."""
        off = ciede2000(lab(now.layer[:, now.clear]), lab(now.projection[:, now.clear]))
        self.difference += float(off.sum())
        self.pixels += off.size
        before, self.before = self.before, now
        if before is None or now.motion is None:
            return
        y, x = np.nonzero(now.clear & now.seen_before)
        step = now.motion[:, y, x].astype(np.float64)
        place = Footprint.at(x - step[0], y - step[1], now.clear.shape)
        same = np.where(place.weight > 0, before.clear.ravel()[place.index], True)
        same &= (before.objects.ravel()[place.index] == now.objects[y, x]) | (place.weight == 0)
        kept = same.all(0)
        place, y, x = Footprint(place.shape, place.index[:, kept], place.weight[:, kept]), y[kept], x[kept]
        for i, (old, new) in enumerate(((before.layer, now.layer), (before.projection, now.projection))):
            self.change[i] += float(np.square(new[:, y, x] - place.lookup(old)).sum(dtype=np.float64))
        self.steps += 3 * len(y)

    def numbers(self) -> dict[str, float | None]:
        """`delta_e` is the mean CIEDE2000 of projection and layer. `flicker` and `flicker_projected` are root mean
        squares of the display-encoded change at the same surface point from one frame to the next, of 255;
        `variance_removed` is the share of that change's variance that the projection is free of. None where nothing
        could be measured.
        """
        layer, projection = (255 * float(np.sqrt(c / self.steps)) if self.steps else None for c in self.change)
        return {
            "delta_e": round(self.difference / self.pixels, 3) if self.pixels else None,
            "flicker": None if layer is None else round(layer, 3),
            "flicker_projected": None if projection is None else round(projection, 3),
            "variance_removed": round(1 - float(self.change[1] / self.change[0]), 4) if self.change[0] else None,
        }
