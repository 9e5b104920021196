"""A hand is its parameters: ink, breadth, scale, second strokes, and who is drawn at all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from osf_pipeline.color import encode_srgb
from osf_pipeline.render.frame import render_frame
from osf_pipeline.sample.contours import Contours
from osf_pipeline.sample.hand import REFERENCE_WIDTH, SAMPLE_HAND, Hand, draw_line
from osf_pipeline.sample.make import SampleRequest, keyframe_scene, styled_truth
from osf_pipeline.sample.paint import linear

STEADY = Hand(swell=0, tremor=0, limits=(1, 9), darkness=1, fade=0, stray=0, dry=0, bare=0, second=0, overshoot=0)
SIZE = 96


def disc(object_id: int = 1) -> Contours:
    y, x = np.mgrid[: 2 * SIZE, : 2 * SIZE].astype(np.float32)
    away = np.hypot(x - SIZE + 0.5, y - SIZE + 0.5)
    seen, rim = away < 70, (away < 70) & (away > 69)
    return Contours(
        crop=(slice(0, 2 * SIZE), slice(0, 2 * SIZE)),
        seen=seen,
        depth=np.where(seen, 0, np.inf),
        rest=np.stack([x, -y, 0 * x]) / 160,
        part=seen.astype(np.uint16),
        object=(object_id * seen).astype(np.uint16),
        owner=rim,
        occluding=np.zeros_like(seen),
        gap=np.where(rim, np.inf, 0),
    )


def drawn(hand: Hand, scale: float = 1, object_id: int = 1, seed: int = 0) -> np.ndarray:
    return draw_line(disc(object_id), 2, (SIZE, SIZE), scale, seed, {1: hand}).layer


def breadth(line: np.ndarray) -> float:
    return float(line[3].sum() / (2 * np.pi * 34))


def test_the_line_is_as_broad_as_its_hand_says_at_any_scale() -> None:
    for width in (2.0, 4.0):
        for scale in (1.0, 2.0):
            assert breadth(drawn(replace(STEADY, width=width), scale)) == pytest.approx(width * scale, rel=0.2)


def test_ink_is_the_hands_and_accents_go_to_their_parts() -> None:
    def ink(hand: Hand) -> np.ndarray:
        line = drawn(hand)
        full = line[3] > 0.95
        return encode_srgb(np.median(line[:3, full] / line[3, full], axis=1))

    np.testing.assert_allclose(ink(replace(STEADY, ink="#a03020")), encode_srgb(linear("#a03020")), atol=0.01)
    accented = replace(STEADY, accent="#2040c0", accent_parts=(1,))
    np.testing.assert_allclose(ink(accented), encode_srgb(linear("#2040c0")), atol=0.01)


def test_an_object_without_a_hand_gets_no_line() -> None:
    assert drawn(STEADY).any()
    assert not drawn(STEADY, object_id=2).any()


def test_a_second_stroke_lies_within_the_first() -> None:
    y, x = np.mgrid[:SIZE, :SIZE]
    depth = 35 - np.hypot(x - 47.5, y - 47.5)
    deep = (depth > 5.2) & (depth < 12)
    sketchy = replace(STEADY, second=1.2, second_offset=2, second_rare=-9, second_darkness=0.6)
    assert drawn(STEADY)[3][deep].max() < 0.05
    assert drawn(sketchy)[3][deep].mean() > 0.03


def test_the_styled_truth_of_a_frame_can_have_any_hand() -> None:
    frame = render_frame(keyframe_scene(SampleRequest(width=SIZE, height=SIZE)), 0, (SIZE, SIZE))
    width = SIZE / REFERENCE_WIDTH
    own, given = styled_truth(frame, 0), styled_truth(frame, 0, {1: SAMPLE_HAND}, width)
    other, none = styled_truth(frame, 0, {1: STEADY}, 4 * width), styled_truth(frame, 0, {})
    for name in own:
        np.testing.assert_array_equal(own[name], given[name])
    assert other["line.A"].sum() > 2 * own["line.A"].sum()
    assert not none["line.A"].any()
    np.testing.assert_array_equal(none["A"], own["fill.A"])


def test_tooth_and_rough_break_the_line_up() -> None:
    smooth, chalky = drawn(STEADY), drawn(replace(STEADY, tooth=0.7, rough=0.4))
    assert chalky[3].sum() < 0.9 * smooth[3].sum()
    wandering = drawn(replace(STEADY, wander=1.0))
    y, x = np.mgrid[:SIZE, :SIZE]
    outside = np.hypot(x - 47.5, y - 47.5) > 36.5
    assert wandering[3][outside].sum() > 3 * smooth[3][outside].sum()


def test_every_ink_lies_within_the_hands_reach() -> None:
    """`reach` bounds the work of drawing; ink beyond it would be cut off."""
    for hand in (SAMPLE_HAND, STEADY, replace(STEADY, wander=0.5, bare=3)):
        y, x = np.mgrid[:SIZE, :SIZE]
        depth = 35 - np.hypot(x - 47.5, y - 47.5)
        line = drawn(hand, seed=4)[3]
        assert (line[depth > hand.reach + 1] == 0).all()
        assert (line[depth < -hand.spill - 2] == 0).all()
