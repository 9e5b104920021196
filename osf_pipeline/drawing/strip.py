"""The outline a figure was drawn with, straightened: how broad, dark and grainy the line is along its length.

Belongs here: the strip, how it is measured, and its file. Does not: finding the outline (`contour`), drawing with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ContourStrip:
    """The line along the outline, sampled every pixel of arc length, S samples, closed: the last meets the first.

    Attributes:
        path: (S, 2) float32 x, y of the outline on the picture.
        inner, outer: (S,) float32 pixels from the outline to the line's inner and outer border; their sum is the width.
        darkness: (S,) float32 0..1, strength of the ink against the colour beneath.
        ink: (S, 3) float32 display-encoded sRGB of the full ink.
        strip: (S, 2 R + 1, 4) float32, the line itself in display-encoded sRGB with straight alpha; column R lies on
            the outline, higher columns lie inside.
    """

    path: np.ndarray
    inner: np.ndarray
    outer: np.ndarray
    darkness: np.ndarray
    ink: np.ndarray
    strip: np.ndarray
