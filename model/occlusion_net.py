"""Learned occlusion: what one picture shows and another hides, from both pictures and the flow between them alone.

Belongs here: what the network is given, its layers, loss and card. Does not: the exact answer from geometry
(`occlusion`), flow (`flow`), training data and the loop (`osf_pipeline.occlusion`).

The cues are the classical ones: colours that do not match after the flow (residual), or are nowhere near (absence);
another pixel that moves to the same place and matches it better (rival); flows that do not lead back (forward-backward
error); places no pixel of the other picture moves to (coverage, Wang et al. 2018), or none that looks like them
(claim); flow that tears or folds (divergence, shear). The network weighs them over a neighbourhood.
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
    "luma", "alpha", "residual", "still", "absent_near", "absent_far", "rival",
    "inconsistency", "return_error", "coverage", "claim",
    "step_x", "step_y", "divergence", "shear",
)  # fmt: skip
"""Input channels in order, all in -1..1. Colours are display-encoded, over white; of a difference of colours, the
channel that differs most counts."""

STEP_X, STEP_Y = FEATURES.index("step_x"), FEATURES.index("step_y")

LUMA = (0.2126, 0.7152, 0.0722)
"""Rec. 709 weights, here on display-encoded values."""

HALF = 2.0
"""Pixels of forward-backward error, and of motion, at which a channel is half full."""

NEAR, FAR = 2, 6
"""Pixels around the place the flow leads to, and around a pixel's own place, in which its colour is looked for."""

LIKE = 0.2
"""Difference of colours from which a match of two pixels counts for nothing."""

PIXELS = 9_000
"""Most pixels the network looks at; a larger view is reduced to as many."""

MARGIN = 8
"""Pixels of the picture around the box of all that is seen."""

FORMAT = 3
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
        pixels: see `PIXELS`.
    """

    width: int = 12
    blocks: int = 2
    inputs: tuple[str, ...] = FEATURES
    pixels: int = PIXELS

    def to_json(self) -> dict[str, Any]:
        return {"name": "occlusion", **asdict(self), "inputs": list(self.inputs)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> OcclusionArchitecture:
        """
        Raises:
            ValueError: for a network this version does not know.
        """
        found = cls(data.get("width", 0), data.get("blocks", 0), tuple(data.get("inputs", ())), data.get("pixels", 0))
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
        answer = torch.zeros_like(go.valid, dtype=torch.float32)
        for one in (slice(at, at + 1) for at in range(len(answer))):  # each picture has a view of its own
            view = View.of(go.valid[one] | back.valid[one], self.architecture.pixels)
            if view is None:
                continue
            x = features(*view.reduced(here_B4HW[one], there_B4HW[one], go.step[one], back.step[one]))
            h, w = view.size
            x = F.pad(x, (0, -w % STRIDE, 0, -h % STRIDE), mode="replicate")
            logit = self(x.contiguous(memory_format=torch.channels_last))[:, :, :h, :w]
            answer[one, :, view.rows, view.columns] = torch.sigmoid(view.enlarged(logit))
        return torch.where(go.valid, answer, 0.0)


@dataclass(frozen=True)
class View:
    """The part of two pictures the network looks at, and the size in which it does.

    Attributes:
        rows, columns: of the picture.
        size: height and width, at most those of the part.
    """

    rows: slice
    columns: slice
    size: tuple[int, int]

    @classmethod
    def of(cls, seen_B1HW: Tensor, pixels: int) -> View | None:
        """The box of all that is seen, `MARGIN` wider, reduced to `pixels` pixels, about; None when nothing is."""
        spans = []
        for axis, length in ((3, seen_B1HW.shape[2]), (2, seen_B1HW.shape[3])):
            filled = seen_B1HW.any(axis).any(0).flatten().nonzero().flatten().tolist()
            if not filled:
                return None
            spans.append(slice(max(0, filled[0] - MARGIN), min(length, filled[-1] + 1 + MARGIN)))
        rows, columns = spans
        height, width = rows.stop - rows.start, columns.stop - columns.start
        scale = min(1.0, math.sqrt(pixels / (height * width)))
        return cls(rows, columns, (max(1, round(scale * height)), max(1, round(scale * width))))

    def part(self, x_BCHW: Tensor) -> Tensor:
        return x_BCHW[:, :, self.rows, self.columns].float()

    def averaged(self, x_BCHW: Tensor) -> Tensor:
        """(B, C, *size) float32: the mean over what becomes one pixel."""
        part = self.part(x_BCHW)
        return part if part.shape[2:] == self.size else F.interpolate(part, self.size, mode="area")

    def reduced(
        self, here_B4HW: Tensor, there_B4HW: Tensor, go_B2HW: Tensor, back_B2HW: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Pictures and motions as the network sees them."""
        return self.averaged(here_B4HW), self.averaged(there_B4HW), self._motion(go_B2HW), self._motion(back_B2HW)

    def _motion(self, step_B2HW: Tensor) -> Tensor:
        part = self.part(step_B2HW)
        height, width = part.shape[2:]
        if (height, width) == self.size:
            return part
        # One of the motions, not their average: that is the motion of neither surface.
        ratio = part.new_tensor([self.size[1] / width, self.size[0] / height]).view(1, 2, 1, 1)
        return F.interpolate(part, self.size, mode="nearest-exact") * ratio

    def enlarged(self, x_BCHW: Tensor) -> Tensor:
        """Back to the part's own size."""
        size = (self.rows.stop - self.rows.start, self.columns.stop - self.columns.start)
        return x_BCHW if size == self.size else F.interpolate(x_BCHW, size, mode="bilinear", align_corners=False)


def features(here_B4HW: Tensor, there_B4HW: Tensor, go_B2HW: Tensor, back_B2HW: Tensor) -> Tensor:
    """(B, len(FEATURES), H, W) float32.

    Args:
        here_B4HW, there_B4HW: scene-linear premultiplied colour.
        go_B2HW: pixels from this picture to the other one.
        back_B2HW: from the other picture to this one.
    """
    here, there = _shown(here_B4HW), _shown(there_B4HW)
    found, _ = warp(torch.cat([there, back_B2HW], 1), -go_B2HW)
    residual = _apart(here, found[:, :4])
    error = (go_B2HW + found[:, 4:]).square().sum(1, keepdim=True).sqrt()
    match = (1 - _apart(there, warp(here, -back_B2HW)[0]) / LIKE).clamp(min=0)
    dx, dy = _slopes(go_B2HW)
    luma = here.new_tensor(LUMA).view(1, 3, 1, 1)
    return torch.cat(
        [
            (here[:, :3] * luma).sum(1, keepdim=True),
            here[:, 3:],
            residual,
            _apart(here, there),
            absence(here, found[:, :4], NEAR),
            absence(here, there, FAR),
            rival(residual, go_B2HW),
            inconsistency(go_B2HW, found[:, 4:]),
            _squash(error),
            coverage(back_B2HW, torch.ones_like(match)),
            coverage(back_B2HW, match),
            _squash(go_B2HW),
            (dx[:, :1] + dy[:, 1:]).clamp(-1, 1),
            (dx.square() + dy.square()).sum(1, keepdim=True).sqrt().clamp(max=1),
        ],
        1,
    )


def _shown(color_B4HW: Tensor) -> Tensor:
    return torch.cat([on_white(color_B4HW), color_B4HW[:, 3:].clamp(0, 1)], 1)


def _apart(a_BCHW: Tensor, b_BCHW: Tensor) -> Tensor:
    return (a_BCHW - b_BCHW).abs().amax(1, keepdim=True)


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


def coverage(step_B2HW: Tensor, weight_B1HW: Tensor) -> Tensor:
    """(B, 1, H, W) 0..1: the mean over nine neighbouring pixels of the heaviest pixel of the other picture that moves
    to each; 0 where none does.

    Args:
        step_B2HW: of the other picture's pixels.
        weight_B1HW: theirs, 0..1.
    """
    place, inside = _places(step_B2HW)
    weight = torch.where(inside, weight_B1HW.flatten(1), 0.0)
    reached = torch.zeros_like(weight).scatter_reduce_(1, place, weight, "amax")
    return F.avg_pool2d(reached.view_as(weight_B1HW), 3, 1, 1, count_include_pad=False)


def rival(residual_B1HW: Tensor, step_B2HW: Tensor) -> Tensor:
    """(B, 1, H, W): by how much another pixel that moves to the same place looks more like what is there."""
    place, inside = _places(step_B2HW)
    own = residual_B1HW.flatten(1)
    best = own.new_full(own.shape, math.inf).scatter_reduce_(1, place, torch.where(inside, own, math.inf), "amin")
    return torch.where(inside, own - best.gather(1, place), 0.0).view_as(residual_B1HW)


def _places(step_B2HW: Tensor) -> tuple[Tensor, Tensor]:
    """Flat index of the pixel each pixel moves to, held inside the picture, and whether it stays inside; (B, H * W)."""
    H, W = step_B2HW.shape[2:]
    x, y = (positions(H, W, step_B2HW.device) + step_B2HW).round().long().unbind(1)
    inside = (x >= 0) & (x < W) & (y >= 0) & (y < H)
    return (y.clamp(0, H - 1) * W + x.clamp(0, W - 1)).flatten(1), inside.flatten(1)


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
        hidden_B1HW, seen_B1HW: 0..1, float32; of a reduced picture the share of a pixel's surface that is hidden, and
            the share of the pixel that shows a surface: the mean is then over the pixels of the picture itself.
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
        threshold: probability from which a pixel counts as hidden, of the best F1 on the calibration sets.
        data: the generated sets it learnt from, was calibrated and judged on, what the metrics mean, the flow
            estimator.
        seed, recipe: enough to train it again.
        versions: of the software that made it.
        metrics: numbers on the validation sets, which chose neither weights nor calibration nor threshold.
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
