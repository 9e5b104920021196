"""Files are written whole or not at all, and hold what was asked."""

from __future__ import annotations

from pathlib import Path

import fsspec
import numpy as np
import pytest

from osf_pipeline.errors import InterruptedRunError, RequestError
from osf_pipeline.exr.read import read_exr
from osf_pipeline.exr.write import encode_exr, write_exr

ONES = np.ones((4, 6), np.float16)


def test_types_windows_and_values_come_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    channels: dict[str, np.ndarray] = {
        "R": rng.normal(size=(4, 6)).astype(np.float16),
        "depth.Z": np.where(rng.random((4, 6)) > 0.5, np.inf, -0.0).astype(np.float32),
        "id": np.full((4, 6), 2**32 - 1, np.uint32),
        "strided": rng.normal(size=(8, 12)).astype(np.float32)[::2, ::2],
    }
    url = str(tmp_path / "deep" / "er" / "a.exr")
    size = write_exr(url, channels, data_window=(-9, 3, -4, 6), display_window=(0, 0, 640, 358), pixel_aspect=1.5)
    image = read_exr(url)
    assert size == image.header.size == Path(url).stat().st_size
    assert image.window == (-9, 3, -4, 6)
    assert (image.header.display_window, image.header.pixel_aspect) == ((0, 0, 640, 358), 1.5)
    for name, values in channels.items():
        assert image.channels[name].dtype == values.dtype
        assert image.channels[name].tobytes() == values.tobytes(), name


def test_equal_arrays_give_equal_bytes() -> None:
    assert encode_exr({"R": ONES}) == encode_exr({"R": ONES.copy()})


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = tmp_path / "a.exr"
    write_exr(str(url), {"R": ONES})
    before = url.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InterruptedRunError, match="No space"):
        write_exr(str(url), {"R": 2 * ONES})
    assert url.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.exr"]


def test_an_object_store_gets_one_whole_object() -> None:
    write_exr("memory://written/a.exr", {"R": ONES})
    fs = fsspec.filesystem("memory")
    assert [name.rsplit("/", 1)[-1] for name in fs.ls("/written", detail=False)] == ["a.exr"]
    np.testing.assert_array_equal(read_exr("memory://written/a.exr").channels["R"], ONES)


@pytest.mark.parametrize(
    ("channels", "window"),
    [
        ({}, None),
        ({"R": ONES, "G": ONES[1:]}, None),
        ({"R": ONES.astype(np.float64)}, None),
        ({"R": ONES[None]}, None),
        ({"R": ONES}, (0, 0, 3, 5)),
    ],
)
def test_arrays_that_do_not_fit_are_refused(channels: dict[str, np.ndarray], window: tuple[int, ...] | None) -> None:
    with pytest.raises(RequestError):
        encode_exr(channels, data_window=window)  # type: ignore[arg-type]
