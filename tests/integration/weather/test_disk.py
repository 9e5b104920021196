"""A full disk: a clear error, nothing published, and the next run goes on."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from small_shot import SHARD_FRAMES, SHOT, Calm, shards

from osf_pipeline.layout import Layout
from osf_pipeline.store.version import current, published

pytestmark = pytest.mark.integration
LIMITED = f"""
import resource, signal, sys
import osf_pipeline.ingest.plan as plan
plan.SHARD_FRAMES = {SHARD_FRAMES}
from osf_pipeline.cli.main import main
limit = int(sys.argv.pop())
if limit:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
main()
"""


def ingest(root: Path, limit: int) -> subprocess.CompletedProcess[str]:
    """The stage as a person runs it, in a process that may write no file of more than so many bytes (0: any)."""
    command = [sys.executable, "-c", LIMITED, "ingest", SHOT, "--root", str(root), str(limit)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_full_disk_ends_in_a_clear_error_and_the_next_run_continues(
    small_root: Path, undisturbed: Calm, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(small_root, tmp_path / "root"))
    layout = Layout.of(str(root))
    store = layout.store(SHOT, "gbuffer")
    version = current(undisturbed.layout.store(SHOT, "gbuffer"))
    assert version is not None
    sizes = [path.stat().st_size for path in Path(version.data_url).rglob("c/*/0/0/0")]

    refused = ingest(root, limit=max(sizes) - 1)
    assert refused.returncode == 5, refused.stderr
    assert "the disk does not take a file" in refused.stderr
    assert "problem=File too large" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert published(store) == []
    assert current(store) is None
    assert not [path for path in Path(store).rglob(".*") if path.name != ".lock"], "temporaries are left"

    assert ingest(root, limit=0).returncode == 0
    assert shards(layout)["gbuffer"] == undisturbed.shards["gbuffer"]
    assert len(published(store)) == 1
    assert len(list(Path(store).glob("attempts/*"))) == 1, "the first run's attempt was not continued"
