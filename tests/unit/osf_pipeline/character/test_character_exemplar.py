"""A character's drawing lies pixel for pixel on its rendered rest pose."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_figures import person
from scipy import ndimage

from osf_pipeline.character.build import BuildReport
from osf_pipeline.character.character import Character
from osf_pipeline.character.exemplar import MARGIN, Register, keyframe
from osf_pipeline.color import encode_srgb

Built = tuple[Character, BuildReport]


def silhouettes(character: Character, figure: int) -> tuple[np.ndarray, np.ndarray, Register]:
    drawing = person()
    register = Register.of(drawing.mask, figure)
    drawn = register.drawing(drawing)[..., 3] / 255
    return drawn, keyframe(character, register, "person").buffers["color"][3].astype(np.float32), register


@pytest.mark.parametrize("figure", [96, 192, 400])
def test_the_rest_pose_covers_its_drawing_at_every_scale(spread: Built, figure: int) -> None:
    drawn, rendered, register = silhouettes(spread[0], figure)
    both, either = np.minimum(drawn, rendered).sum(), np.maximum(drawn, rendered).sum()
    assert both / either > 0.96
    assert drawn.shape == register.size[::-1]
    rows = np.flatnonzero((drawn > 0.5).any(axis=1))
    assert abs(len(rows) - figure) <= 1
    assert abs(rows[0] - MARGIN) <= 1


def test_the_two_are_not_shifted_against_each_other(spread: Built) -> None:
    drawn, rendered, _ = silhouettes(spread[0], 300)
    y, x = np.indices(drawn.shape)
    for axis in (x, y):
        assert abs((axis * drawn).sum() / drawn.sum() - (axis * rendered).sum() / rendered.sum()) < 0.1


def test_colours_of_the_drawing_are_found_on_the_render(spread: Built) -> None:
    drawing = person()
    register = Register.of(drawing.mask, 220)
    drawn = register.drawing(drawing)
    frame = keyframe(spread[0], register, "person")
    inside = ndimage.binary_erosion((drawn[..., 3] == 255) & (frame.buffers["color"][3] == 1), iterations=3)
    shown = np.moveaxis(encode_srgb(frame.buffers["color"][:3].astype(np.float64)), 0, -1)
    assert np.abs(shown - drawn[..., :3] / 255)[inside].max() < 0.02
