"""Which face belongs to which bone, and where touching limbs are cut apart.

Belongs here: parts, their borders, cuts. Does not: weights (`weights`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage, sparse
from scipy.sparse.csgraph import breadth_first_order, connected_components, dijkstra, maximum_flow
from scipy.spatial import cKDTree

from osf_pipeline.character.bones import HEAD, TRUNK, DrawnBone
from osf_pipeline.character.sheet import Sheet, cross
from osf_pipeline.errors import InputDataError

BORDER_ROUNDS = 12
"""Steps by which the zigzag of a border along mesh edges is smoothed."""

SLIVER = 20.0
"""Degrees: no smoothing makes an angle smaller than this."""

REACH = 0.8
"""How far around its first joint a limb stays joined to the trunk, over the limb's half-thickness."""

BEHIND = 2.0
"""What a pixel behind a limb's first joint adds to the way to the limb; half of it behind the neck."""

FIDELITY = 1.5
"""What a limb's ground weighs against the length of its border."""

LINE_DISCOUNT = 0.7
"""Share of its length that a border saves on a drawn line."""

ROOT = 0.35
"""Half-thicknesses from a limb's first joint, along the limb, up to which nothing is cut."""

SHORT = 0.45
"""Cuts shorter than this, over the limb's half-thickness, are left closed."""

SURROUNDED = 0.6
"""Share of a limb's lower half deep in the trunk from which on it counts as drawn over the body."""


@dataclass(frozen=True)
class Parts:
    """A sheet cut into movable parts.

    Attributes:
        sheet: cut open along the borders of parts that do not belong together.
        part: (F,) index of the face's bone.
        radius: (B,) half-thickness of the figure around each bone, pixels.
        slit: (E, 2, 2) pixel ends of the edges that were cut.
    """

    sheet: Sheet
    part: np.ndarray
    radius: np.ndarray
    slit: np.ndarray


def divide(sheet: Sheet, bones: Sequence[DrawnBone], mask: np.ndarray, ink: np.ndarray) -> Parts:
    """Give each face to a bone and cut limbs loose where they only touch.

    Limbs, head and trunk share the figure by the way through it to the discs around their bones, the largest that
    the figure holds; within one limb the nearest bone wins. Borders are smoothed. Different limbs, as well as limb
    and trunk away from the limb's own joint, are cut apart.

    Args:
        sheet: of the whole figure.
        mask: (H, W) bool.
        ink: (H, W) 0..1, how clearly a line is drawn there; borders rather run along lines.

    Raises:
        InputDataError: for a limb that is drawn over the body, or a part that no face is left for.
    """
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1] - 0.5
    radius = np.array([_radius(bone, depth) for bone in bones])
    part = _clean(sheet, _without_teeth(sheet, _nearest(sheet, bones, radius, depth, ink)), bones)
    # Bones between joints on the edge of a bent limb run beside it; the part itself tells how thick it is.
    inside = _depth_at(depth, sheet.points[sheet.faces].mean(axis=1))
    deep = np.array([np.percentile(inside[part == index], 90) for index in range(len(bones))])
    radius = np.maximum(radius, 0.6 * deep)
    sheet = _smooth_borders(sheet, part)
    open_edges = _slits(sheet, part, bones, radius)
    slit = sheet.points[sheet.edges.ends[open_edges]]
    sheet = sheet.cut(open_edges)
    # An inner edge between two outline vertices would have its front and its back in one place.
    chords = ~sheet.edges.boundary & sheet.on_boundary[sheet.edges.ends].all(axis=1)
    sheet, origin = sheet.split(chords)
    return Parts(_smooth_borders(sheet, part[origin]), part[origin], radius, slit)


def _depth_at(depth: np.ndarray, points: np.ndarray) -> np.ndarray:
    return np.maximum(ndimage.map_coordinates(depth, points[:, ::-1].T, order=1, mode="nearest"), 0.5)


def _along(head: np.ndarray, tail: np.ndarray, inset: float = 0.0) -> np.ndarray:
    """Points a pixel apart on a bone, without `inset` pixels (at most 40 %) at both ends."""
    length = float(np.linalg.norm(tail - head))
    cut = min(inset / max(length, 1e-9), 0.4)
    return head + np.linspace(cut, 1 - cut, max(2, int(length)))[:, None] * (tail - head)


def _off(points: np.ndarray, bone: DrawnBone) -> np.ndarray:
    """(N,) distance of points from a bone's straight line between its ends."""
    along = bone.tail - bone.head
    t = np.clip((points - bone.head) @ along / max(float(along @ along), 1e-9), 0, 1)
    return np.linalg.norm(points - bone.head - t[:, None] * along, axis=1)


def _uphill(points: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Points moved straight away from the nearest outline, up to the middle of the figure."""
    points, step = points.copy(), 2.0
    slope = np.stack(np.gradient(ndimage.gaussian_filter(depth, 1))[::-1])
    going = np.ones(len(points), bool)
    while going.any():
        here = points[going]
        away = np.stack([ndimage.map_coordinates(s, here[:, ::-1].T, order=1, mode="nearest") for s in slope], axis=1)
        there = here + step * away / np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-9)
        higher = _depth_at(depth, there) - _depth_at(depth, here) > 0.7 * step
        rows = np.flatnonzero(going)
        points[rows[higher]], going[rows[~higher]] = there[higher], False
    return points


def _radius(bone: DrawnBone, depth: np.ndarray) -> float:
    """Median half-thickness around a bone; of a limb, over the half away from the trunk."""
    points = _along(bone.head, bone.tail)
    if _is_limb(bone):
        points = points[len(points) // 2 :]
    return float(np.median(_depth_at(depth, points)))


def _nearest(
    sheet: Sheet, bones: Sequence[DrawnBone], radius: np.ndarray, depth: np.ndarray, ink: np.ndarray
) -> np.ndarray:
    """(F,) index of the bone each face belongs to."""
    lines = [_along(bone.head, bone.tail, 0.3 * radius[index]) for index, bone in enumerate(bones)]
    samples = list(lines)
    for index, bone in enumerate(bones):
        if bone.chain == TRUNK:  # its bones may run along the belly
            middle = _uphill(lines[index], depth)
            own = np.argmin([_off(middle, other) for other in bones], axis=0)
            samples[index] = np.concatenate([lines[index], middle[[bones[k].chain == TRUNK for k in own]]])
    _refuse_crossed(bones, np.concatenate([samples[k] for k, bone in enumerate(bones) if bone.chain == TRUNK]), depth)
    for index, bone in enumerate(bones):
        if _is_limb(bone) and bones[bone.parent].chain == TRUNK:
            # The trunk reaches out to the joints of its limbs.
            parent = bones[bone.parent]
            bridge = _along(parent.tail if bone.parent else parent.head, bone.head)
            clear = np.linalg.norm(bridge - bone.head, axis=1) > 0.75 * radius[index]
            samples[bone.parent] = np.concatenate([samples[bone.parent], bridge[clear]])
    reach = [_depth_at(depth, points) for points in samples]
    for index, bone in enumerate(bones):
        if _is_limb(bone):
            reach[index] = np.minimum(reach[index], 1.2 * radius[index])
        elif bone.chain == TRUNK:
            # A disc of the trunk may hold a limb or a face that lies on it; it ends before their bones.
            for other, on_it in enumerate(bones):
                if on_it.chain != TRUNK:
                    before = _off(samples[index], on_it) - 0.6 * radius[other]
                    reach[index] = np.minimum(reach[index], np.maximum(before, 0.5))
    ways = _ways(sheet)
    to_disc = _distances(sheet, ways, samples, reach)
    to_bone = _distances(sheet, ways, lines, [np.zeros(len(points)) for points in lines])
    for index, bone in enumerate(bones):
        if bone.chain != TRUNK and bones[bone.parent].chain == TRUNK:
            # Limbs and head begin at their joint: what lies behind it is trunk. A chin may hang below the neck.
            axis = (bone.tail - bone.head) / np.linalg.norm(bone.tail - bone.head)
            behind = np.maximum((bone.head - sheet.points) @ axis, 0)
            to_disc[:, index] += (BEHIND if _is_limb(bone) else BEHIND / 2) * behind
    chains = list(dict.fromkeys(bone.chain for bone in bones))
    chain = np.array([chains.index(bone.chain) for bone in bones])
    nearest = np.stack([to_disc[:, chain == k].min(axis=1) for k in range(len(chains))], axis=1)[sheet.faces].mean(
        axis=1
    )
    winner = np.argmin(nearest, axis=1)
    for k, name in enumerate(chains):
        if name != TRUNK:
            first = int(np.argmax(chain == k))
            core = (to_bone[:, chain == k].min(axis=1) < 0.5 * radius[first])[sheet.faces].all(axis=1)
            winner = _short_border(sheet, winner, nearest, k, float(radius[first]), core, ink)
    own = np.where(chain == winner[:, None], to_bone[sheet.faces].mean(axis=1), np.inf)
    return np.argmin(own, axis=1)


def _short_border(
    sheet: Sheet,
    winner: np.ndarray,
    nearest: np.ndarray,
    chain: int,
    thickness: float,
    core: np.ndarray,
    ink: np.ndarray,
) -> np.ndarray:
    """(F,) the chain of each face after one chain's border was made short (minimum cut of the faces' dual graph).

    Short borders end in the outline's concave corners, as people part shapes (Singh, Seyranian & Hoffman 1999), and a
    border along a drawn line costs less.
    """
    others = np.delete(nearest, chain, axis=1)
    lead = np.clip((others.min(axis=1) - nearest[:, chain]) / thickness, -1, 1)
    pull = FIDELITY * sheet.areas * lead / thickness
    inner = ~sheet.edges.boundary
    a, b = sheet.edges.faces[inner].T
    ends = sheet.points[sheet.edges.ends[inner]]
    dark = ndimage.map_coordinates(ink, ends.mean(axis=1)[:, ::-1].T, order=1, mode="nearest")
    length = np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1) * (1 - LINE_DISCOUNT * dark)
    count = len(sheet.faces)
    source, sink, face = count, count + 1, np.arange(count)
    # What is a thickness deep in one's own ground, or near one's bone, stays, whatever it costs.
    firm = np.where((np.abs(lead) >= 1) | (core & (lead > 0)), 1e3 * thickness, np.abs(pull))
    rows = np.concatenate([a, b, np.full(count, source), face])
    columns = np.concatenate([b, a, face, np.full(count, sink)])
    capacity = np.concatenate([length, length, np.where(lead > 0, firm, 0), np.where(lead < 0, firm, 0)])
    scaled = np.round(capacity * 1000).astype(np.int32)
    graph = sparse.coo_matrix((scaled, (rows, columns)), shape=(count + 2, count + 2)).tocsr()
    left = graph - maximum_flow(graph, source, sink).flow
    left.data[left.data < 0] = 0
    left.eliminate_zeros()
    reached = breadth_first_order(left, source, return_predecessors=False)
    mine = np.zeros(count + 2, bool)
    mine[reached] = True
    rest = np.where(winner == chain, _without(nearest, chain), winner)
    return np.where(mine[:count], chain, rest)


def _without(nearest: np.ndarray, chain: int) -> np.ndarray:
    """(F,) nearest other chain."""
    return np.argmin(np.where(np.arange(nearest.shape[1]) == chain, np.inf, nearest), axis=1)


def _distances(
    sheet: Sheet, ways: sparse.csr_matrix, samples: Sequence[np.ndarray], reach: Sequence[np.ndarray]
) -> np.ndarray:
    """(V, B) way through the figure to each set of sample points, less the points' reach."""
    tree = cKDTree(sheet.points)
    offset = float(max(r.max() for r in reach)) + 1.0  # a graph's ways are positive
    n, rows, columns, values = len(sheet.points), [], [], []
    for index, (points, radii) in enumerate(zip(samples, reach, strict=True)):
        gap, vertex = tree.query(points, k=4)
        start = np.full(n, np.inf)
        np.minimum.at(start, vertex.ravel(), (gap - radii[:, None] + offset).ravel())
        found = np.flatnonzero(np.isfinite(start))
        rows.append(np.full(len(found), n + index))
        columns.append(found)
        values.append(start[found])
    ways, size = ways.tocoo(), n + len(samples)
    row, column = np.concatenate([ways.row, *rows]), np.concatenate([ways.col, *columns])
    graph = sparse.coo_matrix((np.concatenate([ways.data, *values]), (row, column)), shape=(size, size)).tocsr()
    return dijkstra(graph, indices=n + np.arange(len(samples)))[:, :n].T - offset


def _ways(sheet: Sheet) -> sparse.csr_matrix:
    """(V, V) lengths of mesh edges and of the straight ways across them, so that paths need not zigzag."""
    ends, faces = sheet.edges.ends, sheet.edges.faces
    inner = faces[:, 1] >= 0
    opposite = sheet.faces[faces[inner]].sum(axis=2) - ends[inner].sum(axis=1)[:, None]
    a, b = sheet.points[ends[inner, 0]], sheet.points[ends[inner, 1]]
    c, d = sheet.points[opposite[:, 0]], sheet.points[opposite[:, 1]]
    convex = cross(d - c, a - c) * cross(d - c, b - c) < 0
    pairs = np.concatenate([ends, opposite[convex]])
    length = np.linalg.norm(sheet.points[pairs[:, 0]] - sheet.points[pairs[:, 1]], axis=1)
    n = len(sheet.points)
    half = sparse.coo_matrix((length, tuple(pairs.T)), shape=(n, n)).tocsr()
    return half.maximum(half.T)


def _without_teeth(sheet: Sheet, part: np.ndarray) -> np.ndarray:
    """Give single faces to a neighbour as long as that makes the borders shorter."""
    inner = ~sheet.edges.boundary
    pairs = sheet.edges.faces[inner]
    length = np.linalg.norm(np.diff(sheet.points[sheet.edges.ends[inner]], axis=1)[:, 0], axis=1)
    here, there, length = np.r_[pairs[:, 0], pairs[:, 1]], np.r_[pairs[:, 1], pairs[:, 0]], np.r_[length, length]
    part = part.copy()
    faces = np.arange(len(part))
    while True:
        border = np.zeros((len(part), part.max() + 1))
        np.add.at(border, (here, part[there]), length)
        best = np.argmax(border, axis=1)
        change = border[faces, best] > border[faces, part] * (1 + 1e-9)
        change[here[change[here] & change[there] & (there < here)]] = False  # neighbours would swap for ever
        if not change.any():
            return part
        part[change] = best[change]


def _clean(sheet: Sheet, part: np.ndarray, bones: Sequence[DrawnBone]) -> np.ndarray:
    """One connected piece a part: the smaller ones go to the neighbour with the longest border."""
    inner = ~sheet.edges.boundary
    left, right = sheet.edges.faces[inner].T
    length = np.linalg.norm(np.diff(sheet.points[sheet.edges.ends[inner]], axis=1)[:, 0], axis=1)
    part, count = part.copy(), len(part)
    while True:
        same = part[left] == part[right]
        graph = sparse.coo_matrix((np.ones(same.sum()), (left[same], right[same])), shape=(count, count))
        pieces, piece = connected_components(graph, directed=False)
        area = np.bincount(piece, sheet.areas)
        largest = np.zeros(len(bones))
        np.maximum.at(largest, part, area[piece])
        crumb = area < largest[part[np.unique(piece, return_index=True)[1]]]
        border = np.zeros((pieces, len(bones)))
        for here, there in ((left, right), (right, left)):
            np.add.at(border, (piece[here[~same]], part[there[~same]]), length[~same])
        if not crumb.any():
            break
        # The smallest first: what it joins may be a crumb itself.
        smallest = np.flatnonzero(crumb)[np.argmin(area[crumb])]
        part[piece == smallest] = np.argmax(border[smallest])
    for index, bone in enumerate(bones):
        if not (part == index).any():
            raise InputDataError(
                "a part of the body has no area of its own", part=bone.name,
                fix="Move its joints apart, or into the middle of the limb.",
            )  # fmt: skip
    return part


def _refuse_crossed(bones: Sequence[DrawnBone], trunk: np.ndarray, depth: np.ndarray) -> None:
    """A limb drawn over the middle of the body hides what is under it, and cannot be told from it by shape.

    Args:
        trunk: (N, 2) points along the middle of pelvis and torso.
    """
    tree, thickness = cKDTree(trunk), _depth_at(depth, trunk)
    crossed = []
    for chain in dict.fromkeys(bone.chain for bone in bones if _is_limb(bone)):
        own = [bone for bone in bones if bone.chain == chain]
        path = np.concatenate([_along(bone.head, bone.tail) for bone in own])
        lower = path[len(path) // 2 :]
        away, nearest = tree.query(lower)
        over = (away < 0.9 * thickness[nearest]) & (_depth_at(depth, lower) > 0.4 * thickness[nearest])
        if over.mean() > SURROUNDED:
            crossed += [bone.name for bone in own[1:]]
    if crossed:
        raise InputDataError(
            "limbs are drawn over the middle of the body", parts=", ".join(crossed),
            fix="Use a drawing whose arms and legs lie beside the body, or draw the limb as a figure of its own.",
        )  # fmt: skip


def _is_limb(bone: DrawnBone) -> bool:
    return bone.chain not in (TRUNK, HEAD)


def _smooth_borders(sheet: Sheet, part: np.ndarray) -> Sheet:
    """Straighten borders, which run zigzag along mesh edges, and let the mesh between them follow."""
    ends, faces = sheet.edges.ends, sheet.edges.faces
    border = ~sheet.edges.boundary & (part[faces[:, 0]] != part[faces[:, 1]])
    n = len(sheet.points)
    a, b = ends[border].T
    ones = np.ones(len(a))
    along = sparse.coo_matrix((np.r_[ones, ones], (np.r_[a, b], np.r_[b, a])), shape=(n, n)).tocsr()
    valence = np.asarray(along.sum(axis=1)).ravel()
    curve = (valence == 2) & ~sheet.on_boundary
    free = (valence == 0) & ~sheet.on_boundary
    around = sheet.neighbours()
    degree = np.asarray(around.sum(axis=1)).ravel()[:, None]
    points = sheet.points.copy()
    for _ in range(BORDER_ROUNDS):
        moved = points.copy()
        moved[curve] = (points[curve] + (along @ points)[curve] / 2) / 2
        moved[free] = (points[free] + ((around @ points) / degree)[free]) / 2
        # Undo moves around faces that would turn over or become slivers.
        angle = _smallest_angle(points, sheet.faces)
        for _ in range(10):
            after = _smallest_angle(moved, sheet.faces)
            bad = (after < np.radians(SLIVER)) & (after < angle)
            if not bad.any():
                break
            back = np.unique(sheet.faces[bad])
            moved[back] = points[back]
        points = moved
    return Sheet(points, sheet.faces)


def _smallest_angle(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(F,) radians; negative for faces turned over."""
    sheet = Sheet(points, faces)
    return sheet.angles.min(axis=1) * np.sign(sheet.areas)


def _slits(sheet: Sheet, part: np.ndarray, bones: Sequence[DrawnBone], radius: np.ndarray) -> np.ndarray:
    """(E,) bool: edges between parts that only touch in the drawing."""
    chains = list(dict.fromkeys(bone.chain for bone in bones))
    chain = np.array([chains.index(bone.chain) for bone in bones])
    ends, faces = sheet.edges.ends, sheet.edges.faces
    inner = ~sheet.edges.boundary
    first, second = np.where(inner, chain[part[faces]].T, 0)
    apart = inner & (first != second)
    middle = sheet.points[ends].mean(axis=1)
    trunk, head = chains.index(TRUNK), chains.index(HEAD)
    apart &= ~((np.minimum(first, second) == trunk) & (np.maximum(first, second) == head))
    for number, name in enumerate(chains):
        if name in (TRUNK, HEAD):
            continue
        root = next(index for index, bone in enumerate(bones) if bone.chain == name)
        border = np.flatnonzero(apart & (np.minimum(first, second) == trunk) & (np.maximum(first, second) == number))
        if not len(border):
            raise InputDataError(
                "a limb does not meet the trunk", part=bones[root].name, fix="Move its first joint to where it begins."
            )
        away = np.linalg.norm(middle[border] - bones[root].head, axis=1)
        apart[border[away <= away.min() + REACH * radius[root]]] = False
        # A border that runs across the limb at its root is where it grows on, however broad a coat or hip is there.
        axis = bones[root].tail - bones[root].head
        axis = axis / max(float(np.linalg.norm(axis)), 1e-9)
        across = (middle - bones[root].head) @ axis < ROOT * radius[root]
        apart &= ~(across & ((first == number) | (second == number)))
    # Notches left by the neighbourhood's edge are closed again, but for parts that are not even neighbours.
    length = np.linalg.norm(np.diff(sheet.points[ends], axis=1)[:, 0], axis=1)
    n, (a, b) = len(sheet.points), ends[apart].T
    _, run = connected_components(sparse.coo_matrix((np.ones(len(a)), (a, b)), shape=(n, n)), directed=False)
    total = np.bincount(run[a], length[apart], minlength=n)
    parents = np.array([bone.parent for bone in bones])
    one, other = part[faces[apart]].T
    joined = (parents[one] == other) | (parents[other] == one)
    apart[apart] = ~joined | (total[run[a]] >= SHORT * np.minimum(radius[one], radius[other]))
    return apart
