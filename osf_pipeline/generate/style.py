"""What one imagined artist works with: a palette, a medium, a pen.

Belongs here: curated colours and the distributions of hands and media. Does not: how they lie on paper (`canvas`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from osf_pipeline.generate.canvas import CRAYON, FLAT, GOUACHE, HATCHED, MARKER, PENCIL, WATERCOLOUR, Medium
from osf_pipeline.sample.hand import Hand


@dataclass(frozen=True)
class Palette:
    """Display colours that go together.

    Attributes:
        fur: of a creature's body; `belly` its paler side.
        hair, top, bottom, shoe: of a person's.
        accent, second: for patterns and small things.
        deep: of a coloured outline.
    """

    fur: str
    belly: str
    hair: str
    top: str
    bottom: str
    shoe: str
    accent: str
    second: str
    deep: str


PALETTES = (
    Palette("#e08a4a", "#fbead0", "#5a3b2e", "#3f7680", "#4a4e69", "#8a5638", "#ecb545", "#bf4a35", "#5b2e1e"),
    Palette("#8fb996", "#eef4dc", "#3d4f3a", "#f2c57c", "#709775", "#415d43", "#e4572e", "#fbf3df", "#1f4030"),
    Palette("#a9c6e8", "#f4f8fd", "#2f3e63", "#f27d72", "#3d5a80", "#293241", "#ffd166", "#e0fbfc", "#1d2f5c"),
    Palette("#e8b7c8", "#fdf0f2", "#7a3e55", "#9d6fa8", "#d4788f", "#6d597a", "#f6d186", "#c8e6d8", "#6b2747"),
    Palette("#d9b382", "#fbf1dc", "#4a3426", "#c8553d", "#588b8b", "#3b3a44", "#ffd5a0", "#f28f3b", "#4b2a1a"),
    Palette("#b8a1d9", "#f1ebfa", "#3f2d5c", "#5e548e", "#be95c4", "#231942", "#f7d779", "#9fd8cb", "#35206b"),
    Palette("#c9cdd4", "#f5f6f8", "#4b5563", "#ef8354", "#4f5d75", "#2d3142", "#f4d35e", "#7fb3d3", "#2d3142"),
    Palette("#f0d06a", "#fff7d8", "#8a5a1f", "#3e8e7e", "#e2725b", "#6b4226", "#d1495b", "#edf6e5", "#7a4a10"),
    Palette("#7fc4bd", "#e8f7f3", "#1f5c63", "#f6ae2d", "#2f6690", "#16425b", "#f26419", "#fdf0d5", "#0f4c5c"),
    Palette("#d98c7a", "#fbe9e0", "#6b2f2a", "#81a684", "#a14a5a", "#57351f", "#f5d491", "#466060", "#5e1f24"),
    Palette("#a3b18a", "#f0f1e1", "#344e41", "#bc6c25", "#606c38", "#283618", "#fefae0", "#dda15e", "#283618"),
    Palette("#f4b183", "#fff1e3", "#9c3d1a", "#2a9d8f", "#e9c46a", "#264653", "#e76f51", "#f8f4e3", "#7a2e12"),
    Palette("#94a9c9", "#edf1f7", "#22304a", "#d64550", "#1c3f60", "#5b4a3f", "#f9dc8b", "#a7d0cd", "#1c2b49"),
    Palette("#cfa0a0", "#f9ecec", "#4c2a34", "#ef9995", "#7d5a6b", "#3c2a3a", "#a4c3a2", "#f3dfc1", "#5a2430"),
    Palette("#b5d99c", "#f5fbe9", "#557a2b", "#6a89cc", "#3f6f8f", "#38566b", "#e55039", "#fad390", "#2d5a27"),
    Palette("#e6c9a8", "#fdf6ec", "#2b2a33", "#b23a48", "#2f4858", "#1f1f28", "#fcb97d", "#8cb9bd", "#3a1c24"),
)

SKINS = ("#f7d5b8", "#f2c39f", "#e3a87c", "#c98a5e", "#a5704c", "#8b5a3e", "#f9dfcb", "#b97a50")

MEDIA: tuple[tuple[str, Medium, float], ...] = (
    ("flat", FLAT, 0.14), ("gouache", GOUACHE, 0.14), ("watercolour", WATERCOLOUR, 0.22), ("marker", MARKER, 0.12),
    ("pencil", PENCIL, 0.14), ("crayon", CRAYON, 0.16), ("hatched", HATCHED, 0.08),
)  # fmt: skip
"""Media with their shares."""

BARE = 0.10
"""Share of drawings that are lines alone, as children often leave them."""

DARK_INKS = ("#2b1d1f", "#23222b", "#1d2a52", "#3a2a22", "#2f2f33")
BALLPOINTS = ("#2b3f8c", "#1f2f7a", "#23232b", "#a02c2c")


def random_hand(rng: np.random.Generator, palette: Palette) -> Hand:
    """A hand of one of seven kinds; each jitters its own numbers by about a tenth.

    Shares: brush with ink .18, felt pen .18, thin pencil .14, crayon .16, coloured outline .14, double sketchy line
    .12, ballpoint .08.
    """
    kind = rng.choice(7, p=(0.18, 0.18, 0.14, 0.16, 0.14, 0.12, 0.08))
    ink = str(rng.choice(DARK_INKS))
    loose = float(rng.uniform(0.85, 1.2))
    match kind:
        case 0:  # brush and ink
            return Hand(
                width=2.1 * loose, swell=0.9 * loose, tremor=0.4, limits=(0.9, 4.2), darkness=1, fade=0.03,
                faintest=0.9, ink=ink, stray=0.15, overshoot=0.15, wander=0.08, rough=0.05, dry=0.15, bare=0.7,
                second=0.0,
            )  # fmt: skip
        case 1:  # felt pen
            return Hand(
                width=2.6 * loose, swell=0.25, tremor=0.15, limits=(1.6, 4.0), darkness=0.96, fade=0.05,
                faintest=0.85, ink=ink, stray=0.0, overshoot=0.2, wander=0.12, dry=0.06, bare=0.5, second=0.0,
            )  # fmt: skip
        case 2:  # thin pencil
            return Hand(
                width=1.15 * loose, swell=0.3, tremor=0.3, limits=(0.6, 2.0), darkness=0.82, fade=0.12,
                faintest=0.5, ink="#3c3a3f", stray=0.0, overshoot=0.15, wander=0.15, rough=0.12, dry=0.3, tooth=0.45,
                bare=0.4, second=0.6, second_offset=0.5, second_rare=0.9,
            )  # fmt: skip
        case 3:  # crayon
            color = palette.deep if rng.random() < 0.7 else ink
            return Hand(
                width=3.2 * loose, swell=0.7, tremor=0.5, limits=(1.8, 5.2), darkness=0.93, fade=0.08, faintest=0.7,
                ink=color, stray=0.0, overshoot=0.4, wander=0.2, rough=0.4, rough_frequency=150, dry=0.3, tooth=0.62,
                bare=0.8, second=0.0,
            )  # fmt: skip
        case 4:  # coloured outline
            return Hand(
                width=1.9 * loose, swell=0.5, tremor=0.3, limits=(1.0, 3.2), darkness=0.95, fade=0.05, faintest=0.85,
                ink=palette.deep, stray_ink=palette.shoe, stray=0.3, overshoot=0.15, wander=0.08, rough=0.06, dry=0.15,
                bare=0.8, second=0.0,
            )  # fmt: skip
        case 5:  # double sketchy line
            return Hand(
                width=1.2 * loose, swell=0.35, tremor=0.35, limits=(0.6, 2.2), darkness=0.88, fade=0.1, faintest=0.6,
                ink=ink, stray=0.1, overshoot=0.2, wander=0.25, rough=0.08, dry=0.25, tooth=0.25, bare=0.3,
                second=0.9, second_offset=0.4, second_rare=-0.6, second_darkness=0.7,
            )  # fmt: skip
        case _:  # ballpoint
            return Hand(
                width=0.95 * loose, swell=0.12, tremor=0.12, limits=(0.6, 1.5), darkness=0.93, fade=0.1,
                faintest=0.6, ink=str(rng.choice(BALLPOINTS)), stray=0.0, overshoot=0.15, wander=0.2, dry=0.2,
                tooth=0.12, bare=0.2, second=0.6, second_offset=0.3, second_rare=0.7,
            )  # fmt: skip


def random_medium(rng: np.random.Generator) -> Medium:
    """One of `MEDIA` by its share."""
    shares = np.array([share for *_, share in MEDIA])
    return MEDIA[int(rng.choice(len(MEDIA), p=shares / shares.sum()))][1]
