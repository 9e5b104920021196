"""The hand of a real drawing, its pen in a picture of any scale, its accents in a scene.

Belongs here: hands as a generated set uses them. Does not: what a hand draws (`sample.hand`), hands by chance
(`style`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from osf_pipeline.character.character import Character
from osf_pipeline.color import decode_srgb
from osf_pipeline.drawing.drawing import Drawing
from osf_pipeline.render.frame import Frame
from osf_pipeline.render.scene import Mesh
from osf_pipeline.sample.hand import PEN_UNIT, Hand

PRESSED = 0.95
"""Quantile of darkness above which a line shows its full ink."""
BLUR = 1.0
"""Pixels over which a scan, and finding a line on it, smear the line: a thin one seems broader and paler than it is."""
OVERSHOOT = 0.15
LOOK_AT = np.array([0.0, 0.9, 0.0])
"""Where the pen's size is told from in perspective."""
PENCIL = Hand(
    width=1.2, swell=0.2, tremor=0.1, limits=(0.6, 2.0), darkness=0.5, stray=0, overshoot=OVERSHOOT, bare=0, second=0
)
"""For drawings whose figure has no outline."""


def measured_hand(drawing: Drawing, scale: float) -> Hand:
    """The hand that draws as the outline of a real drawing is drawn: ink, opacity and width, and how these vary.

    Args:
        scale: pixels at `PEN_UNIT` a scene unit for one pixel of the drawing.
    """
    strip = drawing.strip
    width = strip.inner + strip.outer
    drawn = width > 0
    if not drawn.any():
        return PENCIL
    places = strip.path[drawn].T[::-1]
    planes = np.moveaxis(drawing.fill, 2, 0)
    beneath = np.stack([ndimage.map_coordinates(plane, places, order=1, mode="nearest") for plane in planes], axis=1)
    seen, dark = strip.ink[drawn], strip.darkness[drawn]
    pressed = dark >= np.quantile(dark, PRESSED)
    full = seen[pressed].mean(axis=0)
    span = decode_srgb(full) - decode_srgb(beneath)
    opacity = ((decode_srgb(seen) - decode_srgb(beneath)) * span).sum(axis=1) / np.maximum((span**2).sum(axis=1), 1e-6)
    # What the blur made broader it made paler by as much.
    sharp = np.sqrt(np.maximum(width[drawn] ** 2 - BLUR**2, 0.25))
    paler = float(np.median((width[drawn] / sharp)[pressed]))
    ink = beneath[pressed].mean(axis=0) * (1 - paler) + full * paler
    # A hand loses `fade` times the positive half of a normal field, so its strongest stretches tell its darkness.
    faintest, light, strong = np.quantile(opacity.clip(0, 1), (0.05, 0.1, 0.75)).tolist()
    narrow, below, middle, above, broad = (scale * np.quantile(sharp, (0.03, 0.16, 0.5, 0.84, 0.97))).tolist()
    spread = (above - below) / 2
    return Hand(
        width=middle - OVERSHOOT,
        swell=0.9 * spread,
        tremor=0.4 * spread,
        limits=(narrow, broad),
        darkness=strong,
        fade=(strong - light) / 1.28,
        faintest=faintest,
        ink="#" + "".join(f"{round(255 * v):02x}" for v in ink.clip(0, 1).tolist()),
        stray=0,
        overshoot=OVERSHOOT,
        dry=0.1,
        bare=0,
        second=0,
    )


def in_scene(hand: Hand, character: Character, mesh: Mesh) -> Hand:
    """The hand of a character whose part ids a scene has moved to a block of their own."""
    moved = int(mesh.part.min()) - int(character.part.min())
    return replace(hand, accent_parts=tuple(part + moved for part in hand.accent_parts))


def pen_scale(frame: Frame) -> float:
    """Size of the pen: a line belongs to the character and grows as the camera comes nearer."""
    view = frame.now.view
    pixels = view.pixels_per_unit
    if view.camera.projection == "persp":
        pixels /= float(view.project(LOOK_AT[None])[1][0])
    return pixels / PEN_UNIT
