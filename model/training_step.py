"""One training step of the stylizer, and everything that must survive an interruption.

Belongs here: optimiser, averaging, learning-rate curve, one step. Does not: data, files, the loop
(`osf_pipeline.training`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from model.losses import LossWeights, drawing_loss
from model.perceptual import STLPIPS
from model.strokes import Strokes
from model.stylizer import Architecture, Line, Stylizer
from model.trunk import channels_last


@dataclass(frozen=True)
class Batch:
    """Training patches.

    Attributes:
        inputs: (B, C, H, W) packed network inputs.
        fill, target: (B, 4, H, W) scene-linear premultiplied render and drawing.
        weight: (B, 1, H, W) in 0..1; where 0 the target is replaced by what the network drew.
    """

    inputs: Tensor
    fill: Tensor
    target: Tensor
    weight: Tensor


class TrainingState:
    """Model, running average and optimiser.

    Args:
        strokes: the style's drawn line.
        steps: length of the whole run, for the learning-rate curve: linear warm-up over 20 steps, then cosine to 5 %.
        rate: peak learning rate of Adam (betas .9, .99).
    """

    WARM_UP = 20

    def __init__(
        self, architecture: Architecture, strokes: Strokes, steps: int, rate: float, decay: float = 0.99
    ) -> None:
        self.model = channels_last(Stylizer(architecture)).train()
        self.model.strokes.load_state_dict(strokes.state_dict())

        def towards(mean: Tensor, new: Tensor, count: Tensor | int) -> Tensor:
            # A young average forgets faster, or it would hold the random start for a hundred steps.
            keep = min(decay, (1 + int(count)) / (10 + int(count)))
            return mean * keep + new * (1 - keep)

        self.average = AveragedModel(self.model, avg_fn=towards, use_buffers=True)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=rate, betas=(0.9, 0.99))
        self.steps, self.rate, self.done = steps, rate, 0

    def learning_rate(self, step: int) -> float:
        warm = min(1.0, (step + 1) / self.WARM_UP)
        return self.rate * warm * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * step / self.steps)))

    def step(self, batch: Batch, weights: LossWeights, features: STLPIPS | None = None) -> dict[str, float]:
        """Take one step and return the weighted loss terms."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate(self.done)
        self.optimizer.zero_grad(set_to_none=True)
        terms = patch_loss(self.model, batch, weights, features)
        terms["total"].backward()
        self.optimizer.step()
        self.average.update_parameters(self.model)
        self.done += 1
        return {name: value.item() for name, value in terms.items()}

    def averaged(self) -> Stylizer:
        """The running average in evaluation mode: what is kept. Shares no memory with the state."""
        twin = Stylizer(self.model.architecture)
        twin.load_state_dict(self.average.module.state_dict())
        return twin.eval()

    def tensors(self) -> dict[str, Tensor]:
        """Everything a resumed run needs, flat."""
        flat = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        flat |= {f"average.{k}": v for k, v in self.average.state_dict().items()}
        for index, slots in self.optimizer.state_dict()["state"].items():
            flat |= {f"adam.{index}.{name}": value for name, value in slots.items()}
        return flat

    def restore(self, tensors: dict[str, Tensor], done: int) -> None:
        """Continue from `tensors()` of an equal run after `done` steps."""

        def section(name: str) -> dict[str, Tensor]:
            return {k.removeprefix(f"{name}."): v for k, v in tensors.items() if k.startswith(f"{name}.")}

        self.model.load_state_dict(section("model"))
        self.average.load_state_dict(section("average"))
        slots: dict[int, dict[str, Tensor]] = {}
        for key, value in section("adam").items():
            index, name = key.split(".")
            # A copy in the parameter's own memory layout, so that a resumed step runs the same kernels.
            slots.setdefault(int(index), {})[name] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": slots})
        self.done = done


def patch_loss(
    model: Stylizer, batch: Batch, weights: LossWeights, features: STLPIPS | None = None
) -> dict[str, Tensor]:
    """Weighted loss terms of one batch, in the model's current mode."""
    line = Line.of(model(batch.inputs.contiguous(memory_format=torch.channels_last)))
    drawn = line.over(batch.fill).detach()
    target = batch.target * batch.weight + drawn * (1 - batch.weight)
    return drawing_loss(line, batch.fill, target, weights, features)
