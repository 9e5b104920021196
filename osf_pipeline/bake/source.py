"""What a bake reads: the frames of a stylized version, and the objects they show.

Belongs here: arrays of one frame, which pixels say what about an object's texture. Does not: the textures (`texels`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from osf_pipeline.bake.texels import Footprint
from osf_pipeline.bake.weights import density, pixel_area, trust
from osf_pipeline.character.character import Character
from osf_pipeline.color import encode_srgb
from osf_pipeline.colorspaces.spaces import LINEAR_REC709, Space, convert
from osf_pipeline.errors import InputDataError
from osf_pipeline.layout import Layout
from osf_pipeline.store.version import Version, reopen

Layer = Literal["fill", "beauty"]

NEEDED = {"uv": "uv", "normal": "normals", "object_id": "object ids"}
"""G-buffers without which nothing can be baked, in the words of an error."""
OPTIONAL = ("nov", "sample", "motion", "motion_valid")
GUIDES = ("contour", "confidence", "revealed")
HIDDEN = 0.5
"""`revealed` from which a surface counts as hidden in the previous frame."""
UV_SLACK = 1e-3
"""By which uv may leave 0..1: rounding of a renderer."""


@dataclass(frozen=True)
class Target:
    """An object whose texture is baked.

    Attributes:
        number: its id.
        name: of the object; also of its folder.
        character: where the object is one of ours.
        shape: rows and columns of the texture.
    """

    number: int
    name: str
    character: Character | None = field(repr=False, compare=False)
    shape: tuple[int, int]

    @property
    def columns(self) -> int:
        """Columns of the texture that nothing crosses: a character's front and back."""
        return 1 if self.character is None else 2


@dataclass(frozen=True)
class BakeFrame:
    """One frame; (channel, y, x) arrays by canonical name, the layer's colour as `picture`.

    Attributes:
        position: on the frame axis.
        space: of the picture.
    """

    position: int
    frame: int
    arrays: Mapping[str, np.ndarray]
    space: Space

    @property
    def objects(self) -> np.ndarray:
        """(y, x) object ids."""
        return self.arrays["object_id"][0]

    @cached_property
    def color(self) -> np.ndarray:
        """(3, y, x) float32 straight scene-linear colour of the layer; 0 where it is empty."""
        picture = self.arrays["picture"].astype(np.float32)
        return np.divide(picture[:3], picture[3:], out=np.zeros_like(picture[:3]), where=picture[3:] > 0)

    @cached_property
    def weight(self) -> np.ndarray:
        """(y, x) float32 0..1 how well a pixel shows its surface; alpha makes it a weight of straight colour."""
        return trust(self.arrays) * np.clip(self.arrays["picture"][3].astype(np.float32), 0, 1)

    @cached_property
    def area(self) -> np.ndarray:
        return pixel_area(self.arrays["uv"], self.objects)

    def samples(self, target: Target) -> tuple[Footprint, np.ndarray, np.ndarray]:
        """Where on its texture an object's N pixels lie, their (N,) weights and (3, N) straight colours.

        Raises:
            InputDataError: for texture coordinates that lie in no texture.
        """
        here = (self.objects == target.number) & (self.weight > 0)
        uv = self.arrays["uv"][:, here]
        self._check(uv, target)
        weight = self.weight[here] * density(self.area[here], target.shape)
        return Footprint.of_uv(uv, target.shape, target.columns), weight, self.color[:, here]

    def _check(self, uv: np.ndarray, target: Target) -> None:
        where = {"frame": self.frame, "object": target.name, "buffer": "uv"}
        bad = ~((uv >= -UV_SLACK) & (uv <= 1 + UV_SLACK))  # NaN fails too
        if bad.any():
            raise InputDataError(
                "texture coordinates leave 0..1", value=float(uv[bad][0]), **where,
                fix="Give the object one texture without repeats or further tiles, or leave it out with `--objects`.",
            )  # fmt: skip
        if uv.shape[1] > 1 and not np.ptp(uv, axis=1).any():
            raise InputDataError(
                "an object has no texture coordinates", **where, fix="Unwrap it, or leave it out with `--objects`."
            )

    def display(self, color: np.ndarray) -> np.ndarray:
        """(3, y, x) straight colour of the frame's space, display-encoded in Rec. 709 and clipped."""
        return encode_srgb(np.clip(convert(color, self.space, LINEAR_REC709), 0, 1)).astype(np.float32)

    @property
    def seen_before(self) -> np.ndarray:
        """(y, x) bool: the surface was seen in the previous frame, where motion leads."""
        if "motion_valid" not in self.arrays:
            return np.zeros(self.objects.shape, bool)
        return (self.arrays["motion_valid"][0] > 0) & (self.arrays["revealed"][0] < HIDDEN)


@dataclass(frozen=True)
class Source:
    """The stores behind a stylized version, read shard by shard."""

    version: Version
    gbuffer: Version
    guidance: Version
    layer: Layer
    space: Space

    @classmethod
    def of(cls, layout: Layout, shot: str, version: Version, layer: Layer, space: Space) -> Source:
        """
        Raises:
            InputDataError: when the G-buffers lack what a bake needs.
            RequestError: when they are gone.
        """
        gbuffer, guidance = (
            reopen(layout.store(shot, kind), version.record["inputs"][kind]) for kind in ("gbuffer", "guidance")
        )
        for name, words in NEEDED.items():
            if name not in gbuffer.names:
                raise InputDataError(
                    f"the renders have no {words}, which say where on a texture a pixel lies" if name == "uv"
                    else f"the renders have no {words}, without which nothing can be baked",
                    shot=shot, buffer=name, store=gbuffer.id,
                    fix="`osf render` writes uv; in Blender switch the pass UV on, elsewhere a `uv` AOV. Then ingest, "
                    "guide and stylize again." if name == "uv" else f"Render {words}, then ingest, guide and stylize.",
                )  # fmt: skip
        return cls(version, gbuffer, guidance, layer, space)

    @property
    def bad(self) -> frozenset[int]:
        """Frames that show nothing, or a neighbour once more: no evidence."""
        return frozenset({*self.version.quarantined, *self.version.held})

    def __iter__(self) -> Iterator[BakeFrame]:
        """All frames that are not quarantined, in order; one shard's arrays are in memory at a time."""
        buffers = (*NEEDED, *(name for name in OPTIONAL if name in self.gbuffer.names))
        step, total = self.version.shard_frames, len(self.version.frames)
        for start in range(0, total, step):
            stop = min(start + step, total)
            block = self.gbuffer.read(start, stop, buffers) | self.guidance.read(start, stop, GUIDES)
            block["picture"] = self.version.read(start, stop, (self.layer,))[self.layer]
            block["alpha"] = self.version.read(start, stop, ("fill",))["fill"][:, 3:]
            for i, position in enumerate(range(start, stop)):
                frame = self.version.frames[position]
                if frame not in self.version.quarantined:
                    arrays = {name: values[i] for name, values in block.items()}
                    yield BakeFrame(position, frame, arrays, self.space)
