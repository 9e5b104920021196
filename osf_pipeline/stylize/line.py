"""A look's line on one frame: how broad the network is to draw it, and what becomes of its alpha and ink.

Width is turned before the network: it lays and redraws the stroke at another scale (`model.strokes`, `model.inputs`),
so the profile of a stroke is stretched across its contour, grain and swelling included. That blurs its edge as much as
it broadens it, so the crispness is raised in turn. Everything else is turned after the network, pixel by pixel.

Belongs here: per-pixel values of a look's keys, the size of a figure, the finished line layer. Does not: the keys
(`look`), steps on both layers (`post`). Arrays are `(channel, y, x)` or `(y, x)`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from model.weights import Card
from osf_pipeline.color import decode_srgb
from osf_pipeline.colorspaces.spaces import LINEAR_REC709, Space, convert
from osf_pipeline.stylize.look import Look, PartLook

ON_CONTOUR = 1.0
"""Pixels; a pixel nearer to its own contour lies beside it."""

SEEN_ENOUGH = 16
"""Pixels; a figure that shows fewer counts as large as on its keyframe."""


@dataclass(frozen=True)
class LineControls:
    """What a look asks of the line of one frame.

    Attributes:
        owner: (y, x) part that owns the line of every pixel; None where the look knows no parts.
        width: (y, x) or (1, 1) float32 scale at which the network is to draw: 2 for strokes twice as broad as learnt.
        stroke: pixels of the broadest stroke that is drawn.
    """

    look: Look
    owner: np.ndarray | None
    width: np.ndarray
    stroke: float

    @classmethod
    def of(cls, look: Look, frame: Mapping[str, np.ndarray], card: Card, objects: Collection[int]) -> LineControls:
        """
        Args:
            frame: one frame's buffers, at least `look.reads`.
            objects: ids of the figure whose size counts; every surface where empty.
        """
        size = figure_scale(frame, card.pixel, objects) if look.locked else 1.0
        owner = line_owner(frame) if look.parts else None
        width = look.values(lambda part: part.line.width * (size if part.line.lock == "character" else 1), owner)
        return cls(look, owner, width, card.stroke * float(width.max()))

    def finish(self, line: np.ndarray, frame: Mapping[str, np.ndarray], space: Space) -> np.ndarray:
        """The line layer as the look wants it, before its strength.

        Args:
            line: (4, y, x) float32 premultiplied, scene-linear in `space`, as the network drew it.
        """
        alpha = reshaped(
            line[3],
            self._values(lambda part: part.line.threshold),
            self._values(lambda part: part.line.crispness) * np.maximum(self.width, 1),
        )
        opacity = self._values(lambda part: part.line.draw)
        occlusion = self._values(lambda part: part.occlusion)
        if (occlusion != 1).any():
            opacity = opacity * (1 + (occlusion - 1) * inner_share(frame, self.stroke))
        alpha = np.minimum(alpha * opacity, 1)
        ink = np.divide(line[:3], line[3], out=np.zeros_like(line[:3]), where=line[3] > 0)
        keep, override = self._override(space)
        return np.concatenate([np.where(keep, ink, override) * alpha, alpha[None]]).astype(np.float32)

    def tapered(self, step: np.ndarray) -> np.ndarray:
        """(1, y, x) float32: the guide `contour_step` as far as the look lets a line thin out."""
        return 1 - self._values(lambda part: part.line.taper) * (1 - step.astype(np.float32))

    def strength(self) -> np.ndarray:
        """(y, x) or (1, 1) strength of the style where the line lies."""
        return self._values(lambda part: part.strength)

    def _values(self, read: Callable[[PartLook], float]) -> np.ndarray:
        return self.look.values(read, self.owner)

    def _override(self, space: Space) -> tuple[np.ndarray, np.ndarray]:
        """Where the learnt ink stays, and the ink elsewhere: (y, x) bool and (3, y, x), or (1, 1) and (3, 1, 1)."""

        def channel(index: int) -> Callable[[PartLook], float]:
            return lambda part: np.nan if part.line.color is None else ink_of(part.line.color, space)[index]

        planes = [self._values(channel(index)) for index in range(3)]
        return np.isnan(planes[0]), np.nan_to_num(np.stack(planes))


def ink_of(color: str, space: Space) -> tuple[float, ...]:
    """Scene-linear RGB of an sRGB hex triplet."""
    encoded = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]).reshape(3, 1, 1)
    return tuple(convert(decode_srgb(encoded), LINEAR_REC709, space).ravel().tolist())


def reshaped(alpha: np.ndarray, threshold: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """(y, x) alpha on a logistic curve through `threshold` at one half; nothing and full ink stay.

    The same bits where threshold is 0.5 and slope 1 everywhere.
    """
    if (threshold == 0.5).all() and (slope == 1).all():
        return alpha
    middle = np.log(threshold / (1 - threshold))
    with np.errstate(divide="ignore", over="ignore"):  # 0 and 1 are at infinity, and come back
        logit = np.log(alpha) - np.log1p(-alpha)
        return (1 / (1 + np.exp(-slope * (logit - middle)))).astype(np.float32)


def line_owner(frame: Mapping[str, np.ndarray]) -> np.ndarray:
    """(y, x) part id that a line at every pixel belongs to: on the owner's surface its own, else the contour's."""
    part, side = frame["part_id"][0], frame["contour_side"][0] > 0
    contour = (frame["contour"][0] < ON_CONTOUR) & side
    if not contour.any():
        return part
    rows, columns = ndimage.distance_transform_edt(~contour, return_distances=False, return_indices=True)
    return np.where(side & (part > 0), part, part[rows, columns])


def inner_share(frame: Mapping[str, np.ndarray], taper: float) -> np.ndarray:
    """(y, x) float32: how far the nearest contour is an inner one, where one surface hides another.

    1 by such a contour, 0 by a silhouette, and between them on `taper` pixels around where they meet.
    """
    seen = frame["object_id"][0] > 0 if "object_id" in frame else frame["color"][3] >= 0.5
    contour = frame["contour"][0].astype(np.float32)
    beside = ndimage.binary_dilation(~seen, np.ones((3, 3), bool))
    silhouette = (contour < ON_CONTOUR) & seen & beside
    if not silhouette.any():
        return np.ones_like(contour)
    away = ndimage.distance_transform_edt(~silhouette).astype(np.float32)
    return np.clip((away - contour - 1) / np.float32(taper), 0, 1)


def figure_scale(frame: Mapping[str, np.ndarray], keyframe_pixel: float, objects: Collection[int]) -> float:
    """How large a figure stands on a frame against its keyframe: 2 where it is twice as tall.

    A pixel step covers the least of the rest pose along the axis a surface is tilted about, and there exactly a pixel's
    size: the smaller singular value of the 3x2 Jacobian of the rest position. The median over the figure is taken.
    """
    surface = frame["part_id"][0].astype(np.int64)
    if objects and "object_id" in frame:
        surface = surface * np.isin(frame["object_id"][0], list(objects))
    rest = frame["rest_position"].astype(np.float64)
    across, down = (
        np.diff(rest, axis=axis)[:, : -1 if axis == 2 else None, : -1 if axis == 1 else None] for axis in (2, 1)
    )
    corner = surface[:-1, :-1]
    whole = (corner > 0) & (corner == surface[:-1, 1:]) & (corner == surface[1:, :-1])
    if whole.sum() < SEEN_ENOUGH:
        return 1.0
    xx, yy, xy = ((a[:, whole] * b[:, whole]).sum(0) for a, b in ((across, across), (down, down), (across, down)))
    least = (xx + yy) / 2 - np.sqrt(((xx - yy) / 2) ** 2 + xy**2)
    pixel = float(np.sqrt(np.median(np.maximum(least, 0))))
    return keyframe_pixel / pixel if pixel > 0 else 1.0
