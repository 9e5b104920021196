"""Layered EXR of one frame, in the windows of its source and with its provenance.

Belongs here: channel names and header attributes of a delivery. Does not: encoding (`exr.write`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from osf_pipeline.buffers import LAYERS
from osf_pipeline.exr.write import Window, write_exr


def write_layers(
    url: str,
    layers: Mapping[str, np.ndarray],
    window: Window,
    *,
    data_window: Window,
    display_window: Window,
    pixel_aspect: float,
    attributes: Mapping[str, Any],
) -> int:
    """Write `R G B A` (beauty), `fill.*`, `line.*` and `confidence.Y` as half float; returns the file's size in bytes.

    Args:
        layers: `buffers.LAYERS`, (channel, y, x) over `window`.
        window: of the arrays, in display coordinates; holds the data window.
        data_window, display_window, pixel_aspect: of the source frame, restored exactly; the data window grows only
            where a line was drawn beyond it.
        attributes: provenance, strings and numbers.

    Raises:
        RequestError: when the data window does not lie in the window.
    """
    data_window = _grown(data_window, layers["beauty"][3] > 0, window)
    x, y = data_window[0] - window[0], data_window[1] - window[1]
    width, height = data_window[2] - data_window[0] + 1, data_window[3] - data_window[1] + 1
    channels: dict[str, np.ndarray] = {}
    for name, buffer in LAYERS.items():
        cut = layers[name][:, y : y + height, x : x + width]
        prefix = "" if name == "beauty" else f"{name}."
        channels |= {f"{prefix}{letter}": plane for letter, plane in zip(buffer.channels, cut, strict=True)}
    return write_exr(
        url,
        channels,
        attributes={"colorInteropID": "lin_rec709_scene", **attributes},
        data_window=data_window,
        display_window=display_window,
        pixel_aspect=pixel_aspect,
    )


def _grown(data_window: Window, covered: np.ndarray, window: Window) -> Window:
    """The smallest window around a data window and every covered pixel of (y, x) arrays over `window`."""
    if not covered.any():
        return data_window
    rows, columns = np.flatnonzero(covered.any(axis=1)), np.flatnonzero(covered.any(axis=0))
    return (
        min(data_window[0], window[0] + int(columns[0])),
        min(data_window[1], window[1] + int(rows[0])),
        max(data_window[2], window[0] + int(columns[-1])),
        max(data_window[3], window[1] + int(rows[-1])),
    )
