"""One frame as every method is measured on it: what does not depend on a method, worked out once.

Belongs here: the window around the figure, the truth seen in it, the step from the frame before. Does not: scores of a
method (`evaluate`), masks of regions (`regions`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from osf_pipeline.color import Background, display
from osf_pipeline.evaluation.contours import LAYER_SHARE, PICTURE_SHARE, Drawn, TrueLine
from osf_pipeline.evaluation.metrics import Picture
from osf_pipeline.evaluation.regions import BAND, regions
from osf_pipeline.evaluation.temporal import Motion, Step
from osf_pipeline.evaluation.truth import FrameTruth

MARGIN = 16
"""Pixels around the figure's region that its metrics look at: more than any filter's radius."""
SMALLEST = 64
"""Pixels a side that the perceptual network needs."""


@dataclass(frozen=True)
class Target:
    """A frame to be drawn.

    Attributes:
        frame: studio number.
        rows, columns: window around the figure; all arrays are cut to it.
        truth, render: its truth; the render's picture, (3, y, x) display-encoded.
        picture: of the truth.
        band: (y, x) bool, near contours.
        regions: names.
        places: (R, y, x) bool, one mask per region; the first is `all`, which holds the others.
        line, layer: the true line in the picture, and of the line layer.
        drawn: the truth's own line.
        step: from the frame before; None without one.
    """

    frame: int
    rows: slice
    columns: slice
    truth: FrameTruth
    render: np.ndarray
    picture: Picture
    band: np.ndarray
    regions: tuple[str, ...]
    places: np.ndarray
    line: TrueLine
    layer: TrueLine
    drawn: Drawn
    step: Step | None

    @classmethod
    def of(
        cls,
        frame: int,
        truth: FrameTruth,
        render: np.ndarray,
        background: Background,
        *,
        revealed: np.ndarray | None = None,
        part_id: np.ndarray | None = None,
        parts: Mapping[int, str] | None = None,
        motion: np.ndarray | None = None,
        motion_valid: np.ndarray | None = None,
        previous: Target | None = None,
    ) -> Target:
        """Arguments as `Evaluator.target`; `previous` is the frame that `motion` comes from."""
        places = regions(truth, render[3], revealed=revealed, part_id=part_id, parts=parts)
        rows, columns = (_span(np.asarray(places["all"].any(axis))) for axis in (1, 0))
        whole = truth
        truth = truth.crop(rows, columns)
        shown, picture = (display(layer[:, rows, columns], background) for layer in (render, whole.beauty))
        line = TrueLine.of(truth, picture - shown, PICTURE_SHARE)
        drawn = Drawn.of(line.drawn, line)
        step = None
        if previous is not None and motion is not None and motion_valid is not None:
            hidden = whole.revealed if whole.revealed is not None else None if revealed is None else revealed > 0.5
            valid = (motion_valid > 0) if hidden is None else (motion_valid > 0) & ~hidden
            moved = Motion.of(
                motion[:, rows, columns], valid[rows, columns], (rows.start, columns.start),
                (previous.rows.start, previous.columns.start), valid.shape,
            )  # fmt: skip
            error = moved.warp_error(picture, previous.picture.pixels)
            step = Step.of(previous.frame, moved, line, previous.line, drawn, previous.drawn, error)
        return cls(
            frame, rows, columns, truth, shown, Picture(picture), truth.contour <= BAND,
            tuple(places), np.stack([mask[rows, columns] for mask in places.values()]),
            line, TrueLine.of(truth, truth.line[None], LAYER_SHARE), drawn, step,
        )  # fmt: skip


def _span(taken: np.ndarray) -> slice:
    found = np.flatnonzero(taken)
    if not found.size:
        found = np.array([len(taken) // 2])
    start, stop = max(0, found[0] - MARGIN), min(len(taken), found[-1] + 1 + MARGIN)
    return slice(int(max(0, min(start, len(taken) - SMALLEST))), int(max(stop, min(len(taken), start + SMALLEST))))
