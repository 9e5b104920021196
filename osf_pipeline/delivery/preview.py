"""Small pictures for people: PNG bytes and thumbnails.

Belongs here: 8-bit pictures of layers. Does not: colour maths (`osf_pipeline.color`), pages and sheets (`evaluation`).
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from osf_pipeline.color import Background, decode_srgb, display, encode_srgb, to_uint8

_LINEAR = decode_srgb(np.arange(256, dtype=np.float32) / 255)
_RENDERING_INTENT = b"\1"  # relative colorimetric


def picture(layer: np.ndarray, background: Background = "white") -> np.ndarray:
    """(4, y, x) premultiplied linear Rec. 709 to (y, x, 3) uint8 over a background."""
    return to_uint8(display(layer, background))


def encode_png(pixels: np.ndarray) -> bytes:
    """(y, x, 3 or 4) uint8 to a PNG that says it is sRGB; equal pixels give equal bytes."""
    out, said = io.BytesIO(), PngInfo()
    said.add(b"sRGB", _RENDERING_INTENT)
    Image.fromarray(pixels).save(out, "PNG", optimize=False, pnginfo=said)
    return out.getvalue()


def resized(pixels: np.ndarray, width: int) -> np.ndarray:
    """(y, x, 3) uint8 at most `width` wide, aspect kept, filtered in linear light: thin lines keep their weight."""
    height, full = pixels.shape[:2]
    if full <= width:
        return pixels
    size = (width, max(1, round(height * width / full)))
    planes = [
        Image.fromarray(plane).resize(size, Image.Resampling.LANCZOS) for plane in np.moveaxis(_LINEAR[pixels], -1, 0)
    ]
    return to_uint8(encode_srgb(np.stack([np.asarray(plane) for plane in planes])))


def beside(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures of one height in a row."""
    return np.concatenate(pictures, axis=1)


def thumbnail(layer: np.ndarray, width: int = 192) -> bytes:
    """A small PNG of a premultiplied linear Rec. 709 layer on white."""
    return encode_png(resized(picture(layer), width))
