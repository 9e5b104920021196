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
from typing import Any

import fsspec
from filelock import FileLock, Timeout

from osf_pipeline.layout import join, local_path
from osf_pipeline.store.files import create_json, names, read_json, write_json

LEASE_SECONDS = 60.0
"""A holder that has not renewed its lease for this long is taken for dead."""
RENEW_SECONDS = 10.0
WATCH_SECONDS = 1.0
"""How often a contender looks at a lease that is neither renewed nor expired."""
LEASES, LOCK = "leases", ".lock"


def attempts(folder: str) -> list[str]:
    """Names of all attempts in a folder, done or not."""
    return names(folder, "directory")


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
            return FileLock(path / LOCK).acquire(timeout=0)
        except Timeout:
            return None
    taken = _last_lease(attempt)
    if taken >= 0 and _alive(_lease(attempt, taken)):
        return None
    lease = _lease(attempt, taken + 1)
    terms = {"builder": builder(), "token": uuid.uuid4().hex}
    return _held(lease, terms) if create_json(lease, terms) else None


def held(attempt: str) -> bool:
    """Whether a live builder has an attempt, without claiming it for longer than the look takes."""
    path = local_path(attempt)
    if path is None:
        taken = _last_lease(attempt)
        return taken >= 0 and _alive(_lease(attempt, taken))
    if not (path / LOCK).exists():
        return False
    try:
        with FileLock(path / LOCK).acquire(timeout=0):
            return False
    except Timeout:
        return True


def _last_lease(attempt: str) -> int:
    """Number of the lease that counts; -1 when there is none."""
    numbers = (name.removesuffix(".json") for name in names(join(attempt, LEASES)))
    return max((int(number) for number in numbers if number.isdecimal()), default=-1)


def _lease(attempt: str, number: int) -> str:
    return join(attempt, LEASES, f"{number}.json")


def _alive(lease: str) -> bool:
    """Whether the holder of a lease renews it; watches it if need be."""
    seen = read_json(lease)
    expires = time.monotonic() + LEASE_SECONDS - _age(lease)
    while True:
        found = read_json(lease)
        if found is None or found.get("released"):
            return False
        if found != seen:
            return True
        if time.monotonic() >= expires:
            return False
        time.sleep(WATCH_SECONDS)


def _age(url: str) -> float:
    """Seconds since an object was written, by the store's clock: that of another object, written now, is its time."""
    fs, path = fsspec.core.url_to_fs(url)
    probe = f"{path}.{uuid.uuid4().hex}.now"
    fs.pipe_file(probe, b"")
    try:
        return float((fs.modified(probe) - fs.modified(path)).total_seconds())
    finally:
        fs.rm_file(probe)


@contextmanager
def _held(lease: str, terms: dict[str, Any]) -> Iterator[None]:
    """Renew a lease from a thread of this process until the context ends, then release it for the next builder."""
    done = threading.Event()

    def renew() -> None:
        beat = 0
        while not done.wait(RENEW_SECONDS):
            beat += 1
            with suppress(Exception):  # the store may be back for the next beat; if not, the build itself will say so
                write_json(lease, terms | {"beat": beat})

    heart = threading.Thread(target=renew, name="lease", daemon=True)
    heart.start()
    try:
        yield
    finally:
        done.set()
        heart.join()
        # Kept rather than removed: numbers only grow, so no contender can take one twice.
        with suppress(Exception):  # it expires anyway
            write_json(lease, terms | {"released": True})
