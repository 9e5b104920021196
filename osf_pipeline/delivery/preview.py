"""Small pictures for people: PNG bytes and thumbnails.

Belongs here: 8-bit pictures of layers. Does not: colour maths (`osf_pipeline.color`), pages and sheets (`evaluation`).
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from osf_pipeline.color import Background, display, to_uint8


def picture(layer: np.ndarray, background: Background = "white") -> np.ndarray:
    """(4, y, x) premultiplied linear Rec. 709 to (y, x, 3) uint8 over a background."""
    return to_uint8(display(layer, background))


def encode_png(pixels: np.ndarray) -> bytes:
    """(y, x, 3 or 4) uint8 to PNG; equal pixels give equal bytes."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", optimize=False)
    return out.getvalue()


def resized(pixels: np.ndarray, width: int) -> np.ndarray:
    """At most `width` wide, aspect kept, filtered."""
    height, full = pixels.shape[:2]
    if full <= width:
        return pixels
    size = (width, max(1, round(height * width / full)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))


def beside(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures of one height in a row."""
    return np.concatenate(pictures, axis=1)


def thumbnail(layer: np.ndarray, width: int = 192) -> bytes:
    """A small PNG of a premultiplied linear Rec. 709 layer on white."""
    return encode_png(resized(picture(layer), width))
