"""The occlusion benchmark on a folder of one sequence: measured, reported, continued, asked again."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from osf_pipeline.bench import ablation, plateau, runs, stage
from osf_pipeline.bench.cost import Cost
from osf_pipeline.bench.methods import learning, painted
from osf_pipeline.cli.main import app

pytestmark = pytest.mark.integration

FRAMES = 4


@pytest.fixture(scope="module")
def folder(sample_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody's sequences: one, whose files lie elsewhere."""
    found = tmp_path_factory.mktemp("theirs") / "figure"
    found.mkdir()
    shot = (sample_root / "renders/figure/shot.yaml").read_text()
    shot = re.sub(r"(?m)^(source|frames|styles|reference):.*\n(?:[ -].*\n)*", "", shot)
    renders, truth = (sample_root / kind / "figure" / "figure.####.exr" for kind in ("renders", "truth"))
    (found / "shot.yaml").write_text(f"{shot}source: {renders}\nframes: 1001-{1000 + FRAMES}\nreference: {truth}\n")
    style = sample_root / "styles/figure"
    exemplar = f"{{keyframe: {style}/keyframe.exr, drawing: {style}/drawing.png, adapter: osf}}"
    (found / "style.yaml").write_text(f"exemplars: [{exemplar}]\n")
    return found.parent


@pytest.fixture
def options(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    # A process of its own for every method costs more than all else here; `test_cost` has one.
    monkeypatch.setattr(stage, "cost", lambda *given: Cost(1.0, 10, 64, 0.1, 0.1, 5.0))
    return [
        "bench", "occlusion", "--quick", "--count", "0", "--sequences", str(folder), "--steps", "2", "--threads", "1",
        "--methods", "ours,raw-render,constant-line-overlay", "--root", str(tmp_path / "root"),
    ]  # fmt: skip


def bench(options: list[str]) -> tuple[dict[str, Any], str]:
    done = CliRunner().invoke(app, options)
    assert done.exit_code == 0, done.output
    lines = done.stdout.strip().splitlines()
    return json.loads(lines[-1]), lines[-2]


def test_a_run_measures_reports_and_is_free_the_second_time(
    options: list[str], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    with monkeypatch.context() as patch:
        patch.setattr(runs, "measure", _stop)
        assert CliRunner().invoke(app, options).exit_code == 5
    fits = sorted((tmp_path / "root/benchmark/cache/fits").rglob("*.safetensors"))
    assert len(fits) == 3

    figures, line = bench([*options, "--publish", str(tmp_path / "docs")])
    assert "reused" not in line
    url = Path(line.split()[-1])
    assert sorted((tmp_path / "root/benchmark/cache/fits").rglob("*.safetensors")) == fits  # it went on from there
    assert figures["raw render"]["occlusion band"]["contour_f1"] == 0
    assert figures["ours"]["occlusion band"]["contour_f1"] > 0.5  # even untrained it lays the drawn line
    assert figures["ours"]["all"]["st_lpips"] < figures["raw render"]["all"]["st_lpips"]
    assert figures["ours"]["cost"]["gmac"] == 1.0

    results = pd.read_csv(url / "results.csv")
    assert set(results["sequence"]) == {f"{folder.name}-figure"}
    assert set(results["method"]) == {"ours", "raw render", "constant line overlay"}
    assert results.loc[results["metric"] == "ciede2000", "frames"].max() == FRAMES
    assert not results.duplicated(["method", "seed", "region", "metric"]).any()
    report = (url / "benchmark.md").read_text()
    assert "makes no claims" in report
    published = (tmp_path / "docs/benchmark_tables.md").read_text()
    assert published.startswith(report)
    for name in ("worst.png", f"bars_equal_steps_{folder.name}.png"):
        assert (tmp_path / "docs/images/benchmark" / name).read_bytes() == (url / name).read_bytes()
        assert name in published

    monkeypatch.setattr(runs, "measure", _stop)
    monkeypatch.setattr("osf_pipeline.bench.ours.train", _stop)
    assert bench(options) == (figures, line.replace(line[line.index("[") : line.index("]") + 1], "[reused]"))
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_an_ablation_tells_what_changes_nothing(options: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ablation, "STRENGTHS", (0.0, 1.0))
    monkeypatch.setattr(ablation, "KEYFRAMES", (1, 2))
    asked = ["ablate", *options[2:-4], *options[-2:], "--drop", "revealed,contour", "--sweep", "strength,keyframes"]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    figures, url = (
        json.loads(done.stdout.strip().splitlines()[-1]),
        Path(done.stdout.strip().splitlines()[-2].split()[-1]),
    )
    report = (url / "ablation.md").read_text()
    assert re.search(r"no revealed \|[^|]*\| changes nothing: same weights, same pixels", report)
    assert re.search(r"no contour \|[^|]*\| see below", report)
    assert figures["no revealed"] == figures["ours"]
    summary = pd.read_csv(url / "summary.csv", dtype={"method": str})
    swept = summary[summary["set"].str.startswith("strength") & (summary["region"] == "all")]
    recall = swept[swept["metric"] == "contour_recall"].set_index("method")["median"]
    assert recall["0"] == 0
    assert recall["1"] > 0.5
    painted = summary[summary["set"].str.startswith("keyframes")]
    assert set(painted["method"]) == {"1", "2"}
    results = pd.read_csv(url / "results.csv")
    counted = results[results["set"].str.startswith("keyframes") & (results["metric"] == "ciede2000")]
    assert counted["frames"].max() == FRAMES - 1  # a frame that was painted is not measured
    assert (url / "sweep_strength.png").exists()


def test_a_plateau_is_compared_beside_equal_steps(options: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    small = learning.RECIPE.model_copy(update={"width": 8, "blocks": 1, "batch": 2})
    for module in (learning, painted):
        monkeypatch.setattr(module, "RECIPE", small)
    monkeypatch.setattr(plateau, "SIZE", 64)
    monkeypatch.setattr(plateau, "ROUNDS", 2)
    root, threads = options[-2:], options[options.index("--threads") :][:2]
    asked = [
        "bench", "occlusion", "--quick", "--plateau", "1", "--count", "2", "--characters", "1", "--frames", "2",
        "--size", "64", "--steps", "2", "--methods", "raw-render", *threads, *root,
    ]  # fmt: skip
    figures, line = bench(asked)
    assert set(figures) == {"ours", "raw render"}
    report = (Path(line.split()[-1]) / "benchmark.md").read_text()
    section = report[report.index("## To the plateau: test-0-64x64") :]
    assert "Median over 1 sequences of 1 characters, 1 seeds" in section
    spent = section[section.index("## Steps to the plateau: two-stage, to its plateau") :]
    steps, in_all = re.search(r"\| test-art\d+ \| (\d) \| (\d) \|", spent).groups()  # type: ignore[union-attr]
    assert int(steps) in {2, 4}
    assert int(in_all) == 6
    summary = pd.read_csv(Path(line.split()[-1]) / "summary.csv")
    compared = summary[summary["comparison"] == "to the plateau"]
    assert list(dict.fromkeys(compared["method"])) == ["ours", "two-stage", "two-stage, to its plateau"]
    assert "[reused]" in bench(asked)[1]


def _stop(*given: Any, **named: Any) -> None:
    raise KeyboardInterrupt
