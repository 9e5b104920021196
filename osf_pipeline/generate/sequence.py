"""One sequence of a generated set: every frame rendered and styled.

Belongs here: the worker over sequences, and what a sequence leaves behind. Does not: what it shows (`plan`), who plays
in it (`player`), the set as a whole (`stage`).

`sequence.json` beside the truth says by which key a sequence was begun, and whether it is done. It is written before
anything else, so that frames of another key are never taken for this one's.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from osf_pipeline.delivery.preview import encode_png, picture, resized
from osf_pipeline.execution import Json
from osf_pipeline.exr.write import write_exr
from osf_pipeline.generate.hands import in_scene, pen_scale
from osf_pipeline.generate.plan import Cast, Sequence
from osf_pipeline.generate.player import KEYFRAMES, TRUTH_SEED, Player, write_style
from osf_pipeline.layout import Layout, join
from osf_pipeline.motion.library import motion
from osf_pipeline.render.frame import Frame, render_frame
from osf_pipeline.render.sequence import (
    RENDERER,
    Step,
    each_frame,
    frame_name,
    neighbours,
    remove_frames,
    write_frame,
    write_shot,
)
from osf_pipeline.render.staging import build_scene, shot_config
from osf_pipeline.sample.make import styled_truth
from osf_pipeline.shots import FrameRange
from osf_pipeline.store.files import read_json, write_bytes, write_json

RECORD = "sequence.json"
THUMBNAIL, THUMBNAIL_WIDTH = "thumbnail.png", 512
KEPT = 8
"""Characters a worker keeps from one sequence to the next."""


def record_of(layout: Layout, shot: str) -> dict[str, Any] | None:
    """What is known about a sequence; None when it was never begun."""
    return read_json(join(layout.truth(shot), RECORD))


class SequenceWorker:
    """Makes whole sequences; characters are kept from one to the next."""

    def __init__(self, job: Json) -> None:
        self.layout = Layout(job["root"], job["home"])
        self.threads = int(job["threads"])
        self.figure = int(job["figure"])
        self.poses = KEYFRAMES[: int(job["keyframes"])]
        self.player = lru_cache(KEPT)(self._player)

    def __call__(self, shard: Json) -> Json:
        sequence = Sequence.model_validate(shard["sequence"])
        players = {name: self.player(name, cast) for name, cast in sequence.cast.items()}
        self._mark(sequence, shard["key"], done=False)
        for folder in (self.layout.renders(sequence.shot), self.layout.truth(sequence.shot)):
            remove_frames(folder)
        self._draw(sequence, players)
        self._mark(sequence, shard["key"], done=True)
        return {"shot": sequence.shot}

    def _player(self, name: str, cast: Cast) -> Player:
        player = Player.of(cast)
        write_style(self.layout.style(name), name, player, self.figure, self.poses)
        return player

    def _mark(self, sequence: Sequence, key: str, *, done: bool) -> None:
        record = {"key": key, "done": done, "sequence": sequence.model_dump(mode="json", exclude_defaults=True)}
        write_json(join(self.layout.truth(sequence.shot), RECORD), record)

    def _draw(self, sequence: Sequence, players: dict[str, Player]) -> None:
        """Renders, truth, thumbnail and, last, `shot.yaml`."""
        shot, config = sequence.shot, sequence.scene
        motions = {actor.motion: motion(actor.motion, self.layout.motions()) for actor in config.actors}
        scene = build_scene(config, {name: player.character for name, player in players.items()}, motions)
        hands = {}
        for mesh, actor in zip(scene.meshes, config.actors, strict=False):  # actors come first in a scene
            player = players[actor.character]
            hands[mesh.object_id] = in_scene(player.hand, player.character, mesh)
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
            styled = styled_truth(frame, TRUTH_SEED, hands, pen_scale(frame))
            name = frame_name(written.source, now)
            write_frame(join(renders, name), frame)
            write_exr(join(truth, name), styled, attributes={"osf:frame": now, "osf:renderer": RENDERER})
            if now == middle:
                write_bytes(join(truth, THUMBNAIL), thumbnail(frame, styled))

        each_frame(work, neighbours(frames), self.threads, None, "drawn")
        write_shot(renders, written)


def thumbnail(frame: Frame, styled: dict[str, np.ndarray]) -> bytes:
    """PNG: a frame as rendered, and as its hands draw it; over grey, since white paper hides white figures."""
    pair = (frame.buffers["color"], np.stack([styled[channel] for channel in "RGBA"]))
    return encode_png(resized(np.concatenate([picture(layer, "grey") for layer in pair], axis=1), THUMBNAIL_WIDTH))
