"""What a generated set holds: who plays which motion before which camera, in which light, with what in front.

Belongs here: the request and every random choice, made once, before anything is drawn. Does not: drawing or rendering
(`sequence`), running over workers (`stage`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from osf_pipeline.config import Strict, Vec3
from osf_pipeline.errors import RequestError
from osf_pipeline.motion.clip import Clip
from osf_pipeline.scenes import Actor, CameraMove, Prop, SceneConfig, Sun
from osf_pipeline.shots import FrameRange

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
MOTIONS = ("walk", "wave", "jump", "cross_arms", "turn")
SHARES = (0.8, 0.1, 0.1)
"""Shares of real drawings that fall to train, val and test; which one a drawing falls to, its content decides."""

FIRST_FRAME, FPS = 1001, 24.0
PAIR = 0.3
"""Share of sequences in which one character stands half in front of another."""
PROP = 0.45
"""Share in which something passes, or stands, in front of them."""
FRONT = 0.6
"""Share of actors seen about from the front, as they were drawn; the others are turned anyhow."""


class GenerateRequest(Strict):
    """What to make.

    Attributes:
        seed: of every choice. Sets of one split share no sequence unless their seeds are equal, and sets of different
            splits share no character whatever their seeds.
        split: `train`, `val` or `test`.
        sequences: how many.
        characters: how many are drawn by code and play in them, in turn.
        drawings: folders of real drawings (as under the layout's drawings) that play beside the drawn-by-code ones.
        motions: to choose from: built-in ones, and files under the layout's motions.
        frames: of each sequence.
        width, height: pixels.
        keyframes: drawn of each character: the rest pose from the front and the back, then steps seen from the sides.
    """

    seed: int = Field(0, ge=0)
    split: Split = "train"
    sequences: int = Field(8, ge=1)
    characters: int = Field(4, ge=0)
    drawings: tuple[str, ...] = ()
    motions: tuple[str, ...] = Field(MOTIONS, min_length=1)
    frames: int = Field(24, ge=1)
    width: int = Field(384, ge=16)
    height: int = Field(384, ge=16)
    keyframes: int = Field(1, ge=1, le=4)

    @property
    def name(self) -> str:
        """Of the set, and first part of every name in it."""
        return f"{self.split}-{self.seed}"


class Cast(Strict):
    """Where a character comes from: one of the two is given.

    Attributes:
        artwork: seed of a drawing made by code.
        drawing: folder of a real one.
    """

    artwork: int | None = None
    drawing: str | None = None


class Sequence(Strict):
    """One shot of a set.

    Attributes:
        shot: its name.
        scene: as `osf render` would read it.
        cast: character name to its source.
    """

    shot: str
    scene: SceneConfig
    cast: dict[str, Cast]


def split_of(content: bytes) -> Split:
    """The split a real drawing belongs to, by its bytes alone: so no two sets can disagree.

    >>> split_of(b"a drawing")
    'train'
    """
    place = int.from_bytes(hashlib.sha256(content).digest()[:8]) / 2**64
    return SPLITS[int(np.searchsorted(np.cumsum(SHARES[:-1]), place, side="right"))]


def artwork_seed(split: Split, number: int) -> int:
    """The seed of a split's n-th drawing made by code; the splits' seeds never meet."""
    return number * len(SPLITS) + SPLITS.index(split)


def plan(request: GenerateRequest, clips: Mapping[str, Clip], drawings: Mapping[str, str]) -> list[Sequence]:
    """Every sequence of a set; a pure function of its arguments.

    Args:
        clips: the request's motions by name.
        drawings: character name to folder of the real drawings that belong to the split.

    Raises:
        RequestError: when there is nobody to play.
    """
    pool = [*_drawn(request), *((name, Cast(drawing=folder)) for name, folder in sorted(drawings.items()))]
    if not pool:
        raise RequestError(
            "nobody to play", split=request.split, characters=request.characters, drawings=len(request.drawings),
            fix="Ask for characters drawn by code, or give drawings of which some fall to this split.",
        )  # fmt: skip
    return [_sequence(request, clips, pool, number) for number in range(request.sequences)]


def _drawn(request: GenerateRequest) -> Iterator[tuple[str, Cast]]:
    """The characters that are drawn by code."""
    for number in range(request.characters):
        key = int(np.random.default_rng([request.seed, SPLITS.index(request.split), 1, number]).integers(2**20))
        seed = artwork_seed(request.split, key)
        yield f"{request.split}-art{seed}", Cast(artwork=seed)


@dataclass
class _Draw:
    """Random choices of one sequence."""

    rng: np.random.Generator

    def between(self, low: float, high: float) -> float:
        return round(float(self.rng.uniform(low, high)), 3)

    def happens(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def one(self, *values: str) -> str:
        return values[int(self.rng.integers(len(values)))]

    def around(self, centre: Vec3, reach: Vec3) -> Vec3:
        x, y, z = (round(c + float(self.rng.uniform(-r, r)), 3) for c, r in zip(centre, reach, strict=True))
        return x, y, z


def _sequence(
    request: GenerateRequest, clips: Mapping[str, Clip], pool: list[tuple[str, Cast]], number: int
) -> Sequence:
    # Keyed by its own number: a longer set begins with the shorter one.
    draw = _Draw(np.random.default_rng([request.seed, SPLITS.index(request.split), 2, number]))
    cast = dict([pool[number % len(pool)]])
    if len(pool) > 1 and draw.happens(PAIR):
        other = (number + 1 + int(draw.rng.integers(len(pool) - 1))) % len(pool)
        cast |= dict([pool[other]])
    frames = FrameRange.of(range(FIRST_FRAME, FIRST_FRAME + request.frames))
    scene = SceneConfig(
        actors=_actors(list(cast), request, clips, draw),
        props=_props(draw),
        frames=str(frames),
        fps=FPS,
        width=request.width,
        height=request.height,
        camera=_camera(request.width / request.height, len(cast), draw),
        light=_sun(draw) if draw.happens(0.35) else None,
    )
    return Sequence(shot=f"{request.name}-{number:04d}", scene=scene, cast=cast)


def _actors(names: list[str], request: GenerateRequest, clips: Mapping[str, Clip], draw: _Draw) -> tuple[Actor, ...]:
    """One in the middle; or two side by side, one a step behind, so near that arms and bodies cover each other."""
    places: list[Vec3] = [(0, 0, 0)]
    if len(names) == 2:
        gap, behind = draw.between(0.18, 0.4), draw.between(0.15, 0.25) * (1 if draw.happens(0.5) else -1)
        places = [(-gap, 0, behind), (gap, 0, -behind)]
    return tuple(_actor(name, place, request, clips, draw) for name, place in zip(names, places, strict=True))


def _actor(name: str, place: Vec3, request: GenerateRequest, clips: Mapping[str, Clip], draw: _Draw) -> Actor:
    motion, speed = draw.one(*request.motions), draw.between(0.7, 1.4)
    clip = clips[motion]
    shown = speed * request.frames / FPS
    return Actor(
        character=name,
        motion=motion,
        first=draw.between(0, clip.seconds if clip.loops else max(0.0, clip.seconds - shown)),
        speed=speed,
        position=draw.around(place, (0.05, 0, 0.05)),
        turn=draw.between(-25, 25) if draw.happens(FRONT) else draw.between(-180, 180),
    )


def _props(draw: _Draw) -> tuple[Prop, ...]:
    if not draw.happens(PROP):
        return ()
    color = draw.one("#7c8794", "#9a7b58", "#6f8f72", "#b0a48e")
    if draw.happens(0.5):
        x = draw.between(-0.35, 0.35)
        return (Prop(name="pole", shape="pole", size=(0.12, 2.6, 0.12), color=color, path=((x, 1.2, 0.9),)),)
    low, high = draw.between(0.4, 1.4), draw.between(0.4, 1.4)
    side = 1 if draw.happens(0.5) else -1
    path: tuple[Vec3, ...] = ((-1.3 * side, low, 0.8), (0, high, 0.9), (1.3 * side, low, 0.8))
    return (Prop(name="ball", shape="ball", size=(0.34, 0.34, 0.34), color=color, path=path, spin=360),)


def _camera(aspect: float, actors: int, draw: _Draw) -> CameraMove:
    """Wide enough for who is there; half of them move."""
    wide = max(2.35 * aspect, 2.3 if actors == 1 else 2.7)
    keys = 2 if draw.happens(0.5) else 1
    target = tuple(draw.around((0, 0.9, 0), (0.08, 0.08, 0)) for _ in range(keys))
    position = tuple(draw.around((0, 1.0, 5), (1.2, 0.35, 0.4)) for _ in range(keys))
    if draw.happens(0.5):
        scale = tuple(round(wide * draw.between(0.95, 1.15), 3) for _ in range(keys))
        return CameraMove(projection="ortho", scale=scale, position=position, target=target)
    fov = tuple(round(float(np.degrees(2 * np.arctan(wide / 2 / 5))) * draw.between(1.0, 1.15), 3) for _ in range(keys))
    return CameraMove(projection="persp", fov=fov, position=position, target=target)


def _sun(draw: _Draw) -> Sun:
    return Sun(towards=draw.around((0, 0.8, 0.9), (0.8, 0.3, 0.2)), ambient=draw.between(0.35, 0.6), shadows=True)
