"""Whole-or-nothing writes and exclusive creates."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from osf_pipeline.errors import InterruptedRunError, RequestError
from osf_pipeline.store.files import copy, create_json, names, read_json, write_bytes, write_json


@pytest.fixture(params=["local", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "folder") if request.param == "local" else f"memory://{tmp_path.name}/folder"


def test_what_is_written_is_read(folder: str) -> None:
    assert read_json(f"{folder}/a.json") is None
    write_json(f"{folder}/a.json", {"x": 1})
    write_json(f"{folder}/a.json", {"x": 2})
    assert read_json(f"{folder}/a.json") == {"x": 2}
    assert names(folder) == ["a.json"]
    assert names(f"{folder}/absent") == []


def test_a_create_is_exclusive_and_keeps_the_first_content(folder: str) -> None:
    assert create_json(f"{folder}/a.json", {"id": 1})
    assert not create_json(f"{folder}/a.json", {"id": 2})
    assert read_json(f"{folder}/a.json") == {"id": 1}
    assert names(folder) == ["a.json"]


def test_of_many_creators_one_wins(tmp_path: Path) -> None:
    together, won = threading.Barrier(8), []

    def contend(number: int) -> None:
        together.wait()
        if create_json(str(tmp_path / "a.json"), {"id": number}):
            won.append(number)

    threads = [threading.Thread(target=contend, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read_json(str(tmp_path / "a.json")) == {"id": won[0]}
    assert len(won) == 1


@pytest.mark.parametrize("fails", ["fsync", "link", "replace"])
def test_a_failed_write_leaves_the_old_content_and_nothing_else(
    fails: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    write_bytes(str(path), b"old")

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    if fails == "replace":
        monkeypatch.setattr(Path, "replace", full)
    else:
        monkeypatch.setattr(f"os.{fails}", full)
    with pytest.raises(InterruptedRunError, match=r"\.json, problem=No space left.*run the same command again"):
        create_json(str(tmp_path / "b.json"), {}) if fails == "link" else write_bytes(str(path), b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff"])
def test_a_damaged_record_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(RequestError, match=r"a\.json"):
        read_json(str(path))


def test_a_copy_is_the_same_bytes_in_a_new_place(folder: str) -> None:
    write_bytes(f"{folder}/a", b"bytes")
    copy(f"{folder}/a", f"{folder}/b/c/d")
    assert names(f"{folder}/b/c") == ["d"]
    assert names(folder) == ["a"]
