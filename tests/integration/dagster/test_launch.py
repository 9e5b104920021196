"""The console launcher and the servers a person starts."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from stand_ins import Stages
from typer.testing import CliRunner

from assets.resources import OsfProject
from dagster_project.launch import app, home_of
from osf_pipeline.errors import InputDataError

pytestmark = pytest.mark.integration
REPOSITORY = Path(__file__).resolve().parents[3]
BIN = Path(sys.executable).parent


def launch(project: OsfProject, *arguments: str) -> Any:
    return CliRunner().invoke(app, ["--root", str(project.root), *arguments])


def test_a_launch_trains_then_runs_the_shot_and_records_both(
    project: OsfProject, stages: Stages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")
    # The stand-ins publish no store; what `where` says of a real one is tested with the real stages.
    monkeypatch.setattr("dagster_project.launch.where", lambda layout, shot: [f"review page of {shot}"])
    done = launch(project, "--shot", "walk", "--steps", "20")

    assert done.exit_code == 0, done.output
    assert stages.calls[0] == "train ink {'steps': 20}"
    assert stages.calls[-1] == "review"
    lines = [line.split()[0] for line in done.stdout.splitlines()]
    assert lines[:6] == ["==", "train", "==", "gbuffer", "guidance", "stylized"]
    assert done.stdout.splitlines()[-1] == "review page of walk"
    with dg.DagsterInstance.from_config(str(home_of(project.layout))) as instance:
        assert [run.job_name for run in instance.get_runs()] == ["shot", "style"]
        assert all(run.is_success for run in instance.get_runs())
        assert instance.get_dynamic_partitions("shots") == ["walk"]
        assert instance.telemetry_enabled is False


def test_a_launch_from_a_drawing_makes_the_character_its_shots_and_its_style(
    project: OsfProject, stages: Stages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.setattr("dagster_project.launch.where", lambda layout, shot: [f"review page of {shot}"])
    monkeypatch.setattr("dagster_project.launch.scenes_of", lambda layout, character: [f"{character}_jump"])
    (Path(str(project.root)) / "drawings/fox").mkdir(parents=True)
    done = launch(project, "--character", "fox", "--motion", "jump")

    assert done.exit_code == 0, done.output
    assert stages.calls[:4] == ["build fox", "render fox ['jump']", "train fox {}", "gbuffer"]
    assert done.stdout.splitlines()[-1] == "review page of fox_jump"
    with dg.DagsterInstance.from_config(str(home_of(project.layout))) as instance:
        assert [run.job_name for run in instance.get_runs()] == ["shot", "style", "character"]
        assert instance.get_dynamic_partitions("characters") == ["fox"]


@pytest.mark.parametrize("arguments", [(), ("--shot", "walk", "--character", "fox")])
def test_a_launch_starts_from_one_thing(project: OsfProject, stages: Stages, arguments: tuple[str, ...]) -> None:
    done = launch(project, *arguments)
    assert (done.exit_code, stages.calls) == (2, [])
    assert "Give either --shot or --character" in done.stderr


def test_a_user_error_is_one_line_with_its_exit_code(
    project: OsfProject, stages: Stages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")
    stages.refusal = InputDataError("a damaged file", rule="truncated", file="walk.0007.exr", fix="Copy it again.")
    done = launch(project, "--shot", "walk")
    assert done.exit_code == 3
    assert "error: a damaged file (rule=truncated, file=walk.0007.exr). Copy it again." in done.stderr
    assert "Traceback" not in done.output


def test_an_unknown_shot_runs_nothing(project: OsfProject, stages: Stages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")
    done = launch(project, "--shot", "wlak")
    assert (done.exit_code, stages.calls) == (2, [])
    assert "Shots found: walk" in done.stderr


@pytest.mark.parametrize("command", [["dagster", "dev", "-w", "workspace.yaml"], ["dg", "dev"]], ids=["dagster", "dg"])
def test_a_dev_server_loads_the_code_location(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "dagster.yaml").write_bytes((REPOSITORY / "infra" / "dagster.yaml").read_bytes())
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = {**os.environ, "DAGSTER_HOME": str(tmp_path / "home"), "OSF_ROOT": str(tmp_path / "root")}
    process = subprocess.Popen(
        [str(BIN / command[0]), *command[1:], "--host", "127.0.0.1", "--port", str(port)],
        cwd=REPOSITORY, env={**environment, "PATH": f"{BIN}:{environment['PATH']}"}, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(600):  # a busy machine takes its time
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=2).close()
                break
            except OSError:
                assert process.poll() is None, "the server ended early"
                time.sleep(0.3)
        query = "{assetNodes{assetKey{path}} workspaceOrError{... on Workspace{locationEntries{name loadStatus}}}}"
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/graphql",
            json.dumps({"query": query}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            data = json.load(answer)["data"]
    finally:
        # How long Dagster takes to stop is its own affair, and on a busy machine it is minutes.
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert data["workspaceOrError"]["locationEntries"] == [{"name": "osf", "loadStatus": "LOADED"}]
    assert {node["assetKey"]["path"][0] for node in data["assetNodes"]} == {
        "rig", "renders", "stylizer", "gbuffer", "guidance", "stylized", "delivery", "evaluation", "review", "baked",
        "occlusion_benchmark",
    }  # fmt: skip
