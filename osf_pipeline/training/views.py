"""Whole pictures a training is watched on: the keyframe, and composites no step sees.

Belongs here: drawing them with a snapshot, measuring them region by region, showing them. Does not: the held-out loss,
which is taken on patches (`loop`), or metrics of a shot (`osf_pipeline.evaluation`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage

from model.inputs import MARGIN
from model.stylizer import Line, Stylizer
from model.trunk import STRIDE
from osf_pipeline.color import display
from osf_pipeline.colorspaces.spaces import LINEAR_REC709, Space, convert
from osf_pipeline.delivery.preview import beside, encode_png, picture, resized
from osf_pipeline.training.line import INK_STEP
from osf_pipeline.training.patches import HELD_OUT, PatchPool, Plate

REACH = 1.0
"""Pixels within which ink counts as being where the drawing has it."""

WIDTH = 640
"""Pixels of a preview's width, at most."""


@dataclass(frozen=True)
class View:
    """One picture with what is to be drawn.

    Attributes:
        regions: (y, x) bool by name: `silhouette`, nearest to a contour before the background; `inner`, nearest to one
            before a surface; both as far as the line and its margin reach, where the drawing is to be learnt.
    """

    plate: Plate
    regions: dict[str, np.ndarray]


def views(pool: PatchPool, composites: int = 4) -> list[View]:
    """The first keyframe, then `composites` held-out pictures."""
    first = pool.exemplars[0]
    pictures = [pool.picture(first.figure.sheet, first)]
    pictures += [pool.compose(number, HELD_OUT) for number in range(composites)]
    found = []
    for made in pictures:
        sheet, seed = made.sheet, made.contours.seed[0, 0].numpy()
        rim = seed & ndimage.binary_dilation(sheet.part[0, 0].numpy() == 0, np.ones((3, 3), bool))
        outer, inner = _distance_to(rim), _distance_to(seed & ~rim)
        asked = (np.minimum(outer, inner) <= pool.stroke + MARGIN) & (sheet.weight[0, 0].numpy() > 0.5)
        regions = {"silhouette": asked & (outer <= inner), "inner": asked & (inner < outer)}
        found.append(View(pool.pack(made), regions))
    return found


def drawn(model: Stylizer, view: View) -> np.ndarray:
    """(4, y, x) float32 beauty, scene-linear premultiplied, in the network's space."""
    device = next(model.parameters()).device
    inputs, fill = (layer[None].float().to(device) for layer in (view.plate.inputs, view.plate.fill))
    height, width = fill.shape[2:]
    with torch.inference_mode():
        padded = F.pad(inputs, (0, -width % STRIDE, 0, -height % STRIDE), mode="replicate")
        line = Line.of(model(padded.contiguous(memory_format=torch.channels_last))[:, :, :height, :width])
        beauty: np.ndarray = line.over(fill)[0].cpu().numpy()
    return beauty


def sheet(model: Stylizer, shown: Sequence[View], space: Space) -> bytes:
    """A PNG on white: a row for each view, the drawing left, the model's own right."""
    rows = []
    for view in shown:
        pair = (view.plate.target.float().numpy(), drawn(model, view))
        rows.append(beside([picture(convert(layer, space, LINEAR_REC709)) for layer in pair]))
    # Views of several keyframes differ in size.
    widest = max(row.shape[1] for row in rows)
    rows = [np.pad(row, ((0, 0), (0, widest - row.shape[1]), (0, 0)), constant_values=255) for row in rows]
    return encode_png(resized(np.concatenate(rows), WIDTH))


def region_metrics(model: Stylizer, measured: Sequence[View], space: Space) -> dict[str, float]:
    """Line metrics over all views, `<region>.<metric>`; a region without a line is left out.

    `line_recall`: share of the drawing's ink with ink within `REACH`; `line_precision`: share of the model's ink with
    the drawing's within it; `color_error`: mean distance of display-encoded RGB on white where either has ink.
    """
    sums: dict[str, np.ndarray] = {}
    for view in measured:
        layers = (view.plate.target.float().numpy(), drawn(model, view), view.plate.fill.float().numpy())
        target, found, fill = (display(convert(layer, space, LINEAR_REC709)) for layer in layers)
        asked, inked = (np.linalg.norm(picture - fill, axis=0) > INK_STEP for picture in (target, found))
        hit, right = _distance_to(inked) <= REACH, _distance_to(asked) <= REACH
        error = np.linalg.norm(found - target, axis=0)
        for name, region in view.regions.items():
            parts = ((hit, region & asked), (right, region & inked), (error, region & (asked | inked)))
            counted = np.array([(float(values[where].sum()), float(where.sum())) for values, where in parts])
            sums[name] = sums.get(name, np.zeros((3, 2))) + counted
    names = ("line_recall", "line_precision", "color_error")
    return {
        f"{region}.{name}": float(total / count)
        for region, rows in sums.items()
        for name, (total, count) in zip(names, rows, strict=True)
        if count
    }


def _distance_to(mask: np.ndarray) -> np.ndarray:
    """(y, x) pixels to the nearest set pixel; +inf everywhere when none is set."""
    return ndimage.distance_transform_edt(~mask) if mask.any() else np.full(mask.shape, np.inf)
