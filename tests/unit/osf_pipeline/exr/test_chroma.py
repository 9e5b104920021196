"""Luminance and chroma at half resolution become R, G and B."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import OpenEXR
import pytest

from osf_pipeline.errors import InputDataError
from osf_pipeline.exr.chroma import luminance_weights, offer, to_rgb
from osf_pipeline.exr.chunks import Stored
from osf_pipeline.exr.read import read_exr

Y, X = np.mgrid[:64, :96]
RGB = {
    "R": 1.2 + np.sin(X / 9) * np.cos(Y / 7),
    "G": 1.5 + np.cos(X / 11 + Y / 13),
    "B": 1.1 + np.sin(Y / 8),
}
AP0 = struct.pack("<8f", 0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, 0.32168, 0.33767)


def chroma_of(rgb: dict[str, np.ndarray], weights: tuple[float, float, float]) -> dict[str, np.ndarray]:
    """Y, BY and RY of a smooth picture: chroma of the even pixels, which needs no filter."""
    luminance = sum(w * rgb[c] for w, c in zip(weights, "RGB", strict=True))
    halves = {name: ((rgb[c] - luminance) / luminance)[::2, ::2] for name, c in (("BY", "B"), ("RY", "R"))}
    return {"Y": luminance, **halves}


def write(path: Path, stored: dict[str, np.ndarray], prefix: str = "", **header: object) -> None:
    """The library's writer wants every array at full size and reads a subsampled one from its start."""
    channels = {}
    for name, values in stored.items():
        full, step = np.zeros(stored["Y"].shape, np.float16), stored["Y"].shape[0] // values.shape[0]
        full.ravel()[: values.size] = values.ravel()
        channels[f"{prefix}{name}"] = OpenEXR.Channel(f"{prefix}{name}", full, step, step)
    buffer = io.BytesIO()
    with OpenEXR.File({"type": OpenEXR.scanlineimage, **header}, channels) as file:
        file.write(buffer)
    path.write_bytes(buffer.getvalue())


@pytest.mark.parametrize("primaries", [None, AP0])
def test_a_smooth_picture_comes_back(primaries: bytes | None) -> None:
    weights = luminance_weights(primaries)
    stored = {name: values.astype(np.float32) for name, values in chroma_of(RGB, weights).items()}
    found = to_rgb(stored["Y"], stored["BY"], stored["RY"], weights)
    for name, values in RGB.items():
        assert found[name].dtype == np.float32
        error = np.abs(found[name] - values)
        assert error[14:-14, 14:-14].max() < 4e-3, name  # the filter's reach
        assert error.max() < 0.2, name  # beyond the last sample nothing is known
        # Where chroma is stored nothing is filtered.
        np.testing.assert_allclose(found[name][::2, ::2], values[::2, ::2], rtol=1e-5)


def test_weights_are_those_of_the_primaries() -> None:
    np.testing.assert_allclose(luminance_weights(None), (0.2126, 0.7152, 0.0722), atol=1e-4)
    np.testing.assert_allclose(luminance_weights(AP0), (0.34397, 0.72817, -0.07213), atol=1e-4)


@pytest.mark.parametrize(
    "values", [(0,) * 8, (0.3, 0.3) * 4, (float("nan"),) * 8, (0.64, 0.33, 0.3, 0.6, 0.15, 0.06, 0.3, 0)]
)
def test_primaries_without_a_space_are_an_error(values: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="no colour space"):
        luminance_weights(struct.pack("<8f", *values))


def test_grey_is_exact() -> None:
    grey = np.array([[0.1, 3.3], [65504, np.inf]], np.float16)
    for channel in to_rgb(
        grey, np.zeros((1, 1), np.float16), np.zeros((1, 1), np.float16), luminance_weights(None)
    ).values():
        assert channel.tobytes() == grey.tobytes()


@pytest.mark.parametrize("prefix", ["", "beauty."])
def test_a_file_offers_rgb(tmp_path: Path, prefix: str) -> None:
    path = tmp_path / "a.exr"
    write(path, chroma_of(RGB, luminance_weights(None)), prefix)
    image = read_exr(str(path))
    assert image.header.channels == {f"{prefix}{c}": "float16" for c in "BGR"}
    for name, values in RGB.items():
        found = image.channels[f"{prefix}{name}"]
        assert found.dtype == np.float16
        np.testing.assert_allclose(found[14:-14, 14:-14], values[14:-14, 14:-14], rtol=0.01, atol=0.01)
    assert set(read_exr(str(path), [f"{prefix}G"]).channels) == {f"{prefix}G"}


def test_the_files_primaries_count(tmp_path: Path) -> None:
    path = tmp_path / "a.exr"
    primaries = struct.unpack("<8f", AP0)
    write(path, chroma_of(RGB, luminance_weights(AP0)), chromaticities=primaries)
    found = read_exr(str(path)).channels["G"]
    np.testing.assert_allclose(found[14:-14, 14:-14], RGB["G"][14:-14, 14:-14], rtol=0.01, atol=0.01)


def test_other_subsampled_channels_stay_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.exr"
    stored = chroma_of(RGB, luminance_weights(None))
    write(path, {"Y": stored["Y"], "BY": stored["BY"]})
    np.testing.assert_allclose(read_exr(str(path), ["Y"]).channels["Y"], stored["Y"], rtol=1e-3)
    with pytest.raises(InputDataError, match="subsampled") as caught:
        read_exr(str(path), ["BY"])
    assert caught.value.where["rule"] == "subsampled"


def test_only_whole_layers_are_converted() -> None:
    full, half = Stored("float16", 1, 1), Stored("float16", 2, 2)
    layer = {"BY": half, "RY": half, "Y": full}
    assert offer(layer) == ({"B": "float16", "G": "float16", "R": "float16"}, (), ("",))
    assert offer({**layer, "A": full})[0] == dict.fromkeys("ABGR", "float16")
    assert offer({**layer, "G": full}) == (
        {"BY": "float16", "RY": "float16", "Y": "float16", "G": "float16"},
        ("BY", "RY"),
        (),
    )
    assert offer({**layer, "RY": full})[1:] == (("BY",), ())
    assert offer({**layer, "Y": Stored("uint32", 1, 1)})[1:] == (("BY", "RY"), ())
    assert offer({"Y": full}) == ({"Y": "float16"}, (), ())
