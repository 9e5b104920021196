"""The registry on a real MLflow database."""

from __future__ import annotations

import json
import multiprocessing
import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from osf_pipeline.errors import InputDataError, RequestError
from osf_pipeline.tracking.gate import Gate
from osf_pipeline.tracking.tracker import WEIGHTS, Tracker

pytestmark = pytest.mark.integration
MODEL = "osf-stylizer-ink"
GATE = Gate(at_least={"psnr": 20.0})


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An initialised home, copied by each test because creating a database takes seconds."""
    home = tmp_path_factory.mktemp("fresh")
    Tracker.at(str(home))
    return home


@pytest.fixture
def tracker(fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tracker:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Tracker.at(str(shutil.copytree(fresh, tmp_path / "a home with spaces")))


def model_folder(folder: Path, content: bytes = b"weights") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / WEIGHTS).write_bytes(content)
    (folder / "card.json").write_text("{}")
    return folder


def train(tracker: Tracker, folder: Path, content: bytes = b"weights", **tags: str) -> int:
    with tracker.run("stylizer", "ink", {"steps": 20}, {"style": "ink"}) as run:
        run.log(1, {"loss": 0.5})
        run.log(2, {"loss": 0.25})
        return tracker.register(MODEL, model_folder(folder, content), run.id, tags)


def test_a_registered_model_is_loaded_by_alias_and_by_version(tracker: Tracker, tmp_path: Path) -> None:
    assert train(tracker, tmp_path / "m", b"one") == 1
    assert train(tracker, tmp_path / "m", b"two", identity="abc") == 2
    tracker.set_alias(MODEL, 2, "champion")

    by_alias, by_number = tracker.resolve(MODEL, "champion"), tracker.resolve(MODEL, 1)

    assert (by_alias.version, (by_alias.path / WEIGHTS).read_bytes()) == (2, b"two")
    assert (by_number.version, (by_number.path / WEIGHTS).read_bytes()) == (1, b"one")
    assert by_alias.sha256 != by_number.sha256
    assert by_alias.tags["identity"] == "abc"
    assert (by_alias.path / "card.json").is_file()


def test_a_run_keeps_its_history_parameters_and_end(tracker: Tracker) -> None:
    with tracker.run("stylizer", "ink", {"steps": 20}, {"style": "ink"}) as run:
        run.log(1, {"loss": 0.5})
        run.log(2, {"loss": 0.25})

    stored = run.client.get_run(run.id)
    assert (stored.data.params, stored.data.tags["style"]) == ({"steps": "20"}, "ink")
    assert [(m.step, m.value) for m in run.client.get_metric_history(run.id, "loss")] == [(1, 0.5), (2, 0.25)]


@pytest.mark.parametrize(
    ("raised", "status"), [(KeyboardInterrupt, "KILLED"), (ZeroDivisionError, "FAILED"), (None, "FINISHED")]
)
def test_how_a_run_ended_is_recorded(tracker: Tracker, raised: type[BaseException] | None, status: str) -> None:
    with suppress(KeyboardInterrupt, ZeroDivisionError), tracker.run("stylizer", "ink", {}, {}) as run:
        if raised:
            raise raised
    assert run.client.get_run(run.id).info.status == status


def test_files_are_stored_with_the_run(tracker: Tracker, tmp_path: Path) -> None:
    (tmp_path / "curve.csv").write_text("1,2")
    with tracker.run("stylizer", "ink", {}, {}) as run:
        run.log_file(tmp_path / "curve.csv", "plots")
        run.log_dir(model_folder(tmp_path / "m"), "copy")
    assert [f.path for f in run.client.list_artifacts(run.id, "plots")] == ["plots/curve.csv"]
    assert len(run.client.list_artifacts(run.id, "copy")) == 2


def test_an_equal_training_is_found_by_its_tag(tracker: Tracker, tmp_path: Path) -> None:
    assert tracker.find(MODEL, "identity", "a") is None
    train(tracker, tmp_path / "m", identity="a")
    train(tracker, tmp_path / "m", identity="b")
    assert (tracker.find(MODEL, "identity", "a"), tracker.find(MODEL, "identity", "c")) == (1, None)


def test_promotion_moves_the_alias_and_is_recorded(tracker: Tracker, tmp_path: Path) -> None:
    for version in (1, 2):
        train(tracker, tmp_path / "m")
        tracker.promote(MODEL, version, "champion", GATE, {"psnr": 25.0})

    ref = tracker.resolve(MODEL, "champion")
    record = json.loads(ref.tags["gate.champion"])
    assert (ref.version, record["passed"], record["metrics"], record["replaced"]) == (2, True, {"psnr": 25.0}, 1)


def test_a_refused_promotion_names_the_metric_and_moves_nothing(tracker: Tracker, tmp_path: Path) -> None:
    train(tracker, tmp_path / "m")
    tracker.set_alias(MODEL, 1, "champion")
    train(tracker, tmp_path / "m")

    with pytest.raises(RequestError, match=r"psnr 12 is below 20.*version=2"):
        tracker.promote(MODEL, 2, "champion", GATE, {"psnr": 12.0})

    assert tracker.resolve(MODEL, "champion").version == 1
    assert json.loads(tracker.resolve(MODEL, 2).tags["gate.champion"])["passed"] is False


def test_an_unknown_name_lists_what_is_known(tracker: Tracker, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="Registered models: none"):
        tracker.resolve(MODEL, "champion")
    train(tracker, tmp_path / "m")
    tracker.set_alias(MODEL, 1, "candidate")
    with pytest.raises(RequestError, match=r"alias=champion.*Aliases and versions: candidate, 1"):
        tracker.resolve(MODEL, "champion")
    with pytest.raises(RequestError, match=f"Registered models: {MODEL}"):
        tracker.resolve("osf-stylizer-oil", "champion")
    with pytest.raises(RequestError, match="no such alias or version"):
        tracker.set_alias(MODEL, 7, "champion")


def test_weights_changed_behind_the_registry_are_refused(tracker: Tracker, tmp_path: Path) -> None:
    train(tracker, tmp_path / "m")
    (tracker.resolve(MODEL, 1).path / WEIGHTS).write_bytes(b"other")
    with pytest.raises(InputDataError, match="not those that were registered"):
        tracker.resolve(MODEL, 1)


def test_a_folder_without_weights_is_refused(tracker: Tracker, tmp_path: Path) -> None:
    with tracker.run("stylizer", "ink", {}, {}) as run, pytest.raises(RequestError, match="no weights"):
        tracker.register(MODEL, tmp_path, run.id)


def register_one(home: str, folder: str) -> int:
    tracker = Tracker.at(home)
    with tracker.run("stylizer", "ink", {"steps": 1}, {}) as run:
        return tracker.register(MODEL, Path(folder), run.id)


def test_processes_that_meet_on_a_new_database_all_succeed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    home, folder = str(tmp_path / "home"), str(model_folder(tmp_path / "m"))
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        versions = pool.starmap(register_one, [(home, folder)] * 4)
    assert sorted(versions) == [1, 2, 3, 4]
