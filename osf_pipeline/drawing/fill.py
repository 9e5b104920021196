"""The colour beneath a removed line, and beyond the figure's border.

Belongs here: continuing a figure's colour into places that have none. Does not: which places those are (`contour`).
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

_SEAM_SIGMA = 2.0  # pixels over which colours meet that come from different places
_GRAIN_SIGMA = 1.5  # pixels: grain is finer than this
_GRAIN = 3.0  # robust standard deviations: what stands out more is a stroke, not grain


def continued(rgb: np.ndarray, source: np.ndarray, keep: np.ndarray, *, blur: float) -> np.ndarray:
    """Continue colour from where it is known to everywhere else.

    The smoothed colour of the nearest known pixel, so that stripes run on to the border; on it the grain of the paper
    and the crayon, what smoothing took, mirrored at that pixel. A stroke at the border leaves no smear, since it is
    no source.

    Args:
        rgb: (H, W, 3) float32.
        source: (H, W) bool, colour that may spread; at least one pixel.
        keep: (H, W) bool, pixels to leave as they are; a superset of `source`.
        blur: standard deviation in pixels of the smoothing.

    Returns:
        (H, W, 3) float32; `rgb` where `keep`.
    """
    nearest = _nearest(source)
    smooth = _smoothed(rgb, source, blur)
    fine = np.where(source[..., None], rgb - _smoothed(rgb, source, _GRAIN_SIGMA), 0)
    grain = _mirrored(fine, source, nearest)
    base = ndimage.gaussian_filter(smooth[nearest[0], nearest[1]], (_SEAM_SIGMA, _SEAM_SIGMA, 0))
    return np.where(keep[..., None], rgb, (base + grain).clip(0, 1)).astype(np.float32)


def _smoothed(rgb: np.ndarray, source: np.ndarray, sigma: float) -> np.ndarray:
    """(H, W, 3) Gaussian mean over source pixels alone; 0 elsewhere."""
    weight = ndimage.gaussian_filter(source.astype(np.float32), sigma)[..., None]
    total = ndimage.gaussian_filter(np.where(source[..., None], rgb, 0), (sigma, sigma, 0))
    return np.where(source[..., None], total / np.maximum(weight, 1e-6), 0)


def _nearest(known: np.ndarray) -> np.ndarray:
    """(2, H, W) int32 row and column of the nearest known pixel."""
    return ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)


def _mirrored(grain: np.ndarray, source: np.ndarray, nearest: np.ndarray) -> np.ndarray:
    """(H, W, 3) grain of the pixels as far behind the nearest source as each pixel is before it; 0 without a source."""
    height, width = source.shape
    row = (2 * nearest[0] - np.arange(height)[:, None]).clip(0, height - 1)
    column = (2 * nearest[1] - np.arange(width)[None, :]).clip(0, width - 1)
    bound = _GRAIN * np.quantile(np.abs(grain[source]), 0.25, axis=0) / 0.3186  # the quarter least disturbed by strokes
    grain = grain * (2 - np.abs(grain) / np.maximum(bound, 1e-6)).min(axis=-1, keepdims=True).clip(0, 1)
    return np.where(source[row, column][..., None], grain[row, column], 0)
