"""The bake stage: stylized frames onto the textures of the objects they show, and those textures back into the frames.

Belongs here: which objects, the passes over the frames, the files and their record. Does not: arithmetic (the other
modules here).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from osf_pipeline.bake.complete import complete
from osf_pipeline.bake.projection import Baked, Shown, Steadiness, project
from osf_pipeline.bake.source import BakeFrame, Layer, Source, Target
from osf_pipeline.bake.texels import Equations, Judge, Moments
from osf_pipeline.bake.texture import charts, fingerprint, own_texture, write_texture
from osf_pipeline.character.character import Character
from osf_pipeline.colorspaces.delivery import delivery_color
from osf_pipeline.colorspaces.spaces import store_space
from osf_pipeline.config import ShotConfig
from osf_pipeline.delivery.frame import FrameWriter
from osf_pipeline.delivery.layers import typed, write_planes
from osf_pipeline.delivery.preview import encode_png
from osf_pipeline.errors import InputDataError, RequestError
from osf_pipeline.execution import Progress
from osf_pipeline.layout import Layout, join
from osf_pipeline.results import StageResult
from osf_pipeline.shots import NAME, FrameRange
from osf_pipeline.store.files import read_json, take, write_bytes, write_json
from osf_pipeline.store.identity import identity
from osf_pipeline.store.version import require
from osf_pipeline.stylize.stage import styles_of

KIND = "bake"
RECORD = "bake.json"
PREVIEW = "preview.png"
STAGE_VERSION = 1
LAYERS = ("fill", "beauty")
SIZE = 1024
"""Longer side of the texture of an object that has none of its own."""
ENOUGH = 1.0
"""Summed weight from which a texel is what the frames say and nothing else: one pixel that shows it perfectly."""
PASSES = 4
NUMBERED = re.compile(r"-\d+\Z")


def bake_shot(
    layout: Layout,
    shot: str,
    progress: Progress | None = None,
    *,
    layers: Layer = "fill",
    objects: Sequence[str] | None = None,
    size: int | None = None,
) -> StageResult:
    """Bake the current stylized version of a shot onto textures; what is baked already stays as it is.

    Writes `<object>/texture.png` (sRGB), `<object>/texture.exr` (scene-linear half, with `coverage`), for our own
    characters `<object>/<object>.glb`, and `projection/<shot>.<frame>.exr`: the textures seen through each frame, in
    the windows of its source, with `coverage.Y` of the texture and `weight.Y` of the frame. `bake.json` is written
    last; a bake without it is done again. Quarantined frames get no file; they and held ones decide no texel.

    Args:
        layers: `fill` bakes colour alone, `beauty` the line as well.
        objects: names or ids; every stylized object when None.
        size: pixels of the texture's longer side; when None the character's own, and `SIZE` for other objects.

    Raises:
        RequestError: when the shot is not stylized yet, for an unknown layer or object, or a size below 2.
        InputDataError: without texture coordinates, normals or ids, or when no frame shows an object well enough.
    """
    began = time.monotonic()
    if layers not in LAYERS:
        raise RequestError("unknown layer to bake", layers=layers, fix=f"Use one of {', '.join(LAYERS)}.")
    if size is not None and size < 2:
        raise RequestError("a texture needs at least 2 pixels a side", size=size, fix="Leave `size` out, or raise it.")
    version = require(layout.store(shot, "stylized"), "stylize", shot)
    config = layout.shot_config(shot)
    source = Source.of(layout, shot, version, layers, store_space(version.attributes))
    targets = _targets(layout, shot, config, source, objects, size)
    color = delivery_color(source.space, config.delivery.color_space, config.ocio)
    bake_id = identity(
        KIND, STAGE_VERSION,
        {"stylized": version.id, "characters": {t.name: fingerprint(t.character) for t in targets}},
        {"layers": layers, "objects": [t.number for t in targets], "size": size, "color": color.fingerprint},
    )  # fmt: skip
    url = layout.delivery(shot, f"{version.id}-{KIND}-{bake_id[:8]}")
    record = read_json(join(url, RECORD))
    reused = record is not None
    if record is None:
        writer = FrameWriter(layout, shot, config, version, url, color)
        record = _bake(shot, source, targets, writer, progress) | {"id": bake_id, "layers": layers}
        write_json(join(url, RECORD), record)
    return StageResult(
        shot, KIND, bake_id, url, reused, len(version.frames), time.monotonic() - began,
        {**record, "projection": join(url, record["projection"]), "frames": str(FrameRange.of(version.frames))},
        take(join(url, PREVIEW)), version.quarantined, version.held,
    )  # fmt: skip


def _targets(
    layout: Layout, shot: str, config: ShotConfig, source: Source, wanted: Sequence[str] | None, size: int | None
) -> list[Target]:
    """The objects to bake, by id.

    Raises:
        RequestError: when one of them is not in the shot, or is not stylized.
    """
    attributes = source.gbuffer.attributes
    names = dict(enumerate(attributes["source"]["objects"], start=1)) | config.objects
    styles = styles_of(config.model_copy(update={"objects": names}), attributes["objects"], shot)
    known = {int(number): names.get(int(number), str(number)) for number in sorted(styles)}
    chosen = dict(known)
    if wanted is not None:
        for name in wanted:
            if name not in {*known.values(), *map(str, known)}:
                raise RequestError(
                    "no such stylized object", shot=shot, object=name,
                    fix=f"Stylized: {', '.join(f'{name} ({number})' for number, name in known.items())}.",
                )  # fmt: skip
        chosen = {number: name for number, name in known.items() if name in wanted or str(number) in wanted}
    return [_target(layout, number, name, size) for number, name in chosen.items()]


def _target(layout: Layout, number: int, name: str, size: int | None) -> Target:
    character = _character(layout, name)
    if character is None:
        side = size or SIZE
        return Target(number, name if NAME.match(name) else f"object-{number}", None, (side, side))
    height, width = character.texture.shape[:2]
    if size is not None:
        scale = size / max(height, width)
        height, width = max(2, round(height * scale)), max(2, 2 * round(width * scale / 2))
    return Target(number, name, character, (height, width))


def _bake(
    shot: str, source: Source, targets: Sequence[Target], writer: FrameWriter, progress: Progress | None
) -> dict[str, Any]:
    frames = len(source.version.frames)

    def tell(passes: int, frame: BakeFrame) -> None:
        if progress:
            progress(passes * frames + frame.position + 1, PASSES * frames, KIND)

    equations = _equations(source, targets, tell)
    baked, rows, pictures = {}, [], []
    for target in targets:
        sums = equations.pop(target)
        coverage = np.minimum(sums.weight / ENOUGH, 1)
        own = None if target.character is None else own_texture(target.character, target.shape, source.space)
        texture = Baked(complete(sums.solve(), coverage, own, target.columns), coverage, target.columns)
        baked[target.number] = texture
        pictures.append(write_texture(writer.url, target, texture, own, source.space))
        rows.append(_row(target, coverage))
    write_bytes(join(writer.url, PREVIEW), encode_png(_stacked(pictures)))
    steadiness = Steadiness()
    for frame in source:
        _project(shot, frame, baked, steadiness, writer)
        tell(PASSES - 1, frame)
    return {
        "objects": rows,
        "projection": f"projection/{shot}.####.exr",
        **steadiness.numbers(),
        "quarantined": list(source.version.quarantined),
        "held": list(source.version.held),
    }


def _equations(
    source: Source, targets: Sequence[Target], tell: Callable[[int, BakeFrame], None]
) -> dict[Target, Equations]:
    """What the frames say of each texture, without outliers: two passes find what most frames say, the third keeps it.

    Raises:
        InputDataError: when no frame shows one of the objects well enough.
    """
    judges: dict[Target, Judge] = {}
    for passes in range(PASSES - 2):
        moments = {target: Moments(target.shape) for target in targets}
        for frame in _evidence(source):
            for target, sums in moments.items():
                place, weight, color = frame.samples(target)
                sums.add(place, weight * judges[target].closeness(place, color) if judges else weight, color)
            tell(passes, frame)
        if unseen := [target.name for target, sums in moments.items() if not sums.weight.any()]:
            raise InputDataError(
                "no frame shows an object well enough to bake it", object=unseen[0], store=source.version.id,
                fix="Leave it out with `--objects`, or look at its normals and at the guidance's confidence.",
            )  # fmt: skip
        judges = {target: sums.finish() for target, sums in moments.items()}
    equations = {target: Equations(target.shape) for target in targets}
    for frame in _evidence(source):
        for target, said in equations.items():
            place, weight, color = frame.samples(target)
            said.add(place, weight * judges[target].keeps(place, color), color)
        tell(PASSES - 2, frame)
    return equations


def _evidence(source: Source) -> Iterable[BakeFrame]:
    return (frame for frame in source if frame.frame not in source.bad)


def _project(
    shot: str, frame: BakeFrame, baked: Mapping[int, Baked], steadiness: Steadiness, writer: FrameWriter
) -> None:
    alpha = frame.arrays["alpha"][0].astype(np.float32)
    picture, coverage = project(frame.objects, frame.arrays["uv"], alpha, baked)
    mine = np.isin(frame.objects, list(baked))
    clear = mine & (frame.weight > 0)
    straight = np.divide(picture[:3], picture[3:], out=np.zeros_like(picture[:3]), where=picture[3:] > 0)
    steadiness.add(
        Shown(
            frame.display(frame.color),
            frame.display(straight),
            frame.objects,
            clear,
            frame.arrays.get("motion"),
            frame.seen_before,
        )
    )
    planes = dict(zip("RGBA", writer.color.convert(picture), strict=True))
    planes |= {"coverage.Y": coverage, "weight.Y": np.where(mine, frame.weight, 0)}
    write_planes(
        join(writer.url, "projection", f"{shot}.{frame.frame:04d}.exr"),
        {name: typed(plane, "float16") for name, plane in planes.items()},
        tuple(writer.facts["window"]),
        covered=alpha > 0,
        **writer.header(frame.position),
    )


def _stacked(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures below each other, on white."""
    width = max(picture.shape[1] for picture in pictures)
    rows = [
        np.pad(picture, [(0, 0), (0, width - picture.shape[1]), (0, 0)], constant_values=255) for picture in pictures
    ]
    return np.concatenate(rows)


def _row(target: Target, coverage: np.ndarray) -> dict[str, Any]:
    """What is known of one texture: its size, and which share of it the frames have shown."""
    shown = coverage if target.character is None else coverage[charts(target.character, target.shape)]
    return {
        "object": target.name,
        "character": target.character is not None,
        "size": f"{target.shape[1]}x{target.shape[0]}",
        "seen": round(float((shown > 0).mean()), 4),
        "coverage": round(float(shown.mean()), 4),
    }


def _character(layout: Layout, name: str) -> Character | None:
    """The character that an object is, by its name; a scene's second `fox` is the object `fox-2`."""
    from osf_pipeline.character.stage import built_characters, character_folder

    known = built_characters(layout)
    found = next((n for n in (name, NUMBERED.sub("", name)) if n in known), None)
    return None if found is None else Character.load(character_folder(layout, found))
