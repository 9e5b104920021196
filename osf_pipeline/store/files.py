"""Small-file operations with the guarantees publishing needs, over any fsspec file system.

Belongs here: whole-or-nothing writes and exclusive creates. Does not: what the files mean.
"""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path
from typing import Any

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
    temporary = _write_aside(path, data)
    temporary.replace(path)


def create_json(url: str, data: dict[str, Any]) -> bool:
    """Create a file with its whole content, exclusively; False when it exists already.

    Local disks: a hard link, which fails if the name is taken. Object stores: a conditional put.
    """
    path = local_path(url)
    if path is None:
        fs, remote = fsspec.core.url_to_fs(url)
        try:
            fs.pipe_file(remote, encode(data), mode="create")
        except FileExistsError:
            return False
        return True
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _write_aside(path, encode(data))
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        temporary.unlink()
    return True


def _write_aside(path: Path, data: bytes) -> Path:
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    with temporary.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return temporary
