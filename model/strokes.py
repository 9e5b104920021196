"""The drawn line, straightened: what the artist's outline looks like along its length, and how it is laid along others.

An outline is unrolled into rows, one a pixel of its length; a row crosses the line, from outside in. A contour of any
frame takes rows by its rest position. Where the contour was the drawing's own outline, that is the very same stroke,
row by row the one drawn nearest. Where it runs over a surface that the drawing shows from the front, rows from
the outline hereabouts follow one another by a smooth field over the surface, so that the line goes on as the hand drew
it, with its width, darkness and grain, without jumps, and glides over the surface as the contour does. Along a contour
of the frame, the line's breadth and the share of either change smoothly: chosen by each pixel alone, they are ragged.

As a pen is lifted, a line thins and pales where the surfaces it parts close up, so that it ends without a jump. One
pose does not show that, so no network learns it: it is given the whole line, and what it draws is thinned out.

Belongs here: rows, and reading them along contours. Does not: finding the line in a drawing
(`osf_pipeline.training.line`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

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

OWN, OTHER = 2.0, 8.0
"""Pixels of the drawing in the rest pose: up to the first from its outline a contour takes the outline's own rows, from
the second on it takes rows from hereabouts."""

SPACING, ANCHORS = 48, 3
"""Rows between two anchors, from which rows hereabouts are counted, and how many a point may listen to."""

BLEND = 0.35
"""An anchor is heard if it is farther than the nearest by less than this share."""

SWING = 14.0
WAVES = ((0.052, 0.036, 0.015), (-0.031, 0.080, 0.023), (0.011, -0.017, 0.052))
"""Amplitude in rows and wave vectors, radians a pixel, of the walk along rows."""

WINDOW, PASSES = 2, 3
"""Pixels around one on a contour with which it is smoothed along the contour, and how many times."""

ONE_CONTOUR = 24.0
"""Pixels of the drawing in the rest pose by which two neighbours on one contour lie apart at most."""

FAINT, NARROWEST = 0.2, 0.5
"""Opacity below which a row says nothing of the line's breadth, and pixels that it has at least."""

THINNEST, PALEST = 0.4, 0.6
"""Shares of its breadth and opacity that a line keeps where the surfaces it parts all but touch."""

VANISHING = 0.3
"""Step below which the rest of its opacity goes too: a line ends in nothing, not in a pale blot."""

FAINTEST = 1 / 256
"""Opacity below which there is no line of which a share could stay."""

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


class _Along(NamedTuple):
    """What lies round E pixels on contours, along the contours.

    Attributes:
        other: (K, E) int64, ordinals of K neighbours of each; its own where there is none.
        weight: (K, E) float, how much each counts; 0 where there is none.
    """

    other: Tensor
    weight: Tensor

    @classmethod
    def of(cls, edge_B1HW: Tensor, place_E3: Tensor) -> _Along:
        """Those within the window; `place_E3` are rest positions in pixels of the drawing."""
        b, _, y, x = edge_B1HW.nonzero(as_tuple=True)
        own = torch.arange(len(b), device=b.device)
        ordinal = torch.full_like(edge_B1HW[:, 0], -1, dtype=torch.long)
        ordinal[b, y, x] = own
        ordinal = F.pad(ordinal, (WINDOW,) * 4, value=-1)
        span = range(2 * WINDOW + 1)
        other = torch.stack([ordinal[b, y + dy, x + dx] for dy in span for dx in span])
        there, other = other >= 0, torch.where(other < 0, own, other)
        apart = (place_E3[other] - place_E3).square().sum(2).sqrt()
        return cls(other, (1 - apart / ONE_CONTOUR).clamp(min=0) * there)

    def smoothed(self, values_E: Tensor) -> Tensor:
        """(E,) weighted means, `PASSES` times over."""
        for _ in range(PASSES):
            # One neighbour after another: the order of a sum's terms must not hang on how many pixels there are.
            total, weights = torch.zeros_like(values_E), torch.zeros_like(values_E)
            for other, weight in zip(self.other, self.weight, strict=True):
                total += values_E[other] * weight
                weights += weight
            values_E = total / weights
        return values_E


class _Laid(NamedTuple):
    """The N pixels in reach of a contour, and the K rows each of them mixes.

    Attributes:
        near: (N,) int64, flat over the batch.
        depth: (N,) pixels of the drawing from the contour, positive on the surface that owns it.
        rows, shares: (N, K) int64 and float; shares sum to 1.
        breadth: (N, 1) pixels to which the rows are brought.
        step: (N,) 0..1, how far the surfaces at the contour lie apart.
    """

    near: Tensor
    depth: Tensor
    rows: Tensor
    shares: Tensor
    breadth: Tensor
    step: Tensor

    def spread(self, values_NC: Tensor, like_B1HW: Tensor) -> Tensor:
        """(B, C, H, W): each pixel's values in their place, 0 elsewhere."""
        B, _, H, W = like_B1HW.shape
        spread = torch.zeros(B * H * W, values_NC.shape[1], device=values_NC.device)
        spread[self.near] = values_NC
        return spread.view(B, H, W, -1).permute(0, 3, 1, 2)


class Strokes(nn.Module):
    """All outlines of a style.

    Attributes:
        values: (S + 1, 2 R + 1, 4) float32, the rows, and last their mean for surfaces whose rest position is unknown.
        rest: (S, 3) float32 scene units.
        loop: (S, 2) int64, first row and number of rows of the outline that a row belongs to.
        breadth: (S + 1,) float32, pixels of every row that lie on the surface.
        pixel: () scene units a pixel of the drawing covers.
    """

    def __init__(self, rows: int = 0, reach: int = 1) -> None:
        super().__init__()
        self.values = nn.Buffer(torch.zeros(rows + 1, 2 * FINE * reach + 1, 4))
        self.rest = nn.Buffer(torch.zeros(rows, 3))
        self.loop = nn.Buffer(torch.zeros(rows, 2, dtype=torch.long))
        self.breadth = nn.Buffer(torch.ones(rows + 1))
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
        inner = every.values[:, every.values.shape[1] // 2 :, 3]
        every.breadth.copy_((inner.sum(1) / FINE / inner.amax(1).clamp(min=FAINT)).clamp(min=NARROWEST))
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
        return self._radius(scale) + PASSES * WINDOW

    def _radius(self, scale: float) -> int:
        """Pixels between a pixel and the edge whose rows it shows, at most."""
        return max(1, min(round(self.reach * scale), int(CONTOUR_RANGE) + NEAR_EDGE))

    def forward(self, distance_B1HW: Tensor, side_B1HW: Tensor, rest_B3HW: Tensor | None, scale: float = 1.0) -> Tensor:
        """(B, 4, H, W): the drawn line along the contours, display-encoded straight RGB and opacity; 0 out of reach.

        Args:
            distance_B1HW: pixels to the nearest contour; from `CONTOUR_RANGE` on there is none, at any scale.
            side_B1HW: bool, True on the surface that owns it.
            rest_B3HW: rest positions in scene units; None where they are unknown.
            scale: pixels of the frame for one of the drawing.
        """
        laid = self._laid(distance_B1HW, side_B1HW, None, rest_B3HW, scale)
        return laid.spread(self._read(laid, laid.breadth), distance_B1HW)

    def tapered(
        self,
        distance_B1HW: Tensor,
        side_B1HW: Tensor,
        step_B1HW: Tensor,
        rest_B3HW: Tensor | None,
        scale: float = 1.0,
    ) -> tuple[Tensor, Tensor]:
        """The drawn line, and (B, 1, H, W) the share of its opacity that stays where the pen is lifted; 1 elsewhere.

        Args:
            step_B1HW: 0..1, how far the surfaces at a contour lie apart (`contours.Contours`): at 1 all stays, at 0
                nothing.
            distance_B1HW, side_B1HW, rest_B3HW, scale: as for the line.
        """
        laid = self._laid(distance_B1HW, side_B1HW, step_B1HW, rest_B3HW, scale)
        line = self._read(laid, laid.breadth)
        pressure = laid.step.square() * (3 - 2 * laid.step)
        thin = self._read(laid, laid.breadth * (THINNEST + (1 - THINNEST) * pressure[:, None]))
        opacity = (PALEST + (1 - PALEST) * pressure) * (laid.step / VANISHING).clamp(max=1)
        share = (thin[:, 3] / line[:, 3].clamp(min=FAINTEST)).clamp(max=1) * opacity
        share = torch.where(line[:, 3] < FAINTEST, 1.0, share)
        return laid.spread(line, distance_B1HW), 1 + laid.spread(share[:, None] - 1, distance_B1HW)

    def _laid(
        self,
        distance_B1HW: Tensor,
        side_B1HW: Tensor,
        step_B1HW: Tensor | None,
        rest_B3HW: Tensor | None,
        scale: float,
    ) -> _Laid:
        """Which rows every pixel in reach of a contour shows."""
        H, W = distance_B1HW.shape[2:]
        signed = (torch.where(side_B1HW, distance_B1HW, -distance_B1HW) / scale).flatten()
        near = ((distance_B1HW.flatten() < CONTOUR_RANGE) & (signed.abs() < self.reach)).nonzero().squeeze(1)
        rows = torch.full((len(near), 1), self.rows, device=near.device)
        shares = torch.ones(len(near), 1, device=near.device)
        breadth, step = self.breadth[rows], torch.ones(len(near), device=near.device)
        edge = side_B1HW & (distance_B1HW < 1)
        if rest_B3HW is not None and self.rows and edge.any():
            rest_E3 = rest_B3HW.permute(0, 2, 3, 1)[edge[:, 0]]
            along = _Along.of(edge, rest_E3 / self.pixel)
            rows_E, shares_E = self._taken(rest_E3, along)
            breadth_E = along.smoothed((self.breadth[rows_E] * shares_E).sum(1))[:, None]
            index = nearest(edge, self._radius(scale)).index.flatten()[near]
            index += near // (H * W) * (H * W)
            ordinal = (edge.flatten().cumsum(0) - 1)[index]
            # Out of reach of every edge the line is its mean.
            known = edge.flatten()[index][:, None]
            mean = F.one_hot(torch.zeros_like(near), rows_E.shape[1])
            rows = torch.where(known, rows_E[ordinal], self.rows)
            shares = torch.where(known, shares_E[ordinal], mean.to(shares.dtype))
            breadth = torch.where(known, breadth_E[ordinal], breadth)
            if step_B1HW is not None:
                step = torch.where(known[:, 0], along.smoothed(step_B1HW[edge])[ordinal], step)
        return _Laid(near, signed[near], rows, shares, breadth, step)

    def _read(self, laid: _Laid, breadth: Tensor) -> Tensor:
        """(N, 4) the rows' values at the pixels' distances, brought to one breadth.

        Rows are brought to one breadth before they are mixed, or the line's inner edge would be soft; and that changes
        smoothly along the contour, or it would be ragged.
        """
        last = self.values.shape[1] - 1
        mixed = torch.zeros(len(laid.near), 4, device=laid.near.device)
        stretch = self.breadth[laid.rows] / breadth
        for row, share, factor in zip(laid.rows.unbind(1), laid.shares.unbind(1), stretch.unbind(1), strict=True):
            depth = torch.where(laid.depth > 0, laid.depth * factor, laid.depth)
            column = (FINE * depth + last / 2).clamp(0, last)
            low = column.floor().clamp(max=last - 1)
            between = (column - low)[:, None]
            low = low.long()
            read = self.values[row, low] * (1 - between) + self.values[row, low + 1] * between
            mixed += read * share[:, None]
        return mixed

    def _taken(self, rest_N3: Tensor, along: _Along) -> tuple[Tensor, Tensor]:
        """(N, 1 + ANCHORS) rows that contour points take, and in which shares; these sum to 1."""
        blocks = zip(*(self._hereabouts(block) for block in rest_N3.split(_BLOCK)), strict=True)
        away, row, walked, weight = (torch.cat(block) for block in blocks)
        other = ((along.smoothed(away) - OWN) / (OTHER - OWN)).clamp(0, 1)[:, None]
        return torch.cat([row[:, None], walked], 1), torch.cat([1 - other, other * weight], 1)

    def _hereabouts(self, rest_N3: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(N,) distance to the nearest row, (N,) that row; (N, ANCHORS) rows that follow one another, their shares."""
        away, row = self._away(rest_N3, self.rest).min(1)
        anchors = torch.arange(SPACING // 2, self.rows + SPACING // 2, SPACING, device=row.device)
        anchors = anchors.clamp(max=self.rows - 1)
        distance, order = self._away(rest_N3, self.rest[anchors]).sort(1)
        distance, order = distance[:, :ANCHORS], order[:, :ANCHORS]
        weight = (1 - (distance - distance[:, :1]) / (BLEND * distance[:, :1] + SPACING / 4)).clamp(min=0)
        first, count = self.loop[anchors[order]].unbind(2)
        walked = first + (anchors[order] - first + self._walk(rest_N3)[:, None]) % count
        return away, row, walked, weight / weight.sum(1, keepdim=True)

    def _away(self, rest_N3: Tensor, other_M3: Tensor) -> Tensor:
        """(N, M) pixels of the drawing. No matrix product: its last bit depends on the size of the block."""
        return torch.cdist(rest_N3, other_M3, compute_mode="donot_use_mm_for_euclid_dist") / self.pixel

    def _walk(self, rest_N3: Tensor) -> Tensor:
        """(N,) rows by which one goes on from an anchor: about one a pixel whichever way a contour runs, no jumps."""
        place = rest_N3.double() / self.pixel
        rows = torch.zeros_like(place[:, 0])
        for x, y, z in WAVES:
            rows += SWING * torch.sin(place[:, 0] * x + place[:, 1] * y + place[:, 2] * z)
        return rows.round().long()
