"""Files are written whole or not at all, and hold what was asked."""

from __future__ import annotations

from pathlib import Path

import fsspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


def test_every_half_comes_back_bit_for_bit(tmp_path: Path) -> None:
    """All 65536 of them: subnormals, both zeros, infinities and every NaN."""
    bits = np.arange(1 << 16, dtype=np.uint16).reshape(256, 256)
    write_exr(str(tmp_path / "a.exr"), {"R": bits.view(np.float16)})
    np.testing.assert_array_equal(read_exr(str(tmp_path / "a.exr")).channels["R"].view(np.uint16), bits)


@settings(max_examples=20, deadline=None)
@given(
    st.integers(0, 2**32 - 1), st.sampled_from([np.uint16, np.uint32]), st.booleans(), st.integers(1, 40),
    st.integers(1, 40),
)  # fmt: skip
def test_any_bits_of_any_type_come_back(seed: int, bits: type, whole: bool, height: int, width: int) -> None:
    raw = np.random.default_rng(seed).integers(0, np.iinfo(bits).max, (height, width), bits, endpoint=True)
    plane = raw if whole and bits is np.uint32 else raw.view(np.float16 if bits is np.uint16 else np.float32)
    url = f"memory://bits/{seed}.exr"
    write_exr(url, {"a b.X": plane}, data_window=(-7, 3, width - 8, height + 2), display_window=(0, 0, 9, 9))
    image = read_exr(url)
    assert image.window == (-7, 3, width - 8, height + 2)
    assert image.channels["a b.X"].tobytes() == plane.tobytes()
