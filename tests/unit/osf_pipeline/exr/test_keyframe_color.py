"""Keyframes and drawings meet in linear Rec. 709."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from osf_pipeline.colorspaces.spaces import LINEAR_REC709, SPACES, convert
from osf_pipeline.config import Exemplar
from osf_pipeline.exr.keyframe import read_drawing, read_keyframe


@pytest.mark.parametrize("name", ["linear-rec709", "acescg"])
def test_a_keyframe_comes_in_rec709(tmp_path: Path, figure, name: str) -> None:
    figure.write(tmp_path / "key.exr", 1)
    exemplar = Exemplar(keyframe="key.exr", drawing="d.png")
    plain = read_keyframe(exemplar, str(tmp_path))["color"]
    named = read_keyframe(exemplar.model_copy(update={"color_space": name}), str(tmp_path))["color"]
    np.testing.assert_array_equal(named, convert(plain, SPACES[name], LINEAR_REC709))
    assert (named.dtype == plain.dtype) == (name == "linear-rec709")


def profile(*, described: str) -> bytes:
    """An ICC profile with the primaries of sRGB, red and blue exchanged."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, blue = data.index(b"rXYZ"), data.index(b"bXYZ")
    data[red : red + 4], data[blue : blue + 4] = b"bXYZ", b"rXYZ"
    return bytes(data).replace("sRGB".encode("utf-16-be"), described.encode("utf-16-be"))


def drawing(folder: Path, pixels: np.ndarray, icc: bytes | None) -> np.ndarray:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", icc_profile=icc)
    (folder / "d.png").write_bytes(out.getvalue())
    return np.rint(255 * read_drawing(str(folder / "d.png"))[:, 0, 0]).astype(int)


def test_drawings_are_converted_by_their_profile_to_srgb(tmp_path: Path) -> None:
    red = np.full((2, 2, 4), (255, 0, 0, 128), np.uint8)
    assert drawing(tmp_path, red, None).tolist() == [255, 0, 0, 128]
    assert drawing(tmp_path, red, profile(described="sRGB")).tolist() == [255, 0, 0, 128]
    np.testing.assert_allclose(drawing(tmp_path, red, profile(described="swap")), [0, 0, 255, 128], atol=2)
    grey = np.full((2, 2), 200, np.uint8)
    assert drawing(tmp_path, grey, None).tolist() == [200, 200, 200, 255]
