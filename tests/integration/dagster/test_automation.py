"""What sensors and schedules ask for, given folders, events and champions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from stand_ins import Stages, run

from assets.resources import OsfProject
from dagster_project import jobs, schedules, sensors, staleness
from osf_pipeline.layout import Layout
from osf_pipeline.tracking.tracker import WEIGHTS, Tracker, model_name

pytestmark = pytest.mark.integration
RESTYLE = {"stylized", "delivery", "evaluation", "review"}


@pytest.fixture
def champions(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Style to champion version, as the registry would tell; empty at first."""
    found: dict[str, int] = {}
    for module in (sensors, schedules):
        monkeypatch.setattr(module, "champions", lambda layout: found)
    return found


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """On disk, because schedules open it by reference."""
    with dg.DagsterInstance.local_temp(str(tmp_path)) as found:
        yield found


def requests(automation: Any, project: OsfProject, instance: dg.DagsterInstance) -> list[dg.RunRequest]:
    """What one tick asks for; partitions it asks for are added, as the daemon would."""
    if isinstance(automation, dg.ScheduleDefinition):
        with dg.build_schedule_context(instance, resources={"osf": project}) as schedule_context:
            return list(automation(schedule_context))
    with dg.build_sensor_context(instance, resources={"osf": project}) as sensor_context:
        found = automation(sensor_context)
    if not isinstance(found, dg.SensorResult):
        return list(found)
    for request in found.dynamic_partitions_requests or ():
        instance.add_dynamic_partitions(request.partitions_def_name, request.partition_keys)
    return list(found.run_requests or ())


def asked(
    automation: Any, project: OsfProject, instance: dg.DagsterInstance
) -> list[tuple[str | None, str | None, set[str]]]:
    """Job, partition and selected assets (empty: the whole job) of each run request."""
    return [
        (r.job_name, r.partition_key, {key.to_user_string() for key in r.asset_selection or ()})
        for r in requests(automation, project, instance)
    ]


def test_new_folders_become_partitions_once_and_are_run(
    project: OsfProject, instance: dg.DagsterInstance, champions: dict[str, int]
) -> None:
    (Path(str(project.root)) / "renders/.trash").mkdir()

    first = asked(sensors.discover, project, instance)

    assert instance.get_dynamic_partitions("shots") == ["walk"]
    assert instance.get_dynamic_partitions("styles") == ["ink"]
    # Without a champion the shot is prepared and waits for one.
    assert first == [("style", "ink", set()), ("shot", "walk", {"gbuffer", "guidance"})]
    (Path(str(project.root)) / "styles/unfinished").mkdir()
    assert asked(sensors.discover, project, instance) == []


def test_a_new_shot_of_a_trained_style_runs_through(
    project: OsfProject, instance: dg.DagsterInstance, champions: dict[str, int]
) -> None:
    champions["ink"] = 1
    assert ("shot", "walk", set()) in asked(sensors.discover, project, instance)


def test_a_promotion_stylizes_the_shots_of_the_style_again(
    project: OsfProject, instance: dg.DagsterInstance, stages: Stages, champions: dict[str, int]
) -> None:
    asked(sensors.discover, project, instance)
    champions["ink"] = 1
    assert asked(sensors.promotion, project, instance) == [], "the shot is not prepared yet"

    run("shot", "walk", project, instance, selection=jobs.PREPARE)
    assert asked(sensors.promotion, project, instance) == [(None, "walk", RESTYLE)]
    assert [r.run_key for r in requests(sensors.promotion, project, instance)] == ["walk ink=1"]

    run("shot", "walk", project, instance, selection=jobs.RESTYLE)
    assert asked(sensors.promotion, project, instance) == [], "it was stylized with the champion"

    champions["ink"] = 2
    assert asked(sensors.promotion, project, instance) == [(None, "walk", RESTYLE)]
    champions["oil"] = 9
    champions["ink"] = 1
    assert asked(sensors.promotion, project, instance) == [], "another style's champion does not matter"


def test_the_nightly_refresh_asks_for_what_is_stale_only(
    project: OsfProject, instance: dg.DagsterInstance, stages: Stages, champions: dict[str, int]
) -> None:
    root = Path(str(project.root))
    champions["ink"] = 1
    asked(sensors.discover, project, instance)
    assert asked(schedules.refresh_shots, project, instance) == [(None, "walk", set())], "it never ran"
    assert asked(schedules.refresh_styles, project, instance) == [(None, "ink", set())]

    run("style", "ink", project, instance)
    run("shot", "walk", project, instance)
    assert asked(schedules.refresh_shots, project, instance) == []
    assert asked(schedules.refresh_styles, project, instance) == []

    champions["ink"] = 2
    assert asked(schedules.refresh_shots, project, instance) == [(None, "walk", RESTYLE)]
    (root / "renders/walk/walk.0002.exr").write_bytes(b"another frame")
    assert asked(schedules.refresh_shots, project, instance) == [(None, "walk", set())]
    (root / "styles/ink/d.png").write_bytes(b"a drawing")
    assert asked(schedules.refresh_styles, project, instance) == [(None, "ink", set())]


def test_a_drawing_comes_out_as_shots_without_another_word(
    project: OsfProject, instance: dg.DagsterInstance, stages: Stages, champions: dict[str, int]
) -> None:
    root = Path(str(project.root))
    asked(sensors.discover, project, instance)
    (root / "drawings/fox").mkdir(parents=True)
    (root / "drawings/fox/drawing.png").write_bytes(b"a fox")
    assert asked(sensors.discover, project, instance) == [("character", "fox", set())]

    assert run("character", "fox", project, instance).success
    champions["ink"] = 1
    assert asked(sensors.discover, project, instance) == [
        ("style", "fox", set()),
        ("shot", "fox_walk", {"gbuffer", "guidance"}),
    ]

    assert asked(schedules.refresh_characters, project, instance) == []
    (root / "drawings/fox/drawing.png").write_bytes(b"another fox")
    assert asked(schedules.refresh_characters, project, instance) == [(None, "fox", set())]


def test_a_shot_that_is_still_being_rendered_is_left_alone(
    project: OsfProject, instance: dg.DagsterInstance, champions: dict[str, int]
) -> None:
    root = Path(str(project.root))
    asked(sensors.discover, project, instance)
    (root / "scenes").mkdir()
    (root / "scenes/run.yaml").write_text("actors: [{character: fox}]\n")
    (root / "renders/run").mkdir()
    (root / "renders/run/run.1001.exr").write_bytes(b"the first frame")
    assert asked(sensors.discover, project, instance) == []
    (root / "renders/run/shot.yaml").write_text('styles: {"*": ink}\n')
    assert [job for job, _, _ in asked(sensors.discover, project, instance)] == ["shot"]


def test_a_bad_shot_file_asks_for_no_models(project: OsfProject) -> None:
    (Path(str(project.root)) / "renders/walk/shot.yaml").write_text("stiles: {}\n")
    assert staleness.wanted_models(project.layout, "walk", {"ink": 1}) is None


def test_champions_come_from_the_registry(project: OsfProject, tmp_path: Path) -> None:
    layout: Layout = project.layout
    assert staleness.champions(layout) == {}
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / WEIGHTS).write_bytes(b"weights")
    tracker = Tracker.at(layout.home)
    with tracker.run("osf-stylizer", "ink", {}, {}) as training:
        version = tracker.register(model_name("ink"), tmp_path / "m", training.id)
    assert staleness.champions(layout) == {}, "a candidate is no champion"
    tracker.set_alias(model_name("ink"), version, "champion")
    assert staleness.champions(layout) == {"ink": 1}
