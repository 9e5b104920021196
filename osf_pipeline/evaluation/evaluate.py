"""Metric by region by method, summed frame by frame.

Belongs here: accumulation, the tables, their files. Does not: what is measured (`metrics`) or where (`regions`).
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pandera.pandas as pa

from osf_pipeline.color import Background, display
from osf_pipeline.evaluation.lines import drawn_mask, layer_mask
from osf_pipeline.evaluation.metrics import (
    METRICS,
    Perceptual,
    Sampled,
    TrueLine,
    flicker,
    line_metrics,
    perceptual_metric,
    picture_metrics,
)
from osf_pipeline.evaluation.regions import regions
from osf_pipeline.evaluation.truth import FrameTruth

_RATIOS = ("contour_f1", "contour_recall", "contour_precision", "stray_ink", "flicker", "layer_f1", "layer_recall",
           "layer_precision")  # fmt: skip

TABLE = pa.DataFrameSchema(
    {
        "method": pa.Column(str),
        "region": pa.Column(str),
        "metric": pa.Column(str, pa.Check.isin(METRICS)),
        "value": pa.Column(float, nullable=True),
        "frames": pa.Column(int, pa.Check.ge(1)),
        "pixels": pa.Column(int, pa.Check.ge(0)),
    },
    checks=pa.Check(
        lambda table: table["value"].isna() | ~table["metric"].isin(_RATIOS) | table["value"].between(0, 1),
        error="a share must lie in 0..1",
    ),
    unique=["method", "region", "metric"],
    strict=True,
    ordered=True,
)
"""One row per method, region and metric. `pixels` is what the value is a mean over; NaN where there are none."""


@dataclass(frozen=True)
class Candidate:
    """What one method made of a frame.

    Attributes:
        beauty: (4, y, x), premultiplied, linear Rec. 709.
        line: (y, x) opacity of its line layer, where it has one.
    """

    beauty: np.ndarray
    line: np.ndarray | None = None


class Evaluator:
    """Sums over frames; holds numbers and the previous frame's lines, never a shot.

    The headline's lines are found alike for every method and for the truth: where a picture differs from the render by
    more than `lines.LINE_COLOR`. Methods with a line layer are measured on that as well, as `layer_*`.

    Args:
        perceptual: the ST-LPIPS map, or None to leave that metric out.
        parts: part id to name.
    """

    def __init__(
        self,
        *,
        background: Background = "white",
        perceptual: Perceptual | None = None,
        parts: Mapping[int, str] | None = None,
    ) -> None:
        self.background: Background = background
        self.perceptual = perceptual
        self.parts = parts or {}
        self._rows: list[tuple[str, int, str, str, float, int]] = []
        self._previous: dict[str, Sampled] = {}

    def add(
        self,
        frame: int,
        truth: FrameTruth,
        render: np.ndarray,
        candidates: Mapping[str, Candidate],
        *,
        revealed: np.ndarray | None = None,
        part_id: np.ndarray | None = None,
        motion: np.ndarray | None = None,
        motion_valid: np.ndarray | None = None,
        perceptual: bool = True,
    ) -> None:
        """Measure one frame; frames come in order, for `flicker` looks back to the one before.

        Args:
            render: (4, y, x) colour that the methods drew on.
            revealed: (y, x) of the guidance; part_id: (y, x).
            motion: (2, y, x), motion_valid: (y, x); invalid at cuts and gaps. Without them there is no `flicker`.
            perceptual: measure this frame's perceptual distance too.
        """
        shown, target = display(render, self.background), display(truth.beauty, self.background)
        places = regions(
            truth, (c.beauty[3] for c in candidates.values()), revealed=revealed, part_id=part_id, parts=self.parts
        )
        drawn, whole = TrueLine.as_drawn(truth, target, shown), TrueLine.of_layer(truth)
        recalls = {}
        for method, candidate in candidates.items():
            picture = display(candidate.beauty, self.background)
            found = picture_metrics(picture, target) | line_metrics(drawn_mask(picture, shown), drawn)
            if self.perceptual is not None and perceptual:
                found["st_lpips"] = perceptual_metric(self.perceptual, picture, target, places["all"])
            if candidate.line is not None:
                layer = line_metrics(layer_mask(candidate.line), whole)
                found |= {
                    name.replace("contour", "layer"): layer[name] for name in ("contour_recall", "contour_precision")
                }
            recalls[method] = found["contour_recall"]
            if method in self._previous and motion is not None and motion_valid is not None:
                found["flicker"] = flicker(recalls[method], self._previous[method], motion, motion_valid)
            for region, mask in places.items():
                for metric, sampled in found.items():
                    self._rows.append((method, frame, region, metric, *sampled.within(mask)))
        self._previous = recalls

    def table(self) -> pd.DataFrame:
        """Over all frames, validated by `TABLE`; means weigh every pixel alike."""
        return TABLE.validate(_summarize(self._samples(), ["method", "region"]))

    def curves(self) -> pd.DataFrame:
        """Frame by frame: method, region, frame, metric, value, frames, pixels."""
        return _summarize(self._samples(), ["method", "region", "frame"])

    def _samples(self) -> pd.DataFrame:
        return pd.DataFrame(self._rows, columns=["method", "frame", "region", "metric", "total", "pixels"])


def _summarize(samples: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Pooled means, and the metrics that are functions of others, in the order of first appearance and `METRICS`."""
    grouped = samples.groupby([*by, "metric"], sort=False)
    sums = grouped.agg(total=("total", "sum"), pixels=("pixels", "sum"), frames=("frame", "nunique"))
    sums["value"] = sums["total"] / sums["pixels"].where(sums["pixels"] > 0)
    out = sums.reset_index()[[*by, "metric", "value", "frames", "pixels"]]

    psnr = out[out["metric"] == "mse"].assign(metric="psnr")
    with np.errstate(divide="ignore"):
        psnr["value"] = -10 * np.log10(psnr["value"])
    parts = [out[out["metric"] != "mse"], psnr]
    for kind in ("contour", "layer"):
        recall, precision = (out[out["metric"] == f"{kind}_{name}"].set_index(by) for name in ("recall", "precision"))
        both = recall.merge(precision, how="left", left_index=True, right_index=True, suffixes=("", "_p"))
        value = (2 * both["value"] * both["value_p"] / (both["value"] + both["value_p"])).to_numpy(copy=True)
        # Nothing drawn where a line should be, or the other way round, is a plain failure.
        missed = (both["value"].fillna(0) + both["value_p"].fillna(0) == 0) & (both["pixels"] + both["pixels_p"] > 0)
        value[missed.to_numpy()] = 0.0
        score = recall.assign(metric=f"{kind}_f1", value=value, pixels=both["pixels"] + both["pixels_p"])
        parts.append(score.reset_index()[out.columns])
    whole = pd.concat([part for part in parts if len(part)], ignore_index=True)
    order = {key: {value: i for i, value in enumerate(whole[key].unique())} for key in by}
    order["metric"] = {name: i for i, name in enumerate(METRICS)}
    return whole.sort_values([*by, "metric"], key=lambda column: column.map(order[str(column.name)]), ignore_index=True)


def headline(table: pd.DataFrame) -> dict[str, float]:
    """`<method>/<region>/<metric>` to value, spaces as underscores, for trackers and gates; undefined ones left out."""
    kept = table.dropna(subset="value")
    return {
        f"{method}/{region}/{metric}".replace(" ", "_"): float(value)
        for method, region, metric, value in zip(
            kept["method"], kept["region"], kept["metric"], kept["value"], strict=True
        )
    }


def best(table: pd.DataFrame) -> pd.Series:
    """Bool per row: the best finite value of its region and metric, where a direction is better and methods differ."""
    sign = table["metric"].map({name: {"high": 1, "low": -1, "none": np.nan}[m.better] for name, m in METRICS.items()})
    merit = table["value"] * sign
    groups = merit.groupby([table["region"], table["metric"]])
    return (merit == groups.transform("max")) & (groups.transform("max") > groups.transform("min"))


def markdown(table: pd.DataFrame, only: Sequence[str] | None = None) -> str:
    """One Markdown table per region, methods down and metrics across; arrows show what is better, bold what is best."""
    cells = table.assign(best=best(table))
    blocks = []
    for region in only or list(dict.fromkeys(cells["region"])):
        rows = cells[cells["region"] == region]
        metrics = list(dict.fromkeys(rows["metric"]))
        arrows = {"high": " ↑", "low": " ↓", "none": ""}
        head = ["method", *(METRICS[m].label + arrows[METRICS[m].better] for m in metrics)]
        lines = [head, ["---", *["---:"] * len(metrics)]]
        for method, group in rows.groupby("method", sort=False):
            by_metric = group.set_index("metric")
            line = [str(method)]
            for metric in metrics:
                value = by_metric["value"].get(metric, np.nan)
                text = "–" if pd.isna(value) else f"{value:.{METRICS[metric].digits}f}"
                line.append(f"**{text}**" if by_metric["best"].get(metric, False) else text)
            lines.append(line)
        body = "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
        blocks.append(f"### {region}\n\n{body}\n")
    return "\n".join(blocks)


def csv(table: pd.DataFrame) -> str:
    """The tidy table as CSV, with enough digits to compute on."""
    out = io.StringIO()
    table.to_csv(out, index=False, float_format="%.9g", lineterminator="\n")
    return out.getvalue()
