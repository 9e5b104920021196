"""A worker small enough to see through: it writes one file per shard, and fails where its job says so."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from osf_pipeline.errors import InputDataError, RequestError
from osf_pipeline.execution import Execution, executor

WORKER = "toy_stage:ToyWorker"


class ToyWorker:
    """Writes `<index>.bin`, whose bytes follow from the shard alone."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.job, self.out = job, Path(job["out"])
        if job.get("no_model"):
            raise RequestError("no such registered model", model="osf-stylizer-ink", fix="Train the style first.")
        self.id = f"{os.getpid()}-{id(self)}"

    def __call__(self, shard: dict[str, Any]) -> dict[str, Any]:
        index = shard["index"]
        killed = self.out / "killed"
        if index == self.job.get("kill") and not killed.exists():
            killed.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if index == self.job.get("fail"):
            raise InputDataError("a damaged file", file="a.0002.exr", frame=shard["frames"][0], fix="Render it again.")
        if index == self.job.get("defect"):
            raise ZeroDivisionError
        time.sleep(0.05)
        content = hashlib.sha256(json.dumps(shard, sort_keys=True).encode()).digest()
        (self.out / f"{index}.bin").write_bytes(content)
        return {"index": index, "frames": shard["frames"], "worker": self.id}


def shards(count: int) -> list[dict[str, Any]]:
    return [{"index": i, "frames": [2 * i, 2 * i + 1], "none": None, "nested": {"x": [1.5, "a"]}} for i in range(count)]


if __name__ == "__main__":  # what a submitted job runs
    records: list[dict[str, Any]] = []
    executor(Execution("ray", address="auto"))(WORKER, {"out": sys.argv[1]}, shards(3), records.append)
    print(f"{len(records)} shards done")
