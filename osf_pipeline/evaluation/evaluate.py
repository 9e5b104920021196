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
from osf_pipeline.evaluation.contours import Drawn, line_metrics
from osf_pipeline.evaluation.metrics import METRICS, Perceptual, Picture, Sampled, picture_metrics, silhouette_iou
from osf_pipeline.evaluation.target import Target
from osf_pipeline.evaluation.truth import FrameTruth

_SHARES = (
    "silhouette_iou", "contour_f1", "contour_recall", "contour_precision", "stray_ink", "interior_ink", "ghost_ink",
    "flicker", "flicker_drawn", "layer_f1", "layer_recall", "layer_precision",
)  # fmt: skip
_OF_LAYER = {f"contour_{name}": f"layer_{name}" for name in ("recall", "precision")} | {"offset": "layer_offset"}

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
        lambda table: table["value"].isna() | ~table["metric"].isin(_SHARES) | table["value"].between(0, 1),
        error="a share must lie in 0..1",
    ),
    unique=["method", "region", "metric"],
    strict=True,
    ordered=True,
)
"""One row per method, region and metric. `pixels` is what the value is taken over; NaN where there are none."""


@dataclass(frozen=True)
class Candidate:
    """What one method made of a frame.

    Attributes:
        beauty: (4, y, x), premultiplied, linear Rec. 709.
        line: (y, x) opacity of its line layer, where it has one.
    """

    beauty: np.ndarray
    line: np.ndarray | None = None


@dataclass(frozen=True)
class _Before:
    """What a method left of the frame it drew last."""

    frame: int
    picture: np.ndarray
    line: Drawn


class Evaluator:
    """Sums over the frames of one shot; holds numbers and the frame before, never a shot.

    The headline's lines are found alike for every method and for the truth (`contours`); methods with a line layer are
    measured on that as well, as `layer_*`. Methods do not influence each other: any number may be measured at once.

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
        self._rows: list[tuple[str, int, str, str, float, float, int]] = []
        self._last: Target | None = None
        self._before: dict[str, _Before] = {}

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
        """Measure one frame: `target`, then `measure` for each candidate by its method's name."""
        target = self.target(
            frame, truth, render, revealed=revealed, part_id=part_id, motion=motion, motion_valid=motion_valid
        )
        for method, candidate in candidates.items():
            self.measure(target, method, candidate, perceptual=perceptual)

    def target(
        self,
        frame: int,
        truth: FrameTruth,
        render: np.ndarray,
        *,
        revealed: np.ndarray | None = None,
        part_id: np.ndarray | None = None,
        motion: np.ndarray | None = None,
        motion_valid: np.ndarray | None = None,
    ) -> Target:
        """What a frame asks of every method. Frames come in order; one that does not follow the last starts anew.

        Args:
            render: (4, y, x) colour that the methods drew on.
            revealed: (y, x) 0..1 of the guidance, used where the truth does not tell; part_id: (y, x).
            motion: (2, y, x) from the frame given before; motion_valid: (y, x); 0 at cuts and gaps. Without them
                nothing is measured from frame to frame.
        """
        previous = self._last if self._last is not None and self._last.frame < frame else None
        self._last = Target.of(
            frame, truth, render, self.background, revealed=revealed, part_id=part_id, parts=self.parts,
            motion=motion, motion_valid=motion_valid, previous=previous,
        )  # fmt: skip
        return self._last

    def measure(self, target: Target, method: str, candidate: Candidate, *, perceptual: bool = True) -> None:
        """Measure a method on a frame.

        Args:
            perceptual: measure this frame's perceptual distance too.
        """
        beauty = candidate.beauty[:, target.rows, target.columns]
        picture = Picture(display(beauty, self.background))
        line = target.line.find(picture.pixels - target.render)
        drawn = Drawn.of(line, target.line)
        everywhere = target.places[0]
        found = picture_metrics(picture, target.picture, everywhere, target.band)
        found["silhouette_iou"] = silhouette_iou(beauty[3], target.truth.beauty[3])
        found |= line_metrics(line, drawn, target.line)
        if self.perceptual is not None and perceptual:
            found["st_lpips"] = Sampled.of(self.perceptual(picture.pixels, target.picture.pixels), everywhere)
        if candidate.line is not None:
            layer = target.layer.find(candidate.line[None, target.rows, target.columns])
            of_layer = line_metrics(layer, Drawn.of(layer, target.layer), target.layer)
            found |= {new: of_layer[name] for name, new in _OF_LAYER.items()}
        before = self._before.get(method)
        if target.step is not None and before is not None and before.frame == target.step.frame_before:
            found |= target.step.metrics(picture.pixels, before.picture, drawn, before.line)
        self._before[method] = _Before(target.frame, picture.pixels, drawn)
        for metric, sampled in found.items():
            for region, (total, per, pixels) in zip(target.regions, sampled.within(target.places), strict=True):
                self._rows.append((method, target.frame, region, metric, total, per, int(pixels)))

    def table(self) -> pd.DataFrame:
        """Over all frames, validated by `TABLE`; means weigh every pixel alike, ratios are ratios of sums."""
        return TABLE.validate(_summarize(self._samples(), ["method", "region"]))

    def curves(self) -> pd.DataFrame:
        """Frame by frame: method, region, frame, metric, value, frames, pixels."""
        return _summarize(self._samples(), ["method", "region", "frame"])

    def _samples(self) -> pd.DataFrame:
        return pd.DataFrame(self._rows, columns=["method", "frame", "region", "metric", "total", "per", "pixels"])


def _summarize(samples: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Pooled means and ratios, and the metrics that are functions of others, in the order of first appearance and
    `METRICS`."""
    grouped = samples.groupby([*by, "metric"], sort=False)
    sums = grouped.agg(
        total=("total", "sum"), per=("per", "sum"), pixels=("pixels", "sum"), frames=("frame", "nunique")
    )
    sums["value"] = sums["total"] / sums["per"].where(sums["per"] > 0)
    out = sums.reset_index()[[*by, "metric", "value", "frames", "pixels"]]

    decibel, root = (out["metric"] == name for name in ("psnr", "offset_rms"))
    with np.errstate(divide="ignore"):
        out.loc[decibel, "value"] = -10 * np.log10(out.loc[decibel, "value"])
    out.loc[root, "value"] = np.sqrt(out.loc[root, "value"])
    parts = [out]
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


_SIGN = {"high": 1.0, "low": -1.0, "one": -1.0, "none": np.nan}


def best(table: pd.DataFrame) -> pd.Series:
    """Bool per row: the best finite value of its region and metric, where a direction is better and methods differ."""
    sign = table["metric"].map({name: _SIGN[metric.better] for name, metric in METRICS.items()})
    ratio = table["metric"].map({name: metric.better == "one" for name, metric in METRICS.items()})
    with np.errstate(divide="ignore"):
        merit = sign * table["value"].where(~ratio, np.abs(np.log(table["value"].where(ratio))))
    groups = merit.groupby([table["region"], table["metric"]])
    return (merit == groups.transform("max")) & (groups.transform("max") > groups.transform("min"))


def markdown(table: pd.DataFrame, only: Sequence[str] | None = None) -> str:
    """One Markdown table per region, methods down and metrics across; arrows show what is better, bold what is best."""
    cells = table.assign(best=best(table))
    blocks = []
    for region in only or list(dict.fromkeys(cells["region"])):
        rows = cells[cells["region"] == region]
        metrics = list(dict.fromkeys(rows["metric"]))
        head = ["method", *(METRICS[m].heading for m in metrics)]
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
