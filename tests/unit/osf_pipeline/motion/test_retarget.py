"""Clips performed by figures of other proportions."""

from __future__ import annotations

from dataclasses import replace
from math import radians
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from osf_pipeline.character.character import Bone, Character, Role
from osf_pipeline.errors import InputDataError, RequestError
from osf_pipeline.motion.body import arms, attach, leg_length, legs
from osf_pipeline.motion.builtin import NAMES, builtin
from osf_pipeline.motion.bvh import read_bvh
from osf_pipeline.motion.clip import Clip, Performance
from osf_pipeline.motion.names import landmarks
from osf_pipeline.motion.retarget import SEGMENTS, retarget
from osf_pipeline.motion.rotations import unit


def directions(character: Character, performance: Performance, bone: int) -> np.ndarray:
    """(T, 3) where a bone points."""
    drawn = unit(np.subtract(character.bones[bone].tail, character.bones[bone].head))
    return performance.rotation[:, bone] @ drawn


def attached(character: Character, performance: Performance) -> float:
    """Largest distance of a bone's head from where its parent carries it, relative to the bone's drawn distance."""
    again = attach(character, performance.rotation, performance.position[:, 0])
    return float(np.abs(again - performance.position).max())


@pytest.mark.parametrize("correct", [False, True])
def test_a_figure_that_performs_itself_stays_as_drawn(figure: Character, still: Clip, correct: bool) -> None:
    performance = retarget(still, figure, fps=24, correct=correct)
    assert performance.rotation.shape == (25, len(figure.bones), 3, 3)
    np.testing.assert_allclose(performance.rotation, np.tile(np.eye(3), (25, len(figure.bones), 1, 1)), atol=1e-9)
    if correct:
        shift = figure.heads[0] * (1, 0, 1)
        np.testing.assert_allclose(performance.position[0], figure.heads - shift, atol=1e-9)


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"rest"}))
def test_limbs_point_where_the_clips_do_and_keep_their_lengths(figure: Character, name: str) -> None:
    clip = builtin(name)
    performance = retarget(clip, figure, fps=24, correct=False, facing="source")
    marks = landmarks(clip)
    for number, bone in enumerate(figure.bones):
        if bone.role in SEGMENTS and bone.role is not Role.HEAD:
            start, end = SEGMENTS[bone.role]
            np.testing.assert_allclose(
                directions(figure, performance, number), unit(marks[end] - marks[start]), atol=1e-6, err_msg=bone.name
            )
    corrected = retarget(clip, figure, fps=24)
    for played in (performance, corrected):
        assert attached(figure, played) < 1e-9
        determinants = np.linalg.det(played.rotation)
        np.testing.assert_allclose(determinants, 1, atol=1e-6)


def test_turning_survives_and_the_start_faces_the_viewer(figure: Character) -> None:
    clip = builtin("turn")
    turned = replace(clip, positions=clip.positions @ Rotation.from_euler("y", 137, degrees=True).as_matrix().T)
    for source in (clip, turned):
        performance = retarget(source, figure, fps=24)
        front = performance.rotation[:, 0] @ (0, 0, 1.0)
        assert front[0, 2] > 0.99
        assert front[48, 2] < -0.95
        assert front[24, 0] > 0.95
    kept = retarget(turned, figure, fps=24, facing="source")
    heading = np.arctan2(*(kept.rotation[0, 0] @ (0, 0, 1.0))[[0, 2]])
    assert abs(np.degrees(heading) - 137) < 2


def test_travel_is_as_long_as_the_legs_allow(build) -> None:
    clip = builtin("walk")
    figures = [
        build(),
        build(left_ankle=(0.14, 0.25), right_ankle=(-0.15, 0.25), left_toe=(0.2, 0.2), right_toe=(-0.2, 0.2)),
    ]
    ways = []
    for character in figures:
        performance = retarget(clip, character, fps=24, correct=False)
        way = performance.position[-1, 0] - performance.position[0, 0]
        np.testing.assert_allclose(performance.position[0, 0, ::2], 0, atol=1e-12)
        ways.append(way[2] / leg_length(character))
    np.testing.assert_allclose(ways, (clip.positions[-1, 0, 2] - clip.positions[0, 0, 2]) / 0.84, rtol=1e-4)


def test_several_bones_of_one_role_keep_their_angles_and_go_together(figure: Character) -> None:
    shoulder = figure.bones[3]
    assert shoulder.role is Role.LEFT_UPPER_ARM
    tail = np.add(shoulder.tail, (0, 0.15, 0))
    second = Bone("left_upper_arm_2", 1, (0.2, 1.1, 0), tuple(tail - (0, 0.1, 0)), Role.LEFT_UPPER_ARM)
    weights = np.pad(figure.weights, ((0, 0), (0, 1)))
    six = replace(figure, bones=(*figure.bones, second), weights=weights)
    performance = retarget(builtin("wave"), six, fps=24, correct=False)
    np.testing.assert_allclose(performance.rotation[:, 3], performance.rotation[:, -1], atol=1e-12)
    mean = unit(directions(six, performance, 3) + directions(six, performance, len(six.bones) - 1))
    marks = landmarks(builtin("wave"))
    np.testing.assert_allclose(mean, unit(marks["left_elbow"] - marks["left_shoulder"]), atol=1e-6)


def test_bones_without_length_or_missing_follow_their_parents(build) -> None:
    character = build(left_hand=(0.65, 0.85), left_elbow=(0.2, 1.2))
    performance = retarget(builtin("jump"), character, fps=24)
    assert np.isfinite(performance.rotation).all()
    assert np.isfinite(performance.position).all()
    hand = [bone.name for bone in character.bones].index("left_hand")
    np.testing.assert_array_equal(performance.rotation[:, hand], performance.rotation[:, hand - 1])
    trunk = replace(character, bones=character.bones[:3], weights=character.weights[:, :3])
    assert np.isfinite(retarget(builtin("jump"), trunk, fps=24).position).all()


def test_a_lying_body_walks_along_the_picture(build) -> None:
    animal = build(
        hips=(-0.4, 0.5), waist=(-0.2, 0.52), neck=(0.5, 0.6), head=(0.7, 0.8),
        left_hip=(-0.4, 0.4), left_knee=(-0.4, 0.2), left_ankle=(-0.4, 0.05), left_toe=(-0.38, 0.02),
        right_hip=(0.4, 0.4), right_knee=(0.4, 0.2), right_ankle=(0.4, 0.05), right_toe=(0.42, 0.02),
    )  # fmt: skip
    performance = retarget(builtin("walk"), animal, fps=24)
    way = performance.position[-1, 0] - performance.position[0, 0]
    assert way[0] > 0.5
    assert abs(way[2]) < 0.1 * way[0]
    angle = np.degrees(np.arccos(np.clip((np.trace(performance.rotation[:, 0], axis1=1, axis2=2) - 1) / 2, -1, 1)))
    assert angle.max() < 12


def test_timing(figure: Character) -> None:
    clip = builtin("walk")
    assert clip.seconds == 4
    whole = retarget(clip, figure, fps=24)
    assert len(whole.position) == 97
    assert len(retarget(clip, figure, fps=30, first=1, speed=2).position) == 46
    feet = [
        bone.name.endswith("foot") for bone in figure.bones
    ]  # know the clip's flat foot from the part that is played
    plain = retarget(clip, figure, fps=24, correct=False, facing="source").rotation[:, np.invert(feet)]
    for options, row, same in (({"fps": 12, "first": 1}, 3, 30), ({"fps": 24, "speed": 0.5}, 20, 10)):
        played = retarget(clip, figure, correct=False, facing="source", **options)
        np.testing.assert_allclose(played.rotation[row][np.invert(feet)], plain[same], atol=1e-6)


def test_a_loop_goes_on_and_another_holds(figure: Character) -> None:
    clip = builtin("walk")
    longer = retarget(clip, figure, fps=24, count=250, correct=False)
    np.testing.assert_allclose(longer.rotation[96 + 20], longer.rotation[20], atol=1e-6)
    steps = np.diff(longer.position[:, 0, 2])
    assert steps.min() > 0.5 * steps.max()  # walks on over the seams
    held = retarget(replace(clip, loops=False), figure, fps=24, count=250, correct=False)
    np.testing.assert_array_equal(held.position[97:], np.broadcast_to(held.position[96], held.position[97:].shape))


def test_rest_leaves_the_figure_as_drawn(figure: Character) -> None:
    performance = retarget(builtin("rest"), figure, fps=24, count=7)
    shift = figure.heads[0] * (1, 0, 1)
    for row in range(7):
        posed = figure.posed(performance.rotation[row], performance.position[row])
        np.testing.assert_allclose(posed, figure.rest - shift, atol=1e-12)


def moved(clip: Clip, **places: str) -> Clip:
    """The clip with some joints at the places of others."""
    positions = clip.positions.copy()
    for joint, place in places.items():
        positions[:, clip.joints.index(joint)] = clip.positions[:, clip.joints.index(place)]
    return replace(clip, positions=positions)


def test_hips_in_one_point_turn_with_the_shoulders(figure: Character) -> None:
    clip = moved(builtin("wave"), left_hip="hips", right_hip="hips")
    performance = retarget(clip, figure, fps=24)
    np.testing.assert_allclose(np.linalg.det(performance.rotation), 1, atol=1e-6)
    np.testing.assert_allclose(performance.rotation[:, 0], performance.rotation[:, 1], atol=1e-9)


def test_a_trunk_without_extent_is_refused(figure: Character) -> None:
    with pytest.raises(InputDataError, match="no extent"):
        retarget(moved(builtin("wave"), neck="hips"), figure, fps=24)


@pytest.mark.parametrize("wrong", [{"fps": 0}, {"speed": -1}, {"first": 4.5}, {"first": -1}])
def test_impossible_times_are_refused(figure: Character, wrong: dict[str, float]) -> None:
    with pytest.raises(RequestError, match="cannot be played"):
        retarget(builtin("walk"), figure, **({"fps": 24} | wrong))


def test_there_and_back(figure: Character, build) -> None:
    """What another figure performs, read as a clip, brings the first one's performance back."""
    other = build(left_knee=(0.2, 0.4), right_elbow=(-0.3, 0.95), neck=(0.05, 1.2))
    there = retarget(builtin("wave"), other, fps=24, correct=False)
    ends = {role: name for role, (_, name) in SEGMENTS.items()}
    places = {"hips": there.position[:, 0], "neck": tail_of(other, there, 1)}
    for number, bone in enumerate(other.bones):
        if bone.role in SEGMENTS:
            if bone.role is not Role.HEAD:
                places.setdefault(SEGMENTS[bone.role][0], there.position[:, number])
            places.setdefault(ends[bone.role], tail_of(other, there, number))
    names = tuple(places)
    clip = Clip("back", names, np.array([-1] + [0] * (len(names) - 1)), np.stack(list(places.values()), axis=1), 24)
    back, direct = (
        retarget(clip, figure, fps=24, correct=False),
        retarget(builtin("wave"), figure, fps=24, correct=False),
    )
    for number, bone in enumerate(figure.bones):
        if bone.role in SEGMENTS and bone.role is not Role.HEAD:
            np.testing.assert_allclose(
                directions(figure, back, number), directions(figure, direct, number), atol=1e-3, err_msg=bone.name
            )


def tail_of(character: Character, performance: Performance, bone: int) -> np.ndarray:
    return performance.position[:, bone] + performance.rotation[:, bone] @ np.subtract(
        character.bones[bone].tail, character.bones[bone].head
    )


@pytest.mark.data
@pytest.mark.parametrize("name", ["dab", "zombie"])
def test_captured_motions_on_a_figure(figure: Character, shared_data: Path, name: str) -> None:
    clip = read_bvh((shared_data / "motions" / f"{name}.bvh").read_bytes(), name)
    performance = retarget(clip, figure, fps=30, correct=False, facing="source")
    assert len(performance.position) == len(clip.positions)
    marks = landmarks(clip)
    for limb in (*arms(figure), *legs(figure)):
        for bone in (limb.upper, limb.lower):
            start, end = SEGMENTS[figure.bones[bone].role]
            cosine = np.einsum("ti,ti->t", directions(figure, performance, bone), unit(marks[end] - marks[start]))
            assert np.arccos(np.clip(cosine, -1, 1)).max() < 1e-3
    spin = np.einsum("tbij,tbij->tb", performance.rotation[1:], performance.rotation[:-1])
    upper_arms = [limb.upper for limb in arms(figure)]
    assert np.arccos(np.clip((spin[:, upper_arms] - 1) / 2, -1, 1)).max() < radians(60)  # no arm flips over
