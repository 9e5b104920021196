"""Building and publishing a version: attempt, shards, commits, one exclusive create.

A builder works under `attempts/<uuid>/`, which is never moved. Each shard is done when its commit record exists. The
version exists from the moment `<id>.json` does; whoever loses that race adopts the winner's version.

Every stored frame has a key, a hash of all that decides its bytes. A shard whose keys an earlier version or attempt of
the store holds already is taken over from there instead of being computed.

Does not belong here: what the shards contain.
"""

from __future__ import annotations

import contextlib
import datetime
import socket
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from osf_pipeline.errors import InputDataError
from osf_pipeline.execution import Executor, Json, Progress
from osf_pipeline.layout import join
from osf_pipeline.provenance import code_revision
from osf_pipeline.store.claim import attempts, builder, hold
from osf_pipeline.store.files import copy, create_json, names, read_json, sync, write_json
from osf_pipeline.store.identity import canonical_json
from osf_pipeline.store.schema import DATA, SCHEMA_VERSION, StoreSpec, create, shard_key
from osf_pipeline.store.version import ATTEMPTS, REQUESTS, Version, current, find, published, set_current
from osf_pipeline.store.writer import COMMITS, checksum

MARKER = "attempt.json"
"""What an attempt was asked for: request, schema, worker, job and shards, enough to do it again."""


@dataclass(frozen=True)
class Conclusion:
    """What a stage knows once all its shards are done.

    Attributes:
        id: identity of the version.
        inputs: what the identity was made of, for people and replay.
        attributes: facts about the content, stored in the published record.
    """

    id: str
    inputs: dict[str, Any]
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """One store to be built.

    Attributes:
        store: URL of the shot's store of this kind.
        spec: its schema.
        request: key of the request, known before any work: attempts of the same request are continued, and `reuse`
            finds what it published.
        worker: "package.module:Class", built from `job` with the attempt's URL added as `attempt`.
        shards: one descriptor each with `index`, `start`, `frames` and `keys`, one key for each frame.
        conclude: called with the attempt's URL and all commits, in order, before publishing.
        amend: called with all commits, in order; returns descriptors of shards that must be computed once more, because
            other shards have shown something that theirs did not know. Called until it returns none.
        current: make the version the current one of its store.
    """

    store: str
    spec: StoreSpec
    request: str
    worker: str
    job: Json
    shards: list[Json]
    conclude: Callable[[str, list[Json]], Conclusion]
    amend: Callable[[list[Json]], list[Json]] = lambda commits: []
    current: bool = True


@dataclass(frozen=True)
class Build:
    """What `build` did.

    Attributes:
        version: the published version.
        won: this call published it; False when it was there or another builder was first.
        computed: shards computed by this call; the others were there, or were taken over.
        shards: shards of the version.
    """

    version: Version
    won: bool
    computed: int
    shards: int


def build(plan: Plan, run: Executor, progress: Progress | None = None) -> Build:
    """Build, or continue building, one version and publish it.

    Raises:
        OsfError: whatever a worker raises; finished shards stay committed.
    """
    with _claim(plan) as attempt:
        commits = _valid_commits(attempt, plan)
        missing = [shard for shard in plan.shards if shard["index"] not in commits]
        commits |= _adopted(attempt, plan, missing)
        todo = [shard for shard in missing if shard["index"] not in commits]
        computed: set[int] = set()
        total = sum(len(shard["frames"]) for shard in plan.shards)

        def show() -> None:
            if progress:
                progress(sum(len(c["frames"]) for c in commits.values()), total, plan.spec.kind)

        def on_done(commit: Json) -> None:
            commits[commit["index"]] = commit
            computed.add(commit["index"])
            show()

        show()
        while True:
            run(plan.worker, {**plan.job, "attempt": attempt}, todo, on_done)
            ordered = [commits[shard["index"]] for shard in plan.shards]
            todo = plan.amend(ordered)
            if not todo:
                break
        version, won = _publish(plan, attempt, ordered, plan.conclude(attempt, ordered))
        return Build(version, won, len(computed), len(ordered))


def _publish(plan: Plan, attempt: str, commits: list[Json], conclusion: Conclusion) -> tuple[Version, bool]:
    record = {
        "id": conclusion.id,
        "schema": SCHEMA_VERSION,
        "kind": plan.spec.kind,
        "attempt": attempt.rsplit("/", 1)[-1],
        "frames": list(plan.spec.frames),
        "shards": {str(commit["index"]): commit["sha256"] for commit in commits},
        "keys": [key for commit in commits for key in commit["keys"]],
        "inputs": conclusion.inputs,
        "attributes": conclusion.attributes,
        "provenance": {
            "code": code_revision(),
            "published": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "host": socket.gethostname(),
        },
    }
    data = join(attempt, DATA)
    sync(join(data, shard_key(name, commit["index"])) for commit in commits for name in commit["sha256"])
    won = create_json(join(plan.store, f"{conclusion.id}.json"), record)
    write_json(_request_url(plan.store, plan.request), {"id": conclusion.id})
    if plan.current:
        set_current(plan.store, conclusion.id)
    version = find(plan.store, conclusion.id)
    assert version is not None
    return version, won


def reuse(store: str, request: str, make_current: bool = True) -> Version | None:
    """The version an earlier build of this request published; None when it still has to be built."""
    pointer = read_json(_request_url(store, request))
    version = None if pointer is None else find(store, pointer["id"])
    if make_current and version is not None and ((now := current(store)) is None or now.id != version.id):
        set_current(store, version.id)
    return version


def _request_url(store: str, request: str) -> str:
    return join(store, REQUESTS, f"{request}.json")


@contextlib.contextmanager
def _claim(plan: Plan) -> Iterator[str]:
    """Continue an abandoned attempt of this request, or start a new one, and hold it."""
    folder = join(plan.store, ATTEMPTS)
    taken = {version.attempt for version in published(plan.store)}
    for name in attempts(folder):
        attempt = join(folder, name)
        marker = read_json(join(attempt, MARKER))
        if name in taken or marker is None or marker["request"] != plan.request:
            continue
        lock = hold(attempt)
        if lock is None:
            continue
        with lock:
            if read_json(join(attempt, MARKER)) is None:  # collected as garbage between the look and the lock
                continue
            yield attempt
        return
    attempt = join(folder, uuid.uuid4().hex)
    lock = hold(attempt)
    assert lock is not None, "a new attempt is nobody else's"
    with lock:
        create(join(attempt, DATA), plan.spec)
        # Written last: an attempt without it has no complete metadata and is never continued.
        write_json(
            join(attempt, MARKER),
            {
                "request": plan.request,
                "spec": plan.spec.to_json(),
                "builder": builder(),
                "worker": plan.worker,
                "job": plan.job,
                "shards": plan.shards,
            },
        )
        yield attempt


def _valid_commits(attempt: str, plan: Plan) -> dict[int, Json]:
    """Commit records of an attempt whose stored bytes are still what was committed."""
    commits = {}
    for shard in plan.shards:
        commit = read_json(join(attempt, COMMITS, f"{shard['index']}.json"))
        if commit is None or commit["frames"] != list(shard["frames"]):
            continue
        if damaged_arrays(join(attempt, DATA), commit["index"], commit["sha256"]):
            continue
        commits[commit["index"]] = commit
    return commits


def _adopted(attempt: str, plan: Plan, shards: list[Json]) -> dict[int, Json]:
    """Copy shards with the same keys from other attempts of this store, published or not; returns their commits.

    Copied, never linked: a shard may be written again in place.
    """
    wanted = {tuple(shard["keys"]): shard for shard in shards if shard["keys"]}
    found: dict[int, Json] = {}
    folder, layout = join(plan.store, ATTEMPTS), _layout(plan.spec.to_json())
    records = {version.attempt: version.record for version in published(plan.store)}
    for name in attempts(folder) if wanted else ():
        donor = join(folder, name)
        marker = read_json(join(donor, MARKER))
        if donor == attempt or marker is None or _layout(marker["spec"]) != layout:
            continue
        for keys, index in _held_keys(donor, records.get(name), marker["spec"]["shard_frames"]):
            shard = wanted.get(keys)
            if shard is None or shard["index"] in found:
                continue
            commit = read_json(join(donor, COMMITS, f"{index}.json"))
            if commit is None:
                continue
            for array in commit["sha256"]:
                with contextlib.suppress(FileNotFoundError):  # collected as garbage meanwhile; the checksums tell
                    copy(
                        join(donor, DATA, shard_key(array, index)),
                        join(attempt, DATA, shard_key(array, shard["index"])),
                    )
            if not damaged_arrays(join(attempt, DATA), shard["index"], commit["sha256"]):
                commit |= {"index": shard["index"], "start": shard["start"], "adopted_from": name}
                write_json(join(attempt, COMMITS, f"{shard['index']}.json"), commit)
                found[shard["index"]] = commit
    return found


def _layout(spec: Json) -> bytes:
    """What two stores must have in common to hold equal shards."""
    return canonical_json([spec[name] for name in ("arrays", "height", "width", "shard_frames")])


def _held_keys(attempt: str, record: Json | None, size: int) -> Iterator[tuple[tuple[str, ...], int]]:
    """Keys and index of every shard an attempt holds; the record of a published one saves reading its commits."""
    if record is not None:
        keys = record.get("keys", [])  # records of before shards had keys have none
        yield from ((tuple(keys[at : at + size]), at // size) for at in range(0, len(keys), size))
        return
    for name in names(join(attempt, COMMITS)):
        commit = read_json(join(attempt, COMMITS, name))
        if commit is not None:
            yield tuple(commit.get("keys", ())), commit["index"]


def damaged_arrays(data_url: str, index: int, sums: dict[str, str]) -> list[str]:
    """Names of the arrays whose stored shard is missing or differs from its checksum."""
    damaged = []
    for name, expected in sums.items():
        try:
            found = checksum(data_url, name, index)
        except FileNotFoundError:
            found = ""
        if found != expected:
            damaged.append(name)
    return damaged


def verify(version: Version) -> int:
    """Re-read every stored shard of a version; returns how many shard objects were checked.

    Raises:
        InputDataError: naming the first shard that is missing or differs from its checksum.
    """
    count = 0
    for index, sums in version.record["shards"].items():
        damaged = damaged_arrays(version.data_url, int(index), sums)
        if damaged:
            raise InputDataError(
                "a stored shard differs from its checksum", store=version.data_url, shard=index, array=damaged[0],
                fix=f"Remove {version.id}.json and run the stage again.",
            )  # fmt: skip
        count += len(sums)
    return count
