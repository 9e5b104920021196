"""How many steps a style takes: pictures after complete fits of several lengths, over those of one at convergence.

    python benchmarks/training.py [--steps 50,100,150,250,400] [--longest 1600] [--styles 2] [--seeds 1]
                                  [--sequences 2] [--frames 4] [--size 384] [--threads 2] [--root FOLDER] [--quick]

Every length is a fit of its own, as `osf train` makes it: the learning rate falls over the whole of a run, so a long
one stopped short is no short one. `--longest` stands for convergence and never ends early; its ST-LPIPS is the baseline
of all ratios. Judged on generated sequences of the validation split, no frame of which is learnt from: mean over
sequences and seeds, over the whole figure and in the occlusion band. `as laid` is the drawn line before any learning.

Seconds are the wall time of a whole fit on `--threads`, preparation and held-out checks included, as it was when the
fit was made: `--root` keeps sets and fits, and a second run makes only what is missing.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
from common import finish, line

from osf_pipeline.bench.method import Budget
from osf_pipeline.bench.ours import Ours
from osf_pipeline.bench.runs import Run, Trial, begin, learn_all, measure_all, styles_of
from osf_pipeline.bench.sequences import generated
from osf_pipeline.cli.console import progress_lines
from osf_pipeline.execution import Execution
from osf_pipeline.generate.plan import GenerateRequest
from osf_pipeline.layout import Layout

METRIC, REGIONS = "st_lpips", ["all", "occlusion band"]
WITHIN = 0.05
"""Share by which pictures may be worse than at convergence."""
AS_LAID = Ours("as laid", network=False)


def methods(steps: Sequence[int], longest: int) -> dict[int, Ours]:
    """The stylizer by the steps it learns, 0 for none at all."""
    learnt = {count: Ours(f"{count} steps") for count in sorted(steps)}
    return {0: AS_LAID} | learnt | {longest: Ours(f"{longest} steps", recipe={"patience": 0})}


def values(results: pd.DataFrame) -> pd.DataFrame:
    """Mean ST-LPIPS over sequences and seeds: a row per method, a column per region."""
    kept = results[(results["metric"] == METRIC) & results["region"].isin(REGIONS)]
    return kept.pivot_table("value", "method", "region")[REGIONS]


def enough(ratios: pd.DataFrame) -> int | None:
    """The fewest steps after which no length is more than `WITHIN` worse than convergence, in any region.

    Args:
        ratios: values over the converged ones, a row for every number of steps in ascending order.
    """
    near = (ratios <= 1 + WITHIN).all(axis=1)
    found = near.index[near[::-1].cummin()[::-1]]
    return int(found[0]) if len(found) else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", default="50,100,150,250,400", help="lengths of fits, separated by commas")
    parser.add_argument("--longest", type=int, default=1600, help="steps that stand for convergence")
    parser.add_argument("--styles", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--sequences", type=int, default=2, help="per style")
    parser.add_argument("--frames", type=int, default=4, help="per sequence")
    parser.add_argument("--size", type=int, default=384)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--root", help="folder that keeps sets and fits; a temporary one by default")
    parser.add_argument(
        "--quick", action="store_true", help="20 and 40 steps of one style at 256 px; shows that it works"
    )
    asked = parser.parse_args()
    if asked.quick:
        asked.steps, asked.longest, asked.styles, asked.sequences, asked.frames, asked.size = "20", 40, 1, 1, 2, 256
    steps = [int(count) for count in asked.steps.split(",")]
    if max(steps) >= asked.longest:
        parser.error("--longest must exceed every one of --steps")
    with contextlib.ExitStack() as kept:
        root = asked.root or kept.enter_context(tempfile.TemporaryDirectory())
        measure(Layout.of(root), steps, asked)


def measure(layout: Layout, steps: Sequence[int], asked: argparse.Namespace) -> None:
    cache, progress = begin(layout, asked.threads), progress_lines()
    request = GenerateRequest(
        split="val", characters=asked.styles, sequences=asked.styles * asked.sequences, frames=asked.frames,
        width=asked.size, height=asked.size,
    )  # fmt: skip
    sequences = generated(layout, request, Execution(threads=asked.threads), progress)
    styles = styles_of(layout, sequences)
    runs: dict[int, list[Run]] = {}
    for count, method in methods(steps, asked.longest).items():
        budget = Budget(max(count, 1), threads=asked.threads)
        budgets = [replace(budget, seed=seed) for seed in range(asked.seeds)]
        runs[count] = learn_all(cache, [method], styles, budgets, progress)
    trial = Trial(sequences, styles, [run for some in runs.values() for run in some])
    by_name = values(measure_all(cache, trial, asked.frames, progress))
    found = by_name.loc[[some[0].method.name for some in runs.values()]].set_axis(list(runs))
    ratios = found / found.loc[asked.longest]
    rows = {}
    for count, some in runs.items():
        name = some[0].method.name
        told = [f"{region} {found.loc[count, region]:.4f} ({ratios.loc[count, region]:.3f})" for region in REGIONS]
        median = line(name, [fit.seconds for run in some for fit in run.fits.values()], "ST-LPIPS " + "   ".join(told))
        rows[name] = {"seconds": round(median, 1)} | {
            region: {"st_lpips": round(found.loc[count, region], 4), "ratio": round(ratios.loc[count, region], 3)}
            for region in REGIONS
        }
    chosen = enough(ratios.drop(index=0))
    finish(
        within=WITHIN, steps=chosen, seconds=None if chosen is None else rows[runs[chosen][0].method.name]["seconds"],
        threads=asked.threads, styles=len(styles), seeds=asked.seeds, sequences=len(sequences), **rows,
    )  # fmt: skip


if __name__ == "__main__":
    main()
