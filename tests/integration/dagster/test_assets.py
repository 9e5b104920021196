"""Materializations: order, metadata, checks that block."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pytest
from stand_ins import Stages, run

from assets.resources import OsfProject
from dagster_project.definitions import defs
from osf_pipeline.errors import InputDataError
from osf_pipeline.validate.findings import Finding

pytestmark = pytest.mark.integration
SHOT = ["gbuffer", "guidance", "stylized", "delivery", "evaluation", "review"]


def metadata(result: Any, asset: str) -> dict[str, Any]:
    (event,) = [e for e in result.get_asset_materialization_events() if e.asset_key == dg.AssetKey(asset)]
    return {key: value.value for key, value in event.materialization.metadata.items()}


def test_a_shot_runs_through_its_stages_in_order(
    project: OsfProject, instance: dg.DagsterInstance, stages: Stages
) -> None:
    result = run("shot", "walk", project, instance)

    assert result.success
    assert stages.calls[:4] == ["gbuffer", "guidance", "stylized", "delivery"] or stages.calls[3:5] == [
        "evaluation",
        "delivery",
    ]
    assert sorted(stages.calls) == sorted(SHOT)
    assert stages.calls[-1] == "review"
    for asset in SHOT:
        found = metadata(result, asset)
        assert (found["frame_count"], found["seconds"], found["identity"]) == (24, 0.5, f"id-{asset}")
        assert found["location"].endswith(f"stores/walk/{asset}")
        assert found["megabytes"] == 0.001
        assert found["preview"].startswith("![preview](data:image/png;base64,")


def test_the_models_used_are_tags_of_the_stylized_layers(
    project: OsfProject, instance: dg.DagsterInstance, stages: Stages
) -> None:
    stages.version = 7
    result = run("shot", "walk", project, instance)
    (event,) = [e for e in result.get_asset_materialization_events() if e.asset_key == dg.AssetKey("stylized")]
    tags = event.materialization.tags or {}
    assert (tags["osf/model.ink"], tags["dagster/data_version"]) == ("7", "id-stylized")


def test_a_style_is_trained_with_the_recipe_of_its_run(
    project: OsfProject, instance: dg.DagsterInstance, stages: Stages
) -> None:
    result = run("style", "ink", project, instance, ops={"stylizer": {"config": {"recipe": {"steps": 20}}}})
    assert stages.calls == ["train ink {'steps': 20}"]
    found = metadata(result, "stylizer")
    assert (found["model"], found["version"], found["psnr"]) == ("osf-stylizer-ink", 1, 25.0)


@pytest.mark.parametrize("found_by", ["headers", "pixels"])
def test_refused_data_fails_its_check_and_stops_the_shot(
    project: OsfProject, instance: dg.DagsterInstance, stages: Stages, found_by: str
) -> None:
    stages.refusal = InputDataError(
        "3 values are not finite",
        rule="non_finite",
        file="walk.0007.exr",
        frame=7,
        channel="depth.Z",
        fix="Render it again.",
    )
    if found_by == "headers":
        stages.findings = [
            Finding("non_finite", "error", "walk.0007.exr", 7, "depth.Z", "3 values are not finite", "Render it again.")
        ]

    result = run("shot", "walk", project, instance)

    assert not result.success
    assert stages.calls == []
    checks = {c.check_name: c for c in result.get_asset_check_evaluations()}
    assert {name: check.passed for name, check in checks.items()} == {"pixels": False}
    assert "error non_finite: 3 values are not finite (frame=7, channel=depth.Z, file=walk.0007.exr)" in str(
        checks["pixels"].description
    )
    (row,) = checks["pixels"].metadata["findings"].records
    assert (row.data["file"], row.data["frame"], row.data["fix"]) == ("walk.0007.exr", 7, "Render it again.")
    (failure,) = [e for e in result.all_node_events if e.is_step_failure]
    assert "InputDataError" in failure.event_specific_data.error.to_string()


def test_warnings_show_and_do_not_block(project: OsfProject, instance: dg.DagsterInstance, stages: Stages) -> None:
    stages.findings = [Finding("lossy", "warning", "walk.0001.exr", None, "Z", "depth is stored as DWAA", "Write ZIP.")]
    result = run("shot", "walk", project, instance)
    assert result.success
    checks = {c.check_name: c for c in result.get_asset_check_evaluations()}
    assert (checks["files"].passed, checks["files"].severity) == (False, dg.AssetCheckSeverity.WARN)
    assert stages.calls[-1] == "review"


def test_a_drawing_becomes_a_rig_and_renders(project: OsfProject, instance: dg.DagsterInstance, stages: Stages) -> None:
    result = run("character", "fox", project, instance, ops={"renders": {"config": {"motions": ["walk", "wave"]}}})
    assert result.success
    assert stages.calls == ["build fox", "render fox ['walk', 'wave']"]
    rig, renders = metadata(result, "rig"), metadata(result, "renders")
    assert (rig["style"], rig["joints"], rig["seconds"]) == ("fox", "char_cfg.yaml", 3.0)
    assert rig["location"].endswith("characters/fox/id-character")
    assert renders["scenes"] == 2
    assert [record["shot"] for record in (row.data for row in renders["rendered"].records)] == ["fox_walk", "fox_wave"]


def test_a_bake_is_a_job_of_its_own(project: OsfProject, instance: dg.DagsterInstance, stages: Stages) -> None:
    result = run("bake", "walk", project, instance)
    assert result.success
    assert stages.calls == ["bake"]
    assert metadata(result, "baked")["seen"] == 0.8


def test_the_benchmark_needs_no_shot_and_shows_its_headline(
    project: OsfProject, instance: dg.DagsterInstance, stages: Stages
) -> None:
    config = {"quick": True, "steps": 9, "methods": ["ours", "raw render"]}
    result = (
        defs()
        .resolve_job_def("benchmark")
        .execute_in_process(
            run_config={
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                "resources": {"osf": {"config": {"root": project.root}}},
                "ops": {"occlusion_benchmark": {"config": config}},
            },
            instance=instance,
        )
    )
    assert result.success
    assert stages.calls == ["bench 1 9 ('ours', 'raw render')"]
    found = metadata(result, "occlusion_benchmark")
    assert (found["identity"], found["claims"]) == ("id-bench", False)
    assert found["occlusion_band"].records[0].data == {"method": "ours", "contour_f1": 0.97}
    assert found["preview"].startswith("![preview](data:image/png;base64,")
