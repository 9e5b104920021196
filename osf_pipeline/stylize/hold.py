"""Held drawings: each object shows the drawing of an earlier frame, put together as the frames' depths say.

Belongs here: cutting objects out of finished frames and compositing them. Does not: which frame an object shows
(`timing`), holding poses of own characters (`motion.stepping`).

What it cannot do: hold a part of an object, for a part has no drawing of its own behind the others; follow a moving
camera, for a held drawing stays where it is in the picture; show what neither frame shows, see `composite`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

SURFACES = ("object_id", "depth")
"""G-buffers a composite needs of every frame."""

BACKDROP = 0
"""Id of what is no object; where it is opaque, it is a surface behind all objects."""


@dataclass(frozen=True)
class Finished:
    """A stylized frame and what it shows.

    Attributes:
        layers: as in `buffers.LAYERS`.
        object_id: (y, x) integer.
        depth: (y, x) float, +inf where nothing is seen.
    """

    layers: dict[str, np.ndarray]
    object_id: np.ndarray
    depth: np.ndarray

    @cached_property
    def backdrop(self) -> np.ndarray:
        """(y, x) bool: no object, and yet nothing behind is seen."""
        opaque: np.ndarray = self.layers["fill"][3] >= 1
        return opaque & (self.object_id == BACKDROP)

    @cached_property
    def nearest(self) -> tuple[np.ndarray, np.ndarray]:
        """(y, x) id and depth of the object at or nearest to a pixel."""
        from scipy import ndimage

        if not self.object_id.any():
            return self.object_id, self.depth
        empty = self.object_id == BACKDROP
        rows, columns = ndimage.distance_transform_edt(empty, return_distances=False, return_indices=True)
        return self.object_id[rows, columns], self.depth[rows, columns]

    def shows(self, objects: Collection[int]) -> np.ndarray:
        """(y, x) bool: one of the objects, or a backdrop that is among them, is seen at the pixel's centre."""
        seen = np.isin(self.object_id, [i for i in objects if i != BACKDROP])
        return seen | self.backdrop if BACKDROP in objects else seen


class _Cut(NamedTuple):
    """What is taken of a frame: (4, y, x) float32 layers, (1, y, x) float32 confidence, (1, y, x) depth."""

    line: np.ndarray
    fill: np.ndarray
    confidence: np.ndarray
    depth: np.ndarray


def composite(now: Finished, shown: Sequence[tuple[Finished, Collection[int]]]) -> dict[str, np.ndarray]:
    """Layers of a frame some of whose objects show earlier drawings.

    A drawing is cut out along its object's ids; background at its edge, softened or drawn on, goes with the nearest
    object. The nearer surface covers the farther one, each with the depth of the frame it was drawn in. A pixel that is
    half covered keeps the colour of what was behind it when it was drawn.

    Where an object stands now and its earlier drawing does not, something may come to light that no drawing shows. If
    the earlier frame had a surface there behind the object's present one, that is shown: the ground it walks on. If it
    had one in front, the object was hidden in its drawing: its present picture fills the gap.

    Args:
        now: this frame.
        shown: finished frames and the ids of the objects that show them; every id once, `BACKDROP` too.

    Returns:
        `buffers.LAYERS`; fill and line are to the last bit those of the one frame a pixel is taken from.
    """
    cuts = [cut for frame, objects in shown for cut in _cuts(frame, objects)] + _gaps(now, shown)
    order = np.argsort(np.stack([cut.depth for cut in cuts]), axis=0, kind="stable")

    def nearest_first(layer: str) -> np.ndarray:
        return np.take_along_axis(np.stack([getattr(cut, layer) for cut in cuts]), order, axis=0)

    lines, fills, trusts = nearest_first("line"), nearest_first("fill"), nearest_first("confidence")
    line, fill = np.zeros_like(lines[0]), np.zeros_like(fills[0])
    through = np.ones_like(line[:1])
    for near_line, near_fill in zip(lines, fills, strict=True):
        line += through * near_line
        through = through * (1 - near_line[3:]) * (1 - near_fill[3:])
        fill += (1 - fill[3:]) * near_fill
    seen = (lines[:, 3:] > 0) | (fills[:, 3:] > 0)
    first = np.take_along_axis(trusts, seen.argmax(axis=0)[None], axis=0)[0]
    found = {
        "fill": fill,
        "line": line,
        "beauty": line + fill * (1 - line[3:]),
        "confidence": np.where(seen.any(axis=0), first, now.layers["confidence"]),
    }
    return {name: values.astype(np.float16) for name, values in found.items()}


def _cuts(frame: Finished, objects: Collection[int]) -> Iterator[_Cut]:
    """Objects with the lines around them, and the backdrop behind everything."""
    ids, depth = frame.nearest
    mine = np.isin(ids, [i for i in objects if i != BACKDROP])
    yield _taken(frame, mine, mine & ~frame.backdrop, np.where(mine, depth, np.inf))
    if BACKDROP in objects:
        yield _taken(frame, ids == BACKDROP, frame.backdrop, np.full(depth.shape, np.inf))


def _gaps(now: Finished, shown: Sequence[tuple[Finished, Collection[int]]]) -> list[_Cut]:
    """What is shown where no drawing shows anything though this frame does; see `composite`."""
    covered = np.any([frame.shows(objects) for frame, objects in shown], axis=0)
    found = []
    for frame, objects in shown:
        stands = now.shows([i for i in objects if i != BACKDROP])
        gap = ~covered & stands & ((frame.object_id != BACKDROP) | frame.backdrop)
        behind = frame.depth > now.depth
        for source, where in ((frame, gap & behind), (now, gap & ~behind)):
            if where.any():
                found.append(_taken(source, where, where, np.where(where, source.depth, np.inf)))
    return found


def _taken(frame: Finished, lines: np.ndarray, fills: np.ndarray, depth: np.ndarray) -> _Cut:
    """(y, x) bool masks of what is taken of the line and of the fill."""
    line, fill, confidence = (frame.layers[name].astype(np.float32) for name in ("line", "fill", "confidence"))
    return _Cut(line * lines, fill * fills, confidence, depth[None])
