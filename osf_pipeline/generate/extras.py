"""What a figure carries beyond its body: ears, hair, hats, horns, tails. They are part of its silhouette.

Belongs here: their outlines and which of them a figure gets. Does not: painting them (`dress`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from osf_pipeline.generate.body import Body, clearance
from osf_pipeline.generate.shapes import ellipse, ribbon, spline

Layer = Literal["behind", "ears", "hair", "hat"]
"""Painting order: behind everything; behind the head; over it and under the face; over all."""

Breed = Literal["person", "creature", "robot"]
Slot = Literal["skin", "belly", "hair", "top", "accent", "second", "bottom"]


# Outlines on a head: u right, v down, 1 at its border.
BOB = (
    (-1.12, -0.4), (-0.7, -1.05), (0, -1.16), (0.7, -1.05), (1.12, -0.4), (1.2, 0.3), (1.12, 0.72), (0.7, 0.78),
    (0, 0.7), (-0.7, 0.78), (-1.12, 0.72), (-1.2, 0.3),
)  # fmt: skip
CAP = (
    (-1.1, -0.42), (-1.08, -0.85), (-0.6, -1.28), (0, -1.4), (0.6, -1.28), (1.08, -0.85), (1.1, -0.42),
    (0.6, -0.52), (0, -0.56), (-0.6, -0.52),
)  # fmt: skip
BRIM = (
    (-1.16, -0.38), (-1.14, -0.66), (-0.6, -0.78), (0, -0.82), (0.6, -0.78), (1.14, -0.66), (1.16, -0.38),
    (0.6, -0.48), (0, -0.52), (-0.6, -0.48),
)  # fmt: skip
CROWN = ((-0.7, -0.62), (-0.8, -1.35), (-0.42, -1.05), (0, -1.5), (0.42, -1.05), (0.8, -1.35), (0.7, -0.62))
CHEEK = (
    (0.6, 0.0), (0.98, 0.1), (1.25, 0.36), (1.25, 0.36), (1.02, 0.42), (1.12, 0.66), (1.12, 0.66), (0.75, 0.72),
    (0.4, 0.6),
)  # fmt: skip


@dataclass(frozen=True)
class Extra:
    """One more outline.

    Attributes:
        layer: when it is painted.
        slot: which colour it takes.
        polygon: (N, 2) pixels.
        hatched: strokes of hair run over it.
    """

    layer: Layer
    slot: Slot
    polygon: np.ndarray
    hatched: bool = False


def random_extras(body: Body, breed: Breed, rng: np.random.Generator) -> list[Extra]:
    """Ears and a tail for creatures, hair and now and then a hat for persons, antennas for robots.

    Shares: creatures' ears cat .25, bear .25, rabbit .2, fox .12, horns .1, none .08, and a tail .35; persons' hair
    short .16, bob .16, long .14, spiky .14, buns .12, pigtails .1, curls .1, none .08, and a hat .2.
    """
    head = _Head(body)
    if breed == "robot":
        found = _antennas(head, rng)
    elif breed == "creature":
        found = _ears(head, rng)
        if rng.random() < 0.35 or body.kind == "four_legged":
            found += _tail(body, rng)
    else:
        found = _hair(head, body, rng)
        if rng.random() < 0.2:
            found += _hat(head, rng)
    return [extra for extra in found if _clear(extra, body)]


def _clear(extra: Extra, body: Body) -> bool:
    """Whether an outline keeps off the arms, so that none of them grows together with it."""
    gap = 0.012 * float(np.hypot(*body.face[2:])) / 0.15
    for arm in body.arms:
        outer = arm.curve[int(0.3 * len(arm.curve)) :]
        if clearance(outer[:, :2], outer[:, 2] + gap, extra.polygon) < 0:
            return False
    return True


class _Head:
    """Places on a head: `at(u, v)` with u right and v down, 1 at its border."""

    def __init__(self, body: Body) -> None:
        self.x, self.y, self.rx, self.ry = body.face.tolist()
        self.flat = self.rx / self.ry

    def at(self, *points: tuple[float, float]) -> np.ndarray:
        return np.array([(self.x + self.rx * u, self.y + self.ry * v) for u, v in points])

    def both(self, *points: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
        right = self.at(*points)
        return right, right * (-1, 1) + (2 * self.x, 0)

    def blob(self, *points: tuple[float, float]) -> np.ndarray:
        return spline(self.at(*points), closed=True)

    def oval(self, u: float, v: float, ru: float, rv: float, angle: float = 0) -> np.ndarray:
        x, y = self.at((u, v))[0].tolist()
        return ellipse(x, y, ru * self.rx, rv * self.rx, angle=angle)


def _antennas(head: _Head, rng: np.random.Generator) -> list[Extra]:
    stalk = float(rng.uniform(0.35, 0.6))
    spots = (0.0,) if rng.random() < 0.5 else (-0.5, 0.5)
    out = []
    for u in spots:
        foot = head.at((u, -0.8), (u, -1 - stalk))
        out.append(Extra("ears", "hair", ribbon(foot, np.full(2, 0.05 * head.rx))))
        out.append(Extra("ears", "accent", head.oval(u, -1 - stalk, 0.15, 0.15)))
    if rng.random() < 0.6:
        out += [Extra("ears", "second", head.oval(u, 0, 0.2, 0.26)) for u in (-1, 1)]
    return out


def _ears(head: _Head, rng: np.random.Generator) -> list[Extra]:
    kind = int(rng.choice(6, p=(0.25, 0.25, 0.2, 0.12, 0.1, 0.08)))
    match kind:
        case 0:  # cat
            tall = float(rng.uniform(1.35, 1.6))
            outer = head.both((0.22, -0.85), (0.55, -1.15), (0.84, -tall), (0.84, -tall), (0.95, -0.9), (0.88, -0.4))
            inner = head.both((0.42, -0.88), (0.60, -1.08), (0.78, -tall + 0.17), (0.84, -0.85), (0.76, -0.6))
        case 1:  # bear
            size = float(rng.uniform(0.26, 0.36))
            discs = tuple(head.oval(u, -0.78, size, size) for u in (0.68, -0.68))
            cores = tuple(head.oval(u, -0.78, 0.55 * size, 0.55 * size) for u in (0.68, -0.68))
            return [Extra("ears", "skin", p) for p in discs] + [Extra("ears", "belly", p) for p in cores]
        case 2:  # rabbit
            long, lean = float(rng.uniform(0.55, 0.8)), float(rng.uniform(0.05, 0.3))
            spots = ((0.4 + 0.4 * lean, lean), (-0.4 - 0.4 * lean, -lean))
            discs = tuple(head.oval(u, -0.85 - 0.75 * long * head.flat, 0.19, long, angle) for u, angle in spots)
            cores = tuple(head.oval(u, -0.85 - 0.75 * long * head.flat, 0.1, 0.75 * long, angle) for u, angle in spots)
            return [Extra("ears", "skin", p) for p in discs] + [Extra("ears", "belly", p) for p in cores]
        case 3:  # fox, with tufted cheeks
            outer = head.both((0.15, -0.9), (0.5, -1.35), (0.86, -1.7), (0.86, -1.7), (1.0, -1.1), (0.9, -0.4))
            inner = head.both((0.4, -0.95), (0.62, -1.25), (0.82, -1.5), (0.88, -1.0), (0.8, -0.65))
            cheeks = head.both(*CHEEK)
            tufts = [Extra("ears", "belly", spline(p, closed=True)) for p in cheeks]
            ears = [Extra("ears", "skin", spline(p, closed=True)) for p in outer]
            return [*ears, *(Extra("ears", "belly", spline(p, closed=True)) for p in inner), *tufts]
        case 4:  # horns
            outer = head.both((0.25, -0.85), (0.45, -1.2), (0.4, -1.55), (0.4, -1.55), (0.7, -1.25), (0.75, -0.7))
            return [Extra("ears", "accent", spline(p, closed=True)) for p in outer]
        case _:
            return []
    ears = [Extra("ears", "skin", spline(p, closed=True)) for p in outer]
    return ears + [Extra("ears", "belly", spline(p, closed=True)) for p in inner]


def _tail(body: Body, rng: np.random.Generator) -> list[Extra]:
    """A tail beside the body, where arms and legs leave room for it; none where they leave none."""
    x, top, bottom, girth = body.waist.tolist()
    side = -1.0 if rng.random() < 0.5 else 1.0
    if body.kind == "four_legged":
        side = float(np.sign(x - body.face[0]))
        start, height = np.array([x + side * 0.9 * girth, 0.5 * (top + bottom)]), bottom - top
        path = start + height * np.array([(0, 0), (side * 0.3, -0.15), (side * 0.42, -0.45), (side * 0.36, -0.75)])
    else:
        height = bottom - top
        start = np.array([x + side * 0.7 * body.half_width(0.85), top + 0.86 * height])
        reach = float(rng.uniform(0.55, 0.8)) * height
        path = start + reach * np.array([(0, 0), (side * 0.55, 0.1), (side * 0.9, -0.1), (side * 0.98, -0.4)])
    thick = float(rng.uniform(0.03, 0.06)) * 4 * np.hypot(*(body.face[2:] / 2))
    curve = spline(np.column_stack([path, thick * np.array([0.7, 1.0, 1.1, 0.75])]))
    polygon = ribbon(curve[:, :2], curve[:, 2])
    free = curve[len(curve) // 3 :, :2]
    others = np.concatenate([limb.stretch() for limb in (*body.arms, *body.legs)] + [limb.tip[0] for limb in body.arms])
    gap = np.linalg.norm(free[:, None] - others[None], axis=2).min()
    return [Extra("behind", "skin", polygon, True)] if gap > 1.25 * thick + 9 else []


def _hair(head: _Head, body: Body, rng: np.random.Generator) -> list[Extra]:
    kind = int(rng.choice(8, p=(0.16, 0.16, 0.14, 0.14, 0.12, 0.1, 0.1, 0.08)))
    part = float(rng.uniform(-0.35, 0.35))
    outer = ((-0.98, -0.05), (-1.05, -0.5), (-0.75, -0.98), (-0.2, -1.13), (0.3, -1.12), (0.8, -0.95), (1.05, -0.5))
    right = ((0.98, -0.05), (0.9, -0.12), (0.82, -0.42), (0.45, -0.50))
    parting = ((part + 0.12, -0.68), (part, -0.78), (part - 0.12, -0.66))
    left = ((-0.45, -0.5), (-0.82, -0.42), (-0.9, -0.12))
    fringe = Extra("hair", "hair", head.blob(*outer, *right, *parting, *left), True)
    match kind:
        case 0:  # short
            return [fringe]
        case 1:  # bob
            return [Extra("behind", "hair", head.blob(*BOB), True), fringe]
        case 2:  # long, down to the shoulders and no farther: the arms stay clear
            drop = min(1.35, (body.waist[1] + 0.02 * body.waist[2] - head.y) / head.ry + 0.15)
            tips = ((1.08, 0.5), (0.85, drop), (0.4, drop + 0.05), (-0.4, drop + 0.05), (-0.85, drop), (-1.08, 0.5))
            return [Extra("behind", "hair", head.blob(*BOB[:5], *tips), True), fringe]
        case 3:  # spikes
            count = int(rng.integers(6, 10))
            turn = np.linspace(np.pi * 1.02, np.pi * 1.98, 2 * count + 1)
            far = np.where(np.arange(2 * count + 1) % 2, rng.uniform(1.3, 1.55), 1.02)
            crown = head.at(*zip((far * np.cos(turn)).tolist(), (far * np.sin(turn)).tolist(), strict=True))
            low = head.at((0.8, -0.35), (0.4, -0.62), (0, -0.52), (-0.4, -0.62), (-0.8, -0.35))
            return [Extra("hair", "hair", np.concatenate([crown, low]), True)]
        case 4:  # buns
            buns = [Extra("ears", "hair", head.oval(u, -1.0, 0.36, 0.36), True) for u in (-0.72, 0.72)]
            return [*buns, fringe]
        case 5:  # pigtails
            tails = [Extra("behind", "hair", head.oval(1.25 * s, 0.15, 0.24, 0.46, -0.25 * s), True) for s in (-1, 1)]
            knots = [Extra("ears", "accent", head.oval(1.04 * s, -0.2, 0.13, 0.13)) for s in (-1, 1)]
            return [*tails, *knots, fringe]
        case 6:  # curls
            turn = np.linspace(np.pi * 0.98, np.pi * 2.02, 9)
            curls = [head.oval(1.0 * float(np.cos(t)), 0.98 * float(np.sin(t)), 0.27, 0.27) for t in turn]
            return [*(Extra("ears", "hair", curl, True) for curl in curls), fringe]
        case _:
            return [Extra("ears", "skin", head.oval(s, 0.05, 0.16, 0.2)) for s in (-1, 1)]


def _hat(head: _Head, rng: np.random.Generator) -> list[Extra]:
    slot: Slot = "accent" if rng.random() < 0.5 else "top"
    match int(rng.choice(4)):
        case 0:  # beanie
            knob = Extra("hat", "second", head.oval(0, -1.38 - 0.14 * head.flat, 0.2, 0.2))
            return [knob, Extra("hat", slot, head.blob(*CAP)), Extra("hat", "second", head.blob(*BRIM))]
        case 1:  # pointed
            lean = float(rng.uniform(-0.4, 0.4))
            cone = head.blob(
                (-0.85, -0.6), (-0.45, -1.3), (lean, -2.1), (lean, -2.1), (0.45, -1.3), (0.85, -0.6), (0, -0.5)
            )
            return [Extra("hat", slot, cone), Extra("hat", slot, head.oval(0, -0.62, 1.3, 0.16))]
        case 2:  # top hat
            tube = head.at((-0.62, -0.7), (-0.7, -1.65), (0.7, -1.65), (0.62, -0.7))
            band = head.at((-0.63, -0.84), (-0.65, -1.06), (0.65, -1.06), (0.63, -0.84))
            brim = head.oval(0, -0.72, 1.1, 0.14)
            return [Extra("hat", "hair", tube), Extra("hat", "hair", brim), Extra("hat", "accent", band)]
        case _:
            return [Extra("hat", "accent", head.at(*CROWN))]
