"""What is known about a drawing once it has been read.

Belongs here: the result that `osf_pipeline.character` builds on. Does not: how each part of it is found.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from osf_pipeline.drawing.skeleton import Skeleton
from osf_pipeline.drawing.strip import ContourStrip


@dataclass(frozen=True)
class Drawing:
    """A figure on a picture of H x W pixels; integers are pixel centres, y down. Colours: display-encoded sRGB, 0..1.

    Attributes:
        image: (H, W, 3) float32, the picture as drawn.
        alpha: (H, W) float32, coverage of the figure; soft along its edge.
        mask: (H, W) bool, the figure: one component without holes of background that were not drawn as such.
        contour: (H, W) bool, where the outline was drawn and is removed from `fill`.
        fill: (H, W, 3) float32, the colour beneath: outline replaced by what lies beside it, interior strokes kept,
            continued beyond the mask so that a texture lookup at the edge never meets paper.
        strip: the removed outline along its length.
        skeleton: joints on this picture.
    """

    image: np.ndarray
    alpha: np.ndarray
    mask: np.ndarray
    contour: np.ndarray
    fill: np.ndarray
    strip: ContourStrip
    skeleton: Skeleton
