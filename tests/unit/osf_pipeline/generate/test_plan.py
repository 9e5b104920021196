"""Generated sets are decided by their request alone, and splits never share a character."""

from __future__ import annotations

from typing import get_args

import pytest

from osf_pipeline.errors import RequestError
from osf_pipeline.generate.plan import GenerateRequest, Split, artwork_seed, plan, split_of

SPLITS: tuple[Split, ...] = get_args(Split)


def characters(split: Split, seed: int) -> set[int | None]:
    sequences = plan(GenerateRequest(seed=seed, split=split, sequences=12, characters=12), {})
    return {cast.artwork for sequence in sequences for cast in sequence.cast.values()}


def test_equal_requests_make_equal_plans_and_another_seed_another() -> None:
    request = GenerateRequest(seed=4, sequences=6)
    assert plan(request, {}) == plan(request, {})
    assert plan(request, {}) != plan(GenerateRequest(seed=5, sequences=6), {})


def test_a_longer_set_begins_with_the_shorter_one() -> None:
    short, long = (plan(GenerateRequest(sequences=n), {}) for n in (3, 9))
    assert long[:3] == short


def test_splits_share_no_character_whatever_their_seeds() -> None:
    made = {split: set().union(*(characters(split, seed) for seed in range(5))) for split in SPLITS}
    assert all(len(found) > 20 for found in made.values())
    for split in SPLITS:
        others = set().union(*(made[other] for other in SPLITS if other != split))
        assert not made[split] & others
    assert {artwork_seed(split, n) for split in SPLITS for n in range(9)} == set(range(27))


def test_a_real_drawing_belongs_to_one_split_by_its_bytes() -> None:
    found = [split_of(bytes([a, b])) for a in range(40) for b in range(40)]
    shares = [found.count(split) / len(found) for split in SPLITS]
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.03)


def test_every_character_plays_and_two_meet_now_and_then() -> None:
    sequences = plan(GenerateRequest(sequences=40, characters=3), {"pig": "somewhere/pig"})
    assert {name for s in sequences for name in s.cast} >= {"pig"}
    assert {len(s.cast) for s in sequences} == {1, 2}
    assert all({a.character for a in s.scene.actors} == set(s.cast) for s in sequences)
    assert {s.scene.camera.projection for s in sequences} == {"ortho", "persp"}  # type: ignore[union-attr]
    assert {len(s.scene.props) for s in sequences} == {0, 1}
    assert {s.scene.light is None for s in sequences} == {True, False}


def test_a_set_without_anybody_is_refused() -> None:
    with pytest.raises(RequestError, match="nobody to play"):
        plan(GenerateRequest(characters=0), {})
