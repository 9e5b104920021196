"""What the network learns from: which neighbour hides what, and by which flow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from model.occlusion import hidden
from osf_pipeline.errors import InputDataError, RequestError
from osf_pipeline.exr.write import write_exr
from osf_pipeline.layout import Layout, join
from osf_pipeline.occlusion import examples as module
from osf_pipeline.occlusion.examples import Example, contents, examples, sequences
from osf_pipeline.store.files import write_json

SHOT = "val-0-0000"
SIZE = 32
STEP = 3
WALL, BOX = (slice(4, 28), slice(2, 30)), 8


def left(frame: int) -> int:
    return 6 + STEP * (frame - 1001)


def box(frame: int) -> np.ndarray:
    found = np.zeros((SIZE, SIZE), bool)
    found[10:20, left(frame) : left(frame) + BOX] = True
    return found


def covered(frame: int, other: int) -> np.ndarray:
    """(y, x) bool: what the wall shows in a frame, and the box hides in another."""
    found = box(other) & ~box(frame)
    assert found[:, left(other) : left(other) + BOX].any()
    return found


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A box slides right by three pixels a frame over a wall; frames 1001 to 1004."""
    made = Layout.of(str(tmp_path))
    write_json(join(made.root, "generated", "val-0", "set.json"), {"sequences": [{"shot": SHOT}]})
    write_json(join(made.truth(SHOT), "sequence.json"), {"key": "k", "done": True})
    for frame in range(1001, 1005):
        wall = np.zeros((SIZE, SIZE), np.float32)
        wall[WALL] = 1
        color = {"R": wall, "G": wall * ~box(frame), "B": wall * ~box(frame), "A": wall}
        name = f"{SHOT}.{frame}.exr"
        tight = {channel: plane[WALL].astype(np.float16) for channel, plane in color.items()}
        write_exr(
            join(made.renders(SHOT), name), tight, data_window=(2, 4, 29, 27), display_window=(0, 0, SIZE - 1, SIZE - 1)
        )
        truth = {"revealed.Y": covered(frame, frame - 1), "hidden_next.Y": covered(frame, frame + 1)}
        write_exr(join(made.truth(SHOT), name), {channel: plane.astype(np.float16) for channel, plane in truth.items()})
    return made


def sliding(previous: np.ndarray, current: np.ndarray) -> np.ndarray:
    """Exact flow: only the box has no green."""
    shown = (current[3] > 0) & (current[1] == 0)
    columns = [np.flatnonzero(((p[3] > 0) & (p[1] == 0)).any(0))[0] for p in (previous, current)]
    return np.stack([(columns[1] - columns[0]) * shown, 0 * shown]).astype(np.float32)


def test_each_pair_is_asked_in_both_directions(layout: Layout):
    found = list(examples(layout, SHOT, "k", 3, sliding))
    assert len(found) == 6
    for first, (back, forth) in zip(range(1001, 1004), zip(found[::2], found[1::2], strict=True), strict=True):
        np.testing.assert_array_equal(back.hidden[0, 0].numpy(), covered(first + 1, first))
        np.testing.assert_array_equal(forth.hidden[0, 0].numpy(), covered(first, first + 1))
        assert back.go.step[0, 0, 15, left(first + 1)] == -STEP
        assert forth.go.step[0, 0, 15, left(first)] == STEP
        assert (back.back.step.numpy() == forth.go.step.numpy()).all()
        assert (back.here.numpy() == forth.there.numpy()).all()
        assert back.seen[0, 0].sum() == 24 * 28


def test_exact_flow_answers_what_the_truth_says(layout: Layout):
    for e in examples(layout, SHOT, "k", 3, sliding):
        go, back = (type(m)(m.step.float(), m.valid) for m in (e.go, e.back))
        np.testing.assert_array_equal(hidden(None, None, go, back, 1.0).numpy() > 0.5, e.hidden.numpy())


@pytest.mark.parametrize(("pairs", "firsts"), [(1, [1001]), (2, [1001, 1003]), (9, [1001, 1002, 1003])])
def test_pairs_are_spread_over_the_shot(layout: Layout, pairs: int, firsts: list[int]):
    found = list(examples(layout, SHOT, "k", pairs, sliding))
    assert [_first_frame(e) for e in found[1::2]] == firsts


def _first_frame(e: Example) -> int:
    column = int(np.flatnonzero((e.here[0, 3].numpy() > 0)[15] & (e.here[0, 1].numpy() == 0)[15])[0])
    return 1001 + (column - left(1001)) // STEP


def test_built_in_flow_is_computed_once_for_equal_frames(layout: Layout, monkeypatch: pytest.MonkeyPatch):
    calls = []

    def counted(previous: np.ndarray, current: np.ndarray) -> np.ndarray:
        calls.append(1)
        return sliding(previous, current)

    monkeypatch.setattr(module, "layer_flow", counted)

    def made(key: str) -> list[Example]:
        return list(examples(layout, SHOT, key, 1, module.layer_flow))

    first, again = made("k"), made("k")
    assert len(calls) == 2
    assert all((a.go.step == b.go.step).all() for a, b in zip(first, again, strict=True))
    made("another")
    assert len(calls) == 4, "frames of another key have flow of their own"
    monkeypatch.setattr(module, "FLOW_VERSION", module.FLOW_VERSION + 1)
    made("k")
    assert len(calls) == 6


def test_a_set_is_named_by_what_decides_its_frames(layout: Layout):
    assert sequences(layout, "val-0") == (SHOT,)
    assert contents(layout, "val-0") == {SHOT: "k"}
    with pytest.raises(RequestError, match=r"no such generated set.*--split val --seed 3"):
        sequences(layout, "val-3")
    write_json(join(layout.truth(SHOT), "sequence.json"), {"key": "k", "done": False})
    with pytest.raises(RequestError, match=f"not made.*{SHOT}"):
        contents(layout, "val-0")


def test_one_frame_makes_no_pair(layout: Layout):
    for frame in (1002, 1003, 1004):
        (Path(layout.renders(SHOT)) / f"{SHOT}.{frame}.exr").unlink()
    with pytest.raises(InputDataError, match="no two frames"):
        list(examples(layout, SHOT, "k", 1, sliding))
