"""What the methods are compared on: shots with the truth of every frame, ingested and guided.

Belongs here: making the generated set, taking in folders of sequences, finding each shot's styles and truth. Does not:
reading frames (`footage`), drawing and measuring them (`measure`).

A folder of sequences holds one sub-folder each, with a `shot.yaml` and a `style.yaml` of its own, or in this layout:
`frame_####.exr`; `keyframe.exr` and `keyframe_target.png`, the rest pose and its drawing; `ref/frame_####_stylized.png`
and `_contour.png`; `meta.yaml`. It is never written to: what is missing is written under the project's root.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from pydantic import Field

from osf_pipeline.config import Camera, Exemplar, ShotConfig, Strict, StyleConfig, dump_yaml, load_yaml
from osf_pipeline.errors import InputDataError, RequestError
from osf_pipeline.evaluation.stage import truth_files
from osf_pipeline.execution import Execution, Progress
from osf_pipeline.exr.read import read_exr
from osf_pipeline.generate.plan import GenerateRequest
from osf_pipeline.generate.stage import generate
from osf_pipeline.guidance.stage import guide_shot
from osf_pipeline.ingest.stage import ingest_shot
from osf_pipeline.layout import Layout, exists, join
from osf_pipeline.store.files import names, take, write_bytes
from osf_pipeline.store.version import Version
from osf_pipeline.stylize.stage import inputs, styles_of

C = TypeVar("C", bound=Strict)
SIZES = "benchmark/sizes"
META = "meta.yaml"
SCALE = re.compile(r"orthographic, ortho_scale (?P<scale>[\d.]+)")
"""How `meta.yaml` tells the camera: it looks along +Y, image right is +X and image up +Z."""


@dataclass(frozen=True)
class BenchSequence:
    """One shot to be drawn and measured.

    Attributes:
        group: the set it belongs to: the generated set's name, or the folder's.
        styles: object id, or `*` for everything, to style; other objects keep their render.
        truth: frame number to truth file.
        parts: part id to name.
    """

    shot: str
    group: str
    styles: Mapping[int | str, str]
    truth: Mapping[int, str]
    parts: Mapping[int, str]
    gbuffer: Version
    guidance: Version

    @property
    def character(self) -> str:
        """Who plays: the style of the first object. Sequences of one character are alike."""
        return self.styles[next(iter(self.styles))]


def generated(
    layout: Layout, request: GenerateRequest, execution: Execution, progress: Progress | None = None
) -> list[BenchSequence]:
    """The sequences of a generated set; what is there already stays.

    Raises:
        RequestError, InputDataError: as `generate` and the stages.
    """
    made = generate(layout, request, execution, progress)
    return [prepared(layout, shot, made.name, execution, progress) for shot in made.shots]


def at_size(layout: Layout, request: GenerateRequest, width: int, height: int) -> tuple[Layout, GenerateRequest]:
    """A generated set at another size, and where it lies: under a root of its own, because its names are the same."""
    if (width, height) == (request.width, request.height):
        return layout, request
    root = join(layout.root, SIZES, f"{width}x{height}")
    return replace(layout, root=root), request.model_copy(update={"width": width, "height": height})


def in_folder(
    layout: Layout, folder: str, execution: Execution, progress: Progress | None = None
) -> list[BenchSequence]:
    """The sequences in a folder, by name.

    Raises:
        RequestError: when there are none, or one lacks a file it needs.
        RequestError, InputDataError: as the stages.
    """
    found = names(folder, "directory")
    if not found:
        raise RequestError(
            "no sequences", folder=folder, fix="Each is a sub-folder with frames, an exemplar and `ref/`; see docs."
        )
    group = folder.rstrip("/").rsplit("/", 1)[-1]
    return [
        prepared(layout, adopt(layout, join(folder, name), f"{group}-{name}"), group, execution, progress)
        for name in found
    ]


def prepared(
    layout: Layout, shot: str, group: str, execution: Execution, progress: Progress | None = None
) -> BenchSequence:
    """A shot with current G-buffers and guidance.

    Raises:
        RequestError: when the shot has no truth, or no style.
    """
    ingest_shot(layout, shot, execution, progress)
    guide_shot(layout, shot, execution, progress)
    config = layout.shot_config(shot)
    gbuffer, guidance = inputs(layout, shot)
    known = dict(enumerate(gbuffer.attributes["source"]["objects"], start=1))  # of a Cryptomatte
    config = config.model_copy(update={"objects": known | config.objects})
    truth = truth_files(layout, shot, config, guidance)
    if not truth:
        raise RequestError("the shot has no truth", shot=shot, fix="Set `reference` in its shot.yaml.")
    styles = styles_of(config, gbuffer.attributes["objects"], shot)
    return BenchSequence(shot, group, styles, truth, config.parts, gbuffer, guidance)


def adopt(layout: Layout, folder: str, name: str) -> str:
    """Write `shot.yaml` and `style.yaml` for a foreign sequence under the root; both point into its folder.

    Returns:
        The shot's name, which is its style's too.

    Raises:
        RequestError: when a file that says what the sequence is, is missing or bad.
    """
    if exists(join(folder, "style.yaml")):
        style = load_yaml(join(folder, "style.yaml"), StyleConfig)
        exemplars = tuple(_placed(entry, folder, "keyframe", "drawing", "mask", "strip") for entry in style.exemplars)
        style = style.model_copy(update={"exemplars": exemplars})
    else:
        style = _style_of_meta(folder)
    if exists(join(folder, "shot.yaml")):
        shot = _placed(load_yaml(join(folder, "shot.yaml"), ShotConfig), folder, "source", "reference")
        shot = shot.model_copy(update={"occlusion": _placed(shot.occlusion, folder, "revealed", "hidden_next")})
    else:
        shot = _shot_of_meta(folder, style)
    shot = shot.model_copy(update={"styles": {"*": name}})
    for url, config in (
        (join(layout.style(name), "style.yaml"), style),
        (join(layout.renders(name), "shot.yaml"), shot),
    ):
        text = dump_yaml(config).encode()
        if not exists(url) or take(url) != text:  # an untouched file keeps its time, so nothing is done again
            write_bytes(url, text)
    return name


class Meta(Strict, extra="ignore"):
    """What is read of `meta.yaml`.

    Attributes:
        parts: part id to name.
    """

    camera: str = ""
    fps: float = 24
    parts: dict[int, str] = Field({})


def _placed(config: C, folder: str, *keys: str) -> C:
    """The same, with file names under the folder where it was found."""
    said = {key: value for key in keys if (value := getattr(config, key)) is not None}
    return config.model_copy(update={key: join(folder, value) for key, value in said.items()})


def _meta(folder: str) -> Meta:
    url = join(folder, META)
    if not exists(url):
        raise RequestError(
            "nothing says what the sequence is", folder=folder, fix=f"Give it shot.yaml and style.yaml, or {META}."
        )
    return load_yaml(url, Meta)


def _style_of_meta(folder: str) -> StyleConfig:
    meta = _meta(folder)
    scale = SCALE.search(meta.camera)
    if scale is None:
        raise RequestError(
            f"{META} tells no camera", file=join(folder, META), camera=meta.camera or None,
            fix="Say `camera: orthographic, ortho_scale 2.0 ...`, or give the sequence shot.yaml and style.yaml.",
        )  # fmt: skip
    keyframe = join(folder, "keyframe.exr")
    exemplar = Exemplar(
        keyframe=keyframe,
        drawing=join(folder, "keyframe_target.png"),
        camera=Camera(scale=float(scale["scale"]), right=(1, 0, 0), up=(0, 0, 1), back=(0, -1, 0)),
        rest_box=rest_box(keyframe),
    )
    return StyleConfig(exemplars=(exemplar,))


def _shot_of_meta(folder: str, style: StyleConfig) -> ShotConfig:
    meta, exemplar = _meta(folder), style.exemplars[0]
    return ShotConfig(
        source=join(folder, "frame_####.exr"),
        camera=exemplar.camera,
        rest_box=exemplar.rest_box,
        fps=meta.fps,
        parts={number: part for number, part in meta.parts.items() if number},
        reference=join(folder, "ref/frame_####_stylized.png"),
    )


def rest_box(keyframe: str) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """The corners behind stored rest positions of 0 and 1: on a keyframe in the rest pose they are `Position`.

    Raises:
        InputDataError: when the keyframe lacks a channel, or its rest positions are no affine of its positions.
    """
    stored = [f"ViewLayer.RestPos.{c}" for c in "RGB"]
    world = [f"ViewLayer.Position.{c}" for c in "XYZ"]
    channels = read_exr(keyframe, (*stored, *world, "ViewLayer.PartID.X")).channels
    seen = channels["ViewLayer.PartID.X"] > 0.5
    low, high = [], []
    for rest, place in zip(stored, world, strict=True):
        x, y = channels[rest][seen].astype(np.float64), channels[place][seen].astype(np.float64)
        slope, offset = np.polyfit(x, y, 1)
        if np.abs(slope * x + offset - y).max() > 0.02 * abs(slope):
            raise InputDataError(
                "the keyframe is not in the rest pose", file=keyframe, channel=rest, fix="Give a style.yaml of its own."
            )
        low.append(round(float(offset), 4))
        high.append(round(float(offset + slope), 4))
    return (low[0], low[1], low[2]), (high[0], high[1], high[2])
