"""Drawings by chance are sound: one figure, joints inside it, limbs clear of each other, an outline by their hand."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache

import numpy as np
import pytest
from scipy import ndimage

from osf_pipeline.drawing.skeleton import findings
from osf_pipeline.generate.artwork import FIGURE, Artwork, random_artwork, random_look
from osf_pipeline.generate.body import KINDS, Body, clearance, random_body
from osf_pipeline.generate.dress import outlines
from osf_pipeline.generate.extras import random_extras
from osf_pipeline.generate.paper import paper
from osf_pipeline.generate.shapes import cover
from osf_pipeline.generate.style import PALETTES, random_hand
from osf_pipeline.sample.paint import linear

SEEDS = (3, 6, 14, 35)


@lru_cache
def art(seed: int) -> Artwork:
    return random_artwork(seed)


@lru_cache
def bodies(count: int) -> tuple[tuple[np.random.Generator, Body], ...]:
    generators = [np.random.default_rng([seed, 9]) for seed in range(count)]
    return tuple((rng, random_body(rng)) for rng in generators)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_drawing_is_one_sound_figure(seed: int) -> None:
    one = art(seed)
    _, pieces = ndimage.label(one.mask)
    assert pieces == 1
    assert (ndimage.binary_fill_holes(one.mask) == one.mask).all()
    assert findings(one.skeleton, one.mask) == ()
    rows, columns = np.nonzero(one.mask)
    assert max(np.ptp(rows), np.ptp(columns)) == pytest.approx(FIGURE, abs=12)
    assert one.fill.shape == (*one.mask.shape, 3)
    assert one.fill.dtype == np.float32
    assert one.fill.min() >= 0
    assert one.fill.max() <= 1


def test_a_seed_is_all_that_counts() -> None:
    again = random_artwork(SEEDS[0])
    one = art(SEEDS[0])
    np.testing.assert_array_equal(again.fill, one.fill)
    np.testing.assert_array_equal(again.mask, one.mask)
    np.testing.assert_array_equal(again.image(), one.image())
    assert again.skeleton == one.skeleton
    assert again.hand == one.hand
    assert art(SEEDS[1]).hand != one.hand


def test_the_picture_is_fill_and_outline_on_white() -> None:
    one = art(SEEDS[1])
    image, line = one.image(), one.line()
    inside = ndimage.distance_transform_edt(one.mask)
    outside = ndimage.distance_transform_edt(~one.mask)
    bare = line[3] == 0
    np.testing.assert_allclose(image[bare & (inside > 4)], one.fill[bare & (inside > 4)], atol=2e-3)
    assert image[bare & (outside > 4)].min() > 0.9999
    reach = one.hand.reach * one.pixels_per_unit / (384 / 2.2)
    assert (line[3][inside > reach + 2] == 0).all()
    at_edge = (inside > 0) & (inside <= 1.5)
    assert line[3][at_edge].mean() > 0.6
    dark = line[3] > 0.9
    ink = line[:3, dark] / line[3, dark]
    expected = linear(one.hand.ink)[:, None]
    stray = linear(one.hand.stray_ink)[:, None]
    allowed = np.abs(stray - expected) * one.hand.stray + 0.02
    assert (np.abs(ink - expected) < allowed).mean() > 0.9


def test_paper_lies_under_the_drawing() -> None:
    one = art(SEEDS[2])
    np.testing.assert_allclose(one.on_paper(5), one.image() * paper(one.size, 5))


def test_fill_continues_beyond_the_mask_without_paper() -> None:
    one = art(SEEDS[1])
    outside = ndimage.distance_transform_edt(~one.mask, return_indices=True)
    ring = (outside[0] > 1) & (outside[0] < 4)
    row, column = outside[1]
    nearest = ndimage.gaussian_filter(one.fill, (2, 2, 0))[row, column]
    assert np.median(np.abs(one.fill[ring] - nearest[ring])) < 0.05


def test_limbs_keep_clear_of_everything_but_their_root() -> None:
    """Else the silhouette would melt them together. Over many bodies, since a body costs little."""
    for _, body in bodies(120)[:60]:
        limbs = [*body.arms, *body.legs]
        for limb in limbs:
            far = limb.curve[len(limb.curve) // 2 :]
            for other in limbs:
                if other is not limb:
                    assert clearance(far[:, :2], far[:, 2], other.stretch(0.3, 1)) > 0.003, body.kind
        for arm in body.arms:
            palm = arm.tip[0]
            assert clearance(palm, 0.0, body.trunk) > 0.005, body.kind
            assert clearance(palm, 0.0, body.head) > 0.005, body.kind


def test_no_gap_between_limbs_is_closed() -> None:
    for rng, body in bodies(120)[60:90]:
        look = random_look(body, PALETTES[0], rng)
        big = body.mapped(400, np.full(2, 400.0))
        extras = random_extras(big, look.breed, rng)
        whole = cover(outlines(big, extras), (1000, 1000)).full((1000, 1000)) > 0.5
        holes = ndimage.binary_fill_holes(whole) & ~whole
        assert holes.sum() < 0.004 * whole.sum(), body.kind
        parts = np.bincount(ndimage.label(whole)[0].ravel())[1:]
        assert parts.max() > 0.998 * parts.sum(), body.kind  # the rest is points of ears and feet


def test_all_plans_appear_about_as_often_as_stated() -> None:
    count = 120
    seen = Counter(body.kind for _, body in bodies(120))
    total = sum(KINDS.values())
    for kind, share in KINDS.items():
        assert seen[kind] == pytest.approx(count * share / total, abs=4 * np.sqrt(count * share) + 1)


def test_extra_limbs_are_named_like_the_format_has_them() -> None:
    kinds = {body.kind: body for _, body in bodies(120)}
    spider, beast = kinds["six_armed"].skeleton(), kinds["four_legged"].skeleton()
    assert spider["right_elbow2"].parent == "right_shoulder2"
    assert spider["left_shoulder3"].parent == "torso"
    assert beast["left_knee_b"].parent == "left_hip_b"
    assert beast["right_hip_f"].parent == "root"
    assert spider["right_hand1"].x < 0 < spider["left_hand1"].x


def test_hands_differ_in_kind() -> None:
    hands = [random_hand(np.random.default_rng(seed), PALETTES[seed % len(PALETTES)]) for seed in range(80)]
    widths = np.array([hand.width for hand in hands])
    assert widths.max() > 2.5 * widths.min()
    assert len({hand.ink for hand in hands}) > 8
    assert any(hand.second_rare < 0 for hand in hands)
    assert any(hand.tooth > 0.5 for hand in hands)
