"""The benchmark stage: sequences, fits, measurements, tables, pictures.

Belongs here: the order of things, and what is written. Does not: any of them in detail.

`root/benchmark/<id>/` holds one run: `results.csv` (every sequence, seed, method, region and metric), `summary.csv`
(centres, intervals, differences), `summary.json` (the figures of the last line), `benchmark.md`, `bars_*.png` and
`worst.png`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import pandas as pd

from osf_pipeline.bench.catalogue import chosen
from osf_pipeline.bench.cost import Cost, cost
from osf_pipeline.bench.crops import sheet, worst
from osf_pipeline.bench.measure import Scene
from osf_pipeline.bench.method import Method
from osf_pipeline.bench.ours import OURS
from osf_pipeline.bench.plateau import METHOD as AT_PLATEAU
from osf_pipeline.bench.plateau import plateau, spent
from osf_pipeline.bench.plots import bars
from osf_pipeline.bench.report import FIRST, HEADLINE, figures, markdown, of
from osf_pipeline.bench.request import BenchRequest
from osf_pipeline.bench.runs import (
    FOLDER,
    Cache,
    Trial,
    begin,
    learn_all,
    learn_in_time,
    measure_all,
    styles_of,
    tables,
)
from osf_pipeline.bench.sequences import BenchSequence, generated, in_folder
from osf_pipeline.bench.statistics import summarize
from osf_pipeline.errors import RequestError
from osf_pipeline.evaluation.evaluate import csv
from osf_pipeline.execution import Execution, Progress
from osf_pipeline.layout import Layout, join
from osf_pipeline.store.files import names, read_json, take, write_bytes, write_json
from osf_pipeline.store.identity import identity

KIND = "benchmark"
STAGE_VERSION = 2
"""Raised when equal measurements make another report."""
RECORD, REPORT, RESULTS, SUMMARY, WORST = "summary.json", "benchmark.md", "results.csv", "summary.csv", "worst.png"
PICTURES = "images/benchmark"
"""Where published pictures lie, beside the text that shows them."""
WORST_METRICS, WORST_COUNT = ("st_lpips", "contour_f1", "ciede2000"), 2
"""Metrics whose worst frames are shown, and how many of each."""


@dataclass(frozen=True)
class BenchResult:
    """A finished benchmark, or ablation.

    Attributes:
        id: identity of the run.
        url: its folder.
        markdown: the report.
        figures: method to region to metric to value; `cost` stands beside the regions.
        preview_png: bars of the occlusion band.
        reused: nothing had to be done.
    """

    id: str
    url: str
    markdown: str
    figures: dict[str, Any]
    preview_png: bytes
    reused: bool
    seconds: float

    @property
    def headline(self) -> list[dict[str, Any]]:
        """One flat row per method: its metrics in the occlusion band."""
        return [
            {"method": method, **{m: v for m, v in regions.get(FIRST, {}).items() if m in HEADLINE}}
            for method, regions in self.figures.items()
        ]


def bench(
    layout: Layout, request: BenchRequest, execution: Execution | None = None, progress: Progress | None = None
) -> BenchResult:
    """Run the benchmark, or what is left of it; the same request on the same code again does no work.

    Raises:
        RequestError: for an unknown method, or when there is nothing to measure on.
        RequestError, InputDataError: as the stages that make the sequences.
    """
    began = time.monotonic()
    execution = execution or Execution(threads=request.threads)
    methods, cache = chosen(request.methods), begin(layout, request.threads)
    sequences = sequences_of(layout, request, execution, progress)
    styles = styles_of(layout, sequences)
    runs = learn_all(cache, methods, styles, request.budgets(), progress)
    if request.equal_time:
        others = [method for method in methods if method.name != OURS]
        for run, budget in zip(runs[: request.seeds], request.budgets(), strict=True):
            runs += learn_in_time(cache, others, styles, run, budget, progress)
    trials = [Trial(sequences, styles, runs)]
    if request.plateau:
        trials.append(plateau(layout, request, cache, execution, progress))
    costs = {m.name: cost(layout, cache.root, m, request.cost_size, request.threads) for m in methods}
    decisive = {
        "measured": [trial.keys(request.perceptual_frames) for trial in trials],
        "cost": {name: vars(found) for name, found in costs.items()},
        "told": {method.name: method.meaning for method in methods},
    }
    made = identity(KIND, STAGE_VERSION, decisive, request.model_dump(mode="json"))
    url = join(layout.root, FOLDER, made)
    known = read_json(join(url, RECORD))
    if known is None:
        measured = [measure_all(cache, trial, request.perceptual_frames, progress) for trial in trials]
        known = _write(url, pd.concat(measured, ignore_index=True), methods, costs, trials, request)
        if (worst_frames := _worst(cache, trials[0], request.perceptual_frames)) is not None:
            write_bytes(join(url, WORST), worst_frames)
        write_json(join(url, RECORD), known)
        reused = False
    else:
        reused = True
    return BenchResult(
        made, url, take(join(url, REPORT)).decode(), known, take(join(url, _bars("equal steps", sequences[0].group))),
        reused, time.monotonic() - began,
    )  # fmt: skip


def publish_report(result: BenchResult, folder: str) -> None:
    """Write `benchmark_tables.md` and its pictures, `images/benchmark/*.png`, into a folder of documents.

    Names tell comparison and set, never the run, so that a later run replaces them; the text links to them from where
    it lies.
    """
    pictures = [name for name in names(result.url) if name.endswith(".png")]
    for name in pictures:
        write_bytes(join(folder, PICTURES, name), take(join(result.url, name)))
    shown = [f"![{name.removesuffix('.png').replace('_', ' ')}]({PICTURES}/{name})\n" for name in pictures]
    write_bytes(join(folder, "benchmark_tables.md"), "\n".join([result.markdown, *shown]).encode())


def sequences_of(
    layout: Layout, request: BenchRequest, execution: Execution, progress: Progress | None = None
) -> list[BenchSequence]:
    """
    Raises:
        RequestError: when there are none, or two sets of one name.
    """
    sets = [folder.rstrip("/").rsplit("/", 1)[-1] for folder in request.folders]
    sets += [request.generated.name] if request.generated is not None else []
    if twice := [name for name in sets if sets.count(name) > 1]:
        raise RequestError(
            "two sets of one name", set=twice[0], fix="Rename a folder: tables tell sets by their names."
        )
    found = []
    if request.generated is not None:
        found += generated(layout, request.generated, execution, progress)
    for folder in request.folders:
        found += in_folder(layout, folder, execution, progress)
    if not found:
        raise RequestError("nothing to measure on", fix="Ask for generated sequences, or name a folder of some.")
    return found


def _write(
    url: str,
    results: pd.DataFrame,
    methods: Sequence[Method],
    costs: Mapping[str, Cost],
    trials: Sequence[Trial],
    request: BenchRequest,
) -> dict[str, Any]:
    """Tables and plots."""
    summary = summarize(results)
    runs = trials[0].runs
    learning = {
        method.name: round(median(r.seconds for r in runs if r.method is method and r.comparison == "equal steps"), 1)
        for method in methods
    }
    write_bytes(join(url, RESULTS), csv(results).encode())
    write_bytes(join(url, SUMMARY), csv(summary).encode())
    told = [*methods, *([AT_PLATEAU] if request.plateau else [])]
    text = markdown(summary, told, costs, learning, title="Occlusion benchmark", claims=request.claims)
    if request.plateau:
        text += f"\n{spent(trials[1].runs)}"
    write_bytes(join(url, REPORT), text.encode())
    for comparison, group in dict.fromkeys(zip(summary["comparison"], summary["set"], strict=True)):
        write_bytes(join(url, _bars(comparison, group)), bars(of(summary, comparison, group), FIRST, methods[0].name))
    return figures(summary, costs, learning)


def _bars(comparison: str, group: str) -> str:
    return f"bars_{comparison.replace(' ', '_')}_{group}.png"


def _worst(cache: Cache, trial: Trial, perceptual_frames: int) -> bytes | None:
    """The frames on which the first method fares worst, as every method draws them; first seed, equal steps. None where
    no frame shows anything hidden."""
    runs = trial.runs
    first = [run for run in runs if run.seed == runs[0].seed and run.comparison == runs[0].comparison]
    curves = {s.shot: tables(cache, s, first[0], perceptual_frames)[1] for s in trial.sequences}
    found = worst(curves, WORST_METRICS, FIRST, WORST_COUNT)
    if not found:
        return None
    needed = {item.sequence for item in found}
    by_name = {s.shot: s for s in trial.sequences if s.shot in needed}
    scenes = {
        shot: {run.method.name: Scene.of(run.entry, sequence, trial.styles) for run in first}
        for shot, sequence in by_name.items()
    }
    return sheet(found, by_name, scenes, cache.flows)
