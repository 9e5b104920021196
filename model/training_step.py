"""One training step of the stylizer, and everything that must survive an interruption.

Belongs here: optimiser, averaging, learning-rate curve, precision, one step. Does not: data, files, the loop, which
precision a machine has (`osf_pipeline.training`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Self

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from model.losses import LossWeights, drawing_loss
from model.perceptual import STLPIPS
from model.strokes import Strokes
from model.stylizer import Architecture, Line, Stylizer
from model.trunk import channels_last

LossTerm = Callable[[Line, Tensor, Tensor], Tensor]
"""Called with a line, the (B, 4, H, W) render it lies on and the (B, 4, H, W) drawing, both scene-linear premultiplied;
returns a differentiable scalar."""

_Tensors = list[Tensor] | tuple[Tensor, ...]


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

    def pinned(self) -> Self:
        """A copy in page-locked memory, from which `to` need not wait."""
        return type(self)(*(getattr(self, f.name).pin_memory() for f in fields(self)))

    def to(self, device: str) -> Self:
        """On that device; a copy of a pinned batch goes on beside the work queued before it."""
        return type(self)(*(getattr(self, f.name).to(device, non_blocking=True) for f in fields(self)))


@dataclass(frozen=True)
class Objective:
    """What training drives down.

    Attributes:
        weights: of the built-in terms.
        features: the frozen network of the perceptual term; needed when its weight is above 0.
        extra: further terms by name, each with its weight.
    """

    weights: LossWeights = field(default_factory=LossWeights)
    features: STLPIPS | None = None
    extra: Mapping[str, tuple[float, LossTerm]] = field(default_factory=dict)

    def __call__(self, line: Line, fill_B4HW: Tensor, target_B4HW: Tensor) -> dict[str, Tensor]:
        """The weighted terms, and their sum under `total`."""
        terms = drawing_loss(line, fill_B4HW, target_B4HW, self.weights, self.features)
        more = {name: weight * term(line, fill_B4HW, target_B4HW) for name, (weight, term) in self.extra.items()}
        return {**terms, **more, "total": sum(more.values(), start=terms["total"])}


@dataclass(frozen=True)
class Numerics:
    """How a step is computed; part of bit-equality.

    Attributes:
        device: `cpu` or `cuda`.
        dtype: of the network's convolutions; weights, losses and the optimiser stay float32.
        compiled: with `torch.compile`.
    """

    device: str = "cpu"
    dtype: torch.dtype = torch.float32
    compiled: bool = False


class TrainingState:
    """Model, running average and optimiser.

    Args:
        strokes: the style's drawn line.
        steps: length of the whole run, for the learning-rate curve: linear warm-up over 20 steps, then cosine to 5 %.
        rate: peak learning rate of Adam (betas .9, .99).
        decay: of the running average. A young one forgets faster, or it would hold the random start for a hundred
            steps.
    """

    WARM_UP = 20

    def __init__(
        self,
        architecture: Architecture,
        strokes: Strokes,
        steps: int,
        rate: float,
        decay: float = 0.99,
        numerics: Numerics | None = None,
    ) -> None:
        self.numerics = numerics or Numerics()
        self.model = channels_last(Stylizer(architecture)).train()
        self.model.strokes.load_state_dict(strokes.state_dict())
        self.model.to(self.numerics.device)
        self.steps, self.rate, self.decay, self.done = steps, rate, decay, 0
        self.average = AveragedModel(self.model, multi_avg_fn=self._towards, use_buffers=True)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=rate, betas=(0.9, 0.99), fused=True)
        self.scaler = torch.amp.GradScaler(self.numerics.device, enabled=self.numerics.dtype is torch.float16)
        if self.numerics.compiled:
            self.model.compile()

    def learning_rate(self, step: int) -> float:
        warm = min(1.0, (step + 1) / self.WARM_UP)
        return self.rate * warm * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * step / self.steps)))

    def step(self, batch: Batch, objective: Objective) -> dict[str, float]:
        """Take one step and return the weighted loss terms. The batch lies on the state's device."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate(self.done)
        self.optimizer.zero_grad(set_to_none=True)
        terms = patch_loss(self.model, batch, objective, self.numerics)
        self.scaler.scale(terms["total"]).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.average.update_parameters(self.model)
        self.done += 1
        values = torch.stack([value.detach() for value in terms.values()]).tolist()  # one transfer, not one a term
        return dict(zip(terms, values, strict=True))

    def averaged(self) -> Stylizer:
        """The running average in evaluation mode: what is kept. Shares no memory with the state."""
        twin = Stylizer(self.model.architecture).to(self.numerics.device)
        twin.load_state_dict(self.average.module.state_dict())
        return twin.eval()

    def tensors(self) -> dict[str, Tensor]:
        """Everything a resumed run needs, flat."""
        flat = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        flat |= {f"average.{k}": v for k, v in self.average.state_dict().items()}
        for index, slots in self.optimizer.state_dict()["state"].items():
            flat |= {f"adam.{index}.{name}": value for name, value in slots.items()}
        # Empty where no loss is scaled.
        return flat | {f"scaler.{k}": torch.tensor(v, dtype=torch.float64) for k, v in self.scaler.state_dict().items()}

    def restore(self, tensors: dict[str, Tensor], done: int) -> None:
        """Continue from `tensors()` of an equal run after `done` steps."""

        def section(name: str) -> dict[str, Tensor]:
            return {k.removeprefix(f"{name}."): v for k, v in tensors.items() if k.startswith(f"{name}.")}

        self.model.load_state_dict(section("model"))
        self.average.load_state_dict(section("average"))
        slots: dict[int, dict[str, Tensor]] = {}
        parameters = list(self.model.parameters())
        for key, value in section("adam").items():
            index, name = key.split(".")
            like = parameters[int(index)]
            if value.shape == like.shape:
                # In the parameter's own memory layout: the fused optimiser walks all of them side by side.
                value = torch.empty_like(like).copy_(value)
            slots.setdefault(int(index), {})[name] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": slots})
        scaler, stored = self.scaler.state_dict(), section("scaler")
        self.scaler.load_state_dict({name: type(was)(stored[name].item()) for name, was in scaler.items()})
        self.done = done

    def _towards(self, means: _Tensors, news: _Tensors, _: Tensor | int) -> None:
        if means[0].is_floating_point():
            torch._foreach_lerp_(means, news, 1 - min(self.decay, (1 + self.done) / (10 + self.done)))
        else:  # batch counters
            torch._foreach_copy_(means, news)


def patch_loss(
    model: Stylizer, batch: Batch, objective: Objective, numerics: Numerics | None = None
) -> dict[str, Tensor]:
    """Weighted loss terms of one batch, in the model's current mode."""
    numerics = numerics or Numerics(batch.inputs.device.type)
    reduced = numerics.dtype is not torch.float32
    with torch.autocast(numerics.device, numerics.dtype, enabled=reduced):
        logits = model(batch.inputs.contiguous(memory_format=torch.channels_last))
    line = Line.of(logits.float())
    drawn = line.over(batch.fill).detach()
    target = batch.target * batch.weight + drawn * (1 - batch.weight)
    return objective(line, batch.fill, target)
