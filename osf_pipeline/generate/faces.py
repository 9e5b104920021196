"""Faces of several kinds, drawn on a head.

Belongs here: eyes, nose, mouth, cheeks. Does not: heads (`body`), ears and hair (`extras`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from osf_pipeline.generate.canvas import Canvas, Medium
from osf_pipeline.generate.shapes import ellipse, ribbon, spline
from osf_pipeline.sample.hand import Hand

OPAQUE = Medium(0.02, 0.02, 0.03, 0, 0, 0)
"""What eyes are filled with in any medium."""


class Face:
    """Draws on the head whose centre and half axes are `face`; u runs right, v down, 1 at its border.

    Eyes: dots .22, ovals with a light .34, round with pupils .24, closed .14, and creatures' single eye .06; glasses
    over .12 of them. Persons' noses: none .3, dot .25, line .3, hook .15; creatures' snout .8, pale muzzle .45.
    Mouths: smile .32, open .2, cat's .14, straight .08, fang .1, small o .08, grin .08; creatures' are cat's by .75.
    """

    def __init__(self, canvas: Canvas, face: np.ndarray, hand: Hand, width: float, rng: np.random.Generator) -> None:
        self.canvas, self.hand, self.width, self.rng = canvas, hand, width, rng
        self.x, self.y, self.rx, self.ry = face.tolist()
        self.size = min(self.rx, self.ry)
        self.ink = hand.ink

    def at(self, u: float, v: float) -> tuple[float, float]:
        return self.x + u * self.rx, self.y + v * self.ry

    def oval(self, u: float, v: float, ru: float, rv: float, color: str) -> None:
        """Half axes in parts of the head's shorter one."""
        self.canvas.area([ellipse(*self.at(u, v), ru * self.size, rv * self.size)], color, OPAQUE)

    def ring(self, u: float, v: float, ru: float, rv: float) -> None:
        points = ellipse(*self.at(u, v), ru * self.size, rv * self.size)[::8]
        self.canvas.line(np.concatenate([points, points[:2]]), self.width, self.hand, taper=(0.05, 0.05))

    def line(self, points: Sequence[tuple[float, float]], thick: float = 1.0) -> None:
        self.canvas.line(
            np.array([self.at(u, v) for u, v in points]), thick * self.width, self.hand, taper=(0.25, 0.25)
        )

    def person(self, cheek: str) -> None:
        rng = self.rng
        apart, level = float(rng.uniform(0.34, 0.44)), float(rng.uniform(-0.08, 0.12))
        self._eyes(apart, level, one=False)
        kind = int(rng.choice(4, p=(0.3, 0.25, 0.3, 0.15)))
        v = level + float(rng.uniform(0.2, 0.28))
        if kind == 1:
            self.oval(0, v, 0.035, 0.03, self.ink)
        elif kind == 2:
            self.line([(0.02, v - 0.16), (0.08, v + 0.02), (-0.03, v + 0.04)], 0.8)
        elif kind == 3:
            self.line([(-0.07, v), (0, v + 0.06), (0.07, v)], 0.8)
        self._mouth(min(v + float(rng.uniform(0.2, 0.28)), 0.62))
        self._cheeks(apart + 0.16, v + 0.1, cheek, 0.55)

    def creature(self, cheek: str, belly: str, dark: str) -> None:
        rng = self.rng
        apart, level = float(rng.uniform(0.36, 0.5)), float(rng.uniform(-0.12, 0.06))
        if rng.random() < 0.45:
            self.canvas.area(
                [ellipse(*self.at(0, 0.42), 0.5 * self.size, 0.38 * self.size)], belly, OPAQUE, opacity=0.9
            )
        self._eyes(apart, level)
        nose = np.array(
            [self.at(*p) for p in ((-0.15, 0.2), (0, 0.17), (0.15, 0.2), (0.08, 0.32), (0, 0.37), (-0.08, 0.32))]
        )
        if rng.random() < 0.8:
            self.canvas.area([spline(nose, closed=True)], dark, OPAQUE)
            self.oval(-0.04, 0.225, 0.035, 0.02, "#ffffff")
            self.line([(0, 0.36), (0, 0.48)], 0.8)
        if rng.random() < 0.75:
            self.line([(-0.26, 0.44), (-0.14, 0.53), (0, 0.47), (0.14, 0.53), (0.26, 0.44)])
        else:
            self._mouth(0.52)
        if rng.random() < 0.4:
            for side in (-1, 1):
                for v in (0.30, 0.38, 0.47):
                    self.line(
                        [
                            (side * 0.48, v),
                            (side * 0.66, v - 0.03 + 0.25 * (v - 0.38)),
                            (side * 0.84, v - 0.02 + 0.6 * (v - 0.38)),
                        ],
                        0.6,
                    )
        self._cheeks(apart + 0.18, 0.28, cheek, 0.4)

    def robot(self, light: str, dark: str) -> None:
        rng = self.rng
        if rng.random() < 0.5:
            visor = ellipse(*self.at(0, -0.12), 0.72 * self.rx, 0.3 * self.ry, power=5)
            self.canvas.area([visor], dark, OPAQUE)
            for u in (-0.32, 0.32):
                self.oval(u, -0.12, 0.13, 0.13, light)
        else:
            for u in (-0.4, 0.4):
                self.oval(u, -0.12, 0.2, 0.2, "#ffffff")
                self.ring(u, -0.12, 0.2, 0.2)
                self.oval(u, -0.12, 0.08, 0.08, self.ink)
        grille = ellipse(*self.at(0, 0.5), 0.42 * self.rx, 0.17 * self.ry, power=5)
        self.canvas.area([grille], light, OPAQUE, opacity=0.8)
        self.canvas.line(np.concatenate([grille[::4], grille[:1]]), 0.8 * self.width, self.hand, taper=(0, 0))
        for u in np.linspace(-0.28, 0.28, int(rng.integers(3, 6))).tolist():
            self.line([(u, 0.38), (u, 0.62)], 0.8)

    def _eyes(self, apart: float, level: float, *, one: bool = True) -> None:
        rng = self.rng
        kind = int(rng.choice(5, p=(0.22, 0.34, 0.24, 0.14, 0.06) if one else (0.24, 0.36, 0.25, 0.15, 0)))
        size = float(rng.uniform(0.85, 1.25))
        if kind == 4:
            self.oval(0, level, 0.3 * size, 0.3 * size, "#ffffff")
            self.ring(0, level, 0.3 * size, 0.3 * size)
            self.oval(0.02, level + 0.02, 0.14 * size, 0.14 * size, self.ink)
            self.oval(-0.03, level - 0.05, 0.045 * size, 0.045 * size, "#ffffff")
            return
        for side in (-1, 1):
            u = side * apart
            if kind == 0:
                self.oval(u, level, 0.065 * size, 0.075 * size, self.ink)
            elif kind == 1:
                self.oval(u, level, 0.11 * size, 0.15 * size, self.ink)
                self.oval(u - 0.03, level - 0.06, 0.04 * size, 0.05 * size, "#ffffff")
                self.oval(u + 0.04, level + 0.05, 0.02 * size, 0.025 * size, "#ffffff")
            elif kind == 2:
                self.oval(u, level, 0.17 * size, 0.18 * size, "#ffffff")
                self.ring(u, level, 0.17 * size, 0.18 * size)
                self.oval(u - 0.02 * side, level + 0.02, 0.075 * size, 0.08 * size, self.ink)
            else:
                self.line([(u - 0.13 * size, level + 0.03), (u, level - 0.07), (u + 0.13 * size, level + 0.03)], 1.1)
        if kind != 3 and rng.random() < 0.5:
            tilt = float(rng.uniform(-0.06, 0.06))
            for side in (-1, 1):
                u = side * apart
                self.line(
                    [(u - 0.13, level - 0.27 - side * tilt), (u, level - 0.33), (u + 0.13, level - 0.27 + side * tilt)]
                )
        if rng.random() < 0.12:
            for side in (-1, 1):
                self.ring(side * apart, level, 0.26, 0.26)
            self.line([(-0.16 * apart, level - 0.02), (0.16 * apart, level - 0.02)])

    def _mouth(self, v: float) -> None:
        rng = self.rng
        wide = float(rng.uniform(0.18, 0.34))
        match int(rng.choice(7, p=(0.32, 0.2, 0.14, 0.08, 0.1, 0.08, 0.08))):
            case 0:
                self.line(
                    [
                        (-wide, v - 0.05),
                        (-0.5 * wide, v + 0.05),
                        (0, v + 0.08),
                        (0.5 * wide, v + 0.05),
                        (wide, v - 0.05),
                    ]
                )
            case 1:
                mouth = np.array(
                    [
                        self.at(*p)
                        for p in (
                            (-wide, v - 0.05),
                            (0, v - 0.02),
                            (wide, v - 0.05),
                            (0.6 * wide, v + 0.14),
                            (0, v + 0.2),
                            (-0.6 * wide, v + 0.14),
                        )
                    ]
                )
                self.canvas.area([spline(mouth, closed=True)], "#7a2f35", OPAQUE)
                tongue = np.array(
                    [
                        self.at(*p)
                        for p in ((-0.45 * wide, v + 0.13), (0, v + 0.08), (0.45 * wide, v + 0.13), (0, v + 0.185))
                    ]
                )
                self.canvas.area([spline(tongue, closed=True)], "#e58a86", OPAQUE)
                self.canvas.line(np.concatenate([mouth, mouth[:1]]), 0.7 * self.width, self.hand, taper=(0, 0))
            case 2:
                self.line(
                    [
                        (-wide, v - 0.02),
                        (-0.5 * wide, v + 0.06),
                        (0, v - 0.02),
                        (0.5 * wide, v + 0.06),
                        (wide, v - 0.02),
                    ]
                )
            case 3:
                self.line([(-wide, v), (0, v + 0.01), (wide, v - 0.01)])
            case 4:
                self.line([(-wide, v - 0.04), (0, v + 0.05), (wide, v - 0.04)])
                fang = np.array(
                    [self.at(*p) for p in ((0.35 * wide, v + 0.02), (0.5 * wide, v + 0.15), (0.68 * wide, v))]
                )
                self.canvas.area([fang], "#ffffff", OPAQUE)
                self.canvas.line(fang, 0.7 * self.width, self.hand)
            case 5:
                self.oval(0, v, 0.06, 0.075, "#7a2f35")
                self.ring(0, v, 0.065, 0.08)
            case _:
                teeth = ribbon(np.array([self.at(-wide, v), self.at(wide, v)]), np.full(2, 0.09 * self.ry))
                self.canvas.area([teeth], "#ffffff", OPAQUE)
                self.canvas.line(np.concatenate([teeth[::3], teeth[:1]]), 0.8 * self.width, self.hand, taper=(0, 0))
                self.line([(-wide, v), (wide, v)], 0.7)
                for u in (-0.5, 0, 0.5):
                    self.line([(u * wide, v - 0.08), (u * wide, v + 0.08)], 0.7)

    def _cheeks(self, u: float, v: float, color: str, strength: float) -> None:
        if self.rng.random() < 0.65:
            for side in (-1, 1):
                x, y = self.at(side * min(u, 0.64), v)
                self.canvas.tint(ellipse(x, y, 0.15 * self.size, 0.1 * self.size), color, strength, 0.05 * self.size)
        elif self.rng.random() < 0.3:
            for side in (-1, 1):
                for du, dv in ((-0.06, 0), (0.02, 0.05), (0.09, -0.01)):
                    self.oval(side * (min(u, 0.6) + du), v + dv, 0.017, 0.017, self.ink)
