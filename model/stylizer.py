"""The single-run stylizer: one slim convolutional network that draws the line over the fill.

Belongs here: what the network is given and draws. Does not: layers (`trunk`), inputs (`inputs`), cropping and tiling
(`osf_pipeline.stylize`), training.

With width 24 and 4 blocks a 512x512 frame costs 17 GMAC.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from model.color import over, srgb_decode
from model.inputs import DRAWN_LINE, INK, INPUTS
from model.strokes import Strokes
from model.trunk import Trunk, receptive_radius

NAME = "tapered-strokes"
"""Of this kind of network on a card; it changes whenever equal weights would draw otherwise. A network of another kind
has to be trained again."""

GAIN = 6.0
"""Alpha = sigmoid(logit(drawn line) + GAIN * output): an output of one pushes bare paper to ink."""

_FAINTEST, _CLEAREST = 0.02, 1 / 128
"""Ink, and alpha, are kept this far from 0 and 1 before they are turned to logits."""


@dataclass(frozen=True)
class Architecture:
    """What is needed to build the network again.

    Attributes:
        width: channels at full resolution; 2x at half and 4x at quarter resolution.
        blocks: residual blocks at quarter resolution.
        rows, reach: of the style's drawn line (`model.strokes`).
        inputs: named input channels in order.
    """

    width: int = 24
    blocks: int = 4
    rows: int = 0
    reach: int = 1
    inputs: tuple[str, ...] = INPUTS

    @property
    def receptive_radius(self) -> int:
        """Pixels around an output pixel that can change it, at most."""
        return receptive_radius(self.blocks)

    def to_json(self) -> dict[str, Any]:
        return {"name": NAME, **asdict(self), "inputs": list(self.inputs)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Architecture:
        """
        Raises:
            ValueError: for a network this version does not know.
        """
        known = {"name", "width", "blocks", "rows", "reach", "inputs"}
        if data.get("name") != NAME or set(data) != known or tuple(data["inputs"]) != INPUTS:
            raise ValueError(f"unknown architecture {data}; this version builds {NAME!r} from {sorted(known)}")
        return cls(data["width"], data["blocks"], data["rows"], data["reach"])


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


class Stylizer(Trunk):
    """Packed inputs to the logits of a line.

    An untrained network draws the drawn line as `strokes` lays it along every contour. What it learns is how the line
    meets itself, the fill and the silhouette. `strokes` is kept with the weights. Frames are independent; every output
    pixel depends only on inputs within `Architecture.receptive_radius`.
    """

    def __init__(self, architecture: Architecture | None = None) -> None:
        architecture = architecture or Architecture()
        super().__init__(len(architecture.inputs), 4, architecture.width, architecture.blocks)
        self.architecture = architecture
        self.strokes = Strokes(architecture.rows, architecture.reach)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """(B, 4, H, W) logits of the line, for `Line.of`.

        Args:
            x_BCHW: inputs as `model.inputs.pack` orders them; H and W multiples of 4.
        """
        out = super().forward(x_BCHW)
        ink = torch.logit(x_BCHW[:, INK], _FAINTEST) + out[:, :3]
        return torch.cat([ink, torch.logit(x_BCHW[:, DRAWN_LINE], _CLEAREST) + GAIN * out[:, 3:]], 1)

    def folded(self) -> Stylizer:
        """A copy for inference; see `Trunk.fold`."""
        twin = Stylizer(self.architecture)
        twin.load_state_dict(self.state_dict())
        return twin.fold()
