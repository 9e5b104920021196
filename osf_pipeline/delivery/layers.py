"""Layered EXR of one frame, in the windows of its source and with its attributes.

Belongs here: channel names, types, windows and header attributes of a delivered file. Does not: encoding (`exr.write`),
which attributes a source hands on (`exr.attributes`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from osf_pipeline.buffers import LAYERS
from osf_pipeline.errors import RequestError
from osf_pipeline.exr.attributes import Attributes, with_attributes
from osf_pipeline.exr.read import place
from osf_pipeline.exr.write import Window, encode_exr
from osf_pipeline.store.files import write_bytes

HALF_MAX = float(np.finfo(np.float16).max)


@dataclass(frozen=True)
class Naming:
    """Names and types of a delivered file's channels.

    Attributes:
        beauty: names of the beauty's channels, red to alpha.
        prefix: put before the names of the other layers.
        types: dtype of each of the beauty's channels; the other layers are half.
    """

    beauty: tuple[str, ...] = LAYERS["beauty"].channels
    prefix: str = ""
    types: tuple[str, ...] = ("float16",) * 4

    @classmethod
    def of(cls, source: Iterable[tuple[str, str]], names: str = "standard") -> Naming:
        """Naming after a source's colour channels.

        Args:
            source: name and dtype of each, red to alpha or red to blue.
            names: `standard` or `source`, as in `config.Delivery`.

        Raises:
            RequestError: for `source` names, when red, green and blue are not three channels.
        """
        beauty, types = zip(*source, strict=True)
        types = tuple("float16" if t == "float16" else "float32" for t in types)
        types += types[-1:] * (4 - len(types))
        if names == "standard":
            return cls(types=types)
        if len(set(beauty)) < 3:
            raise RequestError(
                "the source's colour has too few channels to name layers", channel=", ".join(beauty), key="delivery",
                fix="Set `names: standard`.",
            )  # fmt: skip
        if len(beauty) == 3:
            beauty += (".".join([*beauty[0].split(".")[:-1], "A"]),)
        layer = beauty[0].split(".")[:-2]
        return cls(beauty, "".join(f"{piece}." for piece in layer), types)

    def channels(self, layer: str) -> tuple[str, ...]:
        """Full channel names of one of `buffers.LAYERS`."""
        if layer == "beauty":
            return self.beauty
        return tuple(f"{self.prefix}{layer}.{channel}" for channel in LAYERS[layer].channels)


@dataclass(frozen=True)
class Copied:
    """Source channels that go through untouched.

    Attributes:
        window: of the arrays, in display coordinates.
        channels: name in the delivered file to a (y, x) array in the source's dtype.
        attributes: manifests of the ids among them.
    """

    window: Window
    channels: Mapping[str, np.ndarray]
    attributes: Attributes


def write_layers(
    url: str,
    layers: Mapping[str, np.ndarray],
    window: Window,
    *,
    data_window: Window,
    display_window: Window,
    pixel_aspect: float,
    attributes: Mapping[str, Any],
    source: Attributes | None = None,
    naming: Naming | None = None,
    copied: Copied | None = None,
) -> int:
    """Write beauty, `fill.*`, `line.*` and `confidence.Y`; returns the file's size in bytes.

    Args:
        layers: `buffers.LAYERS`, (channel, y, x) over `window`.
        window: of the arrays, in display coordinates; holds the data window.
        data_window, display_window, pixel_aspect: of the source frame, restored exactly; the data window grows only
            where a line was drawn, or a copied channel has pixels, beyond it.
        attributes: provenance, strings and numbers; these win over the source's.
        source: header attributes of the source frame and its colour, written byte for byte.
        naming: of the channels; `R G B A` in half when absent.
        copied: further channels.

    Raises:
        RequestError: when the data window does not lie in the window.
    """
    naming = naming or Naming()
    channels: dict[str, np.ndarray] = {}
    for name in LAYERS:
        types: Sequence[str] = naming.types if name == "beauty" else ("float16",) * LAYERS[name].count
        for channel, plane, dtype in zip(naming.channels(name), layers[name], types, strict=True):
            channels[channel] = typed(plane, dtype)
    return write_planes(
        url,
        channels,
        window,
        covered=layers["beauty"][3] > 0,
        data_window=data_window,
        display_window=display_window,
        pixel_aspect=pixel_aspect,
        attributes=attributes,
        source=source,
        copied=copied,
    )


def write_planes(
    url: str,
    channels: Mapping[str, np.ndarray],
    window: Window,
    *,
    covered: np.ndarray,
    data_window: Window,
    display_window: Window,
    pixel_aspect: float,
    attributes: Mapping[str, Any],
    source: Attributes | None = None,
    copied: Copied | None = None,
) -> int:
    """As `write_layers`, any channels: full name to a (y, x) array over `window`.

    Args:
        covered: (y, x) bool, pixels for which the data window grows.
    """
    if not _holds(window, data_window):
        raise RequestError("the data window lies outside the arrays", window=data_window, fix="Ingest the shot again.")
    source = source or {}
    data_window = _grown(data_window, covered, window)
    if copied:
        data_window = _union(data_window, copied.window)
    channels = {name: place(plane, window, data_window, 0) for name, plane in channels.items()}
    if copied:
        further = {name: place(plane, copied.window, data_window, 0) for name, plane in copied.channels.items()}
        channels = {**further, **channels}
        source = {**source, **copied.attributes}
    data = encode_exr(
        channels,
        attributes=attributes,
        data_window=data_window,
        display_window=display_window,
        pixel_aspect=pixel_aspect,
    )
    data = with_attributes(data, {name: value for name, value in source.items() if name not in attributes})
    write_bytes(url, data)
    return len(data)


def typed(plane: np.ndarray, dtype: str) -> np.ndarray:
    """In a dtype; what half cannot hold becomes its largest number."""
    if dtype == "float16" and plane.dtype != np.float16:
        plane = np.clip(plane, -HALF_MAX, HALF_MAX)
    return plane.astype(dtype, copy=False)


def _holds(outer: Window, inner: Window) -> bool:
    return _union(outer, inner) == outer


def _union(a: Window, b: Window) -> Window:
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def _grown(data_window: Window, covered: np.ndarray, window: Window) -> Window:
    """The smallest window around a data window and every covered pixel of (y, x) arrays over `window`."""
    if not covered.any():
        return data_window
    rows, columns = np.flatnonzero(covered.any(axis=1)), np.flatnonzero(covered.any(axis=0))
    x, y = window[:2]
    return _union(data_window, (x + int(columns[0]), y + int(rows[0]), x + int(columns[-1]), y + int(rows[-1])))
