"""Luminance-chroma parts: channels Y, BY and RY, chroma at half resolution, offered as R, G and B.

Belongs here: which channels form such a part, and the conversion. Does not: decoding (`exr.read`).

Conversion: OpenEXR technical introduction, "Luminance/Chroma images":
Y = wr R + wg G + wb B, RY = (R - Y) / Y, BY = (B - Y) / Y, with the weights of the file's primaries.
https://openexr.com/en/latest/TechnicalIntroduction.html#luminance-chroma-images
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

import numpy as np

from osf_pipeline.exr.chunks import ChannelType, Stored

REC709 = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)
"""Primaries and white, x and y of red, green, blue, white: what a file without `chromaticities` means."""

TAPS = (0.627123, -0.186077, 0.087929, -0.043159, 0.019597, -0.007540, 0.002128)
"""The library's reconstruction filter: weights of the stored samples at distance 1, 3, 5 ... pixels to either side.
Samples lie on the even pixels, which keep them; edges repeat their last sample. The library's further step, which
tones down single pixels more saturated than their neighbours, is left out: it changes pixels that are right."""


def offer(stored: Mapping[str, Stored]) -> tuple[dict[str, ChannelType], tuple[str, ...], tuple[str, ...]]:
    """What a reader gets of a part's stored channels.

    Returns:
        Name to dtype of what can be had, R, G and B of a layer in the place of its BY, RY and Y; names among them that
        stay subsampled; prefixes of the luminance-chroma layers.
    """
    layers = tuple(
        name.removesuffix("BY")
        for name, channel in stored.items()
        if name.endswith("BY") and (channel.x, channel.y) == (2, 2) and _is_layer(stored, name.removesuffix("BY"))
    )
    chroma = {f"{layer}{c}" for layer in layers for c in ("BY", "RY", "Y")}
    offered: dict[str, ChannelType] = {n: c.dtype for n, c in stored.items() if n not in chroma}
    offered |= {f"{layer}{c}": stored[f"{layer}Y"].dtype for layer in layers for c in "BGR"}
    subsampled = tuple(n for n, c in stored.items() if n not in chroma and (c.x, c.y) != (1, 1))
    return dict(sorted(offered.items())) if layers else offered, subsampled, layers


def _is_layer(stored: Mapping[str, Stored], prefix: str) -> bool:
    luminance, red = stored.get(f"{prefix}Y"), stored.get(f"{prefix}RY")
    full = luminance is not None and (luminance.x, luminance.y) == (1, 1) and luminance.dtype != "uint32"
    half = red is not None and (red.x, red.y) == (2, 2)
    return full and half and not any(f"{prefix}{c}" in stored for c in "RGB")


def luminance_weights(chromaticities: bytes | None) -> tuple[float, float, float]:
    """Weights of R, G and B in Y; their sum is 1.

    Args:
        chromaticities: value of the attribute of that name; Rec. 709 when there is none.

    Raises:
        ValueError: for primaries that span no colour space.
    """
    try:
        xy = np.reshape(struct.unpack("<8f", chromaticities) if chromaticities is not None else REC709, (4, 2))
        with np.errstate(divide="raise", invalid="raise", over="raise"):
            xyz = np.column_stack([xy[:, 0], xy[:, 1], 1 - xy.sum(axis=1)]) / xy[:, 1:]
            # Each column is a primary of luminance 1, so the amounts that make white are the weights.
            red, green, blue = np.linalg.solve(xyz[:3].T, xyz[3])
    except (struct.error, FloatingPointError, np.linalg.LinAlgError) as error:
        raise ValueError("the chromaticities span no colour space") from error
    if not np.isfinite([red, green, blue]).all() or abs(green) < 1e-3:
        raise ValueError("the chromaticities span no colour space")
    return float(red), float(green), float(blue)


def to_rgb(y: np.ndarray, by: np.ndarray, ry: np.ndarray, weights: tuple[float, float, float]) -> dict[str, np.ndarray]:
    """R, G and B of one layer.

    Args:
        y: (h, w) luminance; h and w even.
        by, ry: (h / 2, w / 2) chroma.
        weights: of `luminance_weights`.

    Returns:
        (h, w) arrays of the dtype of `y`; grey pixels (both chroma 0) hold exactly Y three times.
    """
    red, green, blue = weights
    with np.errstate(over="ignore", invalid="ignore"):  # overflow to infinity is what half does
        luma, b, r = y.astype(np.float32), _upsample(by), _upsample(ry)
        grey = (b == 0) & (r == 0)
        b, r = (b + 1) * luma, (r + 1) * luma
        g = np.where(grey, luma, (luma - red * r - blue * b) / green)
        return {"R": r.astype(y.dtype), "G": g.astype(y.dtype), "B": b.astype(y.dtype)}


def _upsample(chroma: np.ndarray) -> np.ndarray:
    return _double(_double(chroma.astype(np.float32)).T).T


def _double(samples: np.ndarray) -> np.ndarray:
    """Twice as many columns: the samples, and between them what `TAPS` make of their neighbours."""
    count, reach = samples.shape[1], len(TAPS)
    padded = np.pad(samples, ((0, 0), (reach - 1, reach)), mode="edge")
    between = np.zeros_like(samples)
    for k, tap in enumerate(TAPS):
        left, right = reach - 1 - k, reach + k
        between += np.float32(tap) * (padded[:, left : left + count] + padded[:, right : right + count])
    return np.stack([samples, between], axis=2).reshape(samples.shape[0], 2 * count)
