"""Rules on runs of frames: pictures that repeat or vanish where they cannot.

Belongs here: neighbouring frames compared as a whole. Does not: motion proven pixel by pixel (`validate.motion`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np

from osf_pipeline.exr.convert import surface
from osf_pipeline.validate.findings import Finding

EVERY = 16
"""Step of the pixels that are compared first."""
MOVES = 0.05
"""Pixels of stored motion from which a surface moves."""


def check_run(buffers: Mapping[str, np.ndarray], frames: Sequence[tuple[int, str]]) -> list[Finding]:
    """Findings on consecutive sound frames.

    Args:
        buffers: canonical buffer to (frame, channel, y, x).
        frames: number and file of each; one step apart and without a cut.
    """
    return [*repeated(buffers, frames), *vanished(buffers, frames)]


def repeated(buffers: Mapping[str, np.ndarray], frames: Sequence[tuple[int, str]]) -> Iterator[Finding]:
    """The same picture as in the frame before, though its motion says that it moves.

    A hold is legal, and so is animation on twos: nothing moves into a held frame, and its motion is zero.
    """
    if "motion" not in buffers:
        return
    moving = np.abs(buffers["motion"][:, :, ::4, ::4]).max((1, 2, 3)) >= MOVES
    for index, ((other, _), (frame, file)) in enumerate(pairwise(frames), start=1):
        if moving[index] and _same(buffers, index - 1, index):
            yield Finding(
                "repeated", "error", file, frame, "", f"all buffers equal those of frame {other}, motion among them",
                "One of the two is a copy of the other: render it again.",
            )  # fmt: skip


def _same(buffers: Mapping[str, np.ndarray], one: int, other: int) -> bool:
    """Whether two frames agree to the last bit; the few pixels compared first tell nearly always."""
    return all(
        np.array_equal(values[one, :, ::every, ::every], values[other, :, ::every, ::every])
        for every in (EVERY, 1)
        for values in buffers.values()
    )


def vanished(buffers: Mapping[str, np.ndarray], frames: Sequence[tuple[int, str]]) -> Iterator[Finding]:
    """An empty frame between two frames that show something clear of the picture's border.

    A figure that enters or leaves crosses the border, or is away for longer.
    """
    state = [_state({name: values[index] for name, values in buffers.items()}) for index in range(len(frames))]
    for index in range(1, len(frames) - 1):
        if state[index - 1] == state[index + 1] == "clear" and state[index] == "empty":
            yield Finding(
                "empty", "warning", frames[index][1], frames[index][0], "",
                f"nothing is seen, but frames {frames[index - 1][0]} and {frames[index + 1][0]} show a figure",
                "Check the render and the visibility of the figure in this frame.",
            )  # fmt: skip


def _state(frame: Mapping[str, np.ndarray]) -> str:
    seen = surface(frame)
    if not seen.any():
        return "empty"
    return "border" if any(edge.any() for edge in (seen[0], seen[-1], seen[:, 0], seen[:, -1])) else "clear"
