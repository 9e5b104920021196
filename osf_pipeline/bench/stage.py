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
from osf_pipeline.bench.fits import Style
from osf_pipeline.bench.measure import Scene
from osf_pipeline.bench.method import Method
from osf_pipeline.bench.ours import OURS
from osf_pipeline.bench.plots import bars
from osf_pipeline.bench.report import BAND, HEADLINE, figures, markdown, of
from osf_pipeline.bench.request import BenchRequest
from osf_pipeline.bench.runs import FOLDER, Cache, Run, learn_all, learn_in_time, measure_all, tables
from osf_pipeline.bench.sequences import BenchSequence, generated, in_folder
from osf_pipeline.bench.statistics import summarize
from osf_pipeline.errors import RequestError
from osf_pipeline.evaluation.evaluate import csv
from osf_pipeline.execution import Execution, Progress
from osf_pipeline.layout import Layout, join
from osf_pipeline.store.files import names, read_json, take, write_bytes, write_json
from osf_pipeline.store.identity import identity

KIND = "benchmark"
STAGE_VERSION = 1
"""Raised when equal measurements make another report."""
RECORD, REPORT, RESULTS, SUMMARY, WORST = "summary.json", "benchmark.md", "results.csv", "summary.csv", "worst.png"
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
            {"method": method, **{m: v for m, v in regions.get(BAND, {}).items() if m in HEADLINE}}
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
    methods = chosen(request.methods)
    sequences = sequences_of(layout, request, execution, progress)
    styles = styles_of(layout, sequences)
    cache = Cache.of(layout)
    runs = learn_all(cache, methods, styles, request.budgets(), progress)
    if request.equal_time:
        others = [method for method in methods if method.name != OURS]
        for run, budget in zip(runs[: request.seeds], request.budgets(), strict=True):
            runs += learn_in_time(cache, others, styles, run, budget, progress)
    costs = {m.name: cost(layout, cache.root, m, request.cost_size, request.threads) for m in methods}
    keys = [run.entry.key(sequence, request.perceptual_frames) for sequence in sequences for run in runs]
    paid = {name: vars(found) for name, found in costs.items()}
    made = identity(KIND, STAGE_VERSION, {"measured": keys, "cost": paid}, request.model_dump(mode="json"))
    url = join(layout.root, FOLDER, made)
    known = read_json(join(url, RECORD))
    if known is None:
        results = measure_all(cache, sequences, runs, styles, request.perceptual_frames, progress)
        known = _write(url, results, methods, costs, runs, request)
        write_bytes(join(url, WORST), _worst(cache, sequences, runs, styles, request.perceptual_frames))
        write_json(join(url, RECORD), known)
        reused = False
    else:
        reused = True
    return BenchResult(
        made, url, take(join(url, REPORT)).decode(), known, take(join(url, _bars("equal steps", sequences[0].group))),
        reused, time.monotonic() - began,
    )  # fmt: skip


def publish_report(result: BenchResult, folder: str) -> None:
    """Write `benchmark_tables.md` and the pictures into a folder of documents."""
    for name in names(result.url):
        if name.endswith(".png"):
            write_bytes(join(folder, "images", "benchmark", name), take(join(result.url, name)))
    shown = "".join(f"![{name}](images/benchmark/{name})\n\n" for name in names(result.url) if name.endswith(".png"))
    write_bytes(join(folder, "benchmark_tables.md"), f"{result.markdown}\n{shown}".encode())


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


def styles_of(layout: Layout, sequences: Sequence[BenchSequence]) -> dict[str, Style]:
    """Every style that the sequences are drawn in."""
    used = sorted({style for sequence in sequences for style in sequence.styles.values()})
    return {name: Style.read(layout, name) for name in used}


def _write(
    url: str,
    results: pd.DataFrame,
    methods: Sequence[Method],
    costs: Mapping[str, Cost],
    runs: Sequence[Run],
    request: BenchRequest,
) -> dict[str, Any]:
    """Tables and plots."""
    summary = summarize(results)
    learning = {
        method.name: round(median(r.seconds for r in runs if r.method is method and r.comparison == "equal steps"), 1)
        for method in methods
    }
    write_bytes(join(url, RESULTS), csv(results).encode())
    write_bytes(join(url, SUMMARY), csv(summary).encode())
    text = markdown(summary, methods, costs, learning, title="Occlusion benchmark", claims=request.claims)
    write_bytes(join(url, REPORT), text.encode())
    for comparison, group in dict.fromkeys(zip(summary["comparison"], summary["set"], strict=True)):
        write_bytes(join(url, _bars(comparison, group)), bars(of(summary, comparison, group), BAND, methods[0].name))
    return figures(summary, costs, learning)


def _bars(comparison: str, group: str) -> str:
    return f"bars_{comparison.replace(' ', '_')}_{group}.png"


def _worst(
    cache: Cache,
    sequences: Sequence[BenchSequence],
    runs: Sequence[Run],
    styles: Mapping[str, Style],
    perceptual_frames: int,
) -> bytes:
    """The frames on which the first method fares worst, as every method draws them; first seed, equal steps."""
    first = [run for run in runs if run.seed == runs[0].seed and run.comparison == runs[0].comparison]
    curves = {s.shot: tables(cache, s, first[0], perceptual_frames)[1] for s in sequences}
    found = worst(curves, WORST_METRICS, BAND, WORST_COUNT)
    needed = {item.sequence for item in found}
    by_name = {s.shot: s for s in sequences if s.shot in needed}
    scenes = {
        shot: {run.method.name: Scene.of(run.entry, sequence, styles) for run in first}
        for shot, sequence in by_name.items()
    }
    return sheet(found, by_name, scenes, cache.flows)
