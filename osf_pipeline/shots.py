"""Identities: frame ranges and shards. Small, frozen, ordered, hashable.

Belongs here: names of work. Does not: what lies in a file (`exr`, `buffers`) or where it lies (`layout`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import fileseq

from osf_pipeline.errors import RequestError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")


def check_name(kind: str, name: str) -> str:
    """Return `name` if it is safe in file names, URLs and partition keys.

    Raises:
        RequestError: for anything outside [A-Za-z0-9._-] or an empty name.
    """
    if not NAME.match(name):
        raise RequestError(
            f"{name!r} is no usable {kind} name",
            fix="Use letters, digits, '.', '_' and '-', starting with one of the first two.",
        )
    return name


@dataclass(frozen=True, order=True)
class FrameRange:
    """Frame numbers of a shot, ascending and unique; written and read in studio grammar.

    >>> list(FrameRange.parse("1001-1005x2,1010"))
    [1001, 1003, 1005, 1010]
    >>> str(FrameRange.of([1, 2, 3, 7]))
    '1-3,7'
    """

    frames: tuple[int, ...]

    @classmethod
    def parse(cls, text: str) -> FrameRange:
        """Read `1001-1048`, `1-100x5`, `1,4,9`, negatives.

        Raises:
            RequestError: when the text is not a frame range or names a fraction of a frame.
        """
        try:
            frames = list(fileseq.FrameSet(text))
        except fileseq.ParseException as error:
            raise RequestError(
                "no frame range", frames=text, fix="Write it like 1001-1048, 1-100x5 or 1,4,9."
            ) from error
        if any(int(f) != f for f in frames):
            raise RequestError("sub-frames are not supported", frames=text, fix="Use whole frame numbers.")
        return cls.of(int(f) for f in frames)

    @classmethod
    def of(cls, frames: Iterable[int]) -> FrameRange:
        found = tuple(sorted(set(frames)))
        if not found:
            raise RequestError("the frame range is empty", fix="Name at least one frame.")
        return cls(found)

    def __iter__(self) -> Iterator[int]:
        return iter(self.frames)

    def __len__(self) -> int:
        return len(self.frames)

    def __contains__(self, frame: object) -> bool:
        return frame in self.frames

    def __str__(self) -> str:
        return str(fileseq.FrameSet(self.frames))

    @property
    def step(self) -> int:
        """The commonest distance between neighbours: 1 on ones, 2 on twos."""
        gaps = Counter(b - a for a, b in pairwise(self.frames))
        return max(gaps, key=lambda gap: (gaps[gap], -gap)) if gaps else 1

    @property
    def strays(self) -> tuple[int, ...]:
        """Frames that belong to no regular sequence: off the commonest phase of the step, or alone at an end.

        >>> FrameRange.parse("1-9x2,4,1049").strays
        (4, 1049)
        """
        step = self.step
        phases = Counter(f % step for f in self.frames)
        phase = max(phases, key=lambda p: (phases[p], -p))
        off = tuple(f for f in self.frames if f % step != phase)
        on = [f for f in self.frames if f % step == phase]
        alone = []
        if len(on) > 2:
            alone = [end for end, next_ in ((on[0], on[1]), (on[-1], on[-2])) if abs(end - next_) > 2 * step]
        return tuple(sorted((*off, *alone)))

    @property
    def missing(self) -> tuple[int, ...]:
        """Frames a regular sequence of this step would also have, strays aside."""
        regular = set(self.frames) - set(self.strays)
        return tuple(f for f in range(min(regular), max(regular) + 1, self.step) if f not in regular)


def stand_in(frame: int, good: Collection[int]) -> int | None:
    """The frame that is shown in place of a bad one: the nearest good one before it, or else the first good one.

    >>> stand_in(5, [1, 3, 7]), stand_in(0, [1, 3, 7]), stand_in(5, [])
    (3, 1, None)
    """
    return max((other for other in good if other < frame), default=min(good, default=None))


@dataclass(frozen=True, order=True)
class Shard:
    """A run of consecutive stored frames of one shot: the unit of work.

    `index` counts shards from 0; `start` is the position of the first frame in the store's frame axis.
    """

    index: int
    start: int
    frames: tuple[int, ...]

    @property
    def stop(self) -> int:
        return self.start + len(self.frames)

    def to_json(self) -> dict[str, Any]:
        """The descriptor a worker gets; stages add what their shards need."""
        return {"index": self.index, "start": self.start, "frames": list(self.frames)}


def shards(frames: FrameRange, size: int) -> list[Shard]:
    """Cut a range into shards of `size` frames; the last may be shorter.

    >>> [(s.index, s.start, s.frames) for s in shards(FrameRange.of([1, 2, 3]), 2)]
    [(0, 0, (1, 2)), (1, 2, (3,))]
    """
    if size < 1:
        raise RequestError("a shard needs at least one frame", size=size, fix="Give a shard size of 1 or more.")
    return [Shard(i // size, i, frames.frames[i : i + size]) for i in range(0, len(frames), size)]
