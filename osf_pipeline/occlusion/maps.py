"""The user's own occlusion maps: files to numbers in 0..1.

Belongs here: finding, reading, scaling and placing them. Does not: what guides are made of them (`guidance`).
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from osf_pipeline.config import Occlusion
from osf_pipeline.errors import InputDataError
from osf_pipeline.exr.read import place, read_exr
from osf_pipeline.exr.sequence import find_sequence
from osf_pipeline.exr.write import Window
from osf_pipeline.store.files import take

SLACK = 1e-3
"""Share of the range by which a value may lie outside it: half floats and filters overshoot."""


@dataclass(frozen=True)
class MapFile:
    """One map of one frame.

    Attributes:
        sha256: of the file's bytes.
    """

    url: str
    sha256: str


def find_maps(folder: str, pattern: str, frames: Iterable[int]) -> dict[int, MapFile]:
    """The map of each frame that needs one.

    Raises:
        RequestError, InputDataError: as `find_sequence`; when a frame has none.
    """
    urls = find_sequence(folder, pattern).urls
    wanted = list(frames)
    if missing := [frame for frame in wanted if frame not in urls]:
        raise InputDataError(
            "a frame has no occlusion map", folder=folder, pattern=pattern, frame=missing[0], missing=len(missing),
            fix="Export the missing maps, or correct the pattern under `occlusion`.",
        )  # fmt: skip
    return {frame: MapFile(urls[frame], hashlib.sha256(take(urls[frame])).hexdigest()) for frame in wanted}


def read_map(url: str, config: Occlusion, window: Window, display: Window) -> np.ndarray:
    """(1, y, x) float32 over `window`, the probability of being hidden; 0 where the file has no pixel.

    Args:
        window: of the shot's arrays; `display` of its pictures, which a PNG fills. Inclusive corners.

    Raises:
        InputDataError: for a missing or damaged file, a channel that has to be named, a PNG of another size, or values
            that are not finite or outside the configured range.
    """
    values, at = _exr(url, config.channel) if url.lower().endswith(".exr") else _picture(url, config.channel, display)
    visible, hidden = config.values
    share = (values.astype(np.float32) - visible) / (hidden - visible)
    outside = ~((share >= -SLACK) & (share <= 1 + SLACK))  # NaN as well
    if outside.any():
        raise InputDataError(
            "an occlusion map holds values outside its range", file=url, value=float(values[outside][0]),
            range=config.values, fix="Name the stored values of visible and hidden: `values: [0, 255]`.",
        )  # fmt: skip
    return place(share.clip(0, 1)[None], at, window, 0)


def _exr(url: str, channel: str | None) -> tuple[np.ndarray, Window]:
    image = read_exr(url, None if channel is None else [channel])
    return image.channels[_one(url, tuple(image.channels), channel)], image.window


def _picture(url: str, channel: str | None, display: Window) -> tuple[np.ndarray, Window]:
    """Values as they are stored: a palette, or a bit depth, is not interpreted."""
    try:
        with Image.open(io.BytesIO(take(url)), formats=["PNG"]) as picture:
            values, bands = np.asarray(picture), picture.getbands()
    except (OSError, SyntaxError, ValueError) as error:  # Pillow raises all of these on damage
        raise InputDataError(
            "the occlusion map cannot be read", file=url, problem=str(error)[:200], fix="Give an EXR or a PNG."
        ) from error
    size = (display[2] - display[0] + 1, display[3] - display[1] + 1)
    if (values.shape[1], values.shape[0]) != size:
        raise InputDataError(
            "an occlusion map has another size than the frame", file=url, size=values.shape[1::-1], expected=size,
            fix="Export it at the size of the render's display window.",
        )  # fmt: skip
    name = _one(url, bands, channel)
    return (values if values.ndim == 2 else values[..., bands.index(name)]), display


def _one(url: str, names: tuple[str, ...], wanted: str | None) -> str:
    if wanted is None and len(names) == 1:
        return names[0]
    if wanted not in names:
        raise InputDataError(
            "an occlusion map needs its channel named", file=url, channel=wanted,
            fix=f"Name one under `occlusion: {{channel: ...}}`; the file has: {', '.join(names)}.",
        )  # fmt: skip
    return wanted
