"""Chunks: how a part's pixels are cut, the proof that a file holds every chunk, and handing them to the decoder.

Belongs here: the byte layout after the header. Does not: headers (`exr.header`) or pixels (`exr.read`).

The decoder sees only proven chunks under a header of this module's making (`SinglePart`). So no header written by a
stranger reaches it, nor parts and resolution levels that nobody asked for, and what it allocates is bounded by what was
read. Layout: https://openexr.com/en/latest/OpenEXRFileLayout.html
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np

from osf_pipeline.errors import InputDataError
from osf_pipeline.exr.write import Window

MAGIC = 0x01312F76
FLAG_TILED, FLAG_LONG_NAMES, FLAG_DEEP, FLAG_MULTIPART = 0x200, 0x400, 0x800, 0x1000

SHORT_NAME = 31
"""Bytes of a name up to which a file needs no long-name flag."""

ChannelType = Literal["uint32", "float16", "float32"]
CHANNEL_TYPES: tuple[ChannelType, ...] = ("uint32", "float16", "float32")


class Codec(NamedTuple):
    """A compression.

    Attributes:
        lines: scanlines per chunk.
        expansion: decoded bytes that one stored byte can stand for at most; a file that promises more is damaged.
        fragile: damaged data can crash its decoder (`exr.decode`).
    """

    name: str
    lines: int
    expansion: int
    fragile: bool = False


CODECS = (
    Codec("NO", 1, 1),
    Codec("RLE", 1, 64),  # two bytes for a run of 128
    Codec("ZIPS", 1, 1032),  # deflate: 258 bytes in 2 bits
    Codec("ZIP", 16, 1032),
    Codec("PIZ", 32, 512),  # a run of 256 words in 10 bits
    Codec("PXR24", 16, 1376),  # deflate of 3 of 4 bytes
    Codec("B44", 32, 11),  # 32 bytes in 3
    Codec("B44A", 32, 11),
    Codec("DWAA", 32, 70_000),  # deflated run lengths, or a block of 64 floats in two deflated words
    Codec("DWAB", 256, 70_000),
    Codec("HTJ2K256", 256, 1 << 20, fragile=True),
    Codec("HTJ2K32", 32, 1 << 20, fragile=True),
    Codec("LJ2K", 256, 1 << 20, fragile=True),
    Codec("ZSTD", 1, 1 << 17),  # a run of 128 KiB in 4 bytes
)
"""By the number in the file."""


class Tiles(NamedTuple):
    """Tile size and level mode of a tiled part."""

    width: int
    height: int
    levels: Literal["one", "mipmap", "ripmap"]
    round_up: bool


class Stored(NamedTuple):
    """One channel of a file: every `x`-th pixel of every `y`-th line is stored."""

    dtype: ChannelType
    x: int
    y: int

    @property
    def bytes(self) -> int:
        return 2 if self.dtype == "float16" else 4


class Level(NamedTuple):
    """One resolution of a tiled part, in pixels and in tiles."""

    x: int
    y: int
    width: int
    height: int
    across: int
    down: int


@dataclass(frozen=True)
class Grid:
    """How the pixels of one part are cut into chunks.

    Attributes:
        codec: index into `CODECS`.
        channels: name to storage, in file order.
    """

    window: Window
    codec: int
    tiles: Tiles | None
    channels: Mapping[str, Stored]

    @property
    def width(self) -> int:
        return self.window[2] - self.window[0] + 1

    @property
    def height(self) -> int:
        return self.window[3] - self.window[1] + 1

    @property
    def decoded_bytes(self) -> int:
        """Of the full resolution, every channel counted as if it were not subsampled."""
        return self.width * self.height * sum(c.bytes for c in self.channels.values())

    @cached_property
    def levels(self) -> list[Level]:
        """Resolution levels of a tiled part in file order, the full resolution first."""
        assert self.tiles is not None
        wide, high = (_halvings(n, self.tiles.round_up) for n in (self.width, self.height))
        if self.tiles.levels == "one":
            pairs = [(0, 0)]
        elif self.tiles.levels == "mipmap":
            pairs = [(k, k) for k in range(max(len(wide), len(high)))]
        else:
            pairs = [(x, y) for y in range(len(high)) for x in range(len(wide))]
        sizes = [(x, y, wide[min(x, len(wide) - 1)], high[min(y, len(high) - 1)]) for x, y in pairs]
        return [Level(x, y, w, h, -(-w // self.tiles.width), -(-h // self.tiles.height)) for x, y, w, h in sizes]

    @property
    def base_count(self) -> int:
        """Chunks of the full resolution; they come first in the offset table."""
        if self.tiles is None:
            return -(-self.height // CODECS[self.codec].lines)
        return self.levels[0].across * self.levels[0].down

    @property
    def count(self) -> int:
        return self.base_count if self.tiles is None else sum(level.across * level.down for level in self.levels)

    def coordinates(self) -> np.ndarray:
        """What each chunk says of its place, (count, 1) or (count, 4) int32: y, or column, row, level x, level y."""
        if self.tiles is None:
            lines = CODECS[self.codec].lines
            return np.arange(self.window[1], self.window[3] + 1, lines, dtype="<i4")[:, None]
        rows = []
        for level in self.levels:
            y, x = np.divmod(np.arange(level.across * level.down, dtype="<i4"), np.int32(level.across))
            rows.append(np.stack([x, y, np.full_like(x, level.x), np.full_like(x, level.y)], axis=1))
        return np.concatenate(rows)

    def sizes(self) -> np.ndarray:
        """Decoded bytes of each chunk, (count,) int64."""
        if self.tiles is None:
            first = self.coordinates()[:, 0].astype(np.int64)
            end = np.minimum(first + CODECS[self.codec].lines, self.window[3] + 1)
            # Stored lines are the multiples of the sampling.
            lines = {y: (end - 1) // y - (first - 1) // y for y in {c.y for c in self.channels.values()}}
            return sum(
                (lines[c.y] * (self.width // c.x * c.bytes) for c in self.channels.values()), np.zeros_like(first)
            )
        pixel, found = sum(c.bytes for c in self.channels.values()), []
        for level in self.levels:
            wide = np.minimum(self.tiles.width, level.width - self.tiles.width * np.arange(level.across))
            high = np.minimum(self.tiles.height, level.height - self.tiles.height * np.arange(level.down))
            found.append((high[:, None] * wide * pixel).ravel())
        return np.concatenate(found)


class Chunks(NamedTuple):
    """Where the chunks of one part lie: byte of each leader, and packed bytes behind the leader."""

    offsets: np.ndarray
    packed: np.ndarray


def _halvings(full: int, round_up: bool) -> list[int]:
    """Sizes of successive levels down to 1."""
    depth = (full - 1).bit_length() if round_up else full.bit_length() - 1
    return [max(1, -(-full >> k) if round_up else full >> k) for k in range(depth + 1)]


def leader_bytes(grid: Grid, multipart: bool) -> int:
    """Part number (of a multipart file), coordinates and packed size."""
    return 4 * (multipart + (1 if grid.tiles is None else 4) + 1)


def check_offsets(offsets: np.ndarray, first: int, size: int, url: str) -> None:
    """Every chunk has an offset behind the tables and inside the file.

    A writer fills the tables when it closes the file, so a killed render leaves zeros and a cut copy leaves offsets
    beyond the end.

    Args:
        offsets: of all parts, uint64.
        first: byte behind the tables.

    Raises:
        InputDataError: rule `truncated` or `header`.
    """
    if missing := int((offsets == 0).sum()):
        raise truncated(url, f"{missing} of {len(offsets)} chunks were never written")
    if lost := int((offsets >= size).sum()):
        raise truncated(url, f"{lost} of {len(offsets)} chunks lie beyond the end at byte {size}")
    if offsets.min() < first:
        raise damaged(url, "a chunk offset points into the header")


def prove(data: bytes, table: int, grids: Sequence[Grid], multipart: bool, url: str) -> list[Chunks]:
    """Find the chunks of every part and prove them: right part, right place, plausible size, inside the file, apart.

    Args:
        data: the whole file, its offset tables already checked.
        table: byte at which the offset tables start.

    Raises:
        InputDataError: rule `truncated` or `chunk`, naming the first wrong chunk.
    """
    view = np.frombuffer(data, np.uint8)
    found: list[Chunks] = []
    for number, grid in enumerate(grids):
        offsets = np.frombuffer(data, "<u8", grid.count, table).astype(np.int64)
        table += 8 * grid.count
        lead = leader_bytes(grid, multipart)
        if (beyond := offsets + lead > len(data)).any():
            raise truncated(url, f"chunk {int(beyond.argmax())} of part {number} ends beyond byte {len(data)}")
        leaders = view[offsets[:, None] + np.arange(lead)].view("<i4")
        packed, decoded = leaders[:, -1].astype(np.int64), grid.sizes()
        expected = grid.coordinates()
        if multipart:
            expected = np.concatenate([np.full_like(expected[:, :1], number), expected], axis=1)
        codec = CODECS[grid.codec]
        for wrong, what in (
            ((leaders[:, :-1] != expected).any(axis=1), "says it belongs elsewhere"),
            (packed < 0, "has a negative size"),
            (packed > decoded, "is larger than its pixels"),
            (decoded > packed * codec.expansion, f"is too small for its pixels in {codec.name}"),
        ):
            if wrong.any():
                at = int(wrong.argmax())
                raise damaged(url, f"chunk {at} of part {number} {what}", "chunk")
        found.append(Chunks(offsets, packed))
    starts = np.concatenate([c.offsets for c in found])
    ends = starts + np.concatenate([leader_bytes(g, multipart) + c.packed for g, c in zip(grids, found, strict=True)])
    if ends.max() > len(data):
        raise truncated(url, f"{int((ends > len(data)).sum())} of {len(ends)} chunks end beyond byte {len(data)}")
    order = np.argsort(starts)
    if (ends[order[:-1]] > starts[order[1:]]).any():
        raise damaged(url, "two chunks overlap", "chunk")
    return found


class SinglePart:
    """An EXR file of one part at full resolution, as a binary stream for the decoder.

    A header of only what pixels need, an offset table, then `data` as it is: nothing is copied but what is read, and
    the table points at the proven chunks.

    Args:
        channel_list: value of the part's attribute `channels`.
    """

    def __init__(self, data: bytes, grid: Grid, channel_list: bytes, chunks: Chunks, multipart: bool) -> None:
        head = _plain_header(grid, channel_list)
        count = grid.base_count
        self._data, self._start, self._at = data, len(head) + 8 * count, 0
        # A file of one part has no part number before a chunk.
        table = chunks.offsets[:count] + (self._start + 4 * multipart)
        self._head = head + table.astype("<u8").tobytes()

    def read(self, count: int) -> bytes:
        at, self._at = self._at, self._at + count
        if at >= self._start:
            return self._data[at - self._start : at - self._start + count]
        return self._head[at : at + count] + self._data[: max(0, at + count - self._start)]

    def seek(self, at: int, whence: int = io.SEEK_SET) -> int:
        self._at = at if whence == io.SEEK_SET else self._start + len(self._data) + at
        return self._at

    def tell(self) -> int:
        return self._at

    def whole(self) -> bytes:
        """All bytes."""
        return self._head + self._data


def _plain_header(grid: Grid, channel_list: bytes) -> bytes:
    box = struct.pack("<4i", *grid.window)
    attributes = [
        (b"channels", b"chlist", channel_list),
        (b"compression", b"compression", bytes([grid.codec])),
        (b"dataWindow", b"box2i", box),
        (b"displayWindow", b"box2i", box),
        (b"lineOrder", b"lineOrder", b"\0"),
        (b"pixelAspectRatio", b"float", struct.pack("<f", 1)),
        (b"screenWindowCenter", b"v2f", bytes(8)),
        (b"screenWindowWidth", b"float", struct.pack("<f", 1)),
    ]
    flags = FLAG_LONG_NAMES if any(len(name.encode()) > SHORT_NAME for name in grid.channels) else 0
    if grid.tiles:
        attributes.append((b"tiles", b"tiledesc", struct.pack("<IIB", grid.tiles.width, grid.tiles.height, 0)))
        flags |= FLAG_TILED
    body = b"".join(b"%s\0%s\0%s%s" % (n, kind, struct.pack("<i", len(v)), v) for n, kind, v in attributes)
    return struct.pack("<II", MAGIC, 2 | flags) + body + b"\0"


def damaged(url: str, what: str, rule: str = "header", fix: str = "Render the frame again.") -> InputDataError:
    return InputDataError(what, file=url, rule=rule, fix=fix)


def truncated(url: str, what: str) -> InputDataError:
    return InputDataError(f"truncated EXR: {what}", file=url, rule="truncated", fix="Render or copy the frame again.")
