"""The outline a figure was drawn with, straightened: how broad, dark and grainy the line is along its length.

Belongs here: the strip, how it is measured, and its file. Does not: finding the outline (`contour`), drawing with it.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Annotated, Literal

import fsspec
import numpy as np
import PIL.Image
from pydantic import Field, ValidationError

from osf_pipeline.config import Strict
from osf_pipeline.drawing.contour import Line
from osf_pipeline.drawing.picture import read_pixels
from osf_pipeline.errors import InputDataError
from osf_pipeline.layout import join

_SOFT = 1.5  # pixels over which the line's alpha fades out beyond its borders


@dataclass(frozen=True)
class ContourStrip:
    """The line along the outline, sampled every pixel of arc length, S samples, closed: the last meets the first.

    Attributes:
        path: (S, 2) float32 x, y of the outline on the picture.
        inner, outer: (S,) float32 pixels from the outline to the line's inner and outer border; their sum is the width,
            0 where no line was drawn. `outer` is negative where the line lies wholly inside of the outline.
        darkness: (S,) float32 0..1, strength of the ink against the colour beneath.
        ink: (S, 3) float32 display-encoded sRGB of the full ink.
        strip: (S, 2 R + 1, 4) float32, the line itself in display-encoded sRGB with straight alpha; column R lies on
            the outline, higher columns lie inside.
    """

    path: np.ndarray
    inner: np.ndarray
    outer: np.ndarray
    darkness: np.ndarray
    ink: np.ndarray
    strip: np.ndarray


def measure_strip(rgb: np.ndarray, fill: np.ndarray, line: Line) -> ContourStrip:
    """Take the line off what is beneath: the fill on its inner half, the paper on its outer half.

    Args:
        rgb, fill: (H, W, 3) float32, the picture, and the colour beneath the line.
    """
    reach = max(float(np.abs(line.inner).max()), float(np.abs(line.outer).max()))
    radius = int(np.ceil(reach + _SOFT))
    depth = np.arange(-radius, radius + 1, dtype=np.float64)
    drawn = line.outline.unroll(rgb, depth)
    middle = (line.inner - line.outer) / 2
    beneath = np.where((depth > middle[:, None])[..., None], line.outline.unroll(fill, depth), line.paper[:, None])

    ink = line.ink[:, None]
    span = ink - beneath
    alpha = ((drawn - beneath) * span).sum(axis=2) / np.maximum((span**2).sum(axis=2), 1e-4)
    beyond = np.maximum(depth - line.inner[:, None], -depth - line.outer[:, None])
    alpha = alpha.clip(0, 1) * (1 - beyond / _SOFT).clip(0, 1) * line.found[:, None]
    colour = np.where(alpha[..., None] > 0.05, beneath + (drawn - beneath) / np.maximum(alpha, 0.05)[..., None], ink)
    return ContourStrip(
        path=line.outline.path.astype(np.float32),
        inner=line.inner.astype(np.float32),
        outer=line.outer.astype(np.float32),
        darkness=line.darkness.astype(np.float32),
        ink=line.ink.clip(0, 1).astype(np.float32),
        strip=np.concatenate([colour.clip(0, 1), alpha[..., None]], axis=2).astype(np.float32),
    )


Pixels = Annotated[float, Field(ge=-1e5, le=1e5, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class _StripFile(Strict):
    """`strip.json`; every list has one entry a sample."""

    version: Literal[1] = 1
    path: tuple[tuple[Pixels, Pixels], ...] = Field(min_length=8)
    inner: tuple[Pixels, ...]
    outer: tuple[Pixels, ...]
    darkness: tuple[Share, ...]
    ink: tuple[tuple[Share, Share, Share], ...]


def write_strip(strip: ContourStrip, folder: str) -> None:
    """Write `strip.png` (a column a sample, row R on the outline, 8-bit RGBA, straight alpha) and `strip.json`.

    Lengths are rounded to 0.001 pixel, shares and colours to 0.0001, the picture to 1/255.

    Args:
        folder: any fsspec URL; it is made when absent.
    """
    text = _StripFile(
        path=_rounded(strip.path, 3),
        inner=_rounded(strip.inner, 3),
        outer=_rounded(strip.outer, 3),
        darkness=_rounded(strip.darkness, 4),
        ink=_rounded(strip.ink, 4),
    )
    picture = io.BytesIO()
    pixels = np.rint(strip.strip.transpose(1, 0, 2) * 255).astype(np.uint8)
    PIL.Image.fromarray(pixels).save(picture, "PNG")
    fs, path = fsspec.core.url_to_fs(folder)
    fs.makedirs(path, exist_ok=True)
    fs.pipe_file(join(path, "strip.png"), picture.getvalue())
    fs.pipe_file(join(path, "strip.json"), text.model_dump_json().encode())


def read_strip(folder: str) -> ContourStrip:
    """Read what `write_strip` wrote.

    Raises:
        InputDataError: when a file is missing or damaged, or the two do not belong together.
    """
    url = join(folder, "strip.json")
    fs, path = fsspec.core.url_to_fs(url)
    try:
        text = _StripFile.model_validate_json(fs.cat_file(path))
    except (OSError, ValidationError) as error:
        raise InputDataError(
            "the outline strip cannot be read", file=url, problem=str(error)[:200], fix="Build the character anew."
        ) from error
    pixels, size = read_pixels(join(folder, "strip.png"))
    samples = len(text.path)
    counts = {"inner": len(text.inner), "outer": len(text.outer), "darkness": len(text.darkness), "ink": len(text.ink)}
    counts["strip.png"] = size[0]
    wrong = {name: count for name, count in counts.items() if count != samples}
    if wrong or size[1] % 2 == 0:
        raise InputDataError(
            "the outline strip's parts do not belong together", file=url, samples=samples, rows=size[1], value=wrong,
            fix="Build the character anew.",
        )  # fmt: skip
    return ContourStrip(
        path=np.array(text.path, np.float32),
        inner=np.array(text.inner, np.float32),
        outer=np.array(text.outer, np.float32),
        darkness=np.array(text.darkness, np.float32),
        ink=np.array(text.ink, np.float32),
        strip=np.ascontiguousarray(pixels.transpose(1, 0, 2)),
    )


def _rounded(values: np.ndarray, digits: int) -> list[float]:
    return values.astype(np.float64).round(digits).tolist()
