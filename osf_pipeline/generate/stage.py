"""The generate stage: a set of sequences with exact buffers and the styled truth of every frame.

Belongs here: which sequences are still to be made, running over them, the set's record and contact sheet. Does not:
random choices (`plan`), making one sequence (`sequence`).

A set lies under a project's root like any other work: `renders/<split>-<seed>-0000/`, `truth/` and `styles/` beside it,
so every verb works on it. `generated/<split>-<seed>/set.json` lists it, and is written last.
"""

from __future__ import annotations

import io
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image

from osf_pipeline.delivery.preview import encode_png
from osf_pipeline.drawing.folder import DrawingFolder
from osf_pipeline.errors import RequestError
from osf_pipeline.execution import Execution, Json, Progress, executor
from osf_pipeline.generate.plan import GenerateRequest, Sequence, plan, split_of
from osf_pipeline.generate.player import STYLE
from osf_pipeline.generate.sequence import THUMBNAIL, record_of
from osf_pipeline.layout import Layout, exists, join
from osf_pipeline.motion.clip import Clip
from osf_pipeline.motion.library import motion
from osf_pipeline.render.sequence import SHOT
from osf_pipeline.shots import check_name
from osf_pipeline.store.claim import hold
from osf_pipeline.store.files import names, take, write_bytes, write_json
from osf_pipeline.store.identity import identity

KIND = "generated"
STAGE_VERSION = 2
"""Raised by hand whenever equal requests give other frames."""
WORKER = "osf_pipeline.generate.sequence:SequenceWorker"
SET = "set.json"
SHEET = "contact.png"
FIGURE_SHARE = 0.72
"""A figure's share of the picture's height, about: the scale its style is drawn at."""
SHEET_COLUMNS, SHEET_LENGTH = 4, 48


@dataclass(frozen=True)
class GeneratedSet:
    """A made set.

    Attributes:
        name: `<split>-<seed>`.
        url: folder of `set.json` and the contact sheet.
        shots, styles: names under the layout's renders and styles.
        reused: sequences that were there already.
    """

    name: str
    url: str
    shots: tuple[str, ...]
    styles: tuple[str, ...]
    frames: int
    reused: int
    seconds: float


def generate(
    layout: Layout, request: GenerateRequest, execution: Execution | None = None, progress: Progress | None = None
) -> GeneratedSet:
    """Make a set; what is there already stays, a killed run continues, and equal requests give equal bytes.

    Raises:
        RequestError: for a motion or drawing that does not exist, when there is nobody to play, another run makes the
            set, or a shot has renders that were not made here; nothing is written then.
        InputDataError: when a real drawing makes no character.
    """
    began = time.monotonic()
    execution = execution or Execution()
    if execution.backend == "ray":  # sequences are independent: one core each keeps all cores busy
        execution = replace(execution, threads=1)
    clips = {name: motion(name, layout.motions()) for name in request.motions}
    drawings, contents = _drawings(request)
    sequences = plan(request, clips, drawings)
    figure = round(FIGURE_SHARE * request.height)
    keys = {sequence.shot: _key(sequence, clips, contents, figure, request.keyframes) for sequence in sequences}
    records = {sequence.shot: record_of(layout, sequence.shot) for sequence in sequences}
    _refuse_foreign(layout, records)
    url = join(layout.root, KIND, request.name)
    claim = hold(url)
    if claim is None:
        raise RequestError("another run makes this set", set=request.name, fix="Wait for it, or stop it.")
    with claim:
        left = [s for s in sequences if not _done(layout, s, records[s.shot], keys[s.shot], request.keyframes)]
        # Real drawings first: what can fail fails early. One character's sequences together: it is built less often.
        left.sort(key=lambda s: (all(cast.drawing is None for cast in s.cast.values()), *s.cast))
        job = {
            "root": layout.root, "home": layout.home, "threads": execution.threads, "figure": figure,
            "keyframes": request.keyframes,
        }  # fmt: skip
        shards = [{"sequence": s.model_dump(mode="json"), "key": keys[s.shot]} for s in left]
        done = len(sequences) - len(left)

        def on_done(result: Json) -> None:
            nonlocal done
            done += 1
            if progress:
                progress(done, len(sequences), f"sequence {result['shot']}")

        executor(execution)(WORKER, job, shards, on_done)
        write_bytes(join(url, SHEET), contact_sheet(layout, sequences))
        write_json(join(url, SET), _listing(request, sequences, keys))
    styles = sorted({name for sequence in sequences for name in sequence.cast})
    return GeneratedSet(
        request.name, url, tuple(s.shot for s in sequences), tuple(styles), request.frames * len(sequences),
        len(sequences) - len(left), time.monotonic() - began,
    )  # fmt: skip


def contact_sheet(layout: Layout, sequences: list[Sequence]) -> bytes:
    """PNG: the middle frame of the first `SHEET_LENGTH` sequences, as rendered and as the hand draws it."""
    files = [take(join(layout.truth(sequence.shot), THUMBNAIL)) for sequence in sequences[:SHEET_LENGTH]]
    shown = [np.asarray(Image.open(io.BytesIO(file), formats=["PNG"]).convert("RGB")) for file in files]
    height, width = (max(p.shape[axis] for p in shown) for axis in (0, 1))
    columns = min(SHEET_COLUMNS, len(shown))
    sheet = np.full((-(-len(shown) // columns) * height, columns * width, 3), 255, np.uint8)
    for number, pixels in enumerate(shown):
        y, x = number // columns * height, number % columns * width
        sheet[y : y + pixels.shape[0], x : x + pixels.shape[1]] = pixels
    return encode_png(sheet)


def _drawings(request: GenerateRequest) -> tuple[dict[str, str], dict[str, Any]]:
    """Character name to folder of the real drawings of this split, and what they hold.

    Raises:
        RequestError: for a folder without a drawing, or with a name that no style can have.
    """
    folders, contents = {}, {}
    for url in request.drawings:
        folder = DrawingFolder.at(url)
        if split_of(take(join(url, folder.picture))) == request.split:
            contents[url] = {**folder.hashes(), "license": folder.config.license}
            name = check_name("drawing", url.rstrip("/").rsplit("/", 1)[-1])
            # With its content: two drawings of one name, in one set or in two, are two styles.
            folders[f"{request.split}-{name}-{identity(KIND, STAGE_VERSION, contents[url], {})[:6]}"] = url
    return folders, contents


def _key(
    sequence: Sequence, clips: Mapping[str, Clip], contents: Mapping[str, Any], figure: int, keyframes: int
) -> str:
    """What decides the bytes of a sequence; where a real drawing lies does not matter, what is in it does."""
    cast = {
        name: contents[source.drawing] if source.drawing is not None else source.artwork
        for name, source in sequence.cast.items()
    }
    motions = {actor.motion: clips[actor.motion].digest() for actor in sequence.scene.actors}
    recipe = {"scene": sequence.scene.model_dump(mode="json"), "figure": figure, "keyframes": keyframes}
    return identity(KIND, STAGE_VERSION, {"cast": cast, "motions": motions}, recipe)


def _refuse_foreign(layout: Layout, records: Mapping[str, Json | None]) -> None:
    """
    Raises:
        RequestError: when a shot of that name was not made here.
    """
    for shot, record in records.items():
        if record is None and (found := names(layout.renders(shot))):
            raise RequestError(
                "the folder holds renders that were not made by `osf generate`", folder=layout.renders(shot),
                file=found[0], fix="Choose another seed, or move them away.",
            )  # fmt: skip


def _done(layout: Layout, sequence: Sequence, record: Json | None, key: str, keyframes: int) -> bool:
    """Whether a sequence is there, with its styles; another set may have given these fewer keyframes or more."""
    if record is None or record["key"] != key or not record["done"]:
        return False
    styles = [join(layout.style(name), STYLE) for name in sequence.cast]
    if not all(map(exists, (join(layout.renders(sequence.shot), SHOT), *styles))):
        return False
    return all(len(layout.style_config(name).exemplars) == keyframes for name in sequence.cast)


def _listing(request: GenerateRequest, sequences: list[Sequence], keys: dict[str, str]) -> dict[str, Any]:
    return {
        "request": request.model_dump(mode="json"),
        "stage_version": STAGE_VERSION,
        "sequences": [{"key": keys[s.shot], **s.model_dump(mode="json", exclude_defaults=True)} for s in sequences],
    }
