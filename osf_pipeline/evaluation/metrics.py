"""Metrics as values at pixels, so that any region can be read off one computation.

Belongs here: the table of metrics, and those that compare one picture with another. Does not: lines (`contours`), two
frames (`temporal`), masks of regions (`regions`), sums over regions and frames (`evaluate`).

Every metric is a `Sampled`: values at the pixels where it is defined. Colour metrics are defined everywhere, recall at
the truth's centre line, precision at the found centre line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from scipy import ndimage

from osf_pipeline.color import lab
from osf_pipeline.evaluation.flip import Seen, flip

Perceptual = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Two (3, y, x) display-encoded pictures of at least 64x64 to a (y, x) map of their distance."""


@dataclass(frozen=True)
class Metric:
    """How a metric is named and read.

    Attributes:
        better: which direction is better; `one` for a ratio to the truth's own that is best at 1, `none` for a measure
            to be compared with the truth's own.
        digits: decimals worth printing.
    """

    label: str
    better: Literal["high", "low", "one", "none"]
    digits: int
    meaning: str

    @property
    def heading(self) -> str:
        """The label, and which way is better."""
        return self.label + {"high": " ↑", "low": " ↓", "one": " →1", "none": ""}[self.better]


METRICS = {
    "st_lpips": Metric("ST-LPIPS", "low", 4, "perceptual distance to the truth, tolerant of small shifts"),
    "flip": Metric("FLIP", "low", 4, "difference that is seen when picture and truth are flipped back and forth"),
    "ciede2000": Metric("ΔE00", "low", 2, "colour difference to the truth"),
    "psnr": Metric("PSNR dB", "high", 2, "of the mean squared error of the display-encoded picture"),
    "ssim": Metric("SSIM", "high", 4, "structural similarity to the truth"),
    "silhouette_iou": Metric("silhouette IoU", "high", 4, "of the coverage and the truth's: intersection over union"),
    "sharpness": Metric("sharpness", "one", 2, "gradient energy near contours over the truth's own"),
    "contour_f1": Metric("contour F1", "high", 3, "harmonic mean of contour precision and recall"),
    "contour_recall": Metric("contour recall", "high", 3, "share of the true line's visible centre that is drawn"),
    "contour_precision": Metric("contour precision", "high", 3, "share of the drawn line's centre that is true"),
    "offset": Metric("offset px", "low", 2, "from the drawn line's centre to the true line's, where they match"),
    "offset_rms": Metric("offset RMS px", "low", 2, "root mean square of the offset"),
    "stray_ink": Metric("stray ink", "low", 3, "share of the drawn line's area that lies off the true line"),
    "interior_ink": Metric("interior ink", "low", 4, "share of the figure's area away from every line that is inked"),
    "ghost_ink": Metric("ghost ink", "low", 4, "share of the far side of contours, off the true line, that is inked"),
    "line_width": Metric("width px", "none", 2, "of the drawn line, where it matches the true line"),
    "width_change": Metric("width change px", "none", 3, "of one stretch of line from one frame to the next"),
    "width_ratio": Metric("width change ratio", "one", 2, "of the width's change to the truth's own"),
    # No direction is better by itself: a line that is never drawn never flickers. Read it beside the recall.
    "flicker": Metric("flicker", "none", 4, "share of the persisting true line drawn in one of two frames only"),
    "flicker_drawn": Metric("flicker of drawn", "low", 4, "the same among the line that is drawn in either frame"),
    # Sees the boiling of ink off the true line, too; above 1 where that is more than the true line's own area.
    "contour_instability": Metric(
        "contour instability", "none", 4, "points that gain or lose ink where the truth's do not, over the true line's"
    ),
    "warp_ratio": Metric("warp error ratio", "one", 2, "change against the surface's own motion, over the truth's own"),
    "layer_f1": Metric("layer F1", "high", 3, "contour F1 of the line layer itself"),
    "layer_recall": Metric("layer recall", "high", 3, "contour recall of the line layer itself"),
    "layer_precision": Metric("layer precision", "high", 3, "contour precision of the line layer itself"),
    "layer_offset": Metric("layer offset px", "low", 2, "offset of the line layer itself"),
}


@dataclass(frozen=True)
class Sampled:
    """A metric on one frame, at the K pixels where it is defined.

    Attributes:
        where: (y, x) bool.
        values: (K,) numbers or bools, in row order.
        per: (K,) denominators of a ratio of sums; None for a mean.
    """

    where: np.ndarray
    values: np.ndarray
    per: np.ndarray | None = None

    @classmethod
    def of(cls, plane: np.ndarray, where: np.ndarray) -> Sampled:
        """Of a (y, x) plane."""
        return cls(where, plane[where])

    def within(self, regions: np.ndarray) -> np.ndarray:
        """Sums over regions.

        Args:
            regions: (R, y, x) bool.

        Returns:
            (R, 3) float64: sum, what it is divided by, and the number of pixels.
        """
        inside = regions.reshape(len(regions), -1)[:, np.flatnonzero(self.where)].astype(np.float64)
        pixels = inside.sum(1)
        return np.stack([inside @ self.values, pixels if self.per is None else inside @ self.per, pixels], 1)


# --- Pictures


class Picture:
    """A picture with what metrics take from it, each worked out once.

    Args:
        pixels: (3, y, x) display-encoded in 0..1.
    """

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels = pixels

    @cached_property
    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """(3, y, x) mean and variance in the window of SSIM."""
        mean = _window(self.pixels)
        return mean, _window(self.pixels**2) - mean**2

    @cached_property
    def seen(self) -> Seen:
        return Seen(self.pixels)

    @cached_property
    def energy(self) -> np.ndarray:
        """(y, x) squared gradient, summed over the channels; central differences."""
        dy, dx = np.gradient(self.pixels, axis=(1, 2))
        energy: np.ndarray = (dy**2 + dx**2).sum(0)
        return energy


def picture_metrics(picture: Picture, truth: Picture, where: np.ndarray, band: np.ndarray) -> dict[str, Sampled]:
    """Metrics of pictures.

    Args:
        where: (y, x) bool, pixels to measure at.
        band: (y, x) bool, near contours: where `sharpness` is defined.
    """
    here, there = picture.pixels[:, where], truth.pixels[:, where]
    return {
        "flip": Sampled.of(flip(picture.seen, truth.seen), where),
        "ciede2000": Sampled(where, ciede2000(lab(here), lab(there))),
        "psnr": Sampled(where, np.square(here - there).mean(0)),
        "ssim": Sampled.of(ssim(picture, truth), where),
        "sharpness": Sampled(band, picture.energy[band], truth.energy[band]),
    }


def silhouette_iou(alpha: np.ndarray, truth: np.ndarray) -> Sampled:
    """Intersection over union of two (y, x) coverages, each cut at one half."""
    first, second = alpha > 0.5, truth > 0.5
    return Sampled(first | second, (first & second)[first | second])


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


def ssim(first: Picture, second: Picture) -> np.ndarray:
    """(y, x) structural similarity of two pictures, mean of the channels.

    Wang et al. 2004, "Image quality assessment: from error visibility to structural similarity": Gaussian window of
    sigma 1.5 and 11 pixels, K1 = 0.01, K2 = 0.03.
    """
    (mx, vx), (my, vy) = first.moments, second.moments
    covariance = _window(first.pixels * second.pixels) - mx * my
    c1, c2 = 0.01**2, 0.03**2
    return ((2 * mx * my + c1) * (2 * covariance + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2))).mean(0)


def _window(planes: np.ndarray) -> np.ndarray:
    return ndimage.gaussian_filter(planes, (0, 1.5, 1.5), truncate=5 / 1.5)


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
