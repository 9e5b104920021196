"""A small sample in the calm and behind bad weather."""

from __future__ import annotations

import hashlib
import logging
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import fsspec
import pytest
from proxy import Weather, calm, weather

from osf_pipeline.guidance.stage import guide_shot
from osf_pipeline.ingest.stage import ingest_shot
from osf_pipeline.layout import Layout
from osf_pipeline.sample.make import SampleRequest, make_sample
from osf_pipeline.store.version import current

SHOT = "figure"
SHARD_FRAMES = 3
KINDS = ("gbuffer", "guidance")


@pytest.fixture(scope="session", autouse=True)
def _small_shards() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("osf_pipeline.ingest.plan.SHARD_FRAMES", SHARD_FRAMES)
        yield


@pytest.fixture(scope="session")
def small_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Renders of a six-frame figure at 48x48. Read only."""
    root = tmp_path_factory.mktemp("small")
    make_sample(Layout.of(str(root)), SampleRequest(frames="1001-1006", width=48, height=48))
    return root


def run_all(layout: Layout) -> None:
    ingest_shot(layout, SHOT)
    guide_shot(layout, SHOT)


def shards(layout: Layout) -> dict[str, dict[str, dict[str, str]]]:
    """Checksums of every shard of the current versions."""
    found = {kind: current(layout.store(SHOT, kind)) for kind in KINDS}
    return {kind: version.record["shards"] for kind, version in found.items() if version is not None}


@dataclass(frozen=True)
class Calm:
    """What an undisturbed run on a local disk gave."""

    layout: Layout
    shards: dict[str, dict[str, dict[str, str]]]


@pytest.fixture(scope="session")
def undisturbed(small_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Calm:
    root = tmp_path_factory.mktemp("undisturbed") / "root"
    shutil.copytree(small_root, root)
    layout = Layout.of(str(root))
    run_all(layout)
    return Calm(layout, shards(layout))


@pytest.fixture(scope="session")
def emulator() -> Iterator[tuple[str, int]]:
    from moto.moto_server.threaded_moto_server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()
    server.stop()


@pytest.fixture
def sky(emulator: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> Iterator[Weather]:
    """The proxy as the only way to the store, calm at first; clients wait little, so that tests are quick."""
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *args: 0.01)
    monkeypatch.setattr("osf_pipeline.remote.LONGEST_WAIT", 0.01)
    monkeypatch.setattr("osf_pipeline.remote.ObjectStore.read_timeout", 0.4)
    for name, value in {"ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test", "DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    with weather(emulator) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        new_clients(monkeypatch)
        yield server
        server.plan = calm


def new_clients(patch: pytest.MonkeyPatch, **environment: str) -> None:
    """From here on file systems are made anew, in this environment; fsspec keeps those of equal settings."""
    for name, value in environment.items():
        patch.setenv(name, value)
    patch.setitem(fsspec.config.conf, "s3", {"config_kwargs": {"user_agent_extra": uuid.uuid4().hex}})


@pytest.fixture
def remote(sky: Weather, small_root: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Layout:
    """The sample in a bucket of its own behind the proxy."""
    bucket = f"show-{hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:12]}"
    fs = fsspec.filesystem("s3")
    fs.mkdir(bucket)
    for file in small_root.rglob("*"):
        if file.is_file() and "renders" in file.parts:
            fs.pipe_file(f"{bucket}/{file.relative_to(small_root)}", file.read_bytes())
    return Layout.of(f"s3://{bucket}", str(tmp_path))
