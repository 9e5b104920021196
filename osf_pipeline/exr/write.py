"""EXR encode. Belongs here: turning arrays into files. Does not: choosing what to deliver (`delivery`)."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import OpenEXR

from osf_pipeline.errors import RequestError
from osf_pipeline.store.files import write_bytes

Window = tuple[int, int, int, int]
"""x0, y0, x1, y1, both ends inside."""


def write_exr(
    url: str,
    channels: Mapping[str, np.ndarray],
    *,
    attributes: Mapping[str, Any] | None = None,
    data_window: Window | None = None,
    display_window: Window | None = None,
    pixel_aspect: float = 1.0,
    compression: Any = None,
) -> int:
    """As `encode_exr`, to a local path or any fsspec URL, whole or not at all; returns the file's size in bytes."""
    data = encode_exr(
        channels,
        attributes=attributes,
        data_window=data_window,
        display_window=display_window,
        pixel_aspect=pixel_aspect,
        compression=compression,
    )
    write_bytes(url, data)
    return len(data)


def encode_exr(
    channels: Mapping[str, np.ndarray],
    *,
    attributes: Mapping[str, Any] | None = None,
    data_window: Window | None = None,
    display_window: Window | None = None,
    pixel_aspect: float = 1.0,
    compression: Any = None,
) -> bytes:
    """The bytes of one scanline EXR; equal arrays give equal bytes.

    Args:
        channels: full channel name to a `(y, x)` array of float16, float32 or uint32.
        attributes: extra header attributes: str, int or float values.
        data_window, display_window: inclusive corners; default is the arrays' own size at the origin.
        compression: an `OpenEXR.*_COMPRESSION`; default ZIP, lossless and read everywhere.

    Raises:
        RequestError: for an array of another dtype, rank or size than the data window.
    """
    if not channels:
        raise RequestError("an EXR needs at least one channel", fix="Pass at least one array.")
    size = next(iter(channels.values())).shape
    data = data_window or (0, 0, size[-1] - 1, size[0] - 1)
    if (data[3] - data[1] + 1, data[2] - data[0] + 1) != size:
        raise RequestError("the data window is not the arrays' size", window=data, size=size, fix="Make them agree.")
    display = display_window or data
    for name, pixels in channels.items():
        if pixels.shape != size or pixels.dtype not in (np.float16, np.float32, np.uint32):
            raise RequestError(
                "a channel has the wrong size or dtype", channel=name, shape=pixels.shape, dtype=pixels.dtype,
                fix="Use one (y, x) size and float16, float32 or uint32.",
            )  # fmt: skip
    header = {
        **(attributes or {}),
        "compression": OpenEXR.ZIP_COMPRESSION if compression is None else compression,
        "type": OpenEXR.scanlineimage,
        "dataWindow": (np.array(data[:2], np.int32), np.array(data[2:], np.int32)),
        "displayWindow": (np.array(display[:2], np.int32), np.array(display[2:], np.int32)),
        "pixelAspectRatio": float(pixel_aspect),
    }
    # OpenEXR writes wrong pixels for strided views (openexr#1929).
    with OpenEXR.File(header, {k: np.ascontiguousarray(v) for k, v in channels.items()}) as image:
        buffer = io.BytesIO()
        image.write(buffer)
    return buffer.getvalue()
