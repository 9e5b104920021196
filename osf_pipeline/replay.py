"""Making stored shards again from their provenance, to see whether the result is the same; bundles to do so elsewhere.

Belongs here: running a shard's worker into a scratch store and comparing, and packing what a shard needs into one file.
Does not: what a worker does, or building versions (`store.build`).

A bundle is a zip: `bundle.json` with worker, job, descriptor, schema and expected checksums, and the files the shard
reads. Paths in it are relative, so it runs on any machine that has the package.
"""

from __future__ import annotations

import json
import platform
import tempfile
import traceback
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec
import numpy as np

from osf_pipeline.errors import InputDataError, OsfError, RequestError
from osf_pipeline.execution import Json, resolve, start
from osf_pipeline.layout import Layout, join
from osf_pipeline.provenance import code_revision, library_versions
from osf_pipeline.store.build import MARKER, damaged_arrays
from osf_pipeline.store.claim import attempts
from osf_pipeline.store.files import read_json
from osf_pipeline.store.schema import DATA, StoreSpec, arrays, create, shard_key
from osf_pipeline.store.version import ATTEMPTS, current, find
from osf_pipeline.store.writer import COMMITS

BUNDLE = "bundle.json"
BUNDLE_VERSION = 1
MAX_BUNDLE = 16 << 30
"""Bytes that a bundle may unpack to."""
HERE = "bundle:"
"""Stands in a bundle's JSON for the folder it is unpacked into."""
LIBRARIES = ("numpy", "OpenEXR", "torch", "zarr", "zarrs")


@dataclass(frozen=True)
class Difference:
    """How an array made again differs from the stored one.

    Attributes:
        values: values that differ; 0 when only the encoding of equal values does.
        largest: greatest absolute difference; None when it is not finite.
        frame: first frame with a difference.
    """

    array: str
    values: int
    largest: float | None
    frame: int | None

    def __str__(self) -> str:
        if not self.values:
            return f"{self.array}: equal values, other bytes"
        size = "not finite" if self.largest is None else f"{self.largest:.3g} at most"
        return f"{self.array}: {self.values} values differ, by {size}, first in frame {self.frame}"


@dataclass(frozen=True)
class Replayed:
    """One shard made again.

    Attributes:
        arrays: arrays compared; 0 when there was nothing to compare with.
        error: what the worker said, when it failed.
    """

    index: int
    frames: tuple[int, ...]
    arrays: int
    differences: tuple[Difference, ...] = ()
    error: str | None = None

    @property
    def equal(self) -> bool:
        return self.error is None and not self.differences

    def __str__(self) -> str:
        head = f"shard {self.index}, frames {self.frames[0]}-{self.frames[-1]}: "
        if self.error is not None:
            return head + f"fails: {self.error}"
        if not self.arrays:
            return head + "made; nothing is stored to compare it with"
        return head + ("; ".join(map(str, self.differences)) or f"equal, {self.arrays} arrays bit for bit")


@dataclass(frozen=True)
class Origin:
    """What an attempt was asked for, and what it holds.

    Attributes:
        url: of the attempt.
        marker: its `MARKER`: worker, job, schema and descriptors.
    """

    url: str
    marker: Json

    def shard(self, index: int) -> tuple[Json, dict[str, str]]:
        """Descriptor of a shard as it was made, and the checksums it was stored with (empty when it was not)."""
        commit = read_json(join(self.url, COMMITS, f"{index}.json"))
        if commit is None:
            return self.marker["shards"][index], {}
        return {k: v for k, v in commit.items() if k not in ("sha256", "record")}, commit["sha256"]

    def indices(self, shard: int | None = None, frame: int | None = None) -> list[int]:
        """
        Raises:
            RequestError: for a shard or frame that the attempt does not have.
        """
        found = [
            s["index"] for s in self.marker["shards"]
            if shard in (None, s["index"]) and (frame is None or frame in s["frames"])
        ]  # fmt: skip
        if not found:
            raise RequestError(
                "no such shard or frame", store=self.url, shard=shard, frame=frame,
                fix=f"It has shards 0-{len(self.marker['shards']) - 1}, frames "
                f"{self.marker['spec']['frames'][0]}-{self.marker['spec']['frames'][-1]}.",
            )  # fmt: skip
        return found


def origin(layout: Layout, shot: str, kind: str, version_id: str | None = None, last: bool = False) -> Origin:
    """Where a version came from: the current one, one by its id, or (`last`) the newest attempt, published or not.

    Raises:
        RequestError: when there is none, or it was made before attempts kept their job.
    """
    store = layout.store(shot, kind)
    if last:
        urls = [join(store, ATTEMPTS, name) for name in attempts(join(store, ATTEMPTS))]
        url = max((u for u in urls if read_json(join(u, MARKER))), key=_written, default=None)
    else:
        version = find(store, version_id) if version_id else current(store)
        url = version.url if version else None
    marker = read_json(join(url, MARKER)) if url else None
    if url is None or marker is None:
        raise RequestError(
            "nothing to replay", shot=shot, kind=kind, id=version_id,
            fix=f"See `osf inspect {shot}`; `--last` takes an attempt that failed.",
        )  # fmt: skip
    if "job" not in marker:
        raise RequestError(
            "the version does not say how it was made", store=url, fix="Run its stage again with this release."
        )
    return Origin(url, marker)


def parse(target: str) -> tuple[str, str, str | None]:
    """`shot/kind` or `shot/kind/id`.

    Raises:
        RequestError: for anything else.
    """
    parts = target.strip("/").split("/")
    if len(parts) not in (2, 3):
        raise RequestError("no such target", target=target, fix="Write SHOT/KIND or SHOT/KIND/ID, like figure/gbuffer.")
    return parts[0], parts[1], parts[2] if len(parts) == 3 else None


def refuse(bad: Sequence[Replayed], target: str) -> None:
    """
    Raises:
        InputDataError: when any shard failed or differs.
    """
    if bad:
        raise InputDataError(
            "replay does not give what is stored", target=target, shards=", ".join(str(r.index) for r in bad),
            fix="`--bundle FILE.zip` packs the first of them, to be replayed on another machine.",
        )  # fmt: skip


def _written(attempt: str) -> float:
    fs, path = fsspec.core.url_to_fs(join(attempt, MARKER))
    return float(fs.modified(path).timestamp())


def replay(source: Origin, indices: list[int]) -> Iterator[Replayed]:
    """Make shards again in a scratch folder and compare them with what is stored."""
    with tempfile.TemporaryDirectory(prefix="osf-replay-") as scratch:
        work: Any = None
        create(join(scratch, DATA), StoreSpec.of_json(source.marker["spec"]))
        for index in indices:
            descriptor, sums = source.shard(index)
            frames = tuple(descriptor["frames"])
            try:
                work = work or start(source.marker["worker"], {**source.marker["job"], "attempt": scratch})
                work(descriptor)
            except OsfError as error:
                yield Replayed(index, frames, 0, error=str(error))
            except Exception:  # a defect is what a developer wants to see
                yield Replayed(index, frames, 0, error=traceback.format_exc())
            else:
                differing = damaged_arrays(join(scratch, DATA), index, sums)
                rows = tuple(_difference(source.url, scratch, name, descriptor) for name in differing)
                yield Replayed(index, frames, len(sums), rows)


def _difference(stored: str, made: str, name: str, descriptor: Json) -> Difference:
    start, frames = descriptor["start"], descriptor["frames"]
    first, second = (
        np.asarray(arrays(join(url, DATA))[name][start : start + len(frames)]).astype(np.float64)
        for url in (stored, made)
    )
    differ = (first != second) & ~(np.isnan(first) & np.isnan(second))
    if not differ.any():
        return Difference(name, 0, 0.0, None)
    with np.errstate(invalid="ignore"):
        largest = float(np.abs(first - second)[differ].max())
    at = int(np.flatnonzero(differ.any(axis=(1, 2, 3)))[0])
    return Difference(name, int(differ.sum()), largest if np.isfinite(largest) else None, frames[at])


@dataclass
class _Packing:
    """Files on their way into a bundle; `place` gives each its path inside."""

    places: dict[str, str] = field(default_factory=dict)

    def place(self, url: str) -> str:
        inside = f"inputs/{len(self.places)}/{PurePosixPath(url.rstrip('/')).name}"
        return self.places.setdefault(url, inside)

    def rewritten(self, value: Any) -> Any:
        """JSON values with the URL of every packed file or folder, or of one inside it, made relative."""
        if isinstance(value, Mapping):
            return {key: self.rewritten(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.rewritten(item) for item in value]
        if isinstance(value, str):
            for url, inside in self.places.items():
                if value == url or value.startswith(f"{url}/"):
                    return f"{HERE}{inside}{value[len(url) :]}"
        return value


def pack(source: Origin, index: int, path: Path) -> int:
    """Write a bundle of one shard; returns its size in bytes.

    Which files a shard reads, its worker says: a static method `reads(job, shard)` that gives, for every file, the
    folder or file URL its job names it by, and its path below that (empty for a file itself).
    """
    descriptor, sums = source.shard(index)
    packing, job = _Packing(), source.marker["job"]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as bundle:  # EXR and shards are compressed already
        for base, below in dict.fromkeys(resolve(source.marker["worker"]).reads(job, descriptor)):  # type: ignore[attr-defined]
            fs, remote = fsspec.core.url_to_fs(join(base, below) if below else base)
            inside = packing.place(base) + (f"/{below}" if below else "")
            if fs.exists(remote):
                bundle.writestr(inside, fs.cat_file(remote))
        stored = {name: f"stored/{name}" for name in sums}
        for name, inside in stored.items():
            fs, remote = fsspec.core.url_to_fs(join(source.url, DATA, shard_key(name, index)))
            bundle.writestr(inside, fs.cat_file(remote))
        about = {
            "bundle": BUNDLE_VERSION,
            "marker": packing.rewritten({k: source.marker[k] for k in ("worker", "job", "spec")}),
            "shard": packing.rewritten(descriptor),
            "sha256": sums,
            "code": code_revision(),
            "libraries": library_versions(*LIBRARIES),
            "platform": f"{platform.platform()} {platform.machine()} Python {platform.python_version()}",
        }
        bundle.writestr(BUNDLE, json.dumps(about, indent=1))
    return path.stat().st_size


def unpack(path: Path, folder: Path) -> tuple[Origin, int]:
    """Unpack a bundle and return what to replay, and its shard.

    Raises:
        InputDataError: for what is no bundle, or one that unpacks to more than `MAX_BUNDLE` or outside its folder.
    """
    try:
        with zipfile.ZipFile(path) as bundle:
            if sum(entry.file_size for entry in bundle.infolist()) > MAX_BUNDLE:
                raise InputDataError("the bundle is too large", file=str(path), fix="Check where it comes from.")
            about = json.loads(bundle.read(BUNDLE))
            bundle.extractall(folder)  # zipfile drops absolute and parent paths
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise InputDataError(
            "no bundle", file=str(path), problem=str(error)[:200], fix="Give a file that `osf replay --bundle` wrote."
        ) from error
    if about.get("bundle") != BUNDLE_VERSION:
        raise InputDataError(
            "a bundle of another release", file=str(path), version=about.get("bundle"),
            fix=f"Replay it with the release that wrote it, {about.get('code')}.",
        )  # fmt: skip
    about = json.loads(json.dumps(about).replace(f'"{HERE}', f'"{folder.as_posix()}/'))
    attempt, shard = folder / "attempt", about["shard"]
    index = int(shard["index"])
    create(str(attempt / DATA), StoreSpec.of_json(about["marker"]["spec"]))
    for name in about["sha256"]:
        target = attempt / DATA / shard_key(name, index)
        target.parent.mkdir(parents=True, exist_ok=True)
        (folder / "stored" / name).rename(target)
    commit = {**shard, "sha256": about["sha256"], "record": {}}
    if about["sha256"]:
        (attempt / COMMITS).mkdir()
        (attempt / COMMITS / f"{index}.json").write_text(json.dumps(commit))
    shards: list[Any] = [{"index": i, "frames": []} for i in range(index)] + [shard]
    return Origin(str(attempt), about["marker"] | {"shards": shards}), index
