"""Where a method fails most, enlarged: render, truth and every method side by side.

Belongs here: choosing frames and places, the sheet. Does not: which metric counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from osf_pipeline.bench.footage import StoredFootage
from osf_pipeline.bench.method import Drawer
from osf_pipeline.bench.sequences import BenchSequence
from osf_pipeline.color import display, to_uint8
from osf_pipeline.delivery.preview import encode_png
from osf_pipeline.evaluation.metrics import METRICS
from osf_pipeline.evaluation.regions import BAND
from osf_pipeline.evaluation.truth import read_truth

SIDE, SCALE, TITLE = 96, 2, 14
"""Pixels of a crop, its enlargement, and the height of its title."""


@dataclass(frozen=True)
class Worst:
    """A frame on which a method fares badly.

    Attributes:
        frame: its number.
    """

    metric: str
    sequence: str
    frame: int
    value: float


def worst(curves: Mapping[str, pd.DataFrame], metrics: Sequence[str], region: str, count: int) -> list[Worst]:
    """The worst frame of each of the `count` worst sequences, metric by metric.

    Args:
        curves: a method's values frame by frame, by sequence.
    """
    found = []
    for metric in metrics:
        sign = -1 if METRICS[metric].better == "high" else 1
        frames = []
        for sequence, curve in curves.items():
            mine = curve[(curve["metric"] == metric) & (curve["region"] == region)].dropna(subset="value")
            if len(mine):
                row = mine.iloc[int((sign * mine["value"]).argmax())]
                frames.append(Worst(metric, sequence, int(row["frame"]), float(row["value"])))
        found += sorted(frames, key=lambda w: -sign * w.value)[:count]
    return found


def sheet(
    chosen: Sequence[Worst],
    sequences: Mapping[str, BenchSequence],
    scenes: Mapping[str, Mapping[str, Drawer]],
    flows: str,
) -> bytes:
    """PNG: a row for each frame, the first method's worst place in its occlusion band.

    Args:
        scenes: sequence to method to what draws its whole frame.
    """
    rows = [_row(item, sequences[item.sequence], scenes[item.sequence], flows) for item in chosen]
    return encode_png(np.concatenate(rows))


def _row(item: Worst, sequence: BenchSequence, scenes: Mapping[str, Drawer], flows: str) -> np.ndarray:
    footage = StoredFootage(sequence, flows)
    position = list(footage.frames).index(item.frame)
    truth = read_truth(sequence.truth[item.frame])
    drawn = {name: display(scene(footage, position).beauty) for name, scene in scenes.items()}
    target = display(truth.beauty)
    rows, columns = _place(np.abs(next(iter(drawn.values())) - target).mean(0) * (truth.occlusion <= BAND))
    shown = {"render": display(footage[position]["color"]), "truth": target, **drawn}
    label = f"{item.sequence} {item.frame}: {METRICS[item.metric].label} {item.value:.{METRICS[item.metric].digits}f}"
    cells = [_titled(name, to_uint8(picture[:, rows, columns])) for name, picture in shown.items()]
    return np.concatenate([_strip(label, SCALE * SIDE * len(cells)), np.concatenate(cells, axis=1)])


def _place(error: np.ndarray) -> tuple[slice, slice]:
    """The square of `SIDE` pixels about the greatest mean error, as far as the frame reaches."""
    dense = ndimage.uniform_filter(error.astype(np.float32), SIDE // 3, mode="constant")
    centre = np.unravel_index(int(dense.argmax()), dense.shape)
    starts = (max(0, min(int(c) - SIDE // 2, n - SIDE)) for c, n in zip(centre, error.shape, strict=True))
    top, left = starts
    return slice(top, top + SIDE), slice(left, left + SIDE)


def _titled(name: str, pixels: np.ndarray) -> np.ndarray:
    canvas = np.full((SCALE * SIDE, SCALE * SIDE, 3), 255, np.uint8)
    large = pixels.repeat(SCALE, 0).repeat(SCALE, 1)
    canvas[: large.shape[0], : large.shape[1]] = large
    return np.concatenate([_strip(name, SCALE * SIDE), canvas])


def _strip(text: str, width: int) -> np.ndarray:
    strip = Image.new("RGB", (width, TITLE), "white")
    font = ImageFont.truetype(Path(mpl.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"), 10)  # it has a Δ
    ImageDraw.Draw(strip).text((2, 1), text, fill=(51, 51, 51), font=font)
    return np.asarray(strip)
