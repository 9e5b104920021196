"""The ablation stage: what each part of the stylizer buys, and how it holds when something is turned.

Belongs here: the variants, what is swept, the report. Does not: learning and measuring (`runs`), a variant's doing
(`ours`).

`root/benchmark/<id>/` holds one run: `results.csv`, `summary.csv`, `summary.json`, `ablation.md`, `sweep_*.png`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from osf_pipeline.bench.fits import Style
from osf_pipeline.bench.footage import StoredFootage
from osf_pipeline.bench.ours import OURS, Ours
from osf_pipeline.bench.plots import bars, curves
from osf_pipeline.bench.report import FIRST, NO_CLAIMS, figures, grid, table
from osf_pipeline.bench.request import BenchRequest
from osf_pipeline.bench.runs import FOLDER, Run, Trial, begin, learn_all, measure_all, styles_of
from osf_pipeline.bench.sequences import BenchSequence, at_size, generated
from osf_pipeline.bench.stage import BenchResult, sequences_of
from osf_pipeline.bench.statistics import summarize
from osf_pipeline.color import encode_srgb
from osf_pipeline.colorspaces.spaces import LINEAR_REC709, Space, convert
from osf_pipeline.config import Strict
from osf_pipeline.errors import RequestError
from osf_pipeline.evaluation.evaluate import csv
from osf_pipeline.evaluation.truth import read_truth
from osf_pipeline.execution import Execution, Progress
from osf_pipeline.generate.plan import GenerateRequest
from osf_pipeline.layout import Layout, join
from osf_pipeline.store.files import read_json, take, write_bytes, write_json
from osf_pipeline.store.identity import identity
from osf_pipeline.stylize.look import Line, Look
from osf_pipeline.stylize.stage import ALL, nearest_object
from osf_pipeline.training.exemplar import NEEDED, ExemplarData, exemplar_from_arrays

KIND = "ablation"
STAGE_VERSION = 3
RECORD, REPORT = "summary.json", "ablation.md"
Part = Literal["revealed", "contour", "taper", "rest_z", "compositing", "confidence", "strokes", "network"]
Sweep = Literal["strength", "resolution", "keyframes"]
Asked = Literal["drop"] | Sweep

VARIANTS: dict[Part, Ours] = {
    "revealed": Ours("no revealed", "without the mask of what was hidden before", {"withhold": ["revealed"]}),
    "contour": Ours("no contour", "without the distance to contours, along which the drawn line is laid",
                    {"withhold": ["contour"]}),
    "taper": Ours("no taper", "lines as bold where the surfaces they part close up as anywhere",
                  look=Look(line=Line(taper=0))),
    "rest_z": Ours("no rest z", "the stroke laid on a contour is found by x and y of the rest pose alone",
                   {"withhold": ["rest_z"]}),
    "compositing": Ours("no compositing", "learnt from the keyframe as it is and smaller, no limb over another",
                        {"composites": 0.0}),
    "confidence": Ours("no confidence", "without the trust in the guides", {"withhold": ["confidence"]}),
    "strokes": Ours("no strokes", "every contour gets the mean of the drawn line, not the stroke drawn at its rest "
                    "position", {"tier": "estimated"}),
    "network": Ours("no network", "the drawn line as it is laid along contours; nothing is learnt", network=False),
}  # fmt: skip
"""What is left out, and the stylizer without it."""

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
SCALES = (0.5, 1.0, 2.0)
"""Sizes of the shot against the size its style was drawn for."""
KEYFRAMES = (1, 2, 3)
"""Exemplars: the rest pose, and frames of the shot as the truth has them."""
LABELS: dict[Sweep, str] = {"strength": "strength", "resolution": "size / keyframe's", "keyframes": "keyframes"}


class AblationRequest(Strict):
    """What to leave out and what to sweep.

    Attributes:
        drop: parts of the stylizer, left out one at a time.
        sweep: strength of the look, size of the shot, number of drawn keyframes.
        bench: sequences, seeds, steps and the rest, as in the benchmark; its methods do not count.
    """

    drop: tuple[Part, ...] = ()
    sweep: tuple[Sweep, ...] = ()
    bench: BenchRequest = BenchRequest()


def ablate(
    layout: Layout, request: AblationRequest, execution: Execution | None = None, progress: Progress | None = None
) -> BenchResult:
    """Run an ablation, or what is left of it.

    Raises:
        RequestError: when nothing is asked for, or there is nothing to measure on.
        RequestError, InputDataError: as the stages that make the sequences.
    """
    began = time.monotonic()
    if not request.drop and not request.sweep:
        raise RequestError("nothing to ablate", fix=f"Drop any of {', '.join(VARIANTS)}; sweep {', '.join(LABELS)}.")
    work = _Work(layout, request.bench, execution or Execution(threads=request.bench.threads), progress)
    found: dict[Asked, pd.DataFrame] = {}
    if request.drop:
        found["drop"] = work.dropped(request.drop)
    makers = {"strength": work.strengths, "resolution": work.resolutions, "keyframes": work.keyframes}
    for sweep in request.sweep:
        found[sweep] = makers[sweep]()
    results = pd.concat([rows.assign(set=name + ": " + rows["set"]) for name, rows in found.items()], ignore_index=True)
    decisive = {"results": csv(results), "told": {VARIANTS[part].name: VARIANTS[part].meaning for part in request.drop}}
    made = identity(KIND, STAGE_VERSION, decisive, request.model_dump(mode="json"))
    url = join(layout.root, FOLDER, made)
    known = read_json(join(url, RECORD))
    reused = known is not None
    if known is None:
        known = _write(url, results, found, work.same, request)
    png = take(join(url, _picture(next(iter(found)))))
    text = take(join(url, REPORT)).decode()
    return BenchResult(made, url, text, known, png, reused, time.monotonic() - began)


class _Work:
    """Learning and measuring for one ablation.

    Attributes:
        same: variants that draw exactly what the whole stylizer draws, as learnt weights and pixels show.
    """

    def __init__(self, layout: Layout, request: BenchRequest, execution: Execution, progress: Progress | None) -> None:
        self.layout, self.request, self.execution, self.progress = layout, request, execution, progress
        self.cache = begin(layout, request.threads)
        self.sequences = sequences_of(layout, request, execution, progress)
        self.styles = styles_of(layout, self.sequences)
        self.same: set[str] = set()

    def dropped(self, parts: Sequence[Part]) -> pd.DataFrame:
        """Every variant beside the whole."""
        methods = [Ours(), *(VARIANTS[part] for part in parts)]
        runs = self._learn(methods, self.styles)
        results = self._measure(Trial(self.sequences, self.styles, runs))
        whole = {run.seed: run for run in runs if run.method.name == OURS}
        for method in methods[1:]:
            mine = [run for run in runs if run.method is method]
            weights = all(_digests(run) == _digests(whole[run.seed]) for run in mine)
            if weights and _values(results, method.name).equals(_values(results, OURS)):
                self.same.add(method.name)
        return results

    def strengths(self) -> pd.DataFrame:
        """One training, drawn at several strengths."""
        methods = [Ours(_label(s), look=Look(strength=s)) for s in STRENGTHS]
        return self._measure(Trial(self.sequences, self.styles, self._learn(methods, self.styles)))

    def resolutions(self) -> pd.DataFrame:
        """The generated set at other sizes, drawn with what was learnt at its own."""
        wanted = self.request.generated
        if wanted is None:
            raise RequestError("a sweep of resolution needs generated sequences", fix="Ask for some.")
        found = []
        for scale in SCALES:
            sequences = self.sequences if scale == 1 else self._scaled(wanted, scale)
            own = [s for s in sequences if s.group == wanted.name]
            # The truth's pen grows with the figure.
            locked = Ours(_label(scale), look=Look(line=Line(lock="character")))
            runs = self._learn([locked], self.styles)
            found.append(self._measure(Trial(own, self.styles, runs)))
        return pd.concat(found, ignore_index=True)

    def keyframes(self) -> pd.DataFrame:
        """More keyframes of each shot, which are not measured; shots of one style, the same for every count."""
        found = []
        for sequence in self.sequences:
            names = set(sequence.styles.values())
            if len(names) > 1:
                continue
            (name,) = names
            numbers = sorted(sequence.truth)
            more = max(KEYFRAMES) - 1
            if len(numbers) <= more:
                raise RequestError(
                    "every frame would be a keyframe",
                    shot=sequence.shot,
                    frames=len(numbers),
                    fix="Ask for more frames.",
                )
            chosen = [numbers[(i + 1) * len(numbers) // (more + 1)] for i in range(more)]
            rest = replace(sequence, truth={n: url for n, url in sequence.truth.items() if n not in chosen})
            space = self.styles[name].exemplars[0].space
            drawn = [painted(sequence, number, space) for number in chosen]
            for count in KEYFRAMES:
                first = self.styles[name]
                style = Style.of(name, (*first.exemplars, *drawn[: count - 1]))
                runs = self._learn([Ours(_label(count))], {name: style})
                found.append(self._measure(Trial([rest], {name: style}, runs)))
        if not found:
            raise RequestError("no sequence shows one style alone", fix="Ask for more sequences.")
        return pd.concat(found, ignore_index=True)

    def _scaled(self, wanted: GenerateRequest, scale: float) -> list[BenchSequence]:
        """The generated set at another size."""
        width, height = (4 * round(side * scale / 4) for side in (wanted.width, wanted.height))
        return generated(*at_size(self.layout, wanted, width, height), self.execution, self.progress)

    def _learn(self, methods: Sequence[Ours], styles: Mapping[str, Style]) -> list[Run]:
        return learn_all(self.cache, methods, styles, self.request.budgets(), self.progress)

    def _measure(self, trial: Trial) -> pd.DataFrame:
        return measure_all(self.cache, trial, self.request.perceptual_frames, self.progress)


def painted(sequence: BenchSequence, number: int, space: Space = LINEAR_REC709) -> ExemplarData:
    """A frame of a shot with its truth as the drawing; what is not stylized is cut away.

    Args:
        number: of the frame; the shot shows one style.
        space: of the exemplar, that of the style's others.
    """
    footage = StoredFootage(sequence)
    frame = footage[list(footage.frames).index(number)]
    truth = read_truth(sequence.truth[number]).beauty
    alpha = np.clip(truth[3:], 0, 1)
    straight = np.divide(truth[:3], alpha, out=np.zeros_like(truth[:3]), where=alpha > 0)
    straight = convert(straight, LINEAR_REC709, space)
    drawing = np.concatenate([encode_srgb(np.clip(straight, 0, 1)), alpha]).astype(np.float32)
    mine = np.ones(footage.size, bool)
    if ALL not in sequence.styles:
        mine = np.isin(nearest_object(frame["object_id"][0]), list(sequence.styles))
    frame = {**frame, "color": convert(frame["color"], LINEAR_REC709, space)}
    background = {"depth": np.inf}
    buffers = {name: np.where(mine, frame[name], background.get(name, 0)).astype(frame[name].dtype) for name in NEEDED}
    return exemplar_from_arrays(buffers, drawing * mine, mine[None].astype(np.float32), space)


def _label(value: float) -> str:
    return f"{value:g}"


def _digests(run: Run) -> dict[str, str]:
    return {style: fit.digest for style, fit in run.fits.items()}


def _values(results: pd.DataFrame, method: str) -> pd.DataFrame:
    mine = results[results["method"] == method].drop(columns="method")
    return mine.reset_index(drop=True)


def _write(
    url: str, results: pd.DataFrame, found: Mapping[Asked, pd.DataFrame], same: set[str], request: AblationRequest
) -> dict[str, Any]:
    summary = summarize(results)
    write_bytes(join(url, "results.csv"), csv(results).encode())
    write_bytes(join(url, "summary.csv"), csv(summary).encode())
    parts = ["# Ablation\n", *(() if request.bench.claims else (NO_CLAIMS,))]
    for name in found:
        rows = summary[summary["set"].str.startswith(f"{name}: ")]
        for group in dict.fromkeys(rows["set"]):
            here = rows[rows["set"] == group]
            parts.append(_drops(here, group, request.drop, same) if name == "drop" else _swept(here, group))
        first = rows[rows["set"] == rows["set"].iloc[0]]
        png = bars(first, FIRST, OURS) if name == "drop" else curves(first, FIRST, LABELS[name], _places(first))
        write_bytes(join(url, _picture(name)), png)
    write_bytes(join(url, REPORT), "\n".join(parts).encode())
    known = figures(summary, {}, {})
    write_json(join(url, RECORD), known)
    return known


def _drops(rows: pd.DataFrame, group: str, drop: Sequence[Part], same: set[str]) -> str:
    """What each part buys: the values, and the variant's less the whole's."""
    variants = [VARIANTS[part] for part in drop]
    said = [
        [v.name, v.meaning, "changes nothing: same weights, same pixels" if v.name in same else "see below"]
        for v in variants
    ]
    blocks = [f"## {group}\n", grid([["variant", "what it is", "effect"], *said])]
    for region in (FIRST, "all"):
        blocks += [
            f"### {region}\n\nMedian, [95 % interval].\n\n{table(rows, region)}",
            f"### {region}: variant less {OURS}\n\nMedian difference on the same sequence and seed, [95 % interval]; "
            f"bold where the interval leaves 0 out.\n\n{table(rows, region, 'difference_')}",
        ]
    return "\n".join(blocks)


def _swept(rows: pd.DataFrame, group: str) -> str:
    return f"## {group}\n\n### {FIRST}\n\n{table(rows, FIRST)}\n### all\n\n{table(rows, 'all')}"


def _places(rows: pd.DataFrame) -> list[float]:
    return [float(place) for place in dict.fromkeys(rows["method"])]


def _picture(name: str) -> str:
    return "bars.png" if name == "drop" else f"sweep_{name}.png"
