"""What a scene file says is what stands in the scene: names, ids, places, cameras, light."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from osf_pipeline.character.character import Character
from osf_pipeline.config import Camera, ShotConfig
from osf_pipeline.errors import RequestError
from osf_pipeline.motion.library import motion
from osf_pipeline.render.frame import render_frame
from osf_pipeline.render.raycast import Posed
from osf_pipeline.render.scene import Scene
from osf_pipeline.render.staging import build_scene, shot_config
from osf_pipeline.scenes import Actor, CameraMove, Prop, SceneConfig, Sun, line_up

BOXER = Actor(character="boxer", motion="wave")


def staged(character: Character, *actors: Actor, **settings: Any) -> tuple[SceneConfig, Scene]:
    config = SceneConfig(**{"actors": actors or (BOXER,), "frames": "1-5", **settings})
    characters = {actor.character: character for actor in config.actors}
    return config, build_scene(config, characters, {a.motion: motion(a.motion) for a in config.actors})


def test_every_thing_has_its_name_and_every_character_its_parts(character: Character) -> None:
    twin = Actor(character="twin", motion="walk", style="ink")
    config, scene = staged(
        character, BOXER, twin, BOXER, props=(Prop(name="pole", shape="pole"), Prop(name="crate", shape="box")),
        ground=True,
    )  # fmt: skip
    assert scene.objects == {1: "boxer", 2: "twin", 3: "boxer-2", 4: "pole", 5: "crate", 6: "ground"}
    bones = [bone.name for bone in character.bones]
    assert [scene.parts[number] for number in sorted(scene.parts)] == [*bones, "pole", "crate", "ground"]
    assert [(m.object_id, int(m.part.min())) for m in scene.meshes] == [
        (1, 1), (2, 1), (3, 1), (4, 16), (5, 17), (6, 18),
    ]  # fmt: skip
    shot = shot_config(config, "duel", scene)
    assert shot == ShotConfig(
        source="duel.####.exr", frames="1-5", fps=24, objects=dict(scene.objects), parts=dict(scene.parts),
        styles={"boxer": "boxer", "twin": "ink", "boxer-2": "boxer"}, camera=scene.camera(1),
    )  # fmt: skip
    assert [shot.style_of(number) for number in range(1, 7)] == ["boxer", "ink", "boxer", None, None, None]


def test_a_character_of_another_build_has_part_ids_of_its_own(character: Character) -> None:
    tailed = replace(character, bones=(*character.bones[:-1], replace(character.bones[-1], name="tail")))
    config = SceneConfig(actors=(BOXER, Actor(character="cat", motion="walk")), frames="1-2")
    scene = build_scene(config, {"boxer": character, "cat": tailed}, {name: motion(name) for name in ("walk", "wave")})
    count = len(character.bones)
    assert [int(mesh.part.min()) for mesh in scene.meshes] == [1, count + 1]
    assert (scene.parts[count], scene.parts[2 * count]) == (character.bones[-1].name, "tail")


def test_two_things_of_one_name_are_refused(character: Character) -> None:
    with pytest.raises(RequestError, match=r"one name.*boxer"):
        staged(character, BOXER, props=(Prop(name="boxer"),))


def test_an_actor_stands_where_it_is_told(character: Character) -> None:
    _, plain = staged(character)
    _, placed = staged(character, BOXER.model_copy(update={"position": (1, 0, -2), "turn": 90, "scale": 2}))
    x, y, z = plain.posed(3).T
    np.testing.assert_allclose(placed.posed(3), np.stack([2 * z + 1, 2 * y, -2 * x - 2], axis=1), atol=1e-9)


def test_time_runs_by_frame_number_speed_and_start(character: Character) -> None:
    _, every = staged(character, frames="1-9")
    _, second = staged(character, frames="1-9x2")
    _, fast = staged(character, BOXER.model_copy(update={"speed": 2}), frames="1-5")
    np.testing.assert_array_equal(second.posed(7), every.posed(7))
    turned = [np.abs(fast.posed(f) - every.posed(2 * f - 1)).max() for f in range(1, 6)]
    assert max(turned) < 0.02  # feet and arms are corrected over the whole run
    assert np.abs(every.posed(9) - every.posed(1)).max() > 0.02


def test_things_are_held_as_the_scene_says_and_the_camera_is_not(character: Character) -> None:
    ball = Prop(name="ball", path=((0, 0, 0), (4, 0, 0)))
    move = CameraMove(position=((0, 1, 5), (4, 1, 5)), target=((0, 1, 0), (4, 1, 0)))
    arm = BOXER.model_copy(update={"steps": {"left_upper_arm": 1}})
    own = BOXER.model_copy(update={"steps": 3})
    still = ball.model_copy(update={"name": "own", "steps": 1})
    _, scene = staged(character, arm, own, props=(ball, still), camera=move, steps=2)
    moved = [[bool((mesh.pose(f) != mesh.pose(f - 1)).any()) for f in range(2, 6)] for mesh in scene.meshes]
    assert moved == [[True] * 4, [False, False, True, False], [False, True, False, True], [True] * 4]
    body = ~np.isin(np.arange(len(character.rest)) // 24, [i for i, b in enumerate(character.bones)
                    if b.name in ("left_upper_arm", "left_forearm", "left_hand")])  # fmt: skip
    np.testing.assert_array_equal(scene.meshes[0].pose(2)[body], scene.meshes[0].pose(1)[body])
    assert [mesh.pose(2)[:, 0].mean() for mesh in scene.meshes[2:]] == pytest.approx([0, 1], abs=1e-9)
    assert [scene.camera(f).position[0] for f in range(1, 6)] == [0, 1, 2, 3, 4]


def test_a_held_pose_has_the_motion_of_the_camera_alone(character: Character) -> None:
    move = CameraMove(scale=(2.4,), position=((0, 0.9, 5), (0.3, 0.9, 5)), target=((0, 0.9, 0), (0.3, 0.9, 0)))
    _, scene = staged(character, camera=move, steps=2, frames="1-3")
    found = render_frame(scene, 2, (48, 48), previous=1, following=3).buffers
    seen = found["motion_valid"][0] > 0
    shift = -0.15 * 48 / 2.4  # the camera goes to the right, the picture to the left
    np.testing.assert_allclose(found["motion"][0][seen], shift, atol=1e-5)
    np.testing.assert_allclose(found["motion"][1][seen], 0, atol=1e-5)
    assert np.abs(found["motion_next"][0][seen] - shift).max() > 0.1, "the next frame has a new pose"


def test_props_follow_their_path_and_spin(character: Character) -> None:
    ball = Prop(name="ball", size=(0.2, 0.4, 0.2), path=((0, 0, 0), (1, 0, 0), (1, 2, 0)), spin=180)
    _, scene = staged(character, props=(ball,))
    mesh = scene.meshes[1]
    middles = [mesh.pose(f).mean(axis=0) for f in range(1, 6)]
    np.testing.assert_allclose(middles, [(0, 0, 0), (0.5, 0, 0), (1, 0, 0), (1, 1, 0), (1, 2, 0)], atol=1e-9)
    sizes = [np.ptp(mesh.pose(f), axis=0) for f in (1, 3, 5)]
    np.testing.assert_allclose(sizes, [(0.2, 0.4, 0.2), (0.4, 0.2, 0.2), (0.2, 0.4, 0.2)], atol=1e-3)


def test_the_camera_looks_at_its_target(character: Character) -> None:
    move = CameraMove(projection="persp", fov=(30, 50), position=((0, 1, 4), (4, 1, 0)), target=((0, 1, 0), (0, 2, 0)))
    _, scene = staged(character, camera=move)
    assert [scene.camera(f).fov for f in (1, 3, 5)] == [30, 40, 50]
    np.testing.assert_allclose(scene.camera(3).position, (2, 1, 2))
    for frame, target in ((1, (0, 1, 0)), (3, (0, 1.5, 0)), (5, (0, 2, 0))):
        view = Posed(scene, frame, 81, 41).view
        np.testing.assert_allclose(view.project(np.array([target], float))[0], [(40, 20)], atol=1e-6)
        x, y, z = target
        above, _ = view.project(np.array([(x, y + 0.1, z)]))
        assert above[0, 1] < 20
        assert abs(above[0, 0] - 40) < 1e-6


@pytest.mark.parametrize("place", [(0, 5, 0), (0, -5, 0)])
def test_a_camera_may_look_straight_down_or_up(character: Character, place: tuple[float, float, float]) -> None:
    _, scene = staged(character, camera=CameraMove(position=(place,), target=((0, 0, 0),)))
    assert scene.camera(1).right == (1, 0, 0)


def test_cameras_that_do_not_see_are_refused(character: Character) -> None:
    with pytest.raises(RequestError, match="stands where it looks"):
        staged(character, camera=CameraMove(position=((0, 1, 0),), target=((0, 1, 0),)))
    with pytest.raises(RequestError, match=r"no camera.*frames=2-3,5"):
        staged(character, camera={1: Camera(scale=2), 4: Camera(scale=2)})


def test_light_has_unit_length_and_says_what_shadows_do(character: Character) -> None:
    for shadows, expected in ((True, "cast"), (False, "buffer")):
        light = staged(character, light=Sun(towards=(0, 3, 4), shadows=shadows))[1].light
        assert light is not None
        np.testing.assert_allclose(light.towards, (0, 0.6, 0.8))
        assert light.shadows == expected
    assert staged(character)[1].light is None


@pytest.mark.parametrize(
    ("where", "bad"),
    [(Sun, {"towards": (0, 0, 0)}), (Prop, {"name": "x", "color": "red"}), (CameraMove, {"position": ()}),
     (SceneConfig, {"actors": (BOXER,), "supersample": 2})],
)  # fmt: skip
def test_what_means_nothing_is_refused(where: Any, bad: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        where(**bad)


@pytest.mark.parametrize("projection", ["ortho", "persp"])
@pytest.mark.parametrize("count", [1, 3])
def test_a_line_up_shows_everybody(character: Character, projection: Any, count: int) -> None:
    config = line_up(["boxer"] * count, ["wave"], projection=projection, frames="1-3", width=96, height=64, lit=True)
    scene = build_scene(config, {"boxer": character}, {"wave": motion("wave")})
    ids = render_frame(scene, 2, (96, 64)).buffers["object_id"][0]
    assert set(np.unique(ids)) == set(range(count + 1))
    assert not ids[[0, -1]].any()
    assert not ids[:, [0, -1]].any()


def test_a_line_up_needs_motions_that_pair_up() -> None:
    with pytest.raises(RequestError, match="pair up"):
        line_up(["a", "b", "c"], ["walk", "wave"])
