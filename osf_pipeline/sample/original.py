"""The project's own drawing: a fox in a duffle coat, painted in watercolour and outlined with a brush.

Belongs here: colours, the order of painting, the files. Does not: the outlines (`fox`) or how paint behaves
(`generate.canvas`).
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from PIL import Image
from scipy import ndimage

from osf_pipeline.color import encode_srgb, to_uint8
from osf_pipeline.config import CharacterConfig, dump_yaml
from osf_pipeline.drawing.folder import CONFIG
from osf_pipeline.drawing.skeleton import FILE as SKELETON_FILE
from osf_pipeline.drawing.skeleton import Joint, Skeleton
from osf_pipeline.drawing.skeleton import write as write_skeleton
from osf_pipeline.generate.artwork import Artwork, bleed
from osf_pipeline.generate.canvas import Canvas, Medium
from osf_pipeline.generate.shapes import Cover, cover, ellipse, one_piece, ribbon, spline, unsteady
from osf_pipeline.layout import join
from osf_pipeline.sample import fox
from osf_pipeline.sample.fox import Points, mirrored
from osf_pipeline.sample.hand import Hand
from osf_pipeline.sample.noise import smoothstep
from osf_pipeline.store.files import write_bytes

Side = Callable[[Points], Points]

SEED = 7

BRUSH = Hand(
    width=1.75, swell=0.32, tremor=0.2, limits=(1.1, 2.35), darkness=1, fade=0.02, faintest=0.95,
    ink="#2c2029", stray_ink="#5b3324", stray=0.3, overshoot=0.06, wander=0.03, rough=0.03, dry=0.08, tooth=0.03,
    bare=0.5, second=0,
)  # fmt: skip
"""A pointed brush with sepia ink."""

FUR, CREAM, TIP, EAR = "#e2793a", "#fdf3e2", "#5b3a36", "#f2c3a4"
COAT, LINING, WOOD = "#3f7680", "#dcece4", "#e2b877"
SCARF, STRIPE, MITTEN = "#ecb545", "#bf4a35", "#c9513d"
STOCKING, BAND, BOOT, SOLE = "#f7e6cb", "#c9513d", "#8a5638", "#5d3a2c"
INK = "#2c2029"
SHADE = "#8f86b8"
"""Cool violet that glazes the side away from the light."""

WASH = Medium(0.22, 0.06, 0.10, 0.03, 0.34, 0)
SOFT = Medium(0.14, 0.05, 0.08, 0.02, 0.22, 0)
"""A full wash of watercolour, and a thinner one for small or pale areas."""

OPAQUE = Medium(0.03, 0.03, 0.04, 0, 0.03, 0)
"""Gouache from the tube: eyes and highlights."""

LICENSE = """The drawing in this folder was made by code of this project (osf_pipeline.sample.original).
It is dedicated to the public domain under CC0 1.0 Universal: https://creativecommons.org/publicdomain/zero/1.0/
"""


def write_original(folder: str) -> None:
    """Write the scan alone, `drawing.png`, its joints and licence into the folder of a drawing (any URL).

    There is no mask: finding the figure on the paper is part of reading a drawing.
    """
    art = original()
    png = io.BytesIO()
    Image.fromarray(to_uint8(np.moveaxis(art.on_paper(SEED), -1, 0))).save(png, "PNG")
    write_bytes(join(folder, "drawing.png"), png.getvalue())
    write_skeleton(join(folder, SKELETON_FILE), art.skeleton, art.mask.shape)
    write_bytes(join(folder, CONFIG), dump_yaml(CharacterConfig(license=art.licence)).encode())
    write_bytes(join(folder, "LICENSE.txt"), LICENSE.encode())


@lru_cache(maxsize=1)
def original() -> Artwork:
    """The fox, 1000 x 1300 pixels."""
    picture = _Fox()
    picture.leg(_same, picture.limbs["right_leg"])
    picture.leg(mirrored, picture.limbs["left_leg"])
    picture.coat()
    picture.arm(_same, fox.RIGHT_ARM, picture.limbs["right_arm"])
    picture.arm(mirrored, fox.LEFT_ARM, picture.limbs["left_arm"])
    picture.lines(fox.SLEEVE_FOLDS, 5)
    picture.scarf()
    picture.head()
    fill = bleed(np.clip(encode_srgb(picture.canvas.color), 0, 1), picture.mask, 4)
    skeleton = Skeleton(tuple(Joint(name, x, y, parent) for name, x, y, parent in fox.JOINTS))
    return Artwork("fox", fill, picture.mask, skeleton, BRUSH, SEED)


class _Fox:
    """The sheet in the making; each method paints one layer over those before it."""

    def __init__(self) -> None:
        self.size = fox.WIDTH, fox.HEIGHT
        self.canvas = Canvas(self.size, SEED, unit=1.86, slant=2.2)
        self.rng = np.random.default_rng([SEED, 3])
        sides = fox.RIGHT_MITTEN, fox.RIGHT_CUFF, fox.RIGHT_BOOT, fox.RIGHT_BOOT_CUFF
        outlines = (
            fox.RIGHT_EAR, fox.LEFT_EAR, fox.HEAD, fox.SCARF, fox.SCARF_END, fox.SCARF_KNOT, fox.COAT,
            *sides, *map(mirrored, sides),
        )  # fmt: skip
        self.limbs = {
            "right_arm": self._limb(fox.RIGHT_ARM, fox.ARM_RADII), "left_arm": self._limb(fox.LEFT_ARM, fox.ARM_RADII),
            "right_leg": self._limb(fox.RIGHT_LEG, fox.LEG_RADII),
            "left_leg": self._limb(mirrored(fox.RIGHT_LEG)[::-1], fox.LEG_RADII),
        }  # fmt: skip
        polygons = [*map(_curve, outlines), *self.limbs.values()]
        self.mask = one_piece(cover(polygons, self.size), self.size)
        depth = ndimage.distance_transform_edt(self.mask)
        self.within = smoothstep(5.0, 13.0, depth).astype(np.float32)
        """Where lines inside the figure go: they set off from the outline instead of doubling it."""

    def _limb(self, points: Points, radii: tuple[float, ...]) -> np.ndarray:
        curve = spline(np.column_stack([np.array(points), radii]))
        return ribbon(curve[:, :2], curve[:, 2], (1, 0.3))

    def area(self, points: Points | np.ndarray, color: str, medium: Medium = WASH, clip: Cover | None = None,
             shade: float = 0.5) -> Cover:  # fmt: skip
        """Paint an outline, then glaze its lower right."""
        polygon = points if isinstance(points, np.ndarray) else _curve(points)
        laid = self.canvas.area([polygon], color, medium, None if clip is None else clip.full(self.size))
        if shade:
            self.canvas.shade(laid, SHADE, shade, (12, 9), 4)
            self.canvas.shade(laid, SHADE, 0.35 * shade, (34, 22), 12)
        return laid

    def patch(self, polygon: np.ndarray, color: str, clip: Cover, shaky: float, spacing: float = 40) -> None:
        """A piece of a pattern on what is painted already."""
        self.canvas.area([unsteady(polygon, shaky, spacing, self.rng)], color, SOFT, clip.full(self.size))

    def edge(self, points: Points | np.ndarray, width: float = 7.5, clip: Cover | None = None) -> None:
        """Draw a closed outline, where it lies within the figure."""
        ring = points if isinstance(points, np.ndarray) else _curve(points)
        ring = unsteady(ring, 0.4, 40, self.rng)[::4]
        inside = self.within if clip is None else self.within * clip.full(self.size)
        self.canvas.line(np.concatenate([ring, ring[:1]]), width, BRUSH, inside, taper=(0, 0))

    def lines(
        self, strokes: tuple[Points, ...], width: float, clip: Cover | None = None, color: str | None = None
    ) -> None:
        for points in strokes:
            inside = self.within if clip is None else self.within * clip.full(self.size)
            self.canvas.line(points, width, BRUSH, inside, color=color)

    # --- layers ---------------------------------------------------------------------------------------------------

    def leg(self, side: Side, leg: np.ndarray) -> None:
        """Stocking, boot and its cuff; `side` brings what is drawn for the right to the leg's side."""
        skin = self.area(leg, STOCKING, SOFT)
        for y in range(930, 1110, 46):
            band = side(((300, y), (400, y + 7), (500, y), (500, y + 22), (400, y + 29), (300, y + 22)))
            self.patch(np.array(band, float), BAND, skin, 1.1, 60)
        self.canvas.shade(skin, SHADE, 0.75, (0, -60), 16)
        boot = self.area(side(fox.RIGHT_BOOT), BOOT)
        self.area(side(fox.RIGHT_SOLE), SOLE, clip=boot, shade=0)
        self.canvas.line(side(fox.RIGHT_SOLE[:4]), 5, BRUSH, self.within)
        self.lines(tuple(map(side, fox.LACES)), 5.5, color="#f4dfba")
        self.area(side(fox.RIGHT_BOOT_CUFF), CREAM, SOFT, shade=0.4)
        self.edge(side(fox.RIGHT_BOOT_CUFF), 6.5)
        self.fleece(side(((362, 1092), (384, 1098), (408, 1097), (432, 1092))))

    def coat(self) -> None:
        coat = self.area(fox.COAT, COAT)
        hem = np.array([(330, 868), (420, 892), (500, 898), (580, 892), (672, 868), (680, 892), (580, 914), (500, 920),
                        (420, 914), (322, 892)], float)  # fmt: skip
        self.canvas.area([spline(hem, closed=True)], LINING, SOFT, coat.full(self.size))
        for k, x in enumerate(np.linspace(352.0, 648.0, 13).tolist()):
            y = 906 - 0.00098 * (x - 500) ** 2
            size = 8.5 if k % 2 else 6
            diamond = np.array([(x, y - size), (x + 0.8 * size, y), (x, y + size), (x - 0.8 * size, y)])
            self.patch(diamond, STRIPE if k % 2 else COAT, coat, 0.5, 12)
        for pocket in fox.POCKETS:
            self.area(pocket, "#4f8a8f", SOFT, shade=0.35)
            self.canvas.line(pocket, 6, BRUSH, self.within, taper=(0.1, 0.1))
            (ax, ay), (bx, by) = pocket[0], pocket[1]
            places = [(ax + t * (bx - ax), ay + 11 + t * (by - ay)) for t in np.linspace(0.08, 0.9, 10).tolist()]
            stitches = list(zip(places[::2], places[1::2], strict=True))
            self.lines(tuple(stitches), 3.2, color=LINING)
        self.canvas.shade(coat, SHADE, 0.9, (0, -36), 14)
        self.lines((fox.COAT_EDGE,), 7)
        self.lines((fox.COAT_SEAM,), 3)
        self.lines(fox.COAT_FOLDS, 5)
        self.edge(fox.COAT, 8)
        for x, y in fox.TOGGLES:
            self.lines((((x - 40, y - 1, 1), (x, y + 2, 1), (x + 34, y - 1, 1)),), 6, color="#f1ddb6")
            toggle = spline(np.array([(x - 22, y - 8), (x + 22, y - 9), (x + 28, y), (x + 22, y + 9), (x - 22, y + 9),
                                      (x - 28, y)], float), closed=True)  # fmt: skip
            self.area(toggle, WOOD, SOFT, shade=0.6)
            self.edge(toggle, 4.5)

    def arm(self, side: Side, spine: Points, arm: np.ndarray) -> None:
        """Sleeve with its braid, mitten and cuff."""
        sleeve = self.area(arm, COAT)
        curve = spline(np.array(spine, float))
        for k, color in ((44, LINING), (47, STRIPE), (50, LINING)):
            at, to = curve[k], curve[k + 2]
            across = np.array([-(to - at)[1], (to - at)[0]]) / np.linalg.norm(to - at)
            band = np.stack([at - 70 * across, at + 70 * across, to + 70 * across, to - 70 * across])
            self.patch(band, color, sleeve, 0.7)
        # The sleeve's line comes out of the shoulder and closes nowhere.
        down, right = np.ogrid[: fox.HEIGHT, : fox.WIDTH]
        clear = smoothstep(50, 95, np.hypot(right - spine[0][0], down - spine[0][1] + 14))
        ring = unsteady(arm, 0.5, 50, self.rng)[::5]
        inside = (self.within * clear).astype(np.float32)
        self.canvas.line(np.concatenate([ring, ring[:1]]), 8, BRUSH, inside, taper=(0, 0))
        mitten = self.area(side(fox.RIGHT_MITTEN), MITTEN)
        self.edge(side(fox.RIGHT_MITTEN), 7)
        ((x, y),) = side(fox.SNOWFLAKE)
        for turn in (0.2, 0.2 + np.pi / 3, 0.2 + 2 * np.pi / 3):
            dx, dy = 22 * np.cos(turn), 22 * np.sin(turn)
            self.lines((((x - dx, y - dy, 0.8), (x, y, 1.1), (x + dx, y + dy, 0.8)),), 5, mitten, color=CREAM)
        self.area(side(fox.RIGHT_CUFF), CREAM, SOFT, shade=0.45)
        self.edge(side(fox.RIGHT_CUFF), 6.5)
        self.fleece(side(((200, 774), (218, 794), (236, 816))))

    def fleece(self, points: Points) -> None:
        """Little curls of wool."""
        for x, y in points:
            curl = ((x - 8, y + 2, 0.4), (x - 3, y - 5, 1), (x + 5, y - 3, 1), (x + 4, y + 4, 0.5))
            self.lines((curl,), 3.2, color="#b39a86")

    def scarf(self) -> None:
        end = self.area(fox.SCARF_END, SCARF, shade=0.6)
        for y in (668, 716, 752):
            band = np.array([(500, y), (560, y + 8), (620, y), (620, y + 18), (560, y + 26), (500, y + 18)], float)
            self.patch(band, STRIPE, end, 1)
        self.edge(fox.SCARF_END, 7)
        for x in range(530, 600, 11):
            self.lines((((x, 786, 1), (x - 2, 800, 1), (x + 1, 814, 0.6)),), 6.5, color=SCARF)
            self.lines((((x - 4, 788, 0.8), (x - 6, 802, 1), (x - 4, 816, 0.4)),), 3)
        wrap = self.area(fox.SCARF, SCARF, shade=0.6)
        for x in (404, 452, 640):
            band = np.array([(x, 480), (x + 20, 480), (x + 34, 640), (x + 12, 640)], float)
            self.patch(band, STRIPE, wrap, 1)
        self.canvas.shade(wrap, SHADE, 1.0, (0, -38), 13)
        self.lines(fox.SCARF_FOLDS, 5)
        self.edge(fox.SCARF, 8)
        knot = self.area(fox.SCARF_KNOT, SCARF, shade=0.6)
        band = np.array([(560, 540), (584, 540), (578, 650), (556, 650)], float)
        self.patch(band, STRIPE, knot, 1)
        self.edge(fox.SCARF_KNOT, 7.5)

    def head(self) -> None:
        right = fox.RIGHT_EAR, fox.RIGHT_EAR_INNER, fox.RIGHT_EAR_TIP
        left = fox.LEFT_EAR, fox.LEFT_EAR_INNER, fox.LEFT_EAR_TIP
        for ear, inner, tip in (right, left):
            outer = self.area(ear, FUR)
            self.area(tip, TIP, clip=outer, shade=0)
            inside = self.area(inner, EAR, SOFT, shade=0.5)
            self.lines(fox.EAR_FUR, 4, inside)
            self.edge(inner, 4.5)
        head = self.area(fox.HEAD, FUR, shade=0.35)
        self.area(fox.MASK, CREAM, SOFT, head, shade=0.3)
        for x in (356, 644):
            self.canvas.tint(ellipse(x, 462, 34, 22), "#f08a78", 0.75, 12, head.full(self.size))
        self.edge(fox.HEAD, 8)
        self.lines(fox.FUR, 4.5)
        for dot in fox.WHISKER_DOTS:
            self.area(ellipse(dot[0], dot[1], 3.4, 3), INK, SOFT, shade=0)
        for eye, x in ((fox.RIGHT_EYE, 410), (fox.LEFT_EYE, 590)):
            self.area(eye, "#2a1c22", OPAQUE, shade=0)
            self.canvas.area([ellipse(x + 2, 405, 15, 11)], "#7a4630", OPAQUE, opacity=0.55)
            self.area(ellipse(x - 8, 374, 8.5, 10), "#ffffff", OPAQUE, shade=0)
            self.area(ellipse(x + 9, 402, 4.5, 5), "#e9d3c4", OPAQUE, shade=0)
        lids = (((378, 378, 0.5), (388, 356, 1.3), (410, 345, 1.5), (432, 355, 1), (440, 370, 0.5)),
                ((560, 370, 0.5), (568, 355, 1), (590, 345, 1.5), (612, 356, 1.3), (622, 378, 0.5)))  # fmt: skip
        self.lines(lids, 6)
        self.lines(fox.BROWS, 6)
        self.area(fox.NOSE, "#3a272b", SOFT, shade=0)
        self.area(ellipse(490, 447, 11, 4.5, angle=-0.15), "#f3e3dc", SOFT, shade=0)
        self.lines(fox.MOUTH, 6)


def _same(points: Points) -> Points:
    return points


def _curve(points: Points) -> np.ndarray:
    return spline(np.array([point[:2] for point in points], float), closed=True)
