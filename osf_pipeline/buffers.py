"""The canonical buffers and every convention behind them, written once.

Belongs here: names, channels, dtypes, units, axes. Does not: how a source names its channels (`exr.adapters`), or rules
that check data (`validate`).

Conventions:
    * Integer pixel coordinates are pixel centres; x runs right, y runs DOWN; row 0 is the top.
    * Arrays are `(frame, channel, y, x)`; one frame is `(channel, y, x)`.
    * `color` is filtered (anti-aliased) RGBA, premultiplied, scene-linear, unclamped. Every other buffer is the surface
      at the pixel centre.
    * `depth` is planar distance along the camera axis in scene units; background is +inf.
    * `normal` is unit length in camera space: +x right, +y UP, +z towards the camera; background is 0.
    * `motion` (pixels, y down) = current − previous position, camera included: the previous frame is sampled at
      `p − motion`. `motion_next` = next − current: the next frame is sampled at `p + motion_next`.
    * Ids: 0 is background. Contour rules use the pair (object_id, part_id).
    * `rest_position`: the same surface point in the rest pose, in scene units (after the affine in the attributes).
    * `uv`: u right, v DOWN, 0..1 over the whole texture: texel centre i lies at (i + 0.5) / size. Background is 0.

Blender's Vector pass stores previous − current and current − next with y up, hence `motion = (−X, +Y)` and
`motion_next = (−Z, +W)`; proven by reprojection on rendered probes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import numpy as np

DType = Literal["float16", "float32", "uint8", "uint16"]


@dataclass(frozen=True)
class Buffer:
    """One canonical buffer.

    Attributes:
        channels: channel names in storage order.
        dtype: storage dtype (`color` may be float32 when the source is).
        background: value where nothing is seen.
        required: part of the contract of a `full` tier store.
        unit: what the numbers count.
    """

    name: str
    channels: tuple[str, ...]
    dtype: DType
    background: float
    required: bool
    unit: str

    @property
    def count(self) -> int:
        return len(self.channels)

    def empty(self, frames: int, height: int, width: int) -> np.ndarray:
        """(frames, channel, height, width) filled with background."""
        return np.full((frames, self.count, height, width), self.background, dtype=self.dtype)


def _table(*rows: Buffer) -> dict[str, Buffer]:
    return {row.name: row for row in rows}


XYZ, RGB, XY = ("X", "Y", "Z"), ("R", "G", "B"), ("X", "Y")

GBUFFER: dict[str, Buffer] = _table(
    Buffer("color", ("R", "G", "B", "A"), "float16", 0, True, "scene-linear, premultiplied"),
    Buffer("depth", ("Z",), "float32", np.inf, True, "scene units along the camera axis"),
    Buffer("normal", XYZ, "float16", 0, True, "unit vector, camera space"),
    Buffer("rest_position", XYZ, "float32", 0, True, "scene units, rest pose"),
    Buffer("motion", XY, "float32", 0, True, "pixels since the previous frame"),
    Buffer("motion_next", XY, "float32", 0, False, "pixels to the next frame"),
    Buffer("motion_valid", ("V",), "uint8", 0, True, "1 where motion may be used"),
    Buffer("motion_next_valid", ("V",), "uint8", 0, False, "1 where motion_next may be used"),
    Buffer("part_id", ("I",), "uint16", 0, True, "id, 0 background"),
    Buffer("object_id", ("I",), "uint16", 0, True, "id, 0 background"),
    Buffer("sample", ("S",), "uint8", 0, False, "0 none, 1 exact, 2 repaired"),
    Buffer("albedo", RGB, "float16", 0, False, "reflectance"),
    Buffer("uv", ("U", "V"), "float32", 0, False, "texture coordinates"),
    Buffer("position", XYZ, "float32", 0, False, "scene units, world space"),
    Buffer("roughness", ("Y",), "float16", 0, False, "0..1"),
    Buffer("metallic", ("Y",), "float16", 0, False, "0..1"),
    Buffer("specular", ("Y",), "float16", 0, False, "0..1"),
    Buffer("nov", ("Y",), "float16", 0, False, "cosine of normal and view"),
    Buffer("ao", ("Y",), "float16", 0, False, "0..1"),
    Buffer("shadow", ("Y",), "float16", 0, False, "0..1, 1 is lit"),
    Buffer("material_id", ("I",), "uint16", 0, False, "id, 0 background"),
    Buffer("translucency", ("Y",), "float16", 0, False, "0..1"),
)
"""Canonical G-buffer. A missing optional buffer is absent, never filled with zeros."""

GUIDANCE: dict[str, Buffer] = _table(
    Buffer("revealed", ("Y",), "float16", 0, True, "0..1, hidden in the previous frame"),
    Buffer("hidden_next", ("Y",), "float16", 0, True, "0..1, hidden in the next frame"),
    Buffer("contour", ("Y",), "float16", 0, True, "unsigned pixels to the contour on `contour_side`, truncated"),
    Buffer("contour_side", ("I",), "uint8", 0, True, "1 where the surface owns that contour, 0 elsewhere"),
    Buffer("contour_step", ("Y",), "float16", 0, False, "0..1, how far apart the surfaces at that contour lie"),
    Buffer("crease", ("Y",), "float16", 0, True, "0..1"),
    Buffer("confidence", ("Y",), "float16", 0, True, "0..1, trust in the guides of this pixel"),
)
"""Canonical guidance. `contour` saturates at `CONTOUR_RANGE` pixels."""

CONTOUR_RANGE = 32.0
"""Pixels at which the stored contour distance saturates."""

LAYERS: dict[str, Buffer] = _table(
    Buffer("fill", ("R", "G", "B", "A"), "float16", 0, True, "scene-linear, premultiplied"),
    Buffer("line", ("R", "G", "B", "A"), "float16", 0, True, "scene-linear, premultiplied"),
    Buffer("beauty", ("R", "G", "B", "A"), "float16", 0, True, "line over fill, scene-linear, premultiplied"),
    Buffer("confidence", ("Y",), "float16", 0, True, "0..1"),
)
"""Stylized layers, each deliverable on its own."""


class Tier(StrEnum):
    """How much a store knows: everything a renderer gives, or colour only with estimated motion."""

    FULL = "full"
    ESTIMATED = "estimated"


FULL_TIER = ("color", "depth", "normal", "rest_position", "motion", "part_id", "object_id")
"""Buffers a store must hold to be of the full tier."""
