"""What a frame should look like, from two kinds of source.

Belongs here: reading truth and completing it. Does not: scores (`metrics`, `contours`), files of other kinds.

Two kinds:
    * The styled truth of a generated shot (EXR): exact layers, exact distance to the geometric contours, and the middle
      of the drawn strokes from their geometry, so that grain and pale ink do not move it.
    * Reference pictures (PNG): `<frame>_stylized.png` and `<frame>_contour.png`, the line alone. The middle of the line
      is found in them; distances are measured from it, and a line deeper inside the figure than a stroke is an
      occlusion contour. A truth that was written without the middle of its strokes has it found likewise.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import fsspec
import numpy as np
from PIL import Image, UnidentifiedImageError
from scipy import ndimage

from osf_pipeline.buffers import CONTOUR_RANGE
from osf_pipeline.color import from_straight_srgb
from osf_pipeline.colorspaces.source import declared_space
from osf_pipeline.colorspaces.spaces import LINEAR_REC709, convert
from osf_pipeline.errors import InputDataError
from osf_pipeline.evaluation.lines import Line, distance_to, trace
from osf_pipeline.exr.header import read_header
from osf_pipeline.exr.read import read_exr

INNER_MARGIN = 3.0
"""Pixels beyond a stroke's width from the silhouette at which a reference line counts as an occlusion contour."""


@dataclass(frozen=True)
class FrameTruth:
    """The truth of one frame.

    Attributes:
        beauty: (4, y, x) float32, premultiplied, linear Rec. 709.
        line: (y, x) float32, opacity of the line.
        contour: (y, x) float32 pixels to the nearest contour, truncated at `CONTOUR_RANGE`.
        occlusion: likewise, to the nearest contour with a surface behind it.
        to_centre: (2, y, x) float32, pixels right and down to the nearest point on the middle of a stroke, truncated.
        width: (y, x) float32 pixels, breadth of the stroke there.
        revealed: (y, x) bool, hidden in the previous frame; None where the source does not tell.
        far: (y, x) bool, behind the nearest contour; None where the source does not tell.
    """

    beauty: np.ndarray
    line: np.ndarray
    contour: np.ndarray
    occlusion: np.ndarray
    to_centre: np.ndarray
    width: np.ndarray
    revealed: np.ndarray | None = None
    far: np.ndarray | None = None

    @cached_property
    def centre(self) -> np.ndarray:
        """(y, x) bool: the middle of a stroke runs through the pixel."""
        return (np.abs(self.to_centre) <= 0.5).all(0)

    @cached_property
    def away(self) -> np.ndarray:
        """(y, x) pixels to the nearest middle of a stroke, truncated at `CONTOUR_RANGE`."""
        return np.hypot(*self.to_centre)

    def crop(self, rows: slice, columns: slice) -> FrameTruth:
        """The same on a window."""

        def cut(plane: np.ndarray) -> np.ndarray:
            return plane[..., rows, columns]

        revealed, far = (None if plane is None else cut(plane) for plane in (self.revealed, self.far))
        return FrameTruth(
            cut(self.beauty), cut(self.line), cut(self.contour), cut(self.occlusion), cut(self.to_centre),
            cut(self.width), revealed, far,
        )  # fmt: skip


GEOMETRY = ("centre.X", "centre.Y", "centre.width", "contour.far")
"""Channels of a generated truth that older ones lack."""
TRUTH_CHANNELS = (*"RGBA", "line.A", "contour.distance", "occlusion.distance", "revealed.Y")


def from_channels(channels: Mapping[str, np.ndarray]) -> FrameTruth:
    """Truth of a generated frame.

    Args:
        channels: (y, x) planes of `TRUTH_CHANNELS` and, all or none of them, of `GEOMETRY`.

    Raises:
        KeyError: when one is absent.
    """
    beauty = np.stack([channels[name] for name in "RGBA"]).astype(np.float32)
    line, contour, occlusion = (
        channels[name].astype(np.float32) for name in ("line.A", "contour.distance", "occlusion.distance")
    )
    revealed = channels["revealed.Y"] > 0.5
    if not channels.keys() & set(GEOMETRY):
        return FrameTruth(beauty, line, contour, occlusion, *middles(trace(line)), revealed)
    x, y, width, far = (channels[name].astype(np.float32) for name in GEOMETRY)
    return FrameTruth(beauty, line, contour, occlusion, np.stack([x, y]), width, revealed, far > 0.5)


def middles(line: Line) -> tuple[np.ndarray, np.ndarray]:
    """`to_centre` and `width` from a line as it is found: for truths that hold no more than its opacity."""
    shape = line.mask.shape
    if not line.centre.any():
        return np.full((2, *shape), CONTOUR_RANGE, np.float32), np.zeros(shape, np.float32)
    number = np.zeros(shape, np.int64)
    number[line.centre] = np.arange(len(line.points))
    row, column = ndimage.distance_transform_edt(~line.centre, return_distances=False, return_indices=True)
    nearest = number[row, column]
    step = np.moveaxis(line.points[nearest], 2, 0) - np.indices(shape)
    return step[::-1].astype(np.float32), line.width[nearest].astype(np.float32)


def from_reference(stylized: np.ndarray, contour: np.ndarray) -> FrameTruth:
    """Truth from reference pictures.

    Args:
        stylized: (y, x, 4) uint8, sRGB, straight alpha.
        contour: (y, x) uint8, opacity of its line.
    """
    beauty, line = from_straight_srgb(stylized), contour.astype(np.float32) / 255
    found = trace(line)
    inside = ndimage.distance_transform_edt(np.pad(beauty[3] > 0.5, 1))[1:-1, 1:-1]
    stroke = float(np.median(found.width)) if len(found.width) else 0.0
    inner = found.centre & (inside > stroke + INNER_MARGIN)
    near, occluding = (np.minimum(distance_to(where), CONTOUR_RANGE) for where in (found.centre, inner))
    return FrameTruth(beauty, line, near, occluding, *middles(found))


def truth_parts(url: str) -> tuple[str, ...]:
    """The files that `read_truth` reads."""
    return (url, url.removesuffix("_stylized.png") + "_contour.png") if url.endswith(".png") else (url,)


def read_truth(url: str) -> FrameTruth:
    """Read the truth of one frame.

    Args:
        url: an EXR of `osf sample`, in the space it declares or else linear Rec. 709, or `..._stylized.png` with
            `..._contour.png` beside it.

    Raises:
        InputDataError: for a missing or damaged file, a missing channel, or two pictures of different size.
    """
    if not url.endswith(".png"):
        geometry = GEOMETRY if GEOMETRY[0] in read_header(url).channels else ()
        image = read_exr(url, (*TRUTH_CHANNELS, *geometry))
        truth = from_channels(image.channels)
        space = declared_space(image.header) or LINEAR_REC709
        return replace(truth, beauty=convert(truth.beauty, space, LINEAR_REC709))
    url, line_url = truth_parts(url)
    stylized, picture = np.array(_read_png(url).convert("RGBA")), _read_png(line_url)
    # Either a mask, or the line as a transparent picture.
    contour = np.array(picture.getchannel("A") if "A" in picture.getbands() else picture.convert("L"))
    if stylized.shape[:2] != contour.shape:
        raise InputDataError(
            "the reference and its line differ in size", file=line_url, size=contour.shape[::-1],
            expected=stylized.shape[1::-1], fix="Export both from one picture.",
        )  # fmt: skip
    return from_reference(stylized, contour)


def _read_png(url: str) -> Image.Image:
    fs, path = fsspec.core.url_to_fs(url)
    try:
        picture = Image.open(io.BytesIO(fs.cat_file(path)))
        picture.load()
    except FileNotFoundError as error:
        raise InputDataError(
            "no such reference picture",
            file=url,
            fix="References are `<frame>_stylized.png` and `<frame>_contour.png`.",
        ) from error
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise InputDataError("no readable picture", file=url, problem=str(error), fix="Export it again.") from error
    return picture
