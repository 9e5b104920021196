"""Motions by formula: walk, jump, wave, cross_arms, turn, and rest.

Belongs here: an adult body of metres, how it moves, when. Does not: files (`library`) or characters (`retarget`).

Feet are placed first and legs solved for them, so that feet that stand do stand. Every motion is as long as `SECONDS`
and leads back to its start.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicHermiteSpline, PchipInterpolator
from scipy.spatial.transform import Rotation

from osf_pipeline.motion.clip import Clip
from osf_pipeline.motion.names import LANDMARKS, SIDES
from osf_pipeline.motion.rotations import unit

SECONDS, FPS = 4.0, 24.0

# The body, metres: the left side of one who stands at the origin and faces +z; the right mirrors it.
HIPS, HIP, NECK, SHOULDER, HEAD = (0, 0.92, 0), (0.09, 0.90, 0), (0, 1.40, 0), (0.18, 1.37, 0), (0, 1.72, 0)
UPPER_ARM, FOREARM, HAND = 0.28, 0.26, 0.09
THIGH, SHIN = 0.42, 0.42
ANKLE = 0.08
"""Height of the ankle of a flat foot."""
TOE = (0, -0.06, 0.13)
"""From the ankle."""
STANCE = 0.11
"""Half the distance of the feet."""

OFF, AIR, JUMP = 0.78, 0.5, 0.34
"""Seconds at which a jump leaves the ground and for which it lasts, and how high the hips rise meanwhile."""

Curve = np.ndarray


@dataclass(frozen=True)
class Arm:
    """(T,) degrees: forward swing of a hanging arm, lift to the side, bend of the elbow, turn of that bend inwards."""

    swing: Curve
    lift: Curve
    bend: Curve
    inward: Curve


@dataclass(frozen=True)
class Foot:
    """(T, 3) ankle of the foot if it were flat; (T,) degrees: heading, and lift of the heel (of the toes below 0)."""

    place: np.ndarray
    heading: Curve
    heel: Curve


@dataclass(frozen=True)
class Pose:
    """A body over T frames.

    Attributes:
        hips: (T, 3) move of the hips from standing.
        pelvis, chest, head: (T, 3) degrees: heading, forward lean, tilt to the right shoulder; world space each.
        arms, feet: by side.
    """

    hips: np.ndarray
    pelvis: np.ndarray
    chest: np.ndarray
    head: np.ndarray
    arms: Mapping[str, Arm]
    feet: Mapping[str, Foot]


def walk(time: np.ndarray) -> Pose:
    """One stride a second, arms against legs, shoulders against hips; begins with the feet side by side."""
    time = time + 0.25
    stride, stands = 0.85, 0.62
    feet, arms = {}, {}
    for side, lag in (("left", 0.0), ("right", 0.5)):
        cycle = time - lag
        done, phase = np.floor(cycle), cycle % 1
        swing = np.clip((phase - stands) / (1 - stands), 0, 1)
        ahead = stride * (done + stands / 2 + lag + _eased(swing))
        lift = 0.07 * np.sin(np.pi * swing) ** 2
        heel = _keys(phase, ((0, -14), (0.09, 0), (0.36, 0), (0.56, 24), (0.66, 48), (0.86, 0), (0.95, -14), (1, -14)))
        feet[side] = Foot(_row(_sign(side) * 0.07, ANKLE + lift, ahead), 0 * time, heel)
        swung = -np.cos(2 * np.pi * (phase - 0.04))
        arms[side] = Arm(26 * swung - 2, 10 + 0 * time, 24 + 12 * swung, 12 + 0 * time)
    wave = 2 * np.pi * time
    sway = np.sin(wave + 0.15)  # over the left foot in the middle of its stand
    hips = _row(0.022 * sway, -0.045 - 0.022 * np.cos(2 * wave - 0.4), stride * time)
    pelvis = _row(-5 * np.cos(wave), 3 + 0 * time, -2.5 * sway)
    chest = _row(7 * np.cos(wave), 4 + 1.2 * np.cos(2 * wave), 2 * sway)
    head = _row(1.5 * np.cos(wave - 0.3), 2 - 1.5 * np.cos(2 * wave - 0.8), 1.5 * sway)
    return Pose(hips, pelvis, chest, head, arms, feet)


def jump(time: np.ndarray) -> Pose:
    """Two jumps: crouch, leap, land softly, settle."""
    now = time % 2
    leap = 4 * JUMP / AIR  # metres a second at take-off
    crouch = CubicHermiteSpline((0, 0.5, OFF, OFF + AIR, 1.5, 1.85, 2), (0, -0.27, 0.03, 0.03, -0.22, 0, 0),
                                (0, 0, leap, -leap, 0, 0, 0))(now)  # fmt: skip
    air = np.clip((now - OFF) / AIR, 0, 1)
    height = np.where((air > 0) & (air < 1), 0.03 + 4 * JUMP * air * (1 - air), crouch)
    lean = _keys(now, ((0, 0), (0.5, 32), (0.76, 2), (1.0, -4), (1.26, 6), (1.46, 22), (1.75, -2), (2, 0)))
    back = -0.0022 * np.maximum(lean, 0)
    swing = _keys(now, ((0, 0), (0.46, -50), (0.56, -46), (0.98, 128), (1.08, 134), (1.5, 20), (1.8, -4), (2, 0)))
    lift = _keys(now, ((0, 9), (0.5, 16), (0.95, 24), (1.3, 34), (1.5, 22), (1.8, 9), (2, 9)))
    bend = _keys(now, ((0, 14), (0.5, 26), (0.95, 12), (1.4, 30), (1.8, 14), (2, 14)))
    tuck = np.sin(np.pi * air) ** 2
    off = _keys(now, ((0, 0), (0.56, 0), (OFF, 34), (1.0, 30), (OFF + AIR, 6), (1.38, 0), (2, 0)))
    rise = np.maximum(height - 0.03, 0) * (air > 0) + 0.07 * tuck
    arms = {side: Arm(swing, lift, bend, 10 + 0 * time) for side in SIDES}
    feet = {
        side: Foot(_row(_sign(side) * STANCE, ANKLE + rise, 0.02 + 0 * time), _sign(side) * 8 + 0 * time, off)
        for side in SIDES
    }
    nod = _row(0 * time, -0.35 * lean, 0 * time)
    return Pose(_row(0 * time, height, back), _row(0 * time, 0.7 * lean, 0 * time), _row(0 * time, lean, 0 * time),
                nod, arms, feet)  # fmt: skip


def wave(time: np.ndarray) -> Pose:
    """The right arm goes up, waves from the elbow, and comes down; the body leans away a little."""
    up = _keys(time, ((0, 0), (0.12, -0.03), (0.75, 1.04), (0.9, 1), (3.1, 1), (3.78, -0.02), (4, 0)))
    beat = _keys(time, ((0, 0), (0.7, 0), (1.0, 1), (2.9, 1), (3.2, 0), (4, 0))) * np.sin(
        2 * np.pi * 1.5 * (time - 0.75)
    )
    pose = _standing(time)
    raised = Arm(8 * up, 11 + 91 * up + 5 * beat, 14 + 76 * up + 24 * beat, 10 - 92 * up)
    loose = Arm(-3 * up, 10 + 4 * up, 14 + 6 * up, 10 + 0 * time)
    hips = pose.hips + _row(0.028 * up, -0.004 * up, 0 * time)
    chest = pose.chest + _row(-5 * up, 0 * time, -4.5 * up + 1.2 * beat)
    head = pose.head + _row(-4 * up, 0 * time, 6 * up - 1.5 * beat)
    return Pose(
        hips, pose.pelvis + _row(0 * time, 0 * time, 2 * up), chest, head, {"left": loose, "right": raised}, pose.feet
    )


def cross_arms(time: np.ndarray) -> Pose:
    """The arms open, cross in front of the chest, open and cross again, each once the outer one."""
    pose = _standing(time)
    opened = _keys(
        time, ((0, 0), (0.5, 1), (0.7, 0.9), (1.15, 0), (1.6, 0), (2.05, 1), (2.2, 1), (2.7, 0), (3.15, 0), (4, 0))
    )
    crossed = _keys(
        time, ((0, 0), (0.6, 0), (1.2, 1), (1.6, 1), (2.0, 0), (2.25, 0), (2.8, 1), (3.2, 1), (3.8, 0), (4, 0))
    )
    outer = _keys(time, ((0, 0), (0.7, 1), (1.7, 1), (2.1, -1), (3.3, -1), (3.9, 0), (4, 0)))
    arms = {}
    for side in SIDES:
        over = outer * _sign(side)  # the left first
        arms[side] = Arm(
            crossed * (48 + 9 * over) + 14 * opened,
            10 + 62 * opened - 22 * crossed,
            14 + 8 * opened + crossed * (78 - 6 * over),
            10 - 10 * opened + 67 * crossed,
        )
    chest = pose.chest + _row(3 * crossed * outer, 3 * crossed - 5 * opened, 0 * time)
    head = pose.head + _row(-2 * crossed * outer, 4 * crossed - 4 * opened, 2 * crossed * outer)
    hips = pose.hips + _row(0 * time, -0.012 * crossed + 0.004 * opened, 0 * time)
    return Pose(hips, pose.pelvis, chest, head, arms, pose.feet)


def turn(time: np.ndarray) -> Pose:
    """Once around on the spot, to the left, in small steps."""
    steps = 6  # of each foot
    feet = {}
    for side, lag in (("left", 0.0), ("right", 0.5)):
        cycle = time / SECONDS * steps - lag
        swing = np.clip((cycle % 1 - 0.58) / 0.42, 0, 1)
        heading = 360 / steps * (np.floor(cycle) + 0.29 + lag + _eased(swing))
        spot = Rotation.from_euler("y", heading[:, None], degrees=True).apply((_sign(side) * 0.10, 0, 0))
        feet[side] = Foot(spot + _row(0, ANKLE + 0.05 * np.sin(np.pi * swing) ** 2, 0 * time), heading,
                          18 * np.sin(np.pi * swing) ** 2)  # fmt: skip
    heading = 360 * time / SECONDS
    step = 2 * np.pi * steps * time / SECONDS
    sway = Rotation.from_euler("y", heading[:, None], degrees=True).apply(_row(0.016 * np.sin(step + 0.2), 0, 0 * time))
    pelvis = _row(heading, 1 + 0 * time, -1.5 * np.sin(step))
    chest = _row(heading + 5, 2 + 0 * time, 2 * np.sin(step))
    head = _row(heading + 11, 1 + 0 * time, 0 * time)
    arms = {
        side: Arm(2 + 5 * _sign(side) * np.sin(step), 16 + 0 * time, 18 + 3 * np.sin(step), 10 + 0 * time)
        for side in SIDES
    }
    return Pose(sway + _row(0 * time, -0.022 - 0.008 * np.cos(2 * step), 0), pelvis, chest, head, arms, feet)


POSES: dict[str, Callable[[np.ndarray], Pose]] = {
    "walk": walk, "jump": jump, "wave": wave, "cross_arms": cross_arms, "turn": turn,
}  # fmt: skip
REST = "rest"
NAMES = (*POSES, REST)


def builtin(name: str) -> Clip:
    """A motion by its name, `SECONDS` long at `FPS`, in metres; `rest` has no joints and so moves nothing."""
    time = np.arange(round(SECONDS * FPS) + 1) / FPS
    if name == REST:
        return Clip(REST, (), np.zeros(0, int), np.zeros((len(time), 0, 3)), FPS, loops=True)
    places = _places(POSES[name](time))
    parents = np.array([LANDMARKS.index(PARENTS[joint]) if joint in PARENTS else -1 for joint in LANDMARKS])
    return Clip(name, LANDMARKS, parents, np.stack([places[joint] for joint in LANDMARKS], axis=1), FPS, loops=True)


PARENTS = {"neck": "hips", "head": "neck"} | {
    f"{side}_{joint}": above if above in ("neck", "hips") else f"{side}_{above}"
    for side in SIDES
    for joint, above in (("shoulder", "neck"), ("elbow", "shoulder"), ("wrist", "elbow"), ("hand", "wrist"),
                         ("hip", "hips"), ("knee", "hip"), ("ankle", "knee"), ("toe", "ankle"))
}  # fmt: skip


def _standing(time: np.ndarray) -> Pose:
    """Feet apart, arms loose, breathing."""
    breath = np.sin(2 * np.pi * time / SECONDS)
    level = _row(0 * time, 0 * time, 0 * time)
    arm = Arm(0 * time, 10 + 0.6 * breath, 14 + 0 * time, 10 + 0 * time)
    feet = {
        side: Foot(_row(_sign(side) * STANCE, ANKLE + 0 * time, 0 * time), _sign(side) * 8 + 0 * time, 0 * time)
        for side in SIDES
    }
    hips = _row(0 * time, -0.008 + 0.002 * breath, 0 * time)
    return Pose(hips, level, _row(0 * time, -0.6 * breath, 0 * time), level, dict.fromkeys(SIDES, arm), feet)


def _places(pose: Pose) -> dict[str, np.ndarray]:
    """Landmark to (T, 3)."""
    pelvis, chest, head = (_turned(angles) for angles in (pose.pelvis, pose.chest, pose.head))
    hips = np.array(HIPS) + pose.hips
    neck = hips + chest.apply(np.subtract(NECK, HIPS))
    places = {"hips": hips, "neck": neck, "head": neck + head.apply(np.subtract(HEAD, NECK))}
    for side in SIDES:
        mirror = (_sign(side), 1, 1)
        shoulder = neck + chest.apply(np.subtract(SHOULDER, NECK) * mirror)
        upper, fore = _arm(pose.arms[side], side)
        elbow = shoulder + UPPER_ARM * chest.apply(upper)
        wrist = elbow + FOREARM * chest.apply(fore)
        hip = hips + pelvis.apply(np.subtract(HIP, HIPS) * mirror)
        ankle, toe = _foot(pose.feet[side])
        knee = _knee(hip, ankle, toe - ankle)
        places |= {
            f"{side}_shoulder": shoulder, f"{side}_elbow": elbow, f"{side}_wrist": wrist,
            f"{side}_hand": wrist + HAND * chest.apply(fore),
            f"{side}_hip": hip, f"{side}_knee": knee, f"{side}_ankle": ankle, f"{side}_toe": toe,
        }  # fmt: skip
    return places


def _arm(arm: Arm, side: str) -> tuple[np.ndarray, np.ndarray]:
    """(T, 3) directions of upper arm and forearm in the chest's frame."""
    out = _sign(side)
    angles = np.stack([-arm.swing, out * arm.lift, -out * arm.inward], axis=1)
    turned = Rotation.from_euler("XZY", angles, degrees=True)
    bend = np.radians(arm.bend)
    return turned.apply((0, -1, 0)), turned.apply(_row(0, -np.cos(bend), np.sin(bend)))


def _foot(foot: Foot) -> tuple[np.ndarray, np.ndarray]:
    """(T, 3) ankle and toe: a lifted heel turns about the toe, lifted toes about the ankle."""
    heading = Rotation.from_euler("y", foot.heading[:, None], degrees=True)
    pitch = Rotation.from_euler("x", foot.heel[:, None], degrees=True)
    flat, pitched = heading.apply(TOE), heading.apply(pitch.apply(TOE))
    ankle = foot.place + np.where(foot.heel[:, None] > 0, flat - pitched, 0)
    return ankle, ankle + pitched


def _knee(hip: np.ndarray, ankle: np.ndarray, front: np.ndarray) -> np.ndarray:
    """(T, 3): where thigh and shin meet, on the foot's side of the line from hip to ankle."""
    line = ankle - hip
    length = np.minimum(np.linalg.norm(line, axis=1), THIGH + SHIN)
    along = unit(line)
    side = unit(front - np.einsum("ti,ti->t", front, along)[:, None] * along)
    to_knee = (THIGH**2 - SHIN**2 + length**2) / (2 * length)
    return hip + to_knee[:, None] * along + np.sqrt(np.maximum(THIGH**2 - to_knee**2, 0))[:, None] * side


def _turned(angles: np.ndarray) -> Rotation:
    return Rotation.from_euler("YXZ", angles * (1, 1, -1), degrees=True)


def _sign(side: str) -> float:
    return 1.0 if side == "left" else -1.0


def _row(*parts: np.ndarray | float) -> np.ndarray:
    """(T, n) from (T,) columns and numbers."""
    return np.stack(np.broadcast_arrays(*parts), axis=-1)


def _eased(part: np.ndarray) -> np.ndarray:
    """0..1 without a jerk at either end (cycloid)."""
    return part - np.sin(2 * np.pi * part) / (2 * np.pi)


def _keys(time: np.ndarray, keys: Sequence[tuple[float, float]]) -> np.ndarray:
    """Values between keys, smooth and never beyond them; the outer ones hold, and are left and reached at rest."""
    at, values = np.pad(np.array(keys, float).T, ((0, 0), (1, 1)), mode="edge")
    at[0], at[-1] = at[0] - 1, at[-1] + 1
    return PchipInterpolator(at, values)(np.clip(time, at[0], at[-1]))
