"""The command line: every verb has help, errors become exit codes, the JSON report says what happened."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from osf_pipeline.cli.console import progress_lines, reporting
from osf_pipeline.cli.main import app
from osf_pipeline.errors import InputDataError, RequestError

VERBS = [
    "annotate", "character", "render", "ingest", "validate", "guide", "hint", "train", "train-occlusion", "stylize",
    "crossover", "deliver", "evaluate", "review", "bake", "run", "ablate", "inspect", "gc", "replay", "generate",
    "doctor",
]  # fmt: skip


def test_every_verb_has_help() -> None:
    runner = CliRunner()
    assert {command.name for command in app.registered_commands} == set(VERBS)
    for words in (
        *([verb] for verb in VERBS),
        ["sample"],
        ["sample", "drawing"],
        ["sample", "figure"],
        ["bench", "occlusion"],
    ):
        result = runner.invoke(app, [*words, "--help"])
        assert result.exit_code == 0, words
        assert words[-1] in result.output


@pytest.mark.parametrize(
    ("error", "code"), [(RequestError("bad"), 2), (InputDataError("bad"), 3), (KeyboardInterrupt(), 5)]
)
def test_an_error_becomes_its_exit_code_and_a_report(tmp_path: Path, error: BaseException, code: int) -> None:
    import typer

    report = tmp_path / "out" / "report.json"
    with pytest.raises(typer.Exit) as caught, reporting(report) as results:
        results.append({"stage": "done before"})
        raise error
    assert caught.value.exit_code == code
    data = json.loads(report.read_text())
    assert data["exit_code"] == code
    assert data["results"] == [{"stage": "done before"}]


def test_a_defect_keeps_its_traceback_and_reports_code_1(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    with pytest.raises(ZeroDivisionError), reporting(report):
        _ = 1 / 0
    data = json.loads(report.read_text())
    assert data["exit_code"] == 1
    assert "ZeroDivisionError" in data["error"]["traceback"]


def test_an_unknown_shot_exits_2_and_says_which_are_there(tmp_path: Path) -> None:
    (tmp_path / "renders" / "s1").mkdir(parents=True)
    result = CliRunner().invoke(app, ["inspect", "s9", "--root", str(tmp_path)])
    assert result.exit_code == 2
    assert "Shots found: s1" in result.output


def test_progress_reports_the_end_on_its_own_line() -> None:
    import io

    out = io.StringIO()
    show = progress_lines(out)
    for done in range(4):
        show(done, 3, "guidance")
    assert out.getvalue().splitlines()[-1] == "  guidance 3/3 100%"
