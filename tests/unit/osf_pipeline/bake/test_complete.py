"""Texels that no frame has shown."""

from __future__ import annotations

import numpy as np
import pytest

from osf_pipeline.bake.complete import REACH, complete, push_pull

SHAPE = (96, 128)


def wavy() -> np.ndarray:
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return 0.5 + 0.3 * np.stack([np.sin(x / 3), np.cos(y / 4), np.sin((x + y) / 5)])


def coverage(rows: slice, columns: slice) -> np.ndarray:
    out = np.zeros(SHAPE)
    out[rows, columns] = 1
    return out


def test_what_was_seen_stays() -> None:
    own, seen = wavy(), coverage(np.s_[20:60], np.s_[30:50])
    found = np.where(seen > 0, 0.9 * own, 0)
    for base in (own, None):
        done = complete(found, seen, base)
        np.testing.assert_allclose(done[:, 20:60, 30:50], 0.9 * own[:, 20:60, 30:50], atol=1e-9)


def test_own_texture_is_kept_far_away_and_no_seam_shows() -> None:
    own, seen = wavy(), coverage(np.s_[:], np.s_[:30])
    change = complete(np.where(seen > 0, 1.5 * own, 0), seen, own) / own
    assert np.abs(np.diff(change, axis=2)).max() < 0.08, "no seam"
    far = 30 + 3 * 2**REACH
    np.testing.assert_allclose(change[:, :, far:], 1, atol=1e-9)
    assert change[:, :, 34].min() > 1.2, "fades, does not break off"


def test_strokes_stay_strokes_under_a_new_light() -> None:
    own, seen = np.full((3, *SHAPE), 0.5), coverage(np.s_[:], np.s_[:30])
    own[:, 40:44] = 0.02
    tint = np.array([1, 0.5, 0.25])[:, None, None]
    beside = complete(np.where(seen > 0, own * tint, 0), seen, own)[:, :, 31:34]
    np.testing.assert_allclose(beside[:, 40:44], 0.02 * np.broadcast_to(tint, (3, 4, 3)), atol=0.008)
    assert (beside > 0).all()


def test_a_new_colour_beside_does_not_blind() -> None:
    own, seen = np.full((3, *SHAPE), 0.5), coverage(np.s_[:], np.s_[:30])
    own[:, :, :30] = 0.01
    assert complete(np.where(seen > 0, 5.0, 0) * np.ones((3, 1, 1)), seen, own)[:, :, 30:].max() < 0.5 * 3.1


def test_doubtful_texels_lean_on_their_neighbours() -> None:
    seen = coverage(np.s_[:], np.s_[:])
    found = np.full((3, *SHAPE), 0.5)
    found[:, 40, 40], seen[40, 40] = 5, 0.01
    assert np.abs(complete(found, seen, None)[:, 40, 40] - 0.5).max() < 0.06


def test_holes_without_an_own_texture_are_made_up_of_what_is_around() -> None:
    seen = coverage(np.s_[:], np.s_[:])
    seen[30:60, 40:70] = 0
    ramp = np.broadcast_to(np.linspace(0, 1, SHAPE[1]), (3, *SHAPE)).copy()
    found = ramp.copy()
    found[:, seen == 0] = 7
    done = complete(found, seen, None)
    assert 0 < done[:, 30:60, 40:70].min() < done[:, 30:60, 40:70].max() < 1
    assert np.abs(done - ramp).max() < 0.2
    alone = complete(np.full((3, *SHAPE), 0.3), coverage(np.s_[90:91], np.s_[2:3]), None)
    np.testing.assert_allclose(alone, 0.3)


def test_halves_do_not_mix() -> None:
    own, seen = np.full((3, *SHAPE), 0.5), coverage(np.s_[:], np.s_[60:64])
    done = complete(np.where(seen > 0, 1.0, 0) * np.ones((3, 1, 1)), seen, own, 2)
    assert done[:, :, 50:64].min() > 0.6
    np.testing.assert_allclose(done[:, :, 64:], 0.5)
    made_up = complete(np.where(seen > 0, 1.0, 0) * np.ones((3, 1, 1)), seen, None, 2)
    np.testing.assert_allclose(made_up[:, :, :64], 1)
    assert not made_up[:, :, 64:].any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 3), (33, 17)])
def test_any_size(shape: tuple[int, int]) -> None:
    weight = np.zeros(shape)
    weight[-1, -1] = 1
    np.testing.assert_allclose(push_pull(np.full((2, *shape), 4.0), weight), 4)
