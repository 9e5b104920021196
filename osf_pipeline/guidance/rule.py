"""The contour rule of a shot.

Belongs here: thresholds from the camera, the rest box, or else the shot's own first frames; found once and used for
every frame. Does not: applying them (`model.contours`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch

from model.contours import ContourRule, estimate_pixel, rule_for
from osf_pipeline.config import Camera, Vec3
from osf_pipeline.errors import InputDataError


def shot_rule(
    frames: Mapping[str, np.ndarray],
    *,
    camera: Camera | None = None,
    display_width: int | None = None,
    rest_box: tuple[Vec3, Vec3] | None = None,
    intersections: bool = False,
) -> ContourRule:
    """The rule for a whole shot from a few of its frames, e.g. the first.

    Args:
        frames: canonical buffers `depth`, `rest_position`, `normal`, `part_id`, `object_id`, (frame, channel, y, x).
        camera: when known, with `display_width` in pixels; otherwise a pixel's size comes from the rest positions.
        rest_box: corners of the rest pose in scene units; otherwise what these frames show of the largest object.
        intersections: see `ContourRule`.

    Raises:
        InputDataError: when these frames show no surface to measure.
    """
    seen = np.isfinite(frames["depth"][:, 0])
    if not seen.any():
        raise InputDataError("the frames show no surface", fix="Give frames in which the subject is seen.")
    if rest_box is None:
        rest = np.moveaxis(frames["rest_position"], 1, -1)
        owner = frames["object_id"][:, 0]
        found = rest[seen & (owner == np.bincount(owner[seen]).argmax())]
        size = float(np.ptp(found, axis=0).max())
    else:
        size = max(high - low for low, high in zip(*rest_box, strict=True))
    subject = None
    if camera is not None and display_width is not None:
        depth = float(np.median(frames["depth"][:, 0][seen]))
        pixel, subject = _pixel(camera, display_width, depth), depth if camera.projection == "persp" else None
    else:
        try:
            pixel = estimate_pixel(
                torch.tensor(frames["rest_position"]),
                torch.tensor(frames["normal"]),
                torch.tensor(frames["part_id"].astype(np.int32)),
            )
        except ValueError as error:
            raise InputDataError(
                "the size of a pixel cannot be measured", problem=str(error), fix="Give the shot's camera in shot.yaml."
            ) from error
    if not size > 0 or not pixel > 0:
        raise InputDataError(
            "the rest positions do not vary", channel="rest_position", size=size, pixel=pixel,
            fix="Check which channels hold the rest position.",
        )  # fmt: skip
    return rule_for(pixel, size, subject=subject, intersections=intersections)


def _pixel(camera: Camera, display_width: int, depth: float) -> float:
    """Scene units a pixel covers at a depth."""
    if camera.projection == "ortho":
        assert camera.scale is not None
        return camera.scale / display_width
    assert camera.fov is not None
    return 2 * math.tan(math.radians(camera.fov) / 2) * depth / display_width
