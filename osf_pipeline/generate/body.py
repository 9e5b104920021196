"""Bodies to draw: proportions by chance, outlines of head, trunk and limbs, and the joints inside them.

Belongs here: geometry of the naked figure. Does not: faces, hair, clothes (`dress`), colours and pens (`style`).

Lengths are stated in parts of the figure's height before `mapped` brings them to pixels; y runs down. Right is the
figure's own right: the left of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from osf_pipeline.drawing.skeleton import Joint, Skeleton
from osf_pipeline.generate.shapes import ellipse, inside, ribbon, spline, unsteady

Kind = Literal["slim", "plain", "round", "chibi", "lanky", "robot", "dress", "creature", "six_armed", "four_legged"]
KINDS: dict[Kind, float] = {
    "slim": 0.10, "plain": 0.15, "round": 0.10, "chibi": 0.16, "lanky": 0.07, "robot": 0.08, "dress": 0.11,
    "creature": 0.14, "six_armed": 0.04, "four_legged": 0.05,
}  # fmt: skip
"""Body plans with their shares."""


@dataclass(frozen=True)
class Proportions:
    """Ranges from which a plan's numbers are drawn evenly.

    Attributes:
        head: height of the head. `broad`: its width over its height.
        trunk: height of the trunk. `girth`: its half width.
        arm, leg: half widths of the limbs. `reach`: length of an arm.
        profiles: shapes of the trunk to choose from, keys of `PROFILES`.
    """

    head: tuple[float, float]
    broad: tuple[float, float]
    trunk: tuple[float, float]
    girth: tuple[float, float]
    arm: tuple[float, float]
    leg: tuple[float, float]
    reach: tuple[float, float]
    profiles: tuple[str, ...]


PLANS: dict[Kind, Proportions] = {
    "slim": Proportions(
        head=(0.18, 0.22), broad=(0.78, 1.0), trunk=(0.29, 0.34), girth=(0.075, 0.1),
        arm=(0.02, 0.028), leg=(0.027, 0.036), reach=(0.34, 0.4), profiles=("bean", "heroic", "box"),
    ),
    "plain": Proportions(
        head=(0.24, 0.30), broad=(0.85, 1.15), trunk=(0.27, 0.32), girth=(0.10, 0.13),
        arm=(0.027, 0.037), leg=(0.034, 0.046), reach=(0.3, 0.35), profiles=("bean", "pear", "box", "heroic"),
    ),
    "round": Proportions(
        head=(0.22, 0.28), broad=(0.95, 1.2), trunk=(0.36, 0.42), girth=(0.18, 0.23),
        arm=(0.034, 0.046), leg=(0.044, 0.056), reach=(0.28, 0.33), profiles=("round", "pear", "round"),
    ),
    "chibi": Proportions(
        head=(0.40, 0.47), broad=(1.0, 1.25), trunk=(0.23, 0.27), girth=(0.105, 0.13),
        arm=(0.034, 0.042), leg=(0.04, 0.05), reach=(0.24, 0.28), profiles=("bean", "pear", "flare"),
    ),
    "lanky": Proportions(
        head=(0.15, 0.18), broad=(0.75, 1.1), trunk=(0.22, 0.27), girth=(0.07, 0.09),
        arm=(0.017, 0.024), leg=(0.021, 0.03), reach=(0.42, 0.5), profiles=("bean", "box", "flare"),
    ),
    "robot": Proportions(
        head=(0.20, 0.27), broad=(1.0, 1.4), trunk=(0.28, 0.34), girth=(0.12, 0.16),
        arm=(0.024, 0.036), leg=(0.03, 0.042), reach=(0.3, 0.36), profiles=("block", "taper", "block", "bean"),
    ),
    "dress": Proportions(
        head=(0.25, 0.33), broad=(0.88, 1.1), trunk=(0.34, 0.40), girth=(0.10, 0.12),
        arm=(0.024, 0.032), leg=(0.028, 0.038), reach=(0.31, 0.36), profiles=("gown", "gown", "flare"),
    ),
    "creature": Proportions(
        head=(0.28, 0.36), broad=(1.05, 1.3), trunk=(0.29, 0.34), girth=(0.12, 0.16),
        arm=(0.034, 0.046), leg=(0.042, 0.054), reach=(0.27, 0.32), profiles=("pear", "bean", "round"),
    ),
    "six_armed": Proportions(
        head=(0.24, 0.28), broad=(0.95, 1.2), trunk=(0.44, 0.48), girth=(0.13, 0.16),
        arm=(0.02, 0.026), leg=(0.036, 0.046), reach=(0.26, 0.30), profiles=("pear", "bean", "round"),
    ),
    "four_legged": Proportions(
        head=(0.26, 0.32), broad=(1.0, 1.2), trunk=(0.36, 0.40), girth=(0.2, 0.23),
        arm=(0.03, 0.04), leg=(0.05, 0.06), reach=(0.2, 0.24), profiles=("bean",),
    ),
}  # fmt: skip

PROFILES: dict[str, tuple[float, ...]] = {
    "bean": (0.62, 0.98, 0.94, 0.92, 0.98, 0.72), "pear": (0.50, 0.78, 0.90, 1.08, 1.12, 0.75),
    "box": (0.90, 1.0, 0.98, 0.98, 1.0, 0.96), "heroic": (0.8, 1.2, 1.08, 0.86, 0.84, 0.78),
    "round": (0.48, 0.86, 1.06, 1.10, 0.96, 0.56), "flare": (0.62, 0.86, 0.9, 1.0, 1.16, 1.3),
    "gown": (0.62, 0.82, 0.74, 0.98, 1.3, 1.62), "block": (1.0, 1.0, 1.0, 1.0, 1.0, 1.0),
    "taper": (1.12, 1.1, 1.02, 0.95, 0.88, 0.84),
}  # fmt: skip
"""Half widths of trunks from the neck to the hem, in parts of the girth."""

SQUARE = ("block", "taper")
ROOM = 0.014
"""Free distance, in parts of the figure's height, that an arm keeps from everything but its shoulder."""

HEMMED = ("box", "flare", "gown", "block", "taper", "heroic")
"""Trunks that end in a straight hem."""


@dataclass(frozen=True)
class Limb:
    """An arm or leg.

    Attributes:
        names: its three joints, root to tip.
        points: (3, 2) where they lie.
        radii: (3,) half widths there.
        tip: polygons of the hand or foot; the first is its palm or sole.
        straight: bends sharply and ends in straight cuts, as a robot's.
        wander: (K, 3) how the hand strays from x, y and half width along the limb, in between interpolated.
    """

    names: tuple[str, str, str]
    points: np.ndarray
    radii: np.ndarray
    tip: tuple[np.ndarray, ...] = ()
    straight: bool = False
    wander: np.ndarray = field(default_factory=lambda: np.zeros((2, 3)))

    @property
    def curve(self) -> np.ndarray:
        """(N, 3) x, y and half width along the limb."""
        knots = np.column_stack([self.points, self.radii])
        t = np.linspace(0, 2, 33)
        curve = spline(knots, per_segment=16)
        if self.straight:
            curve = np.stack([np.interp(t, (0, 1, 2), column) for column in knots.T], axis=1)
        astray = spline(self.wander, per_segment=8)
        at = np.linspace(0, len(astray) - 1, len(curve))
        return curve + np.stack([np.interp(at, np.arange(len(astray)), column) for column in astray.T], axis=1)

    def stretch(self, start: float = 0, stop: float = 1, swell: float = 1, tail: float = 0.0) -> np.ndarray:
        """Polygon of the limb between two places (0 root, 1 tip), `swell` times as wide; `tail` rounds its far end."""
        curve = self.curve
        at = np.linspace(start, stop, 20) * (len(curve) - 1)
        part = np.stack([np.interp(at, np.arange(len(curve)), column) for column in curve.T], axis=1)
        return ribbon(part[:, :2], swell * part[:, 2], (1 if start == 0 else 0, tail))


@dataclass(frozen=True)
class Body:
    """A figure without clothes.

    Attributes:
        kind: its plan.
        head: polygon; `face` is its centre x, y and half axes.
        trunk: polygon; `waist` its centre x, top, bottom and girth.
        profile: key of `PROFILES`.
        neck: polygon, or None where the head sits on the trunk.
        arms, legs: right before left.
        joints: of the trunk and head.
        square: built of boxes.
    """

    kind: Kind
    head: np.ndarray
    face: np.ndarray
    trunk: np.ndarray
    waist: np.ndarray
    profile: str
    neck: np.ndarray | None
    arms: tuple[Limb, ...]
    legs: tuple[Limb, ...]
    joints: tuple[Joint, ...]
    square: bool

    def skeleton(self) -> Skeleton:
        """All joints, parents first; arms hang on the torso, legs on the root."""
        out = list(self.joints)
        for first, limbs in (("torso", self.arms), ("root", self.legs)):
            for limb in limbs:
                parent = first
                for name, (x, y) in zip(limb.names, limb.points.tolist(), strict=True):
                    out.append(Joint(name, x, y, parent))
                    parent = name
        return Skeleton(tuple(out))

    def mapped(self, scale: float, offset: np.ndarray) -> Body:
        """At another scale and place: p becomes scale * p + offset."""

        def put(points: np.ndarray) -> np.ndarray:
            return scale * points + offset

        def limb(one: Limb) -> Limb:
            return replace(one, points=put(one.points), radii=scale * one.radii, tip=tuple(map(put, one.tip)))

        x, top, bottom, girth = self.waist.tolist()
        middle = put(np.array([[x, top], [x, bottom]]))
        return replace(
            self,
            head=put(self.head),
            face=np.concatenate([put(self.face[:2]), scale * self.face[2:]]),
            trunk=put(self.trunk),
            waist=np.array([middle[0, 0], middle[0, 1], middle[1, 1], scale * girth]),
            neck=None if self.neck is None else put(self.neck),
            arms=tuple(map(limb, self.arms)),
            legs=tuple(map(limb, self.legs)),
            joints=tuple(
                replace(j, x=float(put(np.array([j.x, j.y]))[0]), y=float(put(np.array([j.x, j.y]))[1]))
                for j in self.joints
            ),
        )

    def loosened(self, amount: float, spacing: float, rng: np.random.Generator) -> Body:
        """As a hand draws it that strays from every outline by about `amount` pixels; see `shapes.unsteady`."""

        def draw(polygon: np.ndarray) -> np.ndarray:
            return unsteady(polygon, amount, spacing, rng)

        def limb(one: Limb) -> Limb:
            wander = rng.normal(0, (amount, amount, 0.6 * amount), (5, 3))
            return replace(one, tip=tuple(map(draw, one.tip)), wander=wander)

        return replace(
            self,
            head=draw(self.head),
            trunk=draw(self.trunk),
            neck=None if self.neck is None else draw(self.neck),
            arms=tuple(map(limb, self.arms)),
            legs=tuple(map(limb, self.legs)),
        )

    def half_width(self, t: float) -> float:
        """Of the trunk at `t`: 0 its top, 1 its bottom."""
        profile = PROFILES[self.profile]
        return float(self.waist[3] * np.interp(t, np.linspace(0, 1, len(profile)), profile))


def random_body(rng: np.random.Generator) -> Body:
    """A body of a kind drawn by `KINDS`, its numbers from `PLANS`."""
    kind: Kind = list(KINDS)[int(rng.choice(len(KINDS), p=np.array(list(KINDS.values())) / sum(KINDS.values())))]
    if kind == "four_legged":
        return _four_legged(rng)
    plan = PLANS[kind]
    tall, broad, trunk, girth, arm, leg, reach = (
        float(rng.uniform(*span))
        for span in (plan.head, plan.broad, plan.trunk, plan.girth, plan.arm, plan.leg, plan.reach)
    )
    profile = str(rng.choice(plan.profiles))
    square = kind == "robot"
    long_neck = kind in ("slim", "plain", "lanky", "dress", "robot") and rng.random() < 0.6
    gap = float(rng.uniform(0.015, 0.035)) if long_neck else -0.035 * tall / 0.3
    top, bottom = tall + gap, tall + gap + trunk
    head_power = float(rng.choice((2.6, 4, 6, 9))) if square else float(rng.choice((2, 2, 2, 2.4, 3)))
    face = np.array([0, tall / 2, 0.5 * broad * tall, 0.5 * tall])
    head = _head(face, head_power, rng)
    neck = None
    if long_neck:
        size = float(rng.uniform(0.26, 0.36)) * girth
        neck = ribbon(np.array([(0, 0.8 * tall), (0, top + 0.03)]), np.array([size, 1.1 * size]), (0, 0))
    waist = np.array([0.0, top, bottom, girth])
    body = Body(kind, head, face, _trunk(waist, profile), waist, profile, neck, (), (), (), square)
    # Legs set apart: the inner sides leave a gap from the crotch on.
    hip = min(max(0.56 * body.half_width(0.9), leg + 0.016), max(body.half_width(0.9) - 0.8 * leg, leg + 0.016))
    splay = np.radians(rng.uniform(3, 11))
    foot = float(rng.uniform(1.1, 1.7)) * leg
    end = 1.0 - 0.55 * foot
    start = bottom - (0.9 * leg if profile not in ("gown", "flare") else 1.2 * leg)
    taper = float(rng.uniform(0.72, 1.0)) if not square else 1.0
    shoe = int(rng.choice(5)) if not square else 5
    legs = tuple(
        _leg(side, hip, start, end, splay, leg * np.array([1.0, 0.5 + 0.5 * taper, taper]), foot, shoe, square)
        for side in (-1, 1)
    )
    body = replace(body, legs=legs)

    hand = int(rng.choice(4)) if not square else 4
    count = 3 if kind == "six_armed" else 1
    raised = kind != "six_armed" and rng.random() < 0.16
    droop = float(rng.uniform(-14, 14) if raised else rng.uniform(28, 50))
    bend = float(rng.normal(0, 6))
    arms = []
    for number in range(count):
        place = 0.12 + 0.24 * number if count > 1 else 0.11 if long_neck else 0.2
        angle = np.array([-22.0, 12.0, 46.0])[number] if count > 1 else droop
        suffix = str(number + 1) if count > 1 else ""
        for side in (-1, 1):
            own = angle + float(rng.normal(0, 3))
            radii = arm * np.array([1.12, 1.0, 0.86]) if not square else np.full(3, arm)
            arms.append(_clear_arm(body, side, place, own, bend, reach, radii, hand, suffix, square))
    joints = (
        Joint("root", 0, bottom - 0.14 * trunk, None), Joint("hip", 0, bottom - 0.14 * trunk, "root"),
        Joint("torso", 0, top + 0.14 * trunk, "hip"), Joint("neck", 0, 0.56 * tall, "torso"),
    )  # fmt: skip
    return replace(body, arms=tuple(arms), joints=joints)


def _head(face: np.ndarray, power: float, rng: np.random.Generator) -> np.ndarray:
    x, y, rx, ry = face.tolist()
    outline = ellipse(x, y, rx, ry, power=power)
    if power < 3:  # fuller or narrower towards the chin
        chin = float(rng.uniform(-0.16, 0.2))
        outline[:, 0] *= 1 + chin * (outline[:, 1] - y) / ry
    return outline


def _trunk(waist: np.ndarray, profile: str) -> np.ndarray:
    x, top, bottom, girth = waist.tolist()
    widths = girth * np.array(PROFILES[profile])
    heights = np.linspace(top, bottom, len(widths))
    side = np.stack([x + widths, heights], axis=1)
    if profile in SQUARE:
        round_off = 0.18 * girth
        side[0], side[-1] = (x + widths[0] - round_off, top), (x + widths[-1] - round_off, bottom)
        corners = [(x + widths[0], top + round_off), (x + widths[-1], bottom - round_off)]
        side = np.insert(side, (1, len(side) - 1), corners, axis=0)
    elif profile in HEMMED:
        side = np.concatenate([side, side[-1:], [[x + 0.4 * widths[-1], bottom + 0.03 * (bottom - top)]]])
    other = side[::-1] * (-1, 1) + (2 * x, 0)
    return spline(np.concatenate([side, other]), closed=True, per_segment=8)


def _leg(side: int, hip: float, start: float, end: float, splay: float, radii: np.ndarray, foot: float, shoe: int,
         square: bool) -> Limb:  # fmt: skip
    length = end - start
    ankle = np.array([side * (hip + np.tan(splay) * length), end])
    knee = np.array([side * (hip + 0.5 * np.tan(splay) * length + 0.004), start + 0.5 * length])
    points = np.array([[side * hip, start], knee, ankle])
    prefix = "right" if side < 0 else "left"
    names = f"{prefix}_hip", f"{prefix}_knee", f"{prefix}_foot"
    out = side * 0.55 * foot
    x, y = ankle.tolist()
    tip: tuple[np.ndarray, ...]
    if shoe == 5:  # a block
        tip = (ellipse(x + 0.3 * out, y + 0.1 * foot, 1.25 * foot, 0.6 * foot, power=8),)
    elif shoe == 4:  # a pointed shoe
        tip = (
            spline(np.array([(x - side * 1.1 * radii[2], y - 0.4 * foot), (x + side * radii[2], y - 0.5 * foot),
                             (x + 1.5 * out, y), (x + 3.0 * out, y - 0.1 * foot), (x + 3.0 * out, y - 0.1 * foot),
                             (x + 1.6 * out, y + 0.55 * foot), (x - side * radii[2], y + 0.55 * foot)]), closed=True),
        )  # fmt: skip
    elif shoe == 3:  # a boot with a shaft
        shaft = ribbon(np.array([knee + 0.45 * (ankle - knee), ankle]), 1.25 * radii[1:], (0, 0))
        tip = (ellipse(x + 0.8 * out, y, 1.3 * foot, 0.62 * foot, power=2.5), shaft)
    else:
        tip = (ellipse(x + out * (0.5 + 0.3 * shoe), y, foot * (1.0 + 0.2 * shoe), 0.6 * foot, power=2.3),)
    return Limb(names, points, radii, tip, square)


def _clear_arm(body: Body, side: int, place: float, angle: float, bend: float, reach: float, radii: np.ndarray,
               hand: int, suffix: str, square: bool) -> Limb:  # fmt: skip
    """The arm at an angle below the horizontal, turned and lengthened until it keeps off trunk, legs and head."""
    best: tuple[float, Limb] | None = None
    for longer in (1.0, 1.15, 1.3):
        for turn in (0, -4, 4, -8, 8, -12, 12, -17, 17, -22, 22, -28, 28, -34):
            limb = _arm(body, side, place, angle + turn, bend, longer * reach, radii, hand, suffix, square)
            room = _room(body, limb)
            if room > ROOM:
                return limb
            if best is None or room > best[0]:
                best = room, limb
    assert best is not None
    return best[1]


def _arm(body: Body, side: int, place: float, angle: float, bend: float, reach: float, radii: np.ndarray, hand: int,
         suffix: str, square: bool) -> Limb:  # fmt: skip
    x, top, bottom, _ = body.waist.tolist()
    shoulder = np.array([x + side * (body.half_width(place) - 0.35 * radii[0]), top + place * (bottom - top)])
    upper, lower = np.radians(angle - 0.5 * bend), np.radians(angle + 0.5 * bend)
    elbow = shoulder + 0.48 * reach * np.array([side * np.cos(upper), np.sin(upper)])
    wrist = elbow + 0.40 * reach * np.array([side * np.cos(lower), np.sin(lower)])
    ahead = (wrist - elbow) / np.linalg.norm(wrist - elbow)
    prefix = "right" if side < 0 else "left"
    names = f"{prefix}_shoulder{suffix}", f"{prefix}_elbow{suffix}", f"{prefix}_hand{suffix}"
    tip = _hand(wrist, ahead, -side, float(radii[2]), hand)
    return Limb(names, np.stack([shoulder, elbow, wrist]), radii, tip, square)


def _hand(wrist: np.ndarray, ahead: np.ndarray, thumb: int, radius: float, kind: int) -> tuple[np.ndarray, ...]:
    """Palm first; `thumb` is the side of the arm's direction the thumb is on."""
    palm = wrist + 0.8 * radius * ahead
    turn = float(np.arctan2(ahead[1], ahead[0]))

    def finger(away: float, length: float, width: float) -> np.ndarray:
        way = np.array([np.cos(turn + away), np.sin(turn + away)])
        return ribbon(np.stack([palm, palm + length * way]), np.full(2, width))

    def oval(at: np.ndarray, along: float, across: float, power: float = 2) -> np.ndarray:
        x, y = at.tolist()
        return ellipse(x, y, along * radius, across * radius, angle=turn, power=power)

    match kind:
        case 0:  # ball
            return (oval(palm, 1.35, 1.35),)
        case 1:  # mitten
            return oval(palm + 0.3 * radius * ahead, 1.7, 1.25), finger(thumb * 1.15, 1.75 * radius, 0.45 * radius)
        case 2:  # four fingers
            spread = [finger(a, 2.2 * radius, 0.36 * radius) for a in (-0.5, 0, 0.5)]
            return oval(palm, 1.2, 1.1), *spread, finger(thumb * 1.3, 1.7 * radius, 0.38 * radius)
        case 3:  # paw
            ways = [np.array([np.cos(turn + away), np.sin(turn + away)]) for away in (-0.75, 0, 0.75)]
            return oval(palm, 1.35, 1.25), *(oval(palm + 1.15 * radius * way, 0.55, 0.55) for way in ways)
        case _:  # grip
            claws = [finger(away, 2.5 * radius, 0.42 * radius) for away in (0.55, -0.55)]
            return oval(wrist, 1.3, 1.3, power=5), *claws


def _room(body: Body, arm: Limb) -> float:
    """Free distance between an arm past its root and everything else."""
    curve = arm.curve
    tips = [polygon[::3] for polygon in arm.tip]
    outer = np.concatenate([curve[int(0.38 * len(curve)) :: 2, :2], *tips])
    radius = np.concatenate([curve[int(0.38 * len(curve)) :: 2, 2], *(np.zeros(len(tip)) for tip in tips)])
    others = [body.trunk, body.head]
    for leg in body.legs:
        others += [leg.stretch(), *leg.tip]
    return min(clearance(outer, radius, other) for other in others)


def clearance(points: np.ndarray, radii: np.ndarray | float, polygon: np.ndarray) -> float:
    """Least free distance between discs and a closed polygon; negative where they meet."""
    away = np.linalg.norm(points[:, None] - polygon[None], axis=2).min(axis=1)
    return float((np.where(inside(polygon, points), -away, away) - radii).min())


def _four_legged(rng: np.random.Generator) -> Body:
    """An animal from the side, its head at the right or left, its four legs apart."""
    plan = PLANS["four_legged"]
    tall, broad, leg = (float(rng.uniform(*span)) for span in (plan.head, plan.broad, plan.leg))
    length, girth = float(rng.uniform(0.62, 0.76)), float(rng.uniform(0.15, 0.18))
    middle = 0.42
    side = 1 if rng.random() < 0.5 else -1
    trunk = ellipse(0, middle, 0.5 * length, girth, power=2.6)
    face = np.array([side * 0.5 * length, 0.5 * tall, 0.5 * broad * tall, 0.5 * tall])
    waist = np.array([0.0, middle - girth, middle + girth, 0.5 * length])
    bottom, end = middle + girth, float(rng.uniform(0.82, 0.9))
    places = np.array([0.40, 0.19, -0.16, -0.39]) * length * side
    names = ("right_%s_f", "left_%s_f", "right_%s_b", "left_%s_b")
    shoe = int(rng.choice(2))
    legs = []
    for x, name in zip(places.tolist(), names, strict=True):
        start = np.array([x, bottom - (0.75 if abs(x) > 0.3 * length else 0.45) * girth])
        ankle = np.array([x * 1.06, end])
        points = np.stack([start, 0.5 * (start + ankle), ankle])
        tip = (ellipse(ankle[0] + side * 0.25 * leg * shoe, end, leg * (1.05 + 0.25 * shoe), 0.7 * leg, power=2.4),)
        legs.append(
            Limb((name % "hip", name % "knee", name % "foot"), points, 0.72 * leg * np.array([1.25, 1, 0.95]), tip)
        )
    joints = (
        Joint("root", -side * 0.2 * length, middle, None), Joint("hip", -side * 0.2 * length, middle, "root"),
        Joint("torso", side * 0.34 * length, middle - 0.2 * girth, "hip"),
        Joint("neck", float(face[0]), float(face[1]) + 0.05 * tall, "torso"),
    )  # fmt: skip
    head = ellipse(*face.tolist(), power=2.2)
    neck = ribbon(np.array([(side * 0.36 * length, middle - 0.1), (float(face[0]), float(face[1]))]), np.full(2, 0.075))
    return Body("four_legged", head, face, trunk, waist, "bean", neck, (), tuple(legs), joints, False)
