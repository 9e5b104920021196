"""A first guess of a figure's joints from its silhouette alone.

Belongs here: medial lines, which of their ends are hands, feet and head, and the joints along them. Does not: setting
joints by hand (`annotate`), or judging them (`skeleton.findings`).

Limbs are what sticks out. Each end of the medial lines owns a chain inwards, up to where the chain of an end further
out takes over; how far it reaches beyond the inscribed circle there tells limbs from bumps of the outline. The lines of
a figure without holes are a tree in the plane, so the ends have an order around it: feet, left hand, head, right hand.
That order, and that feet are lowest, names them; where the head is compared to the hands does not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import ndimage, sparse, spatial
from scipy.sparse import csgraph
from skimage import filters, measure, morphology, transform

from osf_pipeline.drawing.skeleton import Joint, Skeleton, findings
from osf_pipeline.errors import InputDataError

SIDE = 512
"""Pixels of the figure's longer side while it is looked at; lengths below are in these pixels."""
SMALLEST = 48
"""Least pixels of the figure's longer side in the mask."""
SMOOTH = 1.5
"""Gaussian sigma that takes the grain off the outline."""
HOLE = 0.01
"""Share of the figure up to which a hole in it is filled; a larger one means that a limb touches the body."""
STUB = 20.0
"""Least reach of a limb; the most stubby one still sticks out by this."""
CLEAR = 1.5
"""Least ratio of the reaches of the shortest limb and of what sticks out below the head and is none."""
SIDES = 0.35
"""Least ratio of the lengths of the two arms, and of the two legs."""
OUTER = 0.35
"""Outer part of a limb in which side branches are fingers or toes, and their first fork the palm or the ankle."""
BULGE = 1.5
"""A hand or foot this much thicker than its limb has its palm or ankle where it is widest."""
TURN = 40.0
"""Degrees a foot turns away from its leg, at least, for the ankle to be at the turn."""
NOSE = 0.4
"""Way from the shoulders to the top at which the nose is, where no neck tells head from body."""


@dataclass(frozen=True)
class Estimate:
    """Joints, and how far to trust them.

    Attributes:
        skeleton: the sixteen joints of AnimatedDrawings: root, hip, torso, neck (the nose), and shoulder, elbow, hand,
            hip, knee and foot of either side.
        confidence: 0..1, the least of: how clearly limbs differ from bumps, how alike the arms and the legs are in
            length, and how upright the figure stands.
    """

    skeleton: Skeleton
    confidence: float


def estimate(mask: np.ndarray) -> Estimate:
    """Joints of an upright figure with a head, two arms and two legs that all stick out.

    Left and right are the figure's own: it faces the viewer, so its right is on the picture's left. Elbows and knees
    are half way along their limbs.

    Args:
        mask: (H, W) bool, the figure; its largest component counts.

    Raises:
        InputDataError: when the silhouette does not look like such a figure; says why.
    """
    figure, scale, corner = _figure(mask)
    lines = _medial_lines(figure)
    limbs, clear = _name_ends(lines, figure)
    places, confidence = _places(lines, limbs)
    joints = []
    for name, place, parent in places:
        x, y = (place + 0.5) / scale - 0.5 + corner
        joints.append(Joint(name, round(float(x), 1), round(float(y), 1), parent))
    skeleton = Skeleton.of(joints)
    if wrong := [finding for finding in findings(skeleton, mask) if finding.severity == "error"]:
        raise _unlike(wrong[0].what)
    return Estimate(skeleton, round(min(clear, confidence), 3))


def _unlike(why: str) -> InputDataError:
    return InputDataError(
        "the joints cannot be told from the silhouette", problem=why,
        fix="Set them with `osf annotate`, or give a char_cfg.yaml.",
    )  # fmt: skip


def _figure(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The figure alone, smooth and at `SIDE` pixels; its pixels per pixel of the mask and its corner there, as x, y."""
    labels, count = ndimage.label(mask)
    if not count:
        raise InputDataError("the mask shows no figure", fix="Give a mask that is white on the figure.")
    largest = int(np.argmax(np.bincount(labels.ravel())[1:])) + 1
    rows, columns = ndimage.find_objects(labels)[largest - 1]
    alone = (labels[rows, columns] == largest).astype(np.float64)
    if max(alone.shape) < SMALLEST:
        raise _unlike("the figure is too small")
    scale = SIDE / max(alone.shape)
    # Room around it, so that smoothing and outlines never meet the border.
    room = int(np.ceil(4 / scale)) + 1
    alone = np.pad(alone, room)
    size = tuple(round(side * scale) for side in alone.shape)
    small = filters.gaussian(transform.resize(alone, size, order=1, anti_aliasing=scale < 1), SMOOTH) > 0.5
    labels, count = ndimage.label(small)
    if not count:
        raise _unlike("the figure is too thin to see")
    small = labels == int(np.argmax(np.bincount(labels.ravel())[1:])) + 1
    filled = ndimage.binary_fill_holes(small)
    holes, _ = ndimage.label(filled & ~small)
    if (np.bincount(holes.ravel())[1:] > HOLE * filled.sum()).any():
        raise _unlike("a limb touches the body or another limb, so that the figure has a hole")
    pixels = np.array([size[1] / alone.shape[1], size[0] / alone.shape[0]])
    return filled, pixels, np.array([columns.start - room, rows.start - room], np.float64)


@dataclass(frozen=True)
class _Lines:
    """Medial lines as a tree of N pixels.

    Attributes:
        points: (N, 2) x, y.
        radius: (N,) distance to the outline.
        tree: (N, N) sparse, lengths of the steps between neighbours.
    """

    points: np.ndarray
    radius: np.ndarray
    tree: sparse.csr_array

    def rooted(self, root: int) -> tuple[np.ndarray, np.ndarray]:
        """Length of the way to the root, and the next point on it, for each point; negative at the root."""
        found = csgraph.dijkstra(self.tree, directed=False, indices=root, return_predecessors=True)
        return found[0], found[1]

    def way(self, start: int, towards: np.ndarray) -> list[int]:
        """Points from `start` to the root that `towards` leads to, both inside."""
        points = [start]
        while towards[points[-1]] >= 0:
            points.append(int(towards[points[-1]]))
        return points


def _medial_lines(figure: np.ndarray) -> _Lines:
    lines = morphology.skeletonize(figure)
    pixels = np.argwhere(lines)
    number = np.full(figure.shape, -1)
    number[tuple(pixels.T)] = np.arange(len(pixels))
    starts, ends, lengths = [], [], []
    for step in ((0, 1), (1, 0), (1, 1), (1, -1)):  # the figure leaves room, so neighbours are always on the picture
        other = number[tuple((pixels + step).T)]
        (here,) = np.nonzero(other >= 0)
        starts.append(here)
        ends.append(other[here])
        lengths.append(np.full(len(here), np.hypot(*step)))
    graph = sparse.csr_array(
        (np.concatenate(lengths), (np.concatenate(starts), np.concatenate(ends))), shape=(len(pixels), len(pixels))
    )
    radius = ndimage.distance_transform_edt(figure)[lines]
    return _Lines(pixels[:, ::-1].astype(np.float64), radius, csgraph.minimum_spanning_tree(graph))


@dataclass(frozen=True)
class _End:
    """An end of the lines.

    Attributes:
        tip: its point.
        fork: the point where the chain of an end further out takes over; the root for the furthest of all.
        reach: by how much the figure reaches further out at the tip than the inscribed circle of the fork does.
    """

    tip: int
    fork: int
    reach: float


def _ends(lines: _Lines, root: int) -> list[_End]:
    """All ends as seen from a root, furthest reach first."""
    length, towards = lines.rooted(root)
    outmost = length + lines.radius
    owner = np.full(len(outmost), -1)
    found = []
    for point in np.argsort(length, kind="stable")[::-1]:
        if owner[point] < 0:
            owner[point] = point
        mine, inner = owner[point], towards[point]
        if inner < 0:
            found.append((mine, point))
        elif owner[inner] < 0:
            owner[inner] = mine
        else:
            rivals = sorted((owner[inner], mine), key=lambda tip: outmost[tip])
            owner[inner] = rivals[1]
            found.append((rivals[0], inner))
    ends = (_End(int(tip), int(fork), float(outmost[tip] - outmost[fork])) for tip, fork in found)
    return sorted(ends, key=lambda end: -end.reach)


@dataclass(frozen=True)
class _Limbs:
    """Tips of the figure by its own sides, points of the lines."""

    right_foot: int
    left_foot: int
    left_hand: int
    right_hand: int
    head: int


def _name_ends(lines: _Lines, figure: np.ndarray) -> tuple[_Limbs, float]:
    """Which ends are what, and how clearly limbs differ from bumps, 0..1.

    Limbs stick out most, but how many ends do depends on hair, ears and skirts: the fewest that make a body are taken.
    """
    ends = [end for end in _ends(lines, int(np.argmax(lines.radius))) if end.reach >= STUB]
    along = _around(figure, lines.points)
    problem = _unlike(f"only {len(ends)} limbs stick out")
    for count in range(4, len(ends) + 1):
        try:
            return _body(lines, along, ends, count)
        except InputDataError as error:
            problem = error
    raise problem


def _body(lines: _Lines, along: np.ndarray, ends: list[_End], count: int) -> tuple[_Limbs, float]:
    """The names of the first `count` ends.

    Raises:
        InputDataError: when they, or what else sticks out, make no upright biped.
    """
    around = sorted((end.tip for end in ends[:count]), key=lambda tip: along[tip])
    low = max(range(count), key=lambda n: lines.points[around[n], 1] + lines.points[around[n - 1], 1])
    left_foot, left_hand, *_, right_hand, right_foot = around[low:] + around[:low]
    pelvis = _meeting(lines, right_foot, left_foot, left_hand)
    span = _turn(along, left_hand, right_hand)
    heads = [end for end in _ends(lines, pelvis) if 0 < _turn(along, left_hand, end.tip) < span]
    if not heads or heads[0].reach < STUB:
        raise _unlike("no head sticks out between the arms")
    limbs = _Limbs(right_foot, left_foot, left_hand, right_hand, heads[0].tip)
    _check_body(lines, limbs, pelvis)
    named = (right_foot, left_foot, left_hand, right_hand)
    bumps = [end.reach for end in ends if end.tip not in named and not _high(lines, limbs, pelvis, end.tip)]
    bump = max(bumps, default=0) / min(end.reach for end in ends if end.tip in named)
    if bump > 1 / CLEAR:
        raise _unlike("it has more limbs than two arms, two legs and a head")
    return limbs, 1 - bump


def _around(figure: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(N,) 0..1, where along the outline each point lies: the picture's bottom to its right, top, left."""
    outline = max(measure.find_contours(np.pad(figure, 1).astype(float), 0.5), key=len)[:-1, ::-1] - 1
    x, y = outline.T
    if np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) > 0:  # clockwise to the eye, as y runs down
        outline = outline[::-1]
    return spatial.KDTree(outline).query(points)[1] / len(outline)


def _turn(along: np.ndarray, start: int, end: int) -> float:
    """Part of the outline, 0..1, from one point's place on it on to another's."""
    return float((along[end] - along[start]) % 1)


def _meeting(lines: _Lines, one: int, other: int, third: int) -> int:
    """The point where the ways between three points meet."""
    _, towards = lines.rooted(third)
    passed = set(lines.way(one, towards))
    return next(point for point in lines.way(other, towards) if point in passed)


def _check_body(lines: _Lines, limbs: _Limbs, pelvis: int) -> None:
    """
    Raises:
        InputDataError: when the named ends make no upright biped.
    """
    points = lines.points
    up = points[limbs.head] - points[pelvis]
    legs = points[[limbs.right_foot, limbs.left_foot]] - points[pelvis]
    if -up[1] < abs(up[0]) or any(leg[1] < 0.5 * abs(leg[0]) for leg in legs):
        raise _unlike("no upright figure with two arms and two legs is seen")
    feet = legs.mean(axis=0)
    if any(points[hand, 1] - points[pelvis, 1] > 0.6 * feet[1] for hand in (limbs.left_hand, limbs.right_hand)):
        raise _unlike("it stands on more than two legs")


def _high(lines: _Lines, limbs: _Limbs, pelvis: int, tip: int) -> bool:
    """Whether a tip is as high as the head: ears, horns and hair are, another pair of arms is not."""
    joins = [_meeting(lines, hand, limbs.head, pelvis) for hand in (limbs.left_hand, limbs.right_hand)]
    chest = lines.points[joins].mean(axis=0)
    head = lines.points[limbs.head] - chest
    return bool((lines.points[tip] - chest) @ head > 0.4 * head @ head)


def _places(lines: _Lines, limbs: _Limbs) -> tuple[list[tuple[str, np.ndarray, str | None]], float]:
    """Name, x, y and parent of the sixteen joints, and how plain the body's build is, 0..1."""
    _, towards = lines.rooted(limbs.head)
    pelvis = _meeting(lines, limbs.right_foot, limbs.left_foot, limbs.head)
    spine = lines.way(pelvis, towards)
    trunk = set(spine)
    joins = [
        next(spine.index(point) for point in lines.way(hand, towards) if point in trunk)
        for hand in (limbs.left_hand, limbs.right_hand)
    ]
    body = spine[: max(joins) + 1]
    forks = [end.fork for end in _ends(lines, limbs.head) if end.reach > 0.3 * lines.radius[end.fork]]
    arms = {
        side: _limb(lines, lines.way(tip, towards), body, forks, f"{side} arm")
        for side, tip in (("right", limbs.right_hand), ("left", limbs.left_hand))
    }
    legs = {
        side: _limb(lines, lines.way(tip, towards), body, forks, f"{side} leg")
        for side, tip in (("right", limbs.right_foot), ("left", limbs.left_foot))
    }
    root = (legs["right"][0] + legs["left"][0]) / 2
    torso = (arms["right"][0] + arms["left"][0]) / 2
    places: list[tuple[str, np.ndarray, str | None]] = [
        ("root", root, None),
        ("hip", root, "root"),
        ("torso", torso, "hip"),
        ("neck", _nose(lines, spine[max(joins) :], body, torso), "torso"),
    ]
    for limb, names, parent in (
        (arms, ("shoulder", "elbow", "hand"), "torso"),
        (legs, ("hip", "knee", "foot"), "root"),
    ):
        for side, chain in limb.items():
            above = parent
            for name, place in zip(names, chain, strict=True):
                places.append((f"{side}_{name}", place, above))
                above = f"{side}_{name}"
    alike = min(_alike(limb["right"], limb["left"]) for limb in (arms, legs))
    if alike < SIDES:
        raise _unlike("the limbs of the two sides are too unlike in length")
    rise = places[3][1] - root
    return places, min(alike, float(-rise[1] / np.hypot(*rise)))


def _alike(one: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> float:
    lengths = [sum(np.hypot(*(b - a)) for a, b in pairwise(limb)) for limb in (one, other)]
    return float(min(lengths) / max(lengths))


def _inside(lines: _Lines, points: Sequence[int], body: Sequence[int]) -> np.ndarray:
    """(len(points),) bool: within an inscribed circle of the body's part of the lines."""
    gaps = np.hypot(*(lines.points[list(points), None] - lines.points[None, list(body)]).transpose(2, 0, 1))
    return (gaps < lines.radius[list(body)]).any(axis=1)


def _limb(
    lines: _Lines, way: list[int], body: Sequence[int], forks: Sequence[int], name: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places of a limb's first, middle and last joint, on its way from the tip to the body."""
    entered = int(np.argmax(_inside(lines, way, body)))
    if entered == 0:
        raise _unlike(f"the {name} is too short")
    chain = way[: entered + 1]
    steps = np.hypot(*np.diff(lines.points[chain], axis=0).T)
    arc = np.concatenate([[0], np.cumsum(steps)])
    last = _last_joint(lines, chain, int(np.searchsorted(arc, OUTER * arc[-1])), forks)
    end = lines.points[chain[last]]
    start = lines.points[chain[-1]]
    if last == 0 and arc[-1] < lines.radius[chain[0]]:  # a stub: its tip is nearer to its end than to its start
        end = end + 0.7 * lines.radius[chain[0]] * (end - start) / np.hypot(*(end - start))
        return start, (start + end) / 2, end
    middle = (arc[last] + arc[-1]) / 2
    half = np.array([np.interp(middle, arc, lines.points[chain, axis]) for axis in (0, 1)])
    return start, half, end


def _last_joint(lines: _Lines, chain: Sequence[int], outer: int, forks: Sequence[int]) -> int:
    """Where on a limb's way from its tip the wrist or ankle is: its innermost sign in the outer part, or the tip.

    Signs are a fork of fingers or toes, a bulge, and a turn, as feet have it.
    """
    points, radius = lines.points[chain], lines.radius[chain]
    signs = [n for n in range(1, outer) if chain[n] in forks]
    if radius[:outer].max(initial=0) > BULGE * np.median(radius[outer:]):
        signs.append(int(np.argmax(radius[:outer])))
    tip, inner = points[0], points[outer]
    off = np.abs(
        (inner[0] - tip[0]) * (points[:outer, 1] - tip[1]) - (inner[1] - tip[1]) * (points[:outer, 0] - tip[0])
    )
    if off.max(initial=0) > 0:
        bend = int(np.argmax(off))
        out, up = tip - points[bend], points[bend] - inner
        turns = out @ up < np.cos(np.deg2rad(TURN)) * np.hypot(*out) * np.hypot(*up)
        if turns and np.hypot(*out) > 0.5 * radius[0]:  # less is a kink of the line
            signs.append(bend)
    return max(signs, default=0)


def _nose(lines: _Lines, way: Sequence[int], body: Sequence[int], torso: np.ndarray) -> np.ndarray:
    """The middle of the head on the way from the shoulders to the top."""
    free = [point for point, inside in zip(way, _inside(lines, way, body), strict=True) if not inside]
    if free:
        radius = lines.radius[free]
        widest = int(np.argmax(radius))
        if radius[widest] > 1.1 * radius[: widest + 1].min():
            return lines.points[free[widest]]
    top = lines.points[way[-1]]
    rise = top - torso
    top = top + lines.radius[way[-1]] * rise / np.hypot(*rise)
    return torso + NOSE * (top - torso)
