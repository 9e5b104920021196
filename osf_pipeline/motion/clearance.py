"""Arms that stay outside trunk and head.

Belongs here: the body as a distance field, pushing arms out of it, and how deep they lie in it. Does not: directions of
bones (`retarget`).

A clip's arm passes a slim human body; a drawn belly may be thicker. Elbows and wrists are moved by the least that
brings points along the arm out of the body (positions solved under the arm's lengths, as in Mueller et al., "Position
Based Dynamics", 2007), in front of it unless the clip has them clearly behind.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from scipy import ndimage

from osf_pipeline.character.character import Character, Role
from osf_pipeline.motion.body import HELD, Limb, arms, attach, reach, vector
from osf_pipeline.motion.clip import Performance
from osf_pipeline.motion.rotations import TINY, swing, unit

CELL = 0.02
"""Scene units between samples of the distance field; more where the drawing's pixels are coarser than a third of it."""

MARGIN = 0.3
"""Scene units of field around the body."""

SUNK = 0.4
"""Share of an arm's half thickness that its middle line keeps from the body: soft bodies give way, what counts is that
the arm is seen whole."""

FRONT = 0.03
"""Scene units: who is less far behind the middle plane than this is pushed out in front."""

ROUNDS = 8
GROW, SMOOTH = 0.10, 0.07
"""Seconds: a push is held this much longer on both sides, then smoothed, so that arms part from the body unhurried."""


def clear_body(character: Character, performance: Performance) -> Performance:
    """The performance with its arms outside trunk and head, as far as their lengths allow."""
    limbs = arms(character)
    bodies = _bodies(character) if limbs else []
    rotation = performance.rotation.copy()
    for limb in limbs:
        _clear(_Arm(character, limb, bodies), bodies, performance, rotation)
    return replace(performance, rotation=rotation, position=attach(character, rotation, performance.position[:, 0]))


def penetration(character: Character, performance: Performance) -> np.ndarray:
    """(T,) scene units: how deep the middle lines of forearms and hands lie in trunk or head; 0 outside."""
    bodies = _bodies(character)
    deepest = np.zeros(len(performance.position))
    for limb in arms(character):
        arm = _Arm(character, limb, bodies)
        _, elbow, wrist = arm.joints(performance.rotation, performance.position)
        for body, along in product(bodies, arm.along[1:]):
            distance, _ = body.field.push(body.local(elbow + along * (wrist - elbow), performance))
            deepest = np.maximum(deepest, -distance)
    return deepest


def _clear(arm: _Arm, bodies: list[_Body], performance: Performance, rotation: np.ndarray) -> None:
    shoulder, elbow, wrist = arm.joints(rotation, performance.position)
    new_elbow, new_wrist = elbow, wrist
    for _, body, (along, wanted) in product(range(ROUNDS), bodies, zip(arm.along, arm.wanted, strict=True)):
        distance, out = body.field.push(body.local(new_elbow + along * (new_wrist - new_elbow), performance))
        step = body.world(np.maximum(wanted - distance, 0)[:, None] * out, performance)
        share = min(along, 1.0)  # a hand moves its wrist
        step /= (1 - share) ** 2 + share**2
        new_elbow, new_wrist = arm.kept(shoulder, new_elbow + (1 - share) * step, new_wrist + share * step)
    torso = rotation[:, bodies[0].bone] if bodies else np.eye(3)
    moves = [
        _unhurried((new - old)[:, None] @ torso, performance.fps) @ np.swapaxes(torso, -1, -2)
        for new, old in ((new_elbow, elbow), (new_wrist, wrist))
    ]
    new_elbow, new_wrist = arm.kept(shoulder, elbow + moves[0][:, 0], wrist + moves[1][:, 0])
    limb = arm.limb
    rotation[:, limb.upper] = swing(unit(elbow - shoulder), unit(new_elbow - shoulder)) @ rotation[:, limb.upper]
    turn = swing(unit(wrist - elbow), unit(new_wrist - new_elbow))
    for bone in {limb.lower, limb.last}:
        rotation[:, bone] = turn @ rotation[:, bone]


def _unhurried(moves: np.ndarray, fps: float) -> np.ndarray:
    """(T, ...) moves that start earlier and end later, without jerks."""
    grown = moves
    for step in range(1, round(GROW * fps) + 1):
        for shifted in (np.concatenate([moves[step:], moves[-1:].repeat(step, 0)])[: len(moves)],
                        np.concatenate([moves[:1].repeat(step, 0), moves[:-step]])[: len(moves)]):  # fmt: skip
            larger = np.linalg.norm(shifted, axis=-1) > np.linalg.norm(grown, axis=-1)
            grown = np.where(larger[..., None], shifted, grown)
    return ndimage.gaussian_filter1d(grown, SMOOTH * fps, axis=0, mode="nearest")


class _Field:
    """Signed distance to a part of the rest surface that lies symmetrically about the drawing's plane."""

    def __init__(self, points: np.ndarray, cell: float) -> None:
        self.cell, self.low = cell, points.min(axis=0) - MARGIN
        shape = np.ceil((points.max(axis=0) + MARGIN - self.low) / cell).astype(int) + 1
        x, y, _ = ((points - self.low) / cell).round().astype(int).T
        depth = np.zeros(shape[:2])
        np.maximum.at(depth, (x, y), np.abs(points[:, 2]))
        depth = ndimage.grey_closing(depth, 3)
        heights = self.low[2] + cell * np.arange(shape[2])
        inside = np.abs(heights) < depth[:, :, None]
        distance = cell * (ndimage.distance_transform_edt(~inside) - ndimage.distance_transform_edt(inside))
        self.distance = ndimage.gaussian_filter(distance, 1)
        self.slope = [np.ascontiguousarray(part) for part in np.gradient(self.distance, cell)]

    def push(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(...,) signed distance of (..., 3) rest points and the (..., 3) unit direction out of the body."""
        distance = self._sample(self.distance, points)
        z = points[..., 2:]
        # Seen from further out, the way leads to the front rather than to the side: the picture's pose stays.
        ahead = np.concatenate([points[..., :2], np.where(z > -FRONT, FRONT + 2 * np.maximum(z, 0), z)], axis=-1)
        return distance, unit(np.stack([self._sample(part, ahead) for part in self.slope], axis=-1))

    def _sample(self, values: np.ndarray, points: np.ndarray) -> np.ndarray:
        at = np.moveaxis((points - self.low) / self.cell, -1, 0).reshape(3, -1)
        return ndimage.map_coordinates(values, at, order=1, mode="nearest").reshape(points.shape[:-1])


@dataclass(frozen=True)
class _Body:
    """One stiff part of the body: its field in rest coordinates and the bone that carries it."""

    field: _Field
    bone: int
    head: np.ndarray

    def local(self, points: np.ndarray, performance: Performance) -> np.ndarray:
        """(..., T, 3) world points in rest coordinates."""
        away = points - performance.position[:, self.bone]
        return np.einsum("tij,...ti->...tj", performance.rotation[:, self.bone], away) + self.head

    def world(self, directions: np.ndarray, performance: Performance) -> np.ndarray:
        return np.einsum("tij,...tj->...ti", performance.rotation[:, self.bone], directions)


def _bodies(character: Character) -> list[_Body]:
    found = []
    for roles in ((Role.TORSO, Role.PELVIS), (Role.HEAD,)):
        bones = [number for role in roles for number, bone in enumerate(character.bones) if bone.role is role]
        points = character.rest[character.weights[:, bones].sum(axis=1) > HELD] if bones else character.rest[:0]
        if len(points):
            found.append(_Body(_Field(points, max(CELL, 3 * character.pixel)), bones[0], character.heads[bones[0]]))
    return found


class _Arm:
    """Shoulder, elbow and wrist with a hand behind, and the points along forearm and hand that keep clear.

    Attributes:
        along: where those points lie on the line from elbow (0) to wrist (1).
        wanted: their distances from the body, less where the arm was drawn closer.
    """

    def __init__(self, character: Character, limb: Limb, bodies: list[_Body]) -> None:
        self.limb = limb
        self.upper, self.fore = reach(character, limb)
        self.lengths = float(np.linalg.norm(self.upper)), float(np.linalg.norm(self.fore))
        hand = 0.0 if limb.end is None else float(np.linalg.norm(vector(character, limb.end)))
        self.along = (0.0, 0.5, 1.0, 1.0 + hand / max(self.lengths[1], TINY))
        thickness = self._thickness(character)
        elbow = character.heads[limb.lower]
        drawn = [
            min((float(body.field.push(elbow + along * self.fore)[0]) for body in bodies), default=thickness)
            for along in self.along
        ]
        self.wanted = np.clip(drawn, 0, SUNK * thickness)

    def _thickness(self, character: Character) -> float:
        """Half the depth of forearm and hand."""
        held = character.weights[:, sorted({self.limb.lower, self.limb.last})].sum(axis=1) > HELD
        return float(np.percentile(np.abs(character.rest[held, 2]), 90)) if held.any() else 0.0

    def joints(self, rotation: np.ndarray, position: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(T, 3) shoulder, elbow, wrist."""
        shoulder = position[:, self.limb.upper]
        elbow = shoulder + rotation[:, self.limb.upper] @ self.upper
        return shoulder, elbow, elbow + rotation[:, self.limb.lower] @ self.fore

    def kept(self, shoulder: np.ndarray, elbow: np.ndarray, wrist: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Elbow and wrist brought back to the arm's lengths."""
        elbow = shoulder + self.lengths[0] * unit(elbow - shoulder)
        return elbow, elbow + self.lengths[1] * unit(wrist - elbow)
