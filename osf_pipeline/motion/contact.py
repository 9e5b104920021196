"""Feet that stand still on the ground while the clip's do.

Belongs here: which foot stands when, moving the root and bending the legs accordingly, and how far feet slide. Does
not: directions of bones (`retarget`).

The root is moved first: up and down so that the lowest foot is as high as the clip's, along the ground so that the feet
that stand stay where they are. What is left, where two feet disagree, is taken by two-bone inverse kinematics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from osf_pipeline.character.character import Character
from osf_pipeline.motion.body import Limb, Sole, attach, drawn_heading, leg_length, legs, reach, soles
from osf_pipeline.motion.clip import Performance
from osf_pipeline.motion.names import SIDES
from osf_pipeline.motion.rotations import TINY, about_y, swing, unit

# A foot stands when it is slow and low; between the two values the answer fades. Leg lengths, and those a second.
SLOW, FAST = 0.25, 0.7
LOW, HIGH = 0.05, 0.14
STANDS = 0.5
SMOOTHING = 0.03
"""Seconds over which that answer is smoothed."""

MOST_BEND = 0.25
"""Leg lengths a foot is moved at most."""

STRAIGHT = 0.998
"""Share of its length a leg is stretched to at most."""


@dataclass(frozen=True)
class Stance:
    """How a clip's feet stand, by side.

    Attributes:
        weight: (T,) 0..1, how surely the foot stands.
        height: (T,) of the lower of the two feet over the ground, the clip's units; 0 while one stands.
        ground: height of the ground in the clip.
    """

    weight: Mapping[str, np.ndarray]
    height: np.ndarray
    ground: float


def stance(marks: Mapping[str, np.ndarray], fps: float) -> Stance:
    """Which foot stands when, from landmarks."""
    leg = clip_leg(marks)
    weight, heights, grounds = {}, [], []
    for side in SIDES:
        points = [marks[name] for name in (f"{side}_toe", f"{side}_ankle") if name in marks]
        levels = [float(np.percentile(point[:, 1], 10)) for point in points]
        over = [point[:, 1] - level for point, level in zip(points, levels, strict=True)]
        grounds.append(min(levels))
        speed = np.linalg.norm(np.gradient(points[0], axis=0), axis=1) * fps if len(points[0]) > 1 else np.zeros(1)
        slow = _fade(speed / leg, SLOW, FAST)
        low = _fade(over[0] / leg, LOW, HIGH)
        weight[side] = ndimage.gaussian_filter1d(slow * low, SMOOTHING * fps, mode="nearest")
        heights.append(np.minimum.reduce(over))
    height = np.minimum(*heights)
    dead = LOW * leg / 2
    return Stance(weight, np.sqrt(np.maximum(height, 0) ** 2 + dead**2) - dead, min(grounds))


def clip_leg(marks: Mapping[str, np.ndarray]) -> float:
    """Mean length of thigh and shin over the clip."""
    chain = [[marks[f"{side}_{joint}"] for joint in ("hip", "knee", "ankle")] for side in SIDES]
    length = np.mean([np.linalg.norm(np.diff(leg, axis=0), axis=2).sum(axis=0) for leg in chain])
    return max(float(length), 1e-9)


def ground_feet(character: Character, performance: Performance, stand: Stance, scale: float) -> Performance:
    """The performance with its feet on the ground.

    Args:
        stand: of the clip at the performance's frames.
        scale: scene units per clip unit.
    """
    limbs, underneath = legs(character), soles(character)
    if not limbs:
        return performance
    rotation, root = performance.rotation.copy(), performance.position[:, 0].copy()
    weights = np.stack([stand.weight[limb.side] for limb in limbs])
    feet = _feet(character, underneath, rotation, performance.position)
    rise = scale * stand.height - np.minimum.reduce([foot.low for foot in feet])
    root[:, 1] += rise
    root += _held(np.stack([foot.centre for foot in feet]), weights)
    front = rotation[:, 0] @ about_y(drawn_heading(character)) @ (0.0, 0, 1)
    most = MOST_BEND * leg_length(character)
    for _ in range(2):  # a shin that carries its own sole turns it: once more
        feet = _feet(character, underneath, rotation, attach(character, rotation, root))
        for limb, foot, weight in zip(limbs, feet, weights, strict=True):
            _bend(character, limb, rotation, _correction(foot, weight, most), front)
    feet = _feet(character, underneath, rotation, attach(character, rotation, root))
    root[:, 1] -= np.minimum(np.minimum.reduce([foot.low for foot in feet]), 0)
    return replace(performance, rotation=rotation, position=attach(character, rotation, root))


def skate(character: Character, performance: Performance, stand: Stance) -> float:
    """Mean speed along the ground of the feet while they stand, scene units a second."""
    feet = _feet(character, soles(character), performance.rotation, performance.position)
    total = count = 0.0
    for limb, foot in zip(legs(character), feet, strict=True):
        weight = np.minimum(stand.weight[limb.side][1:], stand.weight[limb.side][:-1]) > STANDS
        speed = np.linalg.norm(np.diff(foot.centre[:, ::2], axis=0), axis=1) * performance.fps
        total, count = total + float(speed[weight].sum()), count + float(weight.sum())
    return total / count if count else 0.0


@dataclass(frozen=True)
class _Foot:
    """(T, 3) middle of the sole and (T,) its lowest height."""

    centre: np.ndarray
    low: np.ndarray


def _feet(character: Character, underneath: list[Sole], rotation: np.ndarray, position: np.ndarray) -> list[_Foot]:
    feet = []
    for sole in underneath:
        posed = sole.posed(character, rotation, position)
        feet.append(_Foot(posed[:, sole.foot].mean(axis=1), posed[:, :, 1].min(axis=1)))
    return feet


def _correction(foot: _Foot, weight: np.ndarray, most: float) -> np.ndarray:
    """(T, 3) how to move a foot: where it stands, to one place on the ground; between, gliding from one to the next."""
    frames = np.arange(len(weight))
    stands = weight > STANDS
    out = np.zeros((len(weight), 3))
    if stands.any():
        span = np.cumsum(np.diff(stands, prepend=False) & stands)  # number of the last span begun
        for number in np.unique(span[stands]):
            here = stands & (span == number)
            share = weight[here] / weight[here].sum()
            out[here] = share @ foot.centre[here] - foot.centre[here]
        out[stands, 1] = -foot.low[stands]
        before = np.maximum.accumulate(np.where(stands, frames, -1))
        after = np.minimum.accumulate(np.where(stands, frames, len(frames))[::-1])[::-1]
        start, end = np.where(before < 0, after, before), np.where(after == len(frames), before, after)
        part = 1 - _fade((frames - start) / np.maximum(end - start, 1), 0, 1)
        out = (1 - part)[:, None] * out[start] + part[:, None] * out[end]
    out[:, 1] = np.maximum(out[:, 1], -foot.low)
    return out * (most / np.maximum(most, np.linalg.norm(out, axis=1)))[:, None]


def _bend(character: Character, limb: Limb, rotation: np.ndarray, offset: np.ndarray, front: np.ndarray) -> None:
    """Two-bone inverse kinematics: turn thigh and shin so that the ankle moves by (T, 3) offsets, as far as it can.

    The knee keeps its side; what it bends more, it bends to the (T, 3) front.
    """
    thigh, shin = reach(character, limb)
    a, b = float(np.linalg.norm(thigh)), float(np.linalg.norm(shin))
    if min(a, b) < TINY:
        return
    old_thigh = rotation[:, limb.upper] @ thigh
    old_shin = rotation[:, limb.lower] @ shin
    line = old_thigh + old_shin + offset
    length = np.linalg.norm(line, axis=1)
    # A step that leaves the leg as it was must not touch it: the reach is at most the old one where that is longer.
    furthest = np.maximum(STRAIGHT * (a + b), np.linalg.norm(old_thigh + old_shin, axis=1))
    length = np.clip(length, abs(a - b) + 1e-3 * (a + b), furthest)
    along = unit(line)
    to_knee = (a * a - b * b + length**2) / (2 * length)
    out = np.sqrt(np.maximum(a * a - to_knee**2, 0))
    knee = _across(old_thigh, along)
    more = np.maximum(out - np.linalg.norm(knee, axis=1), 0)
    side = unit(knee + more[:, None] * unit(_across(front, along)))
    new_thigh = to_knee[:, None] * along + out[:, None] * side
    new_shin = length[:, None] * along - new_thigh
    rotation[:, limb.upper] = swing(unit(old_thigh), unit(new_thigh)) @ rotation[:, limb.upper]
    rotation[:, limb.lower] = swing(unit(old_shin), unit(new_shin)) @ rotation[:, limb.lower]


def _across(vectors: np.ndarray, along: np.ndarray) -> np.ndarray:
    """The part of (T, 3) vectors square to (T, 3) unit vectors."""
    return vectors - np.einsum("ti,ti->t", vectors, along)[:, None] * along


def _fade(value: np.ndarray, full: float, none: float) -> np.ndarray:
    """1 up to `full`, 0 from `none`, smooth between."""
    part = np.clip((none - value) / (none - full), 0, 1)
    return part * part * (3 - 2 * part)


def _held(centres: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(T, 3) way along the ground that keeps the standing feet, (L, T, 3) and (L, T), where they are on the whole."""
    steps = np.diff(centres, axis=1) * (1, 0, 1)
    both = np.minimum(weights[:, 1:], weights[:, :-1])[..., None]
    total = both.sum(axis=0)
    mean = (both * steps).sum(axis=0) / np.maximum(total, 1)  # fades where nothing stands surely
    return np.concatenate([np.zeros((1, 3)), -np.cumsum(mean, axis=0)])
