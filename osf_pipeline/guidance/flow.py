"""Motion for frames whose renderer gave none.

Belongs here: the interface of flow estimators and the built-in one. Does not: the estimator's maths (`model.flow`).
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch

from model.color import on_white
from model.flow import tv_l1

LUMA = (0.2126, 0.7152, 0.0722)
"""Rec. 709 weights, here on display-encoded values."""


class FlowEstimator(Protocol):
    """Estimates motion between two pictures."""

    def __call__(self, previous: np.ndarray, current: np.ndarray) -> np.ndarray:
        """Motion of every pixel of `current`.

        Args:
            previous, current: (4, H, W), scene-linear premultiplied colour.

        Returns:
            (2, H, W) float32, pixels, current - previous, y down: `previous` is sampled at `p - motion`.
        """
        ...


def total_variation_flow(previous: np.ndarray, current: np.ndarray) -> np.ndarray:
    """The built-in estimator: TV-L1 on display-encoded luma over white paper."""
    luma = torch.tensor(LUMA).view(1, 3, 1, 1)
    pictures = [on_white(torch.from_numpy(c.astype(np.float32))[None]) for c in (previous, current)]
    grey = [(picture * luma).sum(1, keepdim=True) for picture in pictures]
    with torch.inference_mode():
        return tv_l1(grey[0], grey[1])[0].numpy()
