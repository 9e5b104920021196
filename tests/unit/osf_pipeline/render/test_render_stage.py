"""Scenes to shots: done once, gone on with after a kill, done again when something changed, never over foreign work."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from osf_pipeline.character.character import Character
from osf_pipeline.config import ShotConfig, load_yaml
from osf_pipeline.errors import RequestError
from osf_pipeline.execution import Execution
from osf_pipeline.ingest.stage import ingest_shot
from osf_pipeline.layout import Layout
from osf_pipeline.render import stage as stage_module
from osf_pipeline.render.sequence import RayCastRenderer
from osf_pipeline.render.stage import add_scene, render_scenes, render_shot
from osf_pipeline.scenes import Actor, CameraMove, Prop, SceneConfig, Sun, read_scene, write_scene
from osf_pipeline.store.claim import hold

SCENE = SceneConfig(
    actors=(Actor(character="boxer", motion="wave"),), frames="1001-1010", width=32, height=32, supersample=1
)


def names(layout: Layout, shot: str = "duel") -> list[str]:
    return sorted(p.name for p in Path(layout.renders(shot)).iterdir() if not p.name.startswith("."))


def frames(layout: Layout, shot: str = "duel") -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in Path(layout.renders(shot)).glob("*.exr")}


def test_a_scene_becomes_a_shot_once(stage: Layout) -> None:
    write_scene(stage, "duel", SCENE)
    seen: list[tuple[int, int]] = []
    result = render_shot(stage, "duel", progress=lambda done, total, _: seen.append((done, total)))
    assert names(stage) == [*(f"duel.{f}.exr" for f in range(1001, 1011)), "render.json", "shot.yaml"]
    assert seen == [(8, 10), (10, 10)]
    assert (result.shot, result.kind, result.reused, result.frames) == ("duel", "renders", False, 10)
    assert result.preview_png
    assert result.preview_png.startswith(b"\x89PNG")
    shot = load_yaml(f"{stage.renders('duel')}/shot.yaml", ShotConfig)
    assert (shot.styles, shot.frames) == ({"boxer": "boxer"}, "1001-1010")
    before = frames(stage)
    Path(stage.renders("duel"), "shot.yaml").write_text("fps: 12\n")  # an artist's own change stays
    again = render_shot(stage, "duel")
    assert (again.reused, again.id) == (True, result.id)
    assert frames(stage) == before
    assert stage.shot_config("duel").fps == 12


def test_a_killed_run_goes_on_and_ends_the_same(stage: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    for shot in ("whole", "duel"):
        write_scene(stage, shot, SCENE)
    render_shot(stage, "whole")
    calls: list[list[int]] = []
    real = RayCastRenderer.render

    def dies(self: RayCastRenderer, scene: Any, wanted: Any, *rest: Any) -> None:
        calls.append(list(wanted))
        if len(calls) == 2:
            raise KeyboardInterrupt
        real(self, scene, wanted, *rest)

    monkeypatch.setattr(RayCastRenderer, "render", dies)
    with pytest.raises(KeyboardInterrupt):
        render_shot(stage, "duel")
    assert "shot.yaml" not in names(stage)
    assert len(frames(stage)) == 8
    Path(stage.renders("duel"), "duel.1003.exr").write_bytes(b"torn")  # not the recorded file
    Path(stage.renders("duel"), "duel.1009.exr").write_bytes(b"never recorded")
    calls += [[]]
    render_shot(stage, "duel")
    assert calls[3:] == [[1003], [1009, 1010]]
    assert {n.replace("duel", "whole"): d for n, d in frames(stage).items()} == frames(stage, "whole")
    assert "shot.yaml" in names(stage)


def test_threads_and_supersampling(stage: Layout) -> None:
    for shot, threads in (("one", 1), ("three", 3)):
        write_scene(stage, shot, SCENE.model_copy(update={"light": Sun(), "supersample": 3}))
        render_shot(stage, shot, Execution(threads=threads))
    one, three = frames(stage, "one"), frames(stage, "three")
    assert [one[name] for name in sorted(one)] == [three[name] for name in sorted(three)]


@pytest.mark.parametrize("what", ["scene", "character", "motion", "version"])
def test_a_changed_scene_is_rendered_again(
    stage: Layout, character: Character, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk = Path(stage.motions(), "step.bvh")
    walk.parent.mkdir(parents=True)
    walk.write_text(_bvh(0.0))
    scene = SCENE.model_copy(update={"actors": (Actor(character="boxer", motion="step"),)})
    write_scene(stage, "duel", scene)
    first, old = render_shot(stage, "duel"), frames(stage)
    if what == "scene":
        shorter = scene.model_copy(update={"frames": "1001-1004"})
        with pytest.raises(RequestError, match="another scene"):
            write_scene(stage, "duel", shorter)
        write_scene(stage, "duel", shorter, force=True)
    elif what == "character":
        dark = dataclasses.replace(character, texture=character.texture * 0)
        dark.save(f"{stage.character('boxer')}/v2")
        Path(stage.character("boxer"), "current.json").write_text(json.dumps({"id": "v2"}))
    elif what == "motion":
        walk.write_text(_bvh(30.0))
    else:
        monkeypatch.setattr(stage_module, "STAGE_VERSION", 99)
    second = render_shot(stage, "duel")
    assert second.id != first.id
    assert not second.reused
    new = frames(stage)
    if what == "scene":
        assert len(new) == 4  # none of the old range is left
    elif what == "version":
        assert new == old
    else:
        assert all(new[name] != old[name] for name in old)


def test_old_frames_are_gone_before_the_first_new_one(stage: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    write_scene(stage, "duel", SCENE)
    render_shot(stage, "duel")
    write_scene(stage, "duel", SCENE.model_copy(update={"width": 48}), force=True)

    def dies(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(RayCastRenderer, "render", dies)
    with pytest.raises(KeyboardInterrupt):
        render_shot(stage, "duel")
    assert names(stage) == ["render.json"]


def test_foreign_renders_are_never_touched(stage: Layout) -> None:
    write_scene(stage, "duel", SCENE)
    foreign = Path(stage.renders("duel"), "plate.1001.exr")
    foreign.parent.mkdir(parents=True)
    foreign.write_bytes(b"a studio's own")
    with pytest.raises(RequestError, match=r"not made by `osf render`.*plate\.1001\.exr"):
        render_shot(stage, "duel")
    assert names(stage) == ["plate.1001.exr"]


def test_two_runs_of_one_shot_are_refused(stage: Layout) -> None:
    write_scene(stage, "duel", SCENE)
    claim = hold(stage.renders("duel"))
    assert claim is not None
    with claim, pytest.raises(RequestError, match="another run"):
        render_shot(stage, "duel")


def test_what_does_not_exist_is_named_with_what_does(stage: Layout) -> None:
    write_scene(stage, "duel", SCENE)
    with pytest.raises(RequestError, match=r"no such scene.*duel"):
        render_shot(stage, "other")
    for key, actor, match in (
        ("who", Actor(character="nobody"), r"unknown character.*boxer, twin"),
        ("how", Actor(character="boxer", motion="fly"), r"no such motion.*walk"),
    ):
        write_scene(stage, key, SCENE.model_copy(update={"actors": (actor,)}))
        with pytest.raises(RequestError, match=match):
            render_shot(stage, key)
        assert not Path(stage.renders(key)).exists()


def test_the_scenes_of_a_character(stage: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own ones, and one for each motion asked for; those that lack somebody wait; without any it walks."""
    small = {"frames": "1-2", "width": 16, "height": 16, "supersample": 1}
    write_scene(stage, "solo", SceneConfig(actors=(Actor(character="boxer"),), **small))
    waiting = (Actor(character="boxer"), Actor(character="unborn"))
    write_scene(stage, "waiting", SceneConfig(actors=waiting, **small))
    assert [result.shot for result in render_scenes(stage, "boxer", [])] == ["solo"]
    write_scene(stage, "twin_turn", SceneConfig(actors=(Actor(character="twin", motion="turn"),), **small))
    assert [result.shot for result in render_scenes(stage, "twin", [])] == ["twin_turn"]
    monkeypatch.setattr(stage_module, "render_shot", lambda layout, shot, *_: shot)
    kept = read_scene(stage, "twin_turn")
    assert render_scenes(stage, "twin", ["turn", "wave"]) == ["twin_turn", "twin_wave"]
    assert read_scene(stage, "twin_turn") == kept
    assert read_scene(stage, "twin_wave") == SceneConfig(actors=(Actor(character="twin", motion="wave"),))
    for shot in ("twin_turn", "twin_wave"):
        Path(stage.scene(shot)).unlink()
    assert render_scenes(stage, "twin", []) == ["twin_walk"]


def test_a_rendered_scene_is_ingested_without_a_finding(stage: Layout) -> None:
    """Two that touch, a pole in front, a ball that crosses, ground at a grazing angle, sun, a camera that moves."""
    pole = Prop(name="pole", shape="pole", size=(0.08, 2.4, 0.08), path=((-0.8, 1.2, 0.9), (0.8, 1.2, 0.9)))
    ball = Prop(name="ball", path=((-1, 0.3, 0.6), (1, 0.9, 0.6)), spin=180)
    actors = (
        Actor(character="boxer", motion="wave", position=(-0.5, 0, 0), turn=15),
        Actor(character="twin", motion="walk", position=(0.5, 0, 0), turn=-15),
    )
    camera = CameraMove(
        projection="persp", fov=(40,), position=((0.8, 1.2, 4.2), (-0.4, 1.1, 3.8)), target=((0, 0.9, 0),)
    )
    config = SceneConfig(
        actors=actors, props=(pole, ball), frames="1-4", width=128, height=128, camera=camera, light=Sun(), ground=True
    )
    write_scene(stage, "duel", config)
    render_shot(stage, "duel")
    result = ingest_shot(stage, "duel")
    assert result.metadata["findings"] == []
    assert result.metadata["tier"] == "full"


def test_the_command_writes_its_scene(stage: Layout) -> None:
    import typer

    from osf_pipeline.cli.render import command

    app = typer.Typer()
    app.command()(command)
    asked = ["duel", "--root", stage.root, "--character", "boxer", "--character", "twin", "--motion", "wave"]
    size = ["--frames", "1-2", "--width", "48", "--height", "32", "--camera", "persp", "--light", "lit"]
    done = CliRunner().invoke(app, [*asked, *size])
    assert done.exit_code == 0, done.output
    scene = read_scene(stage, "duel")
    assert [actor.character for actor in scene.actors] == ["boxer", "twin"]
    assert scene.light == Sun()
    assert CliRunner().invoke(app, ["duel", "--root", stage.root]).exit_code == 0
    refused = CliRunner().invoke(app, [*asked, "--frames", "1-3"])
    assert refused.exit_code == 2
    assert "another scene" in refused.output
    nobody = CliRunner().invoke(app, ["lost", "--root", stage.root, "--character", "nobody"])
    assert nobody.exit_code == 2
    assert not Path(stage.scene("lost")).exists()


def _bvh(lift: float) -> str:
    """A body of few joints that stands, one arm lifted by so many degrees."""
    limbs = "".join(
        f"JOINT {side}{name} {{ OFFSET {sign * x} {y} 0 CHANNELS 3 Zrotation Xrotation Yrotation\n"
        + f"JOINT {side}{low} {{ OFFSET {sign * dx} {dy} 0 CHANNELS 3 Zrotation Xrotation Yrotation\n"
        + f"JOINT {side}{end} {{ OFFSET {sign * dx} {dy} 0 CHANNELS 3 Zrotation Xrotation Yrotation\n"
        + "End Site { OFFSET 0 -0.1 0.1 } } } }\n"
        for side, sign in (("Left", 1), ("Right", -1))
        for name, low, end, x, y, dx, dy in (
            ("Arm", "ForeArm", "Hand", 0.2, 0.4, 0.28, -0.02), ("UpLeg", "Leg", "Foot", 0.1, 0, 0, -0.42),
        )
    )  # fmt: skip
    joints = "Zrotation Xrotation Yrotation"
    hierarchy = f"HIERARCHY ROOT Hips {{ OFFSET 0 0 0 CHANNELS 6 Xposition Yposition Zposition {joints}\n{limbs}}}\n"
    values = np.zeros(6 + 12 * 3)
    values[1], values[6] = 0.9, lift
    line = " ".join(f"{v:g}" for v in values)
    return f"{hierarchy}MOTION\nFrames: 2\nFrame Time: 1.0\n{line}\n{line}\n"


def test_nothing_is_written_of_a_scene_that_cannot_be_rendered(stage: Layout) -> None:
    motions = Path(stage.motions())
    motions.mkdir(parents=True, exist_ok=True)
    (motions / "odd.bvh").write_text(
        "HIERARCHY\nROOT a\n{ OFFSET 0 0 0 CHANNELS 3 Xposition Yposition Zposition JOINT b { OFFSET 0 1 0 CHANNELS 0\n"
        "End Site { OFFSET 0 1 0 } } }\nMOTION\nFrames: 1\nFrame Time: 0.04\n0 0 0\n"
    )
    with pytest.raises(RequestError, match="mapping"):
        add_scene(stage, "odd", SceneConfig(actors=(Actor(character="boxer", motion="odd"),)))
    assert "odd" not in stage.scenes()
    assert not Path(stage.renders("odd")).exists()
