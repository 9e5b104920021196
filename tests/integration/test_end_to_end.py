"""The main job on a small sample: every stage, twice, through Ray, after a kill, and on an object store."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import OpenEXR
import pytest

from osf_pipeline.errors import InputDataError
from osf_pipeline.execution import Execution
from osf_pipeline.guidance.stage import guide_shot
from osf_pipeline.ingest.stage import ingest_shot
from osf_pipeline.layout import Layout
from osf_pipeline.run import run_shot
from osf_pipeline.store.build import verify
from osf_pipeline.store.version import Version, current, published
from osf_pipeline.stylize.stage import stylize_shot

pytestmark = pytest.mark.integration
SHOT = "figure"
KINDS = ("gbuffer", "guidance", "stylized")


def versions(layout: Layout) -> dict[str, Version]:
    found = {kind: current(layout.store(SHOT, kind)) for kind in KINDS}
    return {kind: version for kind, version in found.items() if version is not None}


@pytest.fixture(scope="module")
def done(sample_root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Layout, dict[str, object]]:
    """A root on which the whole job has run once, in a plain loop."""
    root = tmp_path_factory.mktemp("done") / "root"
    shutil.copytree(sample_root, root)
    layout = Layout.of(str(root))
    results = {type(r).__name__ + getattr(r, "kind", ""): r for r in run_shot(layout, SHOT)}
    return layout, results


def test_the_layers_are_delivered_with_the_sources_frame_numbers(done: tuple[Layout, dict[str, object]]) -> None:
    layout, _ = done
    folder = Path(layout.delivery(SHOT, versions(layout)["stylized"].id))
    assert [p.name for p in sorted((folder / "exr").iterdir())] == [f"figure.{f}.exr" for f in range(1001, 1011)]
    assert len(list((folder / "png").glob("*.png"))) == 10
    assert (folder / "figure.mp4").stat().st_size > 1000
    assert (folder / "review" / "index.html").exists()
    with OpenEXR.File(str(folder / "exr" / "figure.1004.exr"), separate_channels=True) as image:
        channels = {name: channel.pixels.astype(np.float32) for name, channel in image.channels().items()}
    with OpenEXR.File(str(Path(layout.renders(SHOT)) / "figure.1004.exr"), separate_channels=True) as image:
        render = {name: image.channels()[name].pixels for name in "RGBA"}
    for name in "RGBA":
        np.testing.assert_array_equal(channels[f"fill.{name}"], render[name].astype(np.float32))
        over = channels[f"line.{name}"] + channels[f"fill.{name}"] * (1 - channels["line.A"])
        np.testing.assert_allclose(channels[name], over, atol=2e-3)
    assert channels["line.A"].max() > 0.8


def test_the_launcher_says_where_the_results_are(done: tuple[Layout, dict[str, object]]) -> None:
    from dagster_project.launch import where

    page, video, frames, ui = where(done[0], SHOT)
    assert Path(page.split()[-1]).is_file()
    assert Path(video.split()[-1]).is_file()
    assert Path(frames.split()[-1].replace("####", "1004")).is_file()
    assert f"OSF_ROOT={done[0].root}" in ui


def test_ours_beats_both_baselines_on_the_exact_truth(done: tuple[Layout, dict[str, object]]) -> None:
    layout, _ = done
    folder = Path(layout.delivery(SHOT, versions(layout)["stylized"].id))
    scores = json.loads((folder / "evaluation" / "summary.json").read_text())["headline"]
    for region in ("all", "contour_band", "occlusion_band"):
        for baseline in ("raw_render", "texture_lookup"):
            assert scores[f"ours/{region}/contour_f1"] > scores[f"{baseline}/{region}/contour_f1"]
            assert scores[f"ours/{region}/ciede2000"] < scores[f"{baseline}/{region}/ciede2000"]


def test_the_trainings_run_holds_all_that_made_the_model_and_what_was_measured(
    done: tuple[Layout, dict[str, object]],
) -> None:
    from osf_pipeline.tracking.tracker import Tracker, model_name

    layout, _ = done
    run = Tracker.at(layout.home).run_of(model_name("figure"), 1)
    stored = run.client.get_run(run.id)
    assert (stored.data.params["seed"], stored.data.params["steps"], stored.data.params["rate"]) == ("0", "40", "0.002")
    told = {"python", "torch", "processor", "threads", "precision", "mlflow"}
    assert {f"environment.{name}" for name in told} <= set(stored.data.tags)
    (learnt_from,) = stored.inputs.dataset_inputs
    assert (learnt_from.dataset.name, len(learnt_from.dataset.digest)) == ("figure", 16)
    assert [m.step for m in run.client.get_metric_history(run.id, "total")] == [10, 20, 30, 40]
    assert [m.step for m in run.client.get_metric_history(run.id, "held_out")] == [40, 40]  # the check, and the card
    assert {"silhouette.line_recall", "silhouette.color_error", "stopped_at"} <= set(stored.data.metrics)
    assert f"{SHOT}/all/contour_f1" in stored.data.metrics
    files = {"recipe.yaml", "style.yaml", "environment.yaml", "losses.csv", "losses.png", "previews", "model"}
    assert files == {file.path for file in run.client.list_artifacts(run.id)}
    assert [file.path for file in run.client.list_artifacts(run.id, "previews")] == ["previews/000040.png"]


def test_a_second_run_does_no_work(done: tuple[Layout, dict[str, object]]) -> None:
    layout, first = done
    ids = {kind: version.record for kind, version in versions(layout).items()}
    again = {type(r).__name__ + getattr(r, "kind", ""): r for r in run_shot(layout, SHOT)}
    assert again.keys() == first.keys()
    assert all(result.reused for result in again.values()), {k: r.reused for k, r in again.items()}
    assert {kind: version.record for kind, version in versions(layout).items()} == ids


def test_ray_gives_the_plain_loops_bytes(done: tuple[Layout, dict[str, object]], root: Path) -> None:
    layout, _ = done
    shutil.copytree(layout.home, root / "home")
    mine = Layout.of(str(root), layout.home)  # the same registry: the same weights
    execution = Execution(backend="ray")
    for stage in (ingest_shot, guide_shot, stylize_shot):
        assert not stage(mine, SHOT, execution).reused
    expected = versions(layout)
    for kind, version in versions(mine).items():
        # Ids of G-buffers agree because they are made of contents, not of places.
        assert version.id == expected[kind].id
        assert version.record["shards"] == expected[kind].record["shards"], kind
        assert verify(version) > 0


def test_a_killed_ingest_continues_and_ends_equal(done: tuple[Layout, dict[str, object]], root: Path) -> None:
    layout = Layout.of(str(root))
    store = Path(layout.store(SHOT, "gbuffer"))
    command = [
        sys.executable,
        "-c",
        "from osf_pipeline.cli.main import main; main()",
        "ingest",
        SHOT,
        "--root",
        str(root),
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not list(store.glob("attempts/*/commits/*.json")):
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
    assert published(str(store)) == []
    (commit,) = store.glob("attempts/*/commits/*.json")
    kept = commit.stat().st_mtime_ns
    result = ingest_shot(layout, SHOT)
    assert Path(result.url) == commit.parent.parent
    assert commit.stat().st_mtime_ns == kept, "the finished shard was written again"
    assert versions(layout)["gbuffer"].record["shards"] == versions(done[0])["gbuffer"].record["shards"]


def test_a_truncated_frame_is_named_and_nothing_is_published(root: Path) -> None:
    layout = Layout.of(str(root))
    frame = Path(layout.renders(SHOT)) / "figure.1005.exr"
    frame.write_bytes(frame.read_bytes()[:-2000])
    with pytest.raises(InputDataError) as caught:
        ingest_shot(layout, SHOT)
    assert caught.value.where["frame"] == 1005
    assert caught.value.where["file"].endswith("figure.1005.exr")
    assert published(layout.store(SHOT, "gbuffer")) == []


def test_the_root_may_be_an_object_store(
    done: tuple[Layout, dict[str, object]], root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import fsspec
    from moto.moto_server.threaded_moto_server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        fs = fsspec.filesystem("s3", skip_instance_cache=True)
        fs.mkdir("season")
        for folder in ("renders", "styles", "truth"):
            fs.put(str(root / folder), f"season/show/{folder}", recursive=True)
        layout = Layout.of("s3://season/show", done[0].home)
        results = list(run_shot(layout, SHOT))  # the style is in the registry already
        assert [getattr(r, "kind", "train") for r in results] == [
            "gbuffer", "guidance", "train", "stylized", "delivery", "evaluation", "review",
        ]  # fmt: skip
        assert fs.exists(f"{results[-1].url.removeprefix('s3://')}")
        here, there = versions(done[0]), versions(layout)
        assert {k: v.id for k, v in there.items()} == {k: v.id for k, v in here.items()}
        np.testing.assert_array_equal(
            there["stylized"].read(0, 2, ("line",))["line"], here["stylized"].read(0, 2, ("line",))["line"]
        )
        assert ingest_shot(layout, SHOT).reused
    finally:
        server.stop()
