"""Drawings made from exact shapes, so that tests know what was drawn where."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from osf_pipeline.drawing.picture import Picture

INK = np.array([0.2, 0.15, 0.4])
PAPER = np.array([0.86, 0.85, 0.82])
ORANGE = np.array([0.85, 0.4, 0.15])


@dataclass(frozen=True)
class Scan:
    """A head on a body with an arm of one stroke, drawn with a pen of known width on uneven paper.

    Attributes:
        rgb: (H, W, 3) float32.
        mask: (H, W) bool, the figure up to the outer border of its line.
        line: (H, W) bool, the outline's ink.
        stroke: (H, W) bool, a line drawn inside that begins on the outline.
        arm: (H, W) bool, a limb that is one stroke.
    """

    rgb: np.ndarray
    mask: np.ndarray
    line: np.ndarray
    stroke: np.ndarray
    arm: np.ndarray

    @property
    def picture(self) -> Picture:
        height, width = self.rgb.shape[:2]
        return Picture(self.rgb, None, (width, height))


def scan(
    *, pen: float = 5.0, colour: np.ndarray | None = None, bare_head: bool = False, gap: int = 0, shade: float = 0.15
) -> Scan:
    """Draw it.

    Args:
        pen: width of the line in pixels.
        colour: of the body; bare paper when None.
        bare_head: leave the head paper.
        gap: pixels of the outline left open at the right.
        shade: how much darker the light is on the right.
    """
    height, width = 260, 220
    y, x = np.mgrid[:height, :width].astype(np.float64)
    body = np.maximum(np.hypot((x - 100) / 60, (y - 160) / 70) - 1, -1) * 63  # about pixels from the border
    head = np.hypot(x - 100, y - 70) - 38
    inside = np.minimum(body, head)
    arm = (np.abs(y - 150) <= pen / 2) & (x >= 150) & (x < 205)
    line = (np.abs(inside) <= pen / 2) & ~((np.abs(y - 175) < gap / 2) & (x > 100))
    stroke = (np.abs(y - 190) <= pen / 2) & (inside <= 0) & (x <= 110)
    eye = np.hypot(x - 92, y - 62) <= 4
    coloured = (inside <= 0) & ((y > 110) | (not bare_head))
    beneath = np.where(coloured[..., None], PAPER if colour is None else colour, PAPER)
    inked = np.where((line | stroke | arm | eye)[..., None], INK, beneath)
    light = 1 - shade * x / width
    grain = np.random.default_rng(3).normal(0, 0.008, (height, width, 1))
    rgb = ndimage.gaussian_filter(inked, (0.6, 0.6, 0)) * light[..., None] + grain
    mask = (inside <= pen / 2) | arm
    return Scan(rgb.clip(0, 1).astype(np.float32), mask, line, stroke, arm & (inside > pen / 2))


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())
