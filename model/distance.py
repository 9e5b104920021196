"""Exact Euclidean distance to the nearest marked pixel, and which pixel that is.

Belongs here: the truncated distance transform. Does not: what is marked (`contours`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

_BITS = 8
"""Bits that hold one offset; 2 * reach + 1 must fit."""

MAX_REACH = 100
"""Largest reach in pixels: the packed key is a 32-bit integer."""


@dataclass(frozen=True)
class Nearest:
    """The nearest marked pixel of every pixel; ties go to the smaller x, then the smaller y of the marked pixel.

    Attributes:
        distance: (B, 1, H, W) float32, Euclidean pixels, 0 on marked pixels, `reach` beyond it.
        index: (B, 1, H, W) int64, y * W + x of that pixel; the pixel itself where none was found.
    """

    distance: Tensor
    index: Tensor


def nearest(marked_B1HW: Tensor, reach: int) -> Nearest:
    """Nearest marked pixel within `reach` pixels, exactly.

    Two passes (Rosenfeld and Pfaltz 1968; Felzenszwalb and Huttenlocher 2012 for the separation): the nearest mark
    within each row, then the best of the rows above and below. A key packs squared distance, dx and dy into one
    integer, so that a minimum carries the winner along.

    Args:
        marked_B1HW: bool.
        reach: pixels, 1 to `MAX_REACH`.

    Raises:
        ValueError: for a reach outside that range.
    """
    if not 1 <= reach <= MAX_REACH:
        raise ValueError(f"the reach must lie in 1..{MAX_REACH}, not {reach}")
    height, width = marked_B1HW.shape[2:]
    x_W = torch.arange(width, device=marked_B1HW.device, dtype=torch.int32)
    none = 4 * reach + width
    left = torch.where(marked_B1HW, x_W, -none).cummax(3).values - x_W
    right = torch.where(marked_B1HW, x_W, width + none).flip(3).cummin(3).values.flip(3) - x_W
    dx = torch.where(-left <= right, left, right).clamp_(-reach - 1, reach + 1)
    row = ((dx * dx) << 2 * _BITS) + ((dx + reach + 1) << _BITS)
    best = row + reach
    candidate = torch.empty_like(row)
    for dy in range(1, min(reach, height - 1) + 1):
        step = (dy * dy) << 2 * _BITS
        part = candidate[:, :, : height - dy]
        torch.add(row[:, :, dy:], step + reach + dy, out=part)
        torch.minimum(best[:, :, : height - dy], part, out=best[:, :, : height - dy])
        torch.add(row[:, :, : height - dy], step + reach - dy, out=part)
        torch.minimum(best[:, :, dy:], part, out=best[:, :, dy:])
    squared = best >> 2 * _BITS
    found = squared <= reach * reach
    mask = (1 << _BITS) - 1
    across, down = ((best >> _BITS) & mask) - (reach + 1), (best & mask) - reach
    own = torch.arange(height * width, device=best.device).view(1, 1, height, width)
    index = torch.where(found, own + down * width + across, own)
    # Vectorised square roots differ in the last bit between CPUs; a table does not.
    roots = torch.tensor([math.sqrt(d) for d in range(reach * reach + 1)], device=best.device)
    return Nearest(roots[squared.clamp(max=reach * reach)], index)


def at(values_BCHW: Tensor, index_B1HW: Tensor) -> Tensor:
    """(B, C, H, W) values of the pixels named by a flat index, y * W + x."""
    B, C, H, W = values_BCHW.shape
    flat = index_B1HW.view(B, 1, H * W).expand(B, C, H * W)
    return values_BCHW.reshape(B, C, H * W).gather(2, flat).view(B, C, H, W)
