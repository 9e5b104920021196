"""A small sample in the calm and behind bad weather."""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fsspec
import pytest
from proxy import Weather, calm, weather
from small_shot import SHARD_FRAMES, Calm, new_clients, run_all, shards

from osf_pipeline.layout import Layout
from osf_pipeline.sample.make import SampleRequest, make_sample


@contextmanager
def small_shards() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("osf_pipeline.ingest.plan.SHARD_FRAMES", SHARD_FRAMES)
        yield


@pytest.fixture(scope="module", autouse=True)
def _small_shards() -> Iterator[None]:
    with small_shards():
        yield


@pytest.fixture(scope="session")
def small_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Renders of a six-frame figure at 48x48. Read only."""
    root = tmp_path_factory.mktemp("small")
    make_sample(Layout.of(str(root)), SampleRequest(frames="1001-1006", width=48, height=48))
    return root


@pytest.fixture(scope="session")
def undisturbed(small_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Calm:
    root = tmp_path_factory.mktemp("undisturbed") / "root"
    shutil.copytree(small_root, root)
    layout = Layout.of(str(root))
    with small_shards():  # made before the fixtures of a module
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
