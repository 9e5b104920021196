"""How much of what a shot shows its drawings have shown, and which frame would show most of the rest.

Belongs here: views of surface points, when one view stands for another, the greedy choice. Does not: stores, pictures
and files (`hint`).

A view is a surface point as seen: where it lies on the character at rest, how far it is tilted from the camera, and how
large it is on the picture. What was drawn of a point seen from the front says little of it seen from the side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree

REACH = 0.04
"""Share of the figure's longest side at rest within which a drawn point stands for its surroundings."""

TILT = np.radians(35)
"""Difference of tilt up to which a point counts as seen alike."""

OCTAVES = 1.5
"""Difference of scale up to which a point counts as seen alike: a style is made to hold at half and twice its size."""

NEEDED = ("rest_position", "normal", "object_id")


@dataclass(frozen=True)
class Views:
    """Surface points of one frame.

    Attributes:
        places: (N, 5) rest position, tilt and scale, each in units of what still counts as alike.
        pixels: (N, 2) row and column they are seen at.
        weight: pixels each stands for.
    """

    places: np.ndarray
    pixels: np.ndarray
    weight: float

    @classmethod
    def of(cls, buffers: Mapping[str, np.ndarray], wanted: np.ndarray, size: float, most: int | None = None) -> Views:
        """
        Args:
            buffers: `NEEDED`, (channel, y, x).
            wanted: (y, x) bool, pixels that count.
            size: longest side of the figure at rest, scene units.
            most: about how many points to take, evenly over the picture; all when absent.
        """
        rest, normal, things = (buffers[name].astype(np.float32) for name in NEEDED)
        step = 1 if most is None else max(1, round((wanted.sum() / most) ** 0.5))
        grid = np.zeros_like(wanted)
        grid[::step, ::step] = True
        pixels = np.argwhere(grid & wanted)
        rows, columns = pixels.T
        tilt = np.arccos(np.clip(normal[2, rows, columns], -1, 1))
        scale = np.zeros(len(pixels))
        for thing in np.unique(things[0][wanted]):
            mine = things[0] == thing
            scale[mine[rows, columns]] = np.log2(pixel_size(rest, mine & wanted))
        places = np.concatenate(
            [rest[:, rows, columns].T / (REACH * size), tilt[:, None] / TILT, scale[:, None] / OCTAVES], axis=1
        )
        return cls(places, pixels, float(step**2))


def pixel_size(rest: np.ndarray, mine: np.ndarray) -> float:
    """Scene units at rest that a pixel covers on a surface facing the camera: the median of the shorter step.

    A tilted surface is foreshortened along one direction of the picture only, so the shorter of the steps to the right
    and down is near that of one that faces the camera.

    Args:
        rest: (3, y, x); mine: (y, x) bool, where the object is seen.
    """
    both = mine[:-1, :-1] & mine[:-1, 1:] & mine[1:, :-1]
    if not both.any():
        return 1.0
    right, down = (np.linalg.norm(step[:, both], axis=0) for step in (
        rest[:, :-1, 1:] - rest[:, :-1, :-1], rest[:, 1:, :-1] - rest[:, :-1, :-1]
    ))  # fmt: skip
    return float(max(np.median(np.minimum(right, down)), 1e-9))


@dataclass(frozen=True)
class Pick:
    """A frame to draw next.

    Attributes:
        index: of the candidate.
        before, after: share of what the shot shows that has been drawn, 0..1, pixels of all frames alike.
    """

    index: int
    before: float
    after: float


def choose(drawn: Views | None, shown: Sequence[Views], count: int) -> list[Pick]:
    """Frames that show most of what no drawing shows, each after all before it; fewer where nothing is left.

    Args:
        drawn: what the drawings show; None without any.
        shown: what each frame of the shot shows; each may be chosen.
    """
    places, weights = _gathered(shown)
    known = alike(drawn.places, places) if drawn is not None else np.zeros(len(places), bool)
    covers = np.stack([alike(views.places, places) for views in shown])
    picks: list[Pick] = []
    total = max(float(weights.sum()), 1.0)
    for _ in range(count):
        gains = (covers & ~known) @ weights
        best = int(gains.argmax())
        if gains[best] <= 0:
            break
        before = float(weights @ known) / total
        known = known | covers[best]
        picks.append(Pick(best, before, float(weights @ known) / total))
    return picks


def covered(drawn: Views | None, shown: Sequence[Views]) -> float:
    """Share of what a shot shows that has been drawn, 0..1."""
    places, weights = _gathered(shown)
    return float(weights @ alike(drawn.places, places) / weights.sum()) if drawn is not None and len(places) else 0.0


def alike(known: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """(M,) bool: some known view differs by at most 1 in every one of the five directions.

    Args:
        known: (N, 5), asked: (M, 5) places of views.
    """
    if not len(known) or not len(asked):
        return np.zeros(len(asked), bool)
    distance, _ = KDTree(known).query(asked, p=np.inf, distance_upper_bound=1 + 1e-9)
    found: np.ndarray = np.isfinite(distance)
    return found


def _gathered(shown: Sequence[Views]) -> tuple[np.ndarray, np.ndarray]:
    """(M, 5) places and (M,) weights of all views of a shot, those of one cell of half the reach taken together."""
    places = np.concatenate([views.places for views in shown])
    weights = np.concatenate([np.full(len(views.places), views.weight) for views in shown])
    if not len(places):
        return places, weights
    _, cell = np.unique(np.floor(2 * places).astype(np.int32), axis=0, return_inverse=True)
    cell = cell.ravel()
    total = np.bincount(cell, weights)
    middle = np.stack([np.bincount(cell, weights * column) for column in places.T], axis=1) / total[:, None]
    return middle, total
