"""What stands in the files, read by nothing of the package: JSON, buffer and the specification's formulas."""

from __future__ import annotations

import io
import json
import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from osf_pipeline.character.character import Character
from osf_pipeline.config import Camera
from osf_pipeline.errors import RequestError
from osf_pipeline.gltf.write import write_character, write_scene
from osf_pipeline.motion.clip import Performance
from osf_pipeline.render.scene import (
    Light,
    Mesh,
    Placement,
    Plain,
    Rigid,
    Scene,
    Skinned,
    SurfaceColor,
    Texture,
    VertexColor,
)
from osf_pipeline.render.shapes import ball
from osf_pipeline.render.view import View
from osf_pipeline.shots import FrameRange

FRAMES = FrameRange.of([10, 11, 13])


class Document:
    """A GLB as the specification reads it."""

    def __init__(self, data: bytes) -> None:
        magic, version, total, length, kind = struct.unpack_from("<5I", data)
        assert (magic, version, total, kind) == (0x46546C67, 2, len(data), 0x4E4F534A)
        self.json: dict[str, Any] = json.loads(data[20 : 20 + length])
        self.binary = data[28 + length :]

    def values(self, index: int) -> np.ndarray:
        item = self.json["accessors"][index]
        view = self.json["bufferViews"][item["bufferView"]]
        dtype = {5123: "<u2", 5125: "<u4", 5126: "<f4"}[item["componentType"]]
        width = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}[item["type"]]
        assert view["byteOffset"] % 4 == 0
        return np.frombuffer(self.binary, dtype, item["count"] * width, view["byteOffset"]).reshape(-1, width)

    def node(self, name: str) -> int:
        (index,) = [n for n, node in enumerate(self.json["nodes"]) if node.get("name") == name]
        return index

    def world(self, key: int | None) -> np.ndarray:
        """(N, 4, 4) world matrices at a key of the animation, or at rest."""
        still = {"translation": (0, 0, 0), "rotation": (0, 0, 0, 1), "scale": (1, 1, 1)}
        local = [still | node for node in self.json["nodes"]]
        for animation in self.json.get("animations", []) if key is not None else []:
            for channel in animation["channels"]:
                if "node" in channel["target"]:
                    output = self.values(animation["samplers"][channel["sampler"]]["output"])
                    local[channel["target"]["node"]][channel["target"]["path"]] = output[key]
        matrices = [np.eye(4) for _ in local]
        for matrix, node in zip(matrices, local, strict=True):
            matrix[:3, :3] = Rotation.from_quat(node["rotation"]).as_matrix() * node["scale"]
            matrix[:3, 3] = node["translation"]
        world = np.array(matrices)
        queue = [(child, n) for n, node in enumerate(local) for child in node.get("children", [])]
        parent = dict(queue)
        for n in range(len(local)):
            above = parent.get(n)
            while above is not None:
                world[n] = matrices[above] @ world[n]
                above = parent.get(above)
        return world

    def corners(self, node: int, key: int | None) -> dict[str, dict[str, np.ndarray]]:
        """World position, texture coordinates and so on of all triangle corners, by material name."""
        item, world = self.json["nodes"][node], self.world(key)
        found = {}
        for primitive in self.json["meshes"][item["mesh"]]["primitives"]:
            index = self.values(primitive["indices"])[:, 0]
            data = {name: self.values(accessor)[index] for name, accessor in primitive["attributes"].items()}
            matrix = np.repeat(world[node][None], len(index), axis=0)
            if "skin" in item:
                skin = self.json["skins"][item["skin"]]
                inverse = self.values(skin["inverseBindMatrices"]).reshape(-1, 4, 4).swapaxes(1, 2)
                joints = world[skin["joints"]] @ inverse
                matrix = sum(
                    np.einsum("nk,nkij->nij", data[f"WEIGHTS_{s}"], joints[data[f"JOINTS_{s}"]])
                    for s in range(sum(name.startswith("JOINTS") for name in data))
                )
            position = np.concatenate([data["POSITION"], np.ones((len(index), 1))], axis=1)
            data["world"] = np.einsum("nij,nj->ni", matrix, position)[:, :3]
            found[self.json["materials"][primitive["material"]]["name"]] = data
        return found


def make(*meshes: Mesh, camera: Camera | None = None, light: Light | None = None, parts: bool = True) -> Scene:
    fixed = camera or Camera(scale=4, position=(0, 0, 9))
    return Scene(meshes, lambda _: fixed, light, {1: "tube", 4: "ball"}, {1: "first", 9: "ball"} if parts else {})


def prop(color: SurfaceColor) -> tuple[Mesh, Rigid]:
    rest, faces = ball(0.4, rows=4)
    turns = {frame: Rotation.from_rotvec([0.1 * frame, 0, 0.3]).as_matrix() for frame in FRAMES}
    pose = Rigid(rest, turns, {frame: np.array([frame, 1.0, -2.0]) for frame in FRAMES})
    return Mesh(rest, faces, np.full(len(faces), 9, np.uint16), 4, pose, color), pose


def test_a_performing_character_is_posed_as_its_formula_says(tube: Character, performance: Performance) -> None:
    file = Document(write_character(tube, performance, "tube"))
    for key in range(len(performance.rotation)):
        expected = tube.posed(performance.rotation[key], performance.position[key])[tube.faces]
        corners = file.corners(file.node("tube"), key)
        for bone, name in tube.parts.items():
            found = corners[f"tube/{name}"]["world"].reshape(-1, 3, 3)
            np.testing.assert_allclose(found, expected[tube.part == bone], atol=1e-5)
    (animation,) = file.json["animations"]
    times = file.values(animation["samplers"][0]["input"])[:, 0]
    np.testing.assert_allclose(times, np.arange(5) / 24, atol=1e-6)


def test_at_rest_every_corner_keeps_its_place_and_texture_coordinates(tube: Character) -> None:
    file = Document(write_character(tube))
    corners = file.corners(file.node("character"), None)
    assert "animations" not in file.json
    for bone, name in tube.parts.items():
        data = corners[f"character/{name}"]
        np.testing.assert_allclose(data["world"].reshape(-1, 3, 3), tube.rest[tube.faces][tube.part == bone], atol=1e-6)
        np.testing.assert_array_equal(data["TEXCOORD_0"].reshape(-1, 3, 2), tube.uv[tube.part == bone])
        outwards = data["NORMAL"][:, 1:] * data["world"][:, 1:]
        assert outwards.sum(1).min() > -1e-6
        np.testing.assert_allclose(np.linalg.norm(data["NORMAL"], axis=1), 1, atol=1e-6)
    count = len(file.values(file.json["meshes"][0]["primitives"][0]["attributes"]["POSITION"]))
    assert len(tube.rest) < count < tube.faces.size  # only seams are split


def test_more_than_four_weights_go_into_a_second_set(tube: Character) -> None:
    file = Document(write_character(tube))
    data = next(iter(file.corners(file.node("character"), None).values()))
    both = np.concatenate([data["WEIGHTS_0"], data["WEIGHTS_1"]], axis=1)
    np.testing.assert_allclose(both.sum(1), 1, atol=1e-6)
    assert (np.diff(both, axis=1) <= 0).all()
    assert (data["JOINTS_1"][data["WEIGHTS_1"] == 0] == 0).all()


def test_the_texture_is_a_picture_of_the_same_texels(tube: Character) -> None:
    file = Document(write_character(tube))
    (image,) = file.json["images"]
    view = file.json["bufferViews"][image["bufferView"]]
    data = file.binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
    picture = np.array(Image.open(io.BytesIO(data))).astype(np.float64) / 255
    np.testing.assert_allclose(picture, tube.texture, atol=0.5 / 255 + 1e-6)
    assert all("KHR_materials_unlit" in material["extensions"] for material in file.json["materials"])
    assert len(file.json["textures"]) == 1


def test_equal_calls_give_equal_bytes(tube: Character, performance: Performance) -> None:
    assert write_character(tube, performance) == write_character(tube, performance)


def test_turns_take_the_short_way(tube: Character, performance: Performance) -> None:
    spin = Rotation.from_rotvec(np.outer(np.linspace(0, 6, 5), [0, 0, 1])).as_matrix()
    turning = Performance(np.repeat(spin[:, None], 6, axis=1), performance.position, 24)
    file = Document(write_character(tube, turning))
    (animation,) = file.json["animations"]
    turns = [c for c in animation["channels"] if c["target"]["path"] == "rotation"]
    for channel in turns:
        values = file.values(animation["samplers"][channel["sampler"]]["output"])
        assert ((values[1:] * values[:-1]).sum(1) > 0).all()


def test_a_scene_places_its_actor_and_moves_its_prop(tube: Character, performance: Performance) -> None:
    pose = Skinned(tube, performance, {10: 4, 11: 0, 13: 2}, Placement((1, 2, 3), 40, 0.5))
    actor = Mesh(tube.rest, tube.faces, tube.part, 1, pose, Texture(tube.texture), tube.uv)
    thing, rigid = prop(Plain((0.1, 0.2, 0.3)))
    file = Document(write_scene(make(actor, thing), FRAMES, 24))
    for key, frame in enumerate(FRAMES):
        found = file.corners(file.node("tube"), key)["tube/first"]["world"].reshape(-1, 3, 3)
        np.testing.assert_allclose(found, pose(frame)[tube.faces][tube.part == 1], atol=1e-5)
        found = file.corners(file.node("ball"), key)["ball/ball"]["world"].reshape(-1, 3, 3)
        np.testing.assert_allclose(found, rigid(frame)[thing.faces], atol=1e-5)
    material = next(m for m in file.json["materials"] if m["name"] == "ball/ball")
    assert material["pbrMetallicRoughness"]["baseColorFactor"] == [0.1, 0.2, 0.3, 1]
    assert material["extras"] == {"part_id": 9}
    assert file.json["nodes"][file.node("ball")]["extras"] == {"object_id": 4}
    (animation,) = file.json["animations"]
    np.testing.assert_allclose(file.values(animation["samplers"][0]["input"])[:, 0], np.array([10, 11, 13]) / 24)


def test_colours_of_vertices_and_meshes_that_stand_still_are_written() -> None:
    rest, faces = ball(0.4, rows=4)
    colors = np.clip(rest + 0.5, 0, 1)
    still = Mesh(rest, faces, np.full(len(faces), 9, np.uint16), 4, lambda _: rest, VertexColor(colors))
    file = Document(write_scene(make(still), FRAMES, 24))
    data = file.corners(file.node("ball"), 1)["ball/ball"]
    np.testing.assert_allclose(data["world"], rest[faces.ravel()], atol=1e-6)
    np.testing.assert_allclose(data["COLOR_0"], colors[faces.ravel()], atol=1e-6)


@pytest.mark.parametrize("projection", ["persp", "ortho"])
def test_the_camera_sees_points_where_ours_does(projection: str) -> None:
    def camera(frame: int) -> Camera:
        right, up, back = Rotation.from_euler("xyz", [0.2, 0.05 * frame, 0.1]).as_matrix().T.tolist()
        lens: Any = {"fov": 30 + frame} if projection == "persp" else {"scale": 4 + frame}
        return Camera(projection=projection, right=right, up=up, back=back, position=(1, 2, frame), **lens)

    thing, _ = prop(Plain((1, 1, 1)))
    file = Document(write_scene(Scene((thing,), camera), FRAMES, 24, aspect=2))
    (item,), animation = file.json["cameras"], file.json["animations"][0]
    lens = {}
    for channel in animation["channels"]:
        if channel["target"]["path"] == "pointer":
            pointer = channel["target"]["extensions"]["KHR_animation_pointer"]["pointer"]
            lens[pointer] = file.values(animation["samplers"][channel["sampler"]]["output"])[:, 0]
    points = np.random.default_rng(3).normal(size=(20, 3)) - [0, 0, 8]
    for key, frame in enumerate(FRAMES):
        inverse = np.linalg.inv(file.world(key)[file.node("camera")])
        local = points @ inverse[:3, :3].T + inverse[:3, 3]
        if projection == "persp":
            yfov = lens["/cameras/0/perspective/yfov"][key]
            assert item["perspective"]["aspectRatio"] == 2
            y = local[:, 1] / -local[:, 2] / np.tan(yfov / 2)
            x = local[:, 0] / -local[:, 2] / np.tan(yfov / 2) / 2
        else:
            x = local[:, 0] / lens["/cameras/0/orthographic/xmag"][key]
            y = local[:, 1] / lens["/cameras/0/orthographic/ymag"][key]
        expected, _ = View(camera(frame), 200, 100).project(points)
        found = np.stack([(x + 1) * 100 - 0.5, (1 - y) * 50 - 0.5], axis=1)
        np.testing.assert_allclose(found, expected, atol=2e-3)


def test_the_sun_shines_from_where_the_light_comes() -> None:
    towards = np.array([-0.48, 0.64, 0.6])
    thing, _ = prop(Plain((1, 1, 1)))
    light = Light(tuple(towards.tolist()), 0.3, (0.8, 0.9, 1.0), "cast")
    file = Document(write_scene(make(thing, light=light), FRAMES, 24))
    matrix = file.world(None)[file.node("sun")]
    np.testing.assert_allclose(matrix[:3, :3] @ [0, 0, -1], -towards, atol=1e-6)  # glTF lights shine along -z
    (sun,) = file.json["extensions"]["KHR_lights_punctual"]["lights"]
    assert sun["extras"] == {"ambient": 0.3, "shade": [0.8, 0.9, 1.0], "shadows": "cast"}
    assert all("extensions" not in material for material in file.json["materials"])  # so that others shade it


def test_what_gltf_cannot_say_is_refused() -> None:
    rest, faces = ball(0.4, rows=4)
    free = Mesh(rest, faces, np.ones(len(faces), np.uint16), 4, lambda frame: rest * frame, Plain((1, 1, 1)))
    with pytest.raises(RequestError, match="free vertex movement"):
        write_scene(make(free), FRAMES, 24)
    painted, _ = prop(lambda points: points.rest)
    with pytest.raises(RequestError, match="surface colour"):
        write_scene(make(painted), FRAMES, 24)
    thing, _ = prop(Plain((1, 1, 1)))
    with pytest.raises(RequestError, match="before 0"):
        write_scene(make(thing), FrameRange.of([-1, 0]), 24)
    cameras = {10: Camera(scale=2), 11: Camera(projection="persp", fov=40), 13: Camera(scale=2)}
    with pytest.raises(RequestError, match="projection"):
        write_scene(Scene((thing,), cameras.__getitem__), FRAMES, 24)
