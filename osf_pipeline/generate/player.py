"""A character together with the hand that draws it: what plays in generated sequences.

Belongs here: players from artworks and from real drawings, the style each one makes. Does not: how a drawing is made by
code (`artwork`), how hands are measured (`hands`), who plays where (`plan`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from osf_pipeline.character.build import build_character
from osf_pipeline.character.character import Character
from osf_pipeline.character.exemplar import Register
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
from osf_pipeline.motion.library import motion
from osf_pipeline.render.frame import Frame, render_frame
from osf_pipeline.render.sequence import write_frame
from osf_pipeline.render.staging import build_scene
from osf_pipeline.sample.hand import PEN_UNIT, Hand
from osf_pipeline.sample.make import styled_truth
from osf_pipeline.scenes import Actor, SceneConfig
from osf_pipeline.store.files import write_bytes

STYLE = "style.yaml"
SEEDS = 1000
TRUTH_SEED = 0
"""Every hand has a seed of its own, below `SEEDS`."""


@dataclass(frozen=True)
class Pose:
    """What a keyframe shows.

    Attributes:
        motion: a built-in one; seconds: into it.
        turn: degrees, as of a scene's actor.
    """

    motion: str = "rest"
    seconds: float = 0
    turn: float = 0


KEYFRAMES = (Pose(), Pose(turn=180), Pose("walk", 0.25, 60), Pose("walk", 0.75, -60))
"""Keyframes a style is given, in this order: the rest pose from the front and the back, then steps seen from the sides.
"""


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

    def keyframe(self, name: str, figure: int, pose: Pose = KEYFRAMES[0]) -> tuple[Frame, dict[str, np.ndarray]]:
        """A keyframe, and its channels as the hand draws it.

        Args:
            figure: pixels of the longer side of the rest pose.
        """
        register = Register.of(self.mask, figure)
        config = SceneConfig(
            actors=(Actor(character=name, motion=pose.motion, first=pose.seconds, turn=pose.turn),), frames="1",
            width=register.size[0], height=register.size[1], camera=register.camera(self.character),
        )  # fmt: skip
        scene = build_scene(config, {name: self.character}, {pose.motion: motion(pose.motion)})
        frame = render_frame(scene, 1, register.size)
        return frame, styled_truth(frame, TRUTH_SEED, {1: self.hand}, pen_scale(frame))


def as_drawing(art: Artwork) -> Drawing:
    """An artwork as if it had been analysed: nothing has to be found, everything is known."""
    image, fill = art.image(), art.fill
    line = find_line(image, art.mask, outlines(art.mask)[0])
    return Drawing(
        image, art.mask.astype(np.float32), art.mask, np.zeros_like(art.mask), fill,
        measure_strip(image, fill, line), art.skeleton,
    )  # fmt: skip


def write_style(style: str, name: str, player: Player, figure: int, poses: Sequence[Pose] = KEYFRAMES[:1]) -> None:
    """`keyframe.exr` and `drawing.png` (the rest pose as the hand draws it), more as `keyframe-2.exr` and so on where
    there are more poses, and, last, `style.yaml`.

    Equal players give equal bytes, and each file is written whole: workers may write the same style at once.
    """
    exemplars = []
    for number, pose in enumerate(poses, start=1):
        frame, truth = player.keyframe(name, figure, pose)
        suffix = "" if number == 1 else f"-{number}"
        entry = Exemplar(keyframe=f"keyframe{suffix}.exr", drawing=f"drawing{suffix}.png", adapter="osf")
        write_frame(join(style, entry.keyframe), frame)
        picture = straight_srgb(np.stack([truth[channel] for channel in "RGBA"]))
        write_bytes(join(style, entry.drawing), encode_png(picture))
        exemplars.append(entry)
    config = StyleConfig(exemplars=tuple(exemplars), license=player.license)
    write_bytes(join(style, STYLE), dump_yaml(config).encode())
