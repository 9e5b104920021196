"""Rotations between directions."""

from __future__ import annotations

import numpy as np

from osf_pipeline.motion.rotations import about_y, frame, swing, unit

RNG = np.random.default_rng(3)


def directions(count: int) -> np.ndarray:
    return unit(RNG.normal(size=(count, 3)))


def test_a_swing_brings_one_direction_to_the_other_without_twist() -> None:
    before, after = directions(50), directions(50)
    rotation = swing(before, after)
    np.testing.assert_allclose(np.einsum("tij,tj->ti", rotation, before), after, atol=1e-12)
    np.testing.assert_allclose(rotation @ np.swapaxes(rotation, 1, 2), np.tile(np.eye(3), (50, 1, 1)), atol=1e-12)
    axis = np.cross(before, after)  # the smallest rotation leaves its axis alone
    np.testing.assert_allclose(np.einsum("tij,tj->ti", rotation, axis), axis, atol=1e-12)


def test_opposite_and_absent_directions() -> None:
    before = directions(20)
    half_turn = swing(before, -before)
    np.testing.assert_allclose(np.einsum("tij,tj->ti", half_turn, before), -before, atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(half_turn), 1)
    np.testing.assert_array_equal(swing(np.zeros(3), before[0]), np.eye(3))
    np.testing.assert_array_equal(unit(np.zeros(3)), np.zeros(3))


def test_a_body_that_faces_its_viewer_is_the_identity() -> None:
    np.testing.assert_allclose(frame(np.array([0.0, 2, 0]), np.array([1.0, 0.3, 0])), np.eye(3), atol=1e-12)
    np.testing.assert_allclose(about_y(np.pi / 2) @ (0, 0, 1), (1, 0, 0), atol=1e-12)
