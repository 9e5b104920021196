"""Learned occlusion: what one picture shows and another hides, from both pictures and the flow between them alone.

Belongs here: what the network is given, its layers, loss and card. Does not: the exact answer from geometry
(`occlusion`), flow (`flow`), training data and the loop (`osf_pipeline.occlusion`).

The cues are the classical ones: colours that do not match after the flow (residual), or are nowhere near (absence);
flows that do not lead back (forward-backward error); places no pixel of the other picture moves to (coverage, Wang et
al. 2018); flow that tears or folds (divergence, shear). The network weighs them over a neighbourhood.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from model.color import on_white
from model.occlusion import Motion
from model.trunk import STRIDE, Trunk
from model.warp import inconsistency, positions, warp
from model.weights import LINEAR_REC709, read_card, restore, write

FEATURES = (
    "red", "green", "blue", "alpha",
    "residual_red", "residual_green", "residual_blue", "residual_alpha",
    "still_red", "still_green", "still_blue", "still_alpha",
    "absent_near", "absent_far",
    "inconsistency", "return_error", "coverage",
    "step_x", "step_y", "divergence", "shear",
)  # fmt: skip
"""Input channels in order, all in -1..1. Colours are display-encoded, over white."""

STEP_X, STEP_Y = FEATURES.index("step_x"), FEATURES.index("step_y")
COLORS = tuple(FEATURES.index(f"{kind}red") for kind in ("", "residual_", "still_"))
"""First of each three colour channels."""

HALF = 2.0
"""Pixels of forward-backward error, and of motion, at which a channel is half full."""

NEAR, FAR = 2, 6
"""Pixels around the place the flow leads to, and around a pixel's own place, in which its colour is looked for."""

SIDE = 256
"""Shorter side in pixels, about, of the pictures the network sees; larger ones are reduced by a whole factor."""

FORMAT = 1
"""Of the card."""

DICE = 0.5
"""Weight of the overlap in the loss."""

PRIOR = 0.02
"""Share of pixels an untrained network takes for hidden."""


@dataclass(frozen=True)
class OcclusionArchitecture:
    """What is needed to build the network again.

    Attributes:
        width, blocks: as in `Trunk`.
        inputs: named input channels in order.
        side: see `SIDE`.
    """

    width: int = 8
    blocks: int = 2
    inputs: tuple[str, ...] = FEATURES
    side: int = SIDE

    def to_json(self) -> dict[str, Any]:
        return {"name": "occlusion", **asdict(self), "inputs": list(self.inputs)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> OcclusionArchitecture:
        """
        Raises:
            ValueError: for a network this version does not know.
        """
        found = cls(data.get("width", 0), data.get("blocks", 0), tuple(data.get("inputs", ())), data.get("side", 0))
        if found.inputs != FEATURES or data != found.to_json():
            raise ValueError(f"unknown architecture {data}; this version builds 'occlusion' from {FEATURES}")
        return found


class OcclusionNet(Trunk):
    """Features to the calibrated logit of being hidden.

    `calibration` holds the scale and shift that make the logits probabilities (Platt 1999), fitted on frames the
    network did not learn from.
    """

    calibration: Tensor

    def __init__(self, architecture: OcclusionArchitecture | None = None) -> None:
        architecture = architecture or OcclusionArchitecture()
        super().__init__(len(architecture.inputs), 1, architecture.width, architecture.blocks)
        torch.nn.init.constant_(self.head.bias, torch.logit(torch.tensor(PRIOR)).item())  # type: ignore[arg-type]
        self.architecture = architecture
        self.register_buffer("calibration", torch.tensor([1.0, 0.0]))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """(B, 1, H, W); H and W multiples of 4."""
        return self.calibration[0] * super().forward(x_BCHW) + self.calibration[1]

    def folded(self) -> OcclusionNet:
        """A copy for inference; see `Trunk.fold`."""
        twin = OcclusionNet(self.architecture)
        twin.load_state_dict(self.state_dict())
        return twin.fold()

    def hidden(self, here_B4HW: Tensor, there_B4HW: Tensor, go: Motion, back: Motion) -> Tensor:
        """Probability that a pixel of `here` is hidden in `there`: as `occlusion.hidden`, told from pictures alone.

        Args:
            here_B4HW, there_B4HW: scene-linear premultiplied colour, linear Rec. 709.
            go, back: estimated flow from here to there and back.

        Returns:
            (B, 1, H, W) float32; 0 where `go` is not valid.
        """
        H, W = here_B4HW.shape[2:]
        factor = reduction(here_B4HW, self.architecture.side)
        x = features(*reduced(here_B4HW, there_B4HW, go.step, back.step, factor))
        logit = self(x.contiguous(memory_format=torch.channels_last))
        if factor > 1:
            logit = F.interpolate(logit, scale_factor=factor, mode="bilinear", align_corners=False)
        return torch.where(go.valid, torch.sigmoid(logit[:, :, :H, :W]), 0.0)


def reduction(picture_BCHW: Tensor, side: int) -> int:
    """Whole factor that brings a picture's shorter side nearest to `side` pixels; at least 1."""
    return max(1, round(min(picture_BCHW.shape[2:]) / side))


def reduced(
    here_B4HW: Tensor, there_B4HW: Tensor, go_B2HW: Tensor, back_B2HW: Tensor, factor: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Pictures averaged and motions taken over squares of `factor` pixels; sides padded to what the trunk needs."""
    H, W = here_B4HW.shape[2:]
    side = factor * STRIDE
    pad = (0, -W % side, 0, -H % side)
    here, there, go, back = (x.float() for x in (here_B4HW, there_B4HW, go_B2HW, back_B2HW))
    if any(pad):
        here, there, go, back = (F.pad(x, pad, mode="replicate") for x in (here, there, go, back))
    if factor == 1:
        return here, there, go, back
    middle = slice(factor // 2, None, factor)  # an average of two motions is the motion of neither surface
    return (
        F.avg_pool2d(here, factor), F.avg_pool2d(there, factor),
        go[:, :, middle, middle] / factor, back[:, :, middle, middle] / factor,
    )  # fmt: skip


def features(here_B4HW: Tensor, there_B4HW: Tensor, go_B2HW: Tensor, back_B2HW: Tensor) -> Tensor:
    """(B, len(FEATURES), H, W) float32.

    Args:
        here_B4HW, there_B4HW: scene-linear premultiplied colour.
        go_B2HW: pixels from this picture to the other one.
        back_B2HW: from the other picture to this one.
    """
    here = torch.cat([on_white(here_B4HW), here_B4HW[:, 3:].clamp(0, 1)], 1)
    there = torch.cat([on_white(there_B4HW), there_B4HW[:, 3:].clamp(0, 1)], 1)
    found, _ = warp(torch.cat([there, back_B2HW], 1), -go_B2HW)
    error = go_B2HW + found[:, 4:]
    dx, dy = _slopes(go_B2HW)
    return torch.cat(
        [
            here,
            here - found[:, :4],
            here - there,
            absence(here, found[:, :4], NEAR),
            absence(here, there, FAR),
            inconsistency(go_B2HW, found[:, 4:]),
            _squash(torch.linalg.vector_norm(error, dim=1, keepdim=True)),
            coverage(back_B2HW),
            _squash(go_B2HW),
            (dx[:, :1] + dy[:, 1:]).clamp(-1, 1),
            (dx.square() + dy.square()).sum(1, keepdim=True).sqrt().clamp(max=1),
        ],
        1,
    )


def absence(here_BCHW: Tensor, there_BCHW: Tensor, radius: int) -> Tensor:
    """(B, 1, H, W): by how much a colour lies outside the range of the other picture's colours within `radius`."""
    reach = F.pad(torch.cat([there_BCHW, -there_BCHW], 1), [radius] * 4, value=-math.inf)
    for axis in (2, 3):
        reach = _highest(reach, axis, 2 * radius + 1)
    high, low = reach.chunk(2, 1)
    return torch.maximum(here_BCHW - high, -low - here_BCHW).clamp(min=0).amax(1, keepdim=True)


def _highest(x: Tensor, axis: int, size: int) -> Tensor:
    """The maximum of every `size` neighbours along an axis, by way of 2, 4, 8: faster than pooling."""
    width = 1
    while width < size:
        step = min(width, size - width)
        length = x.shape[axis] - step
        x = torch.maximum(x.narrow(axis, 0, length), x.narrow(axis, step, length))
        width += step
    return x


def coverage(step_B2HW: Tensor) -> Tensor:
    """(B, 1, H, W) 0..1: the share of nine neighbouring pixels to which a pixel of the other picture moves."""
    B, _, H, W = step_B2HW.shape
    x, y = (positions(H, W, step_B2HW.device) + step_B2HW).round().long().unbind(1)
    inside = (x >= 0) & (x < W) & (y >= 0) & (y < H)
    frame = torch.arange(B, device=step_B2HW.device).view(B, 1, 1)
    reached = torch.zeros(B * H * W, device=step_B2HW.device)
    reached[((frame * H + y) * W + x)[inside]] = 1
    return F.avg_pool2d(reached.view(B, 1, H, W), 3, 1, 1, count_include_pad=False)


def _squash(x: Tensor) -> Tensor:
    return x / (x.abs() + HALF)


def _slopes(x: Tensor) -> tuple[Tensor, Tensor]:
    """Forward differences along x and y, 0 at the far border."""
    return F.pad(x.diff(dim=3), (0, 1)), F.pad(x.diff(dim=2), (0, 0, 0, 1))


def occlusion_loss(logit_B1HW: Tensor, hidden_B1HW: Tensor, seen_B1HW: Tensor) -> Tensor:
    """Mean binary cross-entropy over the pixels that show a surface, plus the soft Dice loss over the whole batch.

    The second keeps so rare a class from vanishing (Milletari et al. 2016); what it does to the probabilities,
    calibration undoes.

    Args:
        hidden_B1HW, seen_B1HW: 0..1, float32; between the two are shares of a pixel of reduced pictures.
    """
    entropy = F.binary_cross_entropy_with_logits(logit_B1HW, hidden_B1HW, reduction="none")
    share = torch.sigmoid(logit_B1HW) * seen_B1HW
    truth = hidden_B1HW * seen_B1HW
    dice = 1 - (2 * (share * truth).sum() + 1) / (share.sum() + truth.sum() + 1)
    return (entropy * seen_B1HW).sum() / seen_B1HW.sum().clamp(min=1) + DICE * dice


@dataclass(frozen=True)
class OcclusionCard:
    """What a user must know of an occlusion network.

    Attributes:
        architecture: how to build it; names its inputs in order.
        threshold: probability from which a pixel counts as hidden, of the best F1 on the validation split.
        data: the generated sets it learnt from and was calibrated and judged on, what the metrics mean, the flow
            estimator.
        seed, recipe: enough to train it again.
        versions: of the software that made it.
        metrics: numbers on the validation split, whose truth also chose threshold and calibration.
    """

    architecture: OcclusionArchitecture
    threshold: float
    seed: int
    recipe: dict[str, Any]
    data: dict[str, Any]
    metrics: dict[str, float]
    versions: dict[str, str] = field(default_factory=dict)
    license: str = "CC0-1.0"

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            **asdict(self),
            "architecture": self.architecture.to_json(),
            "tier": "estimated",
            "color_space": LINEAR_REC709,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> OcclusionCard:
        """
        Raises:
            ValueError: for a card of another format or architecture.
        """
        if data.get("format") != FORMAT:
            raise ValueError(f"unknown card format {data.get('format')}; this version reads format {FORMAT}")
        known = {name: data[name] for name in cls.__dataclass_fields__}
        return cls(**{**known, "architecture": OcclusionArchitecture.from_json(data["architecture"])})


def save(folder: Path, model: OcclusionNet, card: OcclusionCard) -> str:
    """Write weights and card into `folder` (made if needed); returns the weights' sha256."""
    return write(folder, model, card.to_json())


def load(folder: Path) -> tuple[OcclusionNet, OcclusionCard]:
    """Read a network on the CPU, unfolded.

    Raises:
        FileNotFoundError: when a file is missing.
        ValueError: when the card is of an unknown format, or the weights are not those it names.
    """
    data = read_card(folder)
    card = OcclusionCard.from_json(data)
    model = OcclusionNet(card.architecture)
    restore(folder, model, data["sha256"])
    return model.eval(), card
