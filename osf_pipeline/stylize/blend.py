"""Temporal blend: the line of a frame averaged with that of the two frames before it, along exact motion.

Belongs here: weights and warps. Does not: which frames are blended (`timing`), drawing one (`frame`).

Only the line is blended: fill is the render itself. A frame is blended with *drawings* of earlier frames, never with
blended ones, so that it depends on two frames before it and no others: any frame can be made alone.

A right contour slides over the surface, and a line carried along the surface's motion would trail behind it as a ghost.
So an earlier frame counts only where its contour, carried along, lies where this frame's contour lies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from model.color import over
from model.warp import warp
from osf_pipeline.stylize.frame import MATTE_FLOOR

SLIDE = 1.0
"""Pixels a contour may have slid over the surface: an earlier line counts fully at 0, not at all from here on."""

Frame = Mapping[str, np.ndarray]


def blended(layers: Frame, frames: Sequence[Frame], lines: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Layers of a frame with its line blended.

    The mean of the lines, each weighted by its confidence and, of an earlier frame, by how surely it shows the same
    surface point and by how well its contour agrees.

    Args:
        layers: of this frame, as in `buffers.LAYERS`.
        frames: `motion`, `motion_valid`, `contour`, `contour_side`, `confidence` and `revealed` of this frame, the one
            before it and so on; one more than `lines`.
        lines: (4, y, x) float16 drawn lines of the frames before this one, the latest first.

    Returns:
        The layers, `line` and `beauty` blended; the very same where no earlier frame counts.
    """
    own, trust = _tensor(layers["line"]), _tensor(frames[0]["confidence"])
    total, weights = own * trust, trust.clone()
    for (motion, seen), frame, earlier in zip(_histories(frames), frames[1:], lines, strict=True):
        there = torch.cat([_tensor(earlier), _tensor(frame["confidence"]), _signed(frame)], 1)
        carried, _ = warp(there, motion)
        slid = (carried[:, 5:] - _signed(frames[0])).abs()
        weight = seen * carried[:, 4:5] * (1 - slid / SLIDE).clamp(0, 1)
        total += weight * carried[:, :4]
        weights += weight
    mean = total / weights.clamp(min=1e-6)
    mean = torch.where(mean[:, 3:] >= MATTE_FLOOR, mean, 0.0)
    mixed = weights > trust  # a pixel nothing was added to keeps every bit
    line = torch.where(mixed, mean, own)
    beauty = torch.where(mixed, over(line, _tensor(layers["fill"])), _tensor(layers["beauty"]))
    return {**layers, "line": line[0].half().numpy(), "beauty": beauty[0].half().numpy()}


def _histories(frames: Sequence[Frame]) -> list[tuple[Tensor, Tensor]]:
    """For each earlier frame: (1, 2, H, W) motion since then, and (1, 1, H, W) 0..1 how surely it shows the point.

    Beside the silhouette, where a line may lie too, the nearest surface's motion goes on.
    """
    motion, seen = _step(frames[0])
    found = []
    for frame in frames[1:]:
        inside = warp(motion, motion)[1]
        found.append((motion, seen * inside))
        if frame is not frames[-1]:
            step, before = _step(frame)
            moved, kept = warp(torch.cat([step, before], 1), motion, "nearest")
            motion, seen = motion + moved[:, :2], seen * moved[:, 2:] * kept
    return found


def _step(frame: Frame) -> tuple[Tensor, Tensor]:
    """Motion of a frame, and how surely the frame before shows its points."""
    from scipy import ndimage

    valid = frame["motion_valid"][0] > 0
    if not valid.any():
        return torch.zeros(1, 2, *valid.shape), torch.zeros(1, 1, *valid.shape)
    rows, columns = ndimage.distance_transform_edt(~valid, return_distances=False, return_indices=True)
    seen = 1 - frame["revealed"].astype(np.float32)
    return _tensor(frame["motion"][:, rows, columns]), _tensor(seen[:, rows, columns])


def _signed(frame: Frame) -> Tensor:
    """(1, 1, H, W) pixels to the contour, negative beyond it."""
    return _tensor(np.where(frame["contour_side"] > 0, 1, -1) * frame["contour"].astype(np.float32))


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.asarray(array, np.float32))[None]
