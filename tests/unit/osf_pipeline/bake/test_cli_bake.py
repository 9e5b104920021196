"""`osf bake`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer
from typer.testing import CliRunner

from osf_pipeline.cli import bake

if TYPE_CHECKING:
    from conftest import Shot


def test_bakes_and_reports(short_shot: Shot) -> None:
    app, runner = typer.Typer(), CliRunner()
    app.command()(bake.command)
    root = short_shot.layout.root
    report = f"{root}/report.json"
    done = runner.invoke(app, ["plate", "--root", root, "--objects", "plate", "--size", "32", "--report", report])
    assert done.exit_code == 0, done.output
    with open(report) as file:
        (result,) = json.load(file)["results"]
    assert result["metadata"]["objects"][0]["size"] == "32x32"
    refused = runner.invoke(app, ["plate", "--root", root, "--objects", "cup"])
    assert refused.exit_code == 2
    assert "no such stylized object" in refused.output
