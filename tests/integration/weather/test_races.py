"""Runs beside each other, and readers beside runs."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_shot import SHARD_FRAMES, SHOT, Calm, shards

from osf_pipeline.errors import InputDataError
from osf_pipeline.ingest.stage import ingest_shot
from osf_pipeline.layout import Layout
from osf_pipeline.store.build import verify
from osf_pipeline.store.version import current, published

pytestmark = pytest.mark.integration
RUN = f"""
import sys, time
import osf_pipeline.ingest.plan as plan
from osf_pipeline.ingest.stage import ingest_shot
from osf_pipeline.layout import Layout
plan.SHARD_FRAMES = {SHARD_FRAMES}
print("ready", flush=True)
sys.stdin.readline()
print(ingest_shot(Layout.of(sys.argv[1]), {SHOT!r}).id)
"""


def test_two_runs_at_once_end_in_one_version_and_no_reader_sees_a_torn_one(
    small_root: Path, undisturbed: Calm, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(small_root, tmp_path / "root"))
    layout = Layout.of(str(root))
    store = layout.store(SHOT, "gbuffer")
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", RUN, str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for run in runs:
        assert run.stdout is not None
        assert run.stdout.readline() == "ready\n"
    for run in runs:
        assert run.stdin is not None
        run.stdin.write("go\n")
        run.stdin.flush()
    seen = set()
    while any(run.poll() is None for run in runs):
        version = current(store)
        if version is not None:
            assert verify(version) > 0
            seen.add(version.id)
        time.sleep(0.005)
    ids = {run.communicate()[0].strip() for run in runs}
    assert [run.returncode for run in runs] == [0, 0]
    (version,) = published(store)
    assert ids == {version.id} == seen
    assert shards(layout)["gbuffer"] == undisturbed.shards["gbuffer"]


def test_a_source_file_replaced_during_the_run_is_noticed(small_root: Path, undisturbed: Calm, tmp_path: Path) -> None:
    root = Path(shutil.copytree(small_root, tmp_path / "root"))
    layout = Layout.of(str(root))
    store = layout.store(SHOT, "gbuffer")
    frames = Path(layout.renders(SHOT))

    def replace(done: int, total: int, text: str) -> None:
        if done == SHARD_FRAMES:  # the first shard is done; its first frame is written again
            shutil.copyfile(frames / f"{SHOT}.1001.exr", frames / "new")
            (frames / "new").replace(frames / f"{SHOT}.1001.exr")

    with pytest.raises(InputDataError, match="changed during the run") as caught:
        ingest_shot(layout, SHOT, progress=replace)
    assert caught.value.where["frame"] == 1001
    assert published(store) == []
    ingest_shot(layout, SHOT)
    assert shards(layout)["gbuffer"] == undisturbed.shards["gbuffer"]
