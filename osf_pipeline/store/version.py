"""Published versions: finding them, the current one, and reading their arrays.

A version is whole or absent. `current.json` names the version last asked for; a version itself never changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import zarr

from osf_pipeline.errors import RequestError
from osf_pipeline.layout import join
from osf_pipeline.store.files import names, read_json, take, write_json
from osf_pipeline.store.schema import DATA, SCHEMA_VERSION, shard_key

CURRENT = "current.json"
ATTEMPTS, REQUESTS = "attempts", "requests"
"""Folders of a store."""
SMALL = ("frame", "status")
"""Arrays along the frame axis alone."""
PREVIEW_FILE = "preview.png"
"""Beside a version's data: a small picture of its middle frame."""


@dataclass(frozen=True)
class Version:
    """One published version.

    Attributes:
        store: URL of the shot's store of one kind.
        record: content of `<id>.json`.
    """

    store: str
    record: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.record["id"])

    @property
    def kind(self) -> str:
        return str(self.record["kind"])

    @property
    def attempt(self) -> str:
        return str(self.record["attempt"])

    @property
    def url(self) -> str:
        """Folder of everything that belongs to the version."""
        return join(self.store, ATTEMPTS, self.attempt)

    @property
    def data_url(self) -> str:
        return join(self.url, DATA)

    @property
    def frames(self) -> tuple[int, ...]:
        return tuple(self.record["frames"])

    @property
    def attributes(self) -> dict[str, Any]:
        """What the stage recorded of the content."""
        return dict(self.record["attributes"])

    @property
    def keys(self) -> list[str]:
        """Key of every frame; a frame of two versions with the same key has the same bytes."""
        known = self.record.get("keys")  # records of before frames had keys have none
        return list(known) if known else [f"{self.id} {frame}" for frame in self.frames]

    @property
    def quarantined(self) -> tuple[int, ...]:
        """Frames without pictures, because their source is bad."""
        return tuple(self.attributes.get("quarantined", ()))

    @property
    def held(self) -> tuple[int, ...]:
        """Frames that show a neighbour's picture, because their source is bad."""
        return tuple(self.attributes.get("held", ()))

    @property
    def stepped(self) -> tuple[int, ...]:
        """Frames in which some object shows an earlier frame's drawing, because the shot is animated on steps."""
        return tuple(self.attributes.get("stepped", ()))

    @property
    def duplicated(self) -> tuple[int, ...]:
        """Frames that show the picture of the frame before, to the last bit."""
        return tuple(self.attributes.get("duplicated", ()))

    @property
    def preview(self) -> bytes | None:
        """PNG, where the stage made one."""
        try:
            return take(join(self.url, PREVIEW_FILE))
        except FileNotFoundError:
            return None

    @cached_property
    def group(self) -> zarr.Group:
        """
        Raises:
            RequestError: for a store of a newer schema.
        """
        group = zarr.open_group(self.data_url, mode="r")
        _check_schema(self.store, self.id, group.attrs.get("osf"))
        return group

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted(name for name, array in self.group.arrays() if array.ndim == 4))

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        array = self.array(self.names[0])
        return int(array.shape[2]), int(array.shape[3])

    @property
    def shard_frames(self) -> int:
        shards = self.array(self.names[0]).shards
        assert shards is not None
        return int(shards[0])

    def array(self, name: str) -> zarr.Array[Any]:
        """One array, `(frame, channel, y, x)`.

        Raises:
            RequestError: when the store has no such array.
        """
        if name not in self.group:
            raise RequestError(
                "no such buffer in the store", buffer=name, store=self.data_url, fix=f"It has: {', '.join(self.names)}."
            )
        found = self.group[name]
        assert isinstance(found, zarr.Array)
        return found

    def read(self, start: int, stop: int, names: tuple[str, ...] | None = None) -> dict[str, np.ndarray]:
        """Arrays of the frames at positions start..stop-1."""
        return {name: np.asarray(self.array(name)[start:stop]) for name in names or self.names}

    def position(self, frame: int) -> int:
        """Position of a frame number on the frame axis.

        Raises:
            RequestError: for a frame that is not in the store.
        """
        if frame not in self.frames:
            raise RequestError(
                "no such frame in the store",
                frame=frame,
                store=self.data_url,
                fix=f"It has {self.frames[0]}-{self.frames[-1]}.",
            )
        return self.frames.index(frame)


def stored_files(version: Version, names: Iterable[str], start: int, stop: int) -> Iterator[str]:
    """Paths below the store of all that reading frames at positions start..stop-1 opens; positions may overshoot."""
    yield f"{version.id}.json"
    data = f"{ATTEMPTS}/{version.attempt}/{DATA}"
    yield from (f"{data}/zarr.json", *(f"{data}/{name}/{part}" for name in SMALL for part in ("zarr.json", "c/0")))
    last = len(version.frames) - 1
    indices = sorted({min(max(i, 0), last) // version.shard_frames for i in range(start, stop)})
    for name in names:
        yield f"{data}/{name}/zarr.json"
        yield from (f"{data}/{shard_key(name, index)}" for index in indices)


def find(store: str, version_id: str) -> Version | None:
    """
    Raises:
        RequestError: for a version of a newer schema.
    """
    record = read_json(join(store, f"{version_id}.json"))
    if record is None:
        return None
    _check_schema(store, version_id, record)
    return Version(store, record)


def _check_schema(store: str, version_id: str, said: Any) -> None:
    """Refuse what a newer release wrote, before anything in it is taken for something else.

    Args:
        said: an object with `schema`; without it, it is of the first schema.
    """
    schema = said.get("schema", 1) if isinstance(said, dict) else 1
    if schema > SCHEMA_VERSION:
        raise RequestError(
            "a store was written by a newer release", store=store, id=version_id, schema=schema, known=SCHEMA_VERSION,
            fix="Update OSF Pipeline, or give this release a root of its own.",
        )  # fmt: skip


def reopen(store: str, version_id: str) -> Version:
    """The version a job names.

    Raises:
        RequestError: when it has been removed.
    """
    version = find(store, version_id)
    if version is None:
        raise RequestError("a version is gone", store=store, id=version_id, fix="Run the stage that makes it again.")
    return version


def published(store: str) -> list[Version]:
    """All versions of a store, in the order of their ids."""
    ids = [n.removesuffix(".json") for n in names(store) if n.endswith(".json") and n[0] != "." and n != CURRENT]
    return [version for version_id in ids if (version := find(store, version_id)) is not None]


def set_current(store: str, version_id: str) -> None:
    write_json(join(store, CURRENT), {"id": version_id})


def current(store: str) -> Version | None:
    """The version last asked for, or None."""
    pointer = read_json(join(store, CURRENT))
    return None if pointer is None else find(store, pointer["id"])


def require(store: str, stage: str, shot: str) -> Version:
    """The current version.

    Raises:
        RequestError: when there is none yet; names the command that makes it.
    """
    version = current(store)
    if version is None:
        raise RequestError(
            f"shot has no {store.rsplit('/', 1)[-1]} store yet", shot=shot, fix=f"Run `osf {stage} {shot}` first."
        )
    return version
