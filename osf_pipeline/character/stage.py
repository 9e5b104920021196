"""The character stage: a drawing to a character, and to the style that is learnt from it.

Belongs here: versions of a character, their files, the style's folder, the small picture of both. Does not: reading
the drawing (`drawing.folder`), building (`build`), training the style.

A version's folder is named by its identity; its `record.json` is written last, and `current.json` beside the versions
points at the one that scenes use. The style's folder gets new files whenever the character has a new version; a
`style.yaml` that is there is the artist's and stays.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from osf_pipeline.character.build import build_character
from osf_pipeline.character.character import Character
from osf_pipeline.character.exemplar import Register, keyframe, rest_scene
from osf_pipeline.color import to_uint8
from osf_pipeline.config import Camera, CharacterConfig, Exemplar, StyleConfig, dump_yaml
from osf_pipeline.delivery.preview import beside, encode_png, picture, resized
from osf_pipeline.drawing.drawing import Drawing
from osf_pipeline.drawing.folder import DrawingFolder
from osf_pipeline.drawing.strip import write_strip
from osf_pipeline.errors import RequestError
from osf_pipeline.execution import Progress
from osf_pipeline.gltf.write import write_character
from osf_pipeline.layout import Layout, exists, join
from osf_pipeline.render.frame import render_frame
from osf_pipeline.render.sequence import write_frame
from osf_pipeline.results import BuiltCharacter
from osf_pipeline.store.files import copy, names, read_json, take, write_bytes, write_json
from osf_pipeline.store.identity import identity
from osf_pipeline.store.version import CURRENT

KIND = "character"
STAGE_VERSION = 1
"""Raised by hand whenever equal drawings give other characters."""
RECORD = "record.json"
KEYFRAME, DRAWING, STRIP = "keyframe.exr", "drawing.png", "strip.json"
STYLE_FILES = (KEYFRAME, DRAWING, STRIP, "strip.png")
"""Files of a version that the style's exemplar is made of."""
VIEWS = (0.0, 40.0, 180.0)
"""Degrees about the vertical at which the preview shows the character."""
PREVIEW_HEIGHT = 320


def build_from_drawing(layout: Layout, name: str, progress: Progress | None = None) -> BuiltCharacter:
    """Build the character of a drawing and write its style; the same drawing again does no work.

    `characters/<name>/<id>/` holds the character (`Character.save`), `<name>.glb`, `keyframe.exr`, `drawing.png`, the
    outline strip, `fill.png` (the drawing without its outline) and `preview.png`.

    Raises:
        RequestError: when there is no such drawing, or its files cannot be told apart.
        InputDataError: when they are damaged or make no figure; nothing is left of the attempt that anything reads.
    """
    began = time.monotonic()
    if name not in layout.drawings():
        known = ", ".join(layout.drawings()) or "none"
        raise RequestError("unknown drawing", character=name, folder=layout.drawing(name), fix=f"Drawings: {known}.")
    source = DrawingFolder.at(layout.drawing(name))
    version = identity(KIND, STAGE_VERSION, source.hashes(), source.config.model_dump(mode="json"))
    folder = join(layout.character(name), version)
    record = read_json(join(folder, RECORD))
    reused = record is not None
    if record is None:
        record = _build(source, folder, name, progress)
        write_json(join(folder, RECORD), record)
    if (read_json(join(layout.character(name), CURRENT)) or {}).get("id") != version:
        write_json(join(layout.character(name), CURRENT), {"id": version})
    _write_style(layout, name, folder, source.config)
    return BuiltCharacter(
        name, version, folder, layout.style(name), reused, time.monotonic() - began, record,
        take(join(folder, "preview.png")),
    )  # fmt: skip


def built_characters(layout: Layout) -> list[str]:
    """Names of the characters that are built."""
    folder = join(layout.root, "characters")
    return [name for name in names(folder, "directory") if exists(join(folder, name, CURRENT))]


def character_folder(layout: Layout, name: str) -> str:
    """Folder of the current version of a character.

    Raises:
        RequestError: when it is not built yet; lists those that are.
    """
    pointer = read_json(join(layout.character(name), CURRENT))
    if pointer is None:
        known = ", ".join(built_characters(layout)) or "none"
        raise RequestError(
            "unknown character", character=name, fix=f"Characters found: {known}. `osf character {name}` builds one."
        )
    return join(layout.character(name), str(pointer["id"]))


def _build(source: DrawingFolder, folder: str, name: str, progress: Progress | None) -> dict[str, Any]:
    def told(step: int, text: str) -> None:
        if progress:
            progress(step, 4, text)

    told(1, "reading the drawing")
    drawing, findings = source.read()
    told(2, "building the character")
    character, report = build_character(drawing)
    told(3, "writing it")
    character.save(folder)
    character = Character.load(folder)  # its texture in whole steps, as every reader will have it
    write_bytes(join(folder, f"{name}.glb"), write_character(character, name=name))
    register = Register.of(drawing.mask, source.config.keyframe)
    write_frame(join(folder, KEYFRAME), keyframe(character, register, name))
    write_bytes(join(folder, DRAWING), encode_png(register.drawing(drawing)))
    write_bytes(join(folder, "fill.png"), encode_png(to_uint8(np.moveaxis(drawing.fill, -1, 0))))
    write_strip(drawing.strip, folder)
    write_bytes(join(folder, "preview.png"), preview(character, drawing))
    told(4, "character")
    return {
        "drawing": source.picture,
        "mask": source.mask or "found on the drawing",
        "joints": source.joints or "estimated",
        "keyframe": f"{register.size[0]}x{register.size[1]}",
        **{key: value for key, value in report.to_json().items() if key != "parts"},
        "parts": [{"part": part, "faces": faces} for part, faces in report.parts.items()],
        "findings": [{"finding": text} for text in findings],
    }


def _write_style(layout: Layout, name: str, folder: str, config: CharacterConfig) -> None:
    """The style's files as in the version, and a `style.yaml` where there is none."""
    style = layout.style(name)
    for file in STYLE_FILES:
        if not exists(join(style, file)) or take(join(style, file)) != take(join(folder, file)):
            copy(join(folder, file), join(style, file))
    if not exists(join(style, "style.yaml")):
        exemplar = Exemplar(keyframe=KEYFRAME, drawing=DRAWING, strip=STRIP, adapter="osf")
        write_bytes(
            join(style, "style.yaml"), dump_yaml(StyleConfig(exemplars=(exemplar,), license=config.license)).encode()
        )


def preview(character: Character, drawing: Drawing) -> bytes:
    """PNG: the drawing as given, and the character from the front, half turned, and from behind."""
    register = Register.of(drawing.mask, PREVIEW_HEIGHT)
    drawn = register.drawing(drawing).astype(np.float32)
    alpha = drawn[..., 3:] / 255
    shown = [np.rint(drawn[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)]
    front = register.camera(character)
    for degrees in VIEWS:
        view = render_frame(rest_scene(character, turned(front, degrees), "figure"), 0, register.size)
        shown.append(picture(view.buffers["color"]))
    return encode_png(resized(beside(shown), 1600))


def turned(camera: Camera, degrees: float) -> Camera:
    """A camera in front, carried about the vertical through its own view's middle."""
    turn = np.radians(degrees)
    back = np.array([np.sin(turn), 0, np.cos(turn)])
    right = np.array([np.cos(turn), 0, -np.sin(turn)])
    x, y, z = camera.position
    position = np.array([x, y, 0]) + z * back
    return camera.model_copy(
        update={"right": tuple(right.tolist()), "back": tuple(back.tolist()), "position": tuple(position.tolist())}
    )
