"""Smooth random fields over 3D points: what makes a formula look drawn.

Belongs here: the field. Does not: what it drives (`paint`, `hand`).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import ndimage

PERIOD = 32
"""Lattice points after which a field repeats."""

_GAIN = 2.45  # a quadratic B-spline averages the lattice down to a standard deviation of about 0.41


@lru_cache(maxsize=64)
def _lattice(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((PERIOD,) * 3).astype(np.float32)


def field(points: np.ndarray, frequency: float | tuple[float, float, float], seed: int) -> np.ndarray:
    """Smooth noise (quadratic B-spline over a random lattice) of about zero mean and unit variance.

    Args:
        points: (N, 3).
        frequency: lattice points a unit, one or one per axis.
        seed: which field.

    Returns:
        (N,) float32.
    """
    where = (points * np.asarray(frequency)).T
    value = ndimage.map_coordinates(
        _lattice(seed), where, order=2, mode="grid-wrap", prefilter=False, output=np.float32
    )
    return _GAIN * value


def smoothstep(low: float | np.ndarray, high: float | np.ndarray, value: np.ndarray) -> np.ndarray:
    """0 below `low`, 1 above `high`, a cubic between."""
    t = np.clip((value - low) / (np.asarray(high) - low), 0, 1)
    return t * t * (3 - 2 * t)
