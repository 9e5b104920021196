"""Read and check an EXR header and its offset tables without decoding a pixel.

Belongs here: the byte layout of headers, with hard limits, because files come from outside. Does not: chunks
(`exr.chunks`), decoding (`exr.read`) or what channels mean (`exr.adapters`).

Why not the library's own header reader: it accepts truncated files, and some damaged headers make it allocate or loop
for long. Layout: https://openexr.com/en/latest/OpenEXRFileLayout.html
"""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, BinaryIO, Literal

import fsspec
import numpy as np

from osf_pipeline.errors import InputDataError
from osf_pipeline.exr.chroma import offer
from osf_pipeline.exr.chunks import (
    CHANNEL_TYPES,
    CODECS,
    FLAG_DEEP,
    FLAG_LONG_NAMES,
    FLAG_MULTIPART,
    FLAG_TILED,
    MAGIC,
    ChannelType,
    Grid,
    Stored,
    Tiles,
    check_offsets,
    damaged,
    leader_bytes,
    truncated,
)
from osf_pipeline.exr.write import Window

__all__ = [
    "FLAG_LONG_NAMES", "MAX_DECODED_BYTES", "MAX_PIXELS", "Header", "Part", "parse_header", "read_header", "union",
]  # fmt: skip

MAX_HEADER_BYTES = 64 << 20  # Cryptomatte manifests of crowds reach megabytes
MAX_PARTS, MAX_NAME = 1024, 255
MAX_ATTRIBUTES, MAX_CHANNELS = 1 << 15, 1 << 14  # of all parts together
MAX_COORDINATE = 1 << 24
MAX_PIXELS = 1 << 28  # 16384 x 16384 in one part
MAX_TILE_PIXELS = 1 << 24  # of a tile larger than its image
MAX_DECODED_BYTES = 8 << 30


@dataclass(frozen=True)
class Part:
    """One image of a file.

    Attributes:
        name: part name; empty in files without one.
        display_window: inclusive corners (x0, y0, x1, y1).
        grid: the data window, the stored channels and how they are cut into chunks.
        channels: channel name inside this part to its dtype, in file order, as a reader gets them: R, G and B in the
            place of luminance and chroma (`exr.chroma`).
        subsampled: names of channels stored at a lower resolution, which cannot be read.
        chroma_layers: prefixes of the luminance-chroma layers.
        attributes: string, int and float attributes; a list of strings for `multiView`.
        raw_attributes: name to (type, value as it stands in the file) of every attribute, in file order.
    """

    name: str
    display_window: Window
    pixel_aspect: float
    grid: Grid
    channels: dict[str, ChannelType]
    subsampled: tuple[str, ...]
    chroma_layers: tuple[str, ...]
    attributes: dict[str, Any]
    raw_attributes: dict[str, tuple[str, bytes]]

    @property
    def data_window(self) -> Window:
        """Inclusive corners (x0, y0, x1, y1)."""
        return self.grid.window

    @property
    def width(self) -> int:
        return self.grid.width

    @property
    def height(self) -> int:
        return self.grid.height

    @property
    def compression(self) -> str:
        return CODECS[self.grid.codec].name

    @property
    def chunk_count(self) -> int:
        return self.grid.count


@dataclass(frozen=True)
class Header:
    """Everything known of a file before decoding.

    Attributes:
        url: where it lies.
        size: bytes of the file.
        table_start: byte at which the chunk offset tables start.
    """

    url: str
    size: int
    multipart: bool
    table_start: int
    parts: tuple[Part, ...]

    @cached_property
    def channels(self) -> dict[str, ChannelType]:
        """Full channel name to dtype over all parts; see `full_name`."""
        return {self.full_name(p, c): t for p in self.parts for c, t in p.channels.items()}

    @property
    def attributes(self) -> dict[str, Any]:
        """Attributes of the first part, where renderers put what concerns the whole file."""
        return self.parts[0].attributes

    @property
    def display_window(self) -> Window:
        return self.parts[0].display_window

    @property
    def pixel_aspect(self) -> float:
        return self.parts[0].pixel_aspect

    @property
    def data_window(self) -> Window:
        """Union of the parts' data windows."""
        return union(p.data_window for p in self.parts)

    def full_name(self, part: Part, channel: str) -> str:
        """`channel` in a single-part file, `part.channel` in a multipart one, unless the channel says so itself."""
        if not self.multipart or not part.name or channel.startswith(f"{part.name}."):
            return channel
        return f"{part.name}.{channel}"

    @property
    def views(self) -> tuple[str, ...]:
        """Names of the stereo or multi-view images in the file, the default view first."""
        listed = self.attributes.get("multiView")
        if listed:
            return tuple(listed)
        return tuple(dict.fromkeys(p.attributes["view"] for p in self.parts if p.attributes.get("view")))

    def names(self, view: str | None = None) -> dict[str, str]:
        """View-free channel name to full name, of one view (the default view when none is asked for).

        Single-part files put the view before the last component (`forward.left.u`) and leave it out for the default
        view; multipart files give each part a `view` attribute and usually end the part's name with it.

        Raises:
            InputDataError: when the file has no such view.
        """
        views = self.views
        if view is not None and view not in views:
            raise InputDataError(
                "the file has no such view", file=self.url, view=view,
                fix=f"Views found: {', '.join(views) or 'none'}; mend `view`.",
            )  # fmt: skip
        wanted = view or (views[0] if views else None)
        found: dict[str, str] = {}
        for part in self.parts:
            if part.attributes.get("view", wanted) != wanted:
                continue
            name = part.name
            for separator in "._":
                name = name.removesuffix(f"{separator}{wanted}") if self.multipart and wanted else name
            for channel in part.channels:
                full = plain = self.full_name(part, channel)
                if self.multipart and name:
                    plain = channel if channel.startswith(f"{name}.") else f"{name}.{channel}"
                elif views:
                    pieces = channel.split(".")
                    named = pieces[-2] if len(pieces) > 1 and pieces[-2] in views else views[0]
                    if named != wanted:
                        continue
                    plain = ".".join([*pieces[:-2], pieces[-1]]) if pieces[-2:-1] == [named] else channel
                found[plain] = full
        return found


def union(windows: Any) -> Window:
    """The smallest window that holds all of `windows`."""
    x0, y0, x1, y1 = zip(*windows, strict=True)
    return min(x0), min(y0), max(x1), max(y1)


def read_header(url: str) -> Header:
    """Read a header and prove that every chunk it promises is there, reading only header and offset tables.

    Raises:
        InputDataError: for a missing, damaged, truncated, deep or oversized file; `where["rule"]` says which.
    """
    fs, path = fsspec.core.url_to_fs(url)
    try:
        size = int(fs.info(path)["size"])
        with fs.open(path, "rb", block_size=1 << 16) as stream:
            return parse_header(stream, size, url)
    except FileNotFoundError as error:
        raise InputDataError(
            "no such file", file=url, rule="gap", fix="Render the frame or correct `frames`."
        ) from error


def parse_header(stream: BinaryIO | io.BytesIO, size: int, url: str) -> Header:
    """As `read_header`, from an open binary stream at its start."""
    reader = _Reader(stream, size, url)
    magic, version = reader.unpack("<II")
    if magic != MAGIC:
        raise reader.fault("no EXR file", "Point the pattern at EXR files.")
    flags = version & ~0xFF
    if version & 0xFF != 2 or flags & ~(FLAG_TILED | FLAG_LONG_NAMES | FLAG_DEEP | FLAG_MULTIPART):
        raise reader.fault(f"unknown EXR version 0x{version:x}", "Write the file again with a current OpenEXR.")
    if flags & FLAG_DEEP:
        raise _deep(url)
    multipart = bool(flags & FLAG_MULTIPART)
    parts: list[Part] = []
    while attributes := _attributes(reader):
        if len(parts) == MAX_PARTS:
            raise reader.fault(f"more than {MAX_PARTS} parts", "Split the file.")
        parts.append(_part(reader, attributes, multipart, bool(flags & FLAG_TILED)))
        if not multipart:
            break
    if not parts:
        raise reader.fault("the header has no attributes")
    decoded = sum(part.grid.decoded_bytes for part in parts)
    if decoded > MAX_DECODED_BYTES:
        raise reader.fault(f"the image needs {decoded >> 20} MiB decoded", "Write fewer channels or a smaller image.")
    header = Header(url, size, multipart, reader.position, tuple(parts))
    if len(header.channels) != sum(len(part.channels) for part in parts):
        raise reader.fault("two parts hold a channel of the same name")
    _check_table(reader, header)
    return header


class _Reader:
    """Bounded reads from an untrusted stream."""

    def __init__(self, stream: Any, size: int, url: str) -> None:
        self.stream, self.size, self.url, self.position = stream, size, url, 0
        self.block, self.block_start = b"", 0
        self.attributes = self.channels = 0

    def fault(self, what: str, fix: str = "Render the frame again.") -> InputDataError:
        return damaged(self.url, what, fix=fix)

    def peek(self, count: int) -> memoryview:
        """The next `count` bytes, or fewer at the end of the file."""
        start = self.position - self.block_start
        if start + count > len(self.block):
            self.stream.seek(self.position)
            self.block, self.block_start, start = self.stream.read(max(count, 1 << 14)), self.position, 0
        return memoryview(self.block)[start : start + count]

    def take(self, count: int) -> bytes:
        if self.position + count > self.size:
            raise truncated(self.url, f"the file ends inside its header at byte {self.size}")
        if self.position + count > MAX_HEADER_BYTES:
            raise self.fault(f"the header is larger than {MAX_HEADER_BYTES >> 20} MiB")
        data = bytes(self.peek(count))
        if len(data) != count:
            raise truncated(self.url, "the file is shorter than its listed size")
        self.position += count
        return data

    def unpack(self, layout: str) -> tuple[Any, ...]:
        return struct.unpack(layout, self.take(struct.calcsize(layout)))

    def text(self) -> str:
        """A null-terminated name of at most MAX_NAME bytes."""
        ahead = bytes(self.peek(MAX_NAME + 1))
        length = ahead.find(b"\0")
        if length < 0:
            self.take(len(ahead) + 1 if len(ahead) <= MAX_NAME else 0)
            raise self.fault(f"a name in the header is longer than {MAX_NAME} bytes")
        try:
            return self.take(length + 1)[:-1].decode()
        except UnicodeDecodeError as error:
            raise self.fault("a name in the header is no UTF-8") from error


def _attributes(reader: _Reader) -> dict[str, tuple[str, bytes]]:
    """Name to (type, raw value), up to the empty name that ends a part's header."""
    found: dict[str, tuple[str, bytes]] = {}
    while name := reader.text():
        kind, (count,) = reader.text(), reader.unpack("<i")
        if count < 0 or not kind:
            raise reader.fault(f"attribute {name!r} has no type or a negative size")
        reader.attributes += 1
        if reader.attributes > MAX_ATTRIBUTES:
            raise reader.fault(f"more than {MAX_ATTRIBUTES} attributes")
        found[name] = (kind, reader.take(count))
    return found


def _string_vector(raw: bytes) -> list[str]:
    found, at = [], 0
    while at < len(raw):
        (count,) = struct.unpack_from("<i", raw, at)
        if count < 0:
            raise ValueError("negative length")
        found.append(raw[at + 4 : at + 4 + count].decode())
        at += 4 + count
    return found


_DECODERS: dict[str, Callable[[bytes], Any]] = {
    "string": lambda raw: raw.decode(errors="replace"),
    "stringvector": _string_vector,
    "int": lambda raw: struct.unpack("<i", raw)[0],
    "float": lambda raw: struct.unpack("<f", raw)[0],
    "double": lambda raw: struct.unpack("<d", raw)[0],
    "box2i": lambda raw: struct.unpack("<4i", raw),
    "compression": lambda raw: struct.unpack("<B", raw)[0],
    "tiledesc": lambda raw: struct.unpack("<IIB", raw),
    "chlist": lambda raw: raw,
}


def _part(reader: _Reader, attributes: dict[str, tuple[str, bytes]], multipart: bool, tiled_flag: bool) -> Part:
    def value(name: str, kind: str) -> Any:
        found, raw = attributes.get(name, ("", b""))
        if found != kind:
            raise reader.fault(f"the header lacks attribute {name!r} of type {kind}")
        try:
            return _DECODERS[kind](raw)
        except (struct.error, ValueError) as error:
            raise reader.fault(f"attribute {name!r} is damaged") from error

    kind = value("type", "string") if multipart else ""
    if kind.startswith("deep"):
        raise _deep(reader.url)
    # Single-part files: the version flag decides, as in the library; `type` may disagree in files of old writers.
    tiled = kind == "tiledimage" if multipart else tiled_flag
    if multipart and kind not in ("scanlineimage", "tiledimage"):
        raise reader.fault(f"unknown part type {kind[:40]!r}")
    data, display = value("dataWindow", "box2i"), value("displayWindow", "box2i")
    for name, window in (("dataWindow", data), ("displayWindow", display)):
        if max(map(abs, window)) > MAX_COORDINATE or window[2] < window[0] or window[3] < window[1]:
            raise reader.fault(f"{name} {window} is empty or out of range")
    aspect = value("pixelAspectRatio", "float")
    if not (math.isfinite(aspect) and aspect > 0):
        raise reader.fault(f"pixelAspectRatio is {aspect}")
    codec = value("compression", "compression")
    if codec >= len(CODECS):
        raise reader.fault(f"unknown compression {codec}", "Write the frames as ZIP.")
    stored = _channels(reader, value("channels", "chlist"))
    tiles = _tiles(reader, value("tiles", "tiledesc")) if tiled else None
    grid = Grid(data, codec, tiles, stored)
    if grid.width * grid.height > MAX_PIXELS:
        raise reader.fault(
            f"{grid.width}x{grid.height} pixels are more than this reader takes", "Render a smaller image."
        )
    _check_grid(reader, grid)
    if multipart and value("chunkCount", "int") != grid.count:
        raise reader.fault("chunkCount disagrees with the image size")
    kept = {
        name: value(name, found)
        for name, (found, _) in attributes.items()
        if found in ("string", "int", "float", "double") or name == "multiView"
    }
    name = kept.get("name", "")
    channels, subsampled, chroma_layers = offer(stored)
    return Part(
        name if isinstance(name, str) else "", display, aspect, grid, channels, subsampled, chroma_layers, kept,
        attributes,
    )  # fmt: skip


def _channels(reader: _Reader, raw: bytes) -> dict[str, Stored]:
    channels: dict[str, Stored] = {}
    at = 0
    while True:
        end = raw.find(b"\0", at, at + MAX_NAME + 1)
        if end < 0:
            raise reader.fault("the channel list is damaged")
        if end == at:
            break
        reader.channels += 1
        if end + 17 > len(raw) or reader.channels > MAX_CHANNELS:
            raise reader.fault("the channel list is damaged or too long")
        kind, x, y = struct.unpack_from("<i4x2i", raw, end + 1)
        try:
            name = raw[at:end].decode()
        except UnicodeDecodeError as error:
            raise reader.fault("a channel name is no UTF-8") from error
        if not 0 <= kind < len(CHANNEL_TYPES) or x < 1 or y < 1 or name in channels:
            raise reader.fault(f"channel {name!r} has an unknown type, a bad sampling or a twin")
        channels[name] = Stored(CHANNEL_TYPES[kind], x, y)
        at = end + 17
    if not channels:
        raise reader.fault("the file has no channels")
    return channels


def _tiles(reader: _Reader, raw: tuple[int, int, int]) -> Tiles:
    width, height, mode = raw
    if not (0 < width <= MAX_COORDINATE and 0 < height <= MAX_COORDINATE) or mode & 0xF > 2 or mode >> 4 > 1:
        raise reader.fault(f"tile description {raw} is damaged")
    levels: tuple[Literal["one", "mipmap", "ripmap"], ...] = ("one", "mipmap", "ripmap")
    return Tiles(width, height, levels[mode & 0xF], bool(mode >> 4))


def _check_grid(reader: _Reader, grid: Grid) -> None:
    """Sizes that the decoder may allocate for, and the format's rules on subsampling."""
    x0, y0, _, _ = grid.window
    for name, channel in grid.channels.items():
        alone = grid.tiles is not None and (channel.x, channel.y) != (1, 1)
        if alone or x0 % channel.x or y0 % channel.y or grid.width % channel.x or grid.height % channel.y:
            raise reader.fault(f"the sampling of channel {name!r} does not fit the data window")
    if grid.tiles and grid.tiles.width * grid.tiles.height > max(MAX_TILE_PIXELS, grid.width * grid.height):
        raise reader.fault(f"tiles of {grid.tiles.width}x{grid.tiles.height} pixels are larger than the image")
    if grid.base_count * 8 > reader.size or grid.count * 8 > reader.size:
        raise truncated(reader.url, f"{grid.count} chunks cannot lie in {reader.size} bytes")


def _check_table(reader: _Reader, header: Header) -> None:
    """Every chunk has an offset, and the one that lies last ends inside the file."""
    counts = [part.chunk_count for part in header.parts]
    offsets = np.frombuffer(reader.take(8 * sum(counts)), "<u8")
    check_offsets(offsets, reader.position, reader.size, header.url)
    last = int(offsets.argmax())
    part = header.parts[int(np.searchsorted(np.cumsum(counts), last, side="right"))]
    reader.stream.seek(int(offsets[last]))
    lead = leader_bytes(part.grid, header.multipart)
    leader = reader.stream.read(lead)
    packed = int.from_bytes(leader[-4:], "little", signed=True)
    if len(leader) < lead or offsets[last] + lead + max(packed, 0) > reader.size:
        raise truncated(header.url, f"the last chunk ends beyond byte {reader.size}")
    if packed < 0:
        raise reader.fault("the last chunk has a negative size")


def _deep(url: str) -> InputDataError:
    return InputDataError(
        "deep EXR is not supported", file=url, rule="deep", fix="Flatten the render to one sample a pixel."
    )
