from __future__ import annotations

import hashlib
import io
from pathlib import Path

import fsspec
import numpy as np
import OpenEXR
import pytest

from osf_pipeline.errors import InputDataError
from osf_pipeline.exr.read import place, read_exr
from osf_pipeline.exr.write import write_exr


def test_values_and_dtypes_come_back_untouched(tmp_path: Path) -> None:
    url = str(tmp_path / "a.exr")
    channels = {
        "R": np.array([[-0.5, 0.0, 1.0, 60000.0]], np.float16),
        "Z": np.array([[np.inf, 1e10, 1 + 2**-20, -3]], np.float32),
        "id": np.array([[0, 2049, 2**24 + 1, 2**32 - 1]], np.uint32),
    }
    write_exr(url, channels)
    image = read_exr(url)
    for name, values in channels.items():
        assert image.channels[name].dtype == values.dtype
        assert image.channels[name].tobytes() == values.tobytes()
    assert image.sha256 == hashlib.sha256(Path(url).read_bytes()).hexdigest()


def test_any_file_system(tmp_path: Path) -> None:
    local = tmp_path / "a.exr"
    write_exr(str(local), {"R": np.ones((2, 2), np.float16)})
    fsspec.filesystem("memory").pipe_file("/exr/a.exr", local.read_bytes())
    assert read_exr("memory://exr/a.exr", ["R"]).channels["R"].sum() == 4


def test_parts_are_placed_in_one_window() -> None:
    def part(name: str, window: tuple[int, int, int, int], value: float) -> OpenEXR.Part:
        x0, y0, x1, y1 = window
        header = {
            "type": OpenEXR.scanlineimage,
            "dataWindow": (np.array([x0, y0], np.int32), np.array([x1, y1], np.int32)),
            "displayWindow": (np.array([0, 0], np.int32), np.array([9, 9], np.int32)),
        }
        return OpenEXR.Part(header, {"V": np.full((y1 - y0 + 1, x1 - x0 + 1), value, np.float32)}, name=name)

    buffer = io.BytesIO()
    with OpenEXR.File([part("rgba", (2, 3, 5, 6), 1), part("depth", (4, 1, 6, 4), 2)]) as file:
        file.write(buffer)
    fsspec.filesystem("memory").pipe_file("/exr/parts.exr", buffer.getvalue())
    image = read_exr("memory://exr/parts.exr", fill={"depth.V": np.inf})
    assert image.window == (2, 1, 6, 6)
    rgba, depth = image.channels["rgba.V"], image.channels["depth.V"]
    assert rgba.shape == depth.shape == (6, 5)
    assert rgba[2:, :4].min() == 1
    assert rgba.sum() == 16
    assert (depth[:4, 2:] == 2).all()
    assert np.isinf(depth).sum() == 30 - 12
    assert read_exr("memory://exr/parts.exr", ["rgba.V"]).window == (2, 3, 5, 6)


def far_apart() -> bytes:
    corners = {"a": (0, 0), "b": (1 << 20, 1 << 20)}
    parts = []
    for name, (x, y) in corners.items():
        window = np.array([x, y], np.int32), np.array([x + 3, y + 3], np.int32)
        header = {
            "type": OpenEXR.scanlineimage,
            "dataWindow": window,
            "displayWindow": (np.zeros(2, "i4"), np.full(2, 9, "i4")),
        }
        parts.append(OpenEXR.Part(header, {"V": np.ones((4, 4), np.float32)}, name=name))
    buffer = io.BytesIO()
    with OpenEXR.File(parts) as file:
        file.write(buffer)
    return buffer.getvalue()


def test_small_parts_far_apart_make_no_huge_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.exr"
    path.write_bytes(far_apart())
    with pytest.raises(InputDataError, match="too far apart") as caught:
        read_exr(str(path))
    assert caught.value.where["rule"] == "window"
    assert read_exr(str(path), ["b.V"]).channels["b.V"].shape == (4, 4)


def test_too_little_memory_is_an_error_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.exr"
    write_exr(str(path), {"R": np.ones((2, 2), np.float16)})

    def full(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(OpenEXR, "File", full)
    with pytest.raises(InputDataError, match="not enough memory"):
        read_exr(str(path))


def test_a_missing_channel_is_named_with_what_there_is(tmp_path: Path) -> None:
    url = str(tmp_path / "a.exr")
    write_exr(url, {"R": np.ones((2, 2), np.float16)})
    with pytest.raises(InputDataError, match=r"channel=depth\.Z.*the file has: R") as caught:
        read_exr(url, ["R", "depth.Z"])
    assert caught.value.where["file"] == url


def test_damage_inside_the_pixels_is_an_error_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "a.exr"
    write_exr(str(path), {"R": np.linspace(0, 1, 4096, dtype=np.float32).reshape(64, 64)})
    data = bytearray(path.read_bytes())
    data[-200:-100] = b"\xff" * 100
    path.write_bytes(data)
    with pytest.raises(InputDataError, match="cannot be decoded"):
        read_exr(str(path))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputDataError, match="no such file"):
        read_exr(str(tmp_path / "none.exr"))


def test_place_cuts_and_fills() -> None:
    pixels = np.arange(6).reshape(1, 2, 3)
    assert place(pixels, (0, 0, 2, 1), (0, 0, 2, 1), 9) is pixels
    np.testing.assert_array_equal(place(pixels, (0, 0, 2, 1), (1, -1, 4, 0), 9), [[[9, 9, 9, 9], [1, 2, 9, 9]]])
    assert (place(pixels, (0, 0, 2, 1), (10, 10, 11, 11), 9) == 9).all()
