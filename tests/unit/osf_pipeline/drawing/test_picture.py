"""Pictures come in upright, in sRGB, with their alpha, at a size that can be worked on."""

from __future__ import annotations

import io
from pathlib import Path

import fsspec
import numpy as np
import PIL.Image
import pytest
from PIL import ImageCms

from osf_pipeline.drawing.picture import read_picture, read_pixels
from osf_pipeline.errors import InputDataError


@pytest.mark.parametrize("format_", ["PNG", "TIFF", "WEBP", "BMP"])
def test_formats_keep_their_pixels(tmp_path: Path, format_: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    PIL.Image.fromarray(pixels).save(tmp_path / "d", format_, **({"lossless": True} if format_ == "WEBP" else {}))
    picture = read_picture(str(tmp_path / "d"))
    np.testing.assert_array_equal(np.rint(picture.rgb * 255), pixels)
    assert picture.rgb.dtype == np.float32
    assert (picture.alpha, picture.size, picture.scale) == (None, (7, 9), (1, 1))


def test_any_filesystem() -> None:
    out = io.BytesIO()
    PIL.Image.fromarray(np.full((3, 4, 3), 51, np.uint8)).save(out, "PNG")
    fsspec.filesystem("memory").pipe_file("/scans/d.png", out.getvalue())
    np.testing.assert_allclose(read_picture("memory://scans/d.png").rgb, 0.2, atol=1e-6)


def test_a_photo_taken_sideways_stands_upright(tmp_path: Path) -> None:
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[0] = 255  # the top of the file, which the camera says is the right side
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.fromarray(pixels).save(tmp_path / "d.png", exif=exif)
    picture = read_picture(str(tmp_path / "d.png"))
    assert (picture.rgb.shape, picture.size) == ((6, 4, 3), (4, 6))
    assert (picture.rgb[:, -1] == 1).all()
    assert not picture.rgb[:, :-1].any()


def test_sixteen_bit_grey_and_two_tone(tmp_path: Path) -> None:
    PIL.Image.fromarray(np.array([[0, 257, 32896, 65535]], np.uint16)).save(tmp_path / "d.png")
    assert np.rint(read_picture(str(tmp_path / "d.png")).rgb[0, :, 1] * 255).tolist() == [0, 1, 128, 255]
    PIL.Image.fromarray(np.array([[True, False]])).save(tmp_path / "b.png")
    assert read_picture(str(tmp_path / "b.png")).rgb[0, :, 2].tolist() == [1, 0]


def test_palette_with_a_transparent_entry(tmp_path: Path) -> None:
    picture = PIL.Image.fromarray(np.array([[0, 1]], np.uint8))
    picture = PIL.Image.frombytes("P", (2, 1), picture.tobytes())
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.save(tmp_path / "d.png", transparency=0)
    found = read_picture(str(tmp_path / "d.png"))
    assert found.alpha is not None
    assert found.alpha.tolist() == [[0, 1]]
    assert found.rgb[0, 1].tolist() == [0, 0, 1]


def test_a_profile_is_followed(tmp_path: Path) -> None:
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, blue = data.index(b"rXYZ"), data.index(b"bXYZ")
    data[red : red + 4], data[blue : blue + 4] = b"bXYZ", b"rXYZ"
    swapped = bytes(data).replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))
    PIL.Image.fromarray(np.full((2, 2, 3), (255, 0, 0), np.uint8)).save(
        tmp_path / "d.jpg", icc_profile=swapped, quality=99
    )
    np.testing.assert_allclose(read_picture(str(tmp_path / "d.jpg")).rgb[0, 0], [0, 0, 1], atol=0.03)


def test_a_large_scan_is_averaged_down_and_transparent_colour_does_not_leak(tmp_path: Path) -> None:
    pixels = np.zeros((40, 20, 4), np.uint8)
    pixels[:, ::2] = (255, 255, 255, 255)  # every other column opaque white, the rest transparent black
    PIL.Image.fromarray(pixels).save(tmp_path / "d.png")
    picture = read_picture(str(tmp_path / "d.png"), longest=10)
    assert picture.rgb.shape == (10, 5, 3)
    assert (picture.size, picture.scale) == ((20, 40), (0.25, 0.25))
    np.testing.assert_allclose(picture.alpha, 0.5, atol=0.01)
    np.testing.assert_allclose(picture.rgb, 1, atol=0.01)


def test_twenty_megapixels(tmp_path: Path) -> None:
    PIL.Image.new("L", (5200, 4000), 200).save(tmp_path / "d.png", compress_level=1)
    picture = read_picture(str(tmp_path / "d.png"))
    assert picture.rgb.shape == (788, 1024, 3)
    assert picture.size == (5200, 4000)
    np.testing.assert_allclose(picture.rgb, 200 / 255, atol=1e-6)


@pytest.mark.parametrize("side", [10_000, 60_000])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path: Path, side: int) -> None:
    out = io.BytesIO()
    PIL.Image.new("1", (8, 8)).save(out, "PNG")
    data = bytearray(out.getvalue())
    data[16:24] = side.to_bytes(4, "big") * 2
    import zlib

    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    (tmp_path / "d.png").write_bytes(data)
    with pytest.raises(InputDataError, match="too many pixels") as caught:
        read_picture(str(tmp_path / "d.png"))
    assert "1024" in caught.value.fix


def test_what_is_no_picture_is_refused_with_its_name(tmp_path: Path) -> None:
    whole = io.BytesIO()
    PIL.Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(whole, "PNG")
    PIL.Image.new("F", (4, 4)).save(tmp_path / "float.tif")
    for name, data in {
        "cut.png": whole.getvalue()[:3000],
        "text.png": b"hello",
        "empty.png": b"",
        "gone.png": None,
    }.items():
        if data is not None:
            (tmp_path / name).write_bytes(data)
        with pytest.raises(InputDataError, match="cannot be read") as caught:
            read_pixels(str(tmp_path / name))
        assert caught.value.where["file"].endswith(name)
    with pytest.raises(InputDataError, match="floating-point"):
        read_pixels(str(tmp_path / "float.tif"))
