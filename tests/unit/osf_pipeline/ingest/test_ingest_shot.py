"""Which shards a run computes, what bad frames do, and when nothing is published."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from osf_pipeline.errors import InputDataError
from osf_pipeline.guidance.stage import guide_shot
from osf_pipeline.ingest import plan, worker
from osf_pipeline.ingest.stage import ingest_shot
from osf_pipeline.layout import Layout
from osf_pipeline.results import StageResult
from osf_pipeline.store.build import verify
from osf_pipeline.store.version import Version, current, published

SHOT = "disc"
FRAMES = range(1, 9)
Stage = Callable[[Layout, str], StageResult]


@pytest.fixture(autouse=True)
def _two_frames_a_shard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "SHARD_FRAMES", 2)


@pytest.fixture
def layout(tmp_path: Path, figure) -> Layout:
    figure.sequence(tmp_path / "renders" / SHOT, FRAMES)
    configure(tmp_path)
    return Layout.of(str(tmp_path))


def configure(root: Path | str, **keys: object) -> None:
    # A camera, so that the contour rule does not depend on what single frames show.
    lines = ["camera: {scale: 2}", "rest_box: [[-1, -1, -1], [1, 1, 1]]", *(f"{k}: {v}" for k, v in keys.items())]
    (Path(root) / "renders" / SHOT / "shot.yaml").write_text("\n".join(lines))


def frame_file(layout: Layout, frame: int) -> Path:
    return Path(layout.renders(SHOT)) / f"shot.{frame:04d}.exr"


def repaint(layout: Layout, figure, frame: int, bad: bool = False) -> None:
    """Another colour in one pixel; NaN when bad."""
    red = figure.channels(frame)["R"].copy()
    red[50 - 3 * frame, 50 + 5 * frame] = np.nan if bad else 0.125
    figure.write(frame_file(layout, frame), frame, R=red)


def version(layout: Layout, kind: str = "gbuffer") -> Version:
    found = current(layout.store(SHOT, kind))
    assert found is not None
    return found


def computed(result: StageResult) -> str:
    return str(result.metadata["shards"])


def assert_as_if_fresh(layout: Layout, *stages: Stage) -> None:
    """Every stored byte equals that of a run which had nothing to take over."""
    fresh = Layout.of(layout.root + "-fresh")
    Path(fresh.root).mkdir()
    (Path(fresh.root) / "renders").symlink_to(Path(layout.root) / "renders")
    for stage in stages:
        result = stage(fresh, SHOT)
        mine = version(layout, result.kind)
        assert mine.record["shards"] == version(fresh, result.kind).record["shards"]
        assert mine.keys == version(fresh, result.kind).keys
        assert verify(mine) > 0


def test_when_one_frame_changes_then_only_shards_that_depend_on_it_are_computed(layout: Layout, figure) -> None:
    assert computed(ingest_shot(layout, SHOT)) == computed(guide_shot(layout, SHOT)) == "4 computed, 0 reused"
    repaint(layout, figure, 3)
    assert computed(ingest_shot(layout, SHOT)) == "1 computed, 3 reused"
    # Guides of frame 2, in the shard before, look at frame 3 too; those of frame 5 look at frame 4, which is unchanged.
    assert computed(guide_shot(layout, SHOT)) == "2 computed, 2 reused"
    assert_as_if_fresh(layout, ingest_shot, guide_shot)


def test_when_files_are_only_touched_then_nothing_is_decoded_and_the_version_stays(layout: Layout) -> None:
    before = ingest_shot(layout, SHOT)
    for frame in FRAMES:
        os.utime(frame_file(layout, frame), (1, 1))
    again = ingest_shot(layout, SHOT)
    assert computed(again) == "0 computed, 4 reused"
    assert (again.id, again.reused) == (before.id, True)


def test_when_a_file_changes_behind_size_and_time_then_rehash_finds_it(layout: Layout, figure) -> None:
    ingest_shot(layout, SHOT)
    path = frame_file(layout, 5)
    old = path.stat()
    data = bytearray(path.read_bytes())
    at = data.index(b"osf:renderer") + len(b"osf:renderer\0string\0") + 4
    data[at : at + 4] = b"TEST"
    path.write_bytes(data)
    os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns))
    assert ingest_shot(layout, SHOT).reused
    assert computed(ingest_shot(layout, SHOT, rehash=True)) == "1 computed, 3 reused"


def test_when_frames_are_added_then_earlier_shards_stay(layout: Layout, figure) -> None:
    ingest_shot(layout, SHOT)
    for frame in (9, 10):
        figure.write(frame_file(layout, frame), frame, data_window=(0, 0, 127, 95))
    # Frame 8 was the last: its motion to the next becomes valid.
    assert computed(ingest_shot(layout, SHOT)) == "2 computed, 3 reused"
    assert_as_if_fresh(layout, ingest_shot)


def test_when_settings_change_then_frames_they_concern_are_computed(layout: Layout) -> None:
    ingest_shot(layout, SHOT)
    configure(layout.root, cuts="[5]")  # frames 4 and 5, in two shards, lose a neighbour
    assert computed(ingest_shot(layout, SHOT)) == "2 computed, 2 reused"
    configure(layout.root, cuts="[5]", on_fault="hold")  # no frame is bad
    assert computed(ingest_shot(layout, SHOT)) == "0 computed, 4 reused"
    configure(layout.root, scale="{depth: [2]}")
    assert computed(ingest_shot(layout, SHOT)) == "4 computed, 0 reused"
    assert_as_if_fresh(layout, ingest_shot)


def test_when_an_earlier_run_failed_then_its_good_shards_are_taken_over(layout: Layout, figure) -> None:
    repaint(layout, figure, 8, bad=True)
    with pytest.raises(InputDataError, match="not finite"):
        ingest_shot(layout, SHOT)
    repaint(layout, figure, 8)
    result = ingest_shot(layout, SHOT)
    assert int(computed(result).split()[0]) < 4
    assert_as_if_fresh(layout, ingest_shot)


def test_a_quarantined_frame_is_background_and_retried_alone(layout: Layout, figure) -> None:
    configure(layout.root, on_fault="quarantine")
    repaint(layout, figure, 4, bad=True)
    result = ingest_shot(layout, SHOT)
    assert result.quarantined == (4,)
    found = version(layout)
    assert list(np.asarray(found.group["status"])) == [0, 0, 0, 1, 0, 0, 0, 0]
    assert not found.read(3, 4, ("color",))["color"].any()
    # Frame 5 lies in another shard, and learns that its motion leads nowhere.
    assert [bool(v.any()) for v in found.read(0, 8, ("motion_valid",))["motion_valid"]] == [
        False, True, True, False, False, True, True, True,
    ]  # fmt: skip
    assert not found.read(2, 3, ("motion_next_valid",))["motion_next_valid"].any()
    assert [f["rule"] for f in found.attributes["findings"] if f["frame"] == 4] == ["non_finite"]
    assert guide_shot(layout, SHOT).quarantined == (4,)
    assert_as_if_fresh(layout, ingest_shot, guide_shot)

    again = ingest_shot(layout, SHOT)
    assert (again.reused, again.quarantined) == (True, (4,))
    repaint(layout, figure, 4)
    mended = ingest_shot(layout, SHOT)
    assert mended.quarantined == ()
    assert computed(mended) == "2 computed, 2 reused"  # its own and that of frame 5


def test_a_held_frame_shows_the_frame_before_it(layout: Layout, figure) -> None:
    configure(layout.root, on_fault="hold")
    repaint(layout, figure, 3, bad=True)
    repaint(layout, figure, 1, bad=True)
    frame_file(layout, 5).unlink()
    result = ingest_shot(layout, SHOT)
    assert (result.quarantined, result.metadata["held"], result.frames) == ((), "1-5x2", 8)
    color = version(layout).read(0, 8, ("color",))["color"]
    for held, shown in ((0, 1), (2, 1), (4, 3)):
        np.testing.assert_array_equal(color[held], color[shown])
    valid = version(layout).read(0, 8, ("motion_valid",))["motion_valid"]
    assert [bool(v.any()) for v in valid] == [False] * 6 + [True, True]
    assert list(np.asarray(version(layout).group["status"])) == [2, 0, 2, 0, 2, 0, 0, 0]


def test_when_most_frames_are_bad_then_the_shot_is_refused(layout: Layout, figure) -> None:
    configure(layout.root, on_fault="quarantine")
    for frame in (1, 2, 3, 5, 7):
        repaint(layout, figure, frame, bad=True)
    with pytest.raises(InputDataError, match="not finite"):
        ingest_shot(layout, SHOT)
    assert published(layout.store(SHOT, "gbuffer")) == []


def test_motion_is_proven_where_every_shard_holds_one_frame(
    layout: Layout, figure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "SHARD_FRAMES", 1)
    assert computed(ingest_shot(layout, SHOT)) == "8 computed, 0 reused"
    repaint(layout, figure, 1)  # frame 2 is proven against it
    assert computed(ingest_shot(layout, SHOT)) == "2 computed, 6 reused"
    for frame in FRAMES:
        figure.write(frame_file(layout, frame), frame, motion__X=-figure.channels(frame)["motion.X"])
    with pytest.raises(InputDataError, match="with x the other way"):
        ingest_shot(layout, SHOT)


def test_when_every_frame_is_there_twice_then_the_shot_is_refused(layout: Layout) -> None:
    configure(layout.root, on_fault="quarantine")
    for frame in FRAMES:
        twin = frame_file(layout, frame)
        twin.with_name(f"shot.{frame:03d}.exr").write_bytes(twin.read_bytes())
    with pytest.raises(InputDataError, match="are the same frame"):
        ingest_shot(layout, SHOT)


def test_when_a_source_is_replaced_during_the_run_then_nothing_is_published(
    layout: Layout, figure, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = worker.load_shard

    def load_and_replace(*args: object, **kwargs: object) -> object:
        loaded = load(*args, **kwargs)  # type: ignore[arg-type]
        repaint(layout, figure, 2)
        return loaded

    monkeypatch.setattr(worker, "load_shard", load_and_replace)
    with pytest.raises(InputDataError, match="changed during the run") as caught:
        ingest_shot(layout, SHOT)
    assert caught.value.where["frame"] == 2
    assert published(layout.store(SHOT, "gbuffer")) == []
    monkeypatch.undo()
    monkeypatch.setattr(plan, "SHARD_FRAMES", 2)
    assert int(computed(ingest_shot(layout, SHOT)).split()[0]) <= 1
    assert_as_if_fresh(layout, ingest_shot)
