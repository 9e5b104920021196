"""Where marked contours lie, finer than a pixel, and which surface owns them.

Belongs here: the contour rule's thresholds, from crossings between pixels to short straight stretches, distances to
them and their owners. Does not: what is a contour (`contours`).

A crossing is known to lie somewhere between two pixel centres. Along a line such pairs form a staircase; the mean of
the crossings round about lies on the line, and the sum of their directions is its normal (each direction is met as
often as the normal points that way). So every marked pixel stands for a straight stretch through that mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from model.distance import nearest

CONTOUR_RANGE = 32.0
"""Pixels at which the contour distance saturates."""

OWN_REACH = 16
"""Pixels; broader than strokes are. So far a surface finds its own contour past a nearer one of another surface."""

DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1))
"""x, y towards the farther pixel, in the order of crossings."""

WINDOW = 1
"""Pixels round a mark whose crossings say where its stretch lies."""

HALF_STRETCH = 0.75
"""Pixels of contour a mark stands for, to either side."""

SLANT = 8.0
"""Pixels of rest distance that a step of one pixel on a slanted surface may cover."""

BEYOND = 1e-3
"""Pixels past a stretch from which on a pixel is beyond it: one on the line is not, however sums are rounded."""

FINENESS = 64
"""Distances are multiples of 1/64 pixel, so that they do not hang on how a processor rounds."""


@dataclass(frozen=True)
class ContourRule:
    """Thresholds of one shot; in scene units, so that they mean the same in every frame.

    Attributes:
        pixel: scene units a pixel covers at the subject.
        depth_gap: depth step that counts as one surface passing behind another, where a contour is carried on.
        rest_gap: distance in the rest pose that two neighbours on one surface never have.
        min_size: connected contour pixels below this number are specks and are dropped.
        subject: depth at which `pixel` holds; a pixel covers more farther away. None where it holds everywhere.
        intersections: also mark where surfaces touch or run into each other, without a step in depth.
    """

    pixel: float
    depth_gap: float
    rest_gap: float
    min_size: int = 3
    subject: float | None = None
    intersections: bool = False

    def unit(self, depth: Tensor) -> Tensor | float:
        """Scene units a pixel covers at a depth."""
        return self.pixel if self.subject is None else (depth / self.subject).clamp(min=1e-3) * self.pixel


class _Stretches(NamedTuple):
    """Straight stretches of contour, one a marked pixel, as dense (B * H * W) maps; 0 elsewhere.

    Attributes:
        x, y: middle of the stretch, from the pixel's centre.
        across, down: unit normal, towards the farther surface; 0 where crossings face each other.
    """

    x: Tensor
    y: Tensor
    across: Tensor
    down: Tensor


def measure(
    crossing_B4HW: Tensor,
    depth_B1HW: Tensor,
    rest_B3HW: Tensor,
    object_B1HW: Tensor,
    rule: ContourRule,
    coverage_B1HW: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Distance and side, as `contours.Contours` tells them, and which marked pixel they belong to.

    Marks are (B, 1, H, W) int64, flat over the batch; a pixel out of range of all names itself.

    A pixel lies on the owner's surface if it is of the same object, not behind the contour's edge, no farther away in
    the rest pose than a slanted surface may be, and not beyond the contour. Where the nearest contour is another
    surface's, the own one may still be in reach of the pen: beside a crossing, where a line runs in under another.
    """
    B, _, H, W = depth_B1HW.shape
    surface = _Surface(depth_B1HW, rest_B3HW, object_B1HW, rule)
    stretches = _stretches(crossing_B4HW, surface, coverage_B1HW)
    seed_B1HW = crossing_B4HW.any(1, keepdim=True)
    near = nearest(seed_B1HW, int(CONTOUR_RANGE))
    seen = depth_B1HW.isfinite()
    # Written over below, while what they begin as is still read.
    distance, side = near.distance.flatten().clone(), seen.flatten().clone()
    pixel = (near.distance < CONTOUR_RANGE).flatten().nonzero().squeeze(1)
    mark = near.index.flatten()[pixel] + pixel // (H * W) * (H * W)
    away, beyond = _away(stretches, pixel, mark, W)
    taken = torch.arange(len(side), device=side.device)
    distance[pixel], taken[pixel] = away, mark
    side[pixel[beyond & (pixel != mark)]] = False
    near_side = side[pixel]
    pixel, mark = pixel[near_side], mark[near_side]
    side[pixel] = surface.owns(mark, pixel, near.distance.flatten()[pixel])
    # Past a nearer contour of another surface.
    hidden = seen & (near.distance <= OWN_REACH) & ~side.view_as(seen)
    pixel, mark, squared = _pairs(hidden, seed_B1HW)
    kept = surface.owns(mark, pixel, squared.float().sqrt())
    pixel, mark, squared = pixel[kept], mark[kept], squared[kept]
    kept = ~_away(stretches, pixel, mark, W)[1]
    pixel, mark, squared = pixel[kept], mark[kept], squared[kept]
    # The nearest of each; ties go to the mark that comes first.
    key = squared * len(side) + mark
    best = torch.full((len(side),), key.max().item() + 1 if len(key) else 1, device=key.device)
    best.scatter_reduce_(0, pixel, key, "amin")
    first = best[pixel] == key
    pixel, mark = pixel[first], mark[first]
    distance[pixel], side[pixel], taken[pixel] = _away(stretches, pixel, mark, W)[0], True, mark
    fine = (distance * FINENESS).round() / FINENESS
    shape = B, 1, H, W
    return fine.clamp(max=CONTOUR_RANGE).view(shape), side.view(shape), taken.view(shape)


class _Surface:
    """What tells surfaces apart, by flat position over the batch."""

    def __init__(self, depth_B1HW: Tensor, rest_B3HW: Tensor, object_B1HW: Tensor, rule: ContourRule) -> None:
        self.depth, self.object, self.rule = depth_B1HW.flatten(), object_B1HW.flatten(), rule
        self.rest = [channel.flatten() for channel in rest_B3HW.unbind(1)]

    def owns(self, mark: Tensor, pixel: Tensor, distance: Tensor) -> Tensor:
        """The pixel shows the surface that the mark lies on."""
        rule, depth = self.rule, self.depth[mark]
        away = sum((values[pixel] - values[mark]).square() for values in self.rest)
        allowed = rule.rest_gap + SLANT * distance * rule.unit(depth)
        return (
            (self.object[pixel] == self.object[mark])
            & (self.depth[pixel] - depth < rule.depth_gap)
            & (away < allowed.square())
        )


def _stretches(crossing_B4HW: Tensor, surface: _Surface, coverage_B1HW: Tensor | None) -> _Stretches:
    B, _, H, W = crossing_B4HW.shape
    flags = crossing_B4HW.permute(1, 0, 2, 3).reshape(4, -1)
    mark = flags.any(0).nonzero().squeeze(1)
    y, x = mark // W % H, mark % W
    count, across, down, at_x, at_y = (torch.zeros(B * H * W, device=mark.device) for _ in range(5))
    coverage = None if coverage_B1HW is None else coverage_B1HW.flatten().float()
    for flag, (dx, dy) in zip(flags[:, mark], DIRECTIONS, strict=True):
        there = mark + flag * (dy * W + dx)
        reach = flag * 0.5
        if coverage is not None:
            # A box filter covers both pixels up to the contour: what the near one lacks and the far one has, moves it.
            rim = flag & ~surface.depth[there].isfinite()
            reach = torch.where(rim, (coverage[mark] + coverage[there] - 0.5).clamp(0, 1), reach)
        count[mark] += flag
        across[mark] += flag * dx
        down[mark] += flag * dy
        at_x[mark] += reach * dx
        at_y[mark] += reach * dy
    total, nx, ny, sx, sy = (torch.zeros(len(mark), device=mark.device) for _ in range(5))
    for dy, dx in product(range(-WINDOW, WINDOW + 1), repeat=2):
        inside = (y + dy >= 0) & (y + dy < H) & (x + dx >= 0) & (x + dx < W)
        other = mark + inside * (dy * W + dx)
        agrees = across[mark] * across[other] + down[mark] * down[other] > 0
        step = torch.full_like(total, (dx * dx + dy * dy) ** 0.5)
        same = inside & agrees & surface.owns(mark, other, step)
        many = same * count[other]
        total += many
        nx += same * across[other]
        ny += same * down[other]
        sx += many * dx + same * at_x[other]
        sy += many * dy + same * at_y[other]
    length = (nx * nx + ny * ny).sqrt()
    scale = torch.where(length > 0, 1 / length.clamp(min=1), 0.0)
    found = [torch.zeros(B * H * W, device=mark.device) for _ in range(4)]
    total = total.clamp(min=1)
    for values, given in zip(found, (sx / total, sy / total, nx * scale, ny * scale), strict=True):
        values[mark] = given
    return _Stretches(*found)


def _away(stretches: _Stretches, pixel: Tensor, mark: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Distance to the marks' stretches, and whether the pixel lies beyond them, on the farther side."""
    y = (pixel // width - mark // width) - stretches.y[mark]
    x = (pixel % width - mark % width) - stretches.x[mark]
    nx, ny = stretches.across[mark], stretches.down[mark]
    off = x * nx + y * ny
    along = (x * ny - y * nx).abs() - HALF_STRETCH
    straight = (off * off + along.clamp(min=0).square()).sqrt()
    none = (nx == 0) & (ny == 0)
    return torch.where(none, (x * x + y * y).sqrt(), straight), off > BEYOND


def _pairs(pixel_B1HW: Tensor, seed_B1HW: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Flat positions of pixels and of the marks within `OWN_REACH` of them, and squared distances."""
    H, W = seed_B1HW.shape[2:]
    reach = OWN_REACH
    # Marks far from every such pixel are left out before pairs are looked at.
    blocks = F.max_pool2d(F.max_pool2d(pixel_B1HW.float(), reach, ceil_mode=True), 3, 1, 1)
    b, _, y, x = (seed_B1HW & (F.interpolate(blocks, scale_factor=reach)[:, :, :H, :W] > 0)).nonzero(as_tuple=True)
    span = torch.arange(-reach, reach + 1, device=y.device)
    dy, dx = torch.meshgrid(span, span, indexing="ij")
    squared = dy.square() + dx.square()
    dy, dx, squared = (values[squared <= reach * reach] for values in (dy, dx, squared))
    padded = F.pad(pixel_B1HW, (reach,) * 4)
    high, wide = padded.shape[2:]
    there = ((b * high + y + reach) * wide + x + reach)[:, None] + (dy * wide + dx)
    which, offset = padded.flatten()[there].nonzero(as_tuple=True)
    mark = ((b * H + y) * W + x)[which]
    return mark + (dy * W + dx)[offset], mark, squared[offset]
