"""Rules on the decoded buffers of one frame. They run on every frame of every shot, so each is a pass or two.

Belongs here: judging values. Does not: mending them (`exr.convert`) or pairs of frames (`validate.motion`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from osf_pipeline.exr.adapters import BufferMap
from osf_pipeline.exr.read import Image
from osf_pipeline.validate.findings import Finding

Buffers = Mapping[str, np.ndarray]
"""Canonical buffer to (channel, y, x)."""

ALPHA_MARGIN = 0.05
"""Sharpening pixel filters overshoot by a few hundredths; more is a wrong channel or straight colour."""
UNSET = 0.5
"""Largest share of visible pixels that may have no id."""
BACKFACING = 0.25
"""Largest share of visible pixels whose normal may point away from the camera."""


def check_source(image: Image, mapping: BufferMap, frame: int | None) -> list[Finding]:
    """Findings on the channels as stored, before any conversion."""
    return list(non_finite(image, mapping, frame))


def check_frame(buffers: Buffers, file: str, frame: int) -> list[Finding]:
    """Findings of all rules on one frame's canonical buffers."""
    return [finding for rule in RULES for finding in rule(buffers, file, frame)]


def non_finite(image: Image, mapping: BufferMap, frame: int | None) -> Iterator[Finding]:
    """NaN or Inf in any channel the map needs, but for +inf in depth, which is background."""
    for name in mapping.channels:
        values = image.channels[name]
        infinite = name in mapping.fill
        if values.dtype.kind != "f" or _clean(values, infinite):
            continue
        bad = np.isnan(values) | (values == -np.inf) if infinite else ~np.isfinite(values)
        if bad.any():
            y, x = (int(i) for i in np.argwhere(bad)[0])
            yield Finding(
                "non_finite", "error", image.header.url, frame, name,
                f"{int(bad.sum())} values are not finite, first {values[y, x]} at "
                f"column {x + image.window[0]}, row {y + image.window[1]}",
                "Render the frame again; look for a division by zero in the shading of that pixel.",
            )  # fmt: skip


def _clean(values: np.ndarray, infinite: bool) -> bool:
    """A quick proof that there is nothing to find; False when a closer look is needed."""
    if values.dtype == np.float16:
        return bool((values.view(np.uint16) & np.uint16(0x7FFF)).max() < 0x7C00)
    if infinite:
        return bool(values.min() > -np.inf)  # a NaN makes this False
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(values.sum()))


def alpha(buffers: Buffers, file: str, frame: int) -> Iterator[Finding]:
    """Alpha outside 0..1, or 0 everywhere. Colour above 1 and below 0 is legal; so is a figure off screen."""
    values = buffers["color"][3].astype(np.float32)
    low, high = float(values.min()), float(values.max())
    if low < -ALPHA_MARGIN or high > 1 + ALPHA_MARGIN:
        yield Finding(
            "alpha_range", "error", file, frame, "color.A", f"alpha runs from {low:g} to {high:g}",
            "Map the alpha channel under `channels: {color: [R, G, B, A]}`.",
        )  # fmt: skip
    if low == high == 0:
        yield Finding(
            "empty", "warning", file, frame, "color.A", "alpha is 0 everywhere",
            "If the figure should be seen, check the render and its alpha channel.",
        )  # fmt: skip


def depth_sign(buffers: Buffers, file: str, frame: int) -> Iterator[Finding]:
    """Negative depth: stored along the viewing axis the other way."""
    low = float(buffers["depth"].min()) if "depth" in buffers else 0
    if -np.inf < low < 0:
        yield Finding(
            "depth_sign", "error", file, frame, "depth", f"depth is {low:g} at its nearest; it must be positive",
            "If depth runs the other way, set `scale: {depth: [-1]}`.",
        )  # fmt: skip


def normal_space(buffers: Buffers, file: str, frame: int) -> Iterator[Finding]:
    """Visible surfaces that face away from the camera: world-space normals, or a wrong camera."""
    if "normal" not in buffers:
        return
    normal = buffers["normal"][:, ::4, ::4]
    seen = normal.any(0)
    away = float((normal[2][seen] < -0.1).mean()) if seen.any() else 0
    if away > BACKFACING:
        yield Finding(
            "normal_space", "error", file, frame, "normal", f"{away:.0%} of the visible surface faces away",
            "Set `normal_space` to what the renderer writes (world or camera) and check the axes of `camera`.",
        )  # fmt: skip


def unset_ids(buffers: Buffers, file: str, frame: int) -> Iterator[Finding]:
    """Surfaces without an id: contours between them cannot be found."""
    if "depth" not in buffers:
        return
    seen = np.isfinite(buffers["depth"][0, ::4, ::4])
    for buffer in ("object_id", "part_id"):
        unset = float((buffers[buffer][0, ::4, ::4][seen] == 0).mean()) if buffer in buffers and seen.any() else 0
        if unset > UNSET:
            yield Finding(
                "unset_ids", "warning", file, frame, buffer, f"{buffer} is 0 on {unset:.0%} of the visible surface",
                "Give every object and part an id from 1 on; 0 is background.",
            )  # fmt: skip


RULES: tuple[Callable[[Buffers, str, int], Iterator[Finding]], ...] = (
    alpha, depth_sign, normal_space, unset_ids,
)  # fmt: skip
