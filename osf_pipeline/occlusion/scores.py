"""How good an estimate of occlusion is.

Belongs here: F1, thresholds, calibration, and their baseline, over pixels that show a surface. Does not: which frames
they are taken over (`stage`, the benchmark).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from model.warp import inconsistency_ratio, warp
from osf_pipeline.occlusion.examples import Example

BINS = 15
"""Of the reliability diagram (Guo et al. 2017)."""

DOUBT = 0.02
"""Predictions above this are in doubt: without the many pixels that anybody tells visible, calibration is harder."""

Estimate = Callable[[Example], Tensor]
"""(1, 1, H, W) score, higher where more surely hidden."""


@dataclass(frozen=True)
class Scores:
    """Estimates of some frames against the truth, one entry per pixel that shows a surface.

    Attributes:
        estimate: (N,) float32.
        hidden: (N,) bool, the truth.
    """

    estimate: np.ndarray
    hidden: np.ndarray

    @classmethod
    def pooled(cls, parts: Iterable[Self]) -> Self:
        every = list(parts)
        return cls(np.concatenate([p.estimate for p in every]), np.concatenate([p.hidden for p in every]))

    def f1(self, threshold: float) -> float:
        """Of calling hidden what is estimated at or above the threshold; NaN when nothing is hidden."""
        if not self.hidden.any():
            return float("nan")
        called = self.estimate >= threshold
        return float(2 * (called & self.hidden).sum() / (called.sum() + self.hidden.sum()))

    def best_threshold(self) -> float:
        """The threshold of the highest F1."""
        order = np.argsort(-self.estimate, kind="stable")
        ranked = self.estimate[order]
        hits = np.cumsum(self.hidden[order])
        f1 = 2 * hits / (np.arange(1, len(hits) + 1) + self.hidden.sum())
        last = np.append(ranked[1:] != ranked[:-1], True)  # equal estimates are called alike
        return float(ranked[np.argmax(np.where(last, f1, -1.0))])

    def reliability(self) -> list[tuple[float, float, int]]:
        """Per bin of predicted probability that holds any: mean prediction, share that is hidden, pixels."""
        place = np.minimum((self.estimate * BINS).astype(int), BINS - 1)
        count = np.bincount(place, minlength=BINS)
        predicted, true = (np.bincount(place, weights=w, minlength=BINS) for w in (self.estimate, self.hidden))
        return [(predicted[b] / count[b], true[b] / count[b], int(count[b])) for b in np.flatnonzero(count)]

    def ece(self) -> float:
        """Expected calibration error: mean distance of predicted and true share, by pixels; NaN of none."""
        if not len(self.estimate):
            return float("nan")
        return float(sum(abs(p - t) * n for p, t, n in self.reliability()) / len(self.estimate))

    def in_doubt(self) -> Scores:
        """Without the pixels predicted visible by all but `DOUBT`."""
        kept = self.estimate > DOUBT
        return Scores(self.estimate[kept], self.hidden[kept])


def scored(estimates: Mapping[str, Estimate], examples: Iterable[Example]) -> dict[str, dict[str, Scores]]:
    """Every estimate on the same examples: its name to sequence to scores."""
    parts: dict[str, dict[str, list[Scores]]] = {name: {} for name in estimates}
    with torch.inference_mode():
        for e in examples:
            for name, estimate in estimates.items():
                found = Scores(estimate(e)[e.seen].numpy(), e.hidden[e.seen].numpy())
                parts[name].setdefault(e.sequence, []).append(found)
    return {name: {s: Scores.pooled(p) for s, p in found.items()} for name, found in parts.items()}


def f1_by_sequence(scores: Mapping[str, Scores], threshold: float) -> dict[str, float]:
    """F1 of every sequence in which anything is hidden."""
    return {name: s.f1(threshold) for name, s in scores.items() if s.hidden.any()}


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """First quartile, median and third quartile; NaN of nothing."""
    if not values:
        return (float("nan"),) * 3
    low, middle, high = np.percentile(values, [25, 50, 75])
    return float(low), float(middle), float(high)


def forward_backward(example: Example) -> Tensor:
    """The baseline: by how much the flow back misses the way there, in units of what is allowed (`inconsistency`)."""
    go, back = example.go.step.float(), example.back.step.float()
    return inconsistency_ratio(go, warp(back, -go)[0])
