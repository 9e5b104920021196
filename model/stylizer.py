"""The single-run stylizer: one slim convolutional network that draws the line over the fill.

Belongs here: the network, its receptive field, its folded form. Does not: inputs (`inputs`), cropping and tiling
(`osf_pipeline.stylize`), training.

Plan: pixel-unshuffle stem, one stride-2 level with residual blocks, back by pixel-shuffle, and one thin full-resolution
fuse that sees the raw inputs again. No layer wider than `width` runs at full resolution. With width 24 and 4 blocks a
512x512 frame costs 17 GMAC.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from model.color import over, srgb_decode
from model.inputs import INK, INPUTS, PLAIN_LINE
from model.strokes import StrokeAtlas

STRIDE = 4
"""Height and width of the input must be multiples of this."""

GAIN, BIAS = 6.0, -3.0
"""Alpha = sigmoid(GAIN * (plain line + output) + BIAS): an output of one pushes bare paper to full ink."""

_FAINTEST = 0.02
"""Ink is kept this far from 0 and 1 before it is turned to a logit."""


@dataclass(frozen=True)
class Architecture:
    """What is needed to build the network again.

    Attributes:
        width: channels at full resolution; 2x at half and 4x at quarter resolution.
        blocks: residual blocks at quarter resolution.
        inputs: named input channels in order.
    """

    width: int = 24
    blocks: int = 4
    inputs: tuple[str, ...] = INPUTS

    @property
    def receptive_radius(self) -> int:
        """Pixels around an output pixel that can change it, at most."""
        return 4 * (2 * self.blocks + 1) + 2 * 3 + 4

    def to_json(self) -> dict[str, Any]:
        return {"name": "slim", **asdict(self), "inputs": list(self.inputs)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Architecture:
        """
        Raises:
            ValueError: for a network this version does not know.
        """
        known = {"name", "width", "blocks", "inputs"}
        if data.get("name") != "slim" or set(data) != known:
            raise ValueError(f"unknown architecture {data}; this version builds 'slim' from {sorted(known)}")
        return cls(data["width"], data["blocks"], tuple(data["inputs"]))


@dataclass(frozen=True)
class Line:
    """A predicted line.

    Attributes:
        ink: (B, 3, H, W) straight display-encoded colour in 0..1.
        alpha: (B, 1, H, W) coverage in 0..1.
    """

    ink: Tensor
    alpha: Tensor

    @classmethod
    def of(cls, logits_B4HW: Tensor) -> Line:
        """From the network's output: logits of three of ink, one of alpha."""
        return cls(torch.sigmoid(logits_B4HW[:, :3]), torch.sigmoid(logits_B4HW[:, 3:]))

    @property
    def layer(self) -> Tensor:
        """(B, 4, H, W) scene-linear premultiplied."""
        return torch.cat([srgb_decode(self.ink) * self.alpha, self.alpha], 1)

    def over(self, fill_B4HW: Tensor) -> Tensor:
        """(B, 4, H, W) beauty, scene-linear premultiplied."""
        return over(self.layer, fill_B4HW)


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


class Stylizer(nn.Module):
    """Packed inputs to the logits of a line.

    An untrained network draws the plain line: the ink and width of the atlas, along every contour. What it learns is
    how the drawing differs from that. `strokes` is the style's stroke atlas, kept with the weights. Frames are
    independent; every output pixel depends only on inputs within `Architecture.receptive_radius`.
    """

    def __init__(self, architecture: Architecture | None = None) -> None:
        super().__init__()
        self.architecture = architecture or Architecture()
        self.strokes = StrokeAtlas()
        c, inputs = self.architecture.width, len(self.architecture.inputs)
        self.stem = _Conv(4 * inputs, 2 * c)
        self.down = _Conv(2 * c, 4 * c, stride=2)
        self.body = nn.Sequential(*[_Block(4 * c) for _ in range(self.architecture.blocks)])
        self.up = nn.Sequential(nn.Conv2d(4 * c, 8 * c, 1, bias=False), nn.PixelShuffle(2))
        self.merge = _Conv(2 * c, 2 * c)
        self.full = nn.Sequential(nn.Conv2d(2 * c, 4 * (c // 2), 3, 1, 1, bias=False), nn.PixelShuffle(2))
        self.fuse = _Conv(c // 2 + inputs, c // 2)
        self.head = nn.Conv2d(c // 2, 4, 3, 1, 1)
        nn.init.zeros_(self.head.weight)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """(B, 4, H, W) logits of the line, for `Line.of`.

        Args:
            x_BCHW: inputs as `model.inputs.pack` orders them; H and W multiples of 4.
        """
        half = self.stem(F.pixel_unshuffle(x_BCHW, 2))
        quarter = self.body(self.down(half))
        half = self.merge(half + self.up(quarter))
        out = self.head(self.fuse(torch.cat([self.full(half), x_BCHW], 1)))
        ink = torch.logit(x_BCHW[:, INK], _FAINTEST) + out[:, :3]
        return torch.cat([ink, GAIN * (x_BCHW[:, PLAIN_LINE] + out[:, 3:]) + BIAS], 1)

    def folded(self) -> Stylizer:
        """A copy for inference: batch norm folded into the convolutions, evaluation mode, channels last."""
        twin = Stylizer(self.architecture)
        twin.load_state_dict(self.state_dict())
        twin.eval().requires_grad_(False)
        for module in list(twin.modules()):
            if isinstance(module, _Conv):
                module.fold()
        return channels_last(twin)


def channels_last(model: Stylizer) -> Stylizer:
    """The same model with its kernels in the layout the CPU convolutions prefer."""
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model
