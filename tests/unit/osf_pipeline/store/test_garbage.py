"""What `inspect_stores` says of everything in a shot's stores, and what `collect` leaves."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import textwrap
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest

from osf_pipeline.errors import RequestError
from osf_pipeline.execution import Json, run_local
from osf_pipeline.layout import join
from osf_pipeline.shots import FrameRange, shards
from osf_pipeline.store import claim, garbage
from osf_pipeline.store.build import Conclusion, Plan, build, reuse, verify
from osf_pipeline.store.files import read_json, write_bytes, write_json
from osf_pipeline.store.garbage import Item, collect, inspect_stores
from osf_pipeline.store.schema import ArraySpec, StoreSpec
from osf_pipeline.store.version import Version, current, published
from osf_pipeline.store.writer import ShardWriter

FRAMES = FrameRange.parse("1-3")
MOMENTS = itertools.count()


class Fill:
    """One number everywhere; fails at the shard it is told to."""

    def __init__(self, job: Json) -> None:
        self.value, self.fail_at = job["value"], job.get("fail_at")
        self.out = ShardWriter(job["attempt"])

    def __call__(self, shard: Json) -> Json:
        if shard["index"] == self.fail_at:
            raise RuntimeError("killed")
        data = {"color": np.full((len(shard["frames"]), 1, 4, 4), self.value, np.float32)}
        return self.out.write(shard, data, {})


def make(stores: str, kind: str, value: int, inputs: Mapping[str, str] | None = None, **job: Any) -> Version:
    """Build a version of a store, as stages do; its id is `value` in 16 digits."""
    inputs = dict(inputs or {})
    store, version_id = join(stores, kind), f"{value:016x}"
    job |= {"value": value} | {other: [join(stores, other), i] for other, i in inputs.items()}
    pieces = [s.to_json() | {"keys": [f"{kind} {value} {f}" for f in s.frames]} for s in shards(FRAMES, 2)]
    spec = StoreSpec(kind, {"color": ArraySpec(("Y",), "float32")}, FRAMES.frames, 4, 4, 2)
    conclude = lambda attempt, commits: Conclusion(version_id, inputs)  # noqa: E731
    plan = Plan(store, spec, f"request{value}", f"{__name__}:Fill", job, pieces, conclude)
    record = build(plan, run_local).version.record
    record["provenance"]["published"] = f"{next(MOMENTS):05}"  # a second is long for a test
    write_json(join(store, f"{version_id}.json"), record)
    return Version(store, record)


@pytest.fixture(params=["local", "memory"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "s1") if request.param == "local" else f"memory://{tmp_path.name}-{uuid.uuid4().hex}/s1"


@pytest.fixture(autouse=True)
def _quick_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim, "WATCH_SECONDS", 0.01)


def chain(stores: str, number: int) -> None:
    """A version of each kind, made from each other."""
    make(stores, "gbuffer", number)
    make(stores, "guidance", 0x10 + number, {"gbuffer": f"{number:016x}"})
    make(stores, "stylized", 0x20 + number, {"gbuffer": f"{number:016x}", "guidance": f"{0x10 + number:016x}"})


def ids(stores: str, kind: str) -> list[int]:
    return [int(version.id, 16) for version in published(join(stores, kind))]


def about(items: list[Item], part: str) -> Item:
    (found,) = [item for item in items if part in item.url]
    return found


def files(stores: str) -> set[str]:
    fs, base = fsspec.core.url_to_fs(stores)
    return set(fs.find(base))


def test_every_file_is_explained_exactly_once(stores: str) -> None:
    chain(stores, 1)
    write_bytes(join(stores, "gbuffer", "notes.txt"), b"mine")
    write_bytes(join(stores, "gbuffer", ".current.json." + "0" * 32), b"{")
    items = inspect_stores(stores)
    fs, _ = fsspec.core.url_to_fs(stores)
    known = sum(item.bytes for item in items)
    assert known == sum(fs.du(path) for path in files(stores))
    urls = [fsspec.core.url_to_fs(item.url)[1] for item in items]
    for path in files(stores):
        owners = [u for u in urls if path == u or path.startswith(f"{u}/")]
        assert len(owners) == 1, (path, owners)
    assert len(urls) == len(set(urls))


def test_nothing_is_removable_in_a_shot_that_has_run_once(stores: str) -> None:
    chain(stores, 1)
    items = inspect_stores(stores, keep=0, grace_hours=0)
    assert [item for item in items if item.removable] == []
    assert {item.reason for item in items if item.kind == "version"} == {"current"}
    assert list(collect(items)) == []


def test_what_a_version_that_stays_was_made_from_stays_too(stores: str) -> None:
    for number in (1, 2, 3, 4):
        chain(stores, number)
    make(stores, "gbuffer", 5)  # ingested anew; everything downstream is still made from 4
    needed = {f"{0x22:016x}": "delivery x is made from it"}
    items = inspect_stores(stores, needed, keep=0)
    assert about(items, f"{0x22:016x}").reason == "delivery x is made from it"
    gone = list(collect(items))
    assert ids(stores, "stylized") == [0x22, 0x24]
    assert ids(stores, "guidance") == [0x12, 0x14]
    assert ids(stores, "gbuffer") == [2, 4, 5]
    for kind in ("gbuffer", "guidance", "stylized"):
        assert all(verify(version) for version in published(join(stores, kind)))
    kinds = [item.kind for item in gone]
    assert kinds == sorted(kinds, key=garbage.ORDER.index), "records go before data"
    assert {k: kinds.count(k) for k in set(kinds)} == {"version": 6, "attempt": 6, "pointer": 6}
    assert not [item for item in inspect_stores(stores, needed, keep=0) if item.removable], "once is enough"


def test_the_newest_others_are_kept(stores: str) -> None:
    for number in (9, 3, 7, 1):
        make(stores, "gbuffer", number)
    list(collect(inspect_stores(stores, keep=1)))
    assert ids(stores, "gbuffer") == [1, 7], "1 is current, 7 the newest other"


def test_a_request_of_a_removed_version_is_built_again(stores: str) -> None:
    make(stores, "gbuffer", 1)
    make(stores, "gbuffer", 2)
    list(collect(inspect_stores(stores, keep=0)))
    assert reuse(join(stores, "gbuffer"), "request1") is None
    assert verify(make(stores, "gbuffer", 1)) == 2


def test_an_unfinished_attempt_stays_for_the_grace_and_keeps_what_it_reads(stores: str) -> None:
    make(stores, "gbuffer", 1)
    with pytest.raises(RuntimeError, match="killed"):
        make(stores, "guidance", 0x11, {"gbuffer": f"{1:016x}"}, fail_at=1)
    make(stores, "gbuffer", 2)
    young = inspect_stores(stores, keep=0)
    assert about(young, "guidance/attempts").reason == "unfinished; the same request goes on with it"
    assert about(young, f"{1:016x}.json").reason == "an unfinished attempt reads it"
    assert list(collect(young)) == []
    old = inspect_stores(stores, keep=0, grace_hours=0)
    assert about(old, "guidance/attempts").reason == "abandoned"
    list(collect(old))
    assert ids(stores, "gbuffer") == [2]
    assert not [path for path in files(stores) if "/guidance/" in path]


def test_looking_does_not_make_an_attempt_young_again(tmp_path: Path) -> None:
    stores = str(tmp_path / "s1")
    with pytest.raises(RuntimeError, match="killed"):
        make(stores, "gbuffer", 1, fail_at=1)
    (attempt,) = (tmp_path / "s1/gbuffer/attempts").iterdir()
    yesterday = time.time() - 25 * 3600
    for path in (attempt, *attempt.rglob("*")):
        os.utime(path, (yesterday, yesterday))
    for _ in range(2):
        assert about(inspect_stores(stores), attempt.name).removable


def test_an_attempt_that_a_process_holds_is_never_touched(tmp_path: Path) -> None:
    stores = str(tmp_path / "s1")
    with pytest.raises(RuntimeError, match="killed"):
        make(stores, "gbuffer", 1, fail_at=1)
    (attempt,) = (tmp_path / "s1/gbuffer/attempts").iterdir()
    seen_before = inspect_stores(stores, grace_hours=0)
    assert about(seen_before, attempt.name).removable
    with holding(attempt):
        assert about(inspect_stores(stores, grace_hours=0), attempt.name).reason == "a builder is at work on it"
        assert list(collect(seen_before)) == [], "it looks once more"
    assert verify(make(stores, "gbuffer", 1)) == 2


@contextmanager
def holding(attempt: Path) -> Iterator[None]:
    """Another process holds an attempt."""
    code = textwrap.dedent(f"""
        import sys
        from osf_pipeline.store.claim import hold
        with hold({str(attempt)!r}):
            print("held", flush=True)
            sys.stdin.read()
    """)
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield
        process.communicate("")


def test_an_attempt_published_meanwhile_stays(stores: str) -> None:
    with pytest.raises(RuntimeError, match="killed"):
        make(stores, "gbuffer", 1, fail_at=1)
    items = inspect_stores(stores, grace_hours=0)
    version = make(stores, "gbuffer", 1)
    assert list(collect(items)) == []
    assert verify(version) == 2


def test_a_version_that_became_current_meanwhile_stays(stores: str) -> None:
    make(stores, "gbuffer", 1)
    make(stores, "gbuffer", 2)
    items = inspect_stores(stores, keep=0)
    reuse(join(stores, "gbuffer"), "request1")
    list(collect(items))
    now = current(join(stores, "gbuffer"))
    assert now is not None
    assert now.id == f"{1:016x}"
    assert verify(now) == 2


def test_a_loser_goes(stores: str) -> None:
    with pytest.raises(RuntimeError, match="killed"):
        make(stores, "gbuffer", 1, fail_at=1)
    store = join(stores, "gbuffer")
    fs, folder = fsspec.core.url_to_fs(join(store, "attempts"))
    (loser,) = fs.ls(folder, detail=False)
    fs.mv(f"{loser}/attempt.json", f"{loser}/aside", recursive=False)
    make(stores, "gbuffer", 1)
    fs.mv(f"{loser}/aside", f"{loser}/attempt.json", recursive=False)
    items = inspect_stores(stores, grace_hours=0)
    assert about(items, loser.rsplit("/", 1)[-1]).reason == f"lost the race to version {1:016x}"
    list(collect(items))
    assert [verify(version) for version in published(store)] == [2]
    assert len(fs.ls(folder, detail=False)) == 1


@pytest.mark.parametrize("at", range(1, 12))
def test_a_removal_cut_off_anywhere_leaves_whole_versions_and_is_finished_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    stores = str(tmp_path / "s1")
    make(stores, "gbuffer", 1)
    with pytest.raises(RuntimeError, match="killed"):
        make(stores, "gbuffer", 3, fail_at=1)
    make(stores, "gbuffer", 2)
    fs = fsspec.filesystem("file")
    real, calls = type(fs).rm_file, iter(range(1, 1000))

    def remove(self: Any, path: str) -> None:
        if next(calls) == at:
            raise KeyboardInterrupt
        real(self, path)

    def remove_tree(self: Any, path: str, recursive: bool = False, maxdepth: int | None = None) -> None:
        for file in sorted(self.find(path)):
            self.rm_file(file)

    with monkeypatch.context() as patch:
        patch.setattr(type(fs), "rm_file", remove)
        patch.setattr(type(fs), "rm", remove_tree)
        with pytest.raises(KeyboardInterrupt):
            list(collect(inspect_stores(stores, keep=0, grace_hours=0)))
    for version in published(join(stores, "gbuffer")):
        assert verify(version) == 2
    list(collect(inspect_stores(stores, keep=0, grace_hours=0)))
    assert ids(stores, "gbuffer") == [2]
    assert len(list((tmp_path / "s1/gbuffer/attempts").iterdir())) == 1
    assert [verify(make(stores, "gbuffer", n)) for n in (1, 3)] == [2, 2]


def test_temporaries_go_after_the_grace_wherever_they_lie(tmp_path: Path) -> None:
    stores = str(tmp_path / "s1")
    version = make(stores, "gbuffer", 1)
    left = [
        tmp_path / "s1/gbuffer" / f".current.json.{uuid.uuid4().hex}",
        Path(version.url) / "commits" / f".0.json.{uuid.uuid4().hex}",
        Path(version.data_url) / "color" / f"zarr.{uuid.uuid4().hex}.partial",
    ]
    for path in left:
        path.write_text("half")
    assert {i.url for i in inspect_stores(stores) if i.kind == "temporary" and not i.removable} == set(map(str, left))
    gone = list(collect(inspect_stores(stores, grace_hours=0)))
    assert {(i.url, i.bytes) for i in gone} == {(str(path), 4) for path in left}
    assert verify(version) == 2


def test_pointers_to_nothing_go(stores: str) -> None:
    make(stores, "gbuffer", 1)
    write_json(join(stores, "gbuffer", "requests", "lost.json"), {"id": "f" * 16})
    gone = list(collect(inspect_stores(stores)))
    assert [(i.kind, i.url.rsplit("/", 1)[-1]) for i in gone] == [("pointer", "lost.json")]


def test_what_is_not_ours_is_reported_and_stays(stores: str) -> None:
    make(stores, "gbuffer", 1)
    strange = ["readme", "gbuffer/notes.json", "gbuffer/old/backup.bin", "gbuffer/attempts/mine/x", "elsewhere/deep/y"]
    for path in strange:
        write_bytes(join(stores, path), b"12345")
    items = inspect_stores(stores, keep=0, grace_hours=0)
    assert sum(item.bytes for item in items if item.kind == "unknown") == 25
    assert list(collect(items)) == []


def test_a_store_with_a_record_nobody_can_read_is_not_touched(stores: str) -> None:
    make(stores, "gbuffer", 1)
    make(stores, "gbuffer", 2)
    record = join(stores, "gbuffer", f"{1:016x}.json")
    write_json(record, (read_json(record) or {}) | {"schema": 99})
    with pytest.raises(RequestError, match="newer release"):
        inspect_stores(stores, keep=0)
    write_bytes(record, b"{")
    with pytest.raises(RequestError, match="no valid JSON"):
        inspect_stores(stores, keep=0)


def test_a_shot_without_stores_has_nothing(tmp_path: Path) -> None:
    assert inspect_stores(str(tmp_path / "none")) == []
