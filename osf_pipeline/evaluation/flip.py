"""LDR-FLIP: the difference a person sees who flips between two pictures.

Belongs here: the map of one pair of pictures. Does not: other metrics (`metrics`), sums over regions (`evaluate`).

Andersson, Nilsson, Akenine-Möller, Oskarsson, Åström and Fairchild, "FLIP: A Difference Evaluator for Alternating
Images", Proc. ACM Comput. Graph. Interact. Tech. 3(2), 2020; numbers in brackets are its sections.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from osf_pipeline.color import XYZ, decode_srgb, lab_of

PIXELS_PER_DEGREE = 0.7 * 3840 / 0.7 * np.pi / 180
"""A 4K screen 0.7 m wide, seen from 0.7 m."""

# Contrast sensitivity (4.1.1): per channel of the opponent space, Gaussians as (a, b) of a·sqrt(π/b)·exp(−π²x²/b).
_SENSITIVITY = (((1.0, 0.0047),), ((1.0, 0.0053),), ((34.1, 0.04), (13.5, 0.025)))
_FEATURE_WIDTH = 0.082
"""Degrees across an edge or point (4.2.1)."""
_COLOR_EXPONENT, _KNEE, _KNEE_ERROR, _FEATURE_EXPONENT = 0.7, 0.4, 0.95, 0.5  # (4.1.3), (4.3)

_WHITE = XYZ.sum(1)


def _offsets(radius: float) -> np.ndarray:
    reach = int(np.ceil(radius))
    return np.arange(-reach, reach + 1, dtype=np.float64)


def _sensitivity_kernels() -> list[list[tuple[float, np.ndarray]]]:
    """Per channel, weights and one-dimensional kernels whose separable sums make its filter; each filter sums to 1."""
    widest = max(b for gaussians in _SENSITIVITY for _, b in gaussians)
    degrees = _offsets(3 * np.sqrt(widest / (2 * np.pi**2)) * PIXELS_PER_DEGREE) / PIXELS_PER_DEGREE
    out = []
    for gaussians in _SENSITIVITY:
        kernels = [np.exp(-((np.pi * degrees) ** 2) / b) for _, b in gaussians]
        sums = [a * np.sqrt(np.pi / b) * kernel.sum() ** 2 for (a, b), kernel in zip(gaussians, kernels, strict=True)]
        out.append([(s / sum(sums), kernel / kernel.sum()) for s, kernel in zip(sums, kernels, strict=True)])
    return out


def _feature_kernels() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A Gaussian and its first two derivatives; the positive weights of a derivative sum to 1, the negative to −1."""
    sigma = 0.5 * _FEATURE_WIDTH * PIXELS_PER_DEGREE
    x = _offsets(3 * sigma)
    gauss = np.exp(-(x**2) / (2 * sigma**2))
    edge, point = -x * gauss, (x**2 / sigma**2 - 1) * gauss
    edge, point = (np.where(k > 0, k / k[k > 0].sum(), k / -k[k < 0].sum()) for k in (edge, point))
    return gauss / gauss.sum(), edge, point


_SMOOTHING, _FEATURES = _sensitivity_kernels(), _feature_kernels()


def _separable(plane: np.ndarray, down: np.ndarray, across: np.ndarray) -> np.ndarray:
    once = ndimage.correlate1d(plane, down, axis=0, mode="nearest")
    found: np.ndarray = ndimage.correlate1d(once, across, axis=1, mode="nearest")
    return found


class Seen:
    """A picture as the eye has it: Hunt-adjusted colour after the contrast sensitivity, and edges and points.

    Args:
        picture: (3, y, x) display-encoded in 0..1.
    """

    def __init__(self, picture: np.ndarray) -> None:
        # Linear in XYZ relative to white: lightness, red-green and blue-yellow.
        x, y, z = (np.tensordot(XYZ, decode_srgb(picture), 1) / _WHITE[:, None, None]).astype(np.float32)
        filtered = [
            np.sum([weight * _separable(plane, kernel, kernel) for weight, kernel in kernels], axis=0)
            for plane, kernels in zip((y, x - y, y - z), _SMOOTHING, strict=True)
        ]
        self.color = _hunt(filtered[0], filtered[1] + filtered[0], filtered[0] - filtered[2])
        gauss, edge, point = _FEATURES
        # Achromatic values as lightness-like: 116 y − 16, then (… + 16) / 116, is y again.
        self.edge, self.point = (
            np.hypot(_separable(y, gauss, kernel), _separable(y, kernel, gauss)) for kernel in (edge, point)
        )


def _hunt(y: np.ndarray, x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """(3, ...) CIE Lab of relative XYZ, clipped to the display, with chroma that fades in the dark (4.1.2)."""
    xyz = np.stack([x, y, z]) * _WHITE.reshape(3, *[1] * y.ndim)
    linear = np.clip(np.tensordot(np.linalg.inv(XYZ), xyz, 1), 0, 1)
    lightness, a, b = lab_of(linear)
    return np.stack([lightness, 0.01 * lightness * a, 0.01 * lightness * b])


def _hyab(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Distance for large differences (4.1.2): lightness apart from chroma."""
    lightness, a, b = np.abs(first - second)
    found: np.ndarray = lightness + np.hypot(a, b)
    return found


def _largest() -> float:
    """The greatest colour difference a display can show, between its green and its blue."""
    green, blue = (_hunt(*(XYZ[row, column] / _WHITE[row] for row in (1, 0, 2))) for column in (1, 2))
    return float(_hyab(green, blue) ** _COLOR_EXPONENT)


_LARGEST = _largest()


def flip(first: Seen, second: Seen) -> np.ndarray:
    """(y, x) difference in 0..1 of two pictures of one size."""
    color = _hyab(first.color, second.color) ** _COLOR_EXPONENT
    knee = _KNEE * _LARGEST
    color = np.where(
        color < knee,
        _KNEE_ERROR / knee * color,
        _KNEE_ERROR + (color - knee) / (_LARGEST - knee) * (1 - _KNEE_ERROR),
    )
    feature = np.maximum(np.abs(first.edge - second.edge), np.abs(first.point - second.point))
    found: np.ndarray = color ** (1 - (feature / np.sqrt(2)) ** _FEATURE_EXPONENT)
    return found
