"""The exactly visible contours of a frame, found on supersampled geometry.

Belongs here: which samples lie at a contour, who owns it, distances to it and to the middle of what is drawn on it.
Does not: how a line is drawn (`hand`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from osf_pipeline.buffers import CONTOUR_RANGE
from osf_pipeline.evaluation.lines import thin
from osf_pipeline.render.frame import Frame

GAP = 0.02
"""Scene units of depth that part two surfaces; less is contact, and a contact edge is no contour."""

STEEPEST = 12.0
"""Largest slope (depth over width) a surface's own plane may explain."""


@dataclass(frozen=True)
class Contours:
    """Contour samples inside a crop of the supersampled grid, (rows, columns) each.

    Attributes:
        crop: rows and columns of the full sample grid, starting on whole pixels.
        seen: a surface is here.
        depth: planar depth, +inf where nothing is seen.
        rest: (3, rows, columns) rest position.
        part, object: ids.
        owner: the near side of a contour runs through this sample.
        occluding: the part of `owner` that hides another surface; the rest of it is silhouette.
        gap: depth step across the contour at `owner` samples; +inf at silhouettes, 0 elsewhere.
    """

    crop: tuple[slice, slice]
    seen: np.ndarray
    depth: np.ndarray
    rest: np.ndarray
    part: np.ndarray
    object: np.ndarray
    owner: np.ndarray
    occluding: np.ndarray
    gap: np.ndarray


def find_contours(frame: Frame) -> Contours:
    """Contours between neighbouring samples.

    Two samples are parted by a contour if only one sees a surface (silhouette), or if their depths differ by more than
    `GAP` beyond what the far sample's own plane explains (occlusion). The rule is the same within a part, between parts
    and between objects: at a smooth joint the plane explains the step, at a touch there is none. The nearer sample owns
    the contour.
    """
    hits, scene, now = frame.hits, frame.now.scene, frame.now
    position = hits.interpolate(scene.faces, now.vertices)
    normal = hits.interpolate(scene.faces, now.normals) @ now.view.camera.rotation[2]
    crop = _crop(frame)
    depth_of = now.view.project(position)[1]
    facing = np.clip(np.abs(normal), 1e-3, 1)
    slope_of = np.minimum(np.sqrt(1 - facing**2) / facing, STEEPEST)
    depth = hits.scatter(depth_of, np.inf)[crop]
    # One sample step in scene units, at the depth of the sample.
    unit = 1 / (now.view.pixels_per_unit * hits.supersample)
    step = unit if now.view.camera.projection == "ortho" else unit * depth_of
    allowed = hits.scatter(GAP + slope_of * step)[crop]

    gap, occluding = np.zeros_like(depth), np.zeros(depth.shape, bool)
    for axis, direction in ((0, 1), (0, -1), (1, 1), (1, -1)):
        # The crop has a margin without hits or ends at the picture's border, where nothing is known to part.
        far, limit = (_neighbour(values, axis, direction) for values in (depth, allowed))
        with np.errstate(invalid="ignore"):  # inf - inf: nothing on either side
            fall = np.nan_to_num(far - depth, nan=0, posinf=np.inf)
        silhouette = np.isinf(far) & np.isfinite(depth)
        hiding = np.isfinite(far) & (fall > limit)
        gap = np.maximum(gap, np.where(silhouette | hiding, fall, 0))
        occluding |= hiding
    # A step shorter than a pixel is a sample that grazed a rim.
    pieces, _ = ndimage.label(occluding, np.ones((3, 3)))
    grazes = occluding & (np.bincount(pieces.ravel())[pieces] < hits.supersample)
    occluding &= ~grazes
    gap[grazes & np.isfinite(gap)] = 0
    return Contours(
        crop=crop,
        seen=np.isfinite(depth),
        depth=depth,
        rest=hits.scatter(hits.interpolate(scene.faces, scene.rest).astype(np.float32))[:, *crop],
        part=hits.scatter(scene.part[hits.face])[crop],
        object=hits.scatter(scene.object[hits.face])[crop],
        owner=gap > 0,
        occluding=occluding,
        gap=gap,
    )


def _crop(frame: Frame) -> tuple[slice, slice]:
    """The box of all hits and `CONTOUR_RANGE` around it, in whole pixels of the sample grid."""
    hits = frame.hits
    k, margin = hits.supersample, int(CONTOUR_RANGE) + 1
    spans = []
    for place, size in zip(np.divmod(hits.index, hits.shape[1]), hits.shape, strict=True):
        low, high = (place.min() // k, place.max() // k) if len(place) else (0, 0)
        spans.append(slice(max(low - margin, 0) * k, min((high + margin + 1) * k, size)))
    return spans[0], spans[1]


def _neighbour(values: np.ndarray, axis: int, direction: int) -> np.ndarray:
    """Each sample's neighbour along an axis; itself at the border."""
    index = np.clip(np.arange(values.shape[axis]) + direction, 0, values.shape[axis] - 1)
    return np.take(values, index, axis)


def contour_distance(frame: Frame, contours: Contours, which: np.ndarray) -> np.ndarray:
    """(y, x) float32: pixels from each pixel centre to the nearest sample of `which`, at most `CONTOUR_RANGE`.

    Contour samples lie on the near side, at most one sample from the edge itself.
    """
    away = np.hypot(*_to_nearest(which, frame.hits.supersample))
    return _whole(frame, contours, np.minimum(away, CONTOUR_RANGE), CONTOUR_RANGE).astype(np.float32)


def far_side(frame: Frame, contours: Contours) -> np.ndarray:
    """(y, x) bool: what lies at the pixel centre is behind the nearest contour, background or a hidden surface."""
    k = frame.hits.supersample
    if not contours.owner.any():
        return _whole(frame, contours, np.zeros_like(contours.owner)[k // 2 :: k, k // 2 :: k], False)
    row, column = _nearest(contours.owner)[:, k // 2 :: k, k // 2 :: k]
    depth = contours.depth[k // 2 :: k, k // 2 :: k]
    # The depth step halves the way to the hidden surface; the near one may recede by less than that.
    behind = depth - contours.depth[row, column] > 0.5 * contours.gap[row, column]
    return _whole(frame, contours, np.isinf(depth) | behind, True)


def centre_line(frame: Frame, contours: Contours, breadth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The middle of the drawn strokes, found on the sample grid.

    Args:
        breadth: `hand.DrawnLine.breadth`.

    Returns:
        (2, y, x) x and y in pixels from each pixel centre to the nearest point of the centre line, and (y, x) the
        stroke's width there; float16. Beyond `CONTOUR_RANGE` the vector is cut to that length and the width is 0.
    """
    k = frame.hits.supersample
    centre = thin(breadth > 0)
    step = _to_nearest(centre, k)[::-1]  # x, y
    away = np.hypot(*step)
    cut = np.minimum(1, CONTOUR_RANGE / np.maximum(away, 1e-6))
    width = np.zeros_like(away)
    if centre.any():
        row, column = _nearest(centre)[:, k // 2 :: k, k // 2 :: k]
        width = np.where(away <= CONTOUR_RANGE, breadth[row, column], 0)
    outside = np.array([CONTOUR_RANGE, 0], np.float32)[:, None, None]
    return (
        _whole(frame, contours, step * cut, outside).astype(np.float16),
        _whole(frame, contours, width, 0).astype(np.float16),
    )


def _nearest(which: np.ndarray) -> np.ndarray:
    """(2, rows, columns) place of the nearest set sample."""
    found: np.ndarray = ndimage.distance_transform_edt(~which, return_distances=False, return_indices=True)
    return found


def _to_nearest(which: np.ndarray, k: int) -> np.ndarray:
    """(2, y, x) pixels down and right from each pixel centre to the nearest set sample; far away when there is none."""
    here = np.indices(which.shape)[:, k // 2 :: k, k // 2 :: k]
    if not which.any():
        return np.full(here.shape, 2 * CONTOUR_RANGE)
    return (_nearest(which)[:, k // 2 :: k, k // 2 :: k] - here) / k


def _whole(frame: Frame, contours: Contours, values: np.ndarray, outside: np.ndarray | float) -> np.ndarray:
    """Values at the crop's pixels set into the whole picture."""
    k = frame.hits.supersample
    out = np.empty((*values.shape[:-2], frame.hits.shape[0] // k, frame.hits.shape[1] // k), values.dtype)
    out[...] = outside
    rows, columns = (slice(span.start // k, span.stop // k) for span in contours.crop)
    out[..., rows, columns] = values
    return out
