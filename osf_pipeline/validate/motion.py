"""Motion proven by reprojection: does the previous frame, fetched along the motion, look like the current one?

Belongs here: hypotheses about sign, axes and unit of stored motion, and their test. Does not: estimating motion.

A surface point keeps its rest position, so fetching the previous frame's rest positions along a right motion gives the
current ones; fetched along a wrong one they differ by as much as the figure moved. Every way of getting the convention
wrong is tried as well, so that a refusal can say which it is.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from osf_pipeline.exr.adapters import Binding, BufferMap
from osf_pipeline.exr.convert import surface
from osf_pipeline.validate.findings import Finding

SAMPLES = 2000
CARRIERS = ("rest_position", "albedo", "color")
"""Buffers that stick to the surface, best first. Only rest positions are strong enough to refuse unnamed faults."""
GOOD = 0.001
"""Median error, in extents of the carrier, below which motion is right whatever else fits."""
STILL = 1e-3
"""Pixels below which stored motion counts as zero."""
WORSE = 3.0
"""Factor between the median errors of the stored motion and of a better hypothesis."""
FITS = 0.02
"""Error, in extents of the carrier, at which one pixel agrees."""
POOR = 0.5
"""Share of agreeing pixels below which motion along rest positions is refused though no hypothesis explains it."""


@dataclass(frozen=True)
class Hypothesis:
    """One way to read stored motion: true = factor * (swapped) stored."""

    name: str
    factor: tuple[float, float]
    swapped: bool = False

    def apply(self, motion: np.ndarray) -> np.ndarray:
        """(2, n) stored to (2, n) pixels."""
        return (motion[::-1] if self.swapped else motion) * np.array(self.factor, np.float32)[:, None]


AS_STORED = Hypothesis("as stored", (1, 1))


def hypotheses(width: int, height: int, step: int) -> Iterator[Hypothesis]:
    """`AS_STORED` first, then every combination of unit, axis order and signs, then no motion at all."""
    units = {
        "": (1.0, 1.0),
        "in image widths and heights": (width, height),
        "in NDC (2 per image)": (width / 2, height / 2),
    }
    if step > 1:
        units["for one frame though files are several apart"] = (step, step)
    signs = {
        "": (1, 1), "with the sign reversed": (-1, -1),
        "with y the other way": (1, -1), "with x the other way": (-1, 1),
    }  # fmt: skip
    for (unit, (ux, uy)), swapped, (sign, (sx, sy)) in itertools.product(units.items(), (False, True), signs.items()):
        name = ", ".join(part for part in ("with x and y swapped" if swapped else "", sign, unit) if part)
        yield Hypothesis(name or AS_STORED.name, (ux * sx, uy * sy), swapped)
    yield Hypothesis("zero", (0, 0))


@dataclass(frozen=True)
class Verdict:
    """How well stored motion reprojects one pair of frames.

    Attributes:
        median, agreeing: error of the motion as stored, in extents of the carrier, and share of pixels that agree.
        best, best_median: the hypothesis with the least median error, and that error.
        still: the motion as stored is zero everywhere.
        samples: pixels tested; 0 when the pair moves too little to tell.
    """

    carrier: str
    median: float
    agreeing: float
    best: Hypothesis
    best_median: float
    still: bool
    samples: int

    @property
    def right(self) -> bool:
        return self.samples == 0 or self.median <= max(GOOD, WORSE * self.best_median)


def judge(
    current: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray], motion: np.ndarray, step: int = 1
) -> Verdict:
    """Reproject `other` into `current` along `motion` and along every hypothesis.

    Args:
        current, other: canonical buffers of two frames over one window, (channel, y, x).
        motion: (2, y, x) pixels; `other` is fetched at p − motion.
        step: frames between the two.
    """
    carrier = next(c for c in CARRIERS if c in current and c in other)
    now, then = current[carrier][:3], other[carrier][:3]
    seen, seen_then = surface(current), surface(other)
    height, width = seen.shape
    rows, columns, extent = _pick(now, seen, motion, carrier)
    if not len(rows) or not extent:
        return Verdict(carrier, 0, 1, AS_STORED, 0, False, 0)
    stored = motion[:, rows, columns].astype(np.float32)
    truth = now[:, rows, columns].astype(np.float32)

    def errors(hypothesis: Hypothesis) -> np.ndarray:
        dx, dy = hypothesis.apply(stored)
        x, y = columns - dx, rows - dy
        # Nearest pixel decides whether the same surface is seen there; its value is then interpolated.
        with np.errstate(invalid="ignore"):
            column, row = np.rint(x).astype(np.int64), np.rint(y).astype(np.int64)
        inside = (column >= 0) & (row >= 0) & (column < width) & (row < height)
        column, row = np.clip(column, 0, width - 1), np.clip(row, 0, height - 1)
        visible = inside & seen_then[row, column]
        fetched = _bilinear(then, seen_then, x, y, row, column)
        error: np.ndarray = np.abs(fetched - truth).max(0) / extent
        return np.where(visible, error, np.inf)

    as_stored = errors(AS_STORED)
    tried = {AS_STORED: float(np.median(as_stored))}
    if tried[AS_STORED] > GOOD:
        tried |= {h: float(np.median(errors(h))) for h in hypotheses(width, height, step)}
    best = min(tried, key=lambda h: tried[h])  # the first of equals, so the stored one wins a tie
    return Verdict(
        carrier, tried[AS_STORED], float((as_stored <= FITS).mean()), best, tried[best],
        bool(np.abs(stored).max() < STILL), len(rows),
    )  # fmt: skip


def _pick(now: np.ndarray, seen: np.ndarray, motion: np.ndarray, carrier: str) -> tuple[np.ndarray, np.ndarray, float]:
    """Rows and columns of telling pixels, and the extent of the carrier over the figure.

    Telling: among the faster half of the visible pixels; for colours also where they vary.
    """
    flat = np.flatnonzero(seen)
    flat = flat[:: max(1, len(flat) // (8 * SAMPLES))]
    if not len(flat):
        return flat, flat, 0.0
    rows, columns = np.unravel_index(flat, seen.shape)
    values = now[:, rows, columns].astype(np.float32)
    extent = float((np.quantile(values, 0.98, axis=1) - np.quantile(values, 0.02, axis=1)).max())
    speed = np.abs(motion[:, rows, columns]).max(0)
    keep = speed >= np.median(speed)
    if carrier != "rest_position":
        right, below = np.minimum(columns + 1, seen.shape[1] - 1), np.minimum(rows + 1, seen.shape[0] - 1)
        change = np.abs(now[:, rows, right] - values).max(0) + np.abs(now[:, below, columns] - values).max(0)
        keep &= change > 0.02 * extent
    rows, columns = rows[keep], columns[keep]
    every = max(1, len(rows) // SAMPLES)
    return rows[::every], columns[::every], extent


def _bilinear(
    values: np.ndarray, seen: np.ndarray, x: np.ndarray, y: np.ndarray, row: np.ndarray, column: np.ndarray
) -> np.ndarray:
    """(c, n) float32 at continuous pixel positions; the nearest pixel's value where a tap would leave the surface."""
    height, width = seen.shape
    left = np.clip(np.floor(x), 0, width - 2).astype(np.int64)
    top = np.clip(np.floor(y), 0, height - 2).astype(np.int64)
    u, v = np.clip(x - left, 0, 1), np.clip(y - top, 0, 1)
    total = np.zeros((values.shape[0], len(x)), np.float32)
    whole = np.ones(len(x), bool)
    for dy, dx in itertools.product((0, 1), (0, 1)):
        weight = (v if dy else 1 - v) * (u if dx else 1 - u)
        total += weight * values[:, top + dy, left + dx].astype(np.float32)
        whole &= seen[top + dy, left + dx]
    return np.where(whole, total, values[:, row, column].astype(np.float32))


def check_pair(
    previous: Mapping[str, np.ndarray], current: Mapping[str, np.ndarray], mapping: BufferMap, file: str, frame: int,
    step: int,
) -> tuple[list[Finding], bool]:  # fmt: skip
    """Judge `motion` of the current and `motion_next` of the previous frame.

    Returns:
        findings, and whether the pair moved enough to prove anything.
    """
    findings: list[Finding] = []
    proven = False
    for buffer, here, there, sign in (("motion", current, previous, 1), ("motion_next", previous, current, -1)):
        if buffer in mapping.bindings:
            verdict = judge(here, there, sign * here[buffer], step)
            proven |= verdict.samples > 0
            findings += _findings(verdict, buffer, mapping.bindings[buffer], file, frame)
    return findings, proven


def _findings(verdict: Verdict, buffer: str, binding: Binding, file: str, frame: int) -> Iterator[Finding]:
    measured = (
        f"median error {verdict.median:.4f} of the extent of {verdict.carrier}, {verdict.agreeing:.0%} of pixels agree"
    )
    if verdict.still and verdict.carrier == "rest_position" and verdict.median > 2 * GOOD:
        yield Finding(
            "motion", "error", file, frame, buffer, f"{buffer} is zero everywhere, yet the figure moves ({measured})",
            "Switch the motion pass on and motion blur off, and render again.",
        )  # fmt: skip
    elif not verdict.right and verdict.best_median <= FITS:
        best = verdict.best
        yield Finding(
            "motion", "error", file, frame, buffer,
            f"{buffer} does not reproject ({measured}); it fits when read as {best.name} ({verdict.best_median:.4f})",
            _advice(buffer, binding, best),
        )  # fmt: skip
    elif verdict.samples and verdict.agreeing < POOR and verdict.median > FITS:
        certain = verdict.carrier == "rest_position"
        yield Finding(
            "motion", "error" if certain else "warning", file, frame, buffer,
            f"{buffer} does not reproject ({measured}) and no sign, axis or unit explains it",
            "Render it again with motion blur off; a moving orthographic camera is wrong in Blender 4.5 and 5.0.",
        )  # fmt: skip


def _advice(buffer: str, binding: Binding, best: Hypothesis) -> str:
    """The configuration that makes a wrong convention right."""
    if not any(best.factor):
        return (
            "The stored motion belongs to other frames, or is not motion: render it again, or map the right channels."
        )
    scale = binding.scale or (1.0, 1.0)
    channels = binding.channels
    if best.swapped:
        scale, channels = scale[::-1], channels[::-1]
    wanted = ", ".join(f"{f * s:g}" for f, s in zip(best.factor, scale, strict=True))
    swap = f" and `channels: {{{buffer}: [{', '.join(channels)}]}}`" if best.swapped else ""
    return f"Set `scale: {{{buffer}: [{wanted}]}}`{swap} in shot.yaml."
