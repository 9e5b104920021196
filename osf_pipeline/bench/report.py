"""A benchmark's tables for people and for other programs.

Belongs here: Markdown, the figures of the last line. Does not: statistics, plots (`plots`), pictures (`crops`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from osf_pipeline.bench.cost import Cost
from osf_pipeline.bench.method import Method
from osf_pipeline.evaluation.metrics import METRICS
from osf_pipeline.evaluation.regions import REGIONS

HEADLINE = ("st_lpips", "flip", "ciede2000", "ssim", "contour_f1", "contour_recall", "contour_precision", "offset",
            "flicker", "contour_instability", "warp_ratio")  # fmt: skip
"""Metrics of the first tables, in this order; the CSV files have all."""
PAIRED = ("st_lpips", "flip", "ciede2000", "ssim", "contour_f1", "flicker", "contour_instability")
"""Metrics whose difference says something: not those that are best at 1."""
RIVALS = ("two-stage", "constant line overlay", "texture lookup")
"""Methods whose difference to ours is told in every region; that of the others in the first."""
FIRST = "occlusion band"
"""The region that is told first."""
PAIRS_SAY = (
    "Median of ours less the other method's on the same sequence and seed, [95 % interval]; **better** or *worse* "
    "where the whole interval says so. Flicker and contour instability are better low where recall is no lower, too."
)
NO_CLAIMS = (
    "> A quick run: it shows that everything works. It is too small to conclude anything from, and makes no claims.\n"
)


def figures(
    summary: pd.DataFrame, costs: Mapping[str, Cost], learning: Mapping[str, float]
) -> dict[str, dict[str, dict[str, float | None]]]:
    """Medians at equal steps on the first set, method to region to metric to value; `cost` stands beside the regions.
    What is undefined or infinite is left out: JSON has no such numbers.

    Args:
        learning: seconds a style took, by method.
    """
    first = of(summary, str(summary["comparison"].iloc[0]), str(summary["set"].iloc[0]))
    found: dict[str, dict[str, dict[str, float | None]]] = {}
    for row in first[np.isfinite(first["median"])].to_dict("records"):
        regions = found.setdefault(row["method"], {})
        regions.setdefault(row["region"], {})[row["metric"]] = round(float(row["median"]), 5)
    for method, paid in costs.items():
        found.setdefault(method, {})["cost"] = {**vars(paid), "learning_seconds": learning[method]}
    return found


def of(summary: pd.DataFrame, comparison: str, group: str) -> pd.DataFrame:
    """Rows of one comparison on one set."""
    return summary[(summary["comparison"] == comparison) & (summary["set"] == group)]


def markdown(
    summary: pd.DataFrame,
    methods: Sequence[Method],
    costs: Mapping[str, Cost],
    learning: Mapping[str, float],
    *,
    title: str,
    claims: bool,
    regions: Sequence[str] = REGIONS,
) -> str:
    """The whole report: what was compared, a table per set and region with intervals, paired differences, costs."""
    parts = [f"# {title}\n", *(() if claims else (NO_CLAIMS,)), _methods(methods)]
    for comparison, group in dict.fromkeys(zip(summary["comparison"], summary["set"], strict=True)):
        rows = of(summary, comparison, group)
        most = rows[["sequences", "characters", "seeds"]].max()
        counted = f"{most['sequences']} sequences of {most['characters']} characters, {most['seeds']} seeds"
        parts.append(f"## {comparison.capitalize()}: {group}\n\nMedian over {counted}, [95 % interval].\n")
        shown = [r for r in (FIRST, *(r for r in regions if r != FIRST)) if (rows["region"] == r).any()]
        parts += [f"### {region}\n\n{table(rows, region)}" for region in shown]
        if rows["difference_median"].notna().any():
            parts.append(f"### Paired differences\n\n{PAIRS_SAY}\n\n{pairs(rows, shown)}")
        everywhere = [r for r in dict.fromkeys(rows["region"]) if r.startswith("part ")]
        if everywhere:
            parts.append(f"### by part: ST-LPIPS\n\n{by_part(rows, everywhere)}")
    if costs:
        parts.append(f"## Work, time, memory\n\n{cost_table(costs, learning)}")
    return "\n".join(parts)


def table(rows: pd.DataFrame, region: str, prefix: str = "") -> str:
    """Methods down, metrics across, each with its interval; what is best is bold, or what differs."""
    here = rows[rows["region"] == region]
    metrics = [name for name in HEADLINE if here.loc[here["metric"] == name, f"{prefix}median"].notna().any()]
    winners = {name: _best(here[here["metric"] == name], name) for name in metrics}
    lines = [["method", *(METRICS[name].heading for name in metrics)]]
    for method, own in here.groupby("method", sort=False):
        values = own.set_index("metric")
        if values[f"{prefix}median"].notna().any():
            cells = [_cell(values, name, prefix, method in winners[name]) for name in metrics]
            lines.append([str(method), *cells])
    return grid(lines)


def pairs(rows: pd.DataFrame, regions: Sequence[str]) -> str:
    """Ours less another method: every method in the first region, `RIVALS` in all; metrics across."""
    lines = [["ours less", "region", *(METRICS[name].heading for name in PAIRED)]]
    for region in regions:
        for method, own in rows[rows["region"] == region].groupby("method", sort=False):
            if (method in RIVALS or region == FIRST) and own["difference_median"].notna().any():
                values = own.set_index("metric")
                lines.append([str(method), region, *(_gain(values, name) for name in PAIRED)])
    return grid(lines)


def by_part(rows: pd.DataFrame, regions: Sequence[str]) -> str:
    """ST-LPIPS medians: parts down, methods across."""
    chosen = rows[(rows["metric"] == "st_lpips") & rows["region"].isin(regions)]
    methods = list(dict.fromkeys(chosen["method"]))
    wide = chosen.pivot_table(index="region", columns="method", values="median", sort=False)
    body = [
        [region.removeprefix("part "), *(number(wide.loc[region].get(m), METRICS["st_lpips"].digits) for m in methods)]
        for region in wide.index
    ]
    return grid([["part", *methods], *body])


def cost_table(costs: Mapping[str, Cost], learning: Mapping[str, float]) -> str:
    """What each method costs."""
    size = next(iter(costs.values())).size
    head = [
        "method", "GMAC per 512x512 frame", "parameters", f"s per {size}x{size} frame", "CPU s",
        "memory over load, MiB", "s to learn a style",
    ]  # fmt: skip
    body = [
        [
            method, number(c.gmac, 1), f"{c.parameters:,}", number(c.seconds, 3), number(c.cpu_seconds, 3),
            number(c.memory_mib, 0), number(learning[method], 0),
        ]
        for method, c in costs.items()
    ]  # fmt: skip
    return grid([head, *body])


def number(value: float | None, digits: int) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def grid(lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table; the first line is its head."""
    head, *body = [[cell.replace("|", r"\|") for cell in line] for line in lines]
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "".join(f"| {' | '.join(line)} |\n" for line in (head, rule, *body))


def _methods(methods: Sequence[Method]) -> str:
    return grid([["method", "what it is"], *([m.name, m.meaning] for m in methods)])


def _cell(values: pd.DataFrame, metric: str, prefix: str, best: bool) -> str:
    if metric not in values.index:
        return "–"
    row: Any = values.loc[metric]
    centre, low, high = (float(row[f"{prefix}median{end}"]) for end in ("", "_low", "_high"))
    if math.isnan(centre):
        return "–"
    digits = METRICS[metric].digits
    marked = bool(low > 0 or high < 0) if prefix else best
    text = f"**{number(centre, digits)}**" if marked else number(centre, digits)
    return f"{text} [{number(low, digits)}, {number(high, digits)}]"


def _gain(values: pd.DataFrame, metric: str) -> str:
    """Ours less the method: bold where the whole interval says that ours is better, italic where it says worse."""
    if metric not in values.index:
        return "–"
    row: Any = values.loc[metric]
    if math.isnan(row["difference_median"]):
        return "–"
    # What is stored is the method less ours: the ends of the interval change places.
    centre, low, high = (0.0 - float(row[f"difference_median{end}"]) for end in ("", "_high", "_low"))
    digits, better = METRICS[metric].digits, METRICS[metric].better
    text = f"{centre:+.{digits}f}"
    if better != "none" and (low > 0 or high < 0):
        text = f"**{text}**" if (low > 0) == (better == "high") else f"*{text}*"
    return f"{text} [{low:+.{digits}f}, {high:+.{digits}f}]"


def _best(rows: pd.DataFrame, metric: str) -> set[str]:
    """Methods with the best median, where a direction is better and they differ."""
    values = rows.set_index("method")["median"].dropna()
    better = METRICS[metric].better
    if better == "none" or values.nunique() < 2:
        return set()
    merit = -(values - 1).abs() if better == "one" else values * (1 if better == "high" else -1)
    return set(map(str, merit.index[merit == merit.max()]))
