"""Contour guides against the geometry they stand for: found, placed, owned, steady; and the time they take.

    python benchmarks/guides.py [--sequences N] [--frames N] [--size PIXELS] [--seed N] [--quick]

Frames: generated sequences of the test split (turned figures, pairs, props, moving cameras, perspective). Truth:
contours between 3x supersamples, by a rule of its own (`osf_pipeline.sample.contours`). Baseline: the rule as
first built: marks on pixels, gaps in pixels, and each pixel knows one contour, the nearest.

Recall: true contour pixels (within half a pixel of one) with a guide's contour in reach; precision: owners' pixels of
the guide with a true one in reach; inner contours (something is hidden behind them) also apart. `placed`: absolute
error of the distance within 4 px of a contour. `side`: share of pixels within 3 px of their own contour that the guide
leaves without it, or within 3 px of another's that it takes for their own. `flicker`: share of inner contour that two
successive frames both show (followed along exact motion) and the guide shows in one.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from common import finish, line, seconds
from scipy import ndimage
from torch import Tensor

from model.contours import CONTOUR_RANGE, ContourRule, contours, creases, without_specks
from model.distance import at, nearest
from osf_pipeline.config import Camera
from osf_pipeline.generate.plan import MOTIONS, GenerateRequest, Sequence, plan
from osf_pipeline.generate.player import Player
from osf_pipeline.guidance.rule import shot_rule
from osf_pipeline.motion.library import motion
from osf_pipeline.render.frame import Frame, render_frame
from osf_pipeline.render.sequence import neighbours
from osf_pipeline.render.staging import build_scene
from osf_pipeline.sample.contours import GAP, contour_distance, find_contours
from osf_pipeline.sample.hand import REACH
from osf_pipeline.shots import FrameRange

ON, WITHIN = 0.5, (1.0, 1.5)
"""Pixels: on a contour; in reach of one."""
STROKE, CLEAR, PLACED = 3.0, 5.0, 4.0
SAMPLE = 1 / 6
"""Pixels from the near-side samples that truth is measured from to the contour itself, in the mean."""


@dataclass(frozen=True)
class Guide:
    """(y, x) signed pixels to a contour: positive to one that the surface seen here owns."""

    signed: np.ndarray

    @cached_property
    def distance(self) -> np.ndarray:
        """(y, x) pixels to the nearest contour of all: what lies behind may tell its own, so owners are asked."""
        owners = (self.signed > 0) & (self.signed <= 1.25)
        away, (y, x) = ndimage.distance_transform_edt(~owners, return_indices=True)
        beyond = (self.signed <= 0) | (self.signed > away + self.signed[y, x] + 0.75)
        return np.minimum(np.abs(self.signed), np.where(beyond, np.abs(away - self.signed[y, x]), CONTOUR_RANGE))


@dataclass(frozen=True)
class Truth:
    """(y, x) pixels to the contour itself: to any, to an inner one, to a silhouette, and to one that the surface seen
    here owns; and which pixels show a surface."""

    any: np.ndarray
    inner: np.ndarray
    rim: np.ndarray
    own: np.ndarray
    seen: np.ndarray


GEOMETRY = {
    "depth": np.float32, "rest_position": np.float32, "normal": np.float32, "part_id": np.int32, "object_id": np.int32,
}  # fmt: skip

Buffers = dict[str, np.ndarray]
Rule = Callable[[Buffers, ContourRule], Guide]


def sequences(request: GenerateRequest) -> Iterator[tuple[Sequence, list[tuple[Buffers, Truth]], ContourRule]]:
    """Buffers and truth of every frame, with the shot's rule."""
    clips = {name: motion(name) for name in MOTIONS}
    players: dict[str, Player] = {}
    for sequence in plan(request, clips, {}):
        for name, cast in sequence.cast.items():
            players.setdefault(name, Player.of(cast))
        config = sequence.scene
        scene = build_scene(config, {name: players[name].character for name in sequence.cast}, clips)
        size = config.width, config.height
        shot = []
        for before, now, after in neighbours(FrameRange.parse(config.frames)):
            frame = render_frame(scene, now, size, previous=before, following=after)
            shot.append((frame.buffers, truth(frame)))
        some = {name: np.stack([buffers[name] for buffers, _ in shot[:: max(1, len(shot) // 4)]]) for name in GEOMETRY}
        camera: Camera = scene.camera(FrameRange.parse(config.frames).frames[0])
        yield sequence, shot, shot_rule(some, camera=camera, display_width=config.width)


def truth(frame: Frame) -> Truth:
    """Distances on supersampled geometry."""
    found, k = find_contours(frame), frame.hits.supersample
    centre = tuple(slice(span.start + k // 2, span.stop, k) for span in found.crop)
    seen = np.isfinite(frame.buffers["depth"][0])
    own = np.full(seen.shape, CONTOUR_RANGE, np.float32)
    window = tuple(slice(span.start // k, span.stop // k) for span in found.crop)
    depth, rest, objects = found.depth, found.rest, found.object
    inside = tuple(slice(k // 2, None, k) for _ in centre)
    keys = objects.astype(np.int64) << 16 | found.part
    for key in np.unique(keys[found.owner]):
        distance, (row, column) = ndimage.distance_transform_edt(~(found.owner & (keys == key)), return_indices=True)
        row, column = row[inside], column[inside]
        same = (
            (objects[inside] == objects[row, column])
            & (depth[inside] - depth[row, column] < 0.5 * GAP)
            & (np.linalg.norm(rest[:, *inside] - rest[:, row, column], axis=0) < REACH)
        )
        own[window] = np.minimum(own[window], np.where(same, distance[inside] / k, CONTOUR_RANGE))
    nearest_any, inner, rim = (
        contour_distance(frame, found, which)
        for which in (found.owner, found.occluding, found.owner & ~found.occluding)
    )
    return Truth(nearest_any, inner, rim, own, seen)


def tensors(buffers: Buffers) -> tuple[Tensor, ...]:
    """Depth, rest position, normal, part and object of one frame, (1, C, H, W)."""
    return tuple(torch.from_numpy(buffers[name].astype(kind))[None] for name, kind in GEOMETRY.items())


def present(buffers: Buffers, rule: ContourRule) -> Guide:
    """The guides as they are."""
    depth, rest, normal, part, objects = tensors(buffers)
    coverage = torch.from_numpy(buffers["color"][3:].astype(np.float32))[None]
    found = contours(depth, rest, normal, part, objects, rule, coverage)
    return Guide(torch.where(found.side, found.distance, -found.distance)[0, 0].numpy())


METHODS: dict[str, Rule] = {"present": present}


def near(buffers: Buffers, rule: ContourRule) -> Guide:
    """The baseline: gaps of 4 pixels and of the rest pose, ids, specks below 9 pixels; one contour a pixel."""
    depth, rest, normal, part, objects = tensors(buffers)
    gap = 4 * rule.pixel
    found = nearest(without_specks(near_pixels(depth, rest, part, objects, gap, rule.rest_gap), 9), int(CONTOUR_RANGE))
    behind = depth - at(depth, found.index)
    away = (rest - at(rest, found.index)).square().sum(1, keepdim=True)
    side = (behind < 2 * gap) & (away < (rule.rest_gap + 8 * rule.pixel * found.distance).square())
    creases(normal, part, objects)  # found along with contours, so they count in the time
    # Marks are centres of near pixels: the contour itself lies half a pixel further out.
    return Guide(torch.where(side, found.distance + 0.5, 0.5 - found.distance)[0, 0].numpy())


def near_pixels(depth: Tensor, rest: Tensor, part: Tensor, objects: Tensor, gap: float, rest_gap: float) -> Tensor:
    """The baseline's marks."""
    seed = torch.zeros_like(depth, dtype=torch.bool)
    seen = depth.isfinite()
    flat = torch.where(seen, depth, 0.0)

    def pair(x: Tensor, axis: int) -> tuple[Tensor, Tensor]:
        return x.narrow(axis, 0, x.shape[axis] - 1), x.narrow(axis, 1, x.shape[axis] - 1)

    def shift(x: Tensor, axis: int, by: int) -> Tensor:
        return x.index_select(axis, (torch.arange(x.shape[axis]) - by).clamp(0, x.shape[axis] - 1))

    for axis in (2, 3):
        (a, b), (depth_a, depth_b), (rest_a, rest_b) = (pair(x, axis) for x in (seen, flat, rest))
        step = torch.where(a & b, depth_b - depth_a, 0.0)
        size, length = step.abs(), step.shape[axis]
        apart = (rest_b - rest_a).square().sum(1, keepdim=True) > rest_gap**2
        other_object, other_part = (torch.ne(*pair(x, axis)) for x in (objects, part))
        slope = torch.minimum(shift(size, axis, -1), shift(size, axis, 1))
        deep = size > gap
        passes = torch.where(other_object, deep, apart & torch.where(other_part, deep, size - slope > gap)) & a & b
        beyond_a, beyond_b = shift(seen, axis, 1).narrow(axis, 0, length), shift(seen, axis, -1).narrow(axis, 1, length)
        seed.narrow(axis, 0, length).logical_or_((a & ~b) | (passes & (step >= 0) & beyond_b))
        seed.narrow(axis, 1, length).logical_or_((b & ~a) | (passes & (step < 0) & beyond_a))
    return seed


METHODS["baseline"] = near


def scores(shot: list[tuple[Buffers, Truth]], found: list[Guide]) -> dict[str, float]:
    """Shares and pixels of one sequence."""
    hit: dict[str, list[float]] = {}

    def count(name: str, where: np.ndarray, good: np.ndarray) -> None:
        total = hit.setdefault(name, [0.0, 0.0])
        total[0] += float((where & good).sum())
        total[1] += float(where.sum())

    errors = []
    for (_, true), guide in zip(shot, found, strict=True):
        on, on_guide = true.any <= ON, (guide.signed > 0) & (guide.signed <= 0.75)
        inside = (true.inner <= ON) & (true.rim > 3)
        inside_guide = on_guide & (true.rim > 3)
        for reach in WITHIN:
            count(f"recall_{reach}", on, guide.distance <= reach)
            count(f"precision_{reach}", on_guide, true.any <= reach + SAMPLE)
            count(f"inner_recall_{reach}", inside, guide.distance <= reach)
            count(f"inner_precision_{reach}", inside_guide, true.any <= reach + SAMPLE)
        signed = np.where(true.own <= true.any + 1e-3, true.any + SAMPLE, SAMPLE - true.any)
        close = (true.any < PLACED) & (np.abs(guide.signed) < PLACED + 2) & ((signed > 0) == (guide.signed > 0))
        errors.append(np.abs(guide.signed - signed)[close])
        mine = true.seen & (true.own > 0) & (true.own < STROKE)
        others = true.seen & (true.any < STROKE) & (true.own > CLEAR)
        own_guide = (guide.signed > 0) & (guide.signed < CLEAR)
        count("side", mine, ~own_guide)
        count("side", others, own_guide)
        count("side_missed", mine, ~own_guide)
        count("side_spilled", others, own_guide)
    for (buffers, true), (_, later), guide, guide_later in zip(shot, shot[1:], found, found[1:], strict=False):
        y, x = np.nonzero((true.inner <= ON) & (true.rim > 3) & (buffers["motion_next_valid"][0] > 0))
        step = np.rint(buffers["motion_next"][:, y, x]).astype(int)
        v, u = y + step[1], x + step[0]
        inside = (v >= 0) & (v < true.any.shape[0]) & (u >= 0) & (u < true.any.shape[1])
        y, x, v, u = y[inside], x[inside], v[inside], u[inside]
        stays = (later.inner[v, u] <= 1) & (later.rim[v, u] > 3)
        y, x, v, u = y[stays], x[stays], v[stays], u[stays]
        toggles = (guide.distance[y, x] <= 1.5) != (guide_later.distance[v, u] <= 2.5)
        count("flicker", np.ones_like(toggles), toggles)
    error = np.concatenate(errors)
    figures = {name: good / total if total else float("nan") for name, (good, total) in hit.items()}
    return figures | {"placed": float(error.mean()), "placed_95": float(np.quantile(error, 0.95))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sequences", type=int, default=12)
    parser.add_argument("--frames", type=int, default=4)
    parser.add_argument("--size", type=int, default=384)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="2 sequences of 2 frames at 256 px")
    wanted = parser.parse_args()
    if wanted.quick:
        wanted.sequences, wanted.frames, wanted.size = 2, 2, 256
    request = GenerateRequest(
        seed=wanted.seed, split="test", sequences=wanted.sequences, characters=min(6, wanted.sequences),
        frames=wanted.frames, width=wanted.size, height=wanted.size,
    )  # fmt: skip
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in METHODS}
    for sequence, shot, rule in sequences(request):
        for name, method in METHODS.items():
            row = scores(shot, [method(buffers, rule) for buffers, _ in shot])
            rows[name].append(row)
            print(sequence.shot, name, "  ".join(f"{key} {value:.4f}" for key, value in row.items()), flush=True)
    figures = {}
    for name, method in METHODS.items():
        medians = {
            key: statistics.median(row[key] for row in rows[name] if row[key] == row[key]) for key in rows[name][0]
        }
        taken = line(name, seconds(lambda method=method: method(shot[0][0], rule), 5))  # type: ignore[misc]
        figures[name] = {key: round(value, 4) for key, value in medians.items()} | {"seconds": round(taken, 4)}
    finish(**figures, size=wanted.size, sequences=wanted.sequences)


if __name__ == "__main__":
    main()
