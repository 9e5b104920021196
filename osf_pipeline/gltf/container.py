"""The glTF container: a JSON document and its binary buffers.

Belongs here: GLB framing, accessors, where a buffer may lie. Does not: what nodes, skins and animations mean (`write`,
`read`). The standard library is enough: glTF libraries wrap the JSON in classes and leave packing and unpacking of
accessors, nearly all of this module, to their user.

Specification: https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import fsspec
import numpy as np

from osf_pipeline.errors import InputDataError
from osf_pipeline.layout import join, local_path

MAGIC, JSON_CHUNK, BINARY_CHUNK = 0x46546C67, 0x4E4F534A, 0x004E4942
GENERATOR = "OSF Pipeline"
MAX_BYTES = 1 << 28
"""Bytes of one file; what is larger is refused unread."""

COMPONENTS: dict[np.dtype[Any], int] = {
    np.dtype(np.int8): 5120, np.dtype(np.uint8): 5121, np.dtype(np.int16): 5122,
    np.dtype(np.uint16): 5123, np.dtype(np.uint32): 5125, np.dtype(np.float32): 5126,
}  # fmt: skip
SHAPES: dict[tuple[int, ...], str] = {(): "SCALAR", (2,): "VEC2", (3,): "VEC3", (4,): "VEC4", (4, 4): "MAT4"}
VERTICES, INDICES = 34962, 34963
"""Targets of buffer views."""


class Writer:
    """A document that grows: items of its top-level lists, accessors, and one binary buffer."""

    def __init__(self) -> None:
        self.document: dict[str, Any] = {"asset": {"version": "2.0", "generator": GENERATOR}}
        self._binary = bytearray()

    def add(self, kind: str, item: dict[str, Any]) -> int:
        """Append to a top-level list (`nodes`, `meshes` ...) and return the index."""
        items: list[dict[str, Any]] = self.document.setdefault(kind, [])
        items.append(item)
        return len(items) - 1

    def use(self, extension: str) -> None:
        """List an extension as used; none of ours is required."""
        used: list[str] = self.document.setdefault("extensionsUsed", [])
        if extension not in used:
            used.append(extension)

    def view(self, data: bytes, target: int | None = None) -> int:
        """A buffer view that holds the bytes."""
        self._binary += b"\0" * (-len(self._binary) % 4)
        view = {"buffer": 0, "byteOffset": len(self._binary), "byteLength": len(data)}
        self._binary += data
        return self.add("bufferViews", view | ({} if target is None else {"target": target}))

    def accessor(self, values: np.ndarray, target: int | None = None, *, bounds: bool = False) -> int:
        """An accessor of (N,), (N, 2..4) or (N, 4, 4) values; float64 becomes float32, matrices column-major.

        Args:
            bounds: state minimum and maximum, as positions and animation times must.
        """
        values = values.astype(np.float32) if values.dtype == np.float64 else values
        stored = values.swapaxes(1, 2) if values.ndim == 3 else values
        item = {
            "bufferView": self.view(np.ascontiguousarray(stored).tobytes(), target),
            "componentType": COMPONENTS[values.dtype],
            "count": len(values),
            "type": SHAPES[values.shape[1:]],
        }
        if bounds:
            item |= {"min": np.atleast_1d(values.min(0)).tolist(), "max": np.atleast_1d(values.max(0)).tolist()}
        return self.add("accessors", item)

    def glb(self) -> bytes:
        """The binary file; equal calls give equal bytes."""
        binary = bytes(self._binary) + b"\0" * (-len(self._binary) % 4)
        document = self.document | {"buffers": [{"byteLength": len(binary)}]}
        text = json.dumps(document, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        chunks = struct.pack("<II", len(text), JSON_CHUNK) + text
        chunks += struct.pack("<II", len(binary), BINARY_CHUNK) + binary
        return struct.pack("<III", MAGIC, 2, 12 + len(chunks)) + chunks


class Reader:
    """A document and its accessors, from a `.glb` or `.gltf` file.

    Buffers lie in the file itself or in a file beside it or below its folder; nothing else is ever opened.
    """

    def __init__(self, source: str | bytes) -> None:
        """
        Args:
            source: local path or URL of the file, or a GLB's bytes.

        Raises:
            InputDataError: for a missing, damaged, too large or unsupported file.
        """
        self.url = source if isinstance(source, str) else "<bytes>"
        self._folder = source.rpartition("/")[0] if isinstance(source, str) else None
        data = _take(source) if isinstance(source, str) else source
        text, self._chunk = self._chunks(data) if data[:4] == struct.pack("<I", MAGIC) else (data, None)
        try:
            self.document: dict[str, Any] = json.loads(text)
            version = self.document["asset"]["version"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise self.fault("the file is no glTF document", problem=str(error)) from error
        if str(version).split(".")[0] != "2":
            raise self.fault("only glTF 2 is read", version=version)
        self._buffers: dict[int, bytes] = {}

    def fault(self, what: str, **where: Any) -> InputDataError:
        """An error that names the file."""
        return InputDataError(what, file=self.url, **where, fix="Export the motion again as a binary glTF (.glb).")

    def listed(self, owner: dict[str, Any], key: str) -> list[Any]:
        """A list of a document's object; empty when absent.

        Raises:
            InputDataError: when it is something else.
        """
        found = owner.get(key, [])
        if not isinstance(found, list):
            raise self.fault(f"{key} is no list")
        return found

    def object(self, value: Any, what: str) -> dict[str, Any]:
        """The value, if it is a JSON object.

        Raises:
            InputDataError: when it is something else.
        """
        if not isinstance(value, dict):
            raise self.fault(f"{what} is no object")
        return value

    def item(self, kind: str, index: Any) -> dict[str, Any]:
        """One item of a top-level list.

        Raises:
            InputDataError: for an index that is none.
        """
        items = self.listed(self.document, kind)
        if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < len(items):
            raise self.fault(f"no such item in {kind}", index=index)
        return self.object(items[index], f"an item of {kind}")

    def accessor(self, index: Any) -> np.ndarray:
        """(N,) or (N, 2..4) float64; normalised integers become -1..1 or 0..1, as the specification says.

        Raises:
            InputDataError: for a sparse or compressed accessor, or one that leaves its buffer.
        """
        item = self.item("accessors", index)
        if "sparse" in item or "bufferView" not in item:
            raise self.fault("sparse accessors are not read", accessor=index)
        view = self.item("bufferViews", item["bufferView"])
        if "EXT_meshopt_compression" in self.object(view.get("extensions", {}), "extensions"):
            raise self.fault("compressed animation is not read", accessor=index)
        dtype = next((d for d, code in COMPONENTS.items() if code == item.get("componentType")), None)
        shape = next((s for s, name in SHAPES.items() if name == item.get("type") and len(s) < 2), None)
        if dtype is None or shape is None:
            raise self.fault("an accessor of this type holds no animation", accessor=index, type=item.get("type"))
        width = dtype.itemsize * int(np.prod(shape, dtype=int))
        numbers: tuple[Any, ...] = (
            item.get("count"),
            view.get("byteStride", width),
            item.get("byteOffset", 0),
            view.get("byteOffset", 0),
        )
        if not all(isinstance(n, int) and 0 <= n <= MAX_BYTES for n in numbers):
            raise self.fault("an accessor has no usable size or place", accessor=index)
        count, stride, inner, outer = numbers
        data = self._buffer(view.get("buffer"))
        if count < 1 or stride < width or outer + inner + stride * (count - 1) + width > len(data):
            raise self.fault("an accessor leaves its buffer", accessor=index)
        found = np.ndarray(
            (count, *shape), dtype.newbyteorder("<"), data, outer + inner, (stride, dtype.itemsize)[: 1 + len(shape)]
        )
        values = found.astype(np.float64)
        if item.get("normalized") and dtype.kind in "iu":
            values = np.maximum(values / np.iinfo(dtype).max, -1)
        if not np.isfinite(values).all():
            raise self.fault("an accessor holds NaN or infinity", accessor=index)
        return values

    def _chunks(self, data: bytes) -> tuple[bytes, bytes | None]:
        """The JSON text and the binary chunk of a GLB."""
        chunks: dict[int, bytes] = {}
        at = 12
        while at + 8 <= len(data):
            length, kind = struct.unpack_from("<II", data, at)
            if at + 8 + length > len(data):
                raise self.fault("the file ends early")
            chunks.setdefault(kind, data[at + 8 : at + 8 + length])
            at += 8 + length
        if JSON_CHUNK not in chunks:
            raise self.fault("the file holds no glTF document")
        return chunks[JSON_CHUNK], chunks.get(BINARY_CHUNK)

    def _buffer(self, index: Any) -> bytes:
        item = self.item("buffers", index)
        if index not in self._buffers:
            uri = item.get("uri")
            if uri is None:
                if index != 0 or self._chunk is None:
                    raise self.fault("a buffer has no data", buffer=index)
                self._buffers[index] = self._chunk
            elif isinstance(uri, str) and uri.startswith("data:"):
                try:
                    self._buffers[index] = base64.b64decode(uri.partition(";base64,")[2], validate=True)
                except binascii.Error as error:
                    raise self.fault("a buffer is no valid base64", buffer=index) from error
            else:
                self._buffers[index] = _take(self._beside(uri))
        return self._buffers[index]

    def _beside(self, uri: Any) -> str:
        """URL of a buffer's own file, which must lie in the document's folder or below."""
        path = unquote(uri) if isinstance(uri, str) else ""
        parts = PurePosixPath(path).parts
        inside = self._folder is not None and path and not urlsplit(path).scheme and "\\" not in path
        if not inside or path.startswith("/") or ".." in parts:
            raise self.fault("a buffer lies outside the file's folder", uri=str(uri)[:80])
        url = join(self._folder or ".", path)
        local = local_path(url)
        if local is not None and not local.resolve().is_relative_to(local_path(self._folder or ".").resolve()):  # type: ignore[union-attr]
            raise self.fault("a buffer's link leads outside the file's folder", uri=path[:80])
        return url


def _take(url: str) -> bytes:
    """Content of a file of at most `MAX_BYTES`."""
    fs, path = fsspec.core.url_to_fs(url)
    if not fs.isfile(path):
        raise InputDataError("no such file", file=url, fix="Check the path; a .gltf needs its .bin beside it.")
    if (size := fs.size(path)) > MAX_BYTES:
        raise InputDataError("the file is too large", file=url, bytes=size, fix="Export the animation without meshes.")
    data: bytes = fs.cat_file(path)
    return data
