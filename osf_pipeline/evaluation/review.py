"""The static review page of one shot: opened from disk, no server, no network.

Belongs here: the pictures of each view, the page's data, its files. Does not: metrics (`evaluate`), layers (`stylize`).
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from string import Template
from typing import Any

import fsspec
import numpy as np
import pandas as pd
from PIL import Image

from osf_pipeline.color import display, from_straight_srgb, straight_srgb, to_uint8
from osf_pipeline.delivery.preview import encode_png, resized
from osf_pipeline.errors import RequestError
from osf_pipeline.evaluation.evaluate import best
from osf_pipeline.evaluation.metrics import METRICS
from osf_pipeline.evaluation.regions import REGIONS
from osf_pipeline.evaluation.sheets import columns_for, contact_sheet
from osf_pipeline.layout import join
from osf_pipeline.store.files import write_bytes

LABELS = {
    "stylized": "Stylized", "input": "Input", "line": "Line", "fill": "Fill", "guides": "Guides",
    "revealed": "Revealed", "difference": "Difference", "truth": "Truth", "error": "Error to truth",
}  # fmt: skip
COLUMNS = ("st_lpips", "ciede2000", "contour_f1", "contour_recall", "contour_precision", "flicker")
CURVES = (("all", "ciede2000"), ("occlusion band", "contour_f1"), ("contour band", "st_lpips"), ("all", "flicker"))
SHEET_CELLS, SHEET_WIDTH = 48, 160
QUALITY = 92


@dataclass(frozen=True)
class ReviewFrame:
    """What one frame shows.

    Attributes:
        number: frame number.
        views: key of `LABELS` to (y, x, 3 or 4) uint8.
    """

    number: int
    views: dict[str, np.ndarray]


@dataclass(frozen=True)
class ReviewData:
    """Everything beside the pictures.

    Attributes:
        metrics, curves: tidy tables of `evaluate`, or None.
        provenance: name and value, in order.
        files: name and relative link.
    """

    shot: str
    subtitle: str
    fps: float
    metrics: pd.DataFrame | None = None
    curves: pd.DataFrame | None = None
    provenance: Sequence[tuple[str, str]] = ()
    files: Sequence[tuple[str, str]] = field(default=())


def frame_views(
    number: int,
    color: np.ndarray,
    layers: Mapping[str, np.ndarray],
    guides: np.ndarray,
    revealed: np.ndarray,
    truth: np.ndarray | None,
) -> ReviewFrame:
    """The views of one frame.

    Args:
        color: (4, y, x) render; layers: `beauty`, `line`, `fill`; all premultiplied linear Rec. 709.
        guides: (y, x, 3) uint8 picture of the guides.
        revealed: (y, x) 0..1.
        truth: (4, y, x) premultiplied linear Rec. 709, or None.
    """
    beauty = display(layers["beauty"])
    red = np.array([0.9, 0.1, 0.1])[:, None, None]
    mark = 0.75 * revealed.astype(np.float32)
    views = {
        "stylized": straight_srgb(layers["beauty"]),
        "input": straight_srgb(color),
        "line": straight_srgb(layers["line"]),
        "fill": straight_srgb(layers["fill"]),
        "guides": guides,
        "revealed": to_uint8(beauty * (1 - mark) + red * mark),
        "difference": to_uint8(np.abs(beauty - display(color))),
    }
    if truth is not None:
        views |= {"truth": straight_srgb(truth), "error": to_uint8(np.abs(beauty - display(truth)))}
    return ReviewFrame(number, views)


def write_review(url: str, data: ReviewData, frames: Iterator[ReviewFrame]) -> int:
    """Write the page; frames are taken one at a time. Returns how many there were.

    Files: `index.html`, `sheet.png`, `frames/<view>/<frame>.webp`.

    Raises:
        RequestError: without a frame.
    """
    numbers: list[int] = []
    cells: list[np.ndarray] = []
    views: list[str] = []
    size = (0, 0)
    fs, base = fsspec.core.url_to_fs(url)
    for frame in frames:
        if not numbers:
            size = frame.views["stylized"].shape[:2]
        for view, pixels in frame.views.items():
            if view not in views:
                views.append(view)
                fs.makedirs(f"{base}/frames/{view}", exist_ok=True)
            write_bytes(join(url, "frames", view, f"{frame.number}.webp"), _webp(pixels))
        numbers.append(frame.number)
        cells.append(_cell(frame.views["stylized"]))
    if not numbers:
        raise RequestError("a review page needs at least one frame", shot=data.shot, fix="Stylize the shot first.")
    positions = sorted({round(i * (len(cells) - 1) / max(1, SHEET_CELLS - 1)) for i in range(SHEET_CELLS)})
    shown = [cells[i] for i in positions]
    columns = columns_for(len(shown), shown[0].shape[1], shown[0].shape[0])
    write_bytes(join(url, "sheet.png"), encode_png(contact_sheet(shown, columns)))
    content = {
        "shot": data.shot,
        "subtitle": data.subtitle,
        "fps": data.fps,
        "frames": numbers,
        "width": size[1],
        "height": size[0],
        "views": [{"key": key, "label": LABELS[key], "ext": "webp"} for key in views],
        "metrics": _metrics(data.metrics),
        "curves": _curves(data.curves, numbers),
        "sheet": {"columns": columns, "rows": -(-len(shown) // columns), "positions": positions},
        "provenance": [list(pair) for pair in data.provenance],
        "files": [{"name": name, "href": href} for name, href in data.files],
    }
    write_bytes(join(url, "index.html"), render_page(f"{data.shot} – review", content).encode())
    return len(numbers)


def render_page(title: str, content: Mapping[str, Any]) -> str:
    """The page with its style, script and data inside. Names are data: they reach the page as JSON, never as HTML."""
    folder = resources.files("osf_pipeline.evaluation") / "page"
    # "<" cannot end the script element or open a comment when it is written as an escape.
    embedded = json.dumps(content, allow_nan=False).replace("<", "\\u003c")
    escaped = title.replace("&", "&amp;").replace("<", "&lt;")
    style, script, page = ((folder / n).read_text(encoding="utf-8") for n in ("style.css", "app.js", "index.html"))
    return Template(page).substitute(title=escaped, data=embedded, style=style, script=script)


def _webp(pixels: np.ndarray) -> bytes:
    """Layers (RGBA) without loss, for they are judged pixel by pixel; opaque helper pictures small."""
    out = io.BytesIO()
    how = {"lossless": True, "method": 1, "quality": 0} if pixels.shape[2] == 4 else {"quality": QUALITY, "method": 2}
    Image.fromarray(pixels).save(out, "WEBP", **how)
    return out.getvalue()


def _cell(rgba: np.ndarray) -> np.ndarray:
    return resized(to_uint8(display(from_straight_srgb(rgba))), SHEET_WIDTH)


def _metrics(table: pd.DataFrame | None) -> list[dict[str, Any]]:
    """One block per region: columns, and rows of formatted cells."""
    if table is None:
        return []
    table = table.assign(best=best(table))
    table = table[table["metric"].isin(COLUMNS)]
    blocks = []
    for region in [name for name in REGIONS if name in set(table["region"])]:
        rows = table[table["region"] == region]
        names = [name for name in COLUMNS if name in set(rows["metric"])]
        columns = [{"label": METRICS[name].heading, "meaning": METRICS[name].meaning} for name in names]
        body = []
        for method, group in rows.groupby("method", sort=False):
            found = group.set_index("metric")
            cells = []
            for name in names:
                value = found["value"].get(name, np.nan)
                text = "–" if pd.isna(value) else f"{value:.{METRICS[name].digits}f}"
                cells.append({"text": text, "best": bool(found["best"].get(name, False))})
            body.append({"method": str(method), "cells": cells})
        blocks.append({"region": region, "columns": columns, "rows": body})
    return blocks


def _curves(table: pd.DataFrame | None, numbers: Sequence[int]) -> list[dict[str, Any]]:
    if table is None:
        return []
    curves = []
    for region, metric in CURVES:
        rows = table[(table["region"] == region) & (table["metric"] == metric)].dropna(subset="value")
        series = []
        for method, group in rows.groupby("method", sort=False):
            by_frame = dict(zip(group["frame"], group["value"], strict=True))
            values = [round(float(by_frame[n]), 5) if n in by_frame else None for n in numbers]
            series.append({"name": str(method), "values": values})
        if series:
            curves.append({"label": f"{METRICS[metric].label}, {region}", "series": series})
    return curves
