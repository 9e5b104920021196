"""Runs that are killed at random moments, and what is left of them.

    python benchmarks/kills.py --n 30 --seed 1 [--quick]

Each run starts one stage of a small shot in a fresh root, kills one of its processes (SIGKILL) at a random moment, and
repeats the same command to the end. Meanwhile a reader follows the current version and hashes every shard it names.
Victims: the process of the plain loop; with Ray the driver, an actor, the raylet or the GCS, all started by the run
itself. Baseline: the checksums of a run that nobody disturbed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from common import finish

SHOT = "figure"
KINDS = {"ingest": "gbuffer", "guide": "guidance", "stylize": "stylized"}
SHARD_FRAMES = 2
START = f"""
import osf_pipeline.ingest.plan as plan
plan.SHARD_FRAMES = {SHARD_FRAMES}
from osf_pipeline.cli.main import main
main()
"""
MARKS = {"actor": "ray::Map", "raylet": "/raylet", "gcs": "gcs_server"}
"""What the command line of a victim that Ray started begins with or names."""
WEIGHTS = {"loop": 5, "driver": 1, "actor": 2, "raylet": 1, "gcs": 1}
PATIENCE = 240.0
SETTINGS = {
    "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive", "MLFLOW_DISABLE_TELEMETRY": "true",
    "RAY_USAGE_STATS_ENABLED": "0", "RAY_DATA_DISABLE_PROGRESS_BARS": "1", "RAY_AUTH_MODE": "disabled",
    "RAY_BACKEND_LOG_LEVEL": "fatal", "RAY_gcs_rpc_server_reconnect_timeout_s": "5",
}  # fmt: skip


@dataclass
class Reader:
    """Follows the current version of a store and hashes what it names, from a thread, while the block runs."""

    store: str
    reads: int = 0
    torn: list[str] = field(default_factory=list)

    def __enter__(self) -> Reader:
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._follow)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._done.set()
        self._thread.join()

    def _follow(self) -> None:
        from osf_pipeline.store.build import verify
        from osf_pipeline.store.version import current

        while not self._done.wait(0.02):
            try:
                version = current(self.store)
                if version is not None:
                    verify(version)
                    self.reads += 1
            except Exception as error:
                self.torn.append(f"{type(error).__name__}: {error}")


@dataclass(frozen=True)
class Bench:
    """Where everything of a benchmark lies: the source, the undisturbed root, the models."""

    base: Path

    @property
    def home(self) -> Path:
        return self.base / "home"

    def command(self, stage: str, root: Path, ray: bool) -> list[str]:
        options = [SHOT, "--root", str(root), "--home", str(self.home), "--threads", "1"]
        options += ["--backend", "ray", "--workers", "2"] if ray else []
        options += ["--alias", "candidate"] if stage == "stylize" else []
        return [sys.executable, "-c", START, stage, *options]

    def prepare(self, frames: str, size: int) -> dict[str, dict]:
        """Make the shot and the model, run every stage once, return the records by kind."""
        from osf_pipeline.errors import RequestError
        from osf_pipeline.layout import Layout
        from osf_pipeline.sample.make import SampleRequest, make_sample
        from osf_pipeline.store.version import current
        from osf_pipeline.training.stage import train_style

        root = self.base / "undisturbed"
        layout = Layout.of(str(root), str(self.home))
        make_sample(layout, SampleRequest(frames=frames, width=size, height=size))
        few = {"steps": 2, "width": 8, "blocks": 1, "pool": 4, "snapshot": 2}
        with contextlib.suppress(RequestError):  # too short a training for the gate, but it is registered
            train_style(layout, SHOT, overrides=few)
        for stage in KINDS:
            subprocess.run(self.command(stage, root, ray=False), check=True, capture_output=True)
        versions = {kind: current(layout.store(SHOT, kind)) for kind in KINDS.values()}
        return {kind: version.record for kind, version in versions.items() if version is not None}

    def fresh_root(self, stage: str) -> Path:
        """The shot with the stores of all stages before this one."""
        root = Path(tempfile.mkdtemp(dir=self.base, prefix="run-"))
        undisturbed = self.base / "undisturbed"
        folders = ["renders", "styles"]
        folders += [f"stores/{SHOT}/{kind}" for kind in list(KINDS.values())[: list(KINDS).index(stage)]]
        for folder in folders:
            shutil.copytree(undisturbed / folder, root / folder)
        return root


def below(pid: int) -> dict[int, str]:
    """Command lines of all living processes that descend from one, by id; empty when it is gone."""
    found: dict[int, str] = {}
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, children.read_text().split()):
                found[child] = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode()
                found |= below(child)
    return found


def kill(process: subprocess.Popen, victim: str, store: Path, after: int, delay: float) -> int | None:
    """Kill the victim `delay` seconds after so many shards were committed; returns how many are, None when too late."""

    def committed() -> int:
        return len(list(store.glob("attempts/*/commits/*.json")))

    while process.poll() is None and committed() < after:
        time.sleep(0.005)
    time.sleep(delay)
    while process.poll() is None:
        if victim in MARKS:
            named = [pid for pid, line in below(process.pid).items() if MARKS[victim] in line.split(" -")[0]]
        else:
            named = [process.pid]
        if named:
            with contextlib.suppress(ProcessLookupError):
                os.kill(named[-1], signal.SIGKILL)
            return committed()
        time.sleep(0.02)
    return None


def watch(process: subprocess.Popen, family: dict[int, str]) -> None:
    """Note every process below a driver for as long as it lives."""
    while process.poll() is None:
        family |= below(process.pid)
        time.sleep(0.1)


def bury(family: dict[int, str]) -> None:
    """End what a dead driver left behind: only processes seen below it, and still what they were then."""
    for pid, line in family.items():
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode() == line:
                os.kill(pid, signal.SIGKILL)


def one(bench: Bench, expected: dict[str, dict], dice: random.Random, shards: int) -> dict:
    """One killed and repeated run; what it was, and what was found."""
    from osf_pipeline.store.garbage import inspect_stores
    from osf_pipeline.store.version import current

    victim = dice.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    stage, after, delay = dice.choice(list(KINDS)), dice.randrange(shards), dice.expovariate(8)
    root, kind = bench.fresh_root(stage), KINDS[stage]
    store = root / "stores" / SHOT / kind
    command = bench.command(stage, root, ray=victim != "loop")
    family: dict[int, str] = {}
    began = time.monotonic()
    with Reader(str(store)) as reader:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        watcher = threading.Thread(target=watch, args=(process, family))
        watcher.start()
        done = kill(process, victim, store, after, delay)
        try:
            code = process.wait(PATIENCE)
            hung = False
        except subprocess.TimeoutExpired:
            process.kill()
            code, hung = process.wait(), True
        watcher.join()
        bury(family)
        first = time.monotonic() - began
        again = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    version = current(str(store))
    record = version.record if version else {"id": "", "shards": {}, "frames": []}
    wanted = expected[kind]
    damaged = {i for i, sums in wanted["shards"].items() if record["shards"].get(i) != sums}
    lost = len(set(wanted["frames"]) - set(record["frames"])) + sum(
        len(wanted["frames"][int(i) * SHARD_FRAMES :][:SHARD_FRAMES]) for i in damaged
    )
    left = Counter(item.kind for item in inspect_stores(str(root / "stores" / SHOT)))
    row = {
        "stage": stage, "victim": victim, "after": after, "delay": round(delay, 3), "killed": done is not None,
        "shards_done": done, "code": code, "hung": hung, "seconds": round(first, 1), "again": again.returncode,
        "equal": record["id"] == wanted["id"] and not damaged, "lost": lost, "reads": reader.reads,
        "torn": reader.torn, "unknown": left["unknown"], "attempts": left["attempt"], "log": again.stderr[-600:],
    }  # fmt: skip
    if row["equal"] and not reader.torn and again.returncode == 0:
        shutil.rmtree(root)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=30, help="runs")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="the plain loop alone, on a smaller shot")
    args = parser.parse_args()
    os.environ.update(SETTINGS)
    os.environ.pop("RAY_ADDRESS", None)
    if args.quick:
        WEIGHTS.update(driver=0, actor=0, raylet=0, gcs=0)
    with tempfile.TemporaryDirectory(prefix="kills-", ignore_cleanup_errors=True) as base:
        bench = Bench(Path(base))
        expected = bench.prepare("1001-1006" if args.quick else "1001-1010", 96 if args.quick else 128)
        rows = []
        for number in range(args.n):
            shards = len(expected["gbuffer"]["shards"])
            row = one(bench, expected, random.Random(f"{args.seed} {number}"), shards)
            rows.append(row)
            text = "{stage:<8} {victim:<7} after {after} shards + {delay:5.3f} s: {shards_done} done, exit {code}, "
            text += "again {again}, equal {equal}, lost {lost}, {reads} reads, {seconds} s"
            print(f"{number:3}  " + text.format(**row), flush=True)
            if row["torn"] or row["again"] or not row["equal"]:
                print("     " + json.dumps({"torn": row["torn"][:3], "log": row["log"]}), flush=True)
    finish(
        runs=len(rows),
        killed=sum(row["killed"] for row in rows),
        bit_equal=sum(row["equal"] for row in rows),
        failed_repeats=sum(row["again"] != 0 for row in rows),
        lost_frames=sum(row["lost"] for row in rows),
        torn_reads=sum(len(row["torn"]) for row in rows),
        reads=sum(row["reads"] for row in rows),
        hung=sum(row["hung"] for row in rows),
        unexplained=sum(row["unknown"] for row in rows),
        victims=dict(Counter(row["victim"] for row in rows)),
    )


if __name__ == "__main__":
    main()
