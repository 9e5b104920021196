"""Motion proven by reprojection: does the previous frame, fetched along the motion, look like the current one?

Belongs here: hypotheses about sign, axes and unit of stored motion, and their test. Does not: estimating motion.

A surface point keeps its rest position, so fetching the previous frame's rest positions along a right motion gives the
current ones; fetched along a wrong one they differ by as much as the figure moved. Every way of getting the convention
wrong is tried as well, so that a refusal can say which it is.

Texture coordinates stick to a surface as rest positions do. World positions do so only on what stands still, so they
serve where the camera moves past a still world, and then only to warn: a wheel that turns looks still to them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from osf_pipeline.exr.adapters import Binding, BufferMap
from osf_pipeline.exr.convert import SAMPLE_EXACT, surface
from osf_pipeline.validate.findings import Finding

SAMPLES = 2000
CARRIERS = ("rest_position", "uv", "position", "albedo", "color")
"""Buffers that stick to the surface, best first."""
PRECISE, CERTAIN = CARRIERS[:3], CARRIERS[:2]
"""Carriers that vary smoothly over a surface, and those that may refuse faults without a name."""
GOOD = 0.001
"""Median error, in extents of the carrier, below which motion is right whatever else fits."""
STILL = 1e-3
"""Pixels below which stored motion counts as zero."""
WORSE = 3.0
"""Factor between the median errors of the stored motion and of a better hypothesis."""
FITS = 0.02
"""Error, in extents of the carrier, at which one pixel agrees."""
POOR = 0.5
"""Share of agreeing pixels below which motion is refused though no hypothesis explains it, and the share of the error
of no motion above which motion explains too little."""
MOVED = 0.01
"""Share of moved pixels from which a figure does not stand still."""
TELLING = 0.1
"""Least share of tested pixels that must come from inside the picture."""
STANDING = 0.98
"""Share of world positions that the other frame must show too, where the world stands still."""
ORTHOGRAPHIC = (
    "If an orthographic camera moves: Blender 4.5 and 5.0 write a field that depends on position for it; render with "
    "Blender 4.2, with a resting camera, or with a perspective one from afar."
)


@dataclass(frozen=True)
class Hypothesis:
    """One way to read stored motion: true = factor * (swapped) stored."""

    name: str
    factor: tuple[float, float]
    swapped: bool = False

    def apply(self, motion: np.ndarray) -> np.ndarray:
        """(2, n) stored to (2, n) pixels."""
        return (motion[::-1] if self.swapped else motion) * np.array(self.factor, np.float32)[:, None]


AS_STORED, ZERO = Hypothesis("as stored", (1, 1)), Hypothesis("zero", (0, 0))


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
    yield ZERO


@dataclass(frozen=True)
class Verdict:
    """How well stored motion reprojects one pair of frames.

    Attributes:
        median, agreeing: error of the motion as stored, in extents of the carrier, and share of pixels that agree,
            among pixels that were inside the picture.
        best, best_median: the hypothesis with the least median error, and that error.
        zero: median error of no motion at all; as `median` where that is small.
        moved: share of pixels whose error is more than two pixels' worth.
        pixel: usual change of the carrier from one pixel to the next, in its extents.
        still: the motion as stored is zero everywhere.
        samples: pixels tested; 0 when the pair cannot tell.
    """

    carrier: str
    median: float
    agreeing: float
    best: Hypothesis
    best_median: float
    zero: float
    moved: float
    pixel: float
    still: bool
    samples: int

    @property
    def right(self) -> bool:
        return self.samples == 0 or self.median <= max(GOOD, WORSE * self.best_median)

    @property
    def unexplained(self) -> bool:
        """Wrong, whatever convention it is read in: it misses most pixels, or explains too little of the movement."""
        missed = self.agreeing < POOR and self.median > FITS
        idle = self.carrier in PRECISE and self.median > max(GOOD, self.pixel, POOR * self.zero)
        return bool(self.samples) and (missed or idle)


def judge(
    current: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray], motion: np.ndarray, step: int = 1
) -> Verdict:
    """Reproject `other` into `current` along `motion` and along every hypothesis.

    Args:
        current, other: canonical buffers of two frames over one window, (channel, y, x).
        motion: (2, y, x) pixels; `other` is fetched at p − motion.
        step: frames between the two.
    """
    seen, seen_then = surface(current), surface(other)
    height, width = seen.shape
    for carrier in (c for c in CARRIERS if c in current and c in other):
        now, then = current[carrier][:3], other[carrier][:3]
        if carrier == "position" and not _passes_still_world(now, then, seen, seen_then):
            continue
        rows, columns, extent = _pick(current, now, seen, motion, carrier)
        if len(rows) and extent and seen_then.any():
            break
    else:
        return Verdict("", 0, 1, AS_STORED, 0, 0, 0, 0, False, 0)
    stored = motion[:, rows, columns].astype(np.float32)
    truth = now[:, rows, columns].astype(np.float32)

    def errors(hypothesis: Hypothesis) -> tuple[np.ndarray, np.ndarray]:
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
        return np.where(visible, error, np.inf), inside

    as_stored, inside = errors(AS_STORED)
    pixel = _change_per_pixel(now, seen, rows, columns)
    told = inside.mean() >= TELLING
    # What comes from outside the picture is no fault of right motion, unless the other frame shows it.
    tried = {AS_STORED: float(np.median(as_stored[inside])) if told else np.inf}
    if tried[AS_STORED] > GOOD:
        tried |= {h: float(np.median(errors(h)[0])) for h in hypotheses(width, height, step) if h != AS_STORED}
    best = min(tried, key=lambda h: tried[h])  # the first of equals, so the stored one wins a tie
    if not told and tried[best] > FITS:
        told = carrier in PRECISE and _shown(truth.T, then[:, seen_then].T, 2 * pixel) > POOR
    agreeing = float((as_stored[inside] <= FITS).mean()) if inside.any() else 0.0
    samples = len(rows) if told or tried[best] <= FITS else 0
    pixel /= extent
    return Verdict(
        carrier, tried[AS_STORED], agreeing, best, tried[best],
        tried.get(ZERO, tried[AS_STORED]), float((as_stored > max(GOOD, 2 * pixel)).mean()), pixel,
        bool(np.abs(stored).max() < STILL), samples,
    )  # fmt: skip


def _passes_still_world(now: np.ndarray, then: np.ndarray, seen: np.ndarray, seen_then: np.ndarray) -> bool:
    """Whether the camera moved past a world that stands still, by the world positions both frames show.

    A subject that slides in its own plane before a resting camera leaves the position at most pixels as it was.
    """
    both = seen & seen_then
    pairs = both[:, 1:] & both[:, :-1]
    if pairs.sum() < SAMPLES // 20:
        return False
    step = float(np.median(np.abs(now[:, :, 1:][:, pairs] - now[:, :, :-1][:, pairs]).max(0)))
    if np.median(np.abs(now[:, both] - then[:, both]).max(0)) < step:
        return False
    here, there = (p[:, ::2, ::2][:, m[::2, ::2]].T for p, m in ((now, seen), (then, seen_then)))
    return min(_shown(here, there, 3 * step), _shown(there, here, 3 * step)) >= STANDING


def _shown(asked: np.ndarray, known: np.ndarray, reach: float) -> float:
    """Share of the values `asked` (n, c) that lie within `reach` of any of `known` (m, c)."""
    from scipy.spatial import KDTree

    if not len(known):
        return 0.0
    distance, _ = KDTree(known).query(asked[:: max(1, len(asked) // SAMPLES)])
    return float((distance <= reach).mean())


def _change_per_pixel(now: np.ndarray, seen: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> float:
    """Median change of a carrier to the next pixel of the surface, the larger of both axes."""
    right, below = np.minimum(columns + 1, seen.shape[1] - 1), np.minimum(rows + 1, seen.shape[0] - 1)
    both = seen[rows, right] & seen[below, columns]
    if not both.any():
        return 0.0
    here = now[:, rows, columns].astype(np.float32)
    across, down = now[:, rows, right] - here, now[:, below, columns] - here
    return float(np.median(np.maximum(np.abs(across), np.abs(down)).max(0)[both]))


def _pick(
    current: Mapping[str, np.ndarray], now: np.ndarray, seen: np.ndarray, motion: np.ndarray, carrier: str
) -> tuple[np.ndarray, np.ndarray, float]:
    """Rows and columns of telling pixels, and the extent of the carrier over the figure.

    Telling: unmixed, and among the faster half of the visible pixels; for colours also where they vary.
    """
    unmixed = seen & (current["sample"][0] == SAMPLE_EXACT) if "sample" in current else seen
    flat = np.flatnonzero(unmixed if unmixed.any() else seen)
    flat = flat[:: max(1, len(flat) // (8 * SAMPLES))]
    if not len(flat):
        return flat, flat, 0.0
    rows, columns = np.unravel_index(flat, seen.shape)
    values = now[:, rows, columns].astype(np.float32)
    extent = float((np.quantile(values, 0.98, axis=1) - np.quantile(values, 0.02, axis=1)).max())
    speed = np.abs(motion[:, rows, columns]).max(0)
    keep = speed >= np.median(speed)
    if carrier not in PRECISE:
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
            findings += _findings(verdict, buffer, mapping, file, frame)
    return findings, proven


def _findings(verdict: Verdict, buffer: str, mapping: BufferMap, file: str, frame: int) -> Iterator[Finding]:
    measured = (
        f"median error {verdict.median:.4f} of the extent of {verdict.carrier}, {verdict.agreeing:.0%} of pixels agree"
    )
    certain = verdict.carrier in CERTAIN
    if verdict.still and certain and verdict.moved > MOVED:
        yield Finding(
            "motion", "error", file, frame, buffer,
            f"{buffer} is zero everywhere, yet the figure moves ({verdict.carrier} changes on {verdict.moved:.0%})",
            "Switch the motion pass on and motion blur off, and render again.",
        )  # fmt: skip
    elif not verdict.right and verdict.best_median <= FITS:
        best = verdict.best
        yield Finding(
            "motion", "error", file, frame, buffer,
            f"{buffer} does not reproject ({measured}); it fits when read as {best.name} ({verdict.best_median:.4f})",
            _advice(buffer, mapping.bindings[buffer], best),
        )  # fmt: skip
    elif verdict.unexplained:
        yield Finding(
            "motion", "error" if certain else "warning", file, frame, buffer,
            f"{buffer} does not reproject ({measured}) and no sign, axis or unit explains it",
            "Render it again with motion blur off. " + (ORTHOGRAPHIC if mapping.adapter == "blender" else ""),
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
