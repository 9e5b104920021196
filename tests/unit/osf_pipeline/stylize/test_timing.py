"""Which frames a frame is made from, and that it is the same whatever was made before it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from osf_pipeline.config import ShotConfig
from osf_pipeline.errors import InputDataError, RequestError
from osf_pipeline.stylize.timing import ALL, Film, Timing

SIZE = (24, 32)


def timing(objects: tuple[int, ...] = (), starts: tuple[int, ...] = (), **said: Any) -> Timing:
    return Timing.of(ShotConfig(objects={1: "fox", 2: "ball"}, **said), list(objects), list(starts))


def test_a_plain_shot_needs_nothing_but_the_frame() -> None:
    plain = timing((1, 2))
    assert plain.plain
    assert (plain.needs(5), plain.shown(5), plain.buffers, plain.guides) == ([5], {5: [ALL]}, (), ())


def test_drawings_are_held_and_start_anew_after_a_cut() -> None:
    twos = timing((1, 2), (5,), steps=2)
    assert [next(iter(twos.shown(at))) for at in range(9)] == [0, 0, 2, 2, 4, 5, 5, 7, 7]
    assert twos.buffers == (), "a whole picture is held without taking it apart"


def test_a_blend_looks_back_two_frames_and_never_across_a_start() -> None:
    two = timing((), (3,), blend=2)
    assert [two.needs(at) for at in range(6)] == [[0], [0, 1], [0, 1, 2], [3], [3, 4], [3, 4, 5]]


def test_a_held_frame_needs_what_its_drawing_is_blended_with() -> None:
    both = timing((1, 2), steps={"fox": 3}, blend=2)
    assert both.steps == {0: 1, 1: 3, 2: 1}
    assert both.needs(5) == [1, 2, 3, 4, 5]
    assert {at: both.shown(at) for at in (3, 5)} == {3: {3: [0, 1, 2]}, 5: {5: [0, 2], 3: [1]}}
    assert Timing.from_json(both.to_json()) == both


@pytest.mark.parametrize(
    ("said", "steps"),
    [({"fox": 2, "*": 3}, {0: 3, 1: 2, 2: 3}), ({"2": 2}, {0: 1, 1: 1, 2: 2}), ({"*": 2}, {ALL: 2})],
)
def test_objects_are_held_by_name_or_id(said: dict[str, int], steps: dict[int | str, int]) -> None:
    assert timing((1, 2), steps=said).steps == steps


def test_what_cannot_be_done_is_refused() -> None:
    with pytest.raises(RequestError, match=r"steps\.dog.*fox"):
        timing((1, 2), steps={"dog": 2})
    for said, channel in (({"blend": 1}, "motion, motion_valid"), ({"steps": {"fox": 2}}, "depth")):
        with pytest.raises(InputDataError, match=channel):
            timing((1, 2), **said).check(("color", "object_id"))


def test_frames_in_other_roles_have_other_keys() -> None:
    """Equal frames are taken over from other versions by key: it must tell who is held and what is blended."""
    fox, ball = timing((1, 2), steps={"fox": 2}), timing((1, 2), steps={"ball": 2})
    assert fox.key(1) != ball.key(1)
    assert fox.key(1) == fox.key(7)
    assert len({str(timing((), (3,), blend=2).key(at)) for at in (0, 1, 2, 4)}) == 3


def moving(at: int) -> dict[str, np.ndarray]:
    """A block that moves right by 3 px a frame before a wider, farther one that moves left by 2."""
    rng = np.random.default_rng(at)
    near, far = np.zeros(SIZE, bool), np.zeros(SIZE, bool)
    near[8:16, 3 * at : 3 * at + 8] = True
    far[4:20, 20 - 2 * at : 30 - 2 * at] = True
    ids = np.where(near, 1, np.where(far, 2, 0))
    line = rng.uniform(0, 1, (4, *SIZE)).astype(np.float16) * (ids > 0)
    fill = np.stack([*(rng.uniform(0, 1, (3, *SIZE)) * (ids > 0)), ids > 0]).astype(np.float16)
    return {
        "line": line, "fill": fill, "beauty": line + fill * (1 - line[3:]),
        "confidence": np.ones((1, *SIZE), np.float16),
        "object_id": ids[None].astype(np.uint16),
        "depth": np.where(near, 1.0, np.where(far, 2.0, np.inf))[None].astype(np.float32),
        "motion": np.stack([np.where(near, 3, -2) * (ids > 0), 0 * ids]).astype(np.float32),
        "motion_valid": (ids > 0)[None].astype(np.uint8), "revealed": np.zeros((1, *SIZE), np.float16),
        "contour": np.full((1, *SIZE), 4, np.float16), "contour_side": (ids > 0)[None].astype(np.uint8),
    }  # fmt: skip


def film(when: Timing) -> Film:
    def draw(at: int) -> dict[str, np.ndarray]:
        return {name: moving(at)[name] for name in ("line", "fill", "beauty", "confidence")}

    return Film(when, draw, lambda at, names: {name: moving(at)[name] for name in names})


@pytest.mark.parametrize(
    "said",
    [{"blend": 2}, {"steps": 2}, {"steps": {"fox": 3}, "blend": 1}, {"steps": {"fox": 2, "ball": 3}, "blend": 2}],
)
def test_a_frame_is_the_same_alone_and_in_any_run(said: dict[str, Any]) -> None:
    when = timing((1, 2), (4,), **said)
    whole = film(when)
    frames = [whole(at) for at in range(8)]
    second = film(when)
    for at in (*range(3, 8), 2, 7, 0):
        for name, values in frames[at].items():
            alone = film(when)(at)[name]
            assert values.tobytes() == alone.tobytes() == second(at)[name].tobytes(), (at, name)
    # A frame changes when one it needs does, and not otherwise.
    for at in range(8):
        differs = frames[at]["line"].tobytes() != moving(at)["line"].tobytes()
        assert differs == (when.needs(at) != [at]), at


def test_a_frame_reads_no_more_than_it_says() -> None:
    when = timing((1, 2), (4,), steps={"fox": 3}, blend=2)
    for at in range(8):
        seen: set[int] = set()

        def draw(position: int, seen: set[int] = seen) -> dict[str, np.ndarray]:
            seen.add(position)
            return {name: moving(position)[name] for name in ("line", "fill", "beauty", "confidence")}

        def read(position: int, names: tuple[str, ...], seen: set[int] = seen) -> dict[str, np.ndarray]:
            seen.add(position)
            return {name: moving(position)[name] for name in names}

        Film(when, draw, read)(at)
        assert seen <= set(when.needs(at)), at


def test_frames_that_nothing_shows_are_never_drawn() -> None:
    drawn: list[int] = []

    def draw(at: int) -> dict[str, np.ndarray]:
        drawn.append(at)
        return {name: moving(at)[name] for name in ("line", "fill", "beauty", "confidence")}

    twos = Film(timing((1, 2), steps=2), draw, lambda at, names: {})
    for at in range(8):
        twos(at)
    assert drawn == [0, 2, 4, 6]
