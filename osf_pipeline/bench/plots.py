"""Bars with intervals, and curves of a sweep. Belongs here: plots as PNG. Does not: numbers (`statistics`)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from osf_pipeline.evaluation.metrics import METRICS

SHOWN = ("st_lpips", "ciede2000", "contour_f1", "flicker")
INK, OURS_COLOR, OTHER_COLOR = "#333333", "#c8452d", "#8fa3b0"
STYLE: Any = {  # typed as a dictionary of some 300 literal keys
    "font.size": 8, "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": INK,
    "text.color": INK, "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK, "svg.hashsalt": "osf",
}  # fmt: skip


def bars(rows: pd.DataFrame, region: str, first: str) -> bytes:
    """PNG: one panel per metric of `SHOWN`, a bar per method, its median and 95 % interval.

    Args:
        rows: of one comparison on one set, as `statistics.summarize` makes them.
        first: the method whose bar stands out.
    """
    here = rows[rows["region"] == region]
    metrics = [name for name in SHOWN if (here["metric"] == name).any()]
    methods = list(dict.fromkeys(here["method"]))
    with mpl.rc_context(STYLE):
        figure = Figure((2.6 * len(metrics) + 1.2, 0.32 * len(methods) + 1.0), dpi=150, layout="constrained")
        panels = figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
        for panel, metric in zip(panels, metrics, strict=True):
            values = here[here["metric"] == metric].set_index("method").reindex(methods)
            errors = _errors(values)
            colors = [OURS_COLOR if name == first else OTHER_COLOR for name in methods]
            panel.barh(
                methods, values["median"].fillna(0), xerr=errors, color=colors, height=0.7, ecolor=INK, capsize=2
            )
            panel.set_title(METRICS[metric].heading)
            panel.set_xlim(left=0)
        panels[0].invert_yaxis()
        figure.suptitle(region)
        return _png(figure)


def curves(rows: pd.DataFrame, region: str, label: str, places: Sequence[float]) -> bytes:
    """PNG: one panel per metric, the median and its 95 % interval against what is swept.

    Args:
        rows: one row per metric and place, in the order of `places`, with the columns of `statistics.summarize`.
        label: of what is swept.
    """
    here = rows[rows["region"] == region]
    metrics = [name for name in SHOWN if (here["metric"] == name).any()]
    with mpl.rc_context(STYLE):
        figure = Figure((2.6 * len(metrics), 2.4), dpi=150, layout="constrained")
        panels = figure.subplots(1, len(metrics), squeeze=False)[0]
        for panel, metric in zip(panels, metrics, strict=True):
            values = here[here["metric"] == metric]
            panel.errorbar(
                places, values["median"], yerr=_errors(values), color=OURS_COLOR, ecolor=INK, marker="o", capsize=2
            )
            panel.set_title(METRICS[metric].heading)
            panel.set_xlabel(label)
            panel.set_xticks(list(places))
        figure.suptitle(region)
        return _png(figure)


def _errors(values: pd.DataFrame) -> list[pd.Series]:
    """Lengths below and above the median."""
    low = (values["median"] - values["median_low"]).clip(lower=0).fillna(0)
    high = (values["median_high"] - values["median"]).clip(lower=0).fillna(0)
    return [low, high]


def _png(figure: Figure) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})  # equal numbers give equal bytes
    return out.getvalue()
