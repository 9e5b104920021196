"""The user's Blender and the built-in ray caster see the same scene; needs OSF_BLENDER.

Measured with Blender 4.2.23, 4.5.15 and 5.0.1 on this scene, away from silhouettes and borders of parts (median,
largest difference): depth 2e-6, 4e-5; positions 5e-6, 4e-5; motion 1e-4, 4e-3 px; texture coordinates 3e-6, 3e-5;
normals 5e-4, 0.24 at strongly bent joints; albedo 1e-3, 4e-3 (8-bit texels); ids and silhouettes equal.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from osf_pipeline.buffers import GBUFFER
from osf_pipeline.character.character import Bone, Character, Role
from osf_pipeline.config import Camera, ShotConfig, load_yaml
from osf_pipeline.exr.adapters import map_buffers
from osf_pipeline.exr.convert import canonical, trim_to_figure
from osf_pipeline.exr.header import read_header
from osf_pipeline.exr.read import read_exr
from osf_pipeline.ingest.stage import ingest_shot
from osf_pipeline.layout import Layout
from osf_pipeline.motion.clip import Performance
from osf_pipeline.render.blender import SCRIPT, VARIABLE, BlenderRenderer, find_blender
from osf_pipeline.render.frame import render_frame
from osf_pipeline.render.scene import Light, Mesh, Placement, Plain, Rigid, Scene, Skinned, Texture
from osf_pipeline.render.sequence import frame_name, write_shot
from osf_pipeline.render.shapes import ball
from osf_pipeline.sample.figure import ORIGIN, PARENT, PARTS, build_body
from osf_pipeline.sample.motion import dance
from osf_pipeline.shots import FrameRange

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(VARIABLE not in os.environ, reason=f"{VARIABLE} names no Blender"),
]

FRAMES = FrameRange.of([7, 8, 10])
WIDTH, HEIGHT = 192, 144
SUN = Light((-0.48, 0.64, 0.6), 0.42, (0.82, 0.86, 1.0), "cast")


@pytest.fixture(scope="module")
def character() -> Character:
    """The sample's figure with a texture of soft waves; front and back have halves of their own."""
    body = build_body(0.03)
    tails = {parent: ORIGIN[child] for child, parent in reversed(list(enumerate(PARENT)))}
    bones = tuple(
        Bone(name, PARENT[n], tuple(ORIGIN[n].tolist()), tuple(tails.get(n, ORIGIN[n] + 0.05).tolist()), Role.TORSO)
        for n, name in enumerate(PARTS)
    )
    corners = body.rest[body.faces]
    low, high = body.rest.min(0), body.rest.max(0)
    flat = (corners[..., :2] - low[:2]) / (high - low)[:2]
    back = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 2] < 0
    u = flat[..., 0] * 0.48 + 0.01 + 0.5 * back[:, None]
    uv = np.stack([u, 1 - flat[..., 1]], axis=-1).astype(np.float32)
    y, x = np.mgrid[:128, :256] / 128
    waves = [0.5 + 0.4 * np.sin(9 * x), 0.5 + 0.4 * np.sin(11 * y + 2), 0.3 + 0.2 * np.sin(7 * (x + y))]
    weights = (body.weights / body.weights.sum(1, keepdims=True)).astype(np.float32)
    texture = np.stack(waves, axis=-1).astype(np.float32)
    return Character(bones, body.rest, body.faces, body.part, weights, uv, texture, 0.01, (0, 0))


def make(character: Character, projection: str, light: Light | None) -> Scene:
    """A dancer, a spinning ball before it, and a camera that turns, moves and zooms."""
    poses = [dance(t) for t in (0.1, 0.3, 0.5)]
    performance = Performance(
        np.stack([pose.rotation for pose in poses]), np.stack([pose.joint for pose in poses]), 24
    )  # fmt: skip
    rows = {frame: row for row, frame in enumerate(FRAMES)}
    actor = Skinned(character, performance, rows, Placement((0.1, 0.05, -0.1), 20, 0.9))
    rest, faces = ball(0.4, rows=16)

    def spin(row: int) -> np.ndarray:
        c, s = np.cos(0.4 * row), np.sin(0.4 * row)
        return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])

    prop = Rigid(
        rest,
        {frame: spin(row) for frame, row in rows.items()},
        {frame: np.array([-0.5 + 0.1 * row, 0.1 * row, 0.7]) for frame, row in rows.items()},
    )

    def camera(frame: int) -> Camera:
        row = rows[frame]
        turn, lift = 0.2 + 0.08 * row, 0.15
        right = np.array([np.cos(turn), 0, -np.sin(turn)])
        back = np.cos(lift) * np.array([np.sin(turn), 0, np.cos(turn)]) + [0, np.sin(lift), 0]
        place = 4.5 * back + 0.05 * row * right
        lens = {"scale": 2.6 - 0.05 * row} if projection == "ortho" else {"fov": 35.0 - row}
        return Camera(
            projection=projection, right=tuple(right), up=tuple(np.cross(back, right)), back=tuple(back),
            position=tuple(place), **lens,
        )  # fmt: skip

    meshes = (
        Mesh(character.rest, character.faces, character.part, 1, actor, Texture(character.texture), character.uv),
        Mesh(rest, faces, np.full(len(faces), 16, np.uint16), 3, prop, Plain((0.7, 0.3, 0.1))),
    )
    return Scene(meshes, camera, light, {1: "figure", 3: "ball"}, {**character.parts, 16: "ball"}, FRAMES)


def load(url: str, shot: ShotConfig, frame: int, size: tuple[int, int]) -> dict[str, np.ndarray]:
    """Canonical buffers of a file over the whole picture, through the source adapter."""
    mapping = map_buffers(read_header(url), shot)
    assert mapping.adapter == "blender"
    found = canonical(trim_to_figure(read_exr(url, mapping.channels, mapping.fill), mapping), mapping, shot, frame)
    x0, y0, x1, y1 = found.window
    out = {}
    for name, values in found.buffers.items():
        out[name] = GBUFFER[name].empty(1, size[1], size[0])[0].astype(values.dtype)
        out[name][:, y0 : y1 + 1, x0 : x1 + 1] = values
    return out


def core(buffers: dict[str, np.ndarray]) -> np.ndarray:
    """(y, x) bool: the neighbours are of the same part and at about the same depth."""
    ids = buffers["object_id"][0].astype(int) * 1000 + buffers["part_id"][0]
    depth = np.where(np.isfinite(buffers["depth"][0]), buffers["depth"][0], 1e3)
    level = ndimage.maximum_filter(depth, 3) - ndimage.minimum_filter(depth, 3) < 0.06
    return (ids > 0) & level & (ndimage.maximum_filter(ids, 3) == ndimage.minimum_filter(ids, 3))


LIMITS = {
    "depth": (2e-5, 2e-4), "rest_position": (2e-5, 2e-4), "position": (2e-5, 2e-4), "uv": (2e-5, 2e-4),
    "motion": (1e-3, 1e-2), "motion_next": (1e-3, 1e-2), "normal": (3e-3, 0.4), "albedo": (3e-3, 1e-2),
}  # fmt: skip
"""Median and largest difference."""


@pytest.mark.parametrize(("projection", "light"), [("persp", None), ("ortho", SUN)], ids=["persp-flat", "ortho-sun"])
def test_both_renderers_agree(character: Character, tmp_path: Path, projection: str, light: Light | None) -> None:
    scene = make(character, projection, light)
    cameras = {frame: scene.camera(frame) for frame in FRAMES}
    shot = ShotConfig(
        source="s.####.exr", frames=str(FRAMES), camera=cameras, objects=dict(scene.objects), parts=dict(scene.parts)
    )
    layout = Layout.of(str(tmp_path))
    folder = layout.renders("shot")
    steps: list[int] = []
    BlenderRenderer(WIDTH, HEIGHT).render(scene, FRAMES, folder, shot, lambda done, *_: steps.append(done))
    assert steps == [1, 2, 3]
    write_shot(folder, shot)
    known = (None, *FRAMES, None)
    for row, frame in enumerate(FRAMES):
        before, after = known[row], known[row + 2]
        ours = render_frame(scene, frame, (WIDTH, HEIGHT), previous=before, following=after).buffers
        theirs = load(f"{folder}/{frame_name(shot.source, frame)}", shot, frame, (WIDTH, HEIGHT))
        here, there = ours["object_id"][0] > 0, theirs["object_id"][0] > 0
        assert (here & there).sum() / (here | there).sum() > 0.999
        inside = core(ours)
        assert inside.sum() > 3000
        np.testing.assert_array_equal(theirs["object_id"][0, inside], ours["object_id"][0, inside])
        np.testing.assert_array_equal(theirs["part_id"][0, inside], ours["part_id"][0, inside])
        for name, (median, largest) in LIMITS.items():
            off = np.abs(theirs[name][:, inside].astype(float) - ours[name][:, inside]).max(0)
            assert np.median(off) < median, (frame, name)
            assert off.max() < largest, (frame, name)
        color = np.abs(theirs["color"][:, inside].astype(float) - ours["color"][:, inside]).max(0)
        assert np.median(color) < 4e-3
        assert np.percentile(color, 98) < 0.05  # edges of shadows are filtered differently
        assert ("shadow" in theirs) == (light is not None)
        if light is not None:
            lit = theirs["shadow"][0, inside] == ours["shadow"][0, inside]
            assert 0.1 < ours["shadow"][0, inside].mean() < 0.9
            assert lit.mean() > 0.98
    assert ingest_shot(layout, "shot").frames == len(FRAMES)  # motion is proven there


MAKE_BLEND = """
import sys
import bpy
bpy.ops.wm.read_factory_settings(use_empty=True)
scene = bpy.context.scene
bpy.ops.mesh.primitive_cube_add(size=1.5)
body = bpy.context.object
body.name = "Body"
body.modifiers.new("round", "SUBSURF").render_levels = 3
body.modifiers["round"].levels = 1
for name, above in (("low", False), ("high", True)):
    chosen = [v.index for v in body.data.vertices if (v.co.z > 0) == above]
    body.vertex_groups.new(name=name).add(chosen, 1.0, "REPLACE")
twist = body.modifiers.new("twist", "SIMPLE_DEFORM")
twist.deform_method, twist.deform_axis = "TWIST", "Z"
bpy.ops.mesh.primitive_uv_sphere_add(radius=0.3, location=(1.1, -1.0, 0.8))
bpy.context.object.name, bpy.context.object.hide_viewport = "Hidden in the viewport", True
bpy.ops.mesh.primitive_cone_add(location=(-1.1, -1.0, 0.8))
bpy.context.object.name, bpy.context.object.hide_render = "Not rendered", True
lens = bpy.data.cameras.new("Camera")
lens.type, lens.ortho_scale = "ORTHO", 3.0
scene.camera = bpy.data.objects.new("Camera", lens)
scene.collection.objects.link(scene.camera)
for frame in (1, 5):
    twist.angle, body.location.x = 0.1 * frame, 0.05 * frame
    twist.keyframe_insert("angle", frame=frame)
    body.keyframe_insert("location", frame=frame)
    scene.camera.location, scene.camera.rotation_euler = (0.1 * frame, -6, 1), (1.4, 0, 0.02 * frame)
    scene.camera.keyframe_insert("location", frame=frame)
    scene.camera.keyframe_insert("rotation_euler", frame=frame)
bpy.ops.wm.save_as_mainfile(filepath=sys.argv[-1])
"""


def test_a_blend_of_the_users_own_gets_exact_motion(tmp_path: Path) -> None:
    """Subdivided, deformed, before a moving orthographic camera, where Blender's own Vector is wrong."""
    blender = find_blender()
    script, blend, job = tmp_path / "make.py", tmp_path / "user.blend", tmp_path / "job.json"
    script.write_text(MAKE_BLEND)
    layout = Layout.of(str(tmp_path))
    folder = Path(layout.renders("user"))
    job.write_text(
        f'{{"blend": "{blend}", "folder": "{folder}", "pattern": "user.####.exr", "frames": [2, 3, 4],'
        ' "size": [160, 120], "samples": 4, "parts": "vertex_group"}'
    )
    for command in (blender.command(script, str(blend)), blender.command(SCRIPT, str(job))):
        subprocess.run(command, check=True, capture_output=True, timeout=300)
    shot = load_yaml(str(folder / "shot.yaml"), ShotConfig)
    assert shot.objects == {1: "Body", 2: "Hidden in the viewport"}
    assert shot.parts == {1: "Body/high", 2: "Body/low", 3: "Hidden in the viewport"}
    before, now = (load(str(folder / f"user.{frame:04d}.exr"), shot, frame, (160, 120)) for frame in (2, 3))
    inside = ndimage.binary_erosion(now["object_id"][0] == 1, iterations=4)
    assert set(np.unique(now["part_id"][0, inside])) == {1, 2}
    assert set(np.unique(now["object_id"])) == {0, 1, 2}
    y, x = np.nonzero(inside)
    place = [y - now["motion"][1, inside], x - now["motion"][0, inside]]
    rest = np.stack([ndimage.map_coordinates(plane, place, order=1) for plane in before["rest_position"]])
    off = np.abs(rest - now["rest_position"][:, inside]).max(0)
    assert np.hypot(*now["motion"][:, inside]).min() > 0.5  # pixels
    assert np.median(off) < 1e-4
    assert np.percentile(off, 98) < 5e-3  # bilinear over facets
    assert ingest_shot(layout, "user").frames == 3
