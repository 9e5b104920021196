"""The benchmark stage: sequences, fits, measurements, tables.

Belongs here: the order of things, the folders. Does not: any of them in detail.

Everything lies under `root/benchmark/`: fits, estimated flow and measurements by their own identities in `cache/`, so
that a killed run continues and two runs share what they have in common; `<id>/` holds one run's tables and pictures.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from osf_pipeline.bench.catalogue import chosen
from osf_pipeline.bench.fits import KeptFit, Style, learn
from osf_pipeline.bench.measure import Entry, measure, measured
from osf_pipeline.bench.method import Budget, Log, Method
from osf_pipeline.bench.ours import OURS
from osf_pipeline.bench.request import BenchRequest, Comparison
from osf_pipeline.bench.sequences import BenchSequence, generated, in_folder
from osf_pipeline.bench.statistics import summarize
from osf_pipeline.errors import RequestError
from osf_pipeline.evaluation.evaluate import csv, markdown
from osf_pipeline.execution import Execution, Progress
from osf_pipeline.layout import Layout, join
from osf_pipeline.store.files import write_bytes, write_json
from osf_pipeline.store.identity import identity

KIND = "benchmark"
STAGE_VERSION = 1
FOLDER = "benchmark"
RESULT = ["comparison", "set", "sequence", "method", "seed", "region", "metric", "value", "frames", "pixels"]


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


@dataclass(frozen=True)
class Cache:
    """Where results of one kind are kept by their identity."""

    root: str

    @property
    def fits(self) -> str:
        return join(self.root, "fits")

    @property
    def flows(self) -> str:
        return join(self.root, "flow")

    @property
    def measured(self) -> str:
        return join(self.root, "measured")


def cache_of(layout: Layout) -> Cache:
    return Cache(join(layout.root, FOLDER, "cache"))


def sequences_of(
    layout: Layout, request: BenchRequest, execution: Execution, progress: Progress | None = None
) -> list[BenchSequence]:
    """
    Raises:
        RequestError: when there are none.
    """
    found = []
    if request.generated is not None:
        found += generated(layout, request.generated, execution, progress)
    for folder in request.folders:
        found += in_folder(layout, folder, execution, progress)
    if not found:
        raise RequestError("nothing to measure on", fix="Ask for generated sequences, or name a folder of some.")
    return found


def learn_all(
    cache: Cache,
    methods: Sequence[Method],
    styles: Mapping[str, Style],
    budgets: Sequence[Budget],
    comparison: Comparison = "equal steps",
    progress: Progress | None = None,
) -> list[Run]:
    """Every method on every style with every budget; what is kept is not learnt again."""
    runs, done, total = [], 0, len(methods) * len(budgets) * len(styles)
    for method in methods:
        for budget in budgets:
            fits = {}
            for name, style in styles.items():
                text = f"learning {name}, {method.name}, seed {budget.seed}"
                if progress:
                    progress(done, total, text)
                fits[name] = learn(cache.fits, style, method, budget, _log(progress, budget, text))
                done += 1
            runs.append(Run(comparison, method, budget.seed, fits))
    if progress:
        progress(done, total, "learning")
    return runs


def _log(progress: Progress | None, budget: Budget, text: str) -> Log:
    def log(step: int, values: Mapping[str, float]) -> None:
        if progress:
            progress(min(step, budget.steps - 1), budget.steps, text)

    return log


def equal_time(
    cache: Cache,
    methods: Sequence[Method],
    styles: Mapping[str, Style],
    first: Sequence[Run],
    request: BenchRequest,
    progress: Progress | None = None,
) -> list[Run]:
    """The other methods, each with the seconds that ours took for the same style and seed."""
    runs = [replace(run, comparison="equal time") for run in first if run.method.name == OURS]
    for ours in list(runs):
        for method in methods:
            if method.name == OURS:
                continue
            fits = {}
            for name, style in styles.items():
                budget = Budget(request.steps, ours.fits[name].seconds, ours.seed, request.threads)
                text = f"learning {name}, {method.name}, seed {ours.seed}, {ours.fits[name].seconds:.0f} s"
                fits[name] = learn(cache.fits, style, method, budget, _log(progress, budget, text))
            runs.append(Run("equal time", method, ours.seed, fits))
    return runs


def measure_all(
    cache: Cache,
    sequences: Sequence[BenchSequence],
    runs: Sequence[Run],
    styles: Mapping[str, Style],
    perceptual_frames: int,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Every run on every sequence: the tidy table of `RESULT`."""
    rows = []
    for sequence in sequences:
        keys = [run.entry.key(sequence, perceptual_frames) for run in runs]
        entries = {key: run.entry for key, run in zip(keys, runs, strict=True)}
        left = {key: entry for key, entry in entries.items() if measured(cache.measured, key) is None}
        if left:
            measure(
                cache.measured, sequence, left, styles,
                flows=cache.flows, perceptual_frames=perceptual_frames, progress=progress,
            )  # fmt: skip
        for key, run in zip(keys, runs, strict=True):
            found = measured(cache.measured, key)
            assert found is not None
            rows.append(
                found[0].assign(
                    comparison=run.comparison, set=sequence.group, sequence=sequence.shot, method=run.method.name,
                    seed=run.seed,
                )
            )  # fmt: skip
    return pd.concat(rows, ignore_index=True)[RESULT]


@dataclass(frozen=True)
class BenchResult:
    """A finished benchmark.

    Attributes:
        id: identity of the run; url: its folder.
        markdown: the headline table.
        figures: method to region to metric to value, with the method's work beside its regions.
    """

    id: str
    url: str
    results: pd.DataFrame
    summary: pd.DataFrame
    markdown: str
    figures: dict[str, Any]
    seconds: float


def bench(
    layout: Layout, request: BenchRequest, execution: Execution | None = None, progress: Progress | None = None
) -> BenchResult:
    """Run the benchmark, or what is left of it.

    Raises:
        RequestError: for an unknown method, or when there is nothing to measure on.
        RequestError, InputDataError: as the stages that make the sequences.
    """
    began = time.monotonic()
    execution = execution or Execution(threads=request.threads)
    methods = chosen(request.methods)
    sequences = sequences_of(layout, request, execution, progress)
    names = sorted({style for sequence in sequences for style in sequence.styles.values()})
    styles = {name: Style.read(layout, name) for name in names}
    cache = cache_of(layout)
    runs = learn_all(cache, methods, styles, request.budgets(), progress=progress)
    if request.equal_time:
        runs += equal_time(cache, methods, styles, runs, request, progress)
    results = measure_all(cache, sequences, runs, styles, request.perceptual_frames, progress)
    summary = summarize(results)
    made = identity(KIND, STAGE_VERSION, csv(results), request.model_dump(mode="json"))
    url = join(layout.root, FOLDER, made)
    write_bytes(join(url, "results.csv"), csv(results).encode())
    write_bytes(join(url, "summary.csv"), csv(summary).encode())
    figures = _figures(summary)
    write_json(join(url, "summary.json"), figures)
    main = summary[summary["region"].isin(["all", "occlusion band"])]
    shown = main.assign(value=main["median"], frames=main["sequences"], pixels=1)
    text = "\n".join(
        f"## {comparison}, {group}\n\n{markdown(rows)}"
        for (comparison, group), rows in shown.groupby(["comparison", "set"])
    )
    return BenchResult(made, url, results, summary, text, figures, time.monotonic() - began)


def _figures(summary: pd.DataFrame) -> dict[str, Any]:
    """Medians at equal steps on the first set: method to region to metric to value."""
    first = summary[(summary["comparison"] == "equal steps") & (summary["set"] == summary["set"].iloc[0])]
    found: dict[str, Any] = {}
    for row in first.dropna(subset="median").itertuples():
        found.setdefault(row.method, {}).setdefault(row.region, {})[row.metric] = round(float(row.median), 5)
    return found
