"""Generated sets are decided by their request alone, and splits never share a character."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from osf_pipeline.errors import RequestError
from osf_pipeline.generate.plan import MOTIONS, GenerateRequest, Sequence, Split, artwork_seed, plan, split_of
from osf_pipeline.motion.clip import Clip

SPLITS: tuple[Split, ...] = get_args(Split)
LOOP, ONCE = (Clip(str(loops), (), np.zeros(0, int), np.zeros((49, 0, 3)), 24, loops=loops) for loops in (True, False))


def made(request: GenerateRequest, drawings: dict[str, str] | None = None, clip: Clip = LOOP) -> list[Sequence]:
    return plan(request, dict.fromkeys(request.motions, clip), drawings or {})


def characters(split: Split, seed: int) -> set[int | None]:
    sequences = made(GenerateRequest(seed=seed, split=split, sequences=12, characters=12))
    return {cast.artwork for sequence in sequences for cast in sequence.cast.values()}


def test_equal_requests_make_equal_plans_and_another_seed_another() -> None:
    request = GenerateRequest(seed=4, sequences=6)
    assert made(request) == made(request)
    assert made(request) != made(GenerateRequest(seed=5, sequences=6))


def test_a_longer_set_begins_with_the_shorter_one() -> None:
    short, long = (made(GenerateRequest(sequences=n)) for n in (3, 9))
    assert long[:3] == short


def test_splits_share_no_character_whatever_their_seeds() -> None:
    found = {split: set().union(*(characters(split, seed) for seed in range(5))) for split in SPLITS}
    assert all(len(numbers) > 20 for numbers in found.values())
    for split in SPLITS:
        others = set().union(*(found[other] for other in SPLITS if other != split))
        assert not found[split] & others
    assert {artwork_seed(split, n) for split in SPLITS for n in range(9)} == set(range(27))


def test_a_real_drawing_belongs_to_one_split_by_its_bytes() -> None:
    found = [split_of(bytes([a, b])) for a in range(40) for b in range(40)]
    shares = [found.count(split) / len(found) for split in SPLITS]
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.03)


def test_every_character_plays_and_two_meet_now_and_then() -> None:
    sequences = made(GenerateRequest(sequences=40, characters=3), {"pig": "somewhere/pig"})
    assert {name for s in sequences for name in s.cast} >= {"pig"}
    assert {len(s.cast) for s in sequences} == {1, 2}
    assert all({a.character for a in s.scene.actors} == set(s.cast) for s in sequences)
    assert {s.scene.camera.projection for s in sequences} == {"ortho", "persp"}  # type: ignore[union-attr]
    assert {len(s.scene.props) for s in sequences} == {0, 1}
    assert {s.scene.light is None for s in sequences} == {True, False}


def test_a_set_without_anybody_is_refused() -> None:
    with pytest.raises(RequestError, match="nobody to play"):
        made(GenerateRequest(characters=0))


def test_most_actors_face_the_camera_and_some_turn_their_back() -> None:
    turns = [actor.turn for s in made(GenerateRequest(sequences=200)) for actor in s.scene.actors]
    assert np.mean(np.abs(turns) <= 25) == pytest.approx(0.65, abs=0.1)
    assert np.mean(np.abs(turns) > 120) > 0.08


def test_two_characters_stand_near_and_one_behind_the_other() -> None:
    pairs = [s.scene.actors for s in made(GenerateRequest(sequences=60)) if len(s.scene.actors) == 2]
    apart = np.array([np.subtract(a.position, b.position) for a, b in pairs])
    assert (np.abs(apart[:, 0]) < 1).all()
    assert (np.abs(apart[:, 2]) > 0.15).all()
    assert {*np.sign(apart[:, 2])} == {-1, 1}


def test_a_motion_that_does_not_loop_is_not_begun_too_late() -> None:
    request = GenerateRequest(sequences=60, frames=24)
    for loops, clip in ((True, LOOP), (False, ONCE)):
        actors = [actor for s in made(request, clip=clip) for actor in s.scene.actors]
        ends = np.array([actor.first + actor.speed * request.frames / 24 for actor in actors])
        assert max(actor.first for actor in actors) <= 2
        assert (ends > 2).any() == loops


def test_all_motions_of_the_default_are_played() -> None:
    assert {a.motion for s in made(GenerateRequest(sequences=40)) for a in s.scene.actors} == set(MOTIONS)
