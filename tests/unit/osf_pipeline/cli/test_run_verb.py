"""`osf run`: what reaches the stages."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from osf_pipeline.cli.main import app
from osf_pipeline.results import StageResult

SHOT = "walk"
STAGES = {
    "ingest_shot": "ingest", "guide_shot": "guidance", "stylize_shot": "stylize", "deliver_shot": "delivery",
    "evaluate_shot": "evaluation", "review_shot": "evaluation",
}  # fmt: skip


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, dict[str, Any]]:
    """Keywords of every stage that was run; the stages themselves do nothing."""
    found: dict[str, dict[str, Any]] = {}

    def stand_in(name: str) -> Any:
        def stage(layout: Any, shot: str, *_: Any, **keywords: Any) -> StageResult:
            found[name] = keywords
            return StageResult(shot, name, "id", "url", False, 1, 0.0, {}, b"")

        return stage

    for name, room in STAGES.items():
        monkeypatch.setattr(f"osf_pipeline.{room}.stage.{name}", stand_in(name))
    gbuffer = SimpleNamespace(attributes={"objects": []})
    monkeypatch.setattr("osf_pipeline.stylize.stage.inputs", lambda *_: (gbuffer, None))
    monkeypatch.setattr("osf_pipeline.training.stage.train_style", stand_in("train_style"))
    for name, text in (("renders/walk/shot.yaml", 'styles: {"*": ink}'), ("presets/bold.yaml", "strength: 0.5")):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    return found


@pytest.mark.parametrize("preset", [None, "bold"])
def test_the_preset_reaches_the_stylizer(calls: dict[str, Any], tmp_path: Path, preset: str | None) -> None:
    words = ["run", SHOT, "--root", str(tmp_path), *(["--preset", preset] if preset else [])]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert calls.keys() == {*STAGES, "train_style"}
    assert calls["stylize_shot"]["preset"] == preset


def test_an_unknown_preset_is_refused_before_anything_is_done(calls: dict[str, Any], tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["run", SHOT, "--root", str(tmp_path), "--preset", "bolt"])
    assert result.exit_code == 2
    assert "Presets found: bold" in result.output
    assert not calls
