"""Header attributes on their way from a source file to what is made from it.

Belongs here: which attributes and which window go on, keeping them beside a store, putting them into a written file.
Does not: reading headers (`exr.header`), encoding pixels (`exr.write`), names of a delivery (`delivery`).

Values are the file's own bytes, never decoded and encoded again: the library's Python writer knows no rationals and
drops types it does not know. Layout: https://openexr.com/en/latest/OpenEXRFileLayout.html
"""

from __future__ import annotations

import base64
import io
import struct
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from osf_pipeline.exr.header import FLAG_LONG_NAMES, Header, Part, parse_header, union
from osf_pipeline.exr.write import Window

Attributes = Mapping[str, tuple[str, bytes]]
"""Name to (type, value as it stands in the file)."""

HEADERS_FILE = "headers.json"
"""Beside a G-buffer store: what `pack` made of its source files' attributes."""

OF_PIXELS = frozenset({
    "channels", "chunkCount", "compression", "dataWindow", "deepImageState", "displayWindow", "dwaCompressionLevel",
    "lineOrder", "maxSamplesPerPixel", "multiView", "name", "pixelAspectRatio", "preview", "tiles", "type", "version",
})  # fmt: skip
"""Attributes that describe a file's own pixels and their layout; whoever writes pixels writes these."""

ID_MANIFEST, CRYPTOMATTE = "idManifest", "cryptomatte/"

MAX_CARRIED = 1 << 20
"""Bytes of attributes kept of one frame."""

SHORT_NAME = 31
"""Bytes of a name up to which a file needs no long-name flag."""


def source_window(header: Header, channels: Iterable[str]) -> Window:
    """Union of the data windows of the parts that hold some channels (full names); other parts do not count."""
    return union(part.data_window for part in _holding(header, set(channels)))


def carried(header: Header, channels: Iterable[str], view: str | None = None) -> dict[str, tuple[str, bytes]]:
    """Attributes that go on from a file to a picture made from some of its channels.

    Those of the parts that hold the channels come first, then those of the other parts that belong to the same view,
    each name once. Left out are `OF_PIXELS` and manifests of ids (`id_manifests` gives them for channels that go on).

    Args:
        channels: full channel names.
        view: which the channels show; the file's default view when absent. Becomes the attribute `view`.
    """
    holding = _holding(header, set(channels))
    shown = view or next(iter(header.views), None)
    others = [p for p in header.parts if p not in holding and p.attributes.get("view", shown) == shown]
    found: dict[str, tuple[str, bytes]] = {}
    for part in (*holding, *others):
        for name, value in part.raw_attributes.items():
            if name not in OF_PIXELS and name != ID_MANIFEST and not name.startswith(CRYPTOMATTE):
                found.setdefault(name, value)
    return found | ({"view": ("string", shown.encode())} if shown else {})


def id_manifests(header: Header, channels: Iterable[str]) -> dict[str, tuple[str, bytes]]:
    """Cryptomatte attributes of the mattes among some channels (full names), and the id manifest of their parts.

    Cryptomatte: each matte has attributes `cryptomatte/<key>/...`; the one called `name` is the prefix of its channels.
    https://github.com/Psyop/Cryptomatte/tree/master/specification
    """
    wanted = set(channels)
    found: dict[str, tuple[str, bytes]] = {}
    for part in header.parts:
        for name, value in part.raw_attributes.items():
            if name == ID_MANIFEST and part in _holding(header, wanted):
                found.setdefault(name, value)
            elif name.startswith(CRYPTOMATTE):
                _, prefix = part.raw_attributes.get(f"{name.rpartition('/')[0]}/name", ("", b""))
                if prefix and any(channel.startswith(prefix.decode(errors="replace")) for channel in wanted):
                    found.setdefault(name, value)
    return found


def bounded(attributes: Attributes) -> tuple[dict[str, tuple[str, bytes]], list[str]]:
    """The smallest attributes that together keep within `MAX_CARRIED`, in their order, and the names of the rest."""
    room, dropped = MAX_CARRIED, []
    for name, (_, value) in sorted(attributes.items(), key=lambda item: len(item[1][1])):
        room -= len(value)
        if room < 0:
            dropped.append(name)
    return {name: value for name, value in attributes.items() if name not in dropped}, dropped


def pack(frames: Mapping[int, Attributes]) -> dict[str, Any]:
    """Attributes of many frames as JSON values; what several frames share is kept once."""
    values: dict[tuple[str, str, bytes], int] = {}
    rows = {
        str(frame): [values.setdefault((name, *value), len(values)) for name, value in attributes.items()]
        for frame, attributes in frames.items()
    }
    return {"values": [[name, kind, base64.b64encode(raw).decode()] for name, kind, raw in values], "frames": rows}


def unpack(packed: Mapping[str, Any]) -> dict[int, dict[str, tuple[str, bytes]]]:
    """The inverse of `pack`."""
    values = [(name, (kind, base64.b64decode(raw))) for name, kind, raw in packed["values"]]
    return {int(frame): dict(values[index] for index in row) for frame, row in packed["frames"].items()}


def with_attributes(data: bytes, attributes: Attributes) -> bytes:
    """A single-part file with attributes added to its header, or put in place of those of the same name.

    Args:
        data: a whole single-part EXR file.
        attributes: none of `OF_PIXELS`.

    Raises:
        InputDataError: when `data` is no whole EXR file.
    """
    assert not OF_PIXELS & attributes.keys(), sorted(OF_PIXELS & attributes.keys())
    header = parse_header(io.BytesIO(data), len(data), "")
    assert not header.multipart, "one header has one place for attributes"
    (part,) = header.parts
    wanted = {**part.raw_attributes, **attributes}
    magic, version = struct.unpack_from("<II", data)
    if any(len(text.encode()) > SHORT_NAME for name, (kind, _) in wanted.items() for text in (name, kind)):
        version |= FLAG_LONG_NAMES
    rows = (
        name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(raw)) + raw
        for name, (kind, raw) in wanted.items()
    )
    head = struct.pack("<II", magic, version) + b"".join(rows) + b"\0"
    table = np.frombuffer(data, "<u8", part.chunk_count, header.table_start)
    moved = table + np.uint64(len(head)) - np.uint64(header.table_start)
    return head + moved.astype("<u8").tobytes() + data[header.table_start + table.nbytes :]


def _holding(header: Header, channels: set[str]) -> list[Part]:
    return [part for part in header.parts if channels & {header.full_name(part, c) for c in part.channels}]
