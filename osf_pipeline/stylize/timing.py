"""When a drawing is shown, and what it is blended with: the stylized frames of a shot, each from a few drawings.

Belongs here: which positions a frame depends on, and making it from them. Does not: the maths of blending (`blend`) and
holding (`hold`), drawing a frame (`stage`).

Warm-up: a frame needs the drawings of the frame it shows and of `blend` frames before that one, at most
`blend + step - 1` positions back and never across a cut, a gap or a bad frame. They are drawn afresh where a shard does
not hold them, so a frame has the same bits in whatever shard, and alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from osf_pipeline.config import ShotConfig
from osf_pipeline.errors import InputDataError, RequestError
from osf_pipeline.stylize import hold

ALL = "*"
MOTION = ("motion", "motion_valid")
"""G-buffers a blend needs beside those a drawing is made from."""
GUIDES = ("contour", "contour_side", "confidence", "revealed")
"""Guides a blend needs."""
Layers = dict[str, np.ndarray]
Read = Callable[[int, tuple[str, ...]], dict[str, np.ndarray]]
"""Buffers and guides of the frame at a position, `(channel, y, x)` each."""


@dataclass(frozen=True)
class Timing:
    """How a shot is shown in time.

    Attributes:
        blend: frames before a frame that its line is blended with.
        steps: object id, `hold.BACKDROP` too, to the frames its drawing is held for; `*` alone where ids are unknown.
        starts: positions nothing crosses: first frames after a cut, a gap or a bad frame.
    """

    blend: int = 0
    steps: Mapping[int | str, int] = field(default_factory=lambda: {ALL: 1})
    starts: tuple[int, ...] = ()

    @classmethod
    def of(cls, config: ShotConfig, objects: list[int], starts: list[int]) -> Timing:
        """
        Args:
            objects: ids in the shot's store; empty where it has none.

        Raises:
            RequestError: when `steps` names something that is not in the shot.
        """
        if isinstance(config.steps, int):
            steps: dict[int | str, int] = {ALL: config.steps}
        else:
            known = {ALL, *map(str, objects), *(config.objects[i] for i in objects if i in config.objects)}
            if unknown := sorted(set(config.steps) - known):
                raise RequestError(
                    "`steps` names no object of the shot", key=f"steps.{unknown[0]}",
                    fix=f"Name one: {', '.join(sorted(known))}.",
                )  # fmt: skip
            rest = config.steps.get(ALL, 1)
            names = {i: config.objects.get(i, str(i)) for i in objects}
            steps = {i: config.steps.get(name, config.steps.get(str(i), rest)) for i, name in names.items()}
            steps = {hold.BACKDROP: rest, **steps} if objects else {ALL: rest}
        if len(set(steps.values())) == 1:
            steps = {ALL: next(iter(steps.values()))}
        return cls(config.blend, steps, tuple(starts))

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Timing:
        steps = {i if i == ALL else int(i): step for i, step in said["steps"].items()}
        return cls(said["blend"], steps, tuple(said["starts"]))

    def to_json(self) -> dict[str, Any]:
        steps = {str(i): step for i, step in self.steps.items()}
        return {"blend": self.blend, "steps": steps, "starts": list(self.starts)}

    @property
    def plain(self) -> bool:
        """Every frame is its own drawing."""
        return not self.blend and set(self.steps.values()) == {1}

    @property
    def buffers(self) -> tuple[str, ...]:
        """G-buffers needed beside those a drawing is made from."""
        held = hold.SURFACES if len(self.steps) > 1 else ()
        return (*(MOTION if self.blend else ()), *held)

    @property
    def guides(self) -> tuple[str, ...]:
        """Guides needed beside those a drawing is made from."""
        return GUIDES if self.blend else ()

    def check(self, names: tuple[str, ...]) -> None:
        """
        Raises:
            InputDataError: when a store lacks buffers.
        """
        if missing := [name for name in self.buffers if name not in names]:
            raise InputDataError(
                "`blend` goes along rendered motion, `steps` by object by ids and depth", channel=", ".join(missing),
                fix="Render them, or leave those keys out of shot.yaml.",
            )  # fmt: skip

    def shown(self, position: int) -> dict[int, list[int | str]]:
        """Position of a drawing to the objects that show it in the frame at a position."""
        run = self._run(position)
        found: dict[int, list[int | str]] = {}
        for i, step in self.steps.items():
            found.setdefault(position - (position - run) % step, []).append(i)
        return found

    def before(self, position: int) -> int:
        """How many frames before a position its drawing is blended with."""
        return min(self.blend, position - self._run(position))

    def needs(self, position: int) -> list[int]:
        """Positions whose pixels decide the frame at a position, itself included."""
        shown = self.shown(position)
        return sorted({position, *(at - back for at in shown for back in range(self.before(at) + 1))})

    def key(self, position: int) -> list[Any]:
        """How a frame is made from those it needs, counted from its own position: part of what decides its bytes."""
        shown = self.shown(position).items()
        return [[position - at, self.before(at), [str(i) for i in objects]] for at, objects in shown]

    def _run(self, position: int) -> int:
        return max((start for start in self.starts if start <= position), default=0)


class Film:
    """Stylized frames by position.

    Args:
        draw: position to layers, as one frame gives them.
    """

    def __init__(self, timing: Timing, draw: Callable[[int], Layers], read: Read) -> None:
        self.timing, self.read = timing, read
        self.draw = lru_cache(timing.blend + 1)(draw)
        self.drawing = lru_cache(len(set(timing.steps.values())))(self._drawing)

    def __call__(self, position: int) -> Layers:
        """`buffers.LAYERS` of the frame at a position."""
        shown = self.timing.shown(position)
        if len(shown) == 1:
            return self.drawing(next(iter(shown)))
        frames = [(self._finished(at), [int(i) for i in objects]) for at, objects in shown.items()]
        # A frame that nothing shows as drawn still tells what stands where.
        return hold.composite(self._finished(position), frames)

    def _drawing(self, position: int) -> Layers:
        before = self.timing.before(position)
        if not before:
            return self.draw(position)
        from osf_pipeline.stylize.blend import blended

        positions = [position - back for back in range(before + 1)]
        frames = [self.read(at, (*MOTION, *GUIDES)) for at in positions]
        lines = [self.draw(at)["line"] for at in reversed(positions[1:])]  # oldest first, as a shard goes
        return blended(self.draw(position), frames, lines[::-1])

    def _finished(self, position: int) -> hold.Finished:
        surfaces = self.read(position, hold.SURFACES)
        return hold.Finished(self.drawing(position), surfaces["object_id"][0], surfaces["depth"][0])
