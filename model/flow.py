"""Optical flow between two pictures, for frames whose renderer gave no motion.

Belongs here: the built-in estimator's maths. Does not: which frames need it and what it is trusted with
(`osf_pipeline.guidance.flow`).

TV-L1 by duality (Zach, Pock and Bischof 2007; parameters of Sánchez Pérez, Meinhardt-Llopis and Facciolo 2013, IPOL),
with a median filter between warps (Wedel et al. 2009). It keeps motion boundaries sharp where a quadratic prior smears
them over the contour.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from model.warp import warp

TAU, LAMBDA, THETA = 0.25, 0.15, 0.3
"""Dual step, weight of the data term for grey values in 0..255, coupling."""

WARPS, ITERATIONS = 5, 20
"""Linearisations per level, and dual steps for each."""

COARSEST = 16
"""Pixels of the shorter side at which the pyramid ends."""


def tv_l1(previous_B1HW: Tensor, current_B1HW: Tensor) -> Tensor:
    """(B, 2, H, W) motion = current - previous in pixels: `previous(p - motion) = current(p)`.

    Args:
        previous_B1HW, current_B1HW: grey pictures in 0..1.
    """
    previous, current = 255 * previous_B1HW, 255 * current_B1HW
    pyramid = [(previous, current)]
    while min(current.shape[2:]) >= 2 * COARSEST:
        size = [(side + 1) // 2 for side in current.shape[2:]]
        previous, current = _resized(previous, size), _resized(current, size)
        pyramid.append((previous, current))
    motion = torch.zeros_like(current).repeat(1, 2, 1, 1)
    for previous, current in reversed(pyramid):
        H, W = current.shape[2:]
        ratio = motion.new_tensor([W / motion.shape[3], H / motion.shape[2]]).view(1, 2, 1, 1)
        motion = _level(previous, current, _resized(motion, [H, W]) * ratio)
    return motion


def _level(previous: Tensor, current: Tensor, motion: Tensor) -> Tensor:
    dual_x, dual_y = torch.zeros_like(motion), torch.zeros_like(motion)
    moving = torch.cat([previous, _slope(previous, 3), _slope(previous, 2)], 1)
    for _ in range(WARPS):
        warped, inside = warp(moving, motion)
        # Moving the sampling place by -motion turns the slope's sign; outside the frame only the prior speaks.
        slope = torch.where(inside, -warped[:, 1:], 0.0)
        steep = slope.square().sum(1, keepdim=True).clamp(min=1e-6)
        constant = torch.where(inside, warped[:, :1] - current, 0.0) - (slope * motion).sum(1, keepdim=True)
        reach = LAMBDA * THETA * steep
        for _ in range(ITERATIONS):
            error = constant + (slope * motion).sum(1, keepdim=True)
            data = motion - slope * (torch.maximum(torch.minimum(error, reach), -reach) / steep)
            motion = data + THETA * _divergence(dual_x, dual_y)
            dx, dy = F.pad(motion.diff(dim=3), (0, 1)), F.pad(motion.diff(dim=2), (0, 0, 0, 1))
            damping = 1 + TAU / THETA * (dx.square() + dy.square()).sqrt()
            dual_x, dual_y = (dual_x + TAU / THETA * dx) / damping, (dual_y + TAU / THETA * dy) / damping
        motion = _median(motion)
    return motion


def _divergence(dual_x: Tensor, dual_y: Tensor) -> Tensor:
    """Minus the adjoint of the forward differences."""
    x = torch.cat([dual_x[..., :1], dual_x[..., 1:-1] - dual_x[..., :-2], -dual_x[..., -2:-1]], 3)
    y = torch.cat([dual_y[:, :, :1], dual_y[:, :, 1:-1] - dual_y[:, :, :-2], -dual_y[:, :, -2:-1]], 2)
    return x + y


def _slope(x: Tensor, axis: int) -> Tensor:
    """Central differences, the border repeated."""
    pad = (1, 1, 0, 0) if axis == 3 else (0, 0, 1, 1)
    wide = F.pad(x, pad, mode="replicate")
    length = x.shape[axis]
    return (wide.narrow(axis, 2, length) - wide.narrow(axis, 0, length)) / 2


def _median(x: Tensor) -> Tensor:
    """3x3 median of every channel."""
    wide = F.pad(x, (1, 1, 1, 1), mode="replicate")
    return wide.unfold(2, 3, 1).unfold(3, 3, 1).flatten(4).median(4).values


def _resized(x: Tensor, size: list[int]) -> Tensor:
    return F.interpolate(x, size, mode="bilinear", align_corners=False, antialias=True)
