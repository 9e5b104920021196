"""Fragile codecs decode in a process of their own, whose end is a refusal and not ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import OpenEXR
import pytest

from osf_pipeline.errors import InputDataError
from osf_pipeline.exr import decode
from osf_pipeline.exr.chunks import CODECS
from osf_pipeline.exr.read import read_exr
from osf_pipeline.exr.write import write_exr

RNG = np.random.default_rng(3)
PIXELS = {
    "R": RNG.normal(size=(40, 24)).astype(np.float16),
    "file": RNG.normal(size=(40, 24)).astype(np.float32),
    "two words/id": RNG.integers(0, 2**32, (40, 24), dtype=np.uint32),
}
FRAGILE = [codec.name for codec in CODECS if codec.fragile]


def write(path: Path, codec: str) -> str:
    write_exr(str(path), PIXELS, compression=getattr(OpenEXR, f"{codec}_COMPRESSION"))
    return str(path)


@pytest.mark.parametrize("codec", FRAGILE)
def test_pixels_come_back_from_the_child_untouched(tmp_path: Path, codec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url = write(tmp_path / "a.exr", codec)
    monkeypatch.setattr(OpenEXR, "File", None)  # not in this process
    image = read_exr(url)
    for name, pixels in PIXELS.items():
        assert image.channels[name].dtype == pixels.dtype
        assert image.channels[name].tobytes() == pixels.tobytes()


def test_other_codecs_stay_in_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", None)
    assert set(read_exr(write(tmp_path / "a.exr", "ZIP")).channels) == set(PIXELS)


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("import os; os.abort()", "code -6"),
        ("raise SystemExit(1)", "code 1"),
        ("import time; time.sleep(60)", "longer"),
    ],
)
def test_a_child_that_dies_or_hangs_is_a_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, words: str
) -> None:
    monkeypatch.setattr(decode, "CHILD", (sys.executable, "-c", program))
    monkeypatch.setattr(decode, "CHILD_TIMEOUT_S", 1)
    with pytest.raises(InputDataError, match=words) as caught:
        read_exr(write(tmp_path / "a.exr", "HTJ2K32"))
    assert caught.value.where["rule"] == "pixels"


def test_code_blocks_that_overrun_the_decoders_memory_are_refused(tmp_path: Path) -> None:
    """Random bytes in a code stream; in this process such files ended it."""
    url = write(tmp_path / "a.exr", "LJ2K")
    data, rng = bytearray(Path(url).read_bytes()), np.random.default_rng(0)
    for at in rng.integers(len(data) // 3, len(data), 200):
        data[at] = rng.integers(256)
    Path(url).write_bytes(data)
    try:
        assert set(read_exr(url).channels) == set(PIXELS)
    except InputDataError as error:
        assert error.where["rule"] == "pixels"  # noqa: PT017 (some damage still decodes)
