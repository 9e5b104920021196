"""Simple things are closed, look outwards, and are as large as asked."""

from __future__ import annotations

import numpy as np
import pytest

from osf_pipeline.render.shapes import Shape, ball, box, ground, pole

SIZE = (0.6, 1.0, 0.4)


@pytest.mark.parametrize(
    ("shape", "volume"),
    [(ball(0.5, 48), np.pi / 6), (box(SIZE), 0.24), (pole(SIZE, 200), np.pi / 4 * 0.24)],
    ids=["ball", "box", "pole"],
)
def test_the_surface_is_closed_and_faces_outwards(shape: Shape, volume: float) -> None:
    rest, faces = shape
    places, number = np.unique(rest.round(9), axis=0, return_inverse=True)
    edges = np.concatenate([number[faces][:, pair] for pair in ((0, 1), (1, 2), (2, 0))])
    # Of two faces at an edge, one runs along it and the other back.
    assert sorted(map(tuple, edges)) == sorted(map(tuple, edges[:, ::-1]))
    a, b, c = (rest[faces[:, k]] for k in range(3))
    assert np.einsum("ni,ni->", a, np.cross(b, c)) / 6 == pytest.approx(volume, rel=1e-2)
    assert len(places) <= len(rest)


@pytest.mark.parametrize("shape", [box(SIZE), pole(SIZE)], ids=["box", "pole"])
def test_sizes_are_those_of_the_box_around(shape: Shape) -> None:
    np.testing.assert_allclose(np.ptp(shape[0], axis=0), SIZE)
    np.testing.assert_allclose(shape[0].max(axis=0), np.array(SIZE) / 2)


def test_the_ground_faces_up() -> None:
    rest, faces = ground(3)
    a, b, c = (rest[faces[:, k]] for k in range(3))
    np.testing.assert_allclose(np.cross(b - a, c - a), [(0, 36, 0)] * 2)
    assert not rest[:, 1].any()
