"""Stores of every released schema stay readable, and no schema changes by accident."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner

from osf_pipeline.cli.main import app
from osf_pipeline.errors import RequestError
from osf_pipeline.layout import Layout
from osf_pipeline.store.files import read_json, write_json
from osf_pipeline.store.schema import SCHEMA_VERSION
from osf_pipeline.store.version import current, published, reopen, require

DATA = Path(__file__).resolve().parents[3] / "data" / "stores"
RELEASED = [DATA / f"schema-{number}" for number in range(1, SCHEMA_VERSION + 1)]
CHANGED = """{template} is not what the code writes now.

If a reader of released stores could stumble over the change, raise SCHEMA_VERSION and run
`python tests/data/stores/make.py --release`, which adds a store of the new schema beside the old ones. If not, run
`python tests/data/stores/make.py --update`."""


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_stores", DATA / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look there
    spec.loader.exec_module(module)
    return module


stores = _script()


def opened(root: Path) -> Layout:
    return Layout.of(str(root), str(root / "home"))


@pytest.fixture(scope="module")
def today(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """A root as the code of today makes it."""
    layout = opened(tmp_path_factory.mktemp("today"))
    stores.make_root(layout)
    return layout


@pytest.fixture(params=RELEASED, ids=lambda root: root.name)
def released(request: pytest.FixtureRequest, tmp_path: Path) -> Layout:
    """A released root, to be written to."""
    return opened(shutil.copytree(request.param, tmp_path / "root"))


@pytest.mark.parametrize("place", stores.PLACES, ids=lambda place: f"{place.kind} {place.shot}")
def test_the_code_writes_exactly_the_recorded_schema(today: Layout, place: Any) -> None:
    found = json.loads(stores.text(stores.template(place.version(today))))
    assert found == json.loads(place.template.read_text()), CHANGED.format(template=place.template.name)


def test_every_schema_has_a_released_root_with_every_kind() -> None:
    for root in RELEASED:
        layout = opened(root)
        kinds = {place.kind: current(layout.store(place.shot, place.kind)) for place in stores.PLACES}
        assert all(kinds.values()), (root.name, kinds)
        assert sum(path.stat().st_size for path in root.rglob("*") if path.is_file()) < 200_000


@pytest.mark.parametrize("root", RELEASED, ids=lambda root: root.name)
@pytest.mark.parametrize("place", stores.PLACES, ids=lambda place: f"{place.kind} {place.shot}")
def test_released_stores_read_as_they_were_written(root: Path, place: Any) -> None:
    expected = json.loads((root / stores.VALUES).read_text())
    assert stores.checksums(place.version(opened(root))) == expected[f"{place.shot}/{place.kind}"]


@pytest.mark.parametrize("place", stores.PLACES, ids=lambda place: f"{place.kind} {place.shot}")
def test_released_stores_can_be_inspected_and_verified(released: Layout, place: Any) -> None:
    command = ["inspect", place.shot, place.kind, "--verify", "--root", released.root]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "match their checksums" in done.output
    assert place.version(released).id in done.output


def test_stages_take_released_stores_as_inputs(released: Layout, tmp_path: Path) -> None:
    from osf_pipeline.delivery.stage import deliver_shot
    from osf_pipeline.guidance.stage import guide_shot
    from osf_pipeline.stylize.stage import stylize_shot

    gbuffer, guidance = (current(released.store("full", kind)) for kind in ("gbuffer", "guidance"))
    assert gbuffer is not None
    assert guidance is not None
    delivered = deliver_shot(released, "full")
    assert delivered.frames == 3
    with stores.drawn_by_chance(tmp_path / "model"):
        shutil.rmtree(released.store("full", "stylized"))
        drawn = stylize_shot(released, "full")
    assert not drawn.reused
    assert (drawn.metadata["gbuffer"], drawn.metadata["guidance"]) == (gbuffer.id, guidance.id)
    for shot in stores.SHOTS:
        shutil.rmtree(released.store(shot, "guidance"), ignore_errors=True)
        guided = guide_shot(released, shot)
        assert not guided.reused
        assert guided.metadata["gbuffer"] == require(released.store(shot, "gbuffer"), "ingest", shot).id


def test_ingest_goes_on_from_a_released_store(released: Layout) -> None:
    from osf_pipeline.ingest.stage import ingest_shot

    for shot in stores.SHOTS:
        store = released.store(shot, "gbuffer")
        before = {version.id for version in published(store)}
        result = ingest_shot(released, shot)
        assert result.frames == 3
        assert before <= {version.id for version in published(store)}, "the old version is still there"


def test_records_without_what_later_releases_added_are_read(released: Layout) -> None:
    store = released.store("full", "gbuffer")
    version = require(store, "ingest", "full")
    bare = {name: value for name, value in version.record.items() if name not in ("schema", "keys")}
    write_json(f"{store}/{version.id}.json", bare)
    found = reopen(store, version.id)
    assert found.frames == stores.FRAMES
    assert len(set(found.keys)) == len(found.frames)
    assert (found.quarantined, found.held) == ((), ())
    assert CliRunner().invoke(app, ["inspect", "full", "gbuffer", "--verify", "--root", released.root]).exit_code == 0


@pytest.mark.parametrize("where", ["record", "group"])
def test_a_newer_schema_is_refused_before_anything_is_read(released: Layout, where: str) -> None:
    store = released.store("full", "gbuffer")
    version = require(store, "ingest", "full")
    newer = SCHEMA_VERSION + 1
    if where == "record":
        write_json(f"{store}/{version.id}.json", version.record | {"schema": newer, "frames": {"of": "another shape"}})
    else:
        path = f"{version.data_url}/zarr.json"
        metadata = read_json(path) or {}
        metadata["attributes"]["osf"]["schema"] = newer
        write_json(path, metadata)

    with pytest.raises(RequestError, match=f"newer release.*id={version.id}, schema={newer}.*Update"):
        reopen(store, version.id).read(0, 1)
    for command in (
        (["inspect", "full", "gbuffer"], ["guide", "full"]) if where == "record" else (["inspect", "full", "gbuffer"],)
    ):
        done = CliRunner().invoke(app, [*command, "--root", released.root])
        assert (done.exit_code, "newer release" in done.output) == (2, True), command
