"""Cryptomatte: names of objects, and which of them each pixel shows.

Belongs here: finding mattes in a header, reading their manifests, decoding ranked id and coverage pairs, numbering the
objects of a shot. Does not: the choice between a matte and an index pass (`exr.adapters`).

A matte stores, for each pixel, the objects it shows in order of coverage. An object's id is the MurmurHash3 of its
name, moved out of the exponents of NaN and denormals, as the bits of a float. Source: Psyop, Cryptomatte Specification
1.2.0, https://github.com/Psyop/Cryptomatte/blob/master/specification/cryptomatte_specification.pdf
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import fsspec
import numpy as np

from osf_pipeline.errors import InputDataError
from osf_pipeline.exr.header import Header
from osf_pipeline.exr.read import Image

ATTRIBUTE = re.compile(r"cryptomatte/([^/]+)/name\Z")
MAX_MANIFEST_BYTES = 16 << 20
MAX_OBJECTS = np.iinfo(np.uint16).max
HASH, CONVERSION = "MurmurHash3_32", "uint32_to_float32"
COMPONENTS = {"R": "r", "red": "r", "G": "g", "green": "g", "B": "b", "blue": "b", "A": "a", "alpha": "a"}
"""Other spellings of a layer's components: r, b are ids, g, a their coverage."""
HEXADECIMAL, BESIDE = re.compile(r"[0-9a-fA-F]{8}"), re.compile(r"[^./\\:][^/\\:]*")


@dataclass(frozen=True)
class Cryptomatte:
    """One matte of a file.

    Attributes:
        name: of the matte, such as `ViewLayer.CryptoObject`.
        channels: full channel names, id and coverage in turn, best rank first.
        attributes: `hash`, `conversion`, and `manifest` or `manif_file` of the header.
    """

    name: str
    channels: tuple[str, ...]
    attributes: dict[str, Any]


@dataclass(frozen=True)
class Ownership:
    """What a matte says of each pixel.

    Attributes:
        ids: (y, x) uint16 id of the object the pixel shows most of, 0 where none is seen.
        share, total: (y, x) float32 coverage of that object and of all objects, 0..1.
    """

    ids: np.ndarray
    share: np.ndarray
    total: np.ndarray


def mattes(header: Header, view: str | None = None) -> dict[str, Cryptomatte]:
    """The mattes of one view of a file, by name."""
    names = header.names(view)
    found: dict[str, Cryptomatte] = {}
    for part in header.parts:
        for attribute, name in part.attributes.items():
            if isinstance(name, str) and (match := ATTRIBUTE.match(attribute)):
                prefix = f"cryptomatte/{match[1]}/"
                fields = {k.removeprefix(prefix): v for k, v in part.attributes.items() if k.startswith(prefix)}
                if channels := tuple(_channels(name, names)):
                    found.setdefault(name, Cryptomatte(name, channels, fields))
    return found


def manifest(header: Header, matte: Cryptomatte) -> dict[str, int]:
    """Object name to hash, from the header or a file beside the frame; empty when the renderer wrote none.

    Raises:
        InputDataError: for a manifest that is damaged, too large, or elsewhere than beside the frame; for ids that are
            hashed otherwise than the specification says, or not stored as 32-bit floats.
    """
    for field, expected in (("hash", HASH), ("conversion", CONVERSION)):
        if (value := matte.attributes.get(field, expected)) != expected:
            raise _fault(header, matte, f"Cryptomatte {field} {str(value)[:40]!r} is unknown", f"Write {expected}.")
    for channel in matte.channels:
        if header.channels[channel] != "float32":
            raise _fault(
                header, matte, f"Cryptomatte channel {channel} is stored as {header.channels[channel]}",
                "Write Cryptomatte channels as 32-bit float: an id is the bits of one.",
            )  # fmt: skip
    text = matte.attributes.get("manifest") or _sidecar(header, matte)
    if len(text) > MAX_MANIFEST_BYTES:
        raise _fault(header, matte, f"a Cryptomatte manifest of more than {MAX_MANIFEST_BYTES >> 20} MiB")
    try:
        entries: dict[str, str] = json.loads(text or "{}")
        return {entry: float_bits(_hash(value)) for entry, value in entries.items()}
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise _fault(header, matte, "the Cryptomatte manifest is no JSON of names and 8-digit hashes") from error


def numbered(manifests: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Object name to hash over all manifests of a shot, sorted by name: object ids count this order from 1.

    Renderers list the objects of one frame, so ids are the same in every frame only when all its headers are asked.

    Raises:
        InputDataError: when two names share a hash, a name has two, or there are more than 65535 objects.
    """
    union: dict[str, int] = {}
    owners: dict[int, str] = {}
    for manifest in manifests:
        for name, value in manifest.items():
            if union.setdefault(name, value) != value or owners.setdefault(value, name) != name:
                raise InputDataError(
                    "Cryptomatte manifests contradict each other", rule="cryptomatte", object=name,
                    hash=f"{value:08x}", other=owners.get(value),
                    fix="Rename one of the objects, or name an index pass under `channels: {object_id: [...]}`.",
                )  # fmt: skip
    if len(union) > MAX_OBJECTS:
        raise InputDataError(
            f"a Cryptomatte of more than {MAX_OBJECTS} objects", rule="cryptomatte", objects=len(union),
            fix="Render a Cryptomatte of assets instead, or name an index pass under `channels: {object_id: [...]}`.",
        )  # fmt: skip
    return dict(sorted(union.items()))


def decode(image: Image, channels: tuple[str, ...], objects: Mapping[str, int]) -> Ownership:
    """The object each pixel shows most of; never a blend of ids.

    Args:
        channels: of the matte, as in `Cryptomatte`.
        objects: of the shot, as from `numbered`.

    Raises:
        InputDataError: for an id that no manifest of the shot holds.
    """
    shape = image.channels[channels[0]].shape
    best = np.zeros(shape, np.uint32)
    most, total = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for key, share in _ranks(image, channels):
        seen = np.where(key != 0, share, 0)
        more = seen > most
        best[more], most[more] = key[more], seen[more]
        total += seen
    keys, place = np.unique(best, return_inverse=True)
    known = {value: index for index, value in enumerate(objects.values(), start=1)} | {0: 0}
    for key in keys.tolist():
        if key not in known:
            y, x = (int(i) for i in np.argwhere(best == key)[0])
            raise InputDataError(
                f"Cryptomatte id {key:08x} is in no manifest of the shot", file=image.header.url, rule="cryptomatte",
                channel=channels[0], column=x + image.window[0], row=y + image.window[1],
                fix="Render the frame again with its manifest, or name an index pass under "
                "`channels: {object_id: [...]}`.",
            )  # fmt: skip
    ids = np.array([known[key] for key in keys.tolist()], np.uint16)
    return Ownership(ids[place].reshape(shape), most, total)


def coverage(image: Image, matte: Cryptomatte, name: str) -> np.ndarray:
    """(y, x) float32: the share of each pixel that one object covers, 0..1. An anti-aliased mask of it.

    Raises:
        InputDataError: when the manifest does not know the object, or as `manifest`.
    """
    known = manifest(image.header, matte)
    if name not in known:
        raise InputDataError(
            "no such object in the Cryptomatte", file=image.header.url, channel=matte.name, object=name,
            fix=f"Objects: {', '.join(sorted(known)[:20]) or 'none'}.",
        )  # fmt: skip
    total = np.zeros(image.channels[matte.channels[0]].shape, np.float32)
    for key, share in _ranks(image, matte.channels):
        total += np.where(key == known[name], share, 0)
    return total


def float_bits(value: int) -> int:
    """A hash as the bits of a float that is neither NaN, infinite nor denormal: bit 23 flips in exponents 0 and 255.

    Some writers list the plain hash in the manifest, so ids are compared after this.
    """
    return value ^ (1 << 23) if value >> 23 & 0xFF in (0, 0xFF) else value


def _ranks(image: Image, channels: tuple[str, ...]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(y, x) uint32 hashes and float32 coverage, rank by rank."""
    for key, share in zip(channels[::2], channels[1::2], strict=True):
        yield np.ascontiguousarray(image.channels[key]).view(np.uint32), image.channels[share]


def _channels(name: str, names: Mapping[str, str]) -> Iterator[str]:
    """Full channel names of a matte's ranks, two to a layer; a multipart file may put a part's name before them."""
    layers: dict[str, dict[str, str]] = {}
    for plain, full in names.items():
        layer, _, component = f".{plain}".rpartition(".")
        if (at := layer.rfind(f".{name}")) >= 0:
            rank = layer[at + 1 :].removeprefix(name)
            layers.setdefault(rank, {})[COMPONENTS.get(component, component)] = full
    for number in range(100):
        components = layers.get(f"{number:02d}", {})
        for pair in ("rg", "ba"):
            if not set(pair) <= set(components):
                return
            yield from (components[component] for component in pair)


def _hash(value: str) -> int:
    if not HEXADECIMAL.fullmatch(value):
        raise ValueError(value)
    return int(value, 16)


def _sidecar(header: Header, matte: Cryptomatte) -> str:
    """Text of a manifest beside the frame, or nothing. Its name comes from the file, so it may lead nowhere else."""
    file = str(matte.attributes.get("manif_file", ""))
    if not file:
        return ""
    if not BESIDE.fullmatch(file):
        raise _fault(
            header, matte, f"the Cryptomatte manifest {file[:80]!r} does not lie beside the frame",
            "Write it beside the frame or into its header.",
        )  # fmt: skip
    folder, slash, _ = header.url.rpartition("/")
    try:
        fs, path = fsspec.core.url_to_fs(f"{folder}{slash}{file}")
        with fs.open(path, "rb") as stream:
            data: bytes = stream.read(MAX_MANIFEST_BYTES + 1)
    except FileNotFoundError as error:
        raise _fault(
            header, matte, f"the Cryptomatte manifest {file[:80]!r} is missing", "Copy it beside the frame."
        ) from error
    return data.decode(errors="replace")


def _fault(header: Header, matte: Cryptomatte, what: str, fix: str = "") -> InputDataError:
    return InputDataError(
        what, file=header.url, rule="cryptomatte", channel=matte.name,
        fix=fix or "Write it again, or name an index pass under `channels: {object_id: [...]}`.",
    )  # fmt: skip
