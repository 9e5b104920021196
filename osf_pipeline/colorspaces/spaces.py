"""RGB colour spaces: primaries, white and transfer curve, and the way from one to another.

Belongs here: the built-in spaces and conversions without a library. Does not: spaces of an OpenColorIO configuration
(`ocio`), pictures for people (`osf_pipeline.color`).

Colour arrays are `(..., channel, y, x)`: RGB, or RGBA that is premultiplied. Nothing is ever clamped.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from osf_pipeline.color import decode_srgb, encode_srgb
from osf_pipeline.errors import RequestError

Chromaticities = tuple[float, float, float, float, float, float, float, float]
"""CIE 1931 x, y of red, green, blue and white, the order of the EXR attribute `chromaticities`."""

Curve = Callable[[np.ndarray], np.ndarray]

SAME_XY = 1e-3
"""Chromaticities closer than this are the same; files round them to three or four digits."""


def _power(exponent: float) -> Curve:
    def curve(values: np.ndarray) -> np.ndarray:
        return np.copysign(np.abs(values) ** exponent, values)

    return curve


TRANSFERS: dict[str, tuple[Curve, Curve]] = {
    "srgb": (encode_srgb, decode_srgb),
    "gamma2.2": (_power(1 / 2.2), _power(2.2)),
    "gamma2.4": (_power(1 / 2.4), _power(2.4)),  # ITU-R BT.1886 with a black of zero
}
"""Name to (encode, decode) on straight colour, odd-symmetric below 0. `linear` has none."""


@dataclass(frozen=True)
class Space:
    """An additive RGB space.

    Attributes:
        chromaticities: of the primaries and the white.
        transfer: `linear` or a key of `TRANSFERS`.
        interop_id: as the Color Interop Forum registers it; empty where it registers none.
    """

    name: str
    chromaticities: Chromaticities
    transfer: str = "linear"
    interop_id: str = ""

    @property
    def linear(self) -> bool:
        return self.transfer == "linear"

    def same(self, other: Space) -> bool:
        """Whether equal numbers mean equal colours in both."""
        return self.transfer == other.transfer and np.allclose(
            self.chromaticities, other.chromaticities, rtol=0, atol=SAME_XY
        )

    @property
    def attributes(self) -> dict[str, Any]:
        """What a store or a model's card says of its colour; `of_attributes` reads it."""
        return {"name": self.name, "chromaticities": list(self.chromaticities)}


_D65, _ACES_WHITE = (0.3127, 0.3290), (0.32168, 0.33767)
_REC709: Chromaticities = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, *_D65)  # ITU-R BT.709-6
_REC2020: Chromaticities = (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, *_D65)  # ITU-R BT.2020-2
_P3_D65: Chromaticities = (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, *_D65)  # SMPTE EG 432-1
_ADOBE: Chromaticities = (0.64, 0.33, 0.21, 0.71, 0.15, 0.06, *_D65)  # Adobe RGB (1998)
_AP0: Chromaticities = (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.0770, *_ACES_WHITE)  # SMPTE ST 2065-1
_AP1: Chromaticities = (0.713, 0.293, 0.165, 0.830, 0.128, 0.044, *_ACES_WHITE)  # AMPAS S-2014-004

LINEAR_REC709 = Space("linear-rec709", _REC709, interop_id="lin_rec709_scene")
ACES2065_1 = Space("aces2065-1", _AP0, interop_id="lin_ap0_scene")

SPACES: dict[str, Space] = {
    space.name: space
    for space in (
        LINEAR_REC709,
        Space("linear-rec2020", _REC2020, interop_id="lin_rec2020_scene"),
        Space("linear-p3-d65", _P3_D65, interop_id="lin_p3d65_scene"),
        Space("linear-adobe-rgb", _ADOBE, interop_id="lin_adobergb_scene"),
        Space("acescg", _AP1, interop_id="lin_ap1_scene"),
        ACES2065_1,
        Space("srgb", _REC709, "srgb", "srgb_rec709_scene"),
        Space("srgb-p3-d65", _P3_D65, "srgb", "srgb_p3d65_scene"),
        Space("gamma22-rec709", _REC709, "gamma2.2", "g22_rec709_scene"),
        Space("rec709-bt1886", _REC709, "gamma2.4", "g24_rec709_scene"),
    )
}
"""The built-in spaces by name."""


def named(name: str) -> Space:
    """A built-in space.

    Raises:
        RequestError: when there is none of this name; names the ones most like it.
    """
    if name not in SPACES:
        raise RequestError(
            "unknown colour space", color_space=name, fix=f"Use one of {closest(name, SPACES)}, or give `ocio`."
        )
    return SPACES[name]


def closest(name: str, names: Iterable[str]) -> str:
    """Names most like a mistyped one, or all of them, as text."""
    by_lower: dict[str, str] = {}
    for other in names:
        by_lower.setdefault(other.lower(), other)
    found = difflib.get_close_matches(name.lower(), by_lower, n=5, cutoff=0.5)
    return ", ".join(by_lower[key] for key in found or by_lower)


def of_interop_id(interop_id: str) -> Space | None:
    """The built-in space of a Color Interop Forum id. Display ids mean the same curve and primaries."""
    wanted = interop_id.removeprefix("ocio:").replace("_display", "_scene")
    return next((space for space in SPACES.values() if space.interop_id == wanted), None)


def of_chromaticities(chromaticities: Chromaticities) -> Space:
    """The scene-linear space of these primaries: a built-in one, or one called `custom`."""
    space = Space("custom", chromaticities)
    return next((known for known in SPACES.values() if known.same(space)), space)


def of_attributes(said: Mapping[str, Any]) -> Space:
    """The scene-linear space that `Space.attributes` told: a built-in one where it is one."""
    space = Space(said["name"], tuple(said["chromaticities"]))
    return next((known for known in SPACES.values() if known.same(space)), space)


def store_space(attributes: Mapping[str, Any]) -> Space:
    """The scene-linear space of a store's colour. Stores that do not say are older than the choice: linear Rec. 709."""
    said = attributes.get("color_space")
    return LINEAR_REC709 if said is None else of_attributes(said)


def in_rec709(color: np.ndarray, attributes: Mapping[str, Any]) -> np.ndarray:
    """Premultiplied colour of a store in linear Rec. 709, as pictures and metrics want it; see `convert`."""
    return convert(color, store_space(attributes), LINEAR_REC709)


def to_xyz(chromaticities: Chromaticities) -> np.ndarray:
    """(3, 3) float64, linear RGB to CIE XYZ with Y of white 1 (SMPTE RP 177-1993)."""
    xy = np.array(chromaticities, np.float64).reshape(4, 2)
    xyz = np.concatenate([xy, 1 - xy.sum(1, keepdims=True)], 1).T
    white = xyz[:, 3] / xyz[1, 3]
    return xyz[:, :3] * np.linalg.solve(xyz[:, :3], white)


# Cone responses of the Bradford transform, ICC.1:2022 annex E.
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


@lru_cache
def matrix(source: Chromaticities, target: Chromaticities) -> np.ndarray:
    """(3, 3) float64 from linear RGB of one set of primaries to another, white to white by Bradford adaptation."""
    whites = [to_xyz(chromaticities).sum(1) for chromaticities in (source, target)]
    before, after = (_BRADFORD @ white for white in whites)
    adapt = np.linalg.solve(_BRADFORD, (after / before)[:, None] * _BRADFORD)
    found = np.linalg.solve(to_xyz(target), adapt @ to_xyz(source))
    found.setflags(write=False)
    return found


def convert(color: np.ndarray, source: Space, target: Space) -> np.ndarray:
    """Colour of one space in another.

    Args:
        color: (..., 3 or 4, y, x) any float dtype; RGBA is premultiplied.

    Returns:
        `color` itself where both spaces are the same, to the last bit; a new float32 array otherwise.
    """
    if source.same(target):
        return color
    if source.linear and target.linear:
        return multiply(color, matrix(source.chromaticities, target.chromaticities))

    def change(rgb: np.ndarray) -> np.ndarray:
        linear = rgb if source.linear else TRANSFERS[source.transfer][1](rgb)
        if source.chromaticities != target.chromaticities:
            linear = multiply(linear, matrix(source.chromaticities, target.chromaticities))
        return linear if target.linear else TRANSFERS[target.transfer][0](linear)

    return on_straight(color, change)


def multiply(color: np.ndarray, matrix_33: np.ndarray) -> np.ndarray:
    """A matrix on RGB, float32; alpha stays. A pixel's bits do not depend on its neighbours or the array's size."""
    out = color.astype(np.float32)
    # Not a matrix product: those differ in the last bit with the shape.
    rows = matrix_33.astype(np.float32)
    r, g, b = (color[..., i, :, :].astype(np.float32) for i in range(3))
    for i, (by_r, by_g, by_b) in enumerate(rows):
        out[..., i, :, :] = by_r * r + by_g * g + by_b * b
    return out


def on_straight(color: np.ndarray, change: Curve) -> np.ndarray:
    """A change of straight RGB (..., 3, y, x) on premultiplied colour, float32; light without coverage is straight."""
    out = color.astype(np.float32)
    alpha = out[..., 3:, :, :] if out.shape[-3] == 4 else np.ones_like(out[..., :1, :, :])
    coverage = np.where(alpha == 0, np.float32(1), alpha)
    out[..., :3, :, :] = change(out[..., :3, :, :] / coverage) * coverage
    return out
