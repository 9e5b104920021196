"""Small-file operations with the guarantees publishing needs, over any fsspec file system.

Belongs here: whole-or-nothing writes and exclusive creates. Does not: what the files mean.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import fsspec

from osf_pipeline.errors import RequestError
from osf_pipeline.layout import local_path


def read_json(url: str) -> dict[str, Any] | None:
    """The object in a JSON file, or None when there is no such file.

    Raises:
        RequestError: when the file is no JSON object.
    """
    fs, path = fsspec.core.url_to_fs(url)
    try:
        data = json.loads(fs.cat_file(path))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise RequestError(
            "a record is no valid JSON", file=url, problem=str(error), fix="Remove it and run again."
        ) from error
    if not isinstance(data, dict):
        raise RequestError("a record is no JSON object", file=url, fix="Remove it and run again.")
    return data


def encode(data: dict[str, Any]) -> bytes:
    return (json.dumps(data, indent=1, sort_keys=True) + "\n").encode()


def write_json(url: str, data: dict[str, Any]) -> None:
    """Write or replace a JSON file as a whole."""
    write_bytes(url, encode(data))


def write_bytes(url: str, data: bytes) -> None:
    """Write or replace a file as a whole; a reader sees the old content or the new."""
    path = local_path(url)
    if path is None:
        fs, remote = fsspec.core.url_to_fs(url)  # object stores replace whole objects
        fs.pipe_file(remote, data)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with _aside(path, data) as temporary:
        temporary.replace(path)


def create_json(url: str, data: dict[str, Any]) -> bool:
    """Create a file with its whole content, exclusively; False when somebody else has.

    Local disks: a hard link, which fails if the name is taken. Object stores: a conditional put.

    Args:
        data: must differ between creators, say by an id: a put whose answer was lost is repeated, and then finds its
            own object there.
    """
    path = local_path(url)
    if path is None:
        fs, remote = fsspec.core.url_to_fs(url)
        try:
            fs.pipe_file(remote, encode(data), mode="create")
        except FileExistsError:
            return bool(fs.cat_file(remote) == encode(data))
        return True
    path.parent.mkdir(parents=True, exist_ok=True)
    with _aside(path, encode(data)) as temporary:
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
    return True


@contextmanager
def _aside(path: Path, data: bytes) -> Iterator[Path]:
    """A file beside `path` that holds the data safely on disk; gone afterwards, unless it was moved."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def copy(source: str, target: str) -> None:
    """Copy a file within its file system; on an object store nothing passes through this process."""
    fs, here = fsspec.core.url_to_fs(source)
    there = fsspec.core.url_to_fs(target)[1]
    fs.makedirs(there.rsplit("/", 1)[0], exist_ok=True)
    fs.cp_file(here, there)


def names(folder: str, kind: Literal["file", "directory"] = "file") -> list[str]:
    """Names in a folder as it is now, sorted; none when there is no such folder."""
    fs, path = fsspec.core.url_to_fs(folder)
    fs.invalidate_cache(path)
    if not fs.exists(path):
        return []
    entries = fs.ls(path, detail=True)
    return sorted(entry["name"].rstrip("/").rsplit("/", 1)[-1] for entry in entries if entry["type"] == kind)
