"""A network that paints the whole picture, as earlier keyframe stylizers do: RGB in, RGB out, coverage taken over.

Belongs here: what such a network is given and paints, its loss, one training step. Does not: ours, which draws a line
over the fill (`stylizer`); edges, patches, the order of two such networks (`osf_pipeline.bench.methods`).

Inputs follow DrawingSpinUp (arXiv 2409.08615): RGB in -1..1, coverage, two coordinates of the rest position in -1..1.
Its tanh here bounds the change of the given colour instead of the colour, which at few steps is far better. The trunk,
optimiser, learning-rate curve and averaging are those of the stylizer, so that only the design differs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from model.color import on_white, srgb_decode
from model.losses import LossWeights, gradient_l1
from model.trunk import Trunk, channels_last

INPUTS = ("red", "green", "blue", "alpha", "rest_x", "rest_y")


def pack(rgb_B3HW: Tensor, alpha_B1HW: Tensor, rest_B2HW: Tensor) -> Tensor:
    """(B, 6, H, W) network input; colour and rest position in -1..1.

    Args:
        rgb_B3HW: straight display-encoded colour in 0..1, 0 where nothing is seen.
        rest_B2HW: 0..1 over the rest box, 0 where nothing is seen.
    """
    return torch.cat([2 * rgb_B3HW - 1, alpha_B1HW, 2 * rest_B2HW - 1], 1)


class Painter(Trunk):
    """Packed inputs to a picture. An untrained network paints the colour it is given."""

    def __init__(self, width: int = 24, blocks: int = 4) -> None:
        super().__init__(len(INPUTS), 3, width, blocks)
        self.width, self.blocks = width, blocks
        assert self.head.bias is not None
        nn.init.zeros_(self.head.bias)

    def forward(self, x_B6HW: Tensor) -> Tensor:
        """(B, 3, H, W) straight display-encoded colour in 0..1; H and W multiples of 4."""
        painted = (x_B6HW[:, :3] + 1) / 2 + torch.tanh(super().forward(x_B6HW))
        # The gradient passes the clamp, or what was painted black beforehand could never turn lighter again.
        return painted + (painted.clamp(0, 1) - painted).detach()


def covered(rgb_B3HW: Tensor, alpha_B1HW: Tensor) -> Tensor:
    """(B, 4, H, W) scene-linear premultiplied layer: the painted colour within the render's coverage."""
    return torch.cat([srgb_decode(rgb_B3HW) * alpha_B1HW, alpha_B1HW], 1)


@dataclass(frozen=True)
class Patches:
    """Training patches.

    Attributes:
        inputs: (B, 6, H, W) as `pack` makes them.
        alpha: (B, 1, H, W) coverage of the render.
        wanted: (B, 3, H, W) the drawing on white, display-encoded.
        weight: (B, 1, H, W) in 0..1; where 0 nothing is learnt.
    """

    inputs: Tensor
    alpha: Tensor
    wanted: Tensor
    weight: Tensor


def painting_loss(model: Painter, patches: Patches, weights: LossWeights) -> Tensor:
    """The stylizer's pixel and gradient terms on the picture over white, within the render's coverage."""
    inputs = patches.inputs.contiguous(memory_format=torch.channels_last)
    seen = on_white(covered(model(inputs), patches.alpha))
    counted = patches.weight * (patches.alpha > 0)
    wanted = patches.wanted * counted + seen.detach() * (1 - counted)
    return weights.pixel * (seen - wanted).abs().mean() + weights.gradient * gradient_l1(seen, wanted)


class PainterTraining:
    """A painter, its running average and its optimiser; the counterpart of `training_step.TrainingState`.

    Args:
        steps: length of the run: linear warm-up over 20 steps, then cosine to 5 %.
        rate: peak learning rate of Adam (betas .9, .99).
        decay: of the running average; a young average forgets faster.
    """

    WARM_UP = 20

    def __init__(self, model: Painter, steps: int, rate: float, decay: float = 0.99) -> None:
        self.model = channels_last(model).train()
        self.steps, self.rate, self.done = steps, rate, 0

        def towards(mean: Tensor, new: Tensor, count: Tensor | int) -> Tensor:
            keep = min(decay, (1 + int(count)) / (10 + int(count)))
            return mean * keep + new * (1 - keep)

        self.average = AveragedModel(self.model, avg_fn=towards, use_buffers=True)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=rate, betas=(0.9, 0.99))

    def learning_rate(self, step: int) -> float:
        warm = min(1.0, (step + 1) / self.WARM_UP)
        return self.rate * warm * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * step / self.steps)))

    def step(self, patches: Patches, weights: LossWeights) -> float:
        """Take one step and return the loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate(self.done)
        self.optimizer.zero_grad(set_to_none=True)
        loss = painting_loss(self.model, patches, weights)
        loss.backward()
        self.optimizer.step()
        self.average.update_parameters(self.model)
        self.done += 1
        return loss.item()

    def averaged(self) -> Painter:
        """The running average in evaluation mode. Shares no memory with the training."""
        twin = Painter(self.model.width, self.model.blocks)
        twin.load_state_dict(self.average.module.state_dict())
        return twin.eval()
