"""Where a drawn line belongs: silhouettes and occlusion contours of a G-buffer, their owners, and creases.

Belongs here: the contour rule and what follows from it. Does not: where a contour lies between two pixels and whose it
is (`outline`), the network's view of it (`inputs`), reading a shot (`osf_pipeline.guidance`).

A contour lies between two neighbouring pixels and is marked on the nearer one, its owner. Buffers follow
`osf_pipeline.buffers`: y down, depth +inf on background, ids 0 on background.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from model.distance import at, nearest
from model.outline import CONTOUR_RANGE, ContourRule, measure
from model.warp import inconsistency

__all__ = ["CONTOUR_RANGE", "ContourRule", "Contours", "contours", "creases", "crossings", "estimate_pixel"]

CREASE_DEGREES = (20.0, 60.0)
"""Angle between neighbouring normals where a crease begins, and where it is full."""

STEEPEST = 12.0
"""Largest slope (depth over width) by which a surface explains its own depth step; beyond, normals tell little."""

CERTAIN = 1.5
"""Depth gaps of a step that begins a contour; fainter steps only continue one."""

FULL = 3.5
"""Depth gaps of a step from which on its contour counts as much as a silhouette."""

TOUCH = (6.0, 9.0)
"""Rest gaps by which touching surfaces lie apart in the rest pose where a line between them begins, and where it counts
as much as a silhouette: none at a joint, a full one where an arm lies on the trunk."""

DEPTH_SHARE, REST_SHARE = 0.010, 0.018
"""Depth gap and rest gap of the default rule, in sizes of the figure."""


def rule_for(
    pixel: float, rest_size: float, *, subject: float | None = None, intersections: bool = False
) -> ContourRule:
    """The default rule. Gaps are shares of the figure, so that a line does not come and go with the resolution.

    Args:
        pixel: scene units a pixel covers at the subject: `display-width scale / width` of an orthographic camera, else
            `estimate_pixel`.
        rest_size: largest side of the rest pose's bounding box in scene units.
        subject: depth at which `pixel` holds under a perspective camera.
        intersections: see `ContourRule`.
    """
    return ContourRule(
        pixel, DEPTH_SHARE * rest_size, REST_SHARE * rest_size, subject=subject, intersections=intersections
    )


class Contours(NamedTuple):
    """Contours of a batch of frames.

    Attributes:
        distance: (B, 1, H, W) float32, pixels to the contour itself, 0 to `CONTOUR_RANGE`: on the owner's side to the
            nearest one the surface seen here owns, elsewhere to the nearest of all.
        side: (B, 1, H, W) bool, the surface seen here owns that contour: the line belongs on it. A surface without a
            contour in range is its own; background never is.
        seed: (B, 1, H, W) bool, owner pixels of a contour.
        step: (B, 1, H, W) float32, 0..1, how far the surfaces at that contour lie apart, in depth or at an intersection
            in the rest pose: 0 for the least step that counts, 1 from `FULL` gaps on, at silhouettes, and where no
            contour is in range.
        crease: (B, 1, H, W) float32, 0..1, a fold within one part.
    """

    distance: Tensor
    side: Tensor
    seed: Tensor
    step: Tensor
    crease: Tensor


def contours(
    depth_B1HW: Tensor,
    rest_B3HW: Tensor,
    normal_B3HW: Tensor,
    part_B1HW: Tensor,
    object_B1HW: Tensor,
    rule: ContourRule,
    coverage_B1HW: Tensor | None = None,
) -> Contours:
    """Contours by the rule of `crossings`, with distance, owner and creases.

    With one threshold a step that hovers about it breaks into dashes that come and go. So there are two, as in Canny,
    "A computational approach to edge detection", PAMI 8(6), 1986: a step of one gap carries a contour on, but some
    place of each connected contour must be a silhouette or a step of `CERTAIN` gaps.

    Args:
        coverage_B1HW: 0..1, antialiased; places silhouettes within the pixel. Without it, as inner contours, they are
            placed by their neighbours alone.
    """
    surface = depth_B1HW, rest_B3HW, normal_B3HW, part_B1HW, object_B1HW
    crossing, gaps = crossings(*surface, rule)
    seed = without_specks(crossing.any(1, keepdim=True), rule.min_size, gaps > CERTAIN)
    distance, side, mark = measure(crossing & seed, depth_B1HW, rest_B3HW, object_B1HW, rule, coverage_B1HW)
    step = ((torch.where(seed, gaps, FULL).flatten()[mark] - 1) / (FULL - 1)).clamp(0, 1)
    return Contours(distance, side, seed, step, creases(normal_B3HW, part_B1HW, object_B1HW))


def crossings(
    depth_B1HW: Tensor,
    rest_B3HW: Tensor,
    normal_B3HW: Tensor,
    part_B1HW: Tensor,
    object_B1HW: Tensor,
    rule: ContourRule,
) -> tuple[Tensor, Tensor]:
    """(B, 4, H, W) bool: a contour passes between this, the nearer, pixel and its right, left, lower, upper neighbour.
    (B, 1, H, W) float32: the largest step there in depth gaps, less what slope explains; +inf at silhouettes.

    A contour is where behind a surface lies background (a silhouette), or a surface farther by more than the depth gap
    and what that surface's own slope explains: a steep surface is steep beyond the pair too. Within a part, between
    parts and between objects the rule is the same: on a smooth joint the slope explains the step, at a touch there is
    none. With `rule.intersections` surfaces that touch are parted by how far they lie apart in the rest pose, too
    (`TOUCH`; objects, which share none, in full), and which of them owns the contour is told by `_touches`.
    """
    B, _, H, W = depth_B1HW.shape
    found = torch.zeros(B, 4, H, W, dtype=torch.bool, device=depth_B1HW.device)
    largest = torch.zeros(B, 1, H, W, device=depth_B1HW.device)
    seen = depth_B1HW.isfinite()
    flat = torch.where(seen, depth_B1HW, 0.0)
    facing = normal_B3HW[:, 2:].abs().clamp(min=1 / STEEPEST) / rule.unit(flat)
    touches = _touches(seen, flat, rest_B3HW, normal_B3HW, part_B1HW, object_B1HW, rule) if rule.intersections else {}
    for axis, (across, onwards, back) in ((3, (0, 0, 1)), (2, (1, 2, 3))):
        slope = normal_B3HW[:, across : across + 1].abs() / facing
        (a, b), (depth_a, depth_b), (slope_a, slope_b) = (_pair(x, axis) for x in (seen, flat, slope))
        step = depth_b - depth_a
        a_over_b, b_over_a = (step - slope_b) / rule.depth_gap, (-step - slope_a) / rule.depth_gap
        if touches:
            apart, a_owns = touches[axis]
            touch = (a_over_b <= 1) & (b_over_a <= 1) & (apart > 1)
            a_over_b = torch.where(touch & a_owns, apart, a_over_b)
            b_over_a = torch.where(touch & ~a_owns, apart, b_over_a)
        length = step.shape[axis]
        for near, far, gaps, direction, start in ((a, b, a_over_b, onwards, 0), (b, a, b_over_a, back, 1)):
            gaps = torch.where(near, torch.where(far, gaps, torch.inf), 0)
            found[:, direction : direction + 1].narrow(axis, start, length).copy_(gaps > 1)
            most = largest.narrow(axis, start, length)
            torch.maximum(most, gaps, out=most)
    return found, largest


def _touches(
    seen_B1HW: Tensor,
    depth_B1HW: Tensor,
    rest_B3HW: Tensor,
    normal_B3HW: Tensor,
    part_B1HW: Tensor,
    object_B1HW: Tensor,
    rule: ContourRule,
) -> dict[int, tuple[Tensor, Tensor]]:
    """For the neighbouring pairs along each axis: how far they lie apart in the rest pose, in the measure of depth gaps
    (1 where `TOUCH` begins, `FULL` where it ends), and whether the first of the pair would own a contour there.

    At a touch, which is nearer is a matter of hair's breadths: a line that followed it would jump from side to side.
    The rounder surface owns it: the one that turns away from the camera more, summed over all places of a frame where
    the two parts meet, so that one side has the whole line, and goes on with the contour it may have beside the touch.
    Where a part touches itself, the nearer pixel owns it.
    """
    begin, full = TOUCH
    index = torch.arange(seen_B1HW.numel(), device=seen_B1HW.device).view_as(seen_B1HW)
    apart, pairs = {}, []
    for axis in (3, 2):
        (a, b), (rest_a, rest_b) = _pair(seen_B1HW, axis), _pair(rest_B3HW, axis)
        jump = (rest_b - rest_a).square().sum(1, keepdim=True).sqrt() / rule.rest_gap
        jump = torch.where(_differs(object_B1HW, axis), full, jump)
        apart[axis] = torch.where(a & b, 1 + (FULL - 1) * (jump - begin) / (full - begin), 0)
        pairs.append(torch.stack([half[apart[axis] > 1] for half in _pair(index, axis)]))
    a, b = torch.cat(pairs, 1)
    # Sums of doubles in the order of pixels: the same whatever the batch.
    slant = 1 - normal_B3HW[:, 2:].abs().double().flatten()
    surface = (object_B1HW.long() << 32 | part_B1HW.long()).flatten()
    frame, ordered = a // seen_B1HW[0].numel(), surface[a] <= surface[b]
    kinds = torch.stack([frame, torch.minimum(surface[a], surface[b]), torch.maximum(surface[a], surface[b])], 1)
    kinds, kind = kinds.unique(dim=0, return_inverse=True)
    vote = torch.where(ordered, slant[a] - slant[b], slant[b] - slant[a])
    rounder = (vote.new_zeros(len(kinds)).index_add(0, kind, vote)[kind] >= 0) == ordered
    depth = depth_B1HW.flatten()
    owns = torch.where(surface[a] == surface[b], depth[a] <= depth[b], rounder).split([x.shape[1] for x in pairs])
    return {
        axis: (apart[axis], torch.zeros_like(apart[axis], dtype=torch.bool).masked_scatter(apart[axis] > 1, mine))
        for axis, mine in zip((3, 2), owns, strict=True)
    }


def creases(normal_B3HW: Tensor, part_B1HW: Tensor, object_B1HW: Tensor) -> Tensor:
    """(B, 1, H, W) float32, 0..1 by the angle between neighbouring normals of one part; both pixels carry it."""
    begin, full = (1 - math.cos(math.radians(degrees)) for degrees in CREASE_DEGREES)
    found = torch.zeros_like(part_B1HW, dtype=torch.float32)
    for axis in (2, 3):
        normal_a, normal_b = _pair(normal_B3HW, axis)
        bend = 1 - (normal_a * normal_b).sum(1, keepdim=True, dtype=torch.float32)
        fold = ((bend - begin) / (full - begin)).clamp(0, 1)
        part_a, _ = _pair(part_B1HW, axis)
        fold *= (part_a > 0) & ~_differs(part_B1HW, axis) & ~_differs(object_B1HW, axis)
        for half in (found.narrow(axis, 0, fold.shape[axis]), found.narrow(axis, 1, fold.shape[axis])):
            torch.maximum(half, fold, out=half)
    return found


def motion_contours(
    coverage_B1HW: Tensor, motion_B2HW: Tensor | None, uncovered_B1HW: Tensor, min_size: int
) -> Contours:
    """Contours of frames without geometry: the silhouette, and boundaries where neighbours move apart.

    A boundary lies where the motions of the two pixels around a pair differ by more than `inconsistency` allows. Areas
    that appear or vanish lie on the surface behind, so the owner is the side less uncovered. Far weaker than
    `contours`: what does not move has no inner contour.

    Args:
        coverage_B1HW: bool, a surface is seen.
        motion_B2HW: pixels; None where no neighbouring frame exists.
        uncovered_B1HW: 0..1, hidden in the previous or the next frame.
    """
    seed = torch.zeros_like(coverage_B1HW)
    for axis in (2, 3):
        a, b = _pair(coverage_B1HW, axis)
        first, second = seed.narrow(axis, 0, a.shape[axis]), seed.narrow(axis, 1, a.shape[axis])
        first |= a & ~b
        second |= b & ~a
        if motion_B2HW is not None:
            before, after = (_pair(_shift(motion_B2HW, axis, by), axis)[i] for i, by in ((0, 1), (1, -1)))
            motion_a, motion_b = _pair(motion_B2HW, axis)
            # The wide step finds blurred boundaries, the narrow one says where in them the boundary lies.
            step = ((after - before).square() + (motion_b - motion_a).square()).sum(1, keepdim=True)
            peak = (step >= _shift(step, axis, 1)) & (step > _shift(step, axis, -1))
            behind_a, behind_b = _pair(uncovered_B1HW, axis)
            parting = a & b & peak & (inconsistency(after, -before) > 0)
            first |= parting & (behind_a <= behind_b)
            second |= parting & (behind_a > behind_b)
    seed = without_specks(seed, min_size)
    near = nearest(seed, int(CONTOUR_RANGE))
    side = coverage_B1HW
    if motion_B2HW is not None:
        side = coverage_B1HW & (inconsistency(motion_B2HW, -at(motion_B2HW, near.index)) == 0)
    # Between pixel centres the contour is taken to lie half way.
    off = (near.distance + torch.where(side, 0.5, -0.5)).clamp(max=CONTOUR_RANGE)
    distance = torch.where(near.distance < CONTOUR_RANGE, off, CONTOUR_RANGE)
    return Contours(distance, side, seed, torch.ones_like(distance), torch.zeros_like(distance))


def without_specks(marked_B1HW: Tensor, min_size: int, certain_B1HW: Tensor | None = None) -> Tensor:
    """The marks in 8-connected components of at least `min_size` pixels, one of them certain.

    Args:
        marked_B1HW: bool.
        certain_B1HW: bool; None where all marks are.

    Labels of the marked pixels sink to the smallest of their component: each round takes the neighbours' smallest label
    and then that label's own, so a round doubles the reach.
    """
    B, _, H, W = marked_B1HW.shape
    where = marked_B1HW.flatten().nonzero().squeeze(1)
    order = torch.full((marked_B1HW.numel(),), -1, device=where.device)
    order[where] = torch.arange(len(where), device=where.device)
    grid = order.view(B, H, W)
    links = []
    for dy, dx in ((0, 1), (1, -1), (1, 0), (1, 1)):
        a = grid[:, : H - dy, max(0, -dx) : W - max(0, dx)]
        b = grid[:, dy:, max(0, dx) : W - max(0, -dx)]
        linked = (a >= 0) & (b >= 0)
        links.append(torch.stack([a[linked], b[linked]]))
    a, b = torch.cat(links, 1)
    label = torch.arange(len(where), device=where.device)
    while True:
        low = torch.minimum(label[a], label[b])
        sunk = label.scatter_reduce(0, label[a], low, "amin").scatter_reduce(0, label[b], low, "amin")
        sunk = sunk[sunk]
        if torch.equal(sunk, label):
            break
        label = sunk
    good = label.bincount(minlength=len(label)) >= min_size
    if certain_B1HW is not None:
        sure = torch.zeros_like(good)
        sure[label[certain_B1HW.flatten()[where]]] = True
        good &= sure
    kept = torch.zeros_like(marked_B1HW).flatten()
    kept[where[good[label]]] = True
    return kept.view_as(marked_B1HW)


def estimate_pixel(rest_B3HW: Tensor, normal_B3HW: Tensor, part_B1HW: Tensor) -> float:
    """Scene units a pixel covers where no camera is known: the median rest distance of neighbours facing the camera.

    Args:
        rest_B3HW: rest positions of a few frames of the shot.
        normal_B3HW: camera-space normals.
        part_B1HW: part ids.

    Raises:
        ValueError: when no two neighbours of one part face the camera.
    """
    steps = []
    for axis in (2, 3):
        rest_a, rest_b = _pair(rest_B3HW, axis)
        part_a, _ = _pair(part_B1HW, axis)
        nz_a, nz_b = _pair(normal_B3HW[:, 2:], axis)
        facing = (part_a > 0) & ~_differs(part_B1HW, axis) & (nz_a > 0.9) & (nz_b > 0.9)
        steps.append((rest_b - rest_a).square().sum(1, keepdim=True).sqrt()[facing])
    every = torch.cat(steps)
    if not len(every):
        raise ValueError("no neighbouring pixels face the camera")
    return every.median().item()


def _pair(x_BCHW: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """Both members of every neighbouring pair along an axis."""
    length = x_BCHW.shape[axis] - 1
    return x_BCHW.narrow(axis, 0, length), x_BCHW.narrow(axis, 1, length)


def _differs(ids_B1HW: Tensor, axis: int) -> Tensor:
    a, b = _pair(ids_B1HW, axis)
    return a != b


def _shift(x_BCHW: Tensor, axis: int, by: int) -> Tensor:
    """The neighbour's value at distance -`by`, the edge repeated: the picture's end is not background."""
    length = x_BCHW.shape[axis]
    index = (torch.arange(length, device=x_BCHW.device) - by).clamp(0, length - 1)
    return x_BCHW.index_select(axis, index)
