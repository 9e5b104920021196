"""A drawing of which everything is known: its colour beneath the outline, its mask, its joints and the hand.

Belongs here: the record, how the outline and the paper make a picture of it, and drawings by chance put together from
their parts. Does not: the parts (`body`, `extras`, `dress`, `style`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from osf_pipeline.character.character import Character
from osf_pipeline.color import decode_srgb, encode_srgb
from osf_pipeline.drawing.skeleton import Skeleton
from osf_pipeline.generate.body import Body, random_body
from osf_pipeline.generate.canvas import Canvas
from osf_pipeline.generate.dress import PATTERNS, Look, Painter, outlines
from osf_pipeline.generate.extras import Breed, random_extras
from osf_pipeline.generate.paper import paper
from osf_pipeline.generate.shapes import unsteady
from osf_pipeline.generate.style import BARE, PALETTES, SKINS, Palette, random_hand, random_medium
from osf_pipeline.render.frame import box_filter
from osf_pipeline.sample.contours import Contours
from osf_pipeline.sample.hand import PEN_UNIT, Hand, draw_line

SUPERSAMPLE = 2
"""Samples a pixel and axis behind the outline."""

FIGURE = 620.0
"""Pixels of the longer side of a figure drawn by chance, and of the paper around it."""
MARGIN = 40

LOOSE = 45.0
"""Pixels over which an unsteady hand changes its mind."""


@dataclass(frozen=True)
class Artwork:
    """A figure of H x W pixels; integers are pixel centres, y down. Colours: display-encoded sRGB, 0..1.

    Attributes:
        name: of the figure, fit for a file name.
        fill: (H, W, 3) float32, the colour without the outline, continued beyond the mask.
        mask: (H, W) bool, the figure: one component without holes.
        skeleton: joints, all inside the mask.
        hand: that draws the outline.
        seed: of the outline.
        licence: SPDX identifier.
    """

    name: str
    fill: np.ndarray
    mask: np.ndarray
    skeleton: Skeleton
    hand: Hand
    seed: int = 0
    licence: str = "CC0-1.0"

    @property
    def size(self) -> tuple[int, int]:
        """Width, height."""
        return self.mask.shape[1], self.mask.shape[0]

    @property
    def pixels_per_unit(self) -> float:
        """Pixels of one scene unit of the character made from it."""
        rows, columns = np.flatnonzero(self.mask.any(axis=1)), np.flatnonzero(self.mask.any(axis=0))
        return float(max(np.ptp(rows), np.ptp(columns)) + 1) / Character.SIZE

    def line(self) -> np.ndarray:
        """(4, H, W) float32 premultiplied scene-linear: the outline, drawn by the code that draws rendered frames."""
        scale = self.pixels_per_unit / PEN_UNIT
        contours = _silhouette(self._fine(), self.pixels_per_unit * SUPERSAMPLE)
        return draw_line(contours, SUPERSAMPLE, self.size, scale, self.seed, {1: self.hand}).layer

    def image(self) -> np.ndarray:
        """(H, W, 3) float32: the drawing on white."""
        alpha = box_filter(self._fine().astype(np.float32), SUPERSAMPLE)[..., None]
        line = np.moveaxis(self.line(), 0, -1)
        linear = 1 + alpha * (decode_srgb(self.fill) - 1)
        linear = line[..., :3] + (1 - line[..., 3:]) * linear
        return np.clip(encode_srgb(linear), 0, 1).astype(np.float32)

    def on_paper(self, seed: int) -> np.ndarray:
        """(H, W, 3) float32: the drawing as scanned from a sheet of paper; see `paper.paper`."""
        return self.image() * paper(self.size, seed)

    def _fine(self) -> np.ndarray:
        """The mask at `SUPERSAMPLE` times the resolution, its stairs smoothed away."""
        soft = ndimage.gaussian_filter(self.mask.astype(np.float32), 1.0)
        return ndimage.zoom(soft, SUPERSAMPLE, order=1, mode="nearest", grid_mode=True) > 0.5


def _silhouette(mask: np.ndarray, pixels_per_unit: float) -> Contours:
    """The outline of a flat figure as the contours of a scene: all of it is silhouette of one part of object 1."""
    inside = np.pad(mask, 1)
    hidden = inside[2:, 1:-1] & inside[:-2, 1:-1] & inside[1:-1, 2:] & inside[1:-1, :-2]
    owner = mask & ~hidden
    y, x = np.mgrid[: mask.shape[0], : mask.shape[1]].astype(np.float32) / np.float32(pixels_per_unit)
    return Contours(
        crop=(slice(0, mask.shape[0]), slice(0, mask.shape[1])),
        seen=mask,
        depth=np.where(mask, 0, np.inf).astype(np.float32),
        rest=np.stack([x, -y, np.zeros_like(x)]),
        part=mask.astype(np.uint16),
        object=mask.astype(np.uint16),
        owner=owner,
        occluding=np.zeros_like(mask),
        gap=np.where(owner, np.inf, 0),
    )


def bleed(fill: np.ndarray, mask: np.ndarray, inside: float) -> np.ndarray:
    """The fill, with the colour of its border carried on outwards.

    Args:
        fill: (H, W, 3).
        mask: (H, W) bool.
        inside: pixels within the border from which colour is taken, clear of what paper mixes into it.
    """
    trusted = ndimage.distance_transform_edt(mask) > inside
    _, (y, x) = ndimage.distance_transform_edt(~trusted, return_indices=True)
    return np.where(trusted[..., None], fill, ndimage.gaussian_filter(fill[y, x], (1.2, 1.2, 0))).astype(np.float32)


def random_artwork(seed: int) -> Artwork:
    """A figure by chance: body, breed, clothes, colours, medium and hand; the same for the same seed, on its own.

    Its longer side is about 620 pixels. Shares are documented where they are drawn: `body.KINDS`, `style.MEDIA`,
    `style.random_hand`, `extras.random_extras`, `faces.Face`, `dress.PATTERNS`, `random_look`.

    Args:
        seed: any integer from 0.
    """
    rng = np.random.default_rng([seed, 0])
    palette = PALETTES[int(rng.integers(len(PALETTES)))]
    hand = random_hand(rng, palette)
    body = random_body(rng)
    look = random_look(body, palette, rng)
    body = body.mapped(FIGURE, np.zeros(2))
    extras = random_extras(body, look.breed, rng)

    everything = np.concatenate(outlines(body, extras))
    low, high = everything.min(axis=0), everything.max(axis=0)
    scale = FIGURE / float((high - low).max())
    offset = MARGIN - scale * low
    width, height = np.ceil(scale * (high - low) + 2 * MARGIN).astype(int).tolist()
    body = body.mapped(scale, offset).loosened(look.shaky, LOOSE, rng)
    extras = [replace(e, polygon=unsteady(scale * e.polygon + offset, look.shaky, LOOSE, rng)) for e in extras]

    canvas = Canvas((width, height), seed, unit=1.0, slant=float(rng.uniform(0.5, 2.6)))
    outline = hand.width * FIGURE / Character.SIZE / PEN_UNIT
    painter = Painter(canvas, body, extras, look, hand, outline, rng)
    painter.paint()
    fill = bleed(np.clip(encode_srgb(canvas.color), 0, 1), painter.mask, 3)
    return Artwork(f"artwork-{seed}", fill, painter.mask, body.skeleton(), hand, seed)


def random_look(body: Body, palette: Palette, rng: np.random.Generator) -> Look:
    """What a body wears.

    Robots are robots; other odd bodies are creatures, and so are .3 of the rest, but gowns are worn by persons. Half
    of the creatures wear nothing. `style.BARE` of all are left without colour; half of the coloured ones are shaded.
    """
    breed: Breed = "person"
    if body.kind == "robot":
        breed = "robot"
    elif body.kind in ("creature", "six_armed", "four_legged") or (body.kind != "dress" and rng.random() < 0.3):
        breed = "creature"
    dressed = breed == "person" or (breed == "creature" and body.kind != "four_legged" and rng.random() < 0.5)
    skin = {
        "person": str(rng.choice(SKINS)),
        "creature": palette.fur,
        "robot": str(rng.choice(("#c3ccd6", "#d8dce0", "#b9c4c9", palette.fur))),
    }[breed]
    names, shares = list(PATTERNS), np.array(list(PATTERNS.values()))
    pattern = names[int(rng.choice(len(names), p=shares / shares.sum()))]
    if not dressed:
        pattern = str(rng.choice(("belly", "belly", "scales", "dots", "stripes")))
    elif pattern == "belly":
        pattern = "plain"
    return Look(
        breed=breed,
        palette=palette,
        skin=skin,
        medium=None if rng.random() < BARE else random_medium(rng),
        dressed=dressed,
        sleeve=float(rng.choice((0.0, 0.36, 0.6, 0.96), p=(0.1, 0.35, 0.15, 0.4))),
        trouser=float(rng.choice((0.0, 0.4, 0.7, 0.97), p=(0.1, 0.25, 0.15, 0.5))),
        cuffs=bool(rng.random() < 0.4),
        stockings=bool(rng.random() < 0.5),
        pattern=pattern,
        shade=float(rng.uniform(0.25, 0.5)) if rng.random() < 0.5 else 0.0,
        shaky=float(rng.choice((0.5, 1.0, 2.0), p=(0.35, 0.4, 0.25))),
    )
