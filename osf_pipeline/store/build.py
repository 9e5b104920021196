"""Building and publishing a version: attempt, shards, commits, one exclusive create.

A builder works under `attempts/<uuid>/`, which is never moved. Each shard is done when its commit record exists. The
version exists from the moment `<id>.json` does; whoever loses that race adopts the winner's version.

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
from osf_pipeline.store.files import create_json, read_json, write_json
from osf_pipeline.store.schema import DATA, StoreSpec, create
from osf_pipeline.store.version import Version, current, find, published, set_current
from osf_pipeline.store.writer import COMMITS, checksum


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
        shards: one descriptor each with `index`, `start`, `frames`.
        conclude: called with the attempt's URL and all commits, in order, before publishing.
    """

    store: str
    spec: StoreSpec
    request: str
    worker: str
    job: Json
    shards: list[Json]
    conclude: Callable[[str, list[Json]], Conclusion]


def build(plan: Plan, run: Executor, progress: Progress | None = None) -> tuple[Version, bool]:
    """Build, or continue building, one version and publish it.

    Returns:
        The published version, and whether this call published it (False: it was there or another builder won).

    Raises:
        OsfError: whatever a worker raises; finished shards stay committed.
    """
    with _claim(plan) as attempt:
        commits = _valid_commits(attempt, plan)
        todo = [shard for shard in plan.shards if shard["index"] not in commits]
        total = sum(len(shard["frames"]) for shard in plan.shards)
        done = total - sum(len(shard["frames"]) for shard in todo)
        if progress:
            progress(done, total, plan.spec.kind)

        def on_done(commit: Json) -> None:
            nonlocal done
            commits[commit["index"]] = commit
            done += len(commit["frames"])
            if progress:
                progress(done, total, plan.spec.kind)

        run(plan.worker, {**plan.job, "attempt": attempt}, todo, on_done)
        ordered = [commits[shard["index"]] for shard in plan.shards]
        conclusion = plan.conclude(attempt, ordered)
        return _publish(plan, attempt, ordered, conclusion)


def _publish(plan: Plan, attempt: str, commits: list[Json], conclusion: Conclusion) -> tuple[Version, bool]:
    record = {
        "id": conclusion.id,
        "kind": plan.spec.kind,
        "attempt": attempt.rsplit("/", 1)[-1],
        "frames": list(plan.spec.frames),
        "shards": {str(commit["index"]): commit["sha256"] for commit in commits},
        "inputs": conclusion.inputs,
        "attributes": conclusion.attributes,
        "provenance": {
            "code": code_revision(),
            "published": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "host": socket.gethostname(),
        },
    }
    won = create_json(join(plan.store, f"{conclusion.id}.json"), record)
    write_json(_request_url(plan.store, plan.request), {"id": conclusion.id})
    set_current(plan.store, conclusion.id)
    version = find(plan.store, conclusion.id)
    assert version is not None
    return version, won


def reuse(store: str, request: str) -> Version | None:
    """The version an earlier build of this request published, made current; None when it still has to be built."""
    pointer = read_json(_request_url(store, request))
    version = None if pointer is None else find(store, pointer["id"])
    if version is not None and ((now := current(store)) is None or now.id != version.id):
        set_current(store, version.id)
    return version


def _request_url(store: str, request: str) -> str:
    return join(store, "requests", f"{request}.json")


@contextlib.contextmanager
def _claim(plan: Plan) -> Iterator[str]:
    """Continue an abandoned attempt of this request, or start a new one, and hold it."""
    folder = join(plan.store, "attempts")
    taken = {version.attempt for version in published(plan.store)}
    for name in attempts(folder):
        attempt = join(folder, name)
        marker = read_json(join(attempt, "attempt.json"))
        if name in taken or marker is None or marker["request"] != plan.request:
            continue
        lock = hold(attempt)
        if lock is not None:
            with lock:
                yield attempt
            return
    attempt = join(folder, uuid.uuid4().hex)
    lock = hold(attempt)
    assert lock is not None, "a new attempt is nobody else's"
    with lock:
        create(join(attempt, DATA), plan.spec)
        # Written last: an attempt without it has no complete metadata and is never continued.
        write_json(
            join(attempt, "attempt.json"), {"request": plan.request, "spec": plan.spec.to_json(), "builder": builder()}
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
