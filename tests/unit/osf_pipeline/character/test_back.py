"""The picture of the back: no face, no lines, colours that go on, hair."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_figures import PLACES, SHAPE, capsule, figure_mask, skeleton

from osf_pipeline.character.back import paint_back
from osf_pipeline.character.bones import drawn_bones

MASK = figure_mask(PLACES)
BONES = drawn_bones(skeleton(PLACES), MASK)
HEAD = capsule(SHAPE, (90, 40), (90, 46), 24)
SKIN, SHIRT, HAIR, INK = (0.9, 0.75, 0.6), (0.2, 0.5, 0.8), (0.45, 0.25, 0.1), (0.1, 0.1, 0.1)
Y, X = np.indices(SHAPE)


def picture(*, face: bool = True, hair: bool = True) -> np.ndarray:
    """A person with skin, a shirt, perhaps hair and a face; a line across the belly; grain."""
    fill = np.empty((*SHAPE, 3))
    fill[:] = SKIN
    fill[(Y > 74) & (Y < 136)] = SHIRT
    if hair:
        fill[Y < 30] = HAIR
    if face:
        for x in (80, 100):
            fill[capsule(SHAPE, (x, 42), (x, 46), 3)] = INK
        fill[capsule(SHAPE, (82, 56), (98, 56), 2)] = INK
    fill[capsule(SHAPE, (70, 110), (110, 112), 1.2)] = INK
    return (fill + np.random.default_rng(1).normal(0, 0.01, fill.shape)).clip(0, 1).astype(np.float32)


def like(back: np.ndarray, color: tuple[float, float, float], where: np.ndarray) -> float:
    """Share of pixels of about that colour."""
    return float((np.abs(back - color).max(axis=2) < 0.1)[where & MASK].mean())


def test_face_and_lines_are_gone_and_regions_go_on() -> None:
    back = paint_back(picture(), MASK, HEAD, BONES, 2.0)
    assert back.dtype == np.float32
    assert like(back, INK, MASK) == 0
    assert like(back, SHIRT, (Y > 80) & (Y < 130) & (np.abs(X - 90) < 20)) > 0.99
    assert like(back, SKIN, Y > 150) > 0.99


def test_hair_covers_the_back_of_a_head_with_a_face() -> None:
    back = paint_back(picture(), MASK, HEAD, BONES, 2.0)
    assert like(back, HAIR, HEAD & (Y < 48) & (np.abs(X - 90) < 6)) > 0.95
    assert like(back, SKIN, HEAD & (Y > 60)) > 0.95
    assert like(back, HAIR, HEAD & (Y > 36) & (np.abs(X - 90) > 21)) < 0.1, (
        "begins at the outline where it does in front"
    )


def test_a_tip_of_another_colour_without_a_face_is_no_hair() -> None:
    back = paint_back(picture(face=False), MASK, HEAD, BONES, 2.0)
    assert like(back, HAIR, HEAD & (Y > 34)) == 0
    assert like(back, HAIR, HEAD & (Y < 28)) > 0.95


@pytest.mark.parametrize("strength", [0.01, 0.03])
def test_the_back_has_the_grain_of_the_front(strength: float) -> None:
    fill = np.empty((*SHAPE, 3), np.float32)
    fill[:] = SKIN
    fill += np.random.default_rng(2).normal(0, strength, fill.shape).astype(np.float32)
    back = paint_back(fill.clip(0, 1), MASK, HEAD, BONES, 2.0)
    assert back[MASK].std(axis=0) == pytest.approx(strength, rel=0.35)


def test_limbs_as_thin_as_the_line_keep_their_colour() -> None:
    places = PLACES
    mask = figure_mask(places, limb=2.0)
    fill = np.empty((*SHAPE, 3), np.float32)
    fill[:] = SKIN
    legs = mask & (Y > 155)
    fill[Y > 155] = INK
    back = paint_back(fill, mask, HEAD, drawn_bones(skeleton(places), mask), 4.0)
    assert (np.abs(back - INK).max(axis=2) < 0.1)[legs & (Y > 160)].mean() > 0.95
