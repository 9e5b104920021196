"""8-bit pictures say what they are and keep their light."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from osf_pipeline.delivery.preview import encode_png, resized


def test_a_png_says_srgb() -> None:
    assert Image.open(io.BytesIO(encode_png(np.zeros((2, 2, 3), np.uint8)))).info["srgb"] == 1


def test_resizing_keeps_light() -> None:
    """Stripes of black and white average to half the light, which is 188 on a screen and not 128."""
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(resized(stripes, 16)[4:-4, 4:-4].astype(int) - 188).max() <= 1
    flat = np.full((64, 64, 3), (1, 77, 254), np.uint8)
    assert (resized(flat, 16) == (1, 77, 254)).all()
