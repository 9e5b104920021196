"""Flow of layers: what white paper would hide, and what lies beyond all that is seen."""

from __future__ import annotations

import numpy as np
import pytest

from osf_pipeline.guidance.flow import total_variation_flow
from osf_pipeline.occlusion.flow import MARGIN, layer_flow

SIZE, LEFT, SIDE, STEP = 64, 24, 18, 2


def picture(left: int, value: float) -> np.ndarray:
    """(4, y, x): an even box on nothing."""
    found = np.zeros((4, SIZE, SIZE), np.float32)
    found[:, 20 : 20 + SIDE, left : left + SIDE] = np.array([value, value, value, 1])[:, None, None]
    return found


@pytest.mark.parametrize("value", [1.0, 0.2])
def test_a_silhouette_moves_whatever_its_colour(value: float):
    motion = layer_flow(picture(LEFT - STEP, value), picture(LEFT, value))
    box = motion[:, 22 : 18 + SIDE, LEFT + 2 : LEFT + SIDE - 2]
    assert np.abs(box[0] - STEP).mean() < 0.25
    assert np.abs(box[1]).mean() < 0.25


def test_on_white_paper_a_white_silhouette_is_lost():
    assert np.abs(total_variation_flow(picture(LEFT - STEP, 1.0), picture(LEFT, 1.0))).max() < 0.01


def test_nothing_moves_beyond_the_box_of_what_is_seen():
    motion = layer_flow(picture(LEFT - STEP, 1.0), picture(LEFT, 1.0))
    assert not motion[:, : 20 - MARGIN].any()
    assert not motion[..., LEFT + SIDE + MARGIN :].any()
    assert not layer_flow(np.zeros((4, 16, 16), np.float32), np.zeros((4, 16, 16), np.float32)).any()
