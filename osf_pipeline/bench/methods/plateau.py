"""A method trained until more training buys nothing, so that nobody is beaten for want of steps.

Belongs here: how long that is. Does not: which method, and at which size.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from osf_pipeline.bench.method import Budget, Drawer, Fit, Log
from osf_pipeline.bench.methods.painted import SingleRun, TwoStage, held_out_loss
from osf_pipeline.training.exemplar import ExemplarData


@dataclass(frozen=True)
class ToPlateau:
    """A painting method whose steps are doubled until the held-out loss falls by less than `gain`.

    Every round starts anew, so that each ends with its learning rate run down; the best round is kept. `budget.steps`
    are those of the first round; `budget.seconds` is not heeded.

    Attributes:
        gain: share of the held-out loss that a round must save to be followed by another.
        rounds: at most; `plateau` in the facts says whether they were enough.
    """

    method: TwoStage | SingleRun
    gain: float = 0.01
    rounds: int = 6
    name: str = field(init=False)
    meaning: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", f"{self.method.name}, to its plateau")
        object.__setattr__(self, "meaning", f"{self.method.meaning}; steps doubled until they buy nothing")

    def fit(self, exemplars: Sequence[ExemplarData], budget: Budget, log: Log | None = None) -> Fit:
        began, best, spent, reached = time.monotonic(), None, 0, False
        for number in range(self.rounds):
            found = self.method.fit(exemplars, replace(budget, steps=budget.steps << number, seconds=None), log)
            spent += found.facts["steps"]
            reached = best is not None and held_out_loss(found) > (1 - self.gain) * held_out_loss(best)
            if best is None or held_out_loss(found) < held_out_loss(best):
                best = found
            if reached:
                break
        assert best is not None
        facts = {"plateau": reached, "spent": spent, "seconds": time.monotonic() - began}
        return Fit(best.tensors, {**best.facts, **facts})

    def drawer(self, exemplars: Sequence[ExemplarData], fit: Fit) -> Drawer:
        return self.method.drawer(exemplars, fit)

    def macs(self, fit: Fit, height: int, width: int) -> int:
        return self.method.macs(fit, height, width)
