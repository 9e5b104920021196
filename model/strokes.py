"""The drawn line, straightened: what the artist's outline looks like along its length, and how it is laid along others.

An outline is unrolled into rows, one a pixel of its length; a row crosses the line, from outside in. A contour of any
frame takes, at every point, the row that was drawn at the nearest rest position. Where the contour was the drawing's
own outline, that is the very same stroke; where it runs over a surface that the drawing shows from the front, rows are
shifted by their distance, so that the line goes on as the hand drew it, with its width, darkness and grain, and glides
over the surface as the contour does.

Belongs here: rows, and reading them along contours. Does not: finding the line in a drawing
(`osf_pipeline.training.exemplar`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.distance import nearest
from model.outline import CONTOUR_RANGE

WIDEST = 48
"""Pixels of the drawing by which a row may reach outwards and inwards of the contour, at most."""

FINE = 2
"""Columns of a row for one pixel: between two of them rows are read linearly, which must not soften the grain."""

NEAR_EDGE = 2
"""Pixels by which the owner's nearest pixel beside a contour may lie farther away than the contour itself."""

NOWHERE = 1e15
"""Rest position of a row that may not be taken, on every axis."""

SAME_SIZE = 0.02
"""Drawings whose scales differ by less are not resampled."""

_BLOCK = 4096


@dataclass(frozen=True)
class Stroke:
    """One closed outline, L rows; the last is followed by the first.

    Attributes:
        values: (L, 2 R + 1, 4) display-encoded straight RGB and opacity in 0..1. Column `R + FINE * d` lies at signed
            contour distance d in pixels of the drawing, positive on the surface.
        rest: (L, 3) rest position in scene units; `NOWHERE` where a row may not be taken.
    """

    values: Tensor
    rest: Tensor

    def resized(self, factor: float) -> Stroke:
        """The same line where a drawing has `factor` times as many pixels to a scene unit."""
        if abs(factor - 1) < SAME_SIZE:
            return self
        count, middle = max(1, round(len(self.rest) * factor)), self.values.shape[1] // 2
        reach = max(1, round(middle // FINE * factor))
        column = (torch.arange(-reach * FINE, reach * FINE + 1) / factor + middle).clamp(0, 2 * middle)
        low = column.floor().clamp(max=2 * middle - 1).long()
        share = (column - low)[:, None]
        across = self.values[:, low] * (1 - share) + self.values[:, low + 1] * share
        along = F.interpolate(across.permute(2, 1, 0), count, mode="linear")
        row = torch.arange(count) * len(self.rest) // count
        return Stroke(along.permute(2, 1, 0).contiguous(), self.rest[row])


class Strokes(nn.Module):
    """All outlines of a style.

    Attributes:
        values: (S + 1, 2 R + 1, 4) float32, the rows, and last their mean for surfaces whose rest position is unknown.
        rest: (S, 3) float32 scene units.
        loop: (S, 2) int64, first row and number of rows of the outline that a row belongs to.
        pixel: () scene units a pixel of the drawing covers.
    """

    def __init__(self, rows: int = 0, reach: int = 1) -> None:
        super().__init__()
        self.values = nn.Buffer(torch.zeros(rows + 1, 2 * FINE * reach + 1, 4))
        self.rest = nn.Buffer(torch.zeros(rows, 3))
        self.loop = nn.Buffer(torch.zeros(rows, 2, dtype=torch.long))
        self.pixel = nn.Buffer(torch.ones(()))

    @classmethod
    def of(cls, strokes: Sequence[Stroke], pixel: float) -> Strokes:
        """Put the outlines of a style together; without any the line is nothing everywhere."""
        reach = max((stroke.values.shape[1] // 2 // FINE for stroke in strokes), default=1)
        every = cls(sum(len(stroke.rest) for stroke in strokes), reach)
        every.pixel.fill_(pixel)
        if not strokes:
            return every
        first = 0
        for stroke in strokes:
            rows = slice(first, first + len(stroke.rest))
            own, middle = stroke.values.shape[1] // 2, FINE * reach
            every.values[rows, middle - own : middle + own + 1] = stroke.values
            every.rest[rows] = stroke.rest
            every.loop[rows] = torch.tensor([first, len(stroke.rest)])
            first = rows.stop
        drawn = every.values[:-1]
        alpha = drawn[..., 3:]
        mean = (drawn[..., :3] * alpha).sum(0) / alpha.sum(0).clamp(min=1e-6)
        every.values[-1] = torch.cat([mean, alpha.mean(0)], 1)
        return every

    @property
    def rows(self) -> int:
        return len(self.rest)

    @property
    def reach(self) -> int:
        """Pixels of the drawing between a contour and the end of a row."""
        return self.values.shape[1] // 2 // FINE

    def radius(self, scale: float) -> int:
        """Pixels around a pixel that can change what is laid there, at most."""
        return max(1, min(round(self.reach * scale), int(CONTOUR_RANGE) + NEAR_EDGE))

    def forward(self, distance_B1HW: Tensor, side_B1HW: Tensor, rest_B3HW: Tensor | None, scale: float = 1.0) -> Tensor:
        """(B, 4, H, W): the drawn line along the contours, display-encoded straight RGB and opacity; 0 out of reach.

        Args:
            distance_B1HW: pixels to the nearest contour; from `CONTOUR_RANGE` on there is none, at any scale.
            side_B1HW: bool, True on the surface that owns it.
            rest_B3HW: rest positions in scene units; None where they are unknown.
            scale: pixels of the frame for one of the drawing.
        """
        B, _, H, W = distance_B1HW.shape
        row = torch.full((B, 1, H, W), self.rows, device=distance_B1HW.device)
        if rest_B3HW is not None and self.rows:
            edge = side_B1HW & (distance_B1HW < 1)
            row[edge] = self._rows(rest_B3HW.permute(0, 2, 3, 1)[edge[:, 0]])
            near = nearest(edge, self.radius(scale))
            row = row.flatten(1).gather(1, near.index.flatten(1)).view(B, H, W)
        row = row.view(B, H, W)
        signed = torch.where(side_B1HW, distance_B1HW, -distance_B1HW)[:, 0] / scale
        last = self.values.shape[1] - 1
        column = (FINE * signed + last / 2).clamp(0, last)
        low = column.floor().clamp(max=last - 1)
        share = (column - low)[..., None]
        low = low.long()
        found = self.values[row, low] * (1 - share) + self.values[row, low + 1] * share
        within = (distance_B1HW[:, 0] < CONTOUR_RANGE) & (signed.abs() < self.reach)
        return torch.where(within[..., None], found, 0.0).permute(0, 3, 1, 2)

    def _rows(self, rest_N3: Tensor) -> Tensor:
        """(N,) the row of every contour point: the nearest in rest position, and further by the pixels it is off."""
        rows = []
        for block in rest_N3.split(_BLOCK):
            # No matrix product: its last bit depends on the size of the block.
            away = torch.cdist(block, self.rest, compute_mode="donot_use_mm_for_euclid_dist")
            distance, row = away.min(1)
            first, count = self.loop[row].unbind(1)
            rows.append(first + (row - first + (distance / self.pixel).round().long()) % count)
        return torch.cat(rows) if rows else rest_N3.new_zeros(0, dtype=torch.long)
