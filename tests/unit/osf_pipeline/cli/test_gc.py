"""`osf gc` says what would go, and removes only when told to."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from osf_pipeline.cli.main import app
from osf_pipeline.layout import Layout
from osf_pipeline.store.files import read_json, write_json
from osf_pipeline.store.version import current, set_current

ROOT = Path(__file__).resolve().parents[3] / "data" / "stores" / "schema-1"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A root where the current stylized version of shot `full` has an older one beside it."""
    layout = Layout.of(str(shutil.copytree(ROOT, tmp_path / "root")))
    store = layout.store("full", "stylized")
    version = current(store)
    assert version is not None
    other = version.record | {"id": "0" * 16, "attempt": "0" * 32}
    shutil.copytree(version.url, f"{store}/attempts/{'0' * 32}")
    write_json(f"{store}/{'0' * 16}.json", other)
    return layout


def run(layout: Layout, *options: str) -> str:
    done = CliRunner().invoke(app, ["gc", *options, "--root", layout.root])
    assert done.exit_code == 0, done.output
    return done.output


def test_nothing_goes_without_being_told_to(layout: Layout) -> None:
    before = sorted(Path(layout.root).rglob("*"))
    out = run(layout, "--keep", "0")
    assert f"stylized/{'0' * 16}.json  (nothing needs it)" in out
    assert "--delete removes it" in out
    assert [path for path in sorted(Path(layout.root).rglob("*")) if path.name != ".lock"] == before


def test_told_to_it_removes_and_reports(layout: Layout, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    out = run(layout, "full", "--keep", "0", "--delete", "--report", str(report))
    (result,) = json.loads(report.read_text())["results"]
    removed = [item for item in result["items"] if item["fate"] == "removed"]
    assert [item["kind"] for item in removed] == ["version", "attempt"]
    assert result["bytes"]["removed"] == sum(item["bytes"] for item in removed) > 10_000
    assert "removed" in out
    assert read_json(f"{layout.store('full', 'stylized')}/{'0' * 16}.json") is None
    assert not Path(layout.store("full", "stylized"), "attempts", "0" * 32).exists()


def test_a_version_behind_a_delivery_stays(layout: Layout) -> None:
    write_json(f"{layout.delivery('full', '0' * 16)}-1234abcd/delivery.json", {})
    out = run(layout, "full", "--keep", "0", "--delete")
    assert f"delivery {'0' * 16}-1234abcd is made from it" in out
    set_current(layout.store("full", "stylized"), "0" * 16)
    assert current(layout.store("full", "stylized")) is not None


def test_a_shot_without_stores_is_a_bad_request(layout: Layout) -> None:
    done = CliRunner().invoke(app, ["gc", "nope", "--root", layout.root])
    assert done.exit_code == 2
    assert "Shots with stores: estimated, full" in done.output
