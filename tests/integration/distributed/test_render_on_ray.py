"""Rendering on Ray gives the plain loop's bytes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from osf_pipeline.character.character import Bone, Character, Role
from osf_pipeline.execution import Execution
from osf_pipeline.layout import Layout
from osf_pipeline.render.shapes import box
from osf_pipeline.render.stage import render_shot
from osf_pipeline.scenes import Actor, CameraMove, SceneConfig, Sun, write_scene

pytestmark = pytest.mark.integration


def test_ray_equals_the_plain_loop(tmp_path: Path) -> None:
    rest, faces = box((0.5, 1.8, 0.3))
    trunk = Bone("trunk", -1, (0, 0.9, 0), (0, 1.8, 0), Role.PELVIS)
    noise = np.random.default_rng(0)
    block = Character(
        (trunk,), rest + np.array([0, 0.9, 0]), faces, np.ones(len(faces), np.uint16),
        np.ones((len(rest), 1), np.float32), noise.random((len(faces), 3, 2), np.float32),
        noise.integers(0, 256, (8, 8, 3)).astype(np.float32) / 255, 0.01, (0, 0),
    )  # fmt: skip
    scene = SceneConfig(
        actors=(Actor(character="block"),), frames="1-20", width=48, height=32, ground=True, light=Sun(),
        camera=CameraMove(projection="persp", position=((0, 1.5, 5), (1, 1.5, 4))),
    )  # fmt: skip
    found = {}
    for name, execution in (("loop", Execution()), ("ray", Execution("ray", workers=2))):
        layout = Layout.of(str(tmp_path / name))
        block.save(f"{layout.character('block')}/v1")
        Path(layout.character("block"), "current.json").write_text(json.dumps({"id": "v1"}))
        write_scene(layout, "shot", scene)
        result = render_shot(layout, "shot", execution)
        found[name] = {p.name: p.read_bytes() for p in Path(result.url).iterdir() if not p.name.startswith(".")}
    assert len(found["loop"]) == 22
    assert found["loop"] == found["ray"]
