"""The same stage as a submitted job on a cluster that `ray start --head` made."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import toy_stage

from osf_pipeline.execution import run_local
from osf_pipeline.ingest.stage import ingest_shot
from osf_pipeline.layout import Layout
from osf_pipeline.store.version import current

pytestmark = pytest.mark.integration
RAY = str(Path(sys.executable).parent / "ray")


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


@pytest.fixture
def head() -> Iterator[str]:
    """The job address of a one-node cluster of its own."""
    folder = tempfile.mkdtemp(prefix="ray-")  # a unix socket below it must stay under 107 characters
    port, dashboard, agent = free_ports(3)
    address = f"http://127.0.0.1:{dashboard}"
    process = subprocess.Popen(
        [
            RAY, "start", "--head", "--block", "--num-cpus=2", f"--port={port}", "--node-ip-address=127.0.0.1",
            "--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard}", f"--dashboard-agent-listen-port={agent}",
            f"--object-store-memory={128 * 2**20}", "--disable-usage-stats", f"--temp-dir={folder}",
        ],
        start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{address}/api/version", timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, "ray start ended early"
                time.sleep(0.3)
        yield address
    finally:
        # Its own process group only (`ray stop` would end every Ray of this machine), and without the 30 s of grace.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


def test_a_submitted_job_equals_the_plain_loop(head: str, tmp_path: Path) -> None:
    loop, job = tmp_path / "loop", tmp_path / "job"
    for out in (loop, job):
        out.mkdir()
    run_local(toy_stage.WORKER, {"out": str(loop)}, toy_stage.shards(3), lambda record: None)

    done = subprocess.run(
        [
            RAY, "job", "submit", "--address", head, "--working-dir", str(Path(toy_stage.__file__).parent),
            "--", sys.executable, "toy_stage.py", str(job),
        ],
        capture_output=True, text=True, check=False, timeout=240, env={**os.environ, "PYTHONWARNINGS": ""},
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 shards done" in done.stdout
    assert {p.name: p.read_bytes() for p in job.iterdir()} == {p.name: p.read_bytes() for p in loop.iterdir()}


def test_the_osf_command_runs_as_a_job(head: str, root: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    osf = str(Path(sys.executable).parent / "osf")
    done = subprocess.run(
        [
            RAY, "job", "submit", "--address", head, "--",
            osf, "ingest", "figure", "--backend", "ray", "--address", "auto",
            "--root", str(root), "--report", str(report),
        ],
        capture_output=True, text=True, check=False, timeout=240, env={**os.environ, "PYTHONWARNINGS": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(report.read_text())
    assert told["exit_code"] == 0
    assert told["results"][0]["frames"] == 10
    submitted = current(Layout.of(str(root)).store("figure", "gbuffer"))
    looped = shutil.copytree(root, tmp_path / "loop", ignore=shutil.ignore_patterns("stores"))
    ingest_shot(Layout.of(str(looped)), "figure")
    plain = current(Layout.of(str(looped)).store("figure", "gbuffer"))
    assert submitted is not None
    assert plain is not None
    assert submitted.id == plain.id
    assert submitted.record["shards"] == plain.record["shards"]
