from __future__ import annotations

import os
import time
from pathlib import Path

import fsspec
import pytest

from osf_pipeline.errors import InputDataError, RequestError
from osf_pipeline.exr.sequence import find_sequence


def touch(folder: Path, *names: str) -> str:
    for name in names:
        (folder / name).write_bytes(b"x")
    return str(folder)


@pytest.mark.parametrize("pattern", ["a.####.exr", "a.%04d.exr", "a.$F4.exr", "a.@@@@.exr", "*.exr", "a.*.exr"])
def test_patterns_of_the_trade(tmp_path: Path, pattern: str) -> None:
    folder = touch(tmp_path, "a.0010.exr", "a.0009.exr", "keyframe.exr", "a.0011.png", "meta.yaml")
    found = find_sequence(folder, pattern)
    assert [f.frame for f in found.files] == [9, 10]
    assert found.files[0].url == f"{folder}/a.0009.exr"
    assert found.files[0].size == 1
    assert found.files[0].mtime


def test_padding_grows_and_may_be_absent(tmp_path: Path) -> None:
    folder = touch(tmp_path, "f_9.EXR", "f_10.EXR", "g.9999.exr", "g.10000.exr")
    assert list(find_sequence(folder, "f_*.exr").frames) == [9, 10]
    assert list(find_sequence(folder, "f_%d.EXR").frames) == [9, 10]
    assert list(find_sequence(folder, "g.####.exr").frames) == [9999, 10000]


def test_negative_frames(tmp_path: Path) -> None:
    folder = touch(tmp_path, "a.-002.exr", "a.-001.exr", "a.0000.exr", "a.0001.exr")
    assert list(find_sequence(folder, "a.####.exr").frames) == [-2, -1, 0, 1]


def test_a_gap_is_missing_and_a_regular_step_is_not(tmp_path: Path) -> None:
    gap = tmp_path / "gap"
    twos = tmp_path / "twos"
    gap.mkdir()
    twos.mkdir()
    touch(gap, "a.0001.exr", "a.0002.exr", "a.0004.exr")
    touch(twos, "a.0001.exr", "a.0003.exr", "a.0005.exr")
    assert find_sequence(str(gap), "*.exr").missing == (3,)
    assert find_sequence(str(twos), "*.exr").missing == ()


def test_the_wanted_range_decides(tmp_path: Path) -> None:
    folder = touch(tmp_path, *(f"a.{n:04d}.exr" for n in (1, 2, 4, 5)))
    assert find_sequence(folder, "*.exr", "1-2,4-5").missing == ()
    assert find_sequence(folder, "*.exr", "4-6").missing == (6,)
    with pytest.raises(InputDataError, match="1-2,4-5"):
        find_sequence(folder, "*.exr", "100-110")


def test_two_files_of_one_frame(tmp_path: Path) -> None:
    folder = touch(tmp_path, "a.1.exr", "a.0001.exr", "a.0002.exr")
    assert find_sequence(folder, "*.exr").duplicates == ((1, ("a.0001.exr", "a.1.exr")),)
    assert find_sequence(folder, "a.####.exr").duplicates == ()


def test_files_in_passing_are_no_frames(tmp_path: Path) -> None:
    names = (".a.0002.exr", "._a.0001.exr", ".a.0003.exr.Xq12", "~a.0002.exr", "a.0002.exr~", "a.0002.exr.partial")
    folder = touch(tmp_path, "a.0001.exr", *names)
    assert [f.frame for f in find_sequence(folder, "*.exr").files] == [1]
    assert [f.frame for f in find_sequence(folder, "a.####.exr").files] == [1]


def test_when_a_file_was_written(tmp_path: Path) -> None:
    folder = touch(tmp_path, "a.1.exr")
    os.utime(tmp_path / "a.1.exr", (5, 1000.5))
    assert find_sequence(folder, "*.exr").files[0].written == 1000.5
    fsspec.filesystem("memory").pipe_file("/when/a.1.exr", b"x")
    (file,) = find_sequence("memory://when", "*.exr").files
    assert file.written is not None
    assert abs(file.written - time.time()) < 60


def test_strays_unless_the_frames_are_listed(tmp_path: Path) -> None:
    folder = touch(tmp_path, *(f"a.{n:04d}.exr" for n in (1, 2, 3, 9)))
    assert find_sequence(folder, "*.exr").strays == (9,)
    assert find_sequence(folder, "*.exr", "1-3,9").strays == ()


def test_faults_of_the_request(tmp_path: Path) -> None:
    folder = touch(tmp_path, "a.0001.exr", "b.0001.exr")
    with pytest.raises(RequestError, match=r"several sequences.*a\.#\.exr, b\.#\.exr"):
        find_sequence(folder, "*.exr")
    with pytest.raises(RequestError, match="no frame placeholder"):
        find_sequence(folder, "a.exr")
    with pytest.raises(InputDataError, match="no file matches"):
        find_sequence(folder, "c.####.exr")
    with pytest.raises(InputDataError, match="no such folder"):
        find_sequence(f"{folder}/nowhere", "*.exr")


def test_absolute_patterns_and_other_file_systems(tmp_path: Path) -> None:
    folder = touch(tmp_path, "a.0001.exr")
    assert find_sequence("memory://elsewhere", f"{folder}/a.####.exr").files[0].frame == 1
    fsspec.filesystem("memory").pipe_file("/seq/a.0003.exr", b"xy")
    (file,) = find_sequence("memory://seq", "*.exr").files
    assert (file.frame, file.url, file.size) == (3, "memory://seq/a.0003.exr", 2)
