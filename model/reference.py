"""The guide maths once more, pixel by pixel, to test the fast paths against.

Belongs here: plain loops that follow the definitions of `distance`, `contours`, `warp` and `occlusion` word by word.
Does not: anything a shot is processed with. One frame at a time, tensors (C, H, W); ids are integers.
"""

from __future__ import annotations

import math
from itertools import product

import torch
from torch import Tensor

from model.contours import ContourRule
from model.occlusion import SUBPIXEL

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


def seeds(depth_HW: Tensor, rest_3HW: Tensor, part_HW: Tensor, object_HW: Tensor, rule: ContourRule) -> Tensor:
    """Seeds as `contours.seeds`: every pixel asks its four neighbours whether they pass behind it."""
    H, W = depth_HW.shape
    found = torch.zeros(H, W, dtype=torch.bool)

    def seen(p: Pixel) -> bool:
        return bool(depth_HW[p].isfinite())

    def clamped(y: int, x: int) -> Pixel:
        return min(max(y, 0), H - 1), min(max(x, 0), W - 1)

    def gap(p: Pixel, q: Pixel) -> float:
        return (depth_HW[q] - depth_HW[p]).item() if seen(p) and seen(q) else 0.0

    for y, x in product(range(H), range(W)):
        for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)):
            near, far, beyond = (y, x), (y + dy, x + dx), clamped(y + 2 * dy, x + 2 * dx)
            if not (0 <= far[0] < H and 0 <= far[1] < W and seen(near)):
                continue
            if not seen(far):
                found[y, x] = True
                continue
            step = gap(near, far)
            ahead = step > 0 or (step == 0 and dy + dx > 0)
            if not ahead or not seen(beyond):
                continue
            apart = (rest_3HW[:, *far] - rest_3HW[:, *near]).norm().item() > rule.rest_gap
            deep = step > rule.depth_gap
            if object_HW[near] != object_HW[far]:
                found[y, x] |= deep or rule.contact
            elif part_HW[near] != part_HW[far]:
                found[y, x] |= apart and (deep or rule.contact)
            else:
                # At the picture's edge the pair itself stands in for the missing neighbour.
                back = clamped(y - dy, x - dx)
                before = gap(back, near) if back != near else step
                after = gap(far, beyond) if beyond != far else step
                found[y, x] |= apart and step - min(abs(before), abs(after)) > rule.depth_gap
    return found


def without_specks(marked_HW: Tensor, min_size: int) -> Tensor:
    """As `contours.without_specks`: flood every component and count it."""
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
        for pixel in component:
            kept[pixel] = len(component) >= min_size
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
