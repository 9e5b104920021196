"""Pictures as people give them: scans, photos and cut-outs, read safely and brought to a working size.

Belongs here: decoding, orientation, colour profile, alpha and scale. Does not: what is on the picture (`mask`).
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass

import fsspec
import numpy as np
import PIL.Image
import PIL.ImageCms
import PIL.ImageOps

from osf_pipeline.errors import InputDataError

WORKING_SIDE = 1024
"""Longest side in pixels a picture is worked on: a character's texture needs no more, and times stay at seconds."""

_FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF")


@dataclass(frozen=True)
class Picture:
    """A picture of H x W pixels at its working size.

    Attributes:
        rgb: (H, W, 3) float32, display-encoded sRGB, 0..1, straight.
        alpha: (H, W) float32 0..1, or None when the picture is opaque.
        size: (width, height) of the file, upright.
    """

    rgb: np.ndarray
    alpha: np.ndarray | None
    size: tuple[int, int]

    @property
    def scale(self) -> tuple[float, float]:
        """Working pixels per pixel of the file, along x and y; 1 when the file was small enough."""
        height, width = self.rgb.shape[:2]
        return width / self.size[0], height / self.size[1]


def read_picture(url: str, longest: int = WORKING_SIDE) -> Picture:
    """Read a drawing and scale it down, area-averaged, until its longest side is at most `longest` pixels.

    Raises:
        InputDataError: as `read_pixels`.
    """
    pixels, size = read_pixels(url, longest)
    alpha = pixels[..., 3]
    return Picture(np.ascontiguousarray(pixels[..., :3]), None if alpha.min() == 1 else alpha.copy(), size)


def read_pixels(url: str, longest: int | None = None) -> tuple[np.ndarray, tuple[int, int]]:
    """Decode a picture file: PNG, JPEG, TIFF, WebP, BMP or GIF (its first page or frame).

    The EXIF orientation is applied. A colour picture with an ICC profile is converted to sRGB; grey ones are masks as
    much as drawings and keep their values. 16-bit samples are read with 8 bits.

    Args:
        longest: scale down to this longest side by area averaging, colour weighted by alpha.

    Returns:
        (y, x, 4) float32 RGBA in 0..1, display-encoded sRGB, straight alpha, which is 1 where the file has none; and
        the (width, height) of the upright file.

    Raises:
        InputDataError: when the file is missing, damaged, no such picture, or of more pixels than Pillow's limit
            against decompression bombs (about 89 million).
    """
    fs, path = fsspec.core.url_to_fs(url)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", PIL.Image.DecompressionBombWarning)
            with PIL.Image.open(io.BytesIO(fs.cat_file(path)), formats=_FORMATS) as file:
                picture = _in_srgb(PIL.ImageOps.exif_transpose(file)).convert("RGBA")
    except (PIL.Image.DecompressionBombWarning, PIL.Image.DecompressionBombError) as error:
        raise InputDataError(
            "the picture has too many pixels", file=url, limit=PIL.Image.MAX_IMAGE_PIXELS,
            fix=f"Scale it down; {WORKING_SIDE} pixels along the longest side are enough.",
        ) from error  # fmt: skip
    except (OSError, SyntaxError, ValueError, PIL.ImageCms.PyCMSError) as error:  # Pillow raises all of these on damage
        raise InputDataError(
            "the picture cannot be read", file=url, problem=str(error)[:200],
            fix="Give a PNG, JPEG, TIFF or WebP that opens in an image viewer.",
        ) from error  # fmt: skip
    size = picture.size
    if longest is not None and max(size) > longest:
        width, height = (max(1, round(side * longest / max(size))) for side in size)
        picture = picture.resize((width, height), PIL.Image.Resampling.BOX)
    return np.asarray(picture, np.float32) / 255, size


def _in_srgb(picture: PIL.Image.Image) -> PIL.Image.Image:
    """A picture of 8 bits a sample, by its profile in sRGB."""
    if picture.mode.startswith("I"):
        return PIL.Image.fromarray(np.rint(np.asarray(picture, np.float64).clip(0, 65535) / 257).astype(np.uint8))
    if picture.mode == "F":
        raise ValueError("floating-point values; save it with 8 or 16 bits a channel")
    icc = picture.info.get("icc_profile")
    if icc is None or picture.mode not in ("RGB", "RGBA", "CMYK"):
        return picture
    profile = PIL.ImageCms.ImageCmsProfile(io.BytesIO(icc))
    if "sRGB" in PIL.ImageCms.getProfileDescription(profile):
        return picture
    converted = PIL.ImageCms.profileToProfile(
        picture,
        profile,
        PIL.ImageCms.createProfile("sRGB"),
        PIL.ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB" if picture.mode == "CMYK" else None,
    )
    assert converted is not None  # None only when converting in place
    return converted
