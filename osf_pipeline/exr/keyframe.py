"""One keyframe and its drawing: what a style is learnt from.

Belongs here: reading single frames as canonical buffers. Does not: sequences (`exr.sequence`, `ingest`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from osf_pipeline.buffers import GBUFFER
from osf_pipeline.colorspaces.source import input_color
from osf_pipeline.colorspaces.spaces import LINEAR_REC709, SPACES, Space, convert
from osf_pipeline.config import Exemplar, Source
from osf_pipeline.drawing.picture import read_pixels
from osf_pipeline.errors import RequestError
from osf_pipeline.exr.adapters import map_buffers
from osf_pipeline.exr.convert import canonical, trim_to_figure
from osf_pipeline.exr.header import Header, read_header
from osf_pipeline.exr.read import place, read_exr
from osf_pipeline.exr.sequence import find_sequence
from osf_pipeline.layout import Layout, join, root_of
from osf_pipeline.validate.findings import refuse
from osf_pipeline.validate.frames import check_frame
from osf_pipeline.validate.stored import check_source
from osf_pipeline.validate.subject import Subject


def resolved(exemplar: Exemplar, base_url: str) -> Exemplar:
    """The exemplar with the place of its keyframe's file, read as its shot is where it is a shot's.

    Args:
        base_url: the style's folder, `root/styles/<style>`.

    Raises:
        RequestError: for an unknown shot, or a frame the shot does not have.
    """
    if exemplar.shot_frame is None:
        return exemplar.model_copy(update={"keyframe": join(base_url, exemplar.keyframe)})
    shot, frame = exemplar.shot_frame
    layout = Layout(root_of(base_url), "")
    config = layout.shot_config(shot)
    sequence = find_sequence(layout.renders(shot), config.source, config.frames)
    if frame not in sequence.urls:
        raise RequestError(
            "the shot has no such frame", shot=shot, frame=frame, style=base_url, fix=f"It has {sequence.frames}."
        )
    read = {name: getattr(config, name) for name in (*Source.model_fields, "view")}
    return exemplar.model_copy(update=read | {"camera": config.camera_at(frame), "keyframe": sequence.urls[frame]})


def read_keyframe(exemplar: Exemplar, base_url: str, space: Space = LINEAR_REC709) -> dict[str, np.ndarray]:
    """Canonical buffers of an exemplar's keyframe, over the display window.

    Args:
        base_url: the style's folder, `root/styles/<style>`.
        space: scene-linear space to bring its colour to.

    Returns:
        buffer name to a (channel, y, x) array in canonical dtype, background outside the data window; the colour in
        float32 where the keyframe has other primaries.

    Raises:
        InputDataError, RequestError: as `resolved`, `map_buffers` and `read_exr`.
    """
    exemplar = resolved(exemplar, base_url)
    header = read_header(exemplar.keyframe)
    mapping = map_buffers(header, exemplar)
    image = trim_to_figure(read_exr(exemplar.keyframe, mapping.channels, mapping.fill), mapping)
    refuse(check_source(image, mapping, exemplar, None))
    number = _frame_number(header)
    frame = canonical(image, mapping, exemplar, number)
    refuse(check_frame(Subject(frame, header, mapping, exemplar, number)))
    frame.buffers["color"] = convert(frame.buffers["color"], input_color(exemplar, header).space, space)
    return {
        name: place(values, frame.window, header.display_window, GBUFFER[name].background)
        for name, values in frame.buffers.items()
    }


def _frame_number(header: Header) -> int:
    """What the renderer says; Blender writes a string. 0 when it says nothing."""
    text = str(header.attributes.get("Frame", ""))
    return int(text) if text.lstrip("-").isdigit() else 0


def read_drawing(url: str, space: Space = LINEAR_REC709) -> np.ndarray:
    """(4, y, x) float32 RGBA in 0..1, straight alpha; alpha is 1 where the picture has none.

    Args:
        space: gives the primaries of the result; its curve is that of sRGB in any case.

    Raises:
        InputDataError: as `read_pixels`.
    """
    pixels, _ = read_pixels(url)
    drawing = np.ascontiguousarray(pixels.transpose(2, 0, 1))
    drawing[:3] = convert(drawing[:3], SPACES["srgb"], replace(space, transfer="srgb")).clip(0, 1)
    return drawing
