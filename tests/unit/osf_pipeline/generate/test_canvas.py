"""Paint and pen behave as their numbers say; paper is nearly white."""

from __future__ import annotations

import numpy as np
import pytest

from osf_pipeline.generate.canvas import CRAYON, FLAT, HATCHED, WATERCOLOUR, Canvas, noise
from osf_pipeline.generate.paper import paper
from osf_pipeline.generate.shapes import ellipse
from osf_pipeline.sample.hand import Hand
from osf_pipeline.sample.paint import linear

SIZE = 160, 120
DISC = ellipse(80, 60, 40, 40)
CLEAN = Hand(darkness=1, fade=0, dry=0, tooth=0, second=0, ink="#203040")


def sheet() -> Canvas:
    return Canvas(SIZE, 3, unit=1)


def test_noise_has_unit_variance_at_its_scale() -> None:
    values = noise((400, 300), (12, 4), np.random.default_rng(0))
    assert values.shape == (300, 400)
    assert values.dtype == np.float32
    assert abs(values.mean()) < 0.1
    assert values.std() == pytest.approx(1, abs=0.1)
    across, down = (np.abs(np.diff(values, axis=axis)).mean() for axis in (1, 0))
    assert down > 2 * across


def test_a_flat_medium_lays_exactly_its_colour_within_its_clip() -> None:
    canvas = sheet()
    clip = np.zeros((120, 160), np.float32)
    clip[:, :80] = 1
    canvas.area([DISC], "#4080c0", FLAT, clip)
    np.testing.assert_allclose(canvas.color[60, 60], linear("#4080c0"), rtol=1e-5)
    assert (canvas.color[:, 80:] == 1).all()
    assert (canvas.color[0] == 1).all()


def test_watercolour_gathers_at_its_edge_and_crayon_leaves_paper_bare() -> None:
    wet, wax, flat = sheet(), sheet(), sheet()
    for canvas, medium in ((wet, WATERCOLOUR), (wax, CRAYON), (flat, FLAT)):
        canvas.area([DISC], "#4080c0", medium)
    y, x = np.mgrid[:120, :160]
    depth = 40 - np.hypot(x - 80, y - 60)
    rim, middle = (depth > 1) & (depth < 3), depth > 12
    assert wet.color[rim].mean() < 0.9 * wet.color[middle].mean()
    assert flat.color[rim].mean() == pytest.approx(flat.color[middle].mean(), rel=1e-4)
    assert np.quantile(wax.color[middle], 0.98, axis=0).min() > 1.3 * linear("#4080c0").min()
    assert wax.color[middle].std(axis=0).min() > 3 * flat.color[middle].std(axis=0).max()


def test_hatching_leaves_paper_between_its_strokes() -> None:
    canvas = sheet()
    canvas.area([DISC], "#102040", HATCHED)
    across = canvas.color[40:80, 60:100, 0]
    assert (across > 0.55).mean() > 0.1
    assert (across < 0.15).mean() > 0.1


def test_a_line_has_the_hands_ink_and_tapers() -> None:
    canvas = sheet()
    canvas.line([(20, 60), (80, 60), (140, 60)], 8, CLEAN)
    np.testing.assert_allclose(canvas.color[60, 80], linear("#203040"), rtol=1e-4)
    ink = 1 - canvas.color[..., 0]
    assert ink[:, 80].sum() > 2 * ink[:, 22].sum() > 0
    assert (canvas.color[:40] == 1).all()


def test_a_sketching_hand_draws_twice() -> None:
    once, twice = sheet(), sheet()
    once.line([(20, 60), (140, 60)], 3, CLEAN)
    twice.line([(20, 60), (140, 60)], 3, Hand(darkness=1, fade=0, dry=0, second_rare=-1, ink="#203040"))
    assert (twice.color < 0.9).sum() > 1.1 * (once.color < 0.9).sum()


def test_shade_lies_on_the_side_it_is_shifted_to() -> None:
    canvas = sheet()
    laid = canvas.area([DISC], "#ffffff", FLAT)
    canvas.shade(laid, "#808080", 0.8, (8, 0), 2)
    assert canvas.color[60, 116].mean() < 0.9 * canvas.color[60, 44].mean()
    assert (canvas.color[:, 122:] == 1).all()


def test_paper_is_pale_uneven_and_repeats() -> None:
    sheet_of = [paper((200, 150), seed) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(sheet_of[0], sheet_of[1])
    assert np.abs(sheet_of[0] - sheet_of[2]).max() > 0.005
    assert sheet_of[0].shape == (150, 200, 3)
    for one in sheet_of:
        assert one.min() > 0.75
        assert one.max() <= 1
        assert one.std() > 0.003
