"""Ray and the plain loop over the same shards."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from toy_stage import WORKER, shards

from osf_pipeline.distributed.executor import cluster, pool_shape, ray_executor
from osf_pipeline.errors import InputDataError, OsfError, RequestError
from osf_pipeline.execution import Execution, executor, run_local

pytestmark = pytest.mark.integration
TWO = Execution("ray", workers=2, threads=1)
# Ray and gRPC name the threads that they keep for good; a metrics exporter bears the name of its process.
SESSIONS = """
import time
from pathlib import Path
from osf_pipeline.distributed.executor import cluster

def unnamed():
    names = {task.name: (task / "comm").read_text() for task in Path("/proc/self/task").iterdir()}
    return {task for task, name in names.items() if name == Path("/proc/self/comm").read_text()}

before = unnamed()
for _ in range(2):
    with cluster(None):
        time.sleep(5)  # by then a driver knows the metrics agent of its node
print(len(unnamed() - before))
"""


@pytest.fixture(scope="module", autouse=True)
def _workers_find_the_toy_stage() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))
        patch.delenv("RAY_ADDRESS", raising=False)
        yield


@pytest.fixture(scope="module")
def session() -> Iterator[None]:
    """One Ray session for the tests that need not start their own."""
    with cluster(None):
        yield


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.bin")}


def test_ray_equals_the_plain_loop_and_stops_what_it_started(tmp_path: Path) -> None:
    loop, on_ray = tmp_path / "loop", tmp_path / "ray"
    records: dict[Path, list[dict[str, Any]]] = {loop: [], on_ray: []}
    for out, run in ((loop, run_local), (on_ray, executor(TWO))):
        out.mkdir()
        run(WORKER, {"out": str(out)}, shards(7), records[out].append)

    assert files(on_ray) == files(loop)
    assert len(files(loop)) == 7
    for found in records.values():
        found.sort(key=lambda record: record["index"])
    assert [r["frames"] for r in records[on_ray]] == [r["frames"] for r in records[loop]]
    # The pool holds its workers: no more of them than actors.
    assert len({r["worker"] for r in records[on_ray]}) <= 2
    assert not ray.is_initialized()


@pytest.mark.usefixtures("session")
def test_a_killed_worker_is_replaced_and_its_shard_repeated(tmp_path: Path) -> None:
    records: list[dict[str, Any]] = []
    ray_executor(TWO)(WORKER, {"out": str(tmp_path), "kill": 2}, shards(6), records.append)
    assert (tmp_path / "killed").exists()
    assert sorted(record["index"] for record in records) == list(range(6))
    assert len(files(tmp_path)) == 6
    assert ray.is_initialized(), "a session that was there before must stay"


@pytest.mark.usefixtures("session")
def test_a_user_error_crosses_whole_and_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(InputDataError) as caught:
        ray_executor(TWO)(WORKER, {"out": str(tmp_path), "fail": 1}, shards(60), lambda record: None)

    assert caught.value.where == {"file": "a.0002.exr", "frame": 2}
    assert (caught.value.what, caught.value.fix) == ("a damaged file", "Render it again.")
    done = len(files(tmp_path))
    time.sleep(1)
    assert len(files(tmp_path)) <= done + 2 < 60, "at most the shards under way may still end"


@pytest.mark.usefixtures("session")
def test_a_user_error_of_construction_crosses_too(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="osf-stylizer-ink"):
        ray_executor(TWO)(WORKER, {"out": str(tmp_path), "no_model": True}, shards(2), lambda record: None)


@pytest.mark.usefixtures("session")
def test_a_defect_is_no_user_error_and_shows_where_it_was_raised(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"toy_stage\.py") as caught:
        ray_executor(TWO)(WORKER, {"out": str(tmp_path), "defect": 0}, shards(2), lambda record: None)
    assert not isinstance(caught.value, OsfError)
    assert "ZeroDivisionError" in str(caught.value)


@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted in /proc")
def test_sessions_leave_no_thread_behind_that_could_outlive_the_process() -> None:
    done = subprocess.run([sys.executable, "-c", SESSIONS], capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, done.stdout.strip()) == (0, "0"), done.stderr


def test_no_shards_start_no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("osf_pipeline.distributed.executor.cluster", lambda address: pytest.fail("started"))
    ray_executor(TWO)(WORKER, {}, [], lambda record: None)


@pytest.mark.parametrize(
    ("nodes", "threads", "shape"),
    [([8.0], 2, (2.0, 4)), ([2.0], 4, (2.0, 1)), ([5.0, 3.0], 2, (2.0, 3)), ([1.0, 4.0], 4, (4.0, 1))],
)
def test_actors_are_cut_to_the_nodes(
    monkeypatch: pytest.MonkeyPatch, nodes: list[float], threads: int, shape: tuple[float, int]
) -> None:
    alive = [{"Alive": True, "Resources": {"CPU": cpus}} for cpus in nodes]
    monkeypatch.setattr(ray, "nodes", lambda: [*alive, {"Alive": False, "Resources": {"CPU": 64.0}}])
    assert pool_shape(threads) == shape


@pytest.mark.parametrize("address", ["127.0.0.1:9", "ray://127.0.0.1:9"])
def test_a_dead_address_is_refused_at_once(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(RequestError, match="no Ray cluster answers"), cluster(address):
        pass
