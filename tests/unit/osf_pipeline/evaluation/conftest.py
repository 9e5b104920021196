"""A framed box with an inner stroke: a truth whose every metric can be worked out by hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import ndimage

from osf_pipeline.evaluation.lines import trace
from osf_pipeline.evaluation.truth import FrameTruth, middles

STROKE = 3


@dataclass(frozen=True)
class Box:
    """A 64x72 box on 96x112, its 3 px outline inside its silhouette, and a vertical 3 px inner line at column 60."""

    truth: FrameTruth
    render: np.ndarray
    seen: np.ndarray

    @property
    def inner_column(self) -> int:
        return 60


@pytest.fixture(scope="session")
def box() -> Box:
    seen = np.zeros((96, 112), bool)
    seen[16:80, 20:92] = True
    inside = ndimage.distance_transform_edt(seen)
    line = seen & (inside <= STROKE)
    line[16:80, 59:62] = True
    inner = np.zeros_like(seen)
    inner[16:80, 60] = True
    occlusion = np.minimum(ndimage.distance_transform_edt(~inner), 32).astype(np.float32)
    silhouette = seen & (inside <= 1)
    contour = np.minimum(ndimage.distance_transform_edt(~(silhouette | inner)), 32).astype(np.float32)
    render = np.zeros((4, 96, 112), np.float32)
    render[:, seen] = np.array([0.5, 0.3, 0.2, 1], np.float32)[:, None]
    beauty = render.copy()
    beauty[:3, line] = 0
    revealed = np.zeros_like(seen)
    revealed[16:80, 20:40] = True
    far = ~seen
    far[16:80, 62:76] = True  # to the right of the inner line
    line = line.astype(np.float32)
    return Box(FrameTruth(beauty, line, contour, occlusion, *middles(trace(line)), revealed, far), render, seen)
