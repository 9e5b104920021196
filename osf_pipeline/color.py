"""Colour on numpy arrays: the sRGB curve, alpha, compositing, CIE Lab.

Belongs here: per-pixel colour maths of pictures for people and for metrics. Does not: tensors (`model.color`),
files, or display transforms of a show.

Layers are `(channel, y, x)`; RGBA layers are premultiplied and scene-linear unless a name says otherwise. Linear RGB
has the Rec. 709 primaries and a D65 white.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

Background = Literal["white", "grey", "black"]
BACKGROUNDS: dict[Background, float] = {"white": 1.0, "grey": 0.5, "black": 0.0}
"""Display-encoded value of each background; grey is mid-grey to the eye."""

# IEC 61966-2-1, annex F: linear sRGB to CIE XYZ (D65, Y of white is 1).
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
"""Linear RGB to XYZ, in which white is its rows' sum."""


def encode_srgb(linear: np.ndarray) -> np.ndarray:
    """Scene-linear to display-encoded (IEC 61966-2-1), any shape; odd-symmetric below 0, continued above 1."""
    size = np.abs(linear)
    return np.copysign(np.where(size <= 0.0031308, 12.92 * size, 1.055 * size ** (1 / 2.4) - 0.055), linear)


def decode_srgb(encoded: np.ndarray) -> np.ndarray:
    """Display-encoded to scene-linear, the inverse of `encode_srgb`."""
    size = np.abs(encoded)
    return np.copysign(np.where(size <= 0.04045, size / 12.92, ((size + 0.055) / 1.055) ** 2.4), encoded)


def over(front: np.ndarray, back: np.ndarray) -> np.ndarray:
    """Porter-Duff `over` of premultiplied layers whose last channel is alpha; float32."""
    front = front.astype(np.float32)
    return front + back.astype(np.float32) * (1 - front[-1:])


def display(layer: np.ndarray, background: Background | float = "white") -> np.ndarray:
    """A picture of a premultiplied layer: composited in linear light, then encoded and clipped.

    Args:
        layer: (4, y, x), any float dtype; values above 1 clip to white.
        background: a name, or a display-encoded grey in 0..1.

    Returns:
        (3, y, x) float32 in 0..1, display-encoded.
    """
    grey = BACKGROUNDS[background] if isinstance(background, str) else background
    layer = layer.astype(np.float32)
    linear = layer[:3] + (1 - layer[3:]) * decode_srgb(np.array(grey, np.float32))
    return encode_srgb(np.clip(linear, 0, 1)).astype(np.float32)


def straight_srgb(layer: np.ndarray) -> np.ndarray:
    """What a PNG or WebP holds: (y, x, 4) uint8, display-encoded, straight alpha, 0 where alpha is 0."""
    layer = layer.astype(np.float32)
    alpha = np.clip(layer[3:], 0, 1)
    color = np.divide(layer[:3], alpha, out=np.zeros_like(layer[:3]), where=alpha > 0)
    return to_uint8(np.concatenate([encode_srgb(np.clip(color, 0, 1)), alpha]))


def from_straight_srgb(pixels: np.ndarray) -> np.ndarray:
    """The inverse of `straight_srgb`: (y, x, 4) uint8 to a premultiplied scene-linear (4, y, x) float32 layer."""
    values = np.moveaxis(pixels, -1, 0).astype(np.float32) / 255
    return np.concatenate([decode_srgb(values[:3]) * values[3:], values[3:]])


def to_uint8(planes: np.ndarray) -> np.ndarray:
    """(channel, y, x) in 0..1 to (y, x, channel) uint8, clipped and rounded to nearest."""
    return np.rint(255 * np.clip(np.moveaxis(planes, 0, -1), 0, 1)).astype(np.uint8)


def lab(encoded: np.ndarray) -> np.ndarray:
    """CIE L*a*b* (D65) of display-encoded RGB in 0..1; (3, ...) to (3, ...) float64."""
    return lab_of(decode_srgb(encoded.astype(np.float64)))


def lab_of(linear: np.ndarray) -> np.ndarray:
    """CIE L*a*b* (D65) of linear RGB in 0..1; (3, ...) to (3, ...)."""
    t = np.tensordot(XYZ, linear, 1) / XYZ.sum(1).reshape(3, *[1] * (linear.ndim - 1))
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])
