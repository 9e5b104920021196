"""Methods on styles and sequences: learnt, measured, kept.

Belongs here: the order of learning and measuring that the benchmark and its ablations share, and where it is kept. Does
not: which methods and sequences (`stage`, `ablation`), one fit (`fits`), one measurement (`measure`).

Fits, estimated flow, costs and measurements lie in `root/benchmark/cache/` by their own identities, so that a killed
run continues and two runs share what they have in common.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import torch

from osf_pipeline.bench import code
from osf_pipeline.bench.fits import KeptFit, Style, learn
from osf_pipeline.bench.measure import Entry, measure, measured
from osf_pipeline.bench.method import Budget, Method
from osf_pipeline.bench.request import Comparison
from osf_pipeline.bench.sequences import BenchSequence
from osf_pipeline.execution import Progress
from osf_pipeline.layout import Layout, join

FOLDER = "benchmark"
MORE = 10
RESULT = [
    "comparison", "set", "sequence", "character", "method", "seed", "region", "metric", "value", "frames", "pixels",
]  # fmt: skip


@dataclass(frozen=True)
class Cache:
    """Where results of one kind are kept by their identity."""

    root: str

    @classmethod
    def of(cls, layout: Layout) -> Cache:
        return cls(join(layout.root, FOLDER, "cache"))

    @property
    def fits(self) -> str:
        return join(self.root, "fits")

    @property
    def flows(self) -> str:
        return join(self.root, "flow")

    @property
    def measured(self) -> str:
        return join(self.root, "measured")


def begin(layout: Layout, threads: int) -> Cache:
    """What a run starts with: the torch threads it learns and draws with, its code, its cache."""
    torch.set_num_threads(threads)
    code.take_note()
    return Cache.of(layout)


def styles_of(layout: Layout, sequences: Sequence[BenchSequence]) -> dict[str, Style]:
    """Every style that the sequences are drawn in."""
    used = sorted({style for sequence in sequences for style in sequence.styles.values()})
    return {name: Style.read(layout, name) for name in used}


@dataclass(frozen=True)
class Run:
    """One method with one seed, and what it has learnt of each style."""

    comparison: Comparison
    method: Method
    seed: int
    fits: Mapping[str, KeptFit]

    @property
    def entry(self) -> Entry:
        return Entry(self.method, self.fits)

    @property
    def seconds(self) -> float:
        """Mean over the styles that were learnt."""
        return sum(fit.seconds for fit in self.fits.values()) / len(self.fits)


@dataclass(frozen=True)
class Trial:
    """Runs, and what all of them are measured on."""

    sequences: Sequence[BenchSequence]
    styles: Mapping[str, Style]
    runs: Sequence[Run]

    def keys(self, perceptual_frames: int) -> list[str]:
        """Identity of every measurement."""
        return [run.entry.key(sequence, perceptual_frames) for sequence in self.sequences for run in self.runs]


def learn_all(
    cache: Cache,
    methods: Sequence[Method],
    styles: Mapping[str, Style],
    budgets: Sequence[Budget],
    progress: Progress | None = None,
) -> list[Run]:
    """Every method on every style with every budget."""
    runs = []
    for method in methods:
        for budget in budgets:
            fits = {name: _learn(cache, style, method, budget, progress) for name, style in styles.items()}
            runs.append(Run("equal steps", method, budget.seed, fits))
    return runs


def learn_in_time(
    cache: Cache, methods: Sequence[Method], styles: Mapping[str, Style], pace: Run, budget: Budget,
    progress: Progress | None = None,
) -> list[Run]:  # fmt: skip
    """Every method on every style, each with the seconds that another run took for it; that run comes first.

    Whoever is faster may take `MORE` times the steps.
    """
    runs = [Run("equal time", pace.method, pace.seed, pace.fits)]
    for method in methods:
        fits = {}
        for name, style in styles.items():
            limited = Budget(MORE * budget.steps, pace.fits[name].seconds, budget.seed, budget.threads)
            fits[name] = _learn(cache, style, method, limited, progress)
        runs.append(Run("equal time", method, budget.seed, fits))
    return runs


def _learn(cache: Cache, style: Style, method: Method, budget: Budget, progress: Progress | None) -> KeptFit:
    text = f"learning {style.name}, {method.name}, seed {budget.seed}"

    def log(step: int, values: Mapping[str, float]) -> None:
        if progress:
            progress(min(step, budget.steps), budget.steps, text)

    return learn(cache.fits, style, method, budget, log)


def measure_all(cache: Cache, trial: Trial, perceptual_frames: int, progress: Progress | None = None) -> pd.DataFrame:
    """Every run on every sequence: the tidy table of `RESULT`."""
    rows = []
    for sequence in trial.sequences:
        entries = {run.entry.key(sequence, perceptual_frames): run.entry for run in trial.runs}
        left = {key: entry for key, entry in entries.items() if measured(cache.measured, key) is None}
        if left:
            measure(
                cache.measured, sequence, left, trial.styles,
                flows=cache.flows, perceptual_frames=perceptual_frames, progress=progress,
            )  # fmt: skip
        for run in trial.runs:
            table, _ = tables(cache, sequence, run, perceptual_frames)
            shown = {"set": sequence.group, "sequence": sequence.shot, "character": sequence.character}
            rows.append(table.assign(comparison=run.comparison, **shown, method=run.method.name, seed=run.seed))
    return pd.concat(rows, ignore_index=True)[RESULT]


def tables(
    cache: Cache, sequence: BenchSequence, run: Run, perceptual_frames: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What `measure_all` measured of one run on one sequence: the table, and its values frame by frame."""
    found = measured(cache.measured, run.entry.key(sequence, perceptual_frames))
    assert found is not None
    return found
