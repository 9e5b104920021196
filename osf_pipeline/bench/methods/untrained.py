"""Baselines that learn nothing by gradient: the render, the drawing carried by the surface, one constant line.

Belongs here: methods without a network. Does not: the scores, or methods with one (`painted`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from model.color import on_white
from osf_pipeline.bench.method import Budget, Drawer, Fit, Footage, Log
from osf_pipeline.color import decode_srgb, encode_srgb
from osf_pipeline.colorspaces.spaces import LINEAR_REC709, convert
from osf_pipeline.evaluation.baselines import TextureLookup
from osf_pipeline.evaluation.evaluate import Candidate
from osf_pipeline.training.exemplar import ExemplarData, PreparedExemplar, prepare
from osf_pipeline.training.line import LineProfile


def in_rec709(exemplar: ExemplarData) -> ExemplarData:
    """The same exemplar in the space of the benchmark's footage."""
    drawing = exemplar.drawing.copy()
    drawing[:3] = encode_srgb(convert(decode_srgb(drawing[:3]), exemplar.space, LINEAR_REC709)).clip(0, 1)
    color = convert(exemplar.buffers["color"], exemplar.space, LINEAR_REC709)
    return replace(exemplar, buffers={**exemplar.buffers, "color": color}, drawing=drawing, space=LINEAR_REC709)


class _Untrained:
    """Nothing to learn, nothing to count."""

    def fit(self, exemplars: Sequence[ExemplarData], budget: Budget, log: Log | None = None) -> Fit:
        return Fit(facts={"steps": 0, "seconds": 0.0, "parameters": 0})

    def macs(self, fit: Fit, height: int, width: int) -> int:
        return 0


class RawRender(_Untrained):
    """The render as it is."""

    name = "raw render"
    meaning = "the render as it is, without a line"

    def drawer(self, exemplars: Sequence[ExemplarData], fit: Fit) -> Drawer:
        def draw(footage: Footage, position: int) -> Candidate:
            return Candidate(footage[position]["color"].astype(np.float32))

        return draw


class CarriedTexture(_Untrained):
    """The drawing, its contours included, carried by the surface; of several exemplars the first."""

    name = "texture lookup"
    meaning = "the drawing with its contours, carried by rest position"

    def drawer(self, exemplars: Sequence[ExemplarData], fit: Fit) -> Drawer:
        exemplar = in_rec709(exemplars[0])
        alpha = exemplar.drawing[3:]
        layer = np.concatenate([decode_srgb(exemplar.drawing[:3]) * alpha, alpha])
        lookup = TextureLookup(layer, exemplar.buffers["rest_position"], exemplar.buffers["part_id"][0])

        def draw(footage: Footage, position: int) -> Candidate:
            seen = footage[position]
            ids = (seen["part_id"][0], seen["object_id"][0])
            return Candidate(lookup.paint(seen["color"], seen["rest_position"], *ids))

        return draw


@dataclass(frozen=True)
class ConstantLine:
    """One line for a whole style.

    Attributes:
        start, stop: its edges in pixels of signed contour distance, positive on the owner's surface; `start` is below 0
            where the line reaches outside.
        ink: (3,) display-encoded straight colour in 0..1.
        opacity: how much of what lies below the ink hides, 0..1.
    """

    start: float
    stop: float
    ink: np.ndarray
    opacity: float

    def over(self, color: np.ndarray, contour: np.ndarray, side: np.ndarray, surface: np.ndarray) -> Candidate:
        """Paint it along contours.

        Args:
            color: (4, y, x) premultiplied linear render.
            contour: (y, x) pixels to the nearest contour; side: (y, x) bool, on its owner.
            surface: (y, x) bool, a pixel's centre shows a surface.
        """
        alpha = np.clip(color[3].astype(np.float32), 0, 1)
        contour = contour.astype(np.float32)
        # A silhouette's soft rim shows the surface inside it, though its centres miss it.
        inside = side | (~surface & ((self.start == 0) | (alpha > 0)))
        signed = np.where(inside, contour, -contour)
        begun = np.clip(signed - self.start + 0.5, 0, 1)
        cover = self.opacity * np.clip(self.stop - signed + 0.5, 0, 1) * np.where(inside & (self.start == 0), 1, begun)
        clip = alpha if self.start == 0 else np.ones_like(alpha)
        ink = np.append(decode_srgb(self.ink), 1.0).astype(np.float32)[:, None, None]
        return Candidate(color.astype(np.float32) * (1 - cover) + ink * cover * clip, cover * clip)


def constant_line(exemplars: Sequence[ExemplarData]) -> ConstantLine:
    """The line that explains the drawings best with one width, one ink and one opacity.

    The edges are those of the measured profile (half of its greatest ink share). Ink and opacity are the least-squares
    fit of `drawn = (1 - opacity) * fill + opacity * ink` over the line's pixels, one opacity for all channels.
    """
    prepared = [prepare(exemplar) for exemplar in exemplars]
    # A pale rim outside the line is trimmed off, so a line that starts beyond one starts at the contour.
    halo = LineProfile.WIDEST_HALO
    starts = [0.0 if 0 < e.profile.start <= halo else e.profile.start for e in prepared]
    start, stop = float(np.mean(starts)), float(np.mean([e.profile.stop for e in prepared]))
    drawn, fill, weight = (np.concatenate(parts, -1) for parts in zip(*map(_inked, prepared), strict=True))
    if not weight.sum() > 0:
        return ConstantLine(start, start, np.zeros(3), 0.0)
    share = weight / weight.sum()
    mean_drawn, mean_fill = drawn @ share, fill @ share
    d, f = drawn - mean_drawn[:, None], fill - mean_fill[:, None]
    spread = float((share * f * f).sum())
    shows = float((share * d * f).sum()) / spread if spread > 1e-6 else 0.0
    # The ink may be no brighter than white and no darker than black, which bounds how thin it can be.
    shows = float(np.clip(shows, 0, min(_shows_at_most(mean_drawn, mean_fill), 1)))
    ink = (mean_drawn - shows * mean_fill) / (1 - shows) if shows < 1 else mean_drawn
    return ConstantLine(start, stop, np.clip(ink, 0, 1), 1 - shows)


def _inked(exemplar: PreparedExemplar) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Drawing and render on white, (3, N) display-encoded, and the ink's weight, (N,), at the line's pixels."""
    sheet, inked = exemplar.figure.sheet, exemplar.inked.numpy()
    where = inked > 0
    drawn, fill = (on_white(x)[0].numpy()[:, where].astype(np.float64) for x in (sheet.target, sheet.color))
    return drawn, fill, inked[where].astype(np.float64)


def _shows_at_most(drawn: np.ndarray, fill: np.ndarray) -> float:
    """The greatest share of the fill that may show through before the ink would have to leave 0..1."""
    dark = drawn / np.maximum(fill, 1e-6)
    light = (1 - drawn) / np.maximum(1 - fill, 1e-6)
    return float(min(dark.min(), light.min()))


class ConstantOverlay(_Untrained):
    """One measured line painted along our contours: what guides alone are worth, without a network."""

    name = "constant line overlay"
    meaning = "measured width, ink and opacity painted on our contours, no network"

    def drawer(self, exemplars: Sequence[ExemplarData], fit: Fit) -> Drawer:
        line = constant_line([in_rec709(exemplar) for exemplar in exemplars])

        def draw(footage: Footage, position: int) -> Candidate:
            seen = footage[position]
            side, surface = seen["contour_side"][0] > 0, seen["part_id"][0] > 0
            return line.over(seen["color"], seen["contour"][0], side, surface)

        return draw
