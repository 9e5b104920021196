"""How shard work is run: the worker contract and the plain loop.

Belongs here: the contract that a plain loop, Ray on a laptop and Ray on a cluster share. Does not: Ray itself
(`distributed`), or what a worker does (each stage).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from osf_pipeline.memory import keep_freed_memory

Json = dict[str, Any]
OnDone = Callable[[Json], None]
Progress = Callable[[int, int, str], None]
"""Called with (done, total, text)."""


class Worker(Protocol):
    """A pure stage over shards. Construction loads what is shared by all shards (a model); a call reads, computes and
    writes exactly one shard and returns its small JSON record.

    A class may set `in_flight`, the number of shards that the plain loop may give one worker at the same time, so that
    one shard is written while the next is read. Its calls must then be thread-safe.
    """

    def __init__(self, job: Json) -> None: ...

    def __call__(self, shard: Json) -> Json: ...


class Executor(Protocol):
    """Runs `worker` ("package.module:Class") over all shards; calls `on_done` with each record, in any order."""

    def __call__(self, worker: str, job: Json, shards: list[Json], on_done: OnDone) -> None: ...


@dataclass(frozen=True)
class Execution:
    """Where shard work runs.

    Attributes:
        backend: `local` is a plain loop in this process; `ray` a Ray cluster.
        address: of a running cluster (`auto`, host:port, ray://...); None starts one on this machine.
        workers: actors at once; None takes what the cluster has room for.
        threads: torch and decode threads of one worker. Fixed, because it is part of bit-equality.
        gpus: of one worker; more than 0 stylizes on CUDA, and Ray reserves as many for each actor. Results agree with
            the CPU's within rounding, not bit for bit.
    """

    backend: Literal["local", "ray"] = "local"
    address: str | None = None
    workers: int | None = None
    threads: int = 2
    gpus: float = 0.0


def resolve(worker: str) -> type[Worker]:
    """Import `package.module:Class`."""
    module, _, name = worker.partition(":")
    found: type[Worker] = getattr(importlib.import_module(module), name)
    return found


def start(worker: str, job: Json) -> Worker:
    """A worker in this process, ready for shards."""
    keep_freed_memory()
    return resolve(worker)(job)


def run_local(worker: str, job: Json, shards: list[Json], on_done: OnDone) -> None:
    """The plain loop: the reference every other backend must equal byte for byte."""
    if not shards:
        return
    work = start(worker, job)
    at_once = getattr(work, "in_flight", 1)
    if at_once == 1:  # in this thread: torch counts its threads for each calling thread
        for shard in shards:
            on_done(work(shard))
        return
    with ThreadPoolExecutor(at_once) as pool:
        waiting = [pool.submit(work, shard) for shard in shards]
        try:
            for record in waiting:
                on_done(record.result())
        finally:
            for record in waiting:
                record.cancel()


def executor(execution: Execution) -> Executor:
    """The executor of a backend; Ray is imported only when asked for."""
    if execution.backend == "local":
        return run_local
    from osf_pipeline.distributed.executor import ray_executor

    return ray_executor(execution)
