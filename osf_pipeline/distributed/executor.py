"""Shard work on Ray Data: an actor pool maps a stage's worker over shard descriptors.

Belongs here: starting or joining a cluster, the pool, what happens when a worker dies or raises. Does not: what a
worker does with a shard (each stage) or the plain loop it must equal (`execution`).

A descriptor (a few hundred bytes of JSON) goes through the object store, pixels never do: one call reads, computes and
writes one shard. Three ways to fail:

* A worker process dies (killed, out of memory): Ray starts it anew and repeats its shard; writing a shard again gives
  the same bytes. A shard that kills every worker ends in `InterruptedRunError` when Ray Data's no-progress time is over
  (RAY_DATA_EXECUTION_NO_PROGRESS_TIMEOUT_S, 30 minutes).
* A worker raises an `OsfError`: the same error is raised here at once, as in the plain loop. Shards already done stay
  done.
* A worker raises anything else: a defect; Ray's error with the worker's traceback is raised here.
"""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import ray
import ray.data
from ray.data.exceptions import ExecutionTimeoutError

from osf_pipeline.errors import InterruptedRunError, OsfError, RequestError
from osf_pipeline.execution import Execution, Executor, Json, OnDone, start

OBJECT_STORE_BYTES = 128 * 2**20  # descriptors and records only


class ShardActor:
    """Holds one worker (and so its model) for many shards.

    Rows in and out are single JSON strings, because Arrow would turn lists into arrays and add missing keys.
    """

    def __init__(self, worker: str, job: Json) -> None:
        self.error: OsfError | None = None
        try:
            self.work = start(worker, job)
        except OsfError as error:  # raised here it would reach the driver as a dead actor
            self.error = error

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        try:
            if self.error:
                raise self.error
            record = self.work(json.loads(row["shard"]))
        except OsfError as error:
            return {"record": "", "error": error.to_json()}
        return {"record": json.dumps(record), "error": ""}


def ray_executor(execution: Execution) -> Executor:
    """An executor that runs shards on Ray; every call starts or joins a cluster and leaves it as it was found."""

    def run(worker: str, job: Json, shards: list[Json], on_done: OnDone) -> None:
        if not shards:
            return
        with cluster(execution.address):
            cpus, room = pool_shape(execution.threads)
            # One task at a time for each actor: shards are few and long, so an actor must not hoard a second one.
            pool = ray.data.ActorPoolStrategy(
                size=min(execution.workers or room, len(shards)), max_tasks_in_flight_per_actor=1
            )
            descriptors = ray.data.from_items(
                [{"shard": json.dumps(s)} for s in shards], override_num_blocks=len(shards)
            )
            descriptors.context.enable_progress_bars = False
            descriptors.context.print_on_execution_start = False
            done = descriptors.map(
                ShardActor,
                fn_constructor_args=(worker, job),
                compute=pool,
                num_cpus=cpus,
                num_gpus=execution.gpus or None,
            )
            try:
                with closing(iter(done.iter_rows())) as rows:
                    for row in rows:
                        if row["error"]:
                            raise OsfError.from_json(row["error"])
                        on_done(json.loads(row["record"]))
            except ExecutionTimeoutError as error:
                raise InterruptedRunError(
                    "no shard was finished for too long", problem=str(error).splitlines()[0],
                    fix="Look for killed workers (memory) in the Ray dashboard, then run the same command to continue.",
                ) from error  # fmt: skip

    return run


@contextmanager
def cluster(address: str | None) -> Iterator[None]:
    """Inside, Ray is ready; afterwards, what was started or joined here is closed and nothing else.

    Args:
        address: of a running cluster; else RAY_ADDRESS (which `ray job submit` sets); else one is started on this
            machine. A session that the process already has is used as it is.

    Raises:
        RequestError: when no cluster answers at the address.
    """
    if ray.is_initialized():
        yield
        return
    chosen = address or os.environ.get("RAY_ADDRESS") or "local"
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    # Ray 2.60 stops its metrics exporter at the first shutdown of a process only. The exporter of a later session
    # lives on and, awake while the process exits, touches what is destroyed by then: a crash after good work.
    os.environ.setdefault("RAY_enable_open_telemetry", "0")
    _knock(chosen)
    settings: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if chosen == "local":
        settings |= {"include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES}
    try:
        ray.init(chosen, **settings)
    except ConnectionError as error:
        raise _no_answer(chosen) from error
    try:
        yield
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Refuse a dead host:port at once; Ray itself tries for two minutes and then ends the process."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError as error:
        raise _no_answer(address) from error


def _no_answer(address: str) -> RequestError:
    return RequestError(
        "no Ray cluster answers", address=address, fix="Start one with `ray start --head`, or leave the address out."
    )


def pool_shape(threads: int) -> tuple[float, int]:
    """CPUs of one actor, and how many such actors the cluster holds now.

    An actor reserves the CPUs it uses, or a whole node's where no node has that many.
    """
    nodes = [node["Resources"].get("CPU", 0.0) for node in ray.nodes() if node["Alive"]]
    cpus = min(float(threads), max(nodes))
    return cpus, max(1, sum(int(node // cpus) for node in nodes))
