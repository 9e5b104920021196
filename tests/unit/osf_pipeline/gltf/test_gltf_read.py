"""Motions from glTF files: the writer's own, hand-made ones with known curves, and hostile ones."""

from __future__ import annotations

import base64
import copy
import json
import random
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.interpolate import CubicHermiteSpline
from scipy.spatial.transform import Rotation

from osf_pipeline.character.character import Character
from osf_pipeline.errors import InputDataError, OsfError, RequestError
from osf_pipeline.gltf.read import read_clip
from osf_pipeline.gltf.write import write_character
from osf_pipeline.motion.clip import Performance

HALF_TURN = [0, 0, 1, 0]
NODES = [
    {"name": "hips", "children": [1], "translation": [0, 1, 0]},
    {"children": [2], "scale": [2, 2, 2]},  # no joint, and no name
    {"name": "knee", "translation": [0, -1, 0]},
]


def document(channels: list[tuple[int, str, str, Any, Any]], nodes: Any = NODES, **more: Any) -> dict[str, Any]:
    """A .gltf with one data URI; channels are (node, path, interpolation, times, values)."""
    binary = bytearray()
    views, accessors, samplers, targets = [], [], [], []

    def accessor(values: Any) -> int:
        array = np.atleast_1d(np.array(values, np.float32))
        kind = "SCALAR" if array.ndim == 1 else f"VEC{array.shape[1]}"
        views.append({"buffer": 0, "byteOffset": len(binary), "byteLength": array.nbytes})
        accessors.append({"bufferView": len(views) - 1, "componentType": 5126, "count": len(array), "type": kind})
        binary.extend(array.tobytes())
        return len(accessors) - 1

    for number, (node, path, interpolation, times, values) in enumerate(channels):
        samplers.append({"input": accessor(times), "output": accessor(values), "interpolation": interpolation})
        targets.append({"sampler": number, "target": {"node": node, "path": path}})
    uri = "data:application/octet-stream;base64," + base64.b64encode(binary).decode()
    return {
        "asset": {"version": "2.0"}, "nodes": copy.deepcopy(nodes),
        "skins": [{"joints": [0, 2]}],
        "buffers": [{"byteLength": len(binary), "uri": uri}],
        "bufferViews": views, "accessors": accessors,
        "animations": [{"name": "step", "channels": targets, "samplers": samplers}],
    } | more  # fmt: skip


def save(path: Path, content: dict[str, Any]) -> str:
    path.write_text(json.dumps(content))
    return str(path)


def test_a_written_performance_comes_back(tube: Character, performance: Performance) -> None:
    clip = read_clip(write_character(tube, performance, "dance"), fps=24)
    assert (clip.name, clip.fps) == ("dance", 24)
    order = [clip.joints.index(bone.name) for bone in tube.bones]
    np.testing.assert_allclose(clip.positions[:, order], performance.position, atol=1e-5)
    parents = [-1 if clip.parents[row] < 0 else clip.joints[clip.parents[row]] for row in order]
    assert parents == [-1 if bone.parent < 0 else tube.bones[bone.parent].name for bone in tube.bones]
    assert (clip.parents < np.arange(len(clip.joints))).all()
    tail = clip.positions[:, clip.joints.index("bone_5_end")]
    expected = performance.position[:, 5] + performance.rotation[:, 5] @ [1, 0, 0]
    np.testing.assert_allclose(tail, expected, atol=1e-5)


def test_nodes_between_joints_count_as_space_and_not_as_joints(tmp_path: Path) -> None:
    path = save(tmp_path / "a.gltf", document([(0, "rotation", "LINEAR", [0, 1], [[0, 0, 0, 1], HALF_TURN])]))
    clip = read_clip(path, fps=2)
    assert (clip.joints, clip.parents.tolist()) == (("hips", "knee"), [-1, 0])
    np.testing.assert_allclose(clip.positions[:, 0], [[0, 1, 0]] * 3, atol=1e-6)
    np.testing.assert_allclose(clip.positions[:, 1], [[0, -1, 0], [2, 1, 0], [0, 3, 0]], atol=1e-6)


def test_without_a_skin_what_moves_and_hangs_on_it_are_the_joints(tmp_path: Path) -> None:
    content = document([(1, "translation", "LINEAR", [0, 1], [[0, 0, 0], [1, 0, 0]])])
    del content["skins"]
    clip = read_clip(save(tmp_path / "a.gltf", content), fps=1)
    assert clip.joints == ("node.1", "knee")
    np.testing.assert_allclose(clip.positions[:, 1], [[0, -1, 0], [1, -1, 0]], atol=1e-6)


@pytest.mark.parametrize("path", ["translation", "scale"])
def test_steps_hold_and_lines_run_straight(tmp_path: Path, path: str) -> None:
    keys = [[1, 2, 3], [2, 4, 8], [0, 1, 1]]
    found = {}
    for interpolation in ("STEP", "LINEAR"):
        clip = read_clip(save(tmp_path / "a.gltf", document([(0, path, interpolation, [1, 2, 4], keys)])), fps=4)
        found[interpolation] = clip.positions
    times = 1 + np.arange(13) / 4
    held = np.array(keys)[np.searchsorted([1, 2, 4], times, "right") - 1]
    straight = np.stack([np.interp(times, [1, 2, 4], column) for column in np.array(keys).T], axis=1)
    for interpolation, values in (("STEP", held), ("LINEAR", straight)):
        if path == "translation":
            np.testing.assert_allclose(found[interpolation][:, 0], values, atol=1e-6)
        else:
            np.testing.assert_allclose(found[interpolation][:, 1], [0, 1, 0] + [0, -2, 0] * values, atol=1e-6)


def test_cubic_splines_follow_their_tangents(tmp_path: Path) -> None:
    times, tangents = np.array([0, 0.5, 2]), np.random.default_rng(2).normal(size=(3, 3))
    places = np.random.default_rng(3).normal(size=(3, 3))
    keys = np.stack([tangents, places, tangents], axis=1).reshape(-1, 3)
    clip = read_clip(save(tmp_path / "a.gltf", document([(0, "translation", "CUBICSPLINE", times, keys)])), fps=10)
    expected = CubicHermiteSpline(times, places, tangents)(np.arange(21) / 10)
    np.testing.assert_allclose(clip.positions[:, 0], expected, atol=1e-5)


def test_a_splined_rotation_is_normalised(tmp_path: Path) -> None:
    flat = np.zeros(4)
    keys = [flat, [0, 0, 0, 1], flat, flat, HALF_TURN, flat]
    clip = read_clip(save(tmp_path / "a.gltf", document([(0, "rotation", "CUBICSPLINE", [0, 1], keys)])), fps=2)
    bone = clip.positions[:, 1] - clip.positions[:, 0]
    np.testing.assert_allclose(np.linalg.norm(bone, axis=1), 2, atol=1e-6)
    np.testing.assert_allclose(bone[1], [2, 0, 0], atol=1e-6)


def test_matrices_of_still_nodes_and_integer_rotations_are_understood(tmp_path: Path) -> None:
    content = document(
        [(2, "translation", "LINEAR", [0, 1], [[1, 0, 0], [1, 0, 0]]), (0, "rotation", "STEP", [0], [HALF_TURN])]
    )
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = Rotation.from_euler("z", 90, degrees=True).as_matrix(), [0, 0, 5]
    content["nodes"][1] = {"children": [2], "matrix": matrix.T.ravel().tolist()}
    number = content["animations"][0]["samplers"][1]["output"]
    view = content["bufferViews"][content["accessors"][number]["bufferView"]]
    head, data = content["buffers"][0]["uri"].split(",")
    binary = bytearray(base64.b64decode(data))
    binary[view["byteOffset"] : view["byteOffset"] + 8] = struct.pack("<4h", 0, 0, 32767, 0)
    content["buffers"][0]["uri"] = f"{head},{base64.b64encode(binary).decode()}"
    content["accessors"][number] |= {"componentType": 5122, "normalized": True}
    clip = read_clip(save(tmp_path / "a.gltf", content), fps=1)
    np.testing.assert_allclose(
        clip.positions[0], [[0, 1, 0], [0, 0, 5]], atol=1e-4
    )  # x turns to y, and y is turned over


def test_an_animation_is_chosen_by_name(tmp_path: Path) -> None:
    content = document([(0, "translation", "STEP", [0], [[1, 2, 3]])])
    second = copy.deepcopy(content["animations"][0]) | {"name": "jump"}
    content["animations"].append(second)
    path = save(tmp_path / "a.gltf", content)
    assert (read_clip(path).name, read_clip(path, "jump").name) == ("step", "jump")
    with pytest.raises(RequestError, match=r"no such animation.*step, jump"):
        read_clip(path, "walk")


def beside(tmp_path: Path, uri: str) -> str:
    """A file whose buffer lies in a file of its own; a copy lies outside the folder too."""
    content = document([(0, "translation", "STEP", [0], [[1, 2, 3]])])
    data = base64.b64decode(content["buffers"][0]["uri"].partition(",")[2])
    folder = tmp_path / "motions"
    (folder / "below").mkdir(parents=True, exist_ok=True)
    for path in (folder / "a.bin", folder / "below" / "a b.bin", tmp_path / "secret.bin"):
        path.write_bytes(data)
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    content["buffers"][0]["uri"] = uri.format(root=tmp_path)
    return save(folder / "a.gltf", content)


@pytest.mark.parametrize("uri", ["a.bin", "below/a%20b.bin"])
def test_buffers_may_lie_beside_the_file(tmp_path: Path, uri: str) -> None:
    np.testing.assert_allclose(read_clip(beside(tmp_path, uri)).positions[0, 0], [1, 2, 3])


@pytest.mark.parametrize(
    "uri",
    [
        "../secret.bin", "%2e%2e/secret.bin", "below/../../secret.bin", "{root}/secret.bin", "file://{root}/secret.bin",
        "http://example.com/a.bin", "memory://a.bin", "..\\secret.bin", "link.bin", "",
    ],
)  # fmt: skip
def test_buffers_elsewhere_are_never_opened(tmp_path: Path, uri: str) -> None:
    with pytest.raises(InputDataError, match="outside the file's folder"):
        read_clip(beside(tmp_path, uri))


def changed(change: str) -> dict[str, Any]:
    content = document([(0, "translation", "LINEAR", [0, 1], [[0, 0, 0], [1, 0, 0]])])
    exec(change, {"c": content})
    return content


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("c['accessors'][1]['sparse'] = {}", "sparse"),
        ("c['bufferViews'][1]['extensions'] = {'EXT_meshopt_compression': {}}", "compressed"),
        ("c['accessors'][1]['count'] = 3", "leaves its buffer"),
        ("c['bufferViews'][1]['byteOffset'] = 1 << 20", "leaves its buffer"),
        ("c['accessors'][1]['count'] = -1", "size or place"),
        ("c['accessors'][1]['type'] = 'VEC2'", "do not fit"),
        ("c['accessors'][0]['bufferView'] = 1", "do not increase"),
        ("c['animations'][0]['samplers'][0]['interpolation'] = 'BEZIER'", "do not fit"),
        ("c['nodes'][2]['children'] = [0]", "ring"),
        ("c['nodes'][0]['children'] = [1, 2]", "two parents"),
        ("c['nodes'][0]['translation'] = [0, 1]", "wrong length"),
        ("c['nodes'][0]['rotation'] = [0, 0, 0, 0]", "rotation is 0"),
        ("c['nodes'] *= 3000", "too many"),
        ("c['asset']['version'] = '1.0'", "only glTF 2"),
        ("del c['animations']", "no animation"),
        ("c['animations'][0]['channels'][0]['target']['path'] = 'weights'", "moves no node"),
        ("c['animations'][0]['channels'][0]['target']['node'] = 9", "no sampler or node"),
        ("c['buffers'][0]['uri'] = 'data:;base64,!'", "base64"),
        ("c['nodes'] = 3", "no list"),
        ("c['nodes'][0] = 3", "no object"),
        ("c['nodes'][0]['children'] = 1", "no list"),
        ("c['nodes'][0]['children'] = [True]", "no such item"),
        ("c['skins'][0]['joints'] = {}", "no list"),
        ("c['animations'] = {}", "no list"),
        ("c['animations'][0]['channels'] = [[]]", "no object"),
        ("c['animations'][0]['channels'][0]['target'] = 1", "no object"),
    ],
)
def test_damage_is_named(tmp_path: Path, change: str, message: str) -> None:
    with pytest.raises(InputDataError, match=message):
        read_clip(save(tmp_path / "a.gltf", changed(change)))


def test_a_clip_of_days_is_refused(tmp_path: Path) -> None:
    content = document([(0, "translation", "LINEAR", [0, 1e6], [[0, 0, 0], [1, 0, 0]])])
    with pytest.raises(InputDataError, match="too long"):
        read_clip(save(tmp_path / "a.gltf", content))


def test_values_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    content = document([(0, "translation", "LINEAR", [0, 1], [[0, 0, 0], [np.nan, 0, 0]])])
    with pytest.raises(InputDataError, match="NaN"):
        read_clip(save(tmp_path / "a.gltf", content))


def test_missing_and_foreign_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputDataError, match="no such file"):
        read_clip(str(tmp_path / "none.glb"))
    for data in (b"", b"glTF", b"\x89PNG", b"[1]", b"{" * 100_000):
        with pytest.raises(InputDataError):
            read_clip(data)
    monkeypatch.setattr("osf_pipeline.gltf.container.MAX_BYTES", 10)
    with pytest.raises(InputDataError, match="too large"):
        read_clip(save(tmp_path / "a.gltf", document([])))


def test_damaged_bytes_end_in_an_error_or_a_clip(tube: Character, performance: Performance) -> None:
    """Every truncation and 300 files of a few flipped bytes, most of them in the document."""
    whole = write_character(tube, performance)
    (length,) = struct.unpack_from("<I", whole, 12)
    source = random.Random(1)
    for cut in range(0, 20 + length, 97):
        with pytest.raises(OsfError):
            read_clip(whole[:cut])
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(source.randint(1, 4)):
            damaged[source.randrange(12, 20 + length)] = source.choice(b'0159{}[]",:x-')
        try:
            clip = read_clip(bytes(damaged), fps=24)
        except OsfError:
            continue
        assert np.isfinite(clip.positions).all()
