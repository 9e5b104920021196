"""The hand-made colour of the figure: areas that wobble, uneven pigment, strokes and hatching, fixed to the surface.

Belongs here: reflectance as a function of rest position. Does not: contours and their line (`contours`, `hand`), light.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from PIL import ImageColor

from osf_pipeline.color import decode_srgb
from osf_pipeline.render.scene import SurfacePoints
from osf_pipeline.sample.figure import ANKLE, HIP, KNEE, SHOULDER, WRIST
from osf_pipeline.sample.noise import field, smoothstep


def linear(color: str) -> np.ndarray:
    """(3,) scene-linear of a display colour such as `#e8b04a`."""
    return decode_srgb(np.array(ImageColor.getrgb(color)[:3]) / 255)


PAPER = linear("#fbf6e9")
INK = linear("#35252a")

CHIN, HEM = 0.305, -0.385
"""Heights of the seams between head, tunic and legs, rest pose."""


@dataclass(frozen=True)
class Palette:
    """Display colours of one figure's clothes."""

    skin: str = "#f6cfae"
    cheek: str = "#ea8274"
    hair: str = "#8a4a2f"
    tunic: str = "#e9a23b"
    trim: str = "#c8553d"
    scarf: str = "#3f8f8a"
    sleeve: str = "#f3e3c3"
    stripe: str = "#4a6fa0"
    trousers: str = "#5c7f5b"
    boots: str = "#84523a"


BLUE = Palette(hair="#39303c", tunic="#7fa6c9", trim="#e0c04f", scarf="#c65b52", stripe="#7a8f4d", trousers="#b56a4a")
"""The second figure."""


@dataclass(frozen=True)
class Painting:
    """The figure's reflectance, painted once in the rest pose.

    Attributes:
        palette: colours of the areas.
        seed: of pigment, wobble and strokes.
    """

    palette: Palette = Palette()
    seed: int = 0

    def __call__(self, points: SurfacePoints) -> np.ndarray:
        canvas = _Canvas(points.rest, self.seed)
        region = _regions(canvas)
        for number, paint in enumerate((_tunic, _head, _sleeve, _hands, _leg)):
            here = np.flatnonzero(region == number)
            if len(here):
                paint(canvas.take(here), self.palette)
        return canvas.finished()


def _regions(canvas: _Canvas) -> np.ndarray:
    """(N,) index of the garment at each point. Seams are drawn lines of their own, not borders of parts."""
    along, across = _arm(canvas)
    region = np.zeros(len(canvas.x), np.int8)
    region[canvas.y < HEM + _teeth(canvas.x)] = 4
    region[(along > 0.035) & (np.abs(across) < 0.125)] = 2
    region[(region == 2) & (along > 0.545 + 0.8 * across * across)] = 3
    region[canvas.y > CHIN] = 1
    return region


def _arm(canvas: _Canvas) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates along (from the shoulder) and across (up is positive) the arm on the point's side."""
    start, stop = np.array(SHOULDER[:2]), np.array(WRIST[:2])
    axis = (stop - start) / np.linalg.norm(stop - start)
    x, y = np.abs(canvas.x) - start[0], canvas.y - start[1]
    return x * axis[0] + y * axis[1], y * axis[0] - x * axis[1]


def _teeth(x: np.ndarray) -> np.ndarray:
    """The zigzag of the tunic's hem."""
    return 0.022 * np.abs(((x / 0.058) % 1) * 2 - 1)


class _Canvas:
    """Paint laid on rest positions. Distances are in scene units.

    `take` gives a canvas of some of the points; what is painted on it shows on the whole.
    """

    def __init__(self, rest: np.ndarray, seed: int) -> None:
        self.rest, self.seed = rest, seed
        # A shaky hand: every drawn edge is displaced by the same smooth field.
        shake = [0.0055 * field(rest, 7, seed + k) + 0.0016 * field(rest, 24, seed + 2 + k) for k in (11, 12)]
        self.x, self.y, self.z = rest[:, 0] + shake[0], rest[:, 1] + shake[1], rest[:, 2]
        self.front = self.z > 0
        self.press = np.clip(1 + 0.3 * field(rest, 12, seed + 15), 0.5, 1.7)
        self.contact = 1 - 0.7 * smoothstep(1.3, 2.0, field(rest, 9, seed + 16))
        self.loose = field(rest, 5, seed + 17)
        self.pigment = np.tile(linear("#ffffff"), (len(rest), 1))
        self.edge = np.full(len(rest), 1.0)
        self.ink = np.zeros(len(rest))
        self.here: np.ndarray | slice = slice(None)

    def take(self, here: np.ndarray) -> _Canvas:
        """The points of one region."""
        part = copy(self)
        for name in ("rest", "x", "y", "z", "front", "press", "contact", "loose"):
            setattr(part, name, getattr(self, name)[here])
        part.here = here
        return part

    def area(self, inside: np.ndarray, color: str, strength: float | np.ndarray = 1) -> None:
        """Lay a colour where the signed distance `inside` is positive; pigment gathers along its edge."""
        cover = (smoothstep(-0.003, 0.003, inside) * strength)[:, None]
        self.pigment[self.here] = (1 - cover) * self.pigment[self.here] + cover * linear(color)
        self.edge[self.here] = np.minimum(self.edge[self.here], np.where(inside > 0, inside, 1.0))

    def stroke(self, distance: np.ndarray, width: float = 0.010, strength: float | np.ndarray = 0.9) -> None:
        """Draw ink within half a width of `distance` = 0, swelling, thinning and now and then lifting off."""
        ink = strength * self.contact * smoothstep(0.0025, -0.0025, np.abs(distance) - 0.5 * width * self.press)
        self.ink[self.here] = np.maximum(self.ink[self.here], ink)

    def hatch(self, where: np.ndarray, angle: float, spacing: float = 0.026, strength: float = 0.5) -> None:
        """Loose parallel strokes where `where` (0..1) is set, broken off at uneven lengths."""
        across = self.x * np.sin(angle) + self.y * np.cos(angle) + 0.005 * self.loose
        offset = (across / spacing + 0.5) % 1 - 0.5
        broken = smoothstep(-0.5, 0.1, 0.8 * self.loose + 2 * where - 1)
        self.stroke(offset * spacing, 0.0065, strength * where * broken)

    def finished(self) -> np.ndarray:
        """(N, 3) scene-linear: pigment with granulation, brush streaks and bare paper, ink on top."""
        rest, seed = self.rest, self.seed
        wash, cloud, grain = (field(rest, f, seed + 21 + k) for k, f in enumerate((3.3, 12, 58)))
        # Crayon streaks run down to the left in the rest pose.
        slanted = np.stack(
            [0.5 * rest[:, 0] - 0.87 * rest[:, 1], 0.87 * rest[:, 0] + 0.5 * rest[:, 1], rest[:, 2]], axis=1
        )
        streak = field(slanted, (115, 8, 8), seed + 24)
        density = 1 + 0.13 * wash + 0.07 * cloud + 0.06 * grain + 0.10 * streak
        density = density + 0.28 * np.exp(-np.square(self.edge / 0.010))
        # Thicker pigment absorbs more: optical density scales the logarithm of the colour (Beer-Lambert).
        color = PAPER * (np.maximum(self.pigment, 1e-3) / PAPER) ** np.clip(density, 0.55, 1.6)[:, None]
        bare = 0.32 * smoothstep(1.0, 1.9, 0.72 * streak + 0.5 * cloud + 0.25 * grain)[:, None]
        color = (1 - bare) * color + bare * PAPER
        ink = (self.ink * np.clip(1 - 0.12 * grain, 0.6, 1))[:, None]
        return (1 - ink) * color + ink * INK


def _ellipse(canvas: _Canvas, x: float, y: float, rx: float, ry: float) -> np.ndarray:
    """About the signed distance to an ellipse on the front, positive inside."""
    away = np.hypot((canvas.x - x) / rx, (canvas.y - y) / ry)
    return np.where(canvas.front, (1 - away) * min(rx, ry), -1.0)


def _path(canvas: _Canvas, *points: tuple[float, float], both_sides: bool = False) -> np.ndarray:
    """Distance to a polyline seen from the front; 1 on the back unless it is drawn on both sides."""
    best = np.full(len(canvas.x), 1.0)
    for (ax, ay), (bx, by) in pairwise(points):
        dx, dy = bx - ax, by - ay
        along = np.clip(((canvas.x - ax) * dx + (canvas.y - ay) * dy) / (dx * dx + dy * dy), 0, 1)
        best = np.minimum(best, np.hypot(canvas.x - ax - along * dx, canvas.y - ay - along * dy))
    return best if both_sides else np.where(canvas.front, best, 1.0)


def _arc(
    x: float, y: float, rx: float, ry: float, start: float, stop: float, count: int = 9
) -> list[tuple[float, float]]:
    """Points along an ellipse; angles in degrees, anticlockwise from +x."""
    angles = np.radians(np.linspace(start, stop, count))
    return [(x + rx * float(np.cos(a)), y + ry * float(np.sin(a))) for a in angles]


def _side(canvas: _Canvas, x: float | np.ndarray, radius: float) -> np.ndarray:
    """0..1: the side away from the light, right of an axis at `x`, with a ragged border."""
    return smoothstep(0.25, 0.55, (canvas.x - x) / radius + 0.12 * canvas.loose)


def _head(canvas: _Canvas, palette: Palette) -> None:
    x, y = canvas.x, canvas.y
    canvas.area(np.ones_like(x), palette.skin)
    # A parted fringe: two lobes over the brow, hair down the temples, a bun on each side.
    left = 0.150 - np.hypot((x + 0.135) * 0.80, (y - 0.765) * 1.05)
    right = 0.165 - np.hypot((x - 0.125) * 0.78, (y - 0.775) * 1.05)
    temples = np.abs(x) - 0.248 - 0.35 * np.maximum(0.47 - y, 0)
    hair = np.maximum.reduce([left, right, y - 0.755, temples, -0.02 - canvas.z])
    canvas.area(hair, palette.hair)
    canvas.stroke(np.where(canvas.z > -0.02, hair, 1.0), 0.011)
    for side in (-1, 1):
        # Locks that follow the fringe, a spiral in each bun.
        for k in range(4):
            turn_from = 200 if side < 0 else 215
            lock = _arc(side * 0.135, 0.755, 0.165 - 0.035 * k, 0.125 - 0.030 * k, turn_from, turn_from + 125)
            canvas.stroke(np.where(hair > 0.006, _path(canvas, *lock), 1.0), 0.006, 0.55 - 0.06 * k)
        turn = np.linspace(0, 4.2 * np.pi, 26)
        spiral = [
            (side * (0.245 + 0.006 * t * float(np.cos(t))), 0.81 + 0.006 * t * float(np.sin(t))) for t in turn.tolist()
        ]
        canvas.stroke(np.where(y > 0.70, _path(canvas, *spiral, both_sides=True), 1.0), 0.006, 0.55)
        # Eyes: tall dots with a glint, a lid stroke, a loose brow.
        ex = side * 0.108
        eye = _ellipse(canvas, ex, 0.535, 0.023, 0.035)
        canvas.stroke(np.where(eye > 0, 0.0, -eye), 0.004, 0.97)
        canvas.stroke(_path(canvas, *_arc(ex, 0.545, 0.042, 0.045, 40, 150)), 0.007, 0.85)
        canvas.stroke(_path(canvas, *_arc(ex, 0.600, 0.050, 0.022, 35, 140)), 0.008, 0.7)
        glint = smoothstep(0.001, -0.002, np.hypot(canvas.x - ex + 0.007, canvas.y - 0.549) - 0.0085) * canvas.front
        canvas.ink[canvas.here] *= 1 - glint
        canvas.pigment[canvas.here] += glint[:, None] * (PAPER - canvas.pigment[canvas.here])
        # Cheeks: a soft patch of crayon with a few strokes across.
        blush = np.hypot((x - side * 0.165) / 0.062, (y - 0.455) / 0.042)
        soft = smoothstep(1.15, 0.45, blush) * canvas.front * 0.75
        canvas.pigment[canvas.here] += soft[:, None] * (linear(palette.cheek) - canvas.pigment[canvas.here])
    canvas.stroke(_path(canvas, (0.006, 0.520), (0.020, 0.478), (0.000, 0.470)), 0.007, 0.75)
    canvas.stroke(_path(canvas, *_arc(0.0, 0.445, 0.062, 0.045, 198, 338)), 0.010, 0.92)
    canvas.stroke(_path(canvas, (-0.066, 0.440), (-0.056, 0.428)), 0.008, 0.8)
    canvas.hatch(_side(canvas, 0.10, 0.25) * smoothstep(0.50, 0.44, y) * canvas.front, 0.75, 0.022, 0.38)
    canvas.hatch(_side(canvas, 0.20, 0.07) * (y > 0.72), 0.9, 0.022, 0.4)


def _tunic(canvas: _Canvas, palette: Palette) -> None:
    x, y = canvas.x, canvas.y
    canvas.area(np.ones_like(x), palette.tunic)
    # Hem with a border, a sash, a scarf with stripes.
    hem = y - HEM - _teeth(x)
    canvas.area(0.045 - hem, palette.trim)
    canvas.stroke(hem, 0.008)
    canvas.stroke(hem - 0.045, 0.007, 0.8)
    sash = 0.030 - np.abs(y + 0.075 + 0.05 * x)
    canvas.area(sash, palette.trim)
    canvas.stroke(sash, 0.008)
    for k in (-1, 1):
        canvas.stroke(_path(canvas, (-0.045, -0.075), (-0.06 + 0.035 * k, -0.155 - 0.012 * k)), 0.010, 0.85)
    scarf = y - 0.205 + 0.10 * np.abs(x)
    canvas.area(scarf, palette.scarf)
    canvas.stroke(scarf, 0.010)
    for k in range(-4, 5):
        canvas.stroke(np.where(scarf > 0.005, x - 0.045 * k + 0.45 * (y - 0.25), 1.0), 0.007, 0.45)
    # Buttons, a pocket with stitches, a patch of dots.
    for height in (0.135, 0.075, 0.015):
        button = _ellipse(canvas, 0.004, height, 0.016, 0.015)
        canvas.area(button, palette.trim)
        canvas.stroke(np.where(canvas.front, button, 1.0), 0.006)
    pocket = [(0.050, -0.165), (0.056, -0.235), (0.088, -0.252), (0.120, -0.232), (0.122, -0.160)]
    canvas.stroke(_path(canvas, *pocket), 0.008, 0.85)
    canvas.stroke(_path(canvas, pocket[0], pocket[-1]), 0.010, 0.85)
    dots = np.hypot((x + 0.012) % 0.055 - 0.0275, (y + 0.030 * (np.floor((x + 0.012) / 0.055) % 2)) % 0.06 - 0.03)
    plain = (y < 0.17) & (y > -0.32) & (np.abs(y + 0.075) > 0.05) & (x < -0.01)
    canvas.area(np.where(plain, 0.009 - dots, -1.0), palette.sleeve, 0.9)
    canvas.hatch(_side(canvas, 0.03, 0.15) * (y < 0.18), 0.7)


def _sleeve(canvas: _Canvas, palette: Palette) -> None:
    along, across = _arm(canvas)
    canvas.area(np.ones_like(along), palette.sleeve)
    bent = along - 0.8 * across * across
    for k in range(7):
        band = 0.016 + 0.003 * ((k * 7) % 3 - 1) - np.abs(bent - 0.080 - 0.066 * k)
        canvas.area(band, palette.stripe)
    canvas.stroke(along - 0.035, 0.009, 0.8)
    cuff = bent - 0.512
    canvas.area(cuff, palette.trim)
    canvas.stroke(cuff, 0.008)
    canvas.stroke(bent - 0.545, 0.009)
    for shift in (-0.018, 0.014):
        canvas.stroke(np.where(across < -0.012, bent - 0.294 - shift - 0.35 * across, 1.0), 0.006, 0.6)
    canvas.hatch(smoothstep(-0.015, -0.04, across), 1.15, 0.024, 0.42)


def _hands(canvas: _Canvas, palette: Palette) -> None:
    canvas.area(np.ones_like(canvas.x), palette.skin)
    side = np.where(canvas.x < 0, -1, 1)
    mirrored = canvas.x * side
    for k in range(2):
        offset = 0.030 * k
        finger = np.hypot(
            np.maximum(np.abs(mirrored - 0.735) - 0.025, 0), canvas.y + 0.215 + offset + 0.5 * (mirrored - 0.735)
        )
        canvas.stroke(finger, 0.006, 0.6)
    canvas.hatch(smoothstep(-0.235, -0.25, canvas.y), 0.6, 0.020, 0.35)


def _leg(canvas: _Canvas, palette: Palette) -> None:
    mirrored = np.abs(canvas.x)
    side = np.where(canvas.x < 0, -1.0, 1.0)
    canvas.area(np.ones_like(mirrored), palette.trousers)
    boot = -0.665 - canvas.y + 0.12 * (mirrored - 0.17)
    canvas.area(boot, palette.boots)
    canvas.stroke(boot, 0.010)
    fold = 0.022 - np.abs(boot - 0.022)
    canvas.area(fold, palette.sleeve)
    canvas.stroke(boot - 0.044, 0.008, 0.8)
    for k in range(3):
        height = -0.755 - 0.026 * k
        lace = np.minimum.reduce([_path(canvas, (s * 0.165, height), (s * 0.215, height - 0.012)) for s in (-1, 1)])
        canvas.stroke(lace, 0.007, 0.75)
    canvas.stroke(canvas.y + 0.885 - 0.10 * (mirrored - 0.22), 0.008, 0.8)
    # A knee patch on one leg, creases on both.
    patch = np.maximum(np.abs(canvas.x + 0.150) - 0.042, np.abs(canvas.y + 0.520 - 0.15 * (canvas.x + 0.15)) - 0.040)
    patch = np.where(canvas.front, patch, 1.0)
    canvas.area(-patch, palette.tunic)
    canvas.stroke(patch, 0.006, 0.8)
    stitch = ((canvas.x + canvas.y) / 0.016) % 1 < 0.5
    canvas.stroke(np.where(stitch, patch + 0.012, 1.0), 0.005, 0.6)
    hip, knee, ankle = (np.array(j) for j in (HIP, KNEE, ANKLE))
    axis = np.interp(canvas.y, [ankle[1], knee[1], hip[1]], [ankle[0], knee[0], hip[0]])
    canvas.hatch(_side(canvas, side * axis, 0.085), 0.95, 0.025, 0.5)


@dataclass(frozen=True)
class BallPaint:
    """The prop: a beach ball with six uneven panels."""

    seed: int = 0

    def __call__(self, points: SurfacePoints) -> np.ndarray:
        canvas = _Canvas(points.rest, self.seed)
        angle = np.arctan2(canvas.y, canvas.x)
        radius = np.hypot(canvas.x, canvas.y)
        canvas.area(np.ones_like(angle), "#f4ead2")
        panel = (angle / (np.pi / 3)) % 2
        edge = (0.5 - np.abs(panel - 0.5)) * (np.pi / 3) * radius
        canvas.area(edge, "#d9634c")
        canvas.stroke(edge, 0.008, 0.8)
        canvas.area(0.045 - radius, "#4a6fa0")
        canvas.stroke(0.045 - radius, 0.008, 0.8)
        canvas.hatch(_side(canvas, 0.02, 0.15), 0.8)
        return canvas.finished()
