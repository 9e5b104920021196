"""A clip of any body, performed by a character of any proportions.

Belongs here: timing, bone rotations and the root's way. Does not: what joints are called (`names`), keeping arms out of
the belly (`clearance`) and feet on the ground (`contact`).

Each bone keeps its drawn length and takes its direction from the clip in 3D, so turning and foreshortening survive.
Trunk bones take whole frames (an up axis and a line from right to left); limb bones take the smallest rotation, carried
on from their parent, that brings the drawn bone to the clip's direction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import floor
from typing import Literal

import numpy as np

from osf_pipeline.character.character import Character, Role
from osf_pipeline.errors import InputDataError, RequestError
from osf_pipeline.motion.body import attach, drawn_heading, leg_length, spine
from osf_pipeline.motion.clearance import clear_body
from osf_pipeline.motion.clip import Clip, Performance
from osf_pipeline.motion.contact import clip_leg, ground_feet, stance
from osf_pipeline.motion.names import SIDES, landmarks
from osf_pipeline.motion.rotations import TINY, about_y, frame, swing, unit

Facing = Literal["camera", "source"]

_LIMBS = {"upper_arm": ("shoulder", "elbow"), "forearm": ("elbow", "wrist"), "hand": ("wrist", "hand"),
          "thigh": ("hip", "knee"), "shin": ("knee", "ankle")}  # fmt: skip
SEGMENTS = {
    Role(f"{side}_{limb}"): (f"{side}_{start}", f"{side}_{end}")
    for side in SIDES
    for limb, (start, end) in _LIMBS.items()
} | {Role.HEAD: ("neck", "head")}
"""Landmarks whose line a bone follows by the smallest rotation."""

SHOULDER_REST = (1.0, -0.3, 0.6)
"""Left upper arm's way station between the drawn and the wanted direction. The smallest rotation is ill-defined towards
the opposite direction; behind the back and through the body is where no arm points."""

LYING_LEAN = 0.25
"""Share of a lean that a lying body takes over: its attitude is that of its four feet. It does not twist either."""


def retarget(
    clip: Clip,
    character: Character,
    *,
    fps: float,
    facing: Facing = "camera",
    mapping: Mapping[str, str] | None = None,
    first: float = 0,
    speed: float = 1,
    count: int | None = None,
    correct: bool = True,
) -> Performance:
    """The character's bones over the clip.

    Args:
        fps: frames a second of the result.
        facing: `camera` turns the clip so that its first frame faces as the figure was drawn; `source` keeps headings.
        mapping: landmark to joint name where names do not tell (`names.landmarks`).
        first: seconds into the clip at the first frame.
        speed: of playing; 2 is twice as fast.
        count: frames of the result; up to the clip's end when absent. Past its end a clip that loops goes on, another
            holds its last pose.
        correct: keep arms out of the body and feet on the ground; False follows the clip's directions exactly.

    Returns:
        A performance that starts over x = z = 0. Several bones of one role keep their drawn angles to each other and
        take the clip's direction together.

    Raises:
        RequestError: the times are out of range, or joints cannot be told.
        InputDataError: the clip's trunk has no extent.
    """
    if not (fps > 0 and speed > 0 and 0 <= first <= clip.seconds):
        raise RequestError(
            "the motion cannot be played that way",
            motion=clip.name,
            fps=fps,
            speed=speed,
            first=first,
            fix=f"`fps` and `speed` are above 0, `first` lies in 0..{clip.seconds:.6g} seconds.",
        )
    played = _resampled(clip, fps, first, speed, count)
    if not played.joints:  # moves nothing: the figure stays as drawn
        still = np.tile(np.eye(3), (len(played.positions), len(character.bones), 1, 1))
        root = np.tile(character.heads[0] * (0, 1, 0), (len(still), 1))
        return Performance(still, attach(character, still, root), fps)
    marks = landmarks(played, mapping)
    heading = drawn_heading(character)
    if facing == "camera":
        turn = about_y(heading - _heading(marks))
        marks = {name: points @ turn.T for name, points in marks.items()}
    rotation = _rotations(character, marks, heading)
    scale = leg_length(character) / clip_leg(marks)
    stand = stance(marks, fps)
    root = scale * (marks["hips"] - (0, stand.ground, 0))
    performance = Performance(rotation, attach(character, rotation, root), fps)
    if correct:
        performance = ground_feet(character, clear_body(character, performance), stand, scale)
    return replace(performance, position=performance.position - performance.position[0, 0] * (1, 0, 1))


def _resampled(clip: Clip, fps: float, first: float, speed: float, count: int | None) -> Clip:
    """The clip at the wanted times, straight between its frames."""
    if count is None:
        count = floor((clip.seconds - first) * fps / speed + 1e-3) + 1
    at = (first + np.arange(count) * speed / fps) * clip.fps
    last = len(clip.positions) - 1
    travel = np.zeros((count, 1, 3))
    if clip.loops and clip.joints and last > 0:
        rounds = np.maximum(np.ceil(at / last - 1e-9) - 1, 0)  # the end of a round is not yet the next one's start
        travel = rounds[:, None, None] * ((clip.positions[-1, 0] - clip.positions[0, 0]) * (1, 0, 1))
        at = at - rounds * last
    at = np.clip(at, 0, last)
    low = np.minimum(np.floor(at).astype(int), max(last - 1, 0))
    part = (at - low)[:, None, None]
    positions = (1 - part) * clip.positions[low] + part * clip.positions[np.minimum(low + 1, last)] + travel
    return replace(clip, positions=positions, fps=fps)


def _heading(marks: Mapping[str, np.ndarray]) -> float:
    """Radians about +y from +z to where the body faces in the first frame."""
    front = np.cross(sum(left[0] for left in _across(marks).values()), (0, 1, 0))
    return float(np.arctan2(front[0], front[2]))


def _across(marks: Mapping[str, np.ndarray]) -> dict[Role, np.ndarray]:
    """(T, 3) from right to left, of pelvis and torso; one stands in where the other's joints lie in one point."""
    hips, shoulders = (marks[f"left_{joint}"] - marks[f"right_{joint}"] for joint in ("hip", "shoulder"))
    flat = [np.linalg.norm(line * (1, 0, 1), axis=1, keepdims=True) > TINY for line in (hips, shoulders)]
    return {Role.PELVIS: np.where(flat[0], hips, shoulders), Role.TORSO: np.where(flat[1], shoulders, hips)}


def _rotations(character: Character, marks: Mapping[str, np.ndarray], heading: float) -> np.ndarray:
    """(T, B, 3, 3)."""
    # Who was drawn standing is straightened from the drawn tilt; a lying body keeps it and only turns with the clip.
    up = spine(character) if heading == 0 else np.array([0.0, 1.0, 0.0])
    drawn = frame(up, about_y(heading) @ (1.0, 0, 0))
    back = unit(marks["neck"] - marks["hips"])
    across = _across(marks)
    hips = frame(np.array([0.0, 1.0, 0.0]), across[Role.PELVIS] * (1, 0, 1))
    if heading:
        back = unit(up + LYING_LEAN * (back - up))
        across = dict.fromkeys(across, unit(across[Role.PELVIS]) + unit(across[Role.TORSO]))
    trunk = {role: frame(back, left) @ drawn.T for role, left in across.items()}
    whole = np.linalg.det(np.stack(list(trunk.values()))).min(axis=0) > 0.5
    if not whole.all():
        raise InputDataError(
            "the motion's trunk has no extent",
            frame=int(np.argmin(whole)),
            fix="Hips, neck and shoulders must lie apart; is the mapping of joints right?",
        )
    rotation = np.empty((len(back), len(character.bones), 3, 3))
    directions = {
        role: unit(marks[end] - marks[start]) for role, (start, end) in SEGMENTS.items() if {start, end} <= marks.keys()
    }
    rest = _role_directions(character)
    of_role: dict[Role, np.ndarray] = {}
    for number, bone in enumerate(character.bones):
        parent = rotation[:, bone.parent] if bone.parent >= 0 else trunk[Role.PELVIS]
        if bone.role in trunk:
            rotation[:, number] = trunk[bone.role]
        elif bone.role in of_role:
            rotation[:, number] = of_role[bone.role]
        elif bone.role in (Role.LEFT_FOOT, Role.RIGHT_FOOT):
            rotation[:, number] = _foot(bone.role, marks, parent, hips, heading)
        elif bone.role in directions:
            rotation[:, number] = _swung(parent, bone.role, rest[bone.role], directions[bone.role], heading)
        else:
            rotation[:, number] = parent
        of_role[bone.role] = rotation[:, number]
    return rotation


def _swung(parent: np.ndarray, role: Role, rest: np.ndarray, direction: np.ndarray, heading: float) -> np.ndarray:
    """(T, 3, 3): carried by the parent, then swung to (T, 3) directions."""
    if role in (Role.LEFT_UPPER_ARM, Role.RIGHT_UPPER_ARM) and rest.any():
        x, y, z = SHOULDER_REST
        way = unit(about_y(heading) @ (x if role is Role.LEFT_UPPER_ARM else -x, y, z))
        return swing(parent @ way, direction) @ parent @ swing(rest, way)
    return swing(parent @ rest, direction) @ parent


def _foot(
    role: Role, marks: Mapping[str, np.ndarray], shin: np.ndarray, hips: np.ndarray, heading: float
) -> np.ndarray:
    """(T, 3, 3): as drawn the foot stands, so it turns as the clip's foot does from how that usually is to its hips;
    without toes it stays with the shin.

    Args:
        hips: (T, 3, 3) turn about +y from +z to where the hips face.
        heading: of the figure as drawn.
    """
    side = role.removesuffix("_foot")
    if f"{side}_toe" not in marks:
        return shin
    ankle = marks[f"{side}_ankle"]
    toe, leg = unit(marks[f"{side}_toe"] - ankle), unit(marks[f"{side}_knee"] - ankle)
    usual = [unit(np.median(np.einsum("tji,tj->ti", hips, line), axis=0)) for line in (toe, leg)]
    return _foot_frame(toe, leg, hips) @ (about_y(heading) @ _foot_frame(usual[0], usual[1], np.eye(3))).T


def _foot_frame(toe: np.ndarray, leg: np.ndarray, hips: np.ndarray) -> np.ndarray:
    """(..., 3, 3) of (..., 3) directions from the ankle: level with the ground, or with the leg or hips where the toes
    point straight down."""
    return frame(toe, np.cross(leg / 4 + (0, 1, 0), toe) + hips[..., 0] / 5)


def _role_directions(character: Character) -> dict[Role, np.ndarray]:
    """Drawn direction of each role: of its bone, or the mean of its bones'."""
    total: dict[Role, np.ndarray] = {}
    chest = next((bone.tail for bone in reversed(character.bones) if bone.role is Role.TORSO), character.bones[0].head)
    for bone in character.bones:
        start = chest if bone.role is Role.HEAD else bone.head  # as the clip's head is measured from its chest
        direction = unit(np.subtract(bone.tail, start))
        total[bone.role] = total.get(bone.role, 0) + direction
    return {role: unit(direction) for role, direction in total.items()}
