"""A player's style is its rest pose as its own hand draws it, in the picture and in any shot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from block_player import block
from PIL import Image

from osf_pipeline.character.exemplar import Register, keyframe
from osf_pipeline.config import StyleConfig, load_yaml
from osf_pipeline.errors import OsfError
from osf_pipeline.generate.hands import in_scene, pen_scale
from osf_pipeline.generate.plan import Cast
from osf_pipeline.generate.player import KEYFRAMES, TRUTH_SEED, Player, write_style
from osf_pipeline.motion.library import motion
from osf_pipeline.render.frame import render_frame
from osf_pipeline.render.staging import build_scene
from osf_pipeline.sample.make import styled_truth
from osf_pipeline.scenes import Actor, SceneConfig


def test_the_keyframe_is_what_a_shot_of_the_rest_pose_shows() -> None:
    player = block(Cast(artwork=1))
    register = Register.of(player.mask, 60)
    _, expected = player.keyframe("block", 60)
    config = SceneConfig(
        actors=(Actor(character="block", motion="rest"),), frames="1", width=register.size[0], height=register.size[1],
        camera=register.camera(player.character),
    )  # fmt: skip
    scene = build_scene(config, {"block": player.character}, {"rest": motion("rest")})
    frame = render_frame(scene, 1, register.size)
    hand = in_scene(player.hand, player.character, scene.meshes[0])
    found = styled_truth(frame, TRUTH_SEED, {1: hand}, pen_scale(frame))
    assert expected["line.A"].max() > 0.5
    for channel, plane in expected.items():
        np.testing.assert_array_equal(found[channel], plane, err_msg=channel)


def test_the_first_keyframe_is_the_rest_pose_under_the_drawing() -> None:
    player = block(Cast(artwork=1))
    frame, _ = player.keyframe("block", 60)
    expected = keyframe(player.character, Register.of(player.mask, 60), "block")
    for name, plane in expected.buffers.items():
        np.testing.assert_array_equal(frame.buffers[name], plane, err_msg=name)


def test_a_style_may_have_several_keyframes(tmp_path: Path) -> None:
    player = block(Cast(artwork=1))
    write_style(str(tmp_path), "block", player, 40, KEYFRAMES)
    entries = load_yaml(str(tmp_path / "style.yaml"), StyleConfig).exemplars
    assert [entry.keyframe for entry in entries] == ["keyframe.exr", *(f"keyframe-{n}.exr" for n in (2, 3, 4))]
    drawings = [np.asarray(Image.open(tmp_path / entry.drawing)) for entry in entries]
    assert len({drawing.shape for drawing in drawings}) == 1
    for number, drawing in enumerate(drawings):
        assert (drawing[..., 3] > 0).mean() > 0.02
        assert all((drawing != other).any() for other in drawings[:number])
    write_style(str(tmp_path / "one"), "block", player, 40)
    for name in ("keyframe.exr", "drawing.png"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / name).read_bytes()


def test_equal_players_write_equal_styles(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        write_style(str(tmp_path / folder), "block", block(Cast(artwork=3)), 40)
    written = [{file.name: file.read_bytes() for file in (tmp_path / name).iterdir()} for name in ("one", "two")]
    assert sorted(written[0]) == ["drawing.png", "keyframe.exr", "style.yaml"]
    assert written[0] == written[1]


def test_a_real_drawing_that_makes_no_character_is_named(tmp_path: Path) -> None:
    (tmp_path / "drawing.png").write_bytes(b"no picture")
    with pytest.raises(OsfError) as caught:
        Player.of(Cast(drawing=str(tmp_path)))
    assert caught.value.where["drawing"] == str(tmp_path)
