"""What the benchmark asks of a method: learn a style from its drawings, then draw the frames of a shot.

Belongs here: the contract. Does not: the methods (`methods`), what is measured (`osf_pipeline.evaluation`), the
order of things (`stage`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from osf_pipeline.evaluation.evaluate import Candidate
from osf_pipeline.training.exemplar import ExemplarData

Log = Callable[[int, Mapping[str, float]], None]
"""Called with (step, values)."""


@dataclass(frozen=True)
class Budget:
    """How much a method may learn; the same for all that are compared.

    Attributes:
        steps: optimiser steps of each network. A method of two networks takes as many for each.
        seconds: wall time of everything a style costs, data making included, divided among a method's networks; the
            first of the two to end ends it. None is no limit, and alone is reproducible.
        seed: of weights, data and patches.
        threads: torch threads.
    """

    steps: int
    seconds: float | None = None
    seed: int = 0
    threads: int = 2


@dataclass(frozen=True)
class Fit:
    """What a method has learnt of one style.

    Attributes:
        tensors: weights and buffers, flat, named; empty where nothing is learnt.
        facts: JSON; what else drawing needs, and what is reported: `steps`, `seconds`, `parameters`.
    """

    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


class Footage(Protocol):
    """The frames of one shot as a method may see them; nothing of the truth. Colour is linear Rec. 709.

    Attributes:
        frames: studio frame numbers; a position counts from 0.
        size: height, width.
    """

    @property
    def frames(self) -> Sequence[int]: ...

    @property
    def size(self) -> tuple[int, int]: ...

    def __getitem__(self, position: int) -> Mapping[str, np.ndarray]:
        """Canonical G-buffers and guidance of one frame, `(channel, y, x)`, by their names in `buffers`."""
        ...

    def flow(self, position: int) -> tuple[np.ndarray, np.ndarray]:
        """Estimated motion between the frame before and this one, each (2, y, x) float32 pixels: `back`, for
        `before(p - back) = now(p)`, and `forth`, for `now(p + forth) = before(p)`, from colour alone.

        Raises:
            IndexError: for the first frame.
        """
        ...


class Drawer(Protocol):
    """One style, ready to draw. It paints the whole frame; the benchmark keeps the style's own objects."""

    def __call__(self, footage: Footage, position: int) -> Candidate: ...


class Method(Protocol):
    """A way to stylize.

    Attributes:
        name: as printed in tables; unique.
        meaning: one line for the report.
    """

    @property
    def name(self) -> str: ...

    @property
    def meaning(self) -> str: ...

    def fit(self, exemplars: Sequence[ExemplarData], budget: Budget, log: Log | None = None) -> Fit:
        """Learn a style; a pure function of its arguments while `budget.seconds` is None. Methods of one class that
        differ in nothing but `name` and `meaning` learn the same."""
        ...

    def drawer(self, exemplars: Sequence[ExemplarData], fit: Fit) -> Drawer:
        """Make ready to draw; cheap beside `fit`."""
        ...

    def macs(self, fit: Fit, height: int, width: int) -> int:
        """Multiply-accumulates of the networks for one frame of that size; 0 without networks."""
        ...
