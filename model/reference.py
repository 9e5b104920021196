"""The guide maths once more, pixel by pixel, to test the fast paths against.

Belongs here: plain loops that follow the definitions of `distance`, `contours`, `outline`, `warp` and `occlusion` word
by word. Does not: anything a shot is processed with. One frame at a time, tensors (C, H, W); ids are integers.
"""

from __future__ import annotations

import math
from collections import defaultdict
from itertools import product

import torch
from torch import Tensor

from model.contours import FULL, STEEPEST, TOUCH
from model.occlusion import SUBPIXEL
from model.outline import (
    BEYOND,
    CONTOUR_RANGE,
    DIRECTIONS,
    FINENESS,
    HALF_STRETCH,
    OWN_REACH,
    SLANT,
    WINDOW,
    ContourRule,
)

Pixel = tuple[int, int]
"""y, x."""


def nearest(marked_HW: Tensor, reach: int) -> tuple[Tensor, Tensor]:
    """Distance and flat index as `distance.nearest`: every marked pixel is tried for every pixel."""
    H, W = marked_HW.shape
    distance, index = torch.empty(H, W), torch.arange(H * W).view(H, W).clone()
    marks = [(y, x) for y, x in product(range(H), range(W)) if marked_HW[y, x]]
    for y, x in product(range(H), range(W)):
        ranked = sorted(((v - y) ** 2 + (u - x) ** 2, u, v) for v, u in marks)
        if ranked and ranked[0][0] <= reach**2:
            squared, u, v = ranked[0]
            distance[y, x], index[y, x] = math.sqrt(squared), v * W + u
        else:
            distance[y, x] = reach
    return distance, index


def crossings(
    depth_HW: Tensor, rest_3HW: Tensor, normal_3HW: Tensor, part_HW: Tensor, object_HW: Tensor, rule: ContourRule
) -> tuple[Tensor, Tensor]:
    """As `contours.crossings`: every pixel asks its four neighbours how far they pass behind it."""
    H, W = depth_HW.shape
    gaps = torch.zeros(4, H, W)
    for y, x in product(range(H), range(W)):
        for k, (dx, dy) in enumerate(DIRECTIONS):
            near, far = (y, x), (y + dy, x + dx)
            if not (0 <= far[0] < H and 0 <= far[1] < W and depth_HW[near].isfinite()):
                continue
            if not depth_HW[far].isfinite():
                gaps[k, y, x] = torch.inf
                continue
            step = (depth_HW[far] - depth_HW[near]).item()
            across = normal_3HW[0 if dx else 1, *far].abs().item()
            facing = max(normal_3HW[2, *far].abs().item(), 1 / STEEPEST)
            unit = rule.pixel if rule.subject is None else rule.pixel * max(depth_HW[far].item() / rule.subject, 1e-3)
            gaps[k, y, x] = (step - across / facing * unit) / rule.depth_gap
    if rule.intersections:
        for near, far, apart in _touches(depth_HW, rest_3HW, normal_3HW, part_HW, object_HW, rule):
            onwards = DIRECTIONS.index((far[1] - near[1], far[0] - near[0]))
            backwards = DIRECTIONS.index((near[1] - far[1], near[0] - far[0]))
            if gaps[onwards, *near] <= 1 and gaps[backwards, *far] <= 1:
                gaps[onwards, *near] = apart
    return gaps > 1, gaps.amax(0).clamp(min=0)


def _touches(
    depth_HW: Tensor, rest_3HW: Tensor, normal_3HW: Tensor, part_HW: Tensor, object_HW: Tensor, rule: ContourRule
) -> list[tuple[Pixel, Pixel, float]]:
    """Neighbours of two surfaces that are far apart in the rest pose, the owner first, and how far in depth gaps."""
    H, W = depth_HW.shape
    found = []
    votes: dict[tuple[tuple[int, int], tuple[int, int]], float] = defaultdict(float)
    for y, x in product(range(H), range(W)):
        for a, b in (((y, x), (y, x + 1)), ((y, x), (y + 1, x))):
            if b[0] == H or b[1] == W or not (depth_HW[a].isfinite() and depth_HW[b].isfinite()):
                continue
            jump = (rest_3HW[:, *a] - rest_3HW[:, *b]).norm().item() / rule.rest_gap
            jump = jump if object_HW[a] == object_HW[b] else TOUCH[1]
            apart = 1 + (FULL - 1) * (jump - TOUCH[0]) / (TOUCH[1] - TOUCH[0])
            if apart > 1:
                one, other = ((int(object_HW[p]), int(part_HW[p])) for p in (a, b))
                found.append((a, b, one, other, apart))
                votes[one, other] += (1 - normal_3HW[2, *a].abs().item()) - (1 - normal_3HW[2, *b].abs().item())
    owned = []
    for a, b, one, other, apart in found:
        rounder = votes[one, other] - votes.get((other, one), 0.0)
        first = depth_HW[a] <= depth_HW[b] if one == other else rounder > 0 or (rounder == 0 and one < other)
        owned.append((a, b, apart) if first else (b, a, apart))
    return owned


def measure(
    crossing_4HW: Tensor,
    depth_HW: Tensor,
    rest_3HW: Tensor,
    object_HW: Tensor,
    rule: ContourRule,
    coverage_HW: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Distance, side and mark as `outline.measure`: every pixel asks every mark."""
    H, W = depth_HW.shape
    marks = [(y, x) for y, x in product(range(H), range(W)) if crossing_4HW[:, y, x].any()]
    distance, side = torch.full((H, W), CONTOUR_RANGE), depth_HW.isfinite()
    taken = torch.arange(H * W).view(H, W)

    def apart(p: Pixel, q: Pixel) -> int:
        return (p[0] - q[0]) ** 2 + (p[1] - q[1]) ** 2

    def owns(mark: Pixel, p: Pixel) -> bool:
        unit = rule.pixel if rule.subject is None else rule.pixel * max(depth_HW[mark].item() / rule.subject, 1e-3)
        allowed = rule.rest_gap + SLANT * math.sqrt(apart(mark, p)) * unit
        return bool(
            object_HW[p] == object_HW[mark]
            and depth_HW[p] - depth_HW[mark] < rule.depth_gap
            and (rest_3HW[:, *p] - rest_3HW[:, *mark]).norm() < allowed
        )

    def directions(mark: Pixel) -> list[Pixel]:
        return [d for d, crossed in zip(DIRECTIONS, crossing_4HW[:, *mark], strict=True) if crossed]

    def normal(mark: Pixel) -> tuple[int, int]:
        return sum(dx for dx, _ in directions(mark)), sum(dy for _, dy in directions(mark))

    def points(mark: Pixel) -> list[tuple[float, float]]:
        found = []
        for dx, dy in directions(mark):
            far, reach = (mark[0] + dy, mark[1] + dx), 0.5
            if coverage_HW is not None and not depth_HW[far].isfinite():
                reach = min(max((coverage_HW[mark] + coverage_HW[far]).item() - 0.5, 0), 1)
            found.append((mark[1] + reach * dx, mark[0] + reach * dy))
        return found

    def stretch(mark: Pixel) -> tuple[float, float, float, float]:
        nx, ny = normal(mark)
        near = [
            other
            for other in marks
            if max(abs(other[0] - mark[0]), abs(other[1] - mark[1])) <= WINDOW
            and nx * normal(other)[0] + ny * normal(other)[1] > 0
            and owns(mark, other)
        ]
        if not near:
            return mark[1], mark[0], 0, 0
        spots = [spot for other in near for spot in points(other)]
        across, down = (sum(normal(other)[axis] for other in near) for axis in (0, 1))
        length = math.hypot(across, down)
        middle_x, middle_y = (sum(spot[axis] for spot in spots) / len(spots) for axis in (0, 1))
        return middle_x, middle_y, across / length, down / length

    stretches = {mark: stretch(mark) for mark in marks}

    def away(mark: Pixel, p: Pixel) -> tuple[float, bool]:
        middle_x, middle_y, nx, ny = stretches[mark]
        x, y = p[1] - middle_x, p[0] - middle_y
        off, along = x * nx + y * ny, max(abs(x * ny - y * nx) - HALF_STRETCH, 0)
        return (math.hypot(off, along) if nx or ny else math.hypot(x, y)), off > BEYOND

    for p in product(range(H), range(W)):
        ranked = sorted(marks, key=lambda mark: (apart(mark, p), mark[1], mark[0]))
        if not ranked or apart(ranked[0], p) >= CONTOUR_RANGE**2:
            continue
        first = ranked[0]
        distance[p], beyond = away(first, p)
        taken[p] = first[0] * W + first[1]
        side[p] &= (p == first or not beyond) and owns(first, p)
        if depth_HW[p].isfinite() and not side[p]:
            within = [mark for mark in marks if apart(mark, p) <= OWN_REACH**2]
            for mark in sorted(within, key=lambda mark: (apart(mark, p), mark)):
                if owns(mark, p) and not away(mark, p)[1]:
                    distance[p], side[p], taken[p] = away(mark, p)[0], True, mark[0] * W + mark[1]
                    break
    return (distance * FINENESS).round().clamp(max=CONTOUR_RANGE * FINENESS) / FINENESS, side, taken


def without_specks(marked_HW: Tensor, min_size: int, certain_HW: Tensor | None = None) -> Tensor:
    """As `contours.without_specks`: flood every component, count it and ask it for a certain mark."""
    certain = marked_HW if certain_HW is None else certain_HW
    H, W = marked_HW.shape
    kept, left = torch.zeros_like(marked_HW), {(y, x) for y, x in product(range(H), range(W)) if marked_HW[y, x]}
    while left:
        component, front = set(), [left.pop()]
        while front:
            y, x = front.pop()
            component.add((y, x))
            for near in product((y - 1, y, y + 1), (x - 1, x, x + 1)):
                if near in left:
                    left.remove(near)
                    front.append(near)
        good = len(component) >= min_size and any(certain[pixel] for pixel in component)
        for pixel in component:
            kept[pixel] = good
    return kept


def warp(x_CHW: Tensor, motion_2HW: Tensor) -> Tensor:
    """Bilinear samples at `p - motion` as `warp.warp`, the border repeated."""
    _, H, W = x_CHW.shape
    found = torch.zeros(x_CHW.shape)
    for y, x in product(range(H), range(W)):
        at_x = min(max(x - motion_2HW[0, y, x].item(), 0), W - 1)
        at_y = min(max(y - motion_2HW[1, y, x].item(), 0), H - 1)
        x0, y0 = math.floor(at_x), math.floor(at_y)
        for v, u in product((y0, y0 + 1), (x0, x0 + 1)):
            weight = (1 - abs(at_x - u)) * (1 - abs(at_y - v))
            if weight > 0:
                found[:, y, x] += weight * x_CHW[:, v, u]
    return found


def hidden(
    here: tuple[Tensor, Tensor],
    there: tuple[Tensor, Tensor],
    go_2HW: Tensor,
    back_2HW: Tensor | None,
    valid_HW: Tensor,
    rest_gap: float,
) -> Tensor:
    """As `occlusion.hidden`, with `back` valid everywhere.

    Args:
        here, there: rest position (3, H, W) and ids (I, H, W) of both frames.
    """
    (rest, ids), (other_rest, other_ids) = here, there
    H, W = valid_HW.shape
    found = torch.zeros(H, W)
    for y, x in product(range(H), range(W)):
        if not valid_HW[y, x]:
            continue
        go = go_2HW[:, y, x]
        at_x, at_y = x + go[0].item(), y + go[1].item()
        if not (-0.5 <= at_x < W - 0.5 and -0.5 <= at_y < H - 0.5):
            found[y, x] = 1
            continue
        seen = 0.0
        for v, u in product(_centres(at_y), _centres(at_x)):
            v, u = min(max(v, 0), H - 1), min(max(u, 0), W - 1)
            if not torch.equal(ids[:, y, x], other_ids[:, v, u]):
                continue
            distance = (rest[:, y, x] - other_rest[:, v, u]).norm().item()
            agrees = min(max(1.5 - distance / rest_gap, 0), 1)
            if back_2HW is not None:
                back = back_2HW[:, v, u]
                allowed = 0.01 * (go.square().sum() + back.square().sum()) + 0.5
                agrees *= 1 - ((go + back).square().sum() / allowed - 1).clamp(0, 1).item()
            seen = max(seen, agrees)
        found[y, x] = 1 - seen
    return found


def _centres(place: float) -> set[int]:
    """The pixel centres on either side of a coordinate; one, where it is nearly a centre itself."""
    return {math.floor(place + SUBPIXEL), math.ceil(place - SUBPIXEL)}
