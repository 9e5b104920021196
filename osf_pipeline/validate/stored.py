"""Rules on the channels of one frame as they are stored, before any conversion hides a fault.

Belongs here: non-finite and clipped values, encodings of colour and normals, mixed ids. Does not: canonical buffers
(`validate.frames`).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from osf_pipeline.colorspaces.source import declared_space, input_color
from osf_pipeline.config import Source
from osf_pipeline.exr.adapters import BufferMap
from osf_pipeline.exr.convert import IDS, WHOLE
from osf_pipeline.exr.read import Image
from osf_pipeline.validate.findings import Finding, accepted, has_error
from osf_pipeline.validate.subject import stride

HALF_MAX, HALF_INF = 0x7BFF, 0x7C00
"""Bits of 65504, the largest half, and of infinity."""
PLATEAU = 16
"""Pixels at exactly 65504 from which they are clipped values."""
SAMPLES = 20_000
ENOUGH = 200
"""Samples below which a statistic says nothing."""
LEVELS = 24
"""Distinct 8-bit levels from which agreement with k/255 is no accident."""
LENGTH = 0.05
"""Largest typical distance of a normal's length from 1."""
ROWS = 4
"""Every so many rows are searched for mixed ids; they run along whole contours."""


def check_source(image: Image, mapping: BufferMap, source: Source, frame: int | None) -> list[Finding]:
    """Findings of all rules on the stored channels of one frame."""
    found = list(finite(image, mapping, frame))
    if not has_error(found):  # other rules calculate
        found += ids(image, mapping, frame)
        found += normals(image, mapping, frame)
        found += encoded_color(image, mapping, source, frame)
    return accepted(found, source.accept)


def finite(image: Image, mapping: BufferMap, frame: int | None) -> Iterator[Finding]:
    """NaN or Inf in any channel the map needs, but for +inf in depth, which is background; halves at their limit."""
    for name in mapping.channels:
        values = image.channels[name]
        background = name in mapping.fill
        if values.dtype == np.float16:
            top = int((values.view(np.uint16) & np.uint16(0x7FFF)).max())
            if top >= HALF_INF:
                yield from _overflow(image, name, frame, background)
            elif top == HALF_MAX and (count := int((np.abs(values) == np.float16(65504)).sum())) >= PLATEAU:
                yield Finding(
                    "half_overflow", "warning", image.header.url, frame, name,
                    f"{count} values are 65504, the largest that half float holds",
                    "They are clipped: write the pass as 32-bit float, or lower its values.",
                )  # fmt: skip
        elif values.dtype.kind == "f" and not _clean(values, background):
            bad = np.isnan(values) | (values == -np.inf) if background else ~np.isfinite(values)
            if bad.any():
                yield _non_finite(image, name, frame, bad)


def _clean(values: np.ndarray, background: bool) -> bool:
    """A quick proof, in one pass over memory, that there is nothing to find; False when a closer look is needed."""
    if background:
        return bool(values.min() > -np.inf)  # a NaN makes this False
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(values.sum()))


def _overflow(image: Image, name: str, frame: int | None, background: bool) -> Iterator[Finding]:
    """NaN and infinity told apart: half float turns what is too large for it into infinity."""
    values = image.channels[name]
    bad = np.isnan(values) | (values == -np.inf) if background else np.isnan(values)
    if bad.any():
        yield _non_finite(image, name, frame, bad)
    infinite = np.isinf(values)
    if infinite.any() and not background:
        yield Finding(
            "half_overflow", "error", image.header.url, frame, name,
            f"{int(infinite.sum())} values are infinite in half float, first at {_place(image, infinite)}",
            "Write the pass as 32-bit float, lower its values below 65504, or look for a division by zero.",
        )  # fmt: skip


def _non_finite(image: Image, name: str, frame: int | None, bad: np.ndarray) -> Finding:
    first = image.channels[name][tuple(np.argwhere(bad)[0])]
    return Finding(
        "non_finite", "error", image.header.url, frame, name,
        f"{int(bad.sum())} values are not finite, first {first} at {_place(image, bad)}",
        "Render the frame again; look for a division by zero in the shading of that pixel.",
    )  # fmt: skip


def _place(image: Image, bad: np.ndarray) -> str:
    y, x = (int(i) for i in np.argwhere(bad)[0])
    return f"column {x + image.window[0]}, row {y + image.window[1]}"


def ids(image: Image, mapping: BufferMap, frame: int | None) -> Iterator[Finding]:
    """Fractions in a pass of whole ids: a pixel filter has mixed them. Passes known to be averaged are repaired."""
    for buffer in IDS:
        binding = mapping.bindings.get(buffer)
        if binding is None or binding.averaged or len(binding.channels) != 1:
            continue
        (name,) = binding.channels
        values = image.channels[name]
        some = values[::ROWS]
        if values.dtype.kind != "f" or np.array_equal(some, np.rint(some)):
            continue
        mixed = np.abs(values - np.rint(values)) > WHOLE
        if not mixed.any():
            continue
        yield Finding(
            "id_mixed", "error", image.header.url, frame, name,
            f"{int(mixed.sum())} values of {buffer} are no whole numbers, first {values[mixed][0]:g} at "
            f"{_place(image, mixed)}",
            "Render ids with one sample a pixel or the filter `closest`; a mean of two ids is a third one.",
        )  # fmt: skip


def normals(image: Image, mapping: BufferMap, frame: int | None) -> Iterator[Finding]:
    """Normals packed into 0..1, or of no unit length; on opaque pixels, for means over samples shorten at edges."""
    binding = mapping.bindings.get("normal")
    if binding is None:
        return
    stored = _samples(image, mapping, binding.channels)
    if stored.shape[1] < ENOUGH:
        return
    stored = stored * np.array(binding.scale or (1, 1, 1), np.float32)[:, None]
    off = _off_unit(stored)
    if off <= LENGTH:
        return
    unpacked = _off_unit(2 * stored - 1)
    if stored.min() >= 0 and unpacked <= LENGTH:
        yield Finding(
            "normal_encoded", "error", image.header.url, frame, "normal",
            f"normals are packed into 0..1: unpacked their lengths are within {unpacked:.3f} of 1, as stored {off:.3f}",
            "Write normals from −1 to 1, as 16- or 32-bit float.",
        )  # fmt: skip
    else:
        yield Finding(
            "normal_length", "warning", image.header.url, frame, "normal",
            f"half of the normals are longer or shorter than 1 by more than {off:.2f}",
            "They are made unit length; check that the pass holds normals and is not filtered.",
        )  # fmt: skip


def _off_unit(vectors: np.ndarray) -> float:
    """Median distance of the lengths of (3, n) from 1."""
    return float(np.median(np.abs(np.sqrt(np.einsum("cn,cn->n", vectors, vectors)) - 1)))


def _samples(image: Image, mapping: BufferMap, names: tuple[str, ...]) -> np.ndarray:
    """(channel, n) float32: some opaque pixels of a few channels; all-zero ones, which are background, left out."""
    every = stride(next(iter(image.channels.values())).shape, SAMPLES)
    values = np.stack([image.channels[name][::every, ::every] for name in names]).astype(np.float32)
    color = mapping.bindings["color"].channels
    keep = values.any(0)
    if len(color) == 4:
        keep &= image.channels[color[3]][::every, ::every] == 1
    return values[:, keep]


def encoded_color(image: Image, mapping: BufferMap, source: Source, frame: int | None) -> Iterator[Finding]:
    """Colour read as scene-linear whose opaque pixels all lie on the 256 levels of an 8-bit picture.

    Renders hit k/255 by accident in one of eight pixels at most, and 8-bit textures are decoded before they are
    lit, so such a picture is display-encoded. Certain when the header says so, too.
    """
    read_as = input_color(source, image.header).source
    if read_as is None or not read_as.linear:
        return
    color = mapping.bindings["color"].channels[:3]
    values = _samples(image, mapping, color)
    if values.shape[1] < ENOUGH or values.min() < 0 or values.max() > 1:
        return
    levels = np.rint(values * 255)
    kind = image.channels[color[0]].dtype
    if not np.array_equal((levels / 255).astype(kind), values.astype(kind)) or len(np.unique(levels)) < LEVELS:
        return
    declared = declared_space(image.header)
    certain = declared is not None and not declared.linear
    yield Finding(
        "color_encoded", "error" if certain else "warning", image.header.url, frame, "color",
        f"all colours are 8-bit levels, k/255, yet are read as {read_as.name}"
        + (f"; the header says {declared.name}" if certain and declared else ""),
        "If the files hold display-encoded colour, set `color_space: srgb`; better render to scene-linear float.",
    )  # fmt: skip
