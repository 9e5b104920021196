"""Blowing up flat shapes whose form is known."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_figures import capsule

from osf_pipeline.character import inflate as module
from osf_pipeline.character.inflate import inflate
from osf_pipeline.character.mesh import triangulate

DISC = triangulate(capsule((130, 130), (65, 65), (65, 65), 50), 1200)


def test_without_the_screen_a_disc_becomes_an_ellipsoid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SATURATION", 1e6)
    body = inflate(DISC)
    front = body.height[: len(DISC.points)]
    away = np.linalg.norm(DISC.points - 65, axis=1)
    expected = module.DEPTH * np.sqrt(np.maximum(50.5**2 - away**2, 0))
    inner = away < 40
    assert front[inner] == pytest.approx(expected[inner], rel=0.05)


def test_the_screen_flattens_broad_bodies_more_than_slim_ones() -> None:
    def roundness(radius: float) -> float:
        mask = capsule((400, 130), (65, 30), (65, 370), radius)
        return float(inflate(triangulate(mask, 1500)).height.max() / radius)

    assert roundness(12) > 1.0 > roundness(55)


def test_the_back_mirrors_the_front_and_shares_the_outline() -> None:
    body = inflate(DISC)
    n = len(DISC.points)
    assert np.array_equal(body.source[:n], np.arange(n))
    behind = body.source[n:]
    assert np.array_equal(np.sort(behind), np.flatnonzero(~DISC.on_boundary))
    assert np.array_equal(body.height[n:], -body.height[behind])
    assert (body.height[:n][DISC.on_boundary] == 0).all()
    assert np.array_equal(body.source[body.faces[len(DISC.faces) :]][:, [0, 2, 1]], DISC.faces)
