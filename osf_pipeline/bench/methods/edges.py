"""Where edges are painted onto the picture: detected in the rest position, or told by estimated flow.

Belongs here: edge maps of one frame, (y, x) bool. Does not: painting them, networks.

* Detected: Sobel on the 8-bit rest position, as DrawingSpinUp's public code does since April 2025 (its paper takes
  Canny on depth, which finds less).
* By flow: two readings of the abstract of OSF (Yoon et al., ICCV 2025, arXiv 2508.00398), which says only that edge
  guidance robust to occlusion is obtained with optical flow. No code is public; neither claims to be theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage

from model.warp import inconsistency, warp
from osf_pipeline.bench.method import Footage
from osf_pipeline.training.exemplar import PreparedExemplar, rest_box

THRESHOLD, BACKGROUND = 0.3, 2.0
"""Of the Sobel magnitude (gain 4) over a box of side 1, and the value of background."""

TWICE = 3
"""Pixels from the silhouette within which a carried edge is taken for it."""

EdgeSource = Callable[[Footage, int], np.ndarray]
"""(y, x) bool edges of the frame at a position; the same whatever was asked before."""


@dataclass(frozen=True)
class RestBox:
    """The box over which rest positions are stored in 8 bits.

    Attributes:
        low, high: (3,) corners in scene units.
        plane: the two axes of the picture plane, those a painter is given.
    """

    low: np.ndarray
    high: np.ndarray
    plane: tuple[int, int]

    @classmethod
    def of(cls, exemplars: Sequence[PreparedExemplar]) -> RestBox:
        """The box of what the keyframes show, as deep behind the outline as before it: a back is not seen there."""
        low, high = (np.array(corner, np.float32) for corner in rest_box(exemplars))
        sheet = exemplars[0].figure.sheet
        seen = sheet.part[0, 0] > 0
        rest, depth = sheet.rest[0, :, seen].double().numpy(), sheet.depth[0, 0, seen].double().numpy()
        away = np.linalg.lstsq(rest.T - rest.mean(1), depth - depth.mean(), rcond=None)[0]
        axis = int(np.abs(away).argmax())
        if away[axis] > 0:
            high[axis] += high[axis] - low[axis]
        else:
            low[axis] -= high[axis] - low[axis]
        x, y = (i for i in range(3) if i != axis)
        return cls(low, high, (x, y))

    def eight_bit(self, rest: np.ndarray, seen: np.ndarray) -> np.ndarray:
        """(3, y, x) float32 in 0..1 in steps of 1/255; 0 where nothing is seen."""
        low, size = self.low[:, None, None], (self.high - self.low)[:, None, None]
        inside = np.clip((rest - low) / np.maximum(size, 1e-9), 0, 1)
        return np.where(seen, np.rint(255 * inside) / 255, 0).astype(np.float32)


def rest_edges(stored: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """(y, x) bool: jumps of the stored rest position, 7.5 % of the box on one axis or more, about 2 pixels wide.

    Args:
        stored: (3, y, x) as `RestBox.eight_bit` gives it.
        seen: (y, x) bool, a surface is seen.
    """
    planes = np.where(seen, stored, BACKGROUND)
    steps = [np.hypot(ndimage.sobel(p, 0, mode="nearest"), ndimage.sobel(p, 1, mode="nearest")) for p in planes]
    return np.asarray(np.max(steps, 0) > THRESHOLD)


def outline(seen: np.ndarray) -> np.ndarray:
    """(y, x) bool: the silhouette alone."""
    return rest_edges(np.zeros((1, *seen.shape), np.float32), seen)


class Detected:
    """Edges of every frame anew, from its rest position."""

    def __init__(self, box: RestBox) -> None:
        self.box = box

    def __call__(self, footage: Footage, position: int) -> np.ndarray:
        frame = footage[position]
        seen = frame["part_id"][0] > 0
        return rest_edges(self.box.eight_bit(frame["rest_position"], seen), seen)


class Carried:
    """Edges detected once and moved by estimated flow, frame after frame.

    Where the flows there and back disagree nothing can be carried, and edges are detected anew; the silhouette always
    is, coverage being known. A walk starts at the first frame; the last place of it is remembered, which changes cost
    and nothing else.
    """

    def __init__(self, box: RestBox) -> None:
        self.detected = Detected(box)
        self._walk: tuple[Footage, int, np.ndarray] | None = None

    def __call__(self, footage: Footage, position: int) -> np.ndarray:
        if self._walk is not None and self._walk[0] is footage and self._walk[1] <= position:
            _, start, edges = self._walk
        else:
            start, edges = 0, self.detected(footage, 0)
        for now in range(start + 1, position + 1):
            edges = self._step(footage, now, edges)
        self._walk = (footage, position, edges)
        return edges

    def _step(self, footage: Footage, position: int, before: np.ndarray) -> np.ndarray:
        flows = footage.flow(position)
        back = torch.from_numpy(flows[0])[None]
        moved, inside = warp(torch.from_numpy(before)[None, None].float(), back, "nearest")
        kept = inside[0, 0].numpy() & agreeing(*flows)
        now = np.where(kept, moved[0, 0].numpy() > 0, self.detected(footage, position))
        silhouette = outline(footage[position]["part_id"][0] > 0)
        # The silhouette of the frame before comes along, a little off: it is not drawn twice.
        return silhouette | (now & ~ndimage.binary_dilation(silhouette, np.ones((3, 3)), TWICE))


class Found:
    """Silhouettes, and boundaries of estimated motion.

    A boundary is where |grad u|^2 + |grad v|^2 > 0.01 |w|^2 + 0.002 (Ruder, Dosovitskiy and Brox 2016), on the crest
    of the left side, widened to 2 pixels. The first frame takes the flow to the second.
    """

    def __call__(self, footage: Footage, position: int) -> np.ndarray:
        found = outline(footage[position]["part_id"][0] > 0)
        if position > 0:
            found |= motion_boundaries(footage.flow(position)[0])
        elif len(footage.frames) > 1:
            found |= motion_boundaries(footage.flow(1)[1])
        return found


def agreeing(back: np.ndarray, forth: np.ndarray) -> np.ndarray:
    """(y, x) bool: flow from the frame before and flow to it cancel, by the rule of `model.warp.inconsistency`.

    Args:
        back, forth: as `Footage.flow` gives them.
    """
    there = torch.from_numpy(back)[None]
    returns, _ = warp(torch.from_numpy(forth)[None], there)
    return np.asarray(inconsistency(there, -returns)[0, 0].numpy() == 0)


def motion_boundaries(flow: np.ndarray) -> np.ndarray:
    """(y, x) bool, see `Found`.

    Args:
        flow: (2, y, x) pixels.
    """
    slopes = [np.gradient(component, axis=axis) for component in flow for axis in (0, 1)]
    steep = np.sum(np.square(slopes), 0)
    dy, dx = (np.sqrt(slopes[axis] ** 2 + slopes[2 + axis] ** 2) for axis in (0, 1))
    crest = np.zeros(steep.shape, bool)
    for axis, along in ((0, dy >= dx), (1, dx > dy)):
        wide = np.pad(steep, [(1, 1) if a == axis else (0, 0) for a in (0, 1)])
        before, after = (wide.take(range(i, i + steep.shape[axis]), axis) for i in (0, 2))
        crest |= along & (steep >= before) & (steep > after)
    boundary = crest & (steep > 0.01 * np.sum(np.square(flow), 0) + 0.002)
    return np.asarray(ndimage.binary_dilation(boundary, np.ones((2, 2), bool)))
