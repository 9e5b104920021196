"""Textures seen through a frame, and how steady they are there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from osf_pipeline.bake.projection import Baked, Shown, Steadiness, project

H, W = 24, 30


def test_projection_is_premultiplied_and_covers_soft_edges_of_baked_objects_alone() -> None:
    objects = np.zeros((H, W), np.uint16)
    objects[4:20, 4:14], objects[4:20, 14:24] = 1, 2
    alpha = np.zeros((H, W), np.float32)
    alpha[4:20, 4:24] = 1
    alpha[4:20, 3], alpha[4:20, 24], alpha[4:20, 0] = 0.25, 0.25, 0.5
    y, x = np.mgrid[:H, :W]
    uv = np.stack([x / W, y / H]).astype(np.float32)
    color = np.stack([np.full((8, 8), 0.8), np.tile(np.linspace(0, 1, 8), (8, 1)), np.zeros((8, 8))])
    picture, coverage = project(objects, uv, alpha, {1: Baked(color, np.full((8, 8), 0.5), 1)})
    assert not picture[:, :, 14:].any(), "the other object, its edge and the background"
    np.testing.assert_array_equal(picture[3, :, 4:14], alpha[:, 4:14])
    np.testing.assert_allclose(picture[0, 4:20, 4:14], 0.8, rtol=1e-6)
    np.testing.assert_allclose(picture[1, 4:20, 10], (10 / W * 8 - 0.5) / 7, rtol=1e-5)
    np.testing.assert_allclose(picture[:, 4:20, 3], 0.25 * picture[:, 4:20, 4], rtol=1e-6)
    assert not picture[:, :, 0].any(), "too far from any surface"
    np.testing.assert_allclose(coverage[4:20, 3:14], 0.5)


def shown(layer: np.ndarray, projection: np.ndarray, move: int = 0) -> Shown:
    seen = np.zeros((H, W), bool)
    seen[4:20, 4:24] = True
    motion = np.zeros((2, H, W), np.float32)
    motion[0] = move
    return Shown(layer, projection, seen.astype(np.uint16), seen, motion, seen)


def grey(value: float) -> np.ndarray:
    return np.full((3, H, W), value, np.float32)


def test_flicker_is_the_change_at_the_same_surface_point() -> None:
    steadiness = Steadiness()
    for i in range(4):
        steadiness.add(shown(grey(0.5 + 0.1 * (i % 2)), grey(0.55 + 0.02 * (i % 2))))
    numbers = steadiness.numbers()
    assert numbers["flicker"] == pytest.approx(25.5, abs=1e-3)
    assert numbers["flicker_projected"] == pytest.approx(5.1, abs=1e-3)
    assert numbers["variance_removed"] == pytest.approx(0.96, abs=1e-3)
    assert 1 < numbers["delta_e"] < 8


def test_motion_is_followed() -> None:
    ramp = np.broadcast_to(np.arange(W, dtype=np.float32) / W, (3, H, W))
    steadiness = Steadiness()
    steadiness.add(shown(ramp, ramp))
    steadiness.add(shown(np.roll(ramp, 3, 2), ramp, move=3))
    numbers = steadiness.numbers()
    assert numbers["flicker"] == pytest.approx(0, abs=1e-3)
    assert numbers["flicker_projected"] == pytest.approx(255 * 3 / W, rel=1e-3)


def test_nothing_is_compared_across_what_was_hidden_or_is_another_object() -> None:
    for hidden in (True, False):
        steadiness = Steadiness()
        before, now = shown(grey(0), grey(0)), shown(grey(1), grey(1))
        if hidden:
            now = Shown(now.layer, now.projection, now.objects, now.clear, now.motion, np.zeros((H, W), bool))
        else:
            before = Shown(
                before.layer, before.projection, 2 * before.objects, before.clear, before.motion, before.clear
            )
        steadiness.add(before)
        steadiness.add(now)
        numbers = steadiness.numbers()
        assert numbers["flicker"] is numbers["variance_removed"] is None
        assert numbers["delta_e"] == 0


def test_shots_without_motion_have_no_flicker() -> None:
    steadiness = Steadiness()
    for _ in range(2):
        steadiness.add(replace(shown(grey(0.5), grey(0.5)), motion=None))
    assert steadiness.numbers() == {
        "delta_e": 0, "flicker": None, "flicker_projected": None, "variance_removed": None,
    }  # fmt: skip
