"""Who builds an attempt: a file lock on local disks, a lease on object stores.

Belongs here: finding attempts and holding one. Does not: what is built in it (`build`).

A lock or lease only keeps builders from doing the same work twice. What is published does not depend on it: shards are
equal whoever writes them, and publishing is one exclusive create.

A lease is an object `leases/<n>.json` that its holder writes again every few seconds. The highest `n` counts, and `n`
is taken by a conditional put, so that of several contenders exactly one gets it. How old a lease is, is read off the
store's clock alone: its modification time against that of an object written just now. Builders' clocks do not matter.
"""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime
from typing import Any

import fsspec
from filelock import FileLock, Timeout

from osf_pipeline.layout import join, local_path
from osf_pipeline.store.files import create_json, read_json, write_json

LEASE_SECONDS = 60.0
"""A holder that has not renewed its lease for this long is taken for dead."""
RENEW_SECONDS = 10.0
WATCH_SECONDS = 1.0
"""How often a contender looks at a lease that is neither renewed nor expired."""
LEASES = "leases"


def attempts(folder: str) -> list[str]:
    """Names of all attempts in a folder, done or not."""
    return _names(folder, "directory")


def builder() -> str:
    """This process, for people."""
    return f"{socket.gethostname()}:{os.getpid()}"


def hold(attempt: str) -> AbstractContextManager[Any] | None:
    """Claim an attempt: a context that keeps it claimed, or None when a live builder has it.

    The claim ends with the context or with this process, however that dies. On an object store a dead holder is not
    told from a slow one at once: the call watches a fresh lease until it is renewed (None) or has expired, for at most
    `LEASE_SECONDS`.
    """
    path = local_path(attempt)
    if path is not None:
        path.mkdir(parents=True, exist_ok=True)
        try:
            return FileLock(path / ".lock").acquire(timeout=0)
        except Timeout:
            return None
    folder = join(attempt, LEASES)
    numbers = (name.removesuffix(".json") for name in _names(folder, "file"))
    taken = max((int(number) for number in numbers if number.isdecimal()), default=-1)
    if taken >= 0 and _alive(join(folder, f"{taken}.json")):
        return None
    lease = join(folder, f"{taken + 1}.json")
    terms = {"builder": builder(), "token": uuid.uuid4().hex}
    return _held(lease, terms) if create_json(lease, terms) else None


def _alive(lease: str) -> bool:
    """Whether the holder of a lease renews it; watches it if need be."""
    fs, path = fsspec.core.url_to_fs(lease)
    seen = _modified(fs, path)
    expires = time.monotonic() + LEASE_SECONDS - (_store_time(lease) - seen).total_seconds()
    while True:
        if (read_json(lease) or {}).get("released"):
            return False
        if _modified(fs, path) != seen:
            return True
        if time.monotonic() >= expires:
            return False
        time.sleep(WATCH_SECONDS)


def _store_time(lease: str) -> datetime:
    """What the store's clock shows now: the modification time of an object written for this."""
    fs, probe = fsspec.core.url_to_fs(f"{lease}.{uuid.uuid4().hex}.now")
    fs.pipe_file(probe, b"")
    try:
        return _modified(fs, probe)
    finally:
        fs.rm_file(probe)


def _modified(fs: fsspec.AbstractFileSystem, path: str) -> datetime:
    fs.invalidate_cache(path.rsplit("/", 1)[0])
    found: datetime = fs.modified(path)
    return found


@contextmanager
def _held(lease: str, terms: dict[str, Any]) -> Iterator[None]:
    """Renew a lease from a thread of this process until the context ends, then release it for the next builder."""
    done = threading.Event()

    def renew() -> None:
        while not done.wait(RENEW_SECONDS):
            with suppress(Exception):  # the store may be back for the next beat; if not, the build itself will say so
                write_json(lease, terms)

    beat = threading.Thread(target=renew, name="lease", daemon=True)
    beat.start()
    try:
        yield
    finally:
        done.set()
        beat.join()
        # Kept rather than removed: numbers only grow, so no contender can take one twice.
        with suppress(Exception):  # it expires anyway
            write_json(lease, terms | {"released": True})


def _names(folder: str, kind: str) -> list[str]:
    fs, path = fsspec.core.url_to_fs(folder)
    fs.invalidate_cache(path)
    if not fs.exists(path):
        return []
    entries = fs.ls(path, detail=True)
    return sorted(entry["name"].rstrip("/").rsplit("/", 1)[-1] for entry in entries if entry["type"] == kind)
