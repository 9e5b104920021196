"""The project's own stylizer as a method of the benchmark, as it is and with parts of it left out.

Belongs here: how a variant changes training and drawing. Does not: which variants there are (`ablation`), the stylizer
itself (`model.stylizer`, `osf_pipeline.training`, `osf_pipeline.stylize`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from model.inputs import DRAWN_LINE, INK
from model.stylizer import Architecture
from model.stylizer import Stylizer as Network
from model.weights import Card
from osf_pipeline.bench.method import Budget, Drawer, Fit, Footage, Log
from osf_pipeline.evaluation.evaluate import Candidate
from osf_pipeline.stylize.frame import Stylizer
from osf_pipeline.stylize.look import Look
from osf_pipeline.training.exemplar import ExemplarData
from osf_pipeline.training.loop import train
from osf_pipeline.training.recipe import TrainRecipe

OURS = "ours"
PROBE_STEPS = 16
"""Steps from which the number that fits a wall time is told; the pool of composites fills during the first of them."""


@dataclass(frozen=True)
class Ours:
    """The single-run stylizer, or a variant of it; see `method.Method`.

    Attributes:
        recipe: keys of `TrainRecipe` that differ from its defaults; `withhold` leaves out guides.
        look: what an artist turns after training.
        network: False leaves the network out: the drawn line is shown as it is laid along contours.
    """

    name: str = OURS
    meaning: str = "the single-run stylizer of this project"
    recipe: Mapping[str, Any] = field(default_factory=dict)
    look: Look = field(default_factory=Look)
    network: bool = True

    def fit(self, exemplars: Sequence[ExemplarData], budget: Budget, log: Log | None = None) -> Fit:
        began = time.monotonic()
        recipe = TrainRecipe.model_validate(
            {
                "steps": budget.steps if self.network else 1,
                "seed": budget.seed,
                "threads": budget.threads,
                **self.recipe,
            }
        )
        if budget.seconds is not None:
            recipe = recipe.model_copy(update={"steps": _fitting(exemplars, recipe, budget.seconds)})
        found = train(exemplars, recipe, on_step=log)
        # Batch counters are training state; what is drawn does not depend on them.
        state = {k: v for k, v in found.model.state_dict().items() if not k.endswith("num_batches_tracked")}
        # Of the card only what decides how the weights draw: equal weights are told by equal fits.
        card = replace(found.card, recipe={}, seed=0, versions={}, metrics={})
        return Fit(
            state,
            {
                "card": card.to_json(),
                "steps": int(found.history[-1]["step"]),
                "seconds": time.monotonic() - began,
                "parameters": sum(p.numel() for p in found.model.parameters()),
            },
        )

    def drawer(self, exemplars: Sequence[ExemplarData], fit: Fit) -> Drawer:
        card = replace(Card.from_json(dict(fit.facts["card"])), recipe=dict(self.recipe))
        network = Network(card.architecture) if self.network else AsLaid(card.architecture)
        counters = {k: v for k, v in network.state_dict().items() if k.endswith("num_batches_tracked")}
        network.load_state_dict({**fit.tensors, **counters})
        stylizer = Stylizer(network.eval(), card)

        def draw(footage: Footage, position: int) -> Candidate:
            layers = stylizer(footage[position], look=self.look)
            return Candidate(layers["beauty"], layers["line"][3].astype(np.float32))

        return draw

    def macs(self, fit: Fit, height: int, width: int) -> int:
        if not self.network:
            return 0
        architecture = Architecture.from_json(dict(fit.facts["card"]["architecture"]))
        with torch.device("meta"), FlopCounterMode(display=False) as counter:
            Network(architecture).folded()(torch.empty(1, len(architecture.inputs), height, width))
        return int(counter.get_total_flops()) // 2


class AsLaid(Network):
    """No network at all: the logits are those of the drawn line itself."""

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return torch.logit(torch.cat([x_BCHW[:, INK], x_BCHW[:, DRAWN_LINE]], 1), 1e-6)

    def folded(self) -> AsLaid:
        return self.eval()


def _fitting(exemplars: Sequence[ExemplarData], recipe: TrainRecipe, seconds: float) -> int:
    """Steps that end within a wall time, the time to find out included; at most the recipe's."""
    began, marks = time.monotonic(), []

    def mark(step: int, terms: Mapping[str, float]) -> None:
        marks.append(time.monotonic())

    train(exemplars, recipe.model_copy(update={"steps": PROBE_STEPS}), on_step=mark)
    spent = time.monotonic() - began
    a_step = float(np.median(np.diff(marks)))
    preparing = spent - PROBE_STEPS * a_step
    return max(1, min(recipe.steps, int((seconds - spent - preparing) / a_step)))
