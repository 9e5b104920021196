"""Contact sheets. Belongs here: many small pictures as one. Does not: choosing a shot's frames (`review`)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from osf_pipeline.errors import RequestError

LABEL = 14
"""Pixels of a label's type."""

INK = (51, 51, 51)


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


def labelled_sheet(
    pictures: Sequence[Sequence[np.ndarray]], rows: Sequence[str], columns: Sequence[str], paper: int = 255
) -> np.ndarray:
    """(y, x, 3) uint8 table of rows of pictures of one size, a name before each row and over each column."""
    flat = [picture for row in pictures for picture in row]
    table = contact_sheet(flat, len(columns), paper)
    font = ImageFont.load_default(LABEL)
    left = 2 * LABEL + max(math.ceil(font.getlength(name)) for name in rows)
    top = 2 * LABEL
    sheet = Image.new("RGB", (left + table.shape[1], top + table.shape[0]), (paper,) * 3)
    sheet.paste(Image.fromarray(table), (left, top))
    height, width = flat[0].shape[:2]
    draw = ImageDraw.Draw(sheet)
    for i, name in enumerate(rows):
        draw.text((LABEL, top + (i + 0.5) * height), name, fill=INK, font=font, anchor="lm")
    for i, name in enumerate(columns):
        draw.text((left + (i + 0.5) * width, LABEL), name, fill=INK, font=font, anchor="mm")
    return np.asarray(sheet)
