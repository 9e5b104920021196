"""Contact sheets. Belongs here: many small pictures as one. Does not: choosing a shot's frames (`review`)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from osf_pipeline.errors import RequestError


def columns_for(count: int, width: int, height: int) -> int:
    """The number of columns that brings a sheet of `count` pictures closest to 4:3."""
    return min(range(1, count + 1), key=lambda n: abs(math.log(n * width / (math.ceil(count / n) * height) / (4 / 3))))


def contact_sheet(pictures: Sequence[np.ndarray], columns: int, paper: int = 255) -> np.ndarray:
    """(y, x, 3) uint8 pictures of one size, row by row; empty cells are paper.

    Raises:
        RequestError: without pictures, or for pictures of different sizes.
    """
    if not pictures or len({picture.shape for picture in pictures}) > 1:
        raise RequestError("a contact sheet needs pictures of one size", count=len(pictures), fix="Resize them.")
    height, width, channels = pictures[0].shape
    rows = -(-len(pictures) // columns)
    sheet = np.full((rows * height, columns * width, channels), paper, np.uint8)
    for i, picture in enumerate(pictures):
        y, x = divmod(i, columns)
        sheet[y * height : (y + 1) * height, x * width : (x + 1) * width] = picture
    return sheet
