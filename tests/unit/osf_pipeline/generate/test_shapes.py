"""Curves go through their points, areas cover what they enclose."""

from __future__ import annotations

import numpy as np
import pytest

from osf_pipeline.generate.shapes import brush_mark, cover, ellipse, inside, resample, ribbon, spline, unsteady

BORDER = 1 / 8  # pixels, see `cover`
SQUARE = np.array([(2.5, 3.5), (12.5, 3.5), (12.5, 9.5), (2.5, 9.5)])


def test_splines_pass_through_their_points_and_close() -> None:
    points = np.array([(0, 0, 1), (10, 5, 2), (20, -3, 1), (12, 9, 0)], float)
    open_curve, ring = spline(points, per_segment=10), spline(points, closed=True, per_segment=10)
    np.testing.assert_allclose(open_curve[::10], points)
    np.testing.assert_allclose(ring[::10], points)
    assert len(ring) == 40
    straight = spline(np.array([(0, 0), (1, 1), (2, 2), (3, 3)], float))
    np.testing.assert_allclose(straight[:, 0], straight[:, 1])


def test_cover_is_the_area_of_the_union() -> None:
    laid = cover([SQUARE], (30, 20))
    assert laid.value.sum() == pytest.approx(60 + BORDER * 32, rel=0.01)
    full = laid.full((30, 20))
    assert full.shape == (20, 30)
    assert full[4:10, 3:13].min() == 1
    assert full[:3].max() == full[:, 14:].max() == 0
    assert cover([SQUARE, SQUARE + np.array([5, 0])], (30, 20)).value.sum() == pytest.approx(90 + BORDER * 42, rel=0.01)
    disc = cover([ellipse(40, 40, 20, 10)], (80, 80))
    assert disc.value.sum() == pytest.approx(np.pi * 200, rel=0.01)


def test_cover_stays_inside_the_picture() -> None:
    laid = cover([SQUARE - 8], (30, 20)).full((30, 20))
    assert laid.sum() == pytest.approx(5 * 2, rel=0.3)
    assert not cover([SQUARE + 100], (30, 20)).value.any()


def test_a_ribbon_is_as_broad_as_its_radii() -> None:
    path = np.stack([np.linspace(20, 80, 30), np.full(30, 30.0)], axis=1)
    laid = cover([ribbon(path, np.linspace(4, 8, 30))], (100, 60)).full((100, 60))
    assert laid[:, 25].sum() == pytest.approx(2 * 4.33, abs=0.3)
    assert laid[:, 75].sum() == pytest.approx(2 * 7.67, abs=0.3)
    assert laid[30, 14:17].sum() < 1.2  # the round cap ends 4 pixels before the path
    cut = cover([ribbon(path, np.full(30, 5.0), (0, 0))], (100, 60)).full((100, 60))
    assert cut[30, 21:80].min() == 1
    assert cut[30, :19].max() == cut[30, 82:].max() == 0


def test_a_brush_mark_swells_with_its_pressure() -> None:
    path = np.array([(10, 20, 1.0), (50, 20, 4.0), (90, 20, 1.0)])
    laid = brush_mark(path, (100, 40)).full((100, 40))
    assert laid[:, 50].sum() == pytest.approx(8, abs=0.6)
    assert laid[:, 12].sum() == pytest.approx(2.3, abs=0.6)


def test_inside_follows_the_even_odd_rule() -> None:
    points = np.array([(5, 5), (1, 5), (13, 5), (5, 10), (12, 9)], float)
    assert inside(SQUARE, points).tolist() == [True, False, False, False, True]


def test_an_unsteady_hand_strays_by_its_amount_and_repeats() -> None:
    circle = ellipse(100, 100, 60, 60)
    drawn = unsteady(circle, 2.0, 45, np.random.default_rng(1))
    away = np.hypot(*(drawn - 100).T) - 60
    assert 0.7 < away.std() < 3.5
    np.testing.assert_array_equal(drawn, unsteady(circle, 2.0, 45, np.random.default_rng(1)))
    np.testing.assert_allclose(np.hypot(*(unsteady(circle, 0, 45, np.random.default_rng(1)) - 100).T), 60, atol=0.2)


def test_resampling_spaces_points_evenly() -> None:
    points = resample(SQUARE, 1.0, closed=True)
    steps = np.linalg.norm(np.diff(np.concatenate([points, points[:1]]), axis=0), axis=1)
    assert len(points) == 32
    np.testing.assert_allclose(steps, 1)
