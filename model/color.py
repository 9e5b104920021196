"""Colour on tensors: the sRGB curve, premultiplication, compositing.

Belongs here: per-pixel colour maths, differentiable. Does not: files, colour primaries, display transforms of a show.
"""

from __future__ import annotations

import torch
from torch import Tensor

OPAQUE_ENOUGH = 0.02
"""Alpha below which a straight colour is noise; such pixels count as colourless."""


def srgb_encode(x: Tensor) -> Tensor:
    """Scene-linear to display-encoded, IEC 61966-2-1, any shape; values are clamped to 0..1."""
    x = x.clamp(0, 1)
    # The inner clamp keeps the power's gradient finite where the linear piece is taken.
    return torch.where(x <= 0.0031308, 12.92 * x, 1.055 * x.clamp(min=0.0031308) ** (1 / 2.4) - 0.055)


def srgb_decode(x: Tensor) -> Tensor:
    """Display-encoded 0..1 to scene-linear, any shape."""
    return torch.where(x <= 0.04045, x / 12.92, ((x.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4)


def straight(color_B4HW: Tensor) -> Tensor:
    """(B, 3, H, W) un-premultiplied colour; 0 where there is next to no coverage."""
    alpha = color_B4HW[:, 3:]
    return torch.where(alpha > OPAQUE_ENOUGH, color_B4HW[:, :3] / alpha.clamp(min=OPAQUE_ENOUGH), 0.0)


def display_premultiplied(color_B4HW: Tensor) -> Tensor:
    """Scene-linear premultiplied RGBA to display-encoded premultiplied RGBA in 0..1: what a network sees."""
    alpha = color_B4HW[:, 3:].clamp(0, 1)
    return torch.cat([srgb_encode(straight(color_B4HW)) * alpha, alpha], 1)


def from_drawing(drawing_B4HW: Tensor) -> Tensor:
    """Display-encoded straight RGBA in 0..1 (a PNG) to scene-linear premultiplied RGBA."""
    alpha = drawing_B4HW[:, 3:]
    return torch.cat([srgb_decode(drawing_B4HW[:, :3]) * alpha, alpha], 1)


def over(front_BCHW: Tensor, back_BCHW: Tensor) -> Tensor:
    """Porter-Duff `over` of premultiplied layers whose last channel is alpha."""
    return front_BCHW + back_BCHW * (1 - front_BCHW[:, -1:])


def on_white(color_B4HW: Tensor) -> Tensor:
    """(B, 3, H, W) display-encoded 0..1 picture of a scene-linear premultiplied layer on white."""
    return srgb_encode(color_B4HW[:, :3] + (1 - color_B4HW[:, 3:]))
