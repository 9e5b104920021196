"""What makes a pixel a good or a bad witness."""

from __future__ import annotations

import numpy as np
import pytest

from osf_pipeline.bake.weights import density, pixel_area, trust


def frame(**changes: np.ndarray) -> dict[str, np.ndarray]:
    """A pixel that is beyond doubt."""
    plain = {
        "normal": np.array([0, 0, 1], np.float16),
        "contour": np.array([20], np.float16),
        "confidence": np.array([1], np.float16),
    }
    return {name: np.asarray(value).reshape(-1, 1, 1) for name, value in (plain | changes).items()}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 1),
        ({"normal": np.array([0.8, 0, 0.6])}, 0.36),
        ({"normal": np.array([0.9987, 0, 0.05])}, 0),
        ({"normal": np.array([0, 0, -1])}, 0),
        ({"nov": np.array([0.5])}, 0.25),
        ({"contour": np.array([0])}, 0),
        ({"contour": np.array([1])}, 0.5),
        ({"confidence": np.array([0.25])}, 0.25),
        ({"sample": np.array([1])}, 1),
        ({"sample": np.array([2])}, 0),
    ],
)
def test_trust(changes: dict[str, np.ndarray], expected: float) -> None:
    assert trust(frame(**changes)) == pytest.approx(expected, abs=1e-3)


def test_area_of_a_pixel_on_the_texture() -> None:
    y, x = np.mgrid[:6, :7].astype(np.float32)
    uv = np.stack([0.1 + 0.02 * x + 0.005 * y, 0.2 - 0.01 * x + 0.03 * y])
    area = pixel_area(uv, np.ones((6, 7), np.uint16))
    np.testing.assert_allclose(area, 0.02 * 0.03 + 0.005 * 0.01, rtol=1e-4)
    assert density(area, (10, 10)) == pytest.approx(1)
    np.testing.assert_allclose(density(area, (100, 100)), 1 / 6.5, rtol=1e-4)


def test_neighbours_across_seams_and_of_other_objects_do_not_count() -> None:
    _, x = np.mgrid[:4, :8].astype(np.float32)
    y = np.mgrid[:4, :8][0].astype(np.float32)
    uv = np.stack([0.01 * x + 0.5 * (x >= 4), 0.01 * y])
    objects = np.ones((4, 8), np.uint16)
    np.testing.assert_allclose(pixel_area(uv, objects), 1e-4, rtol=1e-3)
    objects[:, :2] = 2
    uv[:, :, :2] = 0
    np.testing.assert_allclose(pixel_area(uv, objects)[:, 2:], 1e-4, rtol=1e-3)


def test_a_lone_pixel_says_nothing() -> None:
    objects = np.zeros((3, 3), np.uint16)
    objects[1, 1] = 1
    assert density(pixel_area(np.full((2, 3, 3), 0.5, np.float32), objects), (8, 8))[1, 1] == 0
