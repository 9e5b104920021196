"""Frame ranges in studio grammar and shards."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osf_pipeline import shots
from osf_pipeline.errors import RequestError
from osf_pipeline.shots import FrameRange


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(shots).failed == 0


@given(st.sets(st.integers(-200, 2000), min_size=1, max_size=40))
def test_a_written_range_reads_back(frames: set[int]) -> None:
    written = str(FrameRange.of(frames))
    assert FrameRange.parse(written).frames == tuple(sorted(frames))


@given(
    st.lists(st.tuples(st.integers(-300, 3000), st.integers(0, 120), st.integers(1, 7)), min_size=1, max_size=5).map(
        lambda parts: [range(first, first + count * step + 1, step) for first, count, step in parts]
    )
)
def test_the_studio_grammar_means_what_it_says(parts: list[range]) -> None:
    """Any list of `a`, `a-b` and `a-bxn`, overlapping or not, is the union of its parts."""
    text = ",".join(f"{p[0]}-{p[-1]}x{p.step}" if len(p) > 1 else f"{p[0]}" for p in parts)
    assert FrameRange.parse(text).frames == tuple(sorted({frame for part in parts for frame in part}))


@given(st.integers(-50, 50), st.integers(1, 9), st.sets(st.integers(0, 60), min_size=8))
def test_what_is_missing_and_what_is_there_never_meet(first: int, step: int, places: set[int]) -> None:
    frames = FrameRange.of(first + step * place for place in places)
    assert not {*frames.missing} & {*frames}
    assert all(frames.frames[0] < frame < frames.frames[-1] for frame in frames.missing)


@given(st.sets(st.integers(0, 500), min_size=1, max_size=60), st.integers(1, 17))
def test_shards_cover_every_frame_once_in_order(frames: set[int], size: int) -> None:
    pieces = shots.shards(FrameRange.of(frames), size)
    assert [f for piece in pieces for f in piece.frames] == sorted(frames)
    assert all(piece.start == piece.index * size for piece in pieces)
    assert all(len(piece.frames) == size for piece in pieces[:-1])


@pytest.mark.parametrize("text", ["", "10-", "a-b", "1001-1010x0", "1.5"])
def test_a_bad_range_is_named(text: str) -> None:
    with pytest.raises(RequestError):
        FrameRange.parse(text)


def test_step_and_gaps() -> None:
    on_twos = FrameRange.parse("1001-1011x2")
    assert on_twos.step == 2
    assert on_twos.missing == ()
    assert FrameRange.parse("1001-1003,1005,1006").missing == (1004,)
    assert FrameRange.parse("7").missing == ()


@pytest.mark.parametrize(
    ("frames", "strays", "missing"),
    [
        ("1001-1008,1049", (1049,), ()),
        ("1,1001-1008", (1,), ()),
        ("2,3-11x2", (2,), ()),
        ("1-9x2,4,13", (4,), (11,)),
        ("1-4,8-10", (), (5, 6, 7)),
        ("1-4,6", (), (5,)),
        ("1,50", (), ()),
        ("-5--3,7", (7,), ()),
    ],
)
def test_a_frame_outside_the_regular_sequence_is_a_stray(
    frames: str, strays: tuple[int, ...], missing: tuple[int, ...]
) -> None:
    found = FrameRange.parse(frames)
    assert (found.strays, found.missing) == (strays, missing)


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a b", "ä"])
def test_an_unsafe_name_is_refused(name: str) -> None:
    with pytest.raises(RequestError, match="usable shot name"):
        shots.check_name("shot", name)
