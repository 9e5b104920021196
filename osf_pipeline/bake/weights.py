"""How much a pixel says about the surface it shows.

Belongs here: weights of one frame's pixels. Does not: what is made of them (`texels`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from osf_pipeline.exr.convert import SAMPLE_EXACT

CLEAR = 2.0
"""Pixels from a contour at which filtered colour holds nothing of the other side any more."""
GRAZING = 0.1
"""Facing cosine below which a pixel says nothing."""


def trust(frame: Mapping[str, np.ndarray]) -> np.ndarray:
    """(y, x) float32 0..1: how well a pixel's colour shows the one surface at its centre.

    The product of masks of Callieri et al. 2008, "Masked photo blending: mapping dense photographic data set on
    high-resolution sampled 3D models" (angle and border), of the guides' confidence, and of whether the buffers were
    sampled rather than repaired. `density` is the remaining mask.

    Args:
        frame: canonical `normal` or `nov`, `contour`, `confidence` and, where stored, `sample`; (channel, y, x).
    """
    cosine = (frame["nov"][0] if "nov" in frame else frame["normal"][2]).astype(np.float32)
    facing = np.square(np.clip(cosine, 0, 1)) * (cosine >= GRAZING)
    weight = facing * np.clip(frame["contour"][0].astype(np.float32) / CLEAR, 0, 1)
    weight *= frame["confidence"][0].astype(np.float32)
    if "sample" in frame:
        weight *= frame["sample"][0] == SAMPLE_EXACT
    return weight


def pixel_area(uv: np.ndarray, object_id: np.ndarray) -> np.ndarray:
    """(y, x) float32 area that a pixel covers on the texture, where the whole texture has 1; inf where unknown.

    Of the differences to the neighbours left and right, above and below, the smaller is taken: the other may lie across
    a seam.

    Args:
        uv: (2, y, x).
        object_id: (y, x); neighbours of another object do not count.
    """
    across, down = (_smaller_step(uv.astype(np.float32), object_id, axis) for axis in (2, 1))
    area = np.abs(across[0] * down[1] - across[1] * down[0])
    return np.where(np.isfinite(area), area, np.float32(np.inf))


def _smaller_step(uv: np.ndarray, object_id: np.ndarray, axis: int) -> np.ndarray:
    """(2, y, x) difference to one neighbour along an axis; NaN where both are of other objects."""
    step = np.diff(uv, axis=axis)
    same = np.diff(object_id.astype(np.int32), axis=axis - 1) == 0
    step = np.where(same, step, np.float32(np.nan))
    none = np.full_like(uv[:, :1] if axis == 1 else uv[:, :, :1], np.nan)
    after, before = np.concatenate([step, none], axis), np.concatenate([none, step], axis)
    first = np.square(after).sum(0) <= np.square(before).sum(0)
    return np.where(first | np.isnan(before[0]), after, before)


def density(area: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """0..1, pixels a texel: 1 where the frame is at least as fine as the texture, less where it blurs it.

    Args:
        area: as of `pixel_area`.
        shape: rows and columns of the texture.
    """
    return 1 / np.maximum(area * (shape[0] * shape[1]), 1)
