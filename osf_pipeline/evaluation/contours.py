"""How well a line follows the true one.

Belongs here: the true line as a method's line is compared with it, and metrics of one frame. Does not: finding lines
(`lines`), metrics over two frames (`temporal`).

A method's line is found in one of two ways, and the truth's by the same:
    * In its picture: what shows more than `PICTURE_SHARE` of the contrast that the true line has there over the render,
      in the direction of the true line's colour. Works alike for methods with and without a line layer.
    * In its line layer: what is more than `LAYER_SHARE` as opaque as the true line is there.

Where a line should be is the geometry of the truth (`FrameTruth.to_centre`), not the found line: precision, recall and
offset are taken between the middles of strokes, to a fraction of a pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import ndimage
from scipy.spatial import KDTree

from osf_pipeline.evaluation.lines import GAP, Line, along, distance_to, grown, trace
from osf_pipeline.evaluation.metrics import Sampled
from osf_pipeline.evaluation.regions import BAND
from osf_pipeline.evaluation.truth import FrameTruth

TOLERANCE = 1.0
"""Pixels within which two middles of strokes are the same line."""
EDGE = 1.5
"""Pixels of soft edge granted to the ink's area."""
INTERIOR = 3.0
"""Pixels beyond the edge of a stroke where the interior of a figure begins."""
PICTURE_SHARE, LAYER_SHARE = 1 / 3, 1 / 2
"""Share of the true line's strength that counts as drawn. A third is plainly seen; a line layer holds nothing else."""
FAINTEST = 0.1
"""Least contrast (L2 of display-encoded RGB) or opacity that counts as drawn, however pale the true line is. A line is
asked for where the true one is twice as strong."""


@dataclass(frozen=True)
class TrueLine:
    """The line a method's is compared with.

    Attributes:
        truth: of the frame.
        gain: (c, y, x) by which a change of c channels is multiplied and summed to the opacity of a line.
        drawn: the true line as it is found like any method's.
        asked: (y, x) bool, pixels of the geometric centre that must be drawn: those the true picture shows. Dark ink on
            dark hair is allowed and not asked for.
        points: (M, 2) y and x of the middle of the stroke at `asked`, in row order.
    """

    truth: FrameTruth
    gain: np.ndarray
    drawn: Line
    asked: np.ndarray
    points: np.ndarray

    @classmethod
    def of(cls, truth: FrameTruth, change: np.ndarray, share: float) -> TrueLine:
        """
        Args:
            change: (c, y, x) that the true line makes: of the picture against the render, or its opacity.
            share: of its strength that counts as drawn.
        """
        strength = along(truth.centre, change[:, truth.centre])
        gain = _gain(truth.centre, strength, share)
        drawn = trace((change * gain).sum(0))
        points = _middles(truth, truth.centre)
        beside, _ = drawn.across(points)
        shown = (beside <= TOLERANCE) & (np.linalg.norm(strength, axis=0) >= 2 * FAINTEST)
        asked = truth.centre.copy()
        asked[truth.centre] = shown
        return cls(truth, gain, drawn, asked, points[shown])

    def find(self, change: np.ndarray) -> Line:
        """A method's line.

        Args:
            change: (c, y, x), as for `of`.
        """
        return trace((change * self.gain).sum(0))

    def beside(self, line: Line) -> np.ndarray:
        """(N,) pixels across a line from the geometric centre, +inf where that is more than `GAP` away."""
        if not len(line.points) or not self._geometry.n:
            return np.full(len(line.points), np.inf)
        distance, nearest = self._geometry.query(line.points, distance_upper_bound=GAP)
        found = np.isfinite(distance)
        offset = line.points - self._geometry.data[np.where(found, nearest, 0)]
        return np.where(found, np.abs((offset * line.normals).sum(1)), np.inf)

    @cached_property
    def _geometry(self) -> KDTree:
        return KDTree(_middles(self.truth, self.truth.away <= GAP))

    @cached_property
    def beyond(self) -> np.ndarray:
        """(y, x) pixels to the area that may hold ink: the stroke's geometry, and what the truth itself draws."""
        return distance_to(self.drawn.mask | (self.truth.away <= self.truth.width / 2))

    @cached_property
    def interior(self) -> np.ndarray:
        """(y, x) bool: inside the figure and well away from every line."""
        off = (self.truth.away > self.truth.width / 2 + INTERIOR) & (self.beyond > EDGE)
        return off & (self.truth.beauty[3] > 0.5)

    @cached_property
    def far_side(self) -> np.ndarray | None:
        """(y, x) bool: across a contour from the line, within its band; None where the truth does not tell sides."""
        if self.truth.far is None:
            return None
        return self.truth.far & (self.truth.contour <= BAND) & (self.beyond > EDGE)


def _middles(truth: FrameTruth, where: np.ndarray) -> np.ndarray:
    """(N, 2) y and x of the nearest middle of a stroke at chosen pixels."""
    return np.stack(np.nonzero(where), 1) + truth.to_centre[::-1, where].T.astype(np.float64)


def _gain(centre: np.ndarray, strength: np.ndarray, share: float) -> np.ndarray:
    """(c, y, x) in the direction of the nearest stretch of true line; the least change that counts as drawn becomes an
    opacity of one half.

    Args:
        strength: (c, N) of the true line at its centre.
    """
    size = np.linalg.norm(strength, axis=0)
    gain = np.zeros((len(strength), *centre.shape))
    if not centre.any():  # no line to compare with: what is darker, or opaque, counts
        return gain + (1 if len(gain) == 1 else -1) / (2 * FAINTEST * np.sqrt(len(gain)))
    gain[:, centre] = strength / np.maximum(size * 2 * np.maximum(share * size, FAINTEST), 1e-6)
    row, column = ndimage.distance_transform_edt(~centre, return_distances=False, return_indices=True)
    return gain[:, row, column]


@dataclass(frozen=True)
class Drawn:
    """A method's line as the true line asks for it, what is kept of it for the next frame; M as in `TrueLine.points`.

    Attributes:
        there: (M,) bool, drawn.
        gone: (M,) bool, no ink there at all; what is neither is drawn a little off, or melts into another line.
        width: (M,) pixels, of the found line; meaningless where it is not drawn.
        ink: (y, x) bool, all of its area, asked for or not.
    """

    there: np.ndarray
    gone: np.ndarray
    width: np.ndarray
    ink: np.ndarray

    @classmethod
    def of(cls, line: Line, true: TrueLine) -> Drawn:
        beside, nearest = line.across(true.points)
        there = beside <= TOLERANCE
        gone = ~grown(line.mask)[true.asked]
        return cls(there, gone & ~there, np.append(line.width, 0)[np.where(there, nearest, -1)], line.mask)


def line_metrics(line: Line, drawn: Drawn, true: TrueLine) -> dict[str, Sampled]:
    """Metrics of a line; precision and recall are taken between the middles of strokes.

    Middles alone would forgive a flood of ink, which has a short one; `stray_ink`, `interior_ink` and `ghost_ink`
    count its area.
    """
    offset = true.beside(line)
    own, _ = true.drawn.across(line.points)  # second strokes, grain: what the truth draws is right
    matched = offset <= TOLERANCE
    on = line.centre.copy()
    on[line.centre] = matched
    out = {
        "contour_recall": Sampled(true.asked, drawn.there),
        "contour_precision": Sampled(line.centre, matched | (own <= TOLERANCE)),
        "stray_ink": Sampled(line.mask, true.beyond[line.mask] > EDGE),
        "offset": Sampled(on, offset[matched]),
        "offset_rms": Sampled(on, offset[matched] ** 2),
        "line_width": Sampled(on, line.width[matched]),
        "interior_ink": Sampled(true.interior, line.mask[true.interior]),
    }
    if true.far_side is not None:
        out["ghost_ink"] = Sampled(true.far_side, line.mask[true.far_side])
    return out
