"""The two networks of the two-stage design at their own size, from what is published of them; random weights.

Belongs here: layers, to be weighed by `work.py`. Does not: quality; the benchmark's own two-stage method runs on our
trunk (`osf_pipeline.bench.methods`).

DrawingSpinUp (arXiv 2409.08615) takes the generator of few-shot patch-based training (Texler et al. 2020) for its
contours, and for its texture the same plan with 3x3 kernels, max-pooling, and every convolution but the last deformed
along fixed rings. Here those are plain 3x3 convolutions: equal multiplications, without the 1.6 G bilinear samples and
the 1.7 GiB of gathered columns a frame. So time and memory of the first stage are understated.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

INPUTS = 6
"""RGB, coverage, two coordinates of the rest position."""


def _conv(c_in: int, c_out: int, side: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(c_in, c_out, side, stride, side // 2, bias=False)


class _Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.ReLU(), _conv(128, 128, 3), nn.BatchNorm2d(128), nn.ReLU(), _conv(128, 128, 3))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class Generator(nn.Module):
    """Encoder, seven residual blocks at a quarter of the size, skips, and a wide full-resolution end.

    Args:
        wide: side of the first and of the last wide kernel: 7 for contours, 3 for the texture.
        pooled: halve by max-pooling before the convolution instead of by its stride.
    """

    def __init__(self, wide: int, pooled: bool) -> None:
        super().__init__()
        stride = 1 if pooled else 2
        self.pooled = pooled
        self.first = nn.Sequential(_conv(INPUTS, 32, wide), nn.BatchNorm2d(32))
        self.to_64 = nn.Sequential(nn.ReLU(), _conv(32, 64, 3, stride), nn.BatchNorm2d(64))
        self.to_128 = nn.Sequential(nn.ReLU(), _conv(64, 128, 3, stride), nn.BatchNorm2d(128))
        self.blocks = nn.Sequential(*[_Block() for _ in range(7)])
        self.to_half = nn.Sequential(_conv(256, 128, 3), nn.BatchNorm2d(128), nn.ReLU())
        self.to_full = nn.Sequential(_conv(192, 128, 3), nn.BatchNorm2d(128), nn.ReLU())
        self.last = nn.Sequential(nn.ReLU(), _conv(128 + 32 + INPUTS, 64, wide), nn.ReLU())
        self.tail = nn.Sequential(
            _conv(64, 64, 3), nn.BatchNorm2d(64), nn.ReLU(), _conv(64, 64, 3), nn.ReLU(), _conv(64, 3, 1)
        )

    def forward(self, x_B6HW: Tensor) -> Tensor:
        """(B, 3, H, W) in -1..1; H and W multiples of 4."""
        full = self.first(x_B6HW)
        half = self.to_64(self._halved(full))
        quarter = self.to_128(self._halved(half))
        out = self.to_half(_doubled(torch.cat([self.blocks(quarter), quarter], 1)))
        out = self.to_full(_doubled(torch.cat([out, half], 1)))
        return torch.tanh(self.tail(self.last(torch.cat([out, full, x_B6HW], 1))))

    def _halved(self, x: Tensor) -> Tensor:
        return F.max_pool2d(x, 2) if self.pooled else x


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")


def texture_network() -> Generator:
    """The first stage; 2.847 M parameters, 158.4 GMAC for 512x512."""
    return Generator(wide=3, pooled=True)


def contour_network() -> Generator:
    """The second stage; 3.279 M parameters, 271.9 GMAC for 512x512."""
    return Generator(wide=7, pooled=False)
