"""Examples with exact occlusion: pairs of generated frames, the flow between them, and what one hides of the other.

Belongs here: reading generated sets, the cache of flows. Does not: patches and training (`training`), scores
(`scores`).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from model.occlusion import Motion
from osf_pipeline.errors import InputDataError, RequestError
from osf_pipeline.exr.read import Image, place, read_exr
from osf_pipeline.exr.sequence import find_sequence
from osf_pipeline.guidance.flow import FlowEstimator
from osf_pipeline.layout import Layout, join
from osf_pipeline.occlusion.flow import layer_flow
from osf_pipeline.store.files import read_json, write_bytes
from osf_pipeline.store.identity import frame_key

FLOW = "layer_flow"
FLOW_VERSION = 1
"""Raised by hand when the built-in flow gives other values: kept flows are then made again."""

SEEN = 0.5
"""Coverage from which a pixel shows a surface."""


@dataclass(frozen=True)
class Example:
    """One frame, one of its neighbours, and the truth; (1, C, H, W) each.

    Attributes:
        sequence: name of the shot.
        here, there: scene-linear premultiplied colour, float16.
        go, back: estimated motion to the neighbour and back, float16 steps; valid where a surface is seen.
        hidden: bool, seen here and hidden there.
    """

    sequence: str
    here: torch.Tensor
    there: torch.Tensor
    go: Motion
    back: Motion
    hidden: torch.Tensor

    @property
    def seen(self) -> torch.Tensor:
        return self.go.valid


def sequences(layout: Layout, name: str) -> tuple[str, ...]:
    """Shots of a generated set.

    Raises:
        RequestError: when there is no such set.
    """
    listing = read_json(join(layout.root, "generated", name, "set.json"))
    if listing is None:
        split, _, seed = name.partition("-")
        raise RequestError("no such generated set", set=name, fix=f"Run `osf generate --split {split} --seed {seed}`.")
    return tuple(sequence["shot"] for sequence in listing["sequences"])


def contents(layout: Layout, name: str) -> dict[str, str]:
    """Shot to the key that decides its frames."""
    keys = {}
    for shot in sequences(layout, name):
        record = read_json(join(layout.truth(shot), "sequence.json"))
        if record is None or not record["done"]:
            raise RequestError("a sequence of the set is not made", shot=shot, fix="Run `osf generate` again.")
        keys[shot] = record["key"]
    return keys


def examples(layout: Layout, shot: str, key: str, pairs: int, flow: FlowEstimator = layer_flow) -> Iterator[Example]:
    """Both directions of `pairs` pairs of successive frames, evenly spread over a generated shot.

    The built-in flow is kept under the layout's home: it takes most of the time.

    Args:
        key: of the shot's frames, from `contents`.

    Raises:
        InputDataError: for a shot of one frame, or damaged files.
    """
    files = find_sequence(layout.renders(shot), "*.exr").urls
    frames = list(files)
    if len(frames) < 2:
        raise InputDataError("a sequence has no two frames", shot=shot, fix="Generate longer ones.")
    starts = sorted({round(at) for at in np.linspace(0, len(frames) - 2, min(pairs, len(frames) - 1))})
    for at in starts:
        earlier, later = (_frame(layout, shot, files[frame]) for frame in frames[at : at + 2])
        motion, motion_next = _flows(layout, frame_key(FLOW, FLOW_VERSION, key, frames[at]), earlier, later, flow)
        to_earlier, to_later = Motion(-motion, later.seen), Motion(motion_next, earlier.seen)
        yield Example(shot, later.color, earlier.color, to_earlier, to_later, later.revealed & later.seen)
        yield Example(shot, earlier.color, later.color, to_later, to_earlier, earlier.hidden_next & earlier.seen)


@dataclass(frozen=True)
class _Frame:
    color: torch.Tensor
    seen: torch.Tensor
    revealed: torch.Tensor
    hidden_next: torch.Tensor


def _frame(layout: Layout, shot: str, url: str) -> _Frame:
    image = read_exr(url, "RGBA")
    truth = read_exr(join(layout.truth(shot), url.rsplit("/", 1)[-1]), ("revealed.Y", "hidden_next.Y"))
    color, hidden = _planes(image).half(), _planes(truth) > 0.5
    return _Frame(color, color[:, 3:] >= SEEN, hidden[:, :1], hidden[:, 1:])


def _planes(image: Image) -> torch.Tensor:
    planes = np.stack([plane.astype(np.float32) for plane in image.channels.values()])
    return torch.from_numpy(place(planes, image.window, image.header.display_window, 0))[None]


def _flows(
    layout: Layout, key: str, earlier: _Frame, later: _Frame, flow: FlowEstimator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Motion of the later frame and motion_next of the earlier one, (1, 2, H, W) float16."""
    path = Path(layout.home) / "occlusion" / "flow" / f"{key}.npy"
    if flow is layer_flow and path.exists():
        found = np.load(path)
    else:
        a, b = earlier.color[0].numpy(), later.color[0].numpy()
        found = np.stack([flow(a, b), -flow(b, a)]).astype(np.float16)
        if flow is layer_flow:
            data = io.BytesIO()
            np.save(data, found)
            write_bytes(str(path), data.getvalue())
    motion, motion_next = torch.from_numpy(found)[:, None]
    return motion, motion_next
