"""Which frame of a shot to draw next.

Belongs here: reading drawings and frames, the picture of what is missing. Does not: the choice itself (`coverage`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from osf_pipeline.colorspaces.spaces import in_rec709
from osf_pipeline.config import StyleConfig
from osf_pipeline.delivery.preview import beside, encode_png, picture
from osf_pipeline.errors import InputDataError, RequestError
from osf_pipeline.execution import Progress
from osf_pipeline.layout import Layout, join
from osf_pipeline.store.files import write_bytes
from osf_pipeline.store.version import Version, require
from osf_pipeline.training.coverage import NEEDED, Views, alike, choose, covered

FOLDER = "hint"
FRAMES = 48
"""Frames looked at, spread over a longer shot."""
POINTS = 1500
"""About how many surface points of a frame are looked at."""
WIDTH = 320
"""Pixels across of one frame in the picture, about."""
MISSING = np.array([230, 0, 200])
"""Magenta: few figures have it."""


@dataclass(frozen=True)
class Hint:
    """What one style of a shot lacks.

    Attributes:
        covered: share of what the shot shows of the style's objects that its drawings show, 0..1.
        frames: to draw next, best first: frame number, share covered before and after.
        picture: URL of a PNG, one frame beside the other, magenta where no drawing shows it; None when all is shown.
    """

    shot: str
    style: str
    covered: float
    frames: tuple[tuple[int, float, float], ...]
    picture: str | None

    def to_json(self) -> dict[str, Any]:
        frames = [{"frame": frame, "before": before, "after": after} for frame, before, after in self.frames]
        return {**vars(self), "type": "hint", "frames": frames}


def hint_shot(
    layout: Layout, shot: str, count: int = 3, style: str | None = None, progress: Progress | None = None
) -> list[Hint]:
    """The frames to draw next for each style of a shot, or for one.

    Raises:
        RequestError: when the shot is not ingested, all of it is quarantined, or nothing of it has a (or that) style.
        InputDataError: when its G-buffers lack rest positions, normals or ids, or a keyframe shows no surface.
    """
    from osf_pipeline.stylize.stage import named, styles_of

    gbuffer = require(layout.store(shot, "gbuffer"), "ingest", shot)
    if missing := [name for name in NEEDED if name not in gbuffer.names]:
        raise InputDataError(
            "without geometry it cannot be told what a drawing shows", shot=shot, channel=", ".join(missing),
            fix="Render them.",
        )  # fmt: skip
    config = layout.shot_config(shot)
    objects: dict[str, list[int]] = {}
    for i, name in styles_of(named(config, gbuffer), gbuffer.attributes["objects"], shot).items():
        objects.setdefault(name, []).append(int(i))
    if style is not None and style not in objects:
        raise RequestError(
            "nothing of the shot has that style", shot=shot, style=style, fix=f"Styles: {', '.join(sorted(objects))}."
        )
    return [
        _hint(layout, shot, name, objects[name], gbuffer, count, progress)
        for name in ([style] if style else sorted(objects))
    ]


def _hint(
    layout: Layout, shot: str, style: str, objects: list[int], gbuffer: Version, count: int, progress: Progress | None
) -> Hint:
    drawn, size = _drawn(layout.style_config(style), layout.style(style))
    good = [at for at, frame in enumerate(gbuffer.frames) if frame not in gbuffer.quarantined]
    if not good:
        raise RequestError("no frame of the shot can be drawn", shot=shot, fix="Mend its source, ingest it again.")
    positions = [good[i] for i in np.unique(np.linspace(0, len(good) - 1, min(FRAMES, len(good))).round().astype(int))]
    shown = []
    for done, at in enumerate(positions, 1):
        buffers = _read(gbuffer, at, NEEDED)
        shown.append(Views.of(buffers, np.isin(buffers["object_id"][0], objects), size, POINTS))
        if progress:
            progress(done, len(positions), "hint")
    picks = choose(drawn, shown, count)
    pictures = list(_pictures(gbuffer, [positions[p.index] for p in picks], objects, drawn, size))
    url = join(layout.delivery(shot, FOLDER), f"{style}.png") if pictures else None
    if url is not None:
        write_bytes(url, encode_png(beside(pictures)))
    frames = tuple((gbuffer.frames[positions[p.index]], p.before, p.after) for p in picks)
    return Hint(shot, style, covered(drawn, shown), frames, url)


def _drawn(style: StyleConfig, url: str) -> tuple[Views, float]:
    """What the drawings of a style show where they are learnt from, and the figure's longest side at rest."""
    from osf_pipeline.exr.keyframe import read_drawing, read_keyframe

    keyframes = [read_keyframe(entry, url) for entry in style.exemplars]
    surfaces = [buffers["object_id"][0] > 0 for buffers in keyframes]
    if not np.any([surface.any() for surface in surfaces]):
        raise InputDataError("the keyframe shows no surface", channel="object_id", fix="Check the id channels.")
    rest = np.concatenate([b["rest_position"][:, seen] for b, seen in zip(keyframes, surfaces, strict=True)], axis=1)
    size = float(np.ptp(rest, axis=1).max())
    views = []
    for entry, buffers, seen in zip(style.exemplars, keyframes, surfaces, strict=True):
        drawn = seen & (read_drawing(join(url, entry.mask))[0] > 0.5) if entry.mask else seen
        views.append(Views.of(buffers, drawn, size))
    return Views(np.concatenate([v.places for v in views]), np.concatenate([v.pixels for v in views]), 1), size


def _pictures(
    gbuffer: Version, positions: list[int], objects: list[int], drawn: Views, size: float
) -> Iterator[np.ndarray]:
    """(y, x, 3) uint8 of frames, what neither a drawing nor a frame before it shows in magenta."""
    known = drawn.places
    for at in positions:
        buffers = _read(gbuffer, at, (*NEEDED, "color"))
        views = Views.of(buffers, np.isin(buffers["object_id"][0], objects), size)
        shown = picture(in_rec709(buffers["color"], gbuffer.attributes), "grey").astype(float)
        rows, columns = views.pixels[~alike(known, views.places)].T
        shown[rows, columns] = 0.35 * shown[rows, columns] + 0.65 * MISSING
        known = np.concatenate([known, views.places])
        step = -(-shown.shape[1] // WIDTH)
        yield shown[::step, ::step].round().astype(np.uint8)


def _read(gbuffer: Version, at: int, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    return {name: values[0] for name, values in gbuffer.read(at, at + 1, names).items()}
