"""The way in: from the colour of a file to the scene-linear colour of a store.

Belongs here: what a header declares, what a configuration names, decoding. Does not: whether the two agree
(`validate.color`), other buffers (`exr.convert`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from struct import unpack

import numpy as np

from osf_pipeline.colorspaces import ocio
from osf_pipeline.colorspaces.spaces import (
    LINEAR_REC709,
    Chromaticities,
    Space,
    convert,
    named,
    of_chromaticities,
    of_interop_id,
)
from osf_pipeline.config import AUTO_SPACE, Source
from osf_pipeline.exr.header import Header


@dataclass(frozen=True)
class InputColor:
    """How the colour of a set of files is read.

    Attributes:
        source: space of the files; None where only an OpenColorIO configuration knows it.
        space: scene-linear space of the store.
        transform: the configuration's way from one to the other; None where our own arithmetic does.
    """

    source: Space | None
    space: Space
    transform: ocio.Transform | None = None

    def decode(self, color: np.ndarray, *, premultiplied: bool) -> np.ndarray:
        """(4, y, x) of the files to premultiplied, scene-linear colour in the same dtype.

        Premultiplied scene-linear colour is returned as it is, to the last bit.
        """
        values = color if premultiplied else color[:3]
        values = self.transform(values) if self.transform else convert(values, self.source or self.space, self.space)
        if not premultiplied:
            alpha = color[3:].astype(np.float32)
            values = np.concatenate([values.astype(np.float32) * alpha, alpha])
        return values.astype(color.dtype, copy=False)


def input_color(source: Source, header: Header) -> InputColor:
    """What a configuration says of its files' colour; `auto` asks the header.

    Raises:
        RequestError: for an unknown space or configuration, or when OpenColorIO is needed and not installed.
    """
    if source.color_space == AUTO_SPACE:
        return _builtin(declared_space(header) or LINEAR_REC709)
    return _configured(source.color_space, source.ocio)


def input_fingerprint(source: Source) -> str | None:
    """Stands for the operations and tables behind an OpenColorIO space; None where the configuration's keys say all."""
    if source.ocio is None or source.color_space == AUTO_SPACE:
        return None
    color = _configured(source.color_space, source.ocio)
    return color.transform.fingerprint if color.transform else str(color.space.attributes)


@lru_cache
def _configured(name: str, config: str | None) -> InputColor:
    if config is None or not ocio.decides(config, name):
        return _builtin(named(name))
    transform, space = ocio.into_store(config, name)
    return InputColor(None if transform else space, space, transform)


def _builtin(space: Space) -> InputColor:
    return InputColor(space, space if space.linear else of_chromaticities(space.chromaticities))


def declared_space(header: Header) -> Space | None:
    """What a file says of its own colour, by `colorInteropID` or else `chromaticities`; None when it says nothing.

    The first part that says something counts. An id that is not known, `data` or `unknown` among them, says nothing.
    """
    for part in header.parts:
        found = of_interop_id(str(part.attributes.get("colorInteropID", "")))
        if found is not None:
            return found
        kind, raw = part.raw_attributes.get("chromaticities", ("", b""))
        if kind == "chromaticities" and len(raw) == 32:
            chromaticities: Chromaticities = unpack("<8f", raw)
            return of_chromaticities(chromaticities)
    return None
