"""The exactly visible contours of a frame, found on supersampled geometry.

Belongs here: which samples lie at a contour, who owns it, and distances to it. Does not: how a line is drawn (`hand`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from osf_pipeline.buffers import CONTOUR_RANGE
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
    k = frame.hits.supersample
    out = np.full((frame.hits.shape[0] // k, frame.hits.shape[1] // k), CONTOUR_RANGE, np.float32)
    if which.any():
        distance = ndimage.distance_transform_edt(~which)[k // 2 :: k, k // 2 :: k] / k
        window = tuple(slice(span.start // k, span.stop // k) for span in contours.crop)
        out[window] = np.minimum(distance, CONTOUR_RANGE)
    return out
