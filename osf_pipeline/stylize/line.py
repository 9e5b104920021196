"""A look's line on one frame: at which size the network is to draw it, and what becomes of its width, alpha and ink.

A line that is locked to the character is drawn by the network at the figure's size (`model.inputs.pack`). An artist's
own width is turned after it: the drawn stroke is stretched across its contour, grain and swelling included, so that the
factor holds whatever a network makes of other widths. Either blurs the stroke's edge as much as it broadens it, so the
crispness is raised in turn.

Belongs here: per-pixel values of a look's keys, the size of a figure, the finished line layer. Does not: the keys
(`look`), steps on both layers (`post`). Arrays are `(channel, y, x)` or `(y, x)`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from model.weights import Card
from osf_pipeline.buffers import CONTOUR_RANGE
from osf_pipeline.color import decode_srgb
from osf_pipeline.colorspaces.spaces import LINEAR_REC709, Space, convert
from osf_pipeline.stylize.look import Look, PartLook

ON_CONTOUR = 1.0
"""Pixels; a pixel nearer to its own contour lies beside it."""

STEEP = 1.5
"""Pixels between the distances of two neighbours beyond which they are distances to different contours."""

CROSSED = 1.5
"""Pixels nearer to a contour than it should be on the way across it, where a place belongs to another contour."""

SEEN_ENOUGH = 16
"""Pixels; a figure that shows fewer counts as large as on its keyframe."""


@dataclass(frozen=True)
class LineControls:
    """What a look asks of the line of one frame.

    Attributes:
        owner: (y, x) part that owns the line of every pixel; None where the look knows no parts.
        scale: size of the figure on this frame at which the network is to draw: 2 for strokes twice as broad as learnt.
        stroke: pixels of the learnt stroke at that size.
    """

    look: Look
    owner: np.ndarray | None
    scale: float
    stroke: float

    @classmethod
    def of(cls, look: Look, frame: Mapping[str, np.ndarray], card: Card, objects: Collection[int]) -> LineControls:
        """
        Args:
            frame: one frame's buffers, at least `look.reads`.
            objects: ids of the figure whose size counts; every surface where empty.
        """
        scale = figure_scale(frame, card.pixel, objects) if look.locked else 1.0
        return cls(look, line_owner(frame) if look.parts else None, scale, scale * card.stroke)

    def finish(self, line: np.ndarray, frame: Mapping[str, np.ndarray], space: Space) -> np.ndarray:
        """The line layer as the look wants it, before its strength.

        Args:
            line: (4, y, x) float32 premultiplied, scene-linear in `space`, as the network drew it.
        """
        width = self._values(lambda part: part.line.width * (self.scale if part.line.lock == "character" else 1))
        line = stretched(line, frame, width / np.float32(self.scale), self.stroke)
        alpha = reshaped(
            line[3],
            self._values(lambda part: part.line.threshold),
            self._values(lambda part: part.line.crispness) * np.maximum(width, 1),
        )
        opacity = self._values(lambda part: part.line.draw)
        occlusion = self._values(lambda part: part.occlusion)
        if (occlusion != 1).any():
            opacity = opacity * (1 + (occlusion - 1) * inner_share(frame, self.stroke))
        alpha = np.minimum(alpha * opacity, 1)
        ink = np.divide(line[:3], line[3], out=np.zeros_like(line[:3]), where=line[3] > 0)
        keep, override = self._override(space)
        return np.concatenate([np.where(keep, ink, override) * alpha, alpha[None]]).astype(np.float32)

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


def stretched(line: np.ndarray, frame: Mapping[str, np.ndarray], factor: np.ndarray, stroke: float) -> np.ndarray:
    """The line with its profile stretched across the contour; the same bits where the factor is 1 everywhere.

    Every pixel takes the line from its way to the contour, at its own distance divided by the factor. Where that place
    lies nearer to another contour, as in a narrow limb, it keeps its own line as far as the stroke reaches.

    Args:
        line: (4, y, x) float32.
        factor: (y, x) or (1, 1).
        stroke: pixels of the line that is given.
    """
    if (factor == 1).all():
        return line
    distance, side = frame["contour"][0].astype(np.float32), frame["contour_side"][0] > 0
    wanted = distance / factor
    offset = (wanted - distance) * _outward(distance, side)
    # Neither side looks across: its own line alone is interpolated, by its own share.
    halves = [np.concatenate([line, distance[None], np.ones_like(distance)[None]]) * own for own in (side, ~side)]
    found = np.where(side, *(_sampled(half, offset) for half in halves))
    mine = found[5] > 0
    found = np.divide(found[:5], found[5], out=np.concatenate([line, distance[None]]), where=mine)
    crossed = found[4] < wanted - CROSSED
    kept = np.where(crossed, line * (wanted < stroke), found[:4])
    return np.where(distance < CONTOUR_RANGE, kept, line).astype(np.float32)


def _outward(distance: np.ndarray, side: np.ndarray) -> np.ndarray:
    """(2, y, x) unit vectors y, x away from the contour: upwind differences of the distance, on one side each.

    0 where no neighbour is nearer to it.
    """
    wide, sides = np.pad(distance, 1, mode="edge"), np.pad(side, 1, mode="edge")
    height, width = distance.shape
    slopes = []
    for dy, dx in ((1, 0), (0, 1)):
        rise = []
        for sign in (-1, 1):
            there = (slice(1 + sign * dy, 1 + sign * dy + height), slice(1 + sign * dx, 1 + sign * dx + width))
            step = distance - wide[there]
            # A larger step is no distance: beyond it another contour counts.
            rise.append(np.where((sides[there] == side) & (np.abs(step) < STEEP), np.maximum(step, 0), 0))
        slopes.append(np.where(rise[0] >= rise[1], rise[0], -rise[1]))
    found = np.stack(slopes)
    length = np.sqrt((found**2).sum(0))
    return np.divide(found, length, out=np.zeros_like(found), where=length > 0)


def _sampled(planes: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """(C, y, x) bilinear samples at (2, y, x) offsets y, x from every pixel; the picture's edge goes on."""
    base = np.floor(offset)
    fy, fx = (offset - base).astype(np.float32)
    y, x = (base + np.indices(offset.shape[1:])).astype(np.int64)
    rows, columns = (
        [np.clip(at + i, 0, size - 1) for i in (0, 1)] for at, size in zip((y, x), planes.shape[1:], strict=True)
    )
    upper, lower = (planes[:, row, columns[0]] * (1 - fx) + planes[:, row, columns[1]] * fx for row in rows)
    return upper * (1 - fy) + lower * fy


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
