"""Painting a figure: skin, fur or metal, clothes with patterns, and the lines within the figure.

Belongs here: what is painted where and in which order. Does not: outlines (`body`, `extras`), faces (`faces`), how
paint and pen behave (`canvas`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from osf_pipeline.generate.body import Body, Limb
from osf_pipeline.generate.canvas import Canvas, Medium
from osf_pipeline.generate.extras import Breed, Extra, Layer
from osf_pipeline.generate.faces import Face
from osf_pipeline.generate.shapes import Cover, cover, ellipse, one_piece, resample, unsteady
from osf_pipeline.generate.style import Palette
from osf_pipeline.sample.hand import Hand
from osf_pipeline.sample.noise import smoothstep

SHADE = "#8f86b8"


@dataclass(frozen=True)
class Look:
    """What a figure wears and is made of.

    Attributes:
        breed: person, creature or robot.
        palette: of clothes and fur.
        skin: display colour of skin, fur or metal.
        medium: of all fills; None leaves the paper bare.
        dressed: wears clothes.
        sleeve, trouser: share of the limb that is covered.
        cuffs, stockings: sleeves and trousers end in a coloured band; bare shins are striped.
        pattern: on the trunk, a key of `PATTERNS`.
        shade: strength of the glaze on the side away from the light.
        shaky: pixels by which the hand strays from the shapes it means.
    """

    breed: Breed
    palette: Palette
    skin: str
    medium: Medium | None
    dressed: bool
    sleeve: float
    trouser: float
    cuffs: bool
    stockings: bool
    pattern: str
    shade: float
    shaky: float


PATTERNS = {
    "plain": 0.14, "stripes": 0.14, "pinstripes": 0.06, "dots": 0.12, "plaid": 0.08, "zigzag": 0.08, "buttons": 0.14,
    "emblem": 0.12, "scales": 0.06, "belly": 0.06,
}  # fmt: skip
"""Patterns on the trunk with their shares; undressed creatures have bellies, scales, dots or stripes."""


class Painter:
    """Paints one figure on one canvas. Paint may leave the silhouette: what lies beyond the mask is thrown away."""

    def __init__(self, canvas: Canvas, body: Body, extras: list[Extra], look: Look, hand: Hand, width: float,
                 rng: np.random.Generator) -> None:  # fmt: skip
        """Args: width: of the outline in pixels; lines within are a little thinner."""
        self.canvas, self.look, self.hand, self.width, self.rng = canvas, look, hand, width, rng
        self.body, self.extras = body, extras
        self.mask = one_piece(cover(outlines(body, extras), canvas.size), canvas.size)
        depth = ndimage.distance_transform_edt(self.mask)
        self.within = smoothstep(0.45 * width, 1.3 * width, depth).astype(np.float32)
        self.colors = {
            "skin": look.skin, "belly": look.palette.belly, "hair": look.palette.hair, "top": look.palette.top,
            "accent": look.palette.accent, "second": look.palette.second, "bottom": look.palette.bottom,
        }  # fmt: skip

    # --- elements -------------------------------------------------------------------------------------------------

    def area(self, polygon: np.ndarray, color: str, clip: np.ndarray | None = None) -> Cover:
        laid = cover([polygon], self.canvas.size)
        if self.look.medium is None:
            white = Medium(0, 0, 0, 0, 0, 0)
            return self.canvas.area(laid, "#ffffff", white, clip)
        laid = self.canvas.area(laid, color, self.look.medium, clip)
        if self.look.shade:
            unit = self.canvas.unit
            self.canvas.shade(laid, SHADE, self.look.shade, (7 * unit, 5 * unit), 2.5 * unit)
        return laid

    def mark(self, polygon: np.ndarray, color: str, clip: np.ndarray | None) -> None:
        """A patch of a pattern."""
        if self.look.medium is not None:
            self.canvas.area([unsteady(polygon, 0.5 * self.look.shaky, 20, self.rng)], color, self.look.medium, clip)

    def edge(self, polygon: np.ndarray, clip: np.ndarray | None = None, thick: float = 0.8) -> None:
        ring = resample(polygon, 5 * self.canvas.unit, closed=True)
        clip = self.within if clip is None else self.within * clip
        self.canvas.line(np.concatenate([ring, ring[:1]]), thick * self.width, self.hand, clip, taper=(0, 0))

    def ring(self, polygon: np.ndarray, clip: np.ndarray, thick: float = 0.55) -> None:
        """The line around a small thing, anywhere."""
        ring = polygon[:: max(len(polygon) // 10, 1)]
        self.canvas.line(np.concatenate([ring, ring[:1]]), thick * self.width, self.hand, clip, taper=(0, 0))

    def line(self, points: np.ndarray, clip: np.ndarray | None = None, thick: float = 0.7) -> None:
        clip = self.within if clip is None else self.within * clip
        self.canvas.line(points, thick * self.width, self.hand, clip, taper=(0.15, 0.25))

    # --- the figure -----------------------------------------------------------------------------------------------

    def paint(self) -> None:
        look, body = self.look, self.body
        arms_first = self.rng.random() < 0.5 and look.breed != "robot"
        self._layer("behind")
        for leg in body.legs:
            self._leg(leg)
        if body.neck is not None:
            self.area(body.neck, look.skin)
            self.edge(body.neck)
        if arms_first:
            self._arms()
        self._trunk()
        if not arms_first:
            self._arms()
        self._layer("ears")
        self.area(body.head, look.skin)
        self.edge(body.head)
        self._layer("hair")
        self._face()
        self._layer("hat")

    def _layer(self, layer: Layer) -> None:
        for extra in self.extras:
            if extra.layer == layer:
                laid = self.area(extra.polygon, self.colors[extra.slot])
                if extra.hatched:
                    self._strands(extra.polygon, laid.full(self.canvas.size))
                self.edge(extra.polygon, thick=0.75)

    def _strands(self, polygon: np.ndarray, clip: np.ndarray) -> None:
        """Strokes of hair or fur, from the crown outwards."""
        low, high = polygon.min(axis=0), polygon.max(axis=0)
        center = 0.5 * (low + high)
        count = int(self.rng.integers(4, 9))
        for k in range(count):
            foot = low + (high - low) * np.array([(k + 0.5) / count, self.rng.uniform(0.15, 0.45)])
            drop = 0.34 * (high[1] - low[1]) * self.rng.uniform(0.5, 1)
            lean = 0.25 * (foot[0] - center[0]) * self.rng.uniform(0.6, 1.2)
            stroke = foot + np.array([(0, 0), (0.35 * lean, 0.5 * drop), (lean, drop)])
            self.line(stroke, clip, 0.5)

    def _root_clear(self, limb: Limb) -> np.ndarray:
        """0 about a limb's root, so that its line grows out of the trunk instead of closing on it."""
        y, x = np.ogrid[: self.canvas.size[1], : self.canvas.size[0]]
        away = np.hypot(x - limb.points[0, 0], y - limb.points[0, 1])
        return smoothstep(1.0 * limb.radii[0], 1.7 * limb.radii[0], away).astype(np.float32)

    def _limb(self, limb: Limb, covered: float, cloth: str, tip: str) -> None:
        """Skin, the cloth over part of it, its hand or foot, and its lines."""
        whole = limb.stretch(tail=1)
        skin = self.area(whole, self.look.skin).full(self.canvas.size)
        if covered > 0:
            self.area(limb.stretch(0, covered, 1.1), cloth)
            end = limb.stretch(covered - 0.07, covered, 1.1)
            if self.look.cuffs:
                self.area(end, self.colors["accent"])
            self.edge(whole, self._root_clear(limb))
            if covered < 1:
                self.edge(end, thick=0.65)
        else:
            self.edge(whole, self._root_clear(limb))
        if self.look.breed == "robot":
            for t in np.linspace(0.2, 0.85, 6).tolist():
                mid = limb.curve[int(t * (len(limb.curve) - 1))]
                along = limb.points[2] - limb.points[0]
                across = np.array([-along[1], along[0]]) / np.hypot(*along) * mid[2]
                self.line(np.stack([mid[:2] - across, mid[:2] + across]), skin, 0.55)
        for polygon in limb.tip[1:]:
            self.area(polygon, tip)
            self.edge(polygon, thick=0.7)
        if limb.tip:
            self.area(limb.tip[0], tip)
            self.edge(limb.tip[0], thick=0.75)

    def _leg(self, leg: Limb) -> None:
        look = self.look
        shoes = look.dressed or look.breed == "robot"
        foot = look.palette.shoe if shoes else look.skin
        self._limb(leg, look.trouser if look.dressed else 0, look.palette.bottom, foot)
        if look.dressed and look.stockings and look.trouser < 0.7:
            clip = cover([leg.tip[0]], self.canvas.size).full(self.canvas.size)
            for t in (0.70, 0.78, 0.86):
                band = leg.stretch(t, t + 0.045, 0.95)
                self.mark(band, look.palette.accent, self.within * (1 - clip))
        if not shoes and len(leg.tip) == 1:  # toes
            x, y = leg.tip[0].mean(axis=0)
            wide, tall = np.ptp(leg.tip[0], axis=0)
            for u in (-0.18, 0.12):
                at = np.array([x + u * wide, y + 0.12 * tall])
                self.line(at + np.array([(0, 0), (0, 0.3 * tall)]), None, 0.6)

    def _arms(self) -> None:
        look = self.look
        bare = look.palette.top if look.breed == "robot" else look.skin
        for arm in self.body.arms:
            self._limb(arm, look.sleeve if look.dressed else 0, look.palette.top, bare)

    def _trunk(self) -> None:
        look, body = self.look, self.body
        dressed = look.dressed or look.breed == "robot"
        laid = self.area(body.trunk, look.palette.top if dressed else look.skin)
        clip = laid.full(self.canvas.size)
        x, top, bottom, girth = body.waist.tolist()
        height = bottom - top
        if look.breed == "robot":
            self._panel(x, top, height, girth, clip)
        else:
            self._pattern(x, top, height, girth, clip)
        if look.dressed and body.profile not in ("gown", "flare") and body.kind != "four_legged":
            line = top + 0.74 * height
            left, right, low = x - 2 * girth, x + 2 * girth, bottom + height
            band = np.array([(left, line), (x, line + 0.03 * height), (right, line), (right, low), (left, low)])
            self.area(band, look.palette.bottom, clip)
            waist = np.array([(x - 1.3 * girth, line), (x, line + 0.03 * height), (x + 1.3 * girth, line)])
            if self.rng.random() < 0.5:
                belt = np.concatenate([waist, _moved(waist, 0, 0.07 * height)[::-1]])
                self.mark(belt, look.palette.shoe, clip)
                self.line(_moved(waist, 0, 0.07 * height), clip, 0.6)
                buckle = ellipse(x, line + 0.06 * height, 0.09 * girth, 0.055 * height, power=6)
                self.mark(buckle, look.palette.accent, clip)
                self.ring(buckle, clip, 0.6)
            self.line(waist, clip, 0.7)
            crotch = np.array([(x, line + 0.12 * height), (x, bottom + 0.02 * height)])
            self.line(crotch, clip, 0.6)
        if look.dressed and body.kind != "four_legged":
            collar = np.array(
                [
                    (x - 0.42 * girth, top - 0.01 * height),
                    (x, top + 0.13 * height),
                    (x + 0.42 * girth, top - 0.01 * height),
                ]
            )
            if self.rng.random() < 0.35:
                self.area(ellipse(x, top + 0.03 * height, 0.55 * girth, 0.11 * height), self.colors["accent"], clip)
                self.edge(ellipse(x, top + 0.03 * height, 0.55 * girth, 0.11 * height), clip, 0.7)
            else:
                self.line(collar, clip, 0.7)
        self.edge(body.trunk)

    def _panel(self, x: float, top: float, height: float, girth: float, clip: np.ndarray) -> None:
        """A robot's chest: a plate, lamps, rivets."""
        colors, rng = self.colors, self.rng
        plate = ellipse(x, top + 0.4 * height, 0.66 * girth, 0.24 * height, power=6)
        self.area(plate, colors["belly"], clip)
        self.edge(plate, clip, 0.7)
        for k, slot in enumerate(("accent", "second", "bottom")):
            lamp = ellipse(x + (k - 1) * 0.36 * girth, top + 0.32 * height, 0.1 * girth, 0.1 * girth)
            self.mark(lamp, colors[slot], clip)
            self.ring(lamp, clip, 0.55)
        if rng.random() < 0.5:
            dial = np.array([(-0.4, 0.52), (-0.2, 0.46), (0, 0.54), (0.2, 0.45), (0.4, 0.52)])
            self.line(dial * (girth, height) + (x, top), clip, 0.6)
        for u in (-0.82, 0.82):
            for v in (0.08, 0.92):
                self.mark(ellipse(x + u * girth, top + v * height, 0.05 * girth, 0.05 * girth), self.hand.ink, clip)
        self.line(np.array([(x - girth, top + 0.76 * height), (x + girth, top + 0.76 * height)]), clip, 0.6)

    def _pattern(self, x: float, top: float, height: float, girth: float, clip: np.ndarray) -> None:
        look, colors, rng = self.look, self.colors, self.rng
        one, two = (colors["accent"], colors["second"]) if look.dressed else (colors["belly"], colors["accent"])
        wide = 1.9 * girth
        match look.pattern:
            case "stripes":
                step = float(rng.uniform(0.11, 0.17)) * height
                for y in np.arange(top + 0.6 * step, top + height, step).tolist():
                    self.mark(_bar(x, y, wide, 0.24 * step, 0.04 * height), one, clip)
            case "pinstripes":
                for u in np.linspace(-1.5, 1.5, int(rng.integers(9, 15))).tolist():
                    stripe = np.array([(x + 0.75 * u * girth, top), (x + u * girth, top + height * 1.1)])
                    self.canvas.line(stripe, 0.5 * self.width, self.hand, self.within * clip, color=one)
            case "dots":
                for px, py in self._scatter(x, top, height, girth, 0.32 * girth):
                    radius = float(rng.uniform(0.055, 0.085)) * girth
                    self.mark(ellipse(px, py, radius, radius), one, clip)
            case "plaid":
                for u in np.linspace(-1.2, 1.2, 7).tolist():
                    left, right = x + (u - 0.05) * girth, x + (u + 0.05) * girth
                    low = top + 1.2 * height
                    self.mark(np.array([(left, top), (right, top), (right, low), (left, low)]), one, 0.6 * clip)
                for y in np.linspace(top, top + height, 7).tolist():
                    self.mark(_bar(x, y, wide, 0.05 * girth, 0.02 * height), two, 0.6 * clip)
            case "zigzag":
                for v in (0.42, 0.56):
                    at = np.linspace(-1.4, 1.4, 13)
                    upper = np.stack([x + at * girth, top + (v + 0.06 * (np.arange(13) % 2)) * height], axis=1)
                    self.mark(
                        np.concatenate([upper, _moved(upper, 0, 0.07 * height)[::-1]]), one if v < 0.5 else two, clip
                    )
            case "buttons":
                self.line(np.array([(x + 0.1 * girth, top), (x + 0.1 * girth, top + 1.05 * height)]), clip, 0.6)
                for v in np.linspace(0.22, 0.66, int(rng.integers(2, 5))).tolist():
                    button = ellipse(x - 0.04 * girth, top + v * height, 0.075 * girth, 0.075 * girth)
                    self.mark(button, one, clip)
                    self.ring(button, clip, 0.5)
            case "emblem":
                self._emblem(x, top + 0.44 * height, 0.42 * girth, one, clip)
            case "scales":
                step = 0.24 * girth
                for row, y in enumerate(np.arange(top + 0.12 * height, top + height, 0.75 * step).tolist()):
                    for px in np.arange(x - 1.4 * girth + (row % 2) * 0.5 * step, x + 1.4 * girth, step).tolist():
                        arc = np.array([(px - 0.42 * step, y), (px, y + 0.42 * step), (px + 0.42 * step, y)])
                        self.line(arc, clip, 0.45)
            case "belly":
                patch = ellipse(x, top + 0.6 * height, 0.66 * girth, 0.36 * height, power=2.3)
                self.mark(patch, colors["belly"], clip)
                if rng.random() < 0.5:
                    for v in (0.42, 0.55, 0.68):
                        line = np.array(
                            [
                                (x - 0.3 * girth, top + v * height),
                                (x, top + (v + 0.02) * height),
                                (x + 0.3 * girth, top + v * height),
                            ]
                        )
                        self.line(line, clip, 0.45)

    def _scatter(self, x: float, top: float, height: float, girth: float, step: float) -> Iterator[tuple[float, float]]:
        """Places over the trunk on a shifted grid, none quite on it."""
        for row, y in enumerate(np.arange(top + 0.4 * step, top + 1.1 * height, 0.8 * step).tolist()):
            for px in np.arange(x - 1.7 * girth + (row % 2) * 0.5 * step, x + 1.7 * girth, step).tolist():
                yield px + float(self.rng.normal(0, 0.06)) * step, y + float(self.rng.normal(0, 0.06)) * step

    def _emblem(self, x: float, y: float, size: float, color: str, clip: np.ndarray) -> None:
        kind = int(self.rng.choice(3))
        turn = np.linspace(0, 2 * np.pi, 11)[:-1] - np.pi / 2
        if kind == 0:  # star
            far = np.where(np.arange(10) % 2, 0.45, 1.0) * size
            shape = np.stack([x + far * np.cos(turn), y + far * np.sin(turn)], axis=1)
        elif kind == 1:  # heart
            t = np.linspace(0, 2 * np.pi, 40)[:-1]
            lobes = 0.75 * np.cos(t) - 0.3 * np.cos(2 * t) - 0.12 * np.cos(3 * t)
            shape = np.stack([x + 0.9 * size * np.sin(t) ** 3, y - size * lobes], axis=1)
        else:  # moon
            t = np.linspace(-2.2, 2.2, 24)
            outer = np.stack([x - size * np.cos(t), y + size * np.sin(t)], axis=1)
            inner = np.stack([x + 0.35 * size - 0.8 * size * np.cos(t), y + 0.74 * size * np.sin(t)], axis=1)
            shape = np.concatenate([outer, inner[::-1]])
        self.mark(shape, color, clip)
        self.canvas.line(np.concatenate([shape, shape[:1]]), 0.6 * self.width, self.hand, clip, taper=(0, 0))

    def _face(self) -> None:
        face = Face(self.canvas, self.body.face, self.hand, 0.72 * self.width, self.rng)
        cheek = "#e8877c" if self.look.medium is not None else "#ffffff"
        if self.look.breed == "person":
            face.person(cheek)
        elif self.look.breed == "creature":
            belly = self.look.palette.belly if self.look.medium is not None else "#ffffff"
            face.creature(cheek, belly, self.hand.ink)
        else:
            face.robot(self.look.palette.accent, self.look.palette.hair)


def outlines(body: Body, extras: list[Extra]) -> list[np.ndarray]:
    """Everything the silhouette is made of."""
    limbs = [polygon for limb in (*body.arms, *body.legs) for polygon in (limb.stretch(tail=1), *limb.tip)]
    neck = [] if body.neck is None else [body.neck]
    return [body.head, body.trunk, *neck, *limbs, *(extra.polygon for extra in extras)]


def _bar(x: float, y: float, half: float, thick: float, sag: float) -> np.ndarray:
    """A band across that hangs a little in the middle."""
    upper = np.array([(x - half, y - thick), (x, y - thick + sag), (x + half, y - thick)])
    return np.concatenate([upper, _moved(upper, 0, 2 * thick)[::-1]])


def _moved(points: np.ndarray, dx: float, dy: float) -> np.ndarray:
    return points + np.array([dx, dy])
