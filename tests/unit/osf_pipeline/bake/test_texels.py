"""Lookup, its transpose, and the texture that explains all pixels."""

from __future__ import annotations

import numpy as np
import pytest

from osf_pipeline.bake.texels import Equations, Footprint, Moments

SHAPE = (9, 12)


def points(count: int = 200, seed: int = 0) -> np.ndarray:
    """(2, N) texture coordinates, some beyond the border."""
    return np.random.default_rng(seed).uniform(-0.05, 1.05, (2, count))


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_splat_is_the_transpose_of_lookup(columns: int) -> None:
    rng = np.random.default_rng(1)
    place = Footprint.of_uv(points(), SHAPE, columns)
    grid, values, out = rng.normal(size=SHAPE), rng.normal(size=200), np.zeros(SHAPE)
    place.splat(out, values)
    assert (place.lookup(grid) * values).sum() == pytest.approx((grid * out).sum(), rel=1e-12)


def test_texel_centres_give_their_texel_and_half_way_the_mean() -> None:
    grid = np.random.default_rng(0).normal(size=SHAPE)
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    uv = np.stack([(columns.ravel() + 0.5) / SHAPE[1], (rows.ravel() + 0.5) / SHAPE[0]])
    np.testing.assert_allclose(Footprint.of_uv(uv, SHAPE).lookup(grid), grid.ravel(), atol=1e-12)
    between = Footprint.at(np.array([3.5]), np.array([2.25]), SHAPE).lookup(grid)
    expected = 0.75 * grid[2, 3:5].mean() + 0.25 * grid[3, 3:5].mean()
    assert between == pytest.approx(expected)


def test_halves_do_not_mix() -> None:
    """Points just left of the middle touch the left half alone, although the nearest texel centre is further right."""
    left, right = np.full(50, 0.5 - 1e-6), np.full(50, 0.5 + 1e-6)
    v = np.linspace(0, 1, 50)
    for u, free in ((left, np.s_[:, 6:]), (right, np.s_[:, :6])):
        out = np.zeros(SHAPE)
        Footprint.of_uv(np.stack([u, v]), SHAPE, 2).splat(out, np.ones(50))
        assert not out[free].any()
        assert out.sum() == pytest.approx(50)
    whole = np.zeros(SHAPE)
    Footprint.of_uv(np.stack([left, v]), SHAPE).splat(whole, np.ones(50))
    assert whole[:, 6:].any(), "one column mixes"


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (4, 1)])
def test_thin_grids(shape: tuple[int, int]) -> None:
    out = np.zeros(shape)
    Footprint.of_uv(points(), shape).splat(out, np.ones(200))
    assert out.sum() == pytest.approx(200)


def test_no_points_change_nothing() -> None:
    out = np.zeros(SHAPE)
    Footprint.of_uv(np.empty((2, 0)), SHAPE).splat(out, np.empty(0))
    assert not out.any()


def test_the_solution_explains_the_pixels_where_the_mean_blurs() -> None:
    rng = np.random.default_rng(2)
    texture = rng.uniform(size=(3, *SHAPE))
    equations = Equations(SHAPE)
    for seed in range(30):
        place = Footprint.of_uv(points(seed=seed), SHAPE)
        equations.add(place, rng.uniform(0.5, 1, 200), place.lookup(texture))
    mean = equations.color / equations.weight
    found = equations.solve()
    assert np.abs(found - texture).mean() < 0.2 * np.abs(mean - texture).mean()


def test_the_couplings_are_those_of_the_normal_matrix() -> None:
    rng = np.random.default_rng(3)
    place, weight = Footprint.of_uv(points(), SHAPE, 2), rng.uniform(size=200)
    equations = Equations(SHAPE)
    equations.add(place, weight, np.zeros((3, 200)))
    grid, expected = rng.normal(size=SHAPE), np.zeros(SHAPE)
    place.splat(expected, weight * place.lookup(grid))
    np.testing.assert_allclose(equations._applied(grid), expected, atol=1e-12)


def test_most_frames_outvote_a_few() -> None:
    """Three of ten frames show black: the second mean is nearly that of the others, and the three are outliers."""
    rng = np.random.default_rng(4)
    place = Footprint.of_uv(points(2000), SHAPE)
    frames = [np.full((3, 2000), 0.0 if i < 3 else 0.6) + rng.normal(0, 0.01, (3, 2000)) for i in range(10)]
    first, second = Moments(SHAPE), Moments(SHAPE)
    for color in frames:
        first.add(place, np.ones(2000), color)
    judge = first.finish()
    np.testing.assert_allclose(judge.mean, 0.42, atol=0.03)
    for color in frames:
        second.add(place, judge.closeness(place, color), color)
    judge = second.finish()
    assert np.median(judge.mean) > 0.5
    assert not any(judge.keeps(place, color).mean() > 0.01 for color in frames[:3])
    assert all(judge.keeps(place, color).mean() > 0.99 for color in frames[3:])


def test_frames_that_agree_are_all_kept() -> None:
    place, color = Footprint.of_uv(points(), SHAPE), np.full((3, 200), 0.3)
    moments = Moments(SHAPE)
    moments.add(place, np.ones(200), color)
    assert moments.finish().keeps(place, color + 1e-3).all()
