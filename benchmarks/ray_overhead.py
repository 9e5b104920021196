"""What Ray costs on shards of real length, against the plain loop over the same shards.

    python benchmarks/ray_overhead.py [--quick]

Start-up (cluster, pool, imports) is measured apart: the compared span runs from the first shard's start to the last
shard's end, on both sides, with the same threads. Baseline: `run_local`.
"""

from __future__ import annotations

import argparse
import logging
import os
import time
from pathlib import Path

from common import finish

THREADS = 2


class Spin:
    """A shard of fixed torch work, as long as a shard of stylization."""

    def __init__(self, job: dict) -> None:
        import torch

        torch.set_num_threads(job["threads"])
        self.layer = torch.nn.Conv2d(48, 48, 3, padding=1).eval().requires_grad_(False)
        self.image = torch.rand(1, 48, 256, 256)
        self.rounds = job["rounds"]

    def __call__(self, shard: dict) -> dict:
        start = time.time()
        for _ in range(self.rounds):
            self.layer(self.image)
        return {"index": shard["index"], "start": start, "stop": time.time()}


def span(records: list[dict]) -> float:
    return max(r["stop"] for r in records) - min(r["start"] for r in records)


def calibrate(seconds: float) -> int:
    """Rounds that take about `seconds` here."""
    probe = Spin({"threads": THREADS, "rounds": 20})
    probe({"index": 0})
    record = probe({"index": 0})
    return max(1, int(20 * seconds / (record["stop"] - record["start"])))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="4 shards instead of 8")
    count = 4 if parser.parse_args().quick else 8
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # keeps the JSON line the last one
    # Workers import this script as a module.
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    from osf_pipeline.distributed.executor import cluster, ray_executor
    from osf_pipeline.execution import Execution, run_local

    logging.getLogger().setLevel(logging.ERROR)
    job = {"threads": THREADS, "rounds": calibrate(2.5)}
    shards = [{"index": i, "start": i, "frames": [i]} for i in range(count)]
    loop: list[dict] = []
    run_local("ray_overhead:Spin", job, shards, loop.append)
    through: list[dict] = []
    with cluster(None):
        began = time.time()
        ray_executor(Execution(backend="ray", threads=THREADS))("ray_overhead:Spin", job, shards, through.append)
        pool = min(r["start"] for r in through) - began
    one = span(loop) / count
    plain, ray = span(loop), span(through)
    print(f"{count} shards of {one:.2f} s: plain loop {plain:.2f} s, Ray {ray:.2f} s (pool start {pool:.2f} s apart)")
    print(f"ratio Ray / plain loop: {ray / plain:.3f}")
    finish(overhead=ray / plain - 1, shard_seconds=one, loop_seconds=plain, ray_seconds=ray, pool_start_seconds=pool)


if __name__ == "__main__":
    main()
