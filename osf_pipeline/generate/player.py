"""A character together with the hand that draws it: what plays in generated sequences.

Belongs here: players from artworks and from real drawings, the style each one makes. Does not: how a drawing is made by
code (`artwork`), how hands are measured (`hands`), who plays where (`plan`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from osf_pipeline.character.build import build_character
from osf_pipeline.character.character import Character
from osf_pipeline.character.exemplar import Register, keyframe
from osf_pipeline.color import straight_srgb
from osf_pipeline.config import Exemplar, StyleConfig, dump_yaml
from osf_pipeline.delivery.preview import encode_png
from osf_pipeline.drawing.contour import find_line
from osf_pipeline.drawing.drawing import Drawing
from osf_pipeline.drawing.folder import DrawingFolder
from osf_pipeline.drawing.outline import outlines
from osf_pipeline.drawing.strip import measure_strip
from osf_pipeline.errors import OsfError
from osf_pipeline.generate.artwork import Artwork, random_artwork
from osf_pipeline.generate.hands import measured_hand, pen_scale
from osf_pipeline.generate.plan import Cast
from osf_pipeline.layout import join
from osf_pipeline.render.frame import Frame
from osf_pipeline.render.sequence import write_frame
from osf_pipeline.sample.hand import PEN_UNIT, Hand
from osf_pipeline.sample.make import styled_truth
from osf_pipeline.store.files import write_bytes

STYLE = "style.yaml"
SEEDS = 1000
TRUTH_SEED = 0
"""Every hand has a seed of its own, below `SEEDS`."""


@dataclass(frozen=True)
class Player:
    """A character that can be drawn in any pose as its own hand would.

    Attributes:
        mask: (H, W) bool, the figure on its drawing.
    """

    character: Character
    hand: Hand
    mask: np.ndarray
    license: str

    @classmethod
    def of(cls, cast: Cast) -> Player:
        """Draw or read the character, and build it.

        Raises:
            RequestError, InputDataError: when a real drawing makes no character; names its folder.
        """
        if cast.artwork is not None:
            return cls.drawn(random_artwork(cast.artwork), cast.artwork)
        try:
            return cls.read(str(cast.drawing))
        except OsfError as error:
            raise type(error)(error.what, fix=error.fix, **{"drawing": cast.drawing, **error.where}) from error

    @classmethod
    def drawn(cls, art: Artwork, seed: int) -> Player:
        """The character of an artwork, and its hand."""
        character, _ = build_character(as_drawing(art))
        return cls(character, replace(art.hand, seed=seed % SEEDS), art.mask, art.licence)

    @classmethod
    def read(cls, url: str) -> Player:
        """The character of a real drawing, and a hand like the one that drew it.

        Raises:
            RequestError, InputDataError: as `DrawingFolder` and `build_character`.
        """
        folder = DrawingFolder.at(url)
        drawing, _ = folder.read()
        character, _ = build_character(drawing)
        hand = replace(
            measured_hand(drawing, PEN_UNIT * character.pixel), seed=int(str(folder.hashes()["picture"]), 16) % SEEDS
        )
        return cls(character, hand, drawing.mask, folder.config.license)

    def keyframe(self, name: str, figure: int) -> tuple[Frame, dict[str, np.ndarray]]:
        """The rest pose, and its channels as the hand draws it.

        Args:
            figure: pixels of its longer side.
        """
        frame = keyframe(self.character, Register.of(self.mask, figure), name)
        return frame, styled_truth(frame, TRUTH_SEED, {1: self.hand}, pen_scale(frame))


def as_drawing(art: Artwork) -> Drawing:
    """An artwork as if it had been analysed: nothing has to be found, everything is known."""
    image, fill = art.image(), art.fill
    line = find_line(image, art.mask, outlines(art.mask)[0])
    return Drawing(
        image, art.mask.astype(np.float32), art.mask, np.zeros_like(art.mask), fill,
        measure_strip(image, fill, line), art.skeleton,
    )  # fmt: skip


def write_style(style: str, name: str, player: Player, figure: int) -> None:
    """`keyframe.exr`, `drawing.png` (the rest pose as the hand draws it) and, last, `style.yaml`.

    Equal players give equal bytes, and each file is written whole: workers may write the same style at once.
    """
    frame, truth = player.keyframe(name, figure)
    exemplar = Exemplar(keyframe="keyframe.exr", drawing="drawing.png", adapter="osf")
    config = StyleConfig(exemplars=(exemplar,), license=player.license)
    write_frame(join(style, "keyframe.exr"), frame)
    write_bytes(join(style, "drawing.png"), encode_png(straight_srgb(np.stack([truth[channel] for channel in "RGBA"]))))
    write_bytes(join(style, STYLE), dump_yaml(config).encode())
