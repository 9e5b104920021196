"""Metrics as values at pixels, so that any region can be read off one computation.

Belongs here: what is measured, of pictures and of lines. Does not: masks of regions (`regions`), sums over regions and
frames (`evaluate`).

Every metric is a `Sampled`: a value per pixel and the pixels where it is defined. Colour metrics are defined
everywhere, recall at the truth's centre line, precision at the found centre line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from scipy import ndimage

from osf_pipeline.color import lab
from osf_pipeline.evaluation.lines import distance_to, drawn_mask, thin
from osf_pipeline.evaluation.truth import FrameTruth

Perceptual = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Two (3, y, x) display-encoded pictures of at least 64x64 to a (y, x) map of their distance."""


@dataclass(frozen=True)
class Metric:
    """How a metric is named and read.

    Attributes:
        better: which direction is better; `none` for a measure to be compared with the truth's own.
        digits: decimals worth printing.
    """

    label: str
    better: Literal["high", "low", "none"]
    digits: int
    meaning: str


METRICS = {
    "st_lpips": Metric("ST-LPIPS", "low", 4, "perceptual distance to the truth, tolerant of small shifts"),
    "ciede2000": Metric("ΔE00", "low", 2, "colour difference to the truth"),
    "psnr": Metric("PSNR dB", "high", 2, "of the mean squared error of the display-encoded picture"),
    "ssim": Metric("SSIM", "high", 4, "structural similarity to the truth"),
    "contour_f1": Metric("contour F1", "high", 3, "harmonic mean of contour precision and recall"),
    "contour_recall": Metric("contour recall", "high", 3, "share of the true line's visible centre that is drawn"),
    "contour_precision": Metric("contour precision", "high", 3, "share of the drawn line's centre that is true"),
    "stray_ink": Metric("stray ink", "low", 3, "share of the drawn line's area that lies off the true line"),
    "offset": Metric("offset px", "low", 2, "from the drawn line's centre to the true line's, where they match"),
    "contour_distance": Metric("to contour px", "none", 2, "from the drawn line's centre to the geometric contour"),
    "line_width": Metric("width px", "none", 2, "of the drawn line, where it matches the true line"),
    # No direction is better by itself: a line that is never drawn never flickers. Read it beside the recall.
    "flicker": Metric("flicker", "none", 3, "share of the true line drawn in one of two successive frames only"),
    "layer_f1": Metric("layer F1", "high", 3, "contour F1 of the line layer itself"),
    "layer_recall": Metric("layer recall", "high", 3, "contour recall of the line layer itself"),
    "layer_precision": Metric("layer precision", "high", 3, "contour precision of the line layer itself"),
}


@dataclass(frozen=True)
class Sampled:
    """A metric on one frame.

    Attributes:
        values: (y, x) numbers or bools.
        where: (y, x) bool, where they are defined; None is everywhere.
    """

    values: np.ndarray
    where: np.ndarray | None = None

    def within(self, region: np.ndarray) -> tuple[float, int]:
        """Sum and number of the values in a (y, x) bool region."""
        chosen = self.values[region if self.where is None else region & self.where]
        return float(chosen.sum(dtype=np.float64)), chosen.size


# --- Pictures


def picture_metrics(picture: np.ndarray, truth: np.ndarray) -> dict[str, Sampled]:
    """`mse`, `ciede2000` and `ssim` of two (3, y, x) display-encoded pictures in 0..1."""
    return {
        "mse": Sampled(np.square(picture - truth).mean(0)),
        "ciede2000": Sampled(ciede2000(lab(picture), lab(truth))),
        "ssim": Sampled(ssim(picture, truth)),
    }


def ciede2000(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Colour difference of CIE Lab colours, (3, ...) each, to (...).

    Sharma, Wu and Dalal, "The CIEDE2000 color-difference formula: implementation notes, supplementary test data, and
    mathematical observations", Color Research and Application 30(1), 2005; numbers in brackets are its equations.
    """
    (l1, a1, b1), (l2, a2, b2) = first, second
    chroma7 = ((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2) ** 7
    g = 0.5 * (1 - np.sqrt(chroma7 / (chroma7 + 25.0**7)))  # (4)
    c1, c2 = np.hypot((1 + g) * a1, b1), np.hypot((1 + g) * a2, b2)  # (6)
    h1, h2 = (np.degrees(np.arctan2(b, (1 + g) * a)) % 360 for a, b in ((a1, b1), (a2, b2)))  # (7)
    grey = c1 * c2 == 0

    turn = np.where(grey, 0, (h2 - h1 + 180) % 360 - 180)  # (10)
    dl, dc, dh = l2 - l1, c2 - c1, 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn) / 2)  # (8) (9) (11)

    l, c = (l1 + l2) / 2, (c1 + c2) / 2  # (12) (13)  # noqa: E741
    apart = np.abs(h1 - h2) > 180
    h = np.where(grey, h1 + h2, (h1 + h2 + np.where(apart, np.where(h1 + h2 < 360, 360, -360), 0)) / 2)  # (14)
    t = (
        1
        - 0.17 * np.cos(np.radians(h - 30))
        + 0.24 * np.cos(np.radians(2 * h))
        + 0.32 * np.cos(np.radians(3 * h + 6))
        - 0.20 * np.cos(np.radians(4 * h - 63))
    )  # (15)
    rotation = -np.sin(np.radians(60 * np.exp(-(((h - 275) / 25) ** 2)))) * 2 * np.sqrt(c**7 / (c**7 + 25.0**7))
    sl = 1 + 0.015 * (l - 50) ** 2 / np.sqrt(20 + (l - 50) ** 2)  # (18)
    sc, sh = 1 + 0.045 * c, 1 + 0.015 * c * t  # (19) (20)
    dl, dc, dh = dl / sl, dc / sc, dh / sh
    return np.sqrt(np.maximum(dl**2 + dc**2 + dh**2 + rotation * dc * dh, 0))  # (22)


def ssim(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(y, x) structural similarity of two (3, y, x) pictures in 0..1, mean of the channels.

    Wang et al. 2004, "Image quality assessment: from error visibility to structural similarity": Gaussian window of
    sigma 1.5 and 11 pixels, K1 = 0.01, K2 = 0.03.
    """

    def blur(x: np.ndarray) -> np.ndarray:
        return ndimage.gaussian_filter(x, (0, 1.5, 1.5), truncate=5 / 1.5)

    x, y = first.astype(np.float64), second.astype(np.float64)
    mx, my = blur(x), blur(y)
    vx, vy, cov = blur(x * x) - mx * mx, blur(y * y) - my * my, blur(x * y) - mx * my
    c1, c2 = 0.01**2, 0.03**2
    return ((2 * mx * my + c1) * (2 * cov + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2))).mean(0)


def st_lpips(device: str = "cpu") -> Perceptual:
    """The ST-LPIPS map on AlexNet features, of a picture and its truth.

    Several methods are measured against one truth after another, so the features of the last truth are kept.

    Raises:
        RequestError: when the weights are not installed.
    """
    import torch

    from model.perceptual import STLPIPS
    from osf_pipeline.packaged import stlpips_state

    network = STLPIPS(stlpips_state("alex")).to(device).eval()

    def tensor(picture: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(picture, np.float32))[None].to(device)

    truth, features = np.zeros(0), [torch.zeros(0)]

    def measure(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        nonlocal truth, features
        with torch.inference_mode():
            if not np.array_equal(second, truth):
                truth, features = second.copy(), network.features(tensor(second))
            return network.between(network.features(tensor(first)), features, first.shape[1:]).map[0, 0].cpu().numpy()

    return measure


def perceptual_metric(
    measure: Perceptual, picture: np.ndarray, truth: np.ndarray, region: np.ndarray, margin: int = 32
) -> Sampled:
    """`st_lpips` around a region only: the rest of the picture costs time and is not looked at."""
    values = np.zeros(region.shape, np.float32)
    rows, columns = (_span(np.asarray(region.any(axis)), margin) for axis in (1, 0))
    values[rows, columns] = measure(picture[:, rows, columns], truth[:, rows, columns])
    return Sampled(values, region)


def _span(taken: np.ndarray, margin: int) -> slice:
    found = np.flatnonzero(taken)
    if not found.size:
        found = np.array([len(taken) // 2])
    start, stop = max(0, found[0] - margin), min(len(taken), found[-1] + 1 + margin)
    return slice(max(0, min(start, len(taken) - 64)), max(stop, min(len(taken), start + 64)))


# --- Lines


@dataclass(frozen=True)
class TrueLine:
    """The line a method is measured against.

    Attributes:
        asked: (y, x) bool centre line that must be drawn.
        allowed: (y, x) bool centre line that may be drawn; holds `asked`.
        mask: (y, x) bool area that may hold ink.
        contour: (y, x) pixels to the geometric contour.
        reach: pixels within which two centre lines match: half the true stroke, so that the found centre lies inside
            it, and 1.5 at least.
    """

    asked: np.ndarray
    allowed: np.ndarray
    mask: np.ndarray
    contour: np.ndarray
    reach: float

    @classmethod
    def of_layer(cls, truth: FrameTruth) -> TrueLine:
        """The whole true line, for methods with a line layer."""
        return cls(truth.centre, truth.centre, truth.line_mask, truth.contour, _reach(truth))

    @classmethod
    def as_drawn(cls, truth: FrameTruth, target: np.ndarray, render: np.ndarray) -> TrueLine:
        """The true line as far as its picture shows it, found as in every method's picture.

        A true line that cannot be told from what lies below it, dark ink on dark hair, is allowed but not asked for:
        else the truth itself would miss it.

        Args:
            target, render: (3, y, x) display-encoded pictures of the truth and of the render.
        """
        # One pixel around the ink: a tidied mask reaches that far into pinholes and notches.
        drawn = drawn_mask(target, render) & ndimage.binary_dilation(truth.line > 0, np.ones((3, 3), bool))
        asked = thin(drawn)
        return cls(asked, asked | truth.centre, drawn | truth.line_mask, truth.contour, _reach(truth))

    @cached_property
    def away(self) -> np.ndarray:
        """(y, x) pixels to the nearest allowed centre."""
        return distance_to(self.allowed)

    @cached_property
    def stray(self) -> np.ndarray:
        """(y, x) bool where ink is off the line, a soft edge granted."""
        return distance_to(self.mask) > 1.5


def _reach(truth: FrameTruth) -> float:
    return float(np.fmax(1.5, truth.stroke / 2))


def line_metrics(found: np.ndarray, truth: TrueLine) -> dict[str, Sampled]:
    """Metrics of a (y, x) line mask; precision and recall are taken between centre lines.

    Centre lines alone would forgive a flood of ink, which has a short centre; `stray_ink` counts its area.
    """
    centre = thin(found)
    matched = centre & (truth.away <= truth.reach)
    width = 2 * ndimage.distance_transform_edt(np.pad(found, 1))[1:-1, 1:-1] - 1
    return {
        "contour_recall": Sampled(distance_to(centre) <= truth.reach, truth.asked),
        "contour_precision": Sampled(truth.away <= truth.reach, centre),
        "stray_ink": Sampled(truth.stray, found),
        "offset": Sampled(truth.away, matched),
        "contour_distance": Sampled(truth.contour, matched),
        "line_width": Sampled(width, matched),
    }


def flicker(
    recall: Sampled, previous: Sampled, motion: np.ndarray, motion_valid: np.ndarray, reach: float = 1.5
) -> Sampled:
    """Where the detection of the true line toggles between two successive frames.

    A contour glides over the surface, so a centre pixel counts only if it was a true centre (within `reach`) in the
    previous frame too.

    Args:
        recall, previous: `contour_recall` of this and of the previous frame.
        motion: (2, y, x) pixels, current − previous; motion_valid: (y, x).
    """
    before, now = previous.where, recall.where
    assert before is not None  # recall is defined on centre lines
    assert now is not None
    if not before.any() or not now.any():
        return Sampled(np.zeros(now.shape, bool), np.zeros(now.shape, bool))
    rows, columns = np.nonzero(now & (motion_valid > 0))
    y, x = (np.rint(p - motion[i, rows, columns]).astype(int) for i, p in ((1, rows), (0, columns)))
    kept = (y >= 0) & (y < now.shape[0]) & (x >= 0) & (x < now.shape[1])
    rows, columns, y, x = (a[kept] for a in (rows, columns, y, x))
    distance, (sy, sx) = ndimage.distance_transform_edt(~before, return_indices=True)
    kept = distance[y, x] <= reach
    rows, columns, y, x = (a[kept] for a in (rows, columns, y, x))
    toggled, where = np.zeros(now.shape, bool), np.zeros(now.shape, bool)
    where[rows, columns] = True
    toggled[rows, columns] = recall.values[rows, columns] != previous.values[sy[y, x], sx[y, x]]
    return Sampled(toggled, where)
