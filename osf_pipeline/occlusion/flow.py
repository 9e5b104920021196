"""The flow that estimators of occlusion look at.

Belongs here: the flow of a layer. Does not: its maths (`model.flow`), the flow of frames whose renderer gave
no motion (`guidance.flow`).
"""

from __future__ import annotations

import numpy as np
import torch

from model.color import display_premultiplied
from model.flow import tv_l1

MARGIN = 8
"""Pixels around the box of all that either picture shows."""

LUMA = (0.2126, 0.7152, 0.0722)
"""Rec. 709 weights, here on display-encoded values."""


def layer_flow(previous: np.ndarray, current: np.ndarray) -> np.ndarray:
    """TV-L1 on display-encoded luma over black, where every silhouette shows: on white a white drawing has none.

    0 beyond the box of all that either picture shows. Arguments and result are those of `guidance.flow.FlowEstimator`.
    """
    motion = np.zeros((2, *current.shape[1:]), np.float32)
    seen = (previous[3] > 0) | (current[3] > 0)
    if not seen.any():
        return motion
    box = tuple(
        slice(max(0, int(filled[0]) - MARGIN), int(filled[-1]) + 1 + MARGIN)
        for filled in (np.flatnonzero(seen.any(axis)) for axis in (1, 0))
    )
    luma = torch.tensor(LUMA).view(1, 3, 1, 1)
    with torch.inference_mode():
        parts = [torch.from_numpy(c[:, *box].astype(np.float32))[None] for c in (previous, current)]
        grey = [(display_premultiplied(part)[:, :3] * luma).sum(1, keepdim=True) for part in parts]
        motion[:, *box] = tv_l1(*grey)[0].numpy()
    return motion
