"""The shape of a store on disk: arrays `(frame, channel, y, x)`, tiles inside shards of whole frame blocks.

Belongs here: Zarr metadata. Does not: which buffers a stage stores (that stage says so with `ArraySpec`s).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import zarr
from zarr.codecs import BloscCodec

from osf_pipeline.buffers import Buffer
from osf_pipeline.errors import RequestError

# Rust codecs read several times faster; zarr-python's own take over for stores Rust cannot reach (memory://).
zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"})

SCHEMA_VERSION = 1
TILE = (270, 480)
COMPRESSION: dict[str, Any] = {"cname": "lz4", "clevel": 5, "shuffle": "shuffle"}
"""Of every tile, by blosc."""
DATA = "data.zarr"


@dataclass(frozen=True)
class ArraySpec:
    """One array: its channel names in order, numpy dtype name and unit."""

    channels: tuple[str, ...]
    dtype: str
    unit: str = ""

    @classmethod
    def of(cls, buffer: Buffer, dtype: str | None = None) -> ArraySpec:
        return cls(buffer.channels, dtype or buffer.dtype, buffer.unit)


@dataclass(frozen=True)
class StoreSpec:
    """Everything that decides a store's Zarr metadata.

    Attributes:
        kind: `gbuffer`, `guidance` or `stylized`.
        frames: frame numbers along the frame axis.
        shard_frames: frames in one shard; each shard of every array has exactly one writer.
        attributes: JSON-able, stored on the group.
    """

    kind: str
    arrays: dict[str, ArraySpec]
    frames: tuple[int, ...]
    height: int
    width: int
    shard_frames: int
    attributes: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_json(cls, data: dict[str, Any]) -> StoreSpec:
        """The inverse of `to_json`, after a way through JSON."""
        specs = {name: ArraySpec(tuple(a["channels"]), a["dtype"], a["unit"]) for name, a in data["arrays"].items()}
        return cls(**{**data, "arrays": specs, "frames": tuple(data["frames"])})


def tile(size: int, target: int) -> int:
    """The tile edge that cuts `size` into equal tiles of about `target`, rounded up.

    >>> tile(1080, 270), tile(512, 270), tile(10, 270)
    (270, 256, 10)
    """
    pieces = max(1, round(size / target))
    return -(-size // pieces)


def fill_value(dtype: str) -> float | int:
    """A value no valid buffer is full of: NaN, or the largest integer.

    Zarr stores no chunk that equals the fill value (and zarrs ignores `write_empty_chunks` inside shards), so with a
    plausible fill an all-background shard would look unwritten. A missing chunk read back is plainly wrong, not black.
    """
    kind = np.dtype(dtype)
    return float("nan") if kind.kind == "f" else int(np.iinfo(kind).max)


def shard_key(array: str, index: int) -> str:
    """Key of one shard object inside the store; a shard spans whole frames, so only the frame axis counts."""
    return f"{array}/c/{index}/0/0/0"


def create(url: str, spec: StoreSpec) -> None:
    """Create the group and its arrays. Driver only; workers open what is there and never resize.

    LZ4, because stores are read far more often than written and can be made again from their sources: measured on
    G-buffers, it writes in 60 % of the time of zstd level 1 for 15 % more bytes.

    Raises:
        RequestError: for an empty window or no frames.
    """
    if not spec.frames or spec.height < 1 or spec.width < 1:
        raise RequestError(
            "an empty store",
            frames=len(spec.frames),
            size=(spec.width, spec.height),
            fix="Check the frame range and the windows.",
        )
    attributes = {"osf": {"schema": SCHEMA_VERSION, "kind": spec.kind, **spec.attributes}}
    group = zarr.create_group(url, attributes=attributes, overwrite=True)
    ty, tx = tile(spec.height, TILE[0]), tile(spec.width, TILE[1])
    tall, wide = ty * -(-spec.height // ty), tx * -(-spec.width // tx)
    for name, array in spec.arrays.items():
        count = len(array.channels)
        group.create_array(
            name,
            shape=(len(spec.frames), count, spec.height, spec.width),
            dtype=array.dtype,
            chunks=(1, count, ty, tx),
            shards=(spec.shard_frames, count, tall, wide),
            compressors=BloscCodec(**COMPRESSION),
            fill_value=fill_value(array.dtype),
            dimension_names=("frame", "channel", "y", "x"),
            attributes={"channels": list(array.channels), "unit": array.unit},
        )
    for name, values in (("frame", np.array(spec.frames, np.int32)), ("status", np.zeros(len(spec.frames), np.int32))):
        group.create_array(name, data=values, chunks=values.shape, dimension_names=("frame",))


def arrays(url: str, mode: Literal["r", "r+"] = "r") -> dict[str, zarr.Array[Any]]:
    """The pixel arrays of a store, published or not, `(frame, channel, y, x)`."""
    return {name: array for name, array in zarr.open_group(url, mode=mode).arrays() if array.ndim == 4}
