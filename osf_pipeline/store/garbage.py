"""What lies in a shot's stores, why it is there, and removing what nobody needs.

Belongs here: telling versions that are needed from those that are not, attempts in work from abandoned ones, and the
order of removal. Does not: which versions are needed from outside the stores (the caller says), how to print it.

Removal may be cut off anywhere. A version's record goes first, so that nobody finds half a version; what is left of it
then counts as an abandoned attempt. An attempt goes under its claim and loses its marker first, so that no builder
continues half an attempt. A process that is reading a version while it is removed fails; see docs/operations.md.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import fsspec

from osf_pipeline.layout import join
from osf_pipeline.store.build import MARKER
from osf_pipeline.store.claim import LEASES, LOCK, held, hold
from osf_pipeline.store.files import names, read_json
from osf_pipeline.store.version import ATTEMPTS, CURRENT, REQUESTS, Version, current, find, published

Kind = Literal["version", "pointer", "attempt", "temporary", "unknown"]
ORDER: tuple[Kind, ...] = ("version", "pointer", "attempt", "temporary", "unknown")
KEEP = 2
GRACE_HOURS = 24.0
RECORD = re.compile(r"(?P<id>[0-9a-f]{16})\.json\Z")
ATTEMPT = re.compile(r"[0-9a-f]{32}\Z")
TEMPORARY = re.compile(r"\..+\.[0-9a-f]{32}\Z|.+\.partial\Z|.+\.[0-9a-f]{32}\.now\Z")
"""Files written aside before they are moved into place, and probes of the store's clock."""


@dataclass(frozen=True)
class Item:
    """One thing in a store.

    Attributes:
        bytes: of all its files.
        kind: a `version` is its record alone, its data are an `attempt`; a `pointer` leads from a request, or from
            "current", to a version.
        removable: `collect` may remove it. What is `unknown` never is.
    """

    url: str
    bytes: int
    kind: Kind
    reason: str
    removable: bool = False


@dataclass(frozen=True)
class _File:
    size: int
    written: float


@dataclass(frozen=True)
class _Listing:
    """Everything in one store.

    Attributes:
        files: path below the store to its file.
        folders: times of the folders, where the file system has any.
    """

    url: str
    files: dict[str, _File]
    folders: dict[str, float]

    @classmethod
    def of(cls, url: str) -> _Listing:
        fs, base = fsspec.core.url_to_fs(url)
        fs.invalidate_cache(base)
        entries = fs.find(base, withdirs=True, detail=True).values() if fs.exists(base) else ()
        files, folders = {}, {}
        for entry in entries:
            path = entry["name"].rstrip("/")[len(base.rstrip("/")) + 1 :]
            if entry["type"] == "directory":
                folders[path] = _written(entry)
            else:
                files[path] = _File(int(entry["size"] or 0), _written(entry))
        return cls(url, files, folders)

    def children(self, folder: str = "") -> list[str]:
        """Names right below a folder."""
        head = f"{folder}/" if folder else ""
        paths = (path[len(head) :] for path in (*self.files, *self.folders) if path.startswith(head))
        return sorted({path.split("/")[0] for path in paths} - {""})

    def below(self, path: str) -> dict[str, _File]:
        """The file itself, or all files in the folder, without temporaries."""
        found = {p: f for p, f in self.files.items() if p == path or p.startswith(f"{path}/")}
        return {p: f for p, f in found.items() if not is_temporary(p)}

    def item(self, path: str, kind: Kind, reason: str, removable: bool = False) -> Item:
        size = self.files[path].size if path in self.files else sum(f.size for f in self.below(path).values())
        return Item(join(self.url, path), size, kind, reason, removable)


def is_temporary(path: str) -> bool:
    return bool(TEMPORARY.match(path.rsplit("/", 1)[-1]))


def inspect_stores(
    stores: str, needed: Mapping[str, str] | None = None, keep: int = KEEP, grace_hours: float = GRACE_HOURS
) -> list[Item]:
    """Everything in the stores of one shot, in the order of removal; changes nothing.

    A version stays when it is current, when something `needed` or a version that stays was made from it, when an
    attempt that stays reads it, or when it is one of the newest others.

    Args:
        stores: folder with one store of each kind.
        needed: ids of versions that are needed outside the stores, with the reason.
        keep: how many versions of each kind to keep that are not needed otherwise, the newest first.
        grace_hours: what is unfinished stays for as long, so that the same request can go on with it.

    Raises:
        RequestError: when a record cannot be read or is of a newer release: then nothing can be said of the others.
    """
    before = time.time() - 3600 * grace_hours
    listings = {kind: _Listing.of(join(stores, kind)) for kind in names(stores, "directory")}
    versions = {kind: _versions(listing) for kind, listing in listings.items()}
    attempts = {kind: _attempts(listing, versions[kind], before) for kind, listing in listings.items()}
    reasons = _reasons(versions, attempts, needed or {}, keep)
    items = [Item(join(stores, name), _size(stores, name), "unknown", "no store") for name in names(stores)]
    for kind, listing in listings.items():
        items += _items(listing, kind, versions[kind], attempts[kind], reasons, before)
    return sorted(items, key=lambda item: ORDER.index(item.kind))


def collect(items: Iterable[Item]) -> Iterator[Item]:
    """Remove what is removable, in order, and yield what was removed.

    Each thing is looked at once more before it goes: a version that became current and an attempt that a builder holds
    or has published meanwhile stay.
    """
    for item in sorted(items, key=lambda item: ORDER.index(item.kind)):
        if item.removable and _REMOVE[item.kind](item.url):
            yield item


def _versions(listing: _Listing) -> dict[str, Version]:
    ids = [match["id"] for name in listing.children() if name in listing.files and (match := RECORD.match(name))]
    return {i: version for i in ids if (version := find(listing.url, i)) is not None}


@dataclass(frozen=True)
class _Attempt:
    """An attempt that no version's record names.

    Attributes:
        job: of its worker; empty when it never got so far.
    """

    reason: str
    removable: bool
    job: dict[str, Any]


def _attempts(listing: _Listing, versions: Mapping[str, Version], before: float) -> dict[str, _Attempt]:
    taken = {version.attempt for version in versions.values()}
    found = {}
    for name in listing.children(ATTEMPTS):
        if not ATTEMPT.match(name) or name in taken:
            continue
        url = join(listing.url, ATTEMPTS, name)
        marker = read_json(join(url, MARKER)) or {"request": "", "job": {}}
        winner = (read_json(join(listing.url, REQUESTS, f"{marker['request']}.json")) or {}).get("id")
        busy, young = held(url), _last_written(listing, name) > before
        if busy:
            reason = "a builder is at work on it"
        elif winner in versions:
            reason = f"lost the race to version {winner}"
        elif young:
            reason = "unfinished; the same request goes on with it" if marker["request"] else "begun, and young"
        else:
            reason = "abandoned" if marker["request"] else "never begun in full"
        found[name] = _Attempt(reason, not busy and not young, marker["job"])
    return found


def _last_written(listing: _Listing, name: str) -> float:
    """When an attempt was last worked on; looking whether it is held leaves traces, which do not count."""
    path = f"{ATTEMPTS}/{name}"
    traces = (f"{path}/{LOCK}", f"{path}/{LEASES}/")
    work = [file.written for p, file in listing.below(path).items() if not p.startswith(traces)]
    return max(work, default=listing.folders.get(path, 0.0))


Node = tuple[str, str]
"""Kind and id of a version."""


def _reasons(
    versions: Mapping[str, Mapping[str, Version]],
    attempts: Mapping[str, Mapping[str, _Attempt]],
    needed: Mapping[str, str],
    keep: int,
) -> dict[Node, str]:
    """Why a version stays, for all that stay."""
    known = {(kind, i): version for kind, found in versions.items() for i, version in found.items()}
    reasons: dict[Node, str] = {}

    def stays(node: Node, reason: str) -> None:
        if node not in known or node in reasons:
            return
        reasons[node] = reason
        for kind, made_from in known[node].record["inputs"].items():
            if isinstance(made_from, str):
                stays((kind, made_from), f"{node[0]} {node[1]} is made from it")

    for kind, found in versions.items():
        for version in found.values():
            pointed = read_json(join(version.store, CURRENT)) or {}
            if pointed.get("id") == version.id:
                stays((kind, version.id), "current")
    for node in known:
        if node[1] in needed:
            stays(node, needed[node[1]])
    for begun in attempts.values():
        for attempt in begun.values():
            for kind in () if attempt.removable else versions.keys() & attempt.job.keys():
                stays((kind, attempt.job[kind][1]), "an unfinished attempt reads it")
    others = [
        node
        for kind, found in versions.items()
        for node in sorted(
            ((kind, i) for i in found if (kind, i) not in reasons),
            key=lambda n: (_published(known[n]), n),
            reverse=True,
        )[:keep]
    ]
    for node in others:
        stays(node, f"one of the {keep} newest others")
    return reasons


def _published(version: Version) -> str:
    return str(version.record["provenance"]["published"])


def _items(
    listing: _Listing,
    kind: str,
    versions: Mapping[str, Version],
    attempts: Mapping[str, _Attempt],
    reasons: Mapping[Node, str],
    before: float,
) -> Iterator[Item]:
    """Every path of one store is in exactly one item."""
    goes = "nothing needs it"
    staying = {i for i in versions if (kind, i) in reasons}
    by_attempt = {version.attempt: version for version in versions.values()}
    for i in versions:
        yield listing.item(f"{i}.json", "version", reasons.get((kind, i), goes), i not in staying)
    for path in (CURRENT, *(f"{REQUESTS}/{name}" for name in listing.children(REQUESTS))):
        if path not in listing.files or is_temporary(path):
            continue
        pointed = (read_json(join(listing.url, path)) or {}).get("id")
        reason = f"points to version {pointed}" if pointed in staying else "points to nothing that stays"
        yield listing.item(path, "pointer", reason, pointed not in staying)
    for name in listing.children(ATTEMPTS):
        path = f"{ATTEMPTS}/{name}"
        if name in by_attempt:
            version = by_attempt[name]
            yield listing.item(path, "attempt", f"data of version {version.id}", version.id not in staying)
        elif name in attempts:
            yield listing.item(path, "attempt", attempts[name].reason, attempts[name].removable)
        elif not is_temporary(name):
            yield listing.item(path, "unknown", "no attempt")
    for path, file in listing.files.items():
        if is_temporary(path):
            old = file.written <= before
            yield listing.item(path, "temporary", "left by a writer that died" if old else "a writer's, and young", old)
    for name in listing.children():
        expected = name in (CURRENT, REQUESTS, ATTEMPTS) or name.removesuffix(".json") in versions
        if not expected and not is_temporary(name):
            yield listing.item(name, "unknown", "not written by a stage")


def _remove_version(url: str) -> bool:
    store, name = url.rsplit("/", 1)
    now = current(store)
    if now is not None and f"{now.id}.json" == name:
        return False
    return _remove_file(url)


def _remove_pointer(url: str) -> bool:
    store = url.removesuffix(f"/{CURRENT}").split(f"/{REQUESTS}/")[0]
    pointed = (read_json(url) or {}).get("id")
    return False if pointed and find(store, pointed) else _remove_file(url)


def _remove_attempt(url: str) -> bool:
    claim = hold(url)
    if claim is None:
        return False
    fs, path = fsspec.core.url_to_fs(url)
    store, name = url.split(f"/{ATTEMPTS}/")
    with claim:
        if name in {version.attempt for version in published(store)}:
            return False
        _remove_file(join(url, MARKER))
        for entry in fs.ls(path, detail=False):
            if entry.rstrip("/").rsplit("/", 1)[-1] not in (LOCK, LEASES):
                fs.rm(entry, recursive=True)
    with suppress(FileNotFoundError):  # the claim itself; an object store has no folder that would stay behind
        fs.rm(path, recursive=True)
    return True


def _remove_file(url: str) -> bool:
    fs, path = fsspec.core.url_to_fs(url)
    try:
        fs.rm_file(path)
    except FileNotFoundError:
        return False
    return True


_REMOVE = {
    "version": _remove_version,
    "pointer": _remove_pointer,
    "attempt": _remove_attempt,
    "temporary": _remove_file,
}


def _size(folder: str, name: str) -> int:
    fs, path = fsspec.core.url_to_fs(join(folder, name))
    return int(fs.size(path) or 0)


def _written(entry: Mapping[str, Any]) -> float:
    """Local file systems give seconds, object stores a `datetime`; 0 for folders of object stores, which have none."""
    moment = next((entry[k] for k in ("mtime", "LastModified", "last_modified", "created") if entry.get(k)), 0.0)
    return moment.timestamp() if isinstance(moment, datetime) else float(moment)
