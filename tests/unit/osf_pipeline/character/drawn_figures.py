"""Figures of capsules and discs with known joints, drawn flat, for the tests of this folder."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from osf_pipeline.drawing.drawing import Drawing
from osf_pipeline.drawing.skeleton import Joint, Skeleton
from osf_pipeline.drawing.strip import ContourStrip

Point = tuple[float, float]
SHAPE = (230, 180)
VERTICES = 1500
"""Enough for these figures, and quicker than the default."""

PARENTS = {"root": None, "hip": "root", "torso": "hip", "neck": "torso"} | {
    f"{side}_{joint}": parent if parent in ("torso", "root") else f"{side}_{parent}"
    for side in ("right", "left")
    for joint, parent in {
        "shoulder": "torso", "elbow": "shoulder", "hand": "elbow", "hip": "root", "knee": "hip", "foot": "knee",
    }.items()
}  # fmt: skip

PLACES: dict[str, Point] = {
    "root": (90, 130), "hip": (90, 130), "torso": (90, 84), "neck": (90, 40),
    "right_shoulder": (68, 86), "right_elbow": (44, 92), "right_hand": (20, 98),
    "left_shoulder": (112, 86), "left_elbow": (136, 92), "left_hand": (160, 98),
    "right_hip": (78, 138), "right_knee": (76, 170), "right_foot": (74, 205),
    "left_hip": (102, 138), "left_knee": (104, 170), "left_foot": (106, 205),
}  # fmt: skip

HANGING: dict[str, Point] = {
    "right_elbow": (60, 116), "right_hand": (58, 144), "left_elbow": (120, 116), "left_hand": (122, 144),
}  # fmt: skip
"""Arms that touch the body all along."""

CROSSED: dict[str, Point] = {
    "right_shoulder": (70, 86), "right_elbow": (80, 104), "right_hand": (104, 106),
    "left_shoulder": (110, 86), "left_elbow": (100, 122), "left_hand": (76, 122),
}  # fmt: skip


def capsule(shape: tuple[int, int], start: Point, end: Point, radius: float) -> np.ndarray:
    """(H, W) bool: pixel centres within `radius` of the line from `start` to `end`."""
    y, x = np.indices(shape)
    point, a, b = np.stack([x, y], axis=2).astype(float), np.array(start, float), np.array(end, float)
    t = np.clip((point - a) @ (b - a) / max((b - a) @ (b - a), 1e-9), 0, 1)
    return np.linalg.norm(point - a - t[..., None] * (b - a), axis=2) <= radius


def skeleton(places: dict[str, Point]) -> Skeleton:
    return Skeleton.of(Joint(name, *place, PARENTS[name]) for name, place in places.items())


def figure_mask(places: dict[str, Point], limb: float = 8.0, trunk: float = 24.0) -> np.ndarray:
    """(H, W) bool: head, trunk and limbs."""
    mask = capsule(SHAPE, (90, 90), (90, 124), trunk) | capsule(SHAPE, (90, 40), (90, 46), 24)
    mask |= capsule(SHAPE, (90, 40), (90, 90), 9)
    for side in ("right", "left"):
        for chain in (("shoulder", "elbow", "hand"), ("hip", "knee", "foot")):
            points = [places[f"{side}_{joint}"] for joint in chain]
            for start, end in pairwise(points):
                mask |= capsule(SHAPE, start, end, limb)
    return mask


def drawing(mask: np.ndarray, joints: Skeleton, fill: np.ndarray | None = None) -> Drawing:
    """A drawing without an outline."""
    if fill is None:
        rows, columns = np.indices(mask.shape)
        fill = np.stack([0.3 + rows / 800, 0.5 + columns / 600, np.full(mask.shape, 0.6)], axis=2)
    fill = fill.astype(np.float32)
    none = np.zeros((1, 3), np.float32)
    strip = ContourStrip(none[:, :2], none[:, 0], none[:, 0], none[:, 0], none, np.zeros((1, 3, 4), np.float32))
    return Drawing(fill, mask.astype(np.float32), mask, np.zeros_like(mask), fill, strip, joints)


def person(moved: dict[str, Point] | None = None, limb: float = 8.0) -> Drawing:
    places = PLACES | (moved or {})
    return drawing(figure_mask(places, limb), skeleton(places))
