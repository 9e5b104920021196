"""Sampling one frame at places of another.

Belongs here: backward warps, their validity, and when two motions contradict each other. Does not: whether the sampled
surface is the same one (`occlusion`).

Motion is current - previous in pixels, y down: the previous frame is sampled at `p - motion`, the next one at
`p + motion_next`.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor


def warp(
    x_BCHW: Tensor, motion_B2HW: Tensor, mode: Literal["bilinear", "nearest"] = "bilinear"
) -> tuple[Tensor, Tensor]:
    """The previous frame as the current one would show it: `x` at `p - motion`.

    For the next frame pass `-motion_next`. Ids, depth and anything else that must not be mixed need `nearest`.

    Returns:
        (B, C, H, W) samples, the border repeated outside; (B, 1, H, W) bool, whether the place lies inside the frame,
        half a pixel beyond the outer pixel centres included.
    """
    B, C, H, W = x_BCHW.shape
    place = positions(H, W, motion_B2HW.device) - motion_B2HW
    inside = within(place, H, W)
    if mode == "nearest":
        x, y = (place + 0.5).floor().long().unbind(1)
        index = (y.clamp(0, H - 1) * W + x.clamp(0, W - 1)).view(B, 1, -1).expand(B, C, -1)
        return x_BCHW.flatten(2).gather(2, index).view(B, C, *place.shape[2:]), inside
    scale = place.new_tensor([2 / W, 2 / H]).view(1, 2, 1, 1)
    grid = ((place + 0.5) * scale - 1).permute(0, 2, 3, 1)
    return F.grid_sample(x_BCHW, grid, padding_mode="border", align_corners=False), inside


def positions(height: int, width: int, device: torch.device | None = None) -> Tensor:
    """(1, 2, H, W) float32, x and y of every pixel centre."""
    y, x = torch.meshgrid(torch.arange(height, device=device), torch.arange(width, device=device), indexing="ij")
    return torch.stack([x, y])[None].float()


def within(place_B2HW: Tensor, height: int, width: int) -> Tensor:
    """(B, 1, H, W) bool, whether a place lies in the area the pixels of a frame cover."""
    x, y = place_B2HW[:, :1], place_B2HW[:, 1:]
    return (x >= -0.5) & (x < width - 0.5) & (y >= -0.5) & (y < height - 0.5)


def inconsistency(go: Tensor, back: Tensor) -> Tensor:
    """0..1 by the forward-backward rule |F + B|^2 > 0.01 (|F|^2 + |B|^2) + 0.5 (Sundaram, Brox and Keutzer 2010).

    0 while the rule holds, 1 from twice its right-hand side on. Dimension 1 holds x and y; in the result its size is 1.
    """
    return (inconsistency_ratio(go, back) - 1).clamp(0, 1)


def inconsistency_ratio(go: Tensor, back: Tensor) -> Tensor:
    """The left-hand side of the rule of `inconsistency` over its right-hand side."""
    allowed = 0.01 * (go.square().sum(1, keepdim=True) + back.square().sum(1, keepdim=True)) + 0.5
    return (go + back).square().sum(1, keepdim=True) / allowed
