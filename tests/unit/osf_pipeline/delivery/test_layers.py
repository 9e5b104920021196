"""Delivered EXR: windows, channels and provenance; video and previews."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import OpenEXR
import pytest

from osf_pipeline.buffers import LAYERS
from osf_pipeline.delivery.layers import write_layers
from osf_pipeline.delivery.preview import beside, encode_png, picture, resized, thumbnail
from osf_pipeline.delivery.video import encode_video, frame_rate
from osf_pipeline.errors import RequestError


def layers(height: int, width: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    return {n: rng.normal(size=(b.count, height, width)).astype(np.float16) for n, b in LAYERS.items()}


def test_windows_channels_and_values_come_back_exactly(tmp_path: Path) -> None:
    found = layers(9, 12)
    found["beauty"][3] = 0
    found["beauty"][3, 2:8, 2:10] = 1
    found["beauty"][0, 4, 5] = 37.5  # HDR and negative values go through
    url = str(tmp_path / "s.1001.exr")
    write_layers(
        url, found, (-2, -1, 9, 7), data_window=(0, 1, 7, 6), display_window=(0, 0, 7, 7), pixel_aspect=2.0,
        attributes={"osf:frame": 1001, "osf:model": "m version 3"},
    )  # fmt: skip
    with OpenEXR.File(url, separate_channels=True) as image:
        header, channels = dict(image.header()), image.channels()
        assert set(channels) == {
            *"RGBA",
            *(f"{layer}.{c}" for layer in ("fill", "line") for c in "RGBA"),
            "confidence.Y",
        }
        for name, layer in (("", "beauty"), ("fill.", "fill"), ("line.", "line")):
            for i, letter in enumerate("RGBA"):
                np.testing.assert_array_equal(channels[name + letter].pixels, found[layer][i, 2:8, 2:10])
        assert channels["R"].pixels.dtype == np.float16
    assert [tuple(corner) for corner in header["dataWindow"]] == [(0, 1), (7, 6)]
    assert [tuple(corner) for corner in header["displayWindow"]] == [(0, 0), (7, 7)]
    assert header["pixelAspectRatio"] == 2.0
    assert header["osf:frame"] == 1001
    assert header["osf:model"] == "m version 3"


def test_the_data_window_grows_around_ink_beyond_it(tmp_path: Path) -> None:
    found = layers(9, 12)
    found["beauty"][3] = 0
    found["beauty"][3, 1, 5] = 0.25  # one row above the source's window
    url = str(tmp_path / "s.1001.exr")
    write_layers(
        url, found, (-2, -1, 9, 7), data_window=(0, 1, 7, 6), display_window=(0, 0, 7, 7), pixel_aspect=1, attributes={}
    )
    with OpenEXR.File(url, separate_channels=True) as image:
        assert [tuple(corner) for corner in image.header()["dataWindow"]] == [(0, 0), (7, 6)]
        np.testing.assert_array_equal(image.channels()["A"].pixels, found["beauty"][3, 1:8, 2:10])


def test_a_data_window_outside_the_arrays_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="data window"):
        write_layers(
            str(tmp_path / "s.exr"), layers(4, 4), (0, 0, 3, 3), data_window=(2, 2, 5, 5), display_window=(0, 0, 3, 3),
            pixel_aspect=1, attributes={},
        )  # fmt: skip


@pytest.mark.parametrize("container", ["mp4", "webm"])
def test_a_video_has_every_picture_at_its_rate_and_colour(tmp_path: Path, container: str) -> None:
    shades = [np.full((33, 47, 3), value, np.uint8) for value in (10, 120, 230)]
    data = encode_video(iter(shades), 12.5, container)  # type: ignore[arg-type]
    path = tmp_path / f"v.{container}"
    path.write_bytes(data)
    with av.open(str(path)) as video:
        stream = video.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(stream)]
        assert float(stream.average_rate) == pytest.approx(12.5, rel=1e-3)
    assert len(frames) == 3
    assert frames[0].shape == (34, 48, 3)
    for shade, frame in zip(shades, frames, strict=True):
        assert abs(int(frame.mean()) - int(shade[0, 0, 0])) <= 3


@pytest.mark.parametrize("container", ["mp4", "webm"])
def test_a_video_says_which_colours_it_holds(container: str) -> None:
    data = encode_video([np.full((32, 32, 3), (200, 40, 60), np.uint8)] * 2, 24, container)  # type: ignore[arg-type]
    with av.open(io.BytesIO(data)) as video:
        frame = next(video.decode(video=0))
    assert (frame.colorspace, frame.color_range) == (1, 1)  # BT.709, limited range
    luma = 16 + 219 * (0.2126 * 200 + 0.7152 * 40 + 0.0722 * 60) / 255
    assert abs(int(frame.to_ndarray()[5, 5]) - luma) <= 2


@pytest.mark.parametrize(("fps", "rate"), [(24, "24"), (23.976, "24000/1001"), (29.97, "30000/1001"), (12.5, "25/2")])
def test_decimal_rates_are_made_exact(fps: float, rate: str) -> None:
    assert frame_rate(fps) == Fraction(rate)


def test_equal_pictures_give_equal_video_bytes() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (4, 32, 32, 3), np.uint8)
    assert encode_video(noise, 24) == encode_video(noise, 24)


def test_an_empty_or_uneven_video_is_refused() -> None:
    with pytest.raises(RequestError, match="at least one"):
        encode_video([], 24)
    with pytest.raises(RequestError, match="differ in size"):
        encode_video([np.zeros((8, 8, 3), np.uint8), np.zeros((8, 10, 3), np.uint8)], 24)


def test_previews_composite_in_linear_light() -> None:
    half = np.zeros((4, 2, 2), np.float16)
    half[3] = 0.5  # half-covering black on white is linear 0.5, display 188
    assert picture(half)[0, 0].tolist() == [188, 188, 188]
    assert picture(half, "black")[0, 0].tolist() == [0, 0, 0]
    wide = np.zeros((10, 400, 3), np.uint8)
    assert resized(wide, 100).shape == (2, 100, 3)
    assert resized(wide, 500) is wide
    assert beside([wide, wide]).shape == (10, 800, 3)
    assert encode_png(wide).startswith(b"\x89PNG")
    assert thumbnail(half).startswith(b"\x89PNG")
