"""The convolutional trunk every network of this project that draws a picture from packed channels shares.

Belongs here: the layers, folding for inference. Does not: what goes in and what comes out mean (`stylizer`).

Plan: pixel-unshuffle stem, one stride-2 level with residual blocks, back by pixel-shuffle, and one thin full-resolution
fuse that sees the raw inputs again. No layer wider than `width` runs at full resolution.
"""

from __future__ import annotations

from typing import Self, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

M = TypeVar("M", bound=nn.Module)

STRIDE = 4
"""Height and width of the input must be multiples of this."""


class _Conv(nn.Module):
    """3x3 convolution, batch norm, ReLU."""

    def __init__(self, c_in: int, c_out: int, stride: int = 1, activate: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(c_out)
        self.activate = activate

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(x))
        return F.relu_(x) if self.activate else x

    def fold(self) -> None:
        """Move the norm's evaluation-mode scale and shift into the convolution."""
        if isinstance(self.norm, nn.BatchNorm2d):
            self.conv, self.norm = fuse_conv_bn_eval(self.conv, self.norm), nn.Identity()


class _Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_Conv(channels, channels), _Conv(channels, channels, activate=False))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class Trunk(nn.Module):
    """Packed inputs to packed outputs of the same size.

    Every output pixel depends only on inputs within `receptive_radius(blocks)`. The head's kernel starts at zero: an
    untrained network gives the same few numbers, its bias, everywhere.

    Args:
        inputs, outputs: channels.
        width: channels at full resolution; 2x at half and 4x at quarter resolution.
        blocks: residual blocks at quarter resolution.
    """

    def __init__(self, inputs: int, outputs: int, width: int = 24, blocks: int = 4) -> None:
        super().__init__()
        c = width
        self.stem = _Conv(4 * inputs, 2 * c)
        self.down = _Conv(2 * c, 4 * c, stride=2)
        self.body = nn.Sequential(*[_Block(4 * c) for _ in range(blocks)])
        self.up = nn.Sequential(nn.Conv2d(4 * c, 8 * c, 1, bias=False), nn.PixelShuffle(2))
        self.merge = _Conv(2 * c, 2 * c)
        self.full = nn.Sequential(nn.Conv2d(2 * c, 4 * (c // 2), 3, 1, 1, bias=False), nn.PixelShuffle(2))
        self.fuse = _Conv(c // 2 + inputs, c // 2)
        self.head = nn.Conv2d(c // 2, outputs, 3, 1, 1)
        nn.init.zeros_(self.head.weight)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """(B, outputs, H, W); H and W multiples of 4."""
        half = self.stem(F.pixel_unshuffle(x_BCHW, 2))
        quarter = self.body(self.down(half))
        half = self.merge(half + self.up(quarter))
        out: Tensor = self.head(self.fuse(torch.cat([self.full(half), x_BCHW], 1)))
        return out

    def fold(self) -> Self:
        """Make this network ready for inference: batch norm folded into the convolutions, evaluation mode, frozen,
        channels last."""
        self.eval().requires_grad_(False)
        for module in list(self.modules()):
            if isinstance(module, _Conv):
                module.fold()
        return channels_last(self)


def receptive_radius(blocks: int) -> int:
    """Pixels around an output pixel of a `Trunk` that can change it, at most."""
    return 4 * (2 * blocks + 1) + 2 * 3 + 4


def channels_last(model: M) -> M:
    """The same model with its kernels in the layout the CPU convolutions prefer."""
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model
