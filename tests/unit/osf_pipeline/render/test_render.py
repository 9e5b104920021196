"""The ray caster against scenes whose every buffer is known by formula."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import OpenEXR
import pytest

from osf_pipeline.buffers import GBUFFER
from osf_pipeline.config import Camera, ShotConfig, load_yaml
from osf_pipeline.errors import RequestError
from osf_pipeline.render.frame import render_frame
from osf_pipeline.render.raycast import Posed
from osf_pipeline.render.scene import Light, Mesh, Scene, VertexColor
from osf_pipeline.render.sequence import RayCastRenderer, frame_name, neighbours, renderer, write_shot
from osf_pipeline.render.shapes import ball
from osf_pipeline.render.view import View
from osf_pipeline.shots import FrameRange

ORTHO = Camera(scale=4, position=(0, 0, 5))
PERSP = Camera(projection="persp", fov=60, position=(0, 0, 5))
W, H = 60, 40

QUAD = np.array([(-1, -1, 0), (1, -1, 0), (1, 1, 0), (-1, 1, 0)], np.float64)
QUAD_FACES = np.array([(0, 1, 2), (0, 2, 3)])
UV = np.array([(0, 1), (1, 1), (1, 0), (0, 0)], np.float32)[QUAD_FACES]
"""The whole picture on the quad; v runs down."""


def grey(points: object) -> np.ndarray:
    return np.full((len(points.rest), 3), 0.5)  # type: ignore[attr-defined]


def quad(pose: Callable[[int], np.ndarray] | None = None, number: int = 1, color: object = grey) -> Mesh:
    return Mesh(QUAD, QUAD_FACES, np.array([7, 7]), number, pose or (lambda _: QUAD), color)  # type: ignore[arg-type]


def scene(*meshes: Mesh, camera: Camera | Callable[[int], Camera] = ORTHO, light: Light | None = None) -> Scene:
    return Scene(meshes, camera if callable(camera) else lambda _: camera, light)


def sphere(radius: float, camera: Camera) -> dict[str, np.ndarray]:
    rest, faces = ball(radius, rows=160)
    mesh = Mesh(rest, faces, np.ones(len(faces)), 1, lambda _: rest, grey)
    return render_frame(scene(mesh, camera=camera), 1, (W, H)).buffers


def test_every_buffer_has_the_canonical_dtype_and_background() -> None:
    lit = Light((0, 0, 1), shadows="buffer")
    buffers = render_frame(scene(replace(quad(), uv=UV), light=lit), 1, (W, H), previous=0, following=2).buffers
    assert set(buffers) == {
        "color", "depth", "normal", "rest_position", "motion", "motion_valid", "motion_next", "motion_next_valid",
        "part_id", "object_id", "position", "albedo", "uv", "shadow",
    }  # fmt: skip
    for name, values in buffers.items():
        row = GBUFFER[name]
        assert values.dtype == row.dtype
        assert values.shape == (row.count, H, W)
        assert (values[:, 0, 0] == row.background).all()
    assert buffers["part_id"][0, H // 2, W // 2] == 7


@pytest.mark.parametrize("camera", [ORTHO, PERSP])
def test_a_tilted_plane_has_its_analytic_depth_and_normal(camera: Camera) -> None:
    slope = 0.5
    tilted = QUAD * 4 + QUAD[:, :1] * [0, 0, 4 * slope]  # z = slope * x, wider than the picture
    buffers = render_frame(scene(quad(lambda _: tilted), camera=camera), 1, (W, H)).buffers
    x = np.arange(W) - (W - 1) / 2
    if camera.projection == "ortho":
        expected = 5 - slope * x * 4 / W
    else:
        u = x / (W / 2 / np.tan(np.radians(30)))  # planar: x = u * depth, z = 5 - depth = slope * x
        expected = 5 / (1 + slope * u)
    np.testing.assert_allclose(buffers["depth"][0], np.tile(expected, (H, 1)), rtol=1e-5)
    normal = np.array([-slope, 0, 1]) / np.hypot(slope, 1)
    np.testing.assert_allclose(buffers["normal"], np.broadcast_to(normal[:, None, None], (3, H, W)), atol=1e-3)


def test_a_sphere_has_its_analytic_depth_and_normal() -> None:
    buffers = sphere(0.9, ORTHO)
    y, x = np.mgrid[:H, :W]
    x, y = (x - (W - 1) / 2) * 4 / W, ((H - 1) / 2 - y) * 4 / W
    inside = np.hypot(x, y) < 0.8
    z = np.sqrt(0.81 - np.where(inside, x * x + y * y, 0))
    np.testing.assert_allclose(buffers["depth"][0][inside], (5 - z)[inside], atol=1e-3)
    expected = np.stack([x, y, z]) / 0.9
    np.testing.assert_allclose(buffers["normal"][:, inside], expected[:, inside], atol=5e-3)
    assert buffers["normal"][1, 10, W // 2] > 0  # the upper half looks up


def test_perspective_depth_is_planar_and_not_radial() -> None:
    wide = QUAD * 9
    depth = render_frame(scene(quad(lambda _: wide), camera=PERSP), 1, (W, H)).buffers["depth"]
    np.testing.assert_allclose(depth, 5, rtol=1e-6)


def test_motion_is_current_minus_previous_with_y_down() -> None:
    shift = 4 / W  # one pixel
    pose = lambda frame: QUAD + np.array([2.0, 1.0, 0]) * shift * frame  # noqa: E731  right and up
    frame = render_frame(scene(quad(pose)), 5, (W, H), previous=4, following=6).buffers
    seen = frame["object_id"][0] == 1
    np.testing.assert_allclose(frame["motion"][:, seen].T, np.tile([2, -1], (seen.sum(), 1)), atol=1e-4)
    np.testing.assert_allclose(frame["motion_next"][:, seen].T, np.tile([2, -1], (seen.sum(), 1)), atol=1e-4)
    assert (frame["motion_valid"][0] == seen).all()


@pytest.mark.parametrize("camera", [ORTHO, PERSP])
def test_motion_holds_the_move_of_the_camera(camera: Camera) -> None:
    moved = camera.model_copy(update={"position": (0.2, -0.1, 5)})
    cameras = {1: camera, 2: moved}
    frame = render_frame(scene(quad(), camera=lambda f: cameras[f]), 2, (W, H), previous=1).buffers
    seen = frame["object_id"][0] == 1
    unit = View(camera, W, H).pixels_per_unit / (1 if camera.projection == "ortho" else 5)
    np.testing.assert_allclose(
        frame["motion"][:, seen].T, np.tile([-0.2 * unit, -0.1 * unit], (seen.sum(), 1)), atol=1e-4
    )
    assert not frame["motion_next_valid"].any()
    assert not frame["motion_next"].any()


def test_the_nearer_surface_is_seen() -> None:
    behind = quad(lambda _: QUAD * [2, 2, 1] - [0, 0, 1], number=3)
    frame = render_frame(scene(quad(), behind), 1, (W, H)).buffers
    assert frame["object_id"][0, H // 2, W // 2] == 1
    assert frame["object_id"][0, H // 2, W // 2 + 20] == 3
    np.testing.assert_allclose(frame["depth"][0, H // 2, [W // 2, W // 2 + 20]], [5, 6], atol=1e-6)


def test_colour_is_filtered_and_premultiplied_while_ids_stay_whole() -> None:
    # The left edge lies a third of a pixel right of a pixel's centre: one sample of three sees the quad.
    edge = QUAD.copy()
    edge[[0, 3], 0] = (20 + 1 / 6 - (W - 1) / 2) * 4 / W
    frame = render_frame(scene(quad(lambda _: edge)), 1, (W, H)).buffers
    np.testing.assert_allclose(frame["color"][:, H // 2, 20], [0.5 / 3] * 3 + [1 / 3], atol=1e-3)
    assert frame["object_id"][0, H // 2, 20] == 0
    assert frame["object_id"][0, H // 2, 21] == 1


def test_light_shades_colour_and_leaves_albedo_alone() -> None:
    frame = render_frame(scene(quad(), light=Light((0, 0, -1), ambient=0.2)), 1, (W, H)).buffers
    np.testing.assert_allclose(frame["albedo"][:, H // 2, W // 2], 0.5, atol=1e-3)
    np.testing.assert_allclose(frame["color"][:3, H // 2, W // 2], 0.1, atol=1e-3)


def test_vertex_colours_are_interpolated() -> None:
    frame = render_frame(scene(quad(color=VertexColor((QUAD + 1) / 2))), 1, (W, H)).buffers
    rest = frame["rest_position"][:, H // 2 - 5, W // 2 + 7]
    np.testing.assert_allclose(frame["albedo"][:2, H // 2 - 5, W // 2 + 7], (rest[:2] + 1) / 2, atol=1e-3)


def test_sees_knows_occluders_and_the_border_of_the_picture() -> None:
    behind = quad(lambda _: QUAD * 2 - [0, 0, 1], number=2)
    posed = Posed(scene(quad(), behind), 1, W, H)
    points = np.array([(0, 0, 0), (0, 0, -1), (1.5, 0, -1), (9, 0, -1)], np.float64)
    assert posed.sees(points).tolist() == [True, False, True, False]


def test_light_is_hidden_behind_what_stands_before_it() -> None:
    """A small quad floats over a floor; the light comes in at 45 degrees from the right."""
    floor = Mesh(QUAD * 4, QUAD_FACES, np.array([1, 1]), 1, lambda _: QUAD * 4, grey)
    roof = quad(lambda _: QUAD * 0.51 + (0.3, 0, 1), number=2)
    towards = (np.sqrt(0.5), 0, np.sqrt(0.5))
    pictures = {
        mode: render_frame(scene(floor, roof, light=Light(towards, 0.2, shadows=mode)), 1, (W, H)).buffers  # type: ignore[arg-type]
        for mode in ("off", "buffer", "cast")
    }
    x, y = (np.arange(W) - (W - 1) / 2) * 4 / W, ((H - 1) / 2 - np.arange(H)) * 4 / W
    below, shade = np.abs(x - 0.3) < 0.51, np.abs(x + 0.7) < 0.51  # the shadow falls 1 unit to the left
    expected = ~(shade & ~below)[None, :] | (np.abs(y) > 0.51)[:, None]
    assert "shadow" not in pictures["off"]
    for mode in ("buffer", "cast"):
        np.testing.assert_array_equal(pictures[mode]["shadow"][0] == 1, expected)
    np.testing.assert_array_equal(pictures["buffer"]["color"], pictures["off"]["color"])
    darker = pictures["cast"]["color"][0] < pictures["off"]["color"][0] - 0.1
    np.testing.assert_array_equal(darker, ~expected)


def test_a_surface_does_not_shade_itself_but_where_it_turns_away() -> None:
    rest, faces = ball(0.9)
    mesh = Mesh(rest, faces, np.ones(len(faces)), 1, lambda _: rest, grey)
    towards = np.array([0.6, 0.48, 0.64])
    frame = render_frame(scene(mesh, light=Light(tuple(towards), shadows="cast")), 1, (W * 4, H * 4))
    surface = frame.buffers["object_id"][0] == 1
    facing = np.tensordot(towards, frame.buffers["normal"].astype(float), 1)
    lit = frame.buffers["shadow"][0]
    assert (lit[surface & (facing > 1e-3)] == 1).all()
    assert (lit[surface & (facing < -1e-3)] == 0).all()
    assert (surface & (facing < -0.1)).sum() > 500


def test_light_is_continuous_where_a_surface_turns_away() -> None:
    light = Light((0, 0, 1), ambient=0.3)
    normal = np.array([[np.sqrt(1 - s * s), 0, s] for s in (1e-6, -1e-6, 1)])
    shades = light(normal, np.array([True, False, False]))
    np.testing.assert_allclose(shades[0], shades[1], atol=1e-5)
    np.testing.assert_allclose(shades[2], shades[1], atol=1e-5)


def test_what_lies_behind_the_camera_has_no_motion() -> None:
    """The camera passes through the quad between two frames."""
    cameras = {1: PERSP.model_copy(update={"position": (0, 0, -1)}), 2: PERSP}
    frame = render_frame(scene(quad(), camera=lambda f: cameras[f]), 2, (W, H), previous=1, following=2).buffers
    seen = frame["object_id"][0] == 1
    assert seen.any()
    assert not frame["motion_valid"].any()
    assert not frame["motion"].any()
    assert (frame["motion_next_valid"][0] == seen).all()


@pytest.mark.parametrize("camera", [ORTHO, PERSP])
@pytest.mark.parametrize("place", [(90, 0, 0), (0, 0, 90)])
def test_an_empty_picture_is_a_valid_frame(camera: Camera, place: tuple[float, float, float]) -> None:
    mesh = replace(quad(lambda _: QUAD + place), uv=UV)
    buffers = render_frame(
        scene(mesh, camera=camera, light=Light((0, 0, 1), shadows="cast")), 1, (W, H), previous=0, following=2
    ).buffers
    if camera is ORTHO and place[2]:
        return  # an orthographic camera has no behind
    for name, values in buffers.items():
        np.testing.assert_array_equal(values, GBUFFER[name].empty(1, H, W)[0])


def test_a_frame_does_not_depend_on_the_bands_it_is_made_in(monkeypatch: pytest.MonkeyPatch) -> None:
    rest, faces = ball(0.9)
    mesh = Mesh(rest, faces, np.ones(len(faces)), 1, lambda f: rest + 0.01 * f, VertexColor((rest + 1) / 2))
    lit = scene(mesh, light=Light((0.6, 0, 0.8), shadows="cast"), camera=PERSP)
    whole = render_frame(lit, 1, (W, H), previous=0, following=2).buffers
    monkeypatch.setattr("osf_pipeline.render.frame.SAMPLES_AT_ONCE", 2000)
    parts = render_frame(lit, 1, (W, H), previous=0, following=2).buffers
    for name, values in whole.items():
        np.testing.assert_array_equal(parts[name], values)


def test_rays_and_projection_invert_each_other() -> None:
    turned = Camera(
        projection="persp", fov=50, right=(0.8, 0, -0.6), up=(0, 1, 0), back=(0.6, 0, 0.8), position=(3, 0.2, 4)
    )
    for camera in (turned, turned.model_copy(update={"projection": "ortho", "scale": 3.0})):
        view = View(camera, W, H)
        pixels = np.array([(0, 0), (W - 1, H - 1), (12.5, 3.25)])
        origins, directions = view.rays(pixels)
        back, depth = view.project(origins + 2.5 * directions)
        np.testing.assert_allclose(back, pixels, atol=1e-9)
        np.testing.assert_allclose(depth, 2.5)


def test_a_sequence_has_named_channels_header_and_shot(tmp_path: Path) -> None:
    shot = ShotConfig(source="box.####.exr", adapter="osf", objects={1: "box"})
    seen: list[tuple[int, int]] = []
    RayCastRenderer(W, H).render(
        scene(quad(lambda f: QUAD + np.array([0.01 * f, 0, 0]))), FrameRange.parse("9-11"), str(tmp_path), shot,
        lambda done, total, _: seen.append((done, total)),
    )  # fmt: skip
    write_shot(str(tmp_path), shot)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["box.0009.exr", "box.0010.exr", "box.0011.exr", "shot.yaml"]
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert load_yaml(str(tmp_path / "shot.yaml"), ShotConfig) == shot
    with OpenEXR.File(str(tmp_path / "box.0009.exr"), separate_channels=True) as image:
        found = {name: channel.pixels.dtype.name for name, channel in image.channels().items()}
        header = dict(image.header())
        assert not image.channels()["motion_valid.V"].pixels.any()
        assert image.channels()["motion_next_valid.V"].pixels.any()
    xyz = [f"{name}.{c}" for name in ("rest_position", "position") for c in "XYZ"]
    assert found == {
        **dict.fromkeys("RGBA", "float16"), "depth.Z": "float32", **{f"normal.{c}": "float16" for c in "XYZ"},
        **dict.fromkeys(xyz, "float32"), **{f"albedo.{c}": "float16" for c in "RGB"},
        **{f"{name}.{c}": "float32" for name in ("motion", "motion_next") for c in "XY"},
        "motion_valid.V": "float16", "motion_next_valid.V": "float16", "part_id.I": "uint32", "object_id.I": "uint32",
    }  # fmt: skip
    assert header["osf:frame"] == 9
    assert header["osf:renderer"] == "osf-raycast"


def test_a_shot_in_pieces_equals_the_whole(tmp_path: Path) -> None:
    moving = replace(scene(quad(lambda f: QUAD + np.array([0.01 * f, 0, 0]))), frames=FrameRange.parse("1-5"))
    shot = ShotConfig(source="box.#.exr", adapter="osf")
    for name, pieces, threads in (("whole", ["1-5"], 1), ("pieces", ["4-5", "1", "2-3"], 2)):
        for piece in pieces:
            RayCastRenderer(W, H, threads=threads).render(moving, FrameRange.parse(piece), str(tmp_path / name), shot)
    for frame in moving.frames or ():
        whole, piece = (tmp_path / name / f"box.{frame}.exr" for name in ("whole", "pieces"))
        assert whole.read_bytes() == piece.read_bytes()


def test_renderers_are_found_by_name() -> None:
    assert renderer("raycast", width=3, height=2, supersample=1, threads=1) == RayCastRenderer(3, 2, 1, 1)
    with pytest.raises(RequestError, match=r"unknown renderer.*raycast"):
        renderer("povray", width=3, height=2)


def test_neighbours_end_at_the_range() -> None:
    assert neighbours(FrameRange.parse("1-5x2")) == [(None, 1, 3), (1, 3, 5), (3, 5, None)]


@pytest.mark.parametrize("pattern", ["*.exr", "a.##.b.##.exr"])
def test_a_pattern_without_a_frame_number_is_refused(pattern: str) -> None:
    with pytest.raises(RequestError, match="frame number"):
        frame_name(pattern, 1)


def test_id_zero_is_refused() -> None:
    with pytest.raises(RequestError, match="background"):
        scene(Mesh(QUAD, QUAD_FACES, np.array([0, 1]), 1, lambda _: QUAD, grey))
