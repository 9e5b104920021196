"""One Zarr v3 shard object from an array in memory.

Belongs here: the bytes of a shard: inner chunks, blosc, index. Does not: where they are written (`writer`), or reading,
which stock Zarr does.

Why not `array[...] = values`: a figure fills part of most frames, and the pipelines of zarr and zarrs copy, compare and
compress every background tile. Here a background tile is compressed once, and only what is drawn on costs anything. The
bytes do not depend on the number of threads.

Layout: https://zarr-specs.readthedocs.io/en/latest/v3/codecs/sharding-indexed/v1.0.html
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import google_crc32c
import numpy as np
import zarr
from numcodecs import blosc

from osf_pipeline.store.schema import COMPRESSION

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in array positions, the far ends outside."""

ABSENT = (1 << 64) - 1
"""Offset and length, in the index, of a chunk that is not stored."""


def encode_shard(array: zarr.Array[Any], values: np.ndarray, boxes: Sequence[Box | None] | None = None) -> bytes:
    """The stored form of one shard.

    Args:
        array: of the store, as `schema.create` makes it; says the tiling, the dtype and the fill value.
        values: (frames, channel, y, x), at most the frames of a shard; further frames of the shard are left absent.
        boxes: for each frame, the part that may hold anything but background (None: nothing does). Outside, all values
            of a frame must be equal channel by channel.
    """
    assert array.shards is not None
    _, channels, height, width = array.chunks
    tall, wide = array.shards[2] // height, array.shards[3] // width
    index = np.full((array.shards[0], tall, wide, 2), ABSENT, "<u8")
    pieces: list[bytes] = []
    size = 0
    empty: dict[tuple[int, ...], bytes] = {}
    padded = np.empty((channels, height, width), array.dtype)
    for frame, planes in enumerate(values):
        box = (0, 0, values.shape[3], values.shape[2]) if boxes is None else boxes[frame]
        for row in range(tall):
            for column in range(wide):
                y, x = row * height, column * width
                tile = planes[:, y : y + height, x : x + width]
                drawn = box is not None and x < box[2] and x + width > box[0] and y < box[3] and y + height > box[1]
                encoded = None if drawn else empty.get(tile.shape)
                if encoded is None:
                    if tile.shape != padded.shape:
                        padded[:] = array.fill_value
                        padded[:, : tile.shape[1], : tile.shape[2]] = tile
                    encoded = _compress(padded if tile.shape != padded.shape else tile)
                    if not drawn:
                        empty[tile.shape] = encoded
                index[frame, row, column] = size, len(encoded)
                size += len(encoded)
                pieces.append(encoded)
    table = index.tobytes()
    return b"".join((*pieces, table, struct.pack("<I", google_crc32c.value(table))))


def _compress(tile: np.ndarray) -> bytes:
    plain = np.ascontiguousarray(tile)
    encoded: bytes = blosc.compress(
        plain, COMPRESSION["cname"].encode(), COMPRESSION["clevel"], blosc.SHUFFLE, 0, plain.itemsize
    )
    return encoded
