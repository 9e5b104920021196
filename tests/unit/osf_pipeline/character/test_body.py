"""The built character: closed surface, parts, weights, bending, units, texture."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from drawn_figures import CROSSED, PLACES, VERTICES, drawing, figure_mask, person, skeleton
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from osf_pipeline.character.build import BuildReport, build_character
from osf_pipeline.character.character import Character
from osf_pipeline.color import encode_srgb
from osf_pipeline.config import Camera
from osf_pipeline.errors import InputDataError
from osf_pipeline.render.frame import render_frame
from osf_pipeline.render.scene import Mesh, Scene, Texture

Built = tuple[Character, BuildReport]


def number(character: Character, name: str) -> int:
    return next(k for k, bone in enumerate(character.bones) if bone.name == name)


def half_edges(character: Character) -> np.ndarray:
    return character.faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2).astype(np.int64)


def volume(character: Character) -> float:
    a, b, c = (character.rest[character.faces[:, k]] for k in range(3))
    return float((a * np.cross(b, c)).sum() / 6)


@pytest.mark.parametrize("figure", ["spread", "hanging"])
def test_the_surface_is_closed_and_faces_outwards(figure: str, request: pytest.FixtureRequest) -> None:
    character: Character = request.getfixturevalue(figure)[0]
    n = len(character.rest)
    half = half_edges(character)
    there, back = half[:, 0] * n + half[:, 1], half[:, 1] * n + half[:, 0]
    assert len(np.unique(there)) == len(there), "an edge has two faces on the same side"
    assert np.array_equal(np.sort(there), np.sort(back)), "an edge has no second face"
    assert np.array_equal(np.unique(character.faces), np.arange(n)), "a vertex belongs to no face"
    assert volume(character) > 0
    pieces, _ = connected_components(sparse.coo_matrix((np.ones(len(half)), tuple(half.T)), shape=(n, n)))
    assert pieces == 1
    corners = np.sort(character.faces, axis=1)
    assert len(np.unique(corners, axis=0)) == len(corners), "a front face coincides with its back"


def test_a_body_without_holes_is_a_sphere_and_a_hole_makes_a_handle(spread: Built) -> None:
    def euler(character: Character) -> int:
        return len(character.rest) - len(half_edges(character)) // 2 + len(character.faces)

    assert euler(spread[0]) == 2
    mask = figure_mask(PLACES)
    mask[100:106, 86:94] = False
    holed, report = build_character(drawing(mask, skeleton(PLACES)), VERTICES)
    assert report.holes == 1
    assert euler(holed) == 0


def test_the_front_is_in_front_and_round(spread: Built) -> None:
    character, report = spread
    front, back = np.split(character.faces, 2)
    assert character.rest[front][:, :, 2].min() >= 0
    assert character.rest[back][:, :, 2].max() <= 0
    forearm = character.part[: len(front)] == number(character, "right_forearm") + 1
    deep = character.rest[front[forearm]][:, :, 2].max() / character.pixel
    assert 5 < deep < 11, "a limb of 8 pixels half-thickness is about as deep as broad"
    assert report.depth < 0.5


def test_scene_units(spread: Built) -> None:
    character, _ = spread
    low, high = character.rest.min(axis=0), character.rest.max(axis=0)
    assert (high - low)[:2].max() == pytest.approx(Character.SIZE)
    assert low[1] == pytest.approx(0, abs=1e-9)
    assert character.bones[0].head[0] == pytest.approx(0)
    for bone, joint in (("left_forearm", "left_elbow"), ("right_shin", "right_knee")):
        x, y, z = character.bones[number(character, bone)].head
        px, py = PLACES[joint]
        assert x == pytest.approx((px - character.origin[0]) * character.pixel)
        assert y == pytest.approx((character.origin[1] - py) * character.pixel)
        assert z == 0


def test_parts_are_whole_and_lie_around_their_bones(spread: Built) -> None:
    character, report = spread
    assert set(report.parts) == {bone.name for bone in character.bones}
    centre = character.rest[character.faces].mean(axis=1)
    for index, bone in enumerate(character.bones):
        own = character.part == index + 1
        assert own.sum() > 20, bone.name
        edges = np.sort(character.faces[own][:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
        n = len(character.rest)
        _, piece = connected_components(sparse.coo_matrix((np.ones(len(edges)), tuple(edges.T)), shape=(n, n)), False)
        assert len(np.unique(piece[character.faces[own]])) == 1, f"{bone.name} is in pieces"
        middle = (np.array(bone.head) + bone.tail) / 2
        assert np.linalg.norm(centre[own].mean(axis=0) - middle) < 0.2, bone.name


def test_borders_lie_at_the_joints(spread: Built) -> None:
    character, _ = spread
    for child, joint in (
        ("left_forearm", "left_elbow"),
        ("right_shin", "right_knee"),
        ("left_upper_arm", "left_shoulder"),
    ):
        index = number(character, child)
        parent = character.bones[index].parent
        mine = np.unique(character.faces[character.part == index + 1])
        other = np.unique(character.faces[character.part == parent + 1])
        border = character.rest[np.intersect1d(mine, other)]
        px, py = PLACES[joint]
        at = np.array([(px - character.origin[0]), (character.origin[1] - py)]) * character.pixel
        assert np.linalg.norm(border[:, :2] - at, axis=1).max() < 22 * character.pixel, child


def test_arms_that_touch_the_body_lift_off(hanging: Built, spread: Built) -> None:
    assert hanging[1].cuts > spread[1].cuts + 60
    character, _ = hanging
    body = np.isin(character.part, [number(character, name) + 1 for name in ("torso", "pelvis")])
    for name in ("right_forearm", "right_hand", "left_forearm"):
        arm = character.part == number(character, name) + 1
        assert not np.intersect1d(character.faces[arm], character.faces[body]).size, name
    rotation = np.tile(np.eye(3), (len(character.bones), 1, 1))
    position = character.heads.copy()
    up = np.radians(-100)
    turn = np.array([[np.cos(up), -np.sin(up), 0], [np.sin(up), np.cos(up), 0], [0, 0, 1]])
    pivot = character.heads[number(character, "right_upper_arm")]
    for name in ("right_upper_arm", "right_forearm", "right_hand"):
        index = number(character, name)
        rotation[index] = turn
        position[index] = pivot + turn @ (character.heads[index] - pivot)
    posed = character.posed(rotation, position)
    belly = np.unique(character.faces[body])
    low = belly[(character.rest[belly, 1] < pivot[1] - 0.25)]
    assert np.linalg.norm(posed[low] - character.rest[low], axis=1).max() < 0.05, "the arm drags the belly along"


def test_weights_follow_the_parts(spread: Built) -> None:
    character, _ = spread
    weights = character.weights
    assert weights.dtype == np.float32
    assert weights.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert weights.min() >= 0
    assert (weights > 0).sum(axis=1).max() <= 4
    own = weights[character.faces].mean(axis=1)[np.arange(len(character.faces)), character.part - 1]
    assert np.median(own) > 0.75
    half = len(character.faces) // 2
    assert np.array_equal(weights[character.faces[:half]], weights[character.faces[half:][:, [0, 2, 1]]])


@pytest.mark.parametrize("degrees", [-60, 60])
def test_joints_bend_without_tearing(spread: Built, degrees: float) -> None:
    character, _ = spread
    edges = np.unique(np.sort(half_edges(character), axis=1), axis=0)
    length = np.linalg.norm(character.rest[edges[:, 0]] - character.rest[edges[:, 1]], axis=1)
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    parents = [bone.parent for bone in character.bones]
    for joint in range(1, len(character.bones)):
        rotation = np.tile(np.eye(3), (len(character.bones), 1, 1))
        position = character.heads.copy()
        for index in range(joint, len(character.bones)):
            if index == joint or not np.array_equal(rotation[parents[index]], np.eye(3)):
                rotation[index] = turn
                position[index] = character.heads[joint] + turn @ (character.heads[index] - character.heads[joint])
        posed = character.posed(rotation, position)
        stretch = np.linalg.norm(posed[edges[:, 0]] - posed[edges[:, 1]], axis=1) / length
        assert stretch.max() < 3, character.bones[joint].name
        assert np.percentile(stretch, 99) < 1.7, character.bones[joint].name


def test_the_rest_pose_shows_the_drawing(spread: Built) -> None:
    character, _ = spread
    drawn = person()
    height, width = drawn.mask.shape
    position = (
        ((width - 1) / 2 - character.origin[0]) * character.pixel,
        (character.origin[1] - (height - 1) / 2) * character.pixel,
        5.0,
    )
    camera = Camera(scale=width * character.pixel, position=position)
    skin, rest = Texture(character.texture), character.rest
    mesh = Mesh(rest, character.faces, character.part, 1, lambda _: rest, skin, character.uv)
    frame = render_frame(Scene((mesh,), lambda _: camera), 0, (width, height))
    shown = frame.buffers["part_id"][0] > 0
    assert (shown & drawn.mask).sum() / (shown | drawn.mask).sum() > 0.98
    seen = np.moveaxis(encode_srgb(frame.buffers["albedo"].astype(np.float64)), 0, 2)
    assert np.abs(seen - drawn.fill)[shown & drawn.mask].max() < 0.01


def test_front_and_back_meet_at_the_outline(spread: Built) -> None:
    character, _ = spread
    front, back = np.split(character.uv, 2)
    assert front[..., 0].max() < 0.5 < back[..., 0].min()
    assert front[..., 0] == pytest.approx(1 - back[:, [0, 2, 1], 0])
    assert front[..., 1] == pytest.approx(back[:, [0, 2, 1], 1])


def test_the_same_drawing_gives_the_same_bytes(spread: Built) -> None:
    again, _ = build_character(person(), VERTICES)
    for name in ("rest", "faces", "part", "weights", "uv", "texture"):
        assert getattr(again, name).tobytes() == getattr(spread[0], name).tobytes(), name


def test_arms_drawn_across_the_body_are_refused() -> None:
    with pytest.raises(InputDataError, match="over the middle of the body") as caught:
        build_character(person(CROSSED), VERTICES)
    assert "right_forearm" in str(caught.value)


def test_limbs_are_told_from_each_other(hanging: Built) -> None:
    """No vertex follows two different limbs."""
    character, _ = hanging
    limbs = [
        [k for k, bone in enumerate(character.bones) if bone.name.startswith(side) and bone.name.endswith(ends)]
        for side in ("right", "left")
        for ends in (("arm", "hand"), ("thigh", "shin", "foot"))
    ]
    for one, other in combinations(limbs, 2):
        both = (character.weights[:, one].sum(axis=1) > 0.3) & (character.weights[:, other].sum(axis=1) > 0.3)
        assert not both.any()
