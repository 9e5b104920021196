"""One sequence of a generated set: its characters made, every frame rendered and styled, its styles written.

Belongs here: the worker over sequences. Does not: what a sequence holds (`plan`), the set as a whole (`stage`), how a
drawing is made by code (`artwork`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from osf_pipeline.character.build import build_character
from osf_pipeline.character.character import Character
from osf_pipeline.character.exemplar import Register, keyframe
from osf_pipeline.color import straight_srgb
from osf_pipeline.config import Exemplar, StyleConfig, dump_yaml
from osf_pipeline.delivery.preview import encode_png, picture, resized
from osf_pipeline.drawing.contour import find_line
from osf_pipeline.drawing.drawing import Drawing
from osf_pipeline.drawing.folder import DrawingFolder
from osf_pipeline.drawing.outline import outlines
from osf_pipeline.drawing.strip import ContourStrip, measure_strip
from osf_pipeline.execution import Json
from osf_pipeline.exr.write import write_exr
from osf_pipeline.generate.artwork import Artwork, random_artwork
from osf_pipeline.generate.plan import Cast, Sequence
from osf_pipeline.layout import Layout, join
from osf_pipeline.motion.library import motion
from osf_pipeline.render.frame import Frame, render_frame
from osf_pipeline.render.scene import Scene
from osf_pipeline.render.sequence import RENDERER, Step, each_frame, frame_name, neighbours, write_frame, write_shot
from osf_pipeline.render.staging import build_scene, shot_config
from osf_pipeline.sample.hand import PEN_UNIT, Hand
from osf_pipeline.sample.make import styled_truth
from osf_pipeline.scenes import SceneConfig
from osf_pipeline.shots import FrameRange
from osf_pipeline.store.files import write_bytes, write_json

RECORD = "sequence.json"
"""In the folder of a sequence's truth, written last."""
THUMBNAIL = "thumbnail.png"
TRUTH_SEED = 0
"""Every hand has a seed of its own."""
LOOK_AT = np.array([0.0, 0.9, 0.0])
"""Where the pen's size is told from in perspective."""


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
            InputDataError: when a real drawing makes no character.
        """
        if cast.artwork is not None:
            art = random_artwork(cast.artwork)
            character, _ = build_character(as_drawing(art))
            return cls(character, replace(art.hand, seed=cast.artwork % 1000), art.mask, art.licence)
        folder = DrawingFolder.at(str(cast.drawing))
        drawing, _ = folder.read()
        character, _ = build_character(drawing)
        unit = 1 / character.pixel
        return cls(character, measured_hand(drawing.strip, PEN_UNIT / unit), drawing.mask, folder.config.license)


def as_drawing(art: Artwork) -> Drawing:
    """An artwork as if it had been analysed: nothing has to be found, everything is known."""
    image, fill = art.image(), art.fill
    line = find_line(image, art.mask, outlines(art.mask)[0])
    return Drawing(
        image, art.mask.astype(np.float32), art.mask, np.zeros_like(art.mask), fill,
        measure_strip(image, fill, line), art.skeleton,
    )  # fmt: skip


def measured_hand(strip: ContourStrip, scale: float) -> Hand:
    """A hand that draws about as the outline of a real drawing is drawn.

    Args:
        scale: hand units (pixels at `PEN_UNIT` a scene unit) for one pixel of the drawing.
    """
    width = (strip.inner + strip.outer) * scale
    drawn = width > 0
    if not drawn.any():
        return Hand(width=1.2, swell=0.2, tremor=0.1, limits=(0.6, 2.0), darkness=0.5, second_rare=3, bare=0)
    middle, spread = float(np.median(width[drawn])), float(np.std(width[drawn]))
    darkness = strip.darkness[drawn]
    ink = np.median(strip.ink[drawn], axis=0)
    return Hand(
        width=middle,
        swell=0.8 * spread,
        tremor=0.3 * spread,
        limits=(max(0.5, 0.5 * middle), 1.8 * middle),
        darkness=float(np.clip(np.quantile(darkness, 0.8), 0.3, 1)),
        fade=float(np.std(darkness)),
        faintest=float(np.clip(np.quantile(darkness, 0.1), 0.15, 1)),
        ink="#" + "".join(f"{round(255 * float(v)):02x}" for v in np.clip(ink, 0, 1)),
        stray=0,
        bare=0,
        second_rare=3,
    )


class SequenceWorker:
    """Makes whole sequences; characters are kept from one to the next."""

    def __init__(self, job: Json) -> None:
        self.layout = Layout(job["root"], job["home"])
        self.threads = int(job["threads"])
        self.figure = int(job["figure"])
        self.player = lru_cache(maxsize=8)(Player.of)

    def __call__(self, shard: Json) -> Json:
        sequence = Sequence.model_validate(shard["sequence"])
        shot, config = sequence.shot, sequence.scene
        players = {name: self.player(cast) for name, cast in sequence.cast.items()}
        for name, player in players.items():
            write_style(self.layout.style(name), name, player, self.figure)
        motions = {actor.motion: motion(actor.motion, self.layout.motions()) for actor in config.actors}
        scene = build_scene(config, {name: player.character for name, player in players.items()}, motions)
        self._draw(shot, config, scene, hands(scene, config, players))
        record = {"key": shard["key"], "sequence": shard["sequence"], "frames": len(FrameRange.parse(config.frames))}
        write_json(join(self.layout.truth(shot), RECORD), record)
        return {"shot": shot, "frames": record["frames"]}

    def _draw(self, shot: str, config: SceneConfig, scene: Scene, drawn_by: Mapping[int, Hand]) -> None:
        """Renders, truth, thumbnail and, last, `shot.yaml`."""
        written = shot_config(config, shot, scene)
        renders, truth = self.layout.renders(shot), self.layout.truth(shot)
        frames = FrameRange.parse(config.frames)
        middle = frames.frames[len(frames) // 2]

        def work(step: Step) -> None:
            before, now, after = step
            frame = render_frame(
                scene, now, (config.width, config.height),
                previous=before, following=after, supersample=config.supersample,
            )  # fmt: skip
            styled = styled_truth(frame, TRUTH_SEED, drawn_by, pen_scale(frame))
            name = frame_name(written.source, now)
            write_frame(join(renders, name), frame)
            write_exr(join(truth, name), styled, attributes={"osf:frame": now, "osf:renderer": RENDERER})
            if now == middle:
                pair = [frame.buffers["color"], np.stack([styled[channel] for channel in "RGBA"])]
                shown = np.concatenate([picture(layer) for layer in pair], axis=1)
                write_bytes(join(truth, THUMBNAIL), encode_png(resized(shown, 512)))

        each_frame(work, neighbours(frames), self.threads, None, "drawn")
        write_shot(renders, written)


def hands(scene: Scene, config: SceneConfig, players: Mapping[str, Player]) -> dict[int, Hand]:
    """Object id to the hand that draws it; actors come first in a scene, and each has its own block of part ids."""
    found = {}
    for number, actor in enumerate(config.actors, start=1):
        player = players[actor.character]
        first = int(scene.meshes[number - 1].part.min()) - int(player.character.part.min())
        accents = tuple(part + first for part in player.hand.accent_parts)
        found[number] = replace(player.hand, accent_parts=accents)
    return found


def pen_scale(frame: Frame) -> float:
    """Size of the pen: a line belongs to the character and grows as the camera comes nearer."""
    view = frame.now.view
    pixels = view.pixels_per_unit
    if view.camera.projection == "persp":
        pixels /= float(view.project(LOOK_AT[None])[1][0])
    return pixels / PEN_UNIT


def write_style(style: str, name: str, player: Player, figure: int) -> None:
    """`keyframe.exr`, `drawing.png` (the rest pose as the hand draws it), `style.yaml`; equal players, equal bytes."""
    frame = keyframe(player.character, Register.of(player.mask, figure), name)
    truth = styled_truth(frame, TRUTH_SEED, {1: player.hand}, pen_scale(frame))
    exemplar = Exemplar(keyframe="keyframe.exr", drawing="drawing.png", adapter="osf")
    write_frame(join(style, "keyframe.exr"), frame)
    write_bytes(join(style, "drawing.png"), encode_png(straight_srgb(np.stack([truth[channel] for channel in "RGBA"]))))
    write_bytes(
        join(style, "style.yaml"), dump_yaml(StyleConfig(exemplars=(exemplar,), license=player.license)).encode()
    )
