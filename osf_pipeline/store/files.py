"""File operations with the guarantees publishing needs, over any fsspec file system.

Belongs here: whole-or-nothing writes and exclusive creates. Does not: what the files mean.
"""

from __future__ import annotations

import errno
import json
import os
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import fsspec

from osf_pipeline.errors import InterruptedRunError, RequestError
from osf_pipeline.layout import local_path

DISK_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
SYNC_THREADS = 8


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
    """Write or replace a file as a whole; a reader sees the old content or the new.

    Raises:
        InterruptedRunError: when the disk is full or fails; nothing is left of the write.
    """
    path = local_path(url)
    if path is None:
        fs, remote = fsspec.core.url_to_fs(url)  # object stores replace whole objects
        fs.pipe_file(remote, data)
        return
    with _aside(path, data) as temporary:
        temporary.replace(path)


def put(url: str, data: bytes) -> None:
    """Write a file that nobody reads before a record names it: in place, and safe on disk only after `sync`."""
    fs, path = fsspec.core.url_to_fs(url)
    if (local := local_path(url)) is not None:
        with _disk_faults(local):
            local.parent.mkdir(parents=True, exist_ok=True)
            local.write_bytes(data)
    else:
        fs.pipe_file(path, data)


def sync(urls: Iterable[str]) -> None:
    """Return when files are safe on disk; objects of a store are from the start."""

    def flush(path: Path) -> None:
        with _disk_faults(path), path.open("rb") as file:
            os.fsync(file.fileno())

    with ThreadPoolExecutor(SYNC_THREADS) as pool:
        list(pool.map(flush, filter(None, map(local_path, urls))))


def take(url: str) -> bytes:
    """Content of a file. Raises FileNotFoundError when there is none."""
    fs, path = fsspec.core.url_to_fs(url)
    data: bytes = fs.cat_file(path)
    return data


def listing(urls: Iterable[str]) -> list[list[str]]:
    """Name, size and time or ETag of files: equal listings mean unchanged files. One that is not there has no size."""
    found = []
    for url in urls:
        fs, path = fsspec.core.url_to_fs(url)
        try:
            info = fs.info(path)
        except FileNotFoundError:
            found.append([url])
            continue
        found.append([url, str(info["size"]), str(info.get("mtime") or info.get("ETag") or info.get("LastModified"))])
    return found


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
    with _disk_faults(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def _disk_faults(path: Path) -> Iterator[None]:
    """Name the file and the next step when a disk is full or fails."""
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_FAULTS:
            raise
        raise InterruptedRunError(
            "the disk does not take a file", file=str(path), problem=os.strerror(error.errno),
            fix="Free space (`osf gc`) or mend the disk, then run the same command again: finished shards are kept.",
        ) from error  # fmt: skip


def copy(source: str, target: str) -> None:
    """Copy a file within its file system; on an object store nothing passes through this process."""
    fs, here = fsspec.core.url_to_fs(source)
    there = fsspec.core.url_to_fs(target)[1]
    with _disk_faults(Path(there)):
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
