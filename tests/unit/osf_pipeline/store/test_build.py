"""Building, publishing, resuming, racing: what a store promises."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from osf_pipeline.errors import InputDataError
from osf_pipeline.execution import Json, OnDone, run_local
from osf_pipeline.shots import FrameRange, shards
from osf_pipeline.store.build import Build, Conclusion, Plan, build, reuse, verify
from osf_pipeline.store.identity import identity
from osf_pipeline.store.schema import ArraySpec, StoreSpec, tile
from osf_pipeline.store.version import Version, current, published, require
from osf_pipeline.store.writer import ShardWriter

FRAMES = FrameRange.parse("1001-1010")


class Paint:
    """Writes value = frame * gain, and a mask of zeros: background everywhere must still be stored."""

    calls: ClassVar[list[int]] = []

    def __init__(self, job: Json) -> None:
        self.gain, self.fail_at = job["gain"], job.get("fail_at")
        self.out = ShardWriter(job["attempt"])

    def __call__(self, shard: Json) -> Json:
        if shard["index"] == self.fail_at:
            raise RuntimeError("killed")
        Paint.calls.append(shard["index"])
        values = np.array(shard["frames"], np.float32)[:, None, None, None] * self.gain
        color = np.broadcast_to(values, (len(values), 2, 5, 7)).astype(np.float16)
        mask = np.zeros((len(values), 1, 5, 7), np.uint8)
        return self.out.write(shard, {"color": color, "mask": mask}, {"sum": float(values.sum())})


def plan(store: str, gain: float = 0.5, **job: Any) -> Plan:
    keys = [f"{gain} {frame}" for frame in FRAMES]
    pieces = [s.to_json() | {"keys": keys[s.start : s.stop]} for s in shards(FRAMES, 4)]
    arrays = {"color": ArraySpec(("R", "G"), "float16"), "mask": ArraySpec(("M",), "uint8")}
    spec = StoreSpec("test", arrays, FRAMES.frames, 5, 7, 4, {"note": "x"})
    version_id = identity("test", 1, "abc", {"gain": gain})

    def conclude(attempt: str, commits: list[Json]) -> Conclusion:
        return Conclusion(version_id, {"gain": gain}, {"sum": sum(c["record"]["sum"] for c in commits)})

    return Plan(store, spec, f"request-{gain}", f"{__name__}:Paint", {"gain": gain, **job}, pieces, conclude)


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "store") if request.param == "local" else f"memory://{tmp_path.name}/store"


@pytest.fixture(autouse=True)
def _no_calls() -> None:
    Paint.calls = []


def outcome(built: Build) -> tuple[Version, bool]:
    return built.version, built.won


def contents(version: Version) -> dict[str, np.ndarray]:
    return version.read(0, len(version.frames))


def test_when_built_then_readers_see_every_frame_and_its_metadata(store: str) -> None:
    version, won = outcome(build(plan(store), run_local))
    assert won
    assert version.frames == FRAMES.frames
    assert version.shape == (5, 7)
    assert version.group.attrs["osf"] == {"schema": 1, "kind": "test", "note": "x"}
    data = contents(version)
    np.testing.assert_array_equal(data["color"][:, 0, 0, 0], np.array(FRAMES.frames, np.float16) * np.float16(0.5))
    np.testing.assert_array_equal(np.asarray(version.array("frame")), FRAMES.frames)
    assert version.position(1003) == 2
    assert current(store).id == version.id  # type: ignore[union-attr]
    assert verify(version) == 6


def test_when_nothing_is_published_then_nothing_is_visible(store: str) -> None:
    with pytest.raises(RuntimeError, match="killed"):
        build(plan(store, fail_at=2), run_local)
    assert published(store) == []
    assert current(store) is None
    with pytest.raises(ValueError, match="osf ingest s1"):
        require(store, "ingest", "s1")


def test_when_a_run_dies_then_the_next_one_continues_it(store: str) -> None:
    with pytest.raises(RuntimeError, match="killed"):
        build(plan(store, fail_at=2), run_local)
    assert Paint.calls == [0, 1]
    version, won = outcome(build(plan(store), run_local))
    assert won
    assert Paint.calls == [0, 1, 2]
    undisturbed = build(plan(store + "2"), run_local).version
    assert version.record["shards"] == undisturbed.record["shards"]


def test_when_a_committed_shard_was_damaged_then_it_is_written_again(tmp_path: Path) -> None:
    store = str(tmp_path / "store")
    with pytest.raises(RuntimeError, match="killed"):
        build(plan(store, fail_at=2), run_local)
    (shard,) = Path(store).glob("attempts/*/data.zarr/color/c/1/0/0/0")
    shard.write_bytes(shard.read_bytes()[:-3])
    build(plan(store), run_local)
    assert Paint.calls == [0, 1, 1, 2]


def test_when_every_value_is_background_then_shards_are_still_stored(tmp_path: Path) -> None:
    version = build(plan(str(tmp_path / "store"), gain=0), run_local).version
    assert len(list(Path(version.data_url).glob("*/c/*/0/0/0"))) == 6


def test_when_a_request_was_published_then_it_is_reused(store: str) -> None:
    first = build(plan(store), run_local).version
    other = build(plan(store, gain=0.25), run_local).version
    assert first.id != other.id
    assert current(store).id == other.id  # type: ignore[union-attr]
    assert reuse(store, "request-0.5").id == first.id  # type: ignore[union-attr]
    assert current(store).id == first.id  # type: ignore[union-attr]
    assert reuse(store, "request-0.75") is None


def test_when_two_builders_race_then_the_loser_adopts_the_winner(store: str) -> None:
    second = plan(store)

    def race(attempt: str, commits: list[Json]) -> Conclusion:
        if not published(store):  # somebody else publishes between our last shard and our publish
            record = {"attempt": "winner", "id": identity("test", 1, "abc", {"gain": 0.5}), "frames": [], "shards": {}}
            from osf_pipeline.store.files import create_json

            assert create_json(f"{store}/{record['id']}.json", record)
        return second.conclude(attempt, commits)

    version, won = outcome(build(Plan(**{**second.__dict__, "conclude": race}), run_local))
    assert not won
    assert version.attempt == "winner"


def test_when_an_attempt_is_held_then_another_process_starts_its_own(tmp_path: Path) -> None:
    store = str(tmp_path / "store")
    with pytest.raises(RuntimeError, match="killed"):
        build(plan(store, fail_at=2), run_local)
    (attempt,) = Path(store).glob("attempts/*")
    holder = textwrap.dedent(f"""
        import sys, filelock
        with filelock.FileLock({str(attempt / ".lock")!r}).acquire(timeout=5):
            print("held", flush=True)
            sys.stdin.read()
    """)
    with subprocess.Popen(
        [sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        version, won = outcome(build(plan(store), run_local))
        process.communicate("")
    assert won
    assert version.attempt != attempt.name
    assert Paint.calls == [0, 1, 2], "finished shards are taken over even from an attempt at work"


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(3)), st.integers(0, 3), st.sets(st.integers(0, 2)))
def test_neither_order_nor_interruption_nor_repetition_of_shards_changes_a_byte(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], done: int, again: set[int]
) -> None:
    folder = tmp_path_factory.mktemp("order")
    expected = build(plan(str(folder / "plain")), run_local).version.record

    def shuffled(worker: str, job: Json, todo: list[Json], on_done: OnDone) -> None:
        there = {shard["index"]: shard for shard in todo}
        run_local(worker, job, [there[i] for i in order if i in there], on_done)

    def interrupted(worker: str, job: Json, todo: list[Json], on_done: OnDone) -> None:
        there = {shard["index"]: shard for shard in todo}
        run_local(worker, job, [there[i] for i in order][:done], on_done)
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        build(plan(str(folder / "other")), interrupted)
    repeated = iter([[shard for shard in plan("").shards if shard["index"] in again], []])
    request = replace(plan(str(folder / "other")), amend=lambda commits: next(repeated))
    found = build(request, shuffled)
    assert found.version.record["shards"] == expected["shards"]
    assert found.computed == len({*order[done:]} | again)


def test_when_keys_are_not_known_then_nothing_is_taken_over(store: str) -> None:
    """Unknown is not equal to unknown: attempts of before keys, and shards whose files were not read yet, have none."""
    keyless = plan(store, gain=0.25, fail_at=2)
    for shard in keyless.shards:
        shard["keys"] = []
    with pytest.raises(RuntimeError, match="killed"):
        build(keyless, run_local)
    wanted = plan(store)
    for shard in wanted.shards:
        shard["keys"] = []
    built = build(wanted, run_local)
    assert built.computed == 3
    np.testing.assert_array_equal(
        contents(built.version)["color"][:, 0, 0, 0], np.array(FRAMES.frames, np.float16) * np.float16(0.5)
    )


def test_when_a_stored_shard_is_changed_then_verify_names_it(tmp_path: Path) -> None:
    version = build(plan(str(tmp_path / "store")), run_local).version
    shard = Path(version.data_url) / "color/c/1/0/0/0"
    shard.write_bytes(shard.read_bytes() + b"x")
    with pytest.raises(InputDataError, match="shard=1, array=color"):
        verify(version)


def test_when_a_writer_gets_half_a_shard_then_it_refuses(tmp_path: Path) -> None:
    version = build(plan(str(tmp_path / "store")), run_local).version
    out = ShardWriter(version.url)
    data = {"color": np.zeros((2, 2, 5, 7), np.float16), "mask": np.zeros((2, 1, 5, 7), np.uint8)}
    with pytest.raises(AssertionError, match="whole shards"):
        out.write({"index": 0, "start": 2, "frames": [1003, 1004]}, data, {})


def test_identity_does_not_depend_on_key_order_but_on_every_value() -> None:
    a = identity("s", 1, {"x": 1, "y": 2}, {"r": 0.5}, ["w"])
    assert a == identity("s", 1, {"y": 2, "x": 1}, {"r": 0.5}, ["w"])
    others = [
        identity("t", 1, {"x": 1, "y": 2}, {"r": 0.5}, ["w"]),
        identity("s", 2, {"x": 1, "y": 2}, {"r": 0.5}, ["w"]),
        identity("s", 1, {"x": 1, "y": 3}, {"r": 0.5}, ["w"]),
        identity("s", 1, {"x": 1, "y": 2}, {"r": 0.6}, ["w"]),
        identity("s", 1, {"x": 1, "y": 2}, {"r": 0.5}, []),
    ]
    assert len({a, *others}) == 6


@pytest.mark.parametrize(
    ("size", "expected"), [(1, 1), (270, 270), (384, 384), (512, 256), (1080, 270), (2160, 270), (359, 359)]
)
def test_tiles_are_equal_and_about_the_target(size: int, expected: int) -> None:
    assert tile(size, 270) == expected


def test_the_zarr_metadata_is_plain_v3(tmp_path: Path) -> None:
    version = build(plan(str(tmp_path / "store")), run_local).version
    metadata = json.loads((Path(version.data_url) / "color" / "zarr.json").read_text())
    assert metadata["zarr_format"] == 3
    assert metadata["codecs"][0]["name"] == "sharding_indexed"
    assert metadata["dimension_names"] == ["frame", "channel", "y", "x"]
    # A reader without the Rust codecs sees the same values.
    with zarr.config.set({"codec_pipeline.path": "zarr.core.codec_pipeline.BatchedCodecPipeline"}):
        plain = zarr.open_group(version.data_url, mode="r")["color"]
        np.testing.assert_array_equal(np.asarray(plain[:]), contents(version)["color"])
