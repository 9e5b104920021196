"""Spaces without a library: matrices against published ones, curves, headers, what must stay bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from osf_pipeline.color import encode_srgb
from osf_pipeline.colorspaces.delivery import delivery_color
from osf_pipeline.colorspaces.source import declared_space, input_color
from osf_pipeline.colorspaces.spaces import (
    LINEAR_REC709,
    SPACES,
    TRANSFERS,
    Space,
    convert,
    in_rec709,
    matrix,
    named,
    of_interop_id,
    store_space,
    to_xyz,
)
from osf_pipeline.config import ShotConfig, Source
from osf_pipeline.errors import RequestError
from osf_pipeline.exr.header import read_header
from osf_pipeline.exr.write import write_exr

ACESCG = SPACES["acescg"]
REC709 = LINEAR_REC709.chromaticities


def rgba(seed: int = 0, dtype: str = "float16", shape: tuple[int, ...] = (4, 9, 11)) -> np.ndarray:
    """Premultiplied HDR and negative colour; a third is empty, a pixel is light without coverage."""
    rng = np.random.default_rng(seed)
    color = rng.normal(0.5, 2, shape)
    color[..., 3, :, :] = rng.choice([0, 0.37, 1], shape[:-3] + shape[-2:])
    color[..., :3, :, :] *= color[..., 3:, :, :]
    color[..., :3, 0, 0], color[..., 3, 0, 0] = (3, 0.5, -0.1), 0
    return color.astype(dtype)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # The OpenColorIO ACES configurations, "ACEScg" and "ACES2065-1" to "Linear Rec.709 (sRGB)".
        ("acescg", [[1.70505, -0.62179, -0.08326], [-0.13026, 1.14080, -0.01055], [-0.02400, -0.12897, 1.15297]]),
        ("aces2065-1", [[2.52169, -1.13413, -0.38756], [-0.27648, 1.37272, -0.09624], [-0.01538, -0.15298, 1.16835]]),
        # ITU-R BT.2407-0, inverse of BT.2087-0.
        ("linear-rec2020", [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]),
        # W3C CSS Color 4, sample code for Display P3.
        ("linear-p3-d65", [[1.22494, -0.22494, 0], [-0.04206, 1.04206, 0], [-0.01964, -0.07864, 1.09827]]),
        ("linear-rec709", np.eye(3)),
    ],
)
def test_matrices_to_rec709_are_the_published_ones(name, expected):
    np.testing.assert_allclose(matrix(SPACES[name].chromaticities, REC709), expected, atol=6e-5)


def test_rec709_to_xyz_is_the_standards():
    expected = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]  # IEC 61966-2-1
    np.testing.assert_allclose(to_xyz(REC709), expected, atol=6e-5)


@pytest.mark.parametrize("name", SPACES)
def test_every_space_keeps_white_and_returns(name):
    space, color = SPACES[name], rgba(dtype="float32")
    white = np.ones((4, 1, 1), np.float32)
    np.testing.assert_allclose(convert(white, LINEAR_REC709, space), white, atol=2e-6)
    there = convert(color, LINEAR_REC709, space)
    np.testing.assert_allclose(convert(there, space, LINEAR_REC709), color, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(there[3], color[3])
    assert (space is LINEAR_REC709) == (there is color)


@pytest.mark.parametrize("name", TRANSFERS)
def test_curves_are_odd_and_unclamped(name):
    encode, decode = TRANSFERS[name]
    values = np.array([-7, -0.2, 0, 1e-3, 0.18, 1, 40])
    np.testing.assert_allclose(decode(encode(values)), values, atol=1e-12)
    np.testing.assert_allclose(encode(-values), -encode(values))
    assert encode(np.array([0.18]))[0] == pytest.approx(
        {"srgb": 0.4614, "gamma2.2": 0.4587, "gamma2.4": 0.4894}[name], abs=1e-4
    )


def test_curves_bend_straight_colour():
    half_grey = np.array([0.09, 0.09, 0.09, 0.5]).reshape(4, 1, 1)
    found = convert(half_grey, LINEAR_REC709, SPACES["srgb"]).ravel()
    np.testing.assert_allclose(found, [*[encode_srgb(np.array(0.18)) * 0.5] * 3, 0.5], rtol=1e-6)
    light = np.array([0.18, 0.18, 0.18, 0]).reshape(4, 1, 1)
    found = convert(light, LINEAR_REC709, SPACES["srgb"]).ravel()
    np.testing.assert_allclose(found, [*[encode_srgb(np.array(0.18))] * 3, 0], rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_equal_spaces_change_no_bit(dtype):
    color = rgba(dtype=dtype)
    twin = Space("the same by another name", REC709)
    assert convert(color, LINEAR_REC709, twin) is color
    assert in_rec709(color, {}) is color


def test_a_pixel_does_not_depend_on_its_neighbours():
    color = rgba(shape=(4, 37, 53))
    whole = convert(color, ACESCG, LINEAR_REC709)
    part = convert(color[:, 5:8, 7:50], ACESCG, LINEAR_REC709)
    np.testing.assert_array_equal(whole[:, 5:8, 7:50], part)
    frames = convert(np.stack([color, color]), ACESCG, LINEAR_REC709)
    np.testing.assert_array_equal(frames[1], whole)


@pytest.mark.parametrize("space", [LINEAR_REC709, ACESCG, Space("camera", (0.7, 0.3, 0.2, 0.75, 0.1, 0.0, 0.31, 0.33))])
def test_a_store_tells_its_space(space):
    assert store_space({"color_space": space.attributes}) == space


def test_a_store_of_before_is_rec709():
    assert store_space({}) is LINEAR_REC709


def test_a_mistyped_name_gets_a_hint():
    with pytest.raises(RequestError, match=r"acesgc.*acescg"):
        named("acesgc")
    with pytest.raises(ValueError, match="linear-rec709"):
        Source(color_space="linear_rec709")
    with pytest.raises(ValueError, match="unknown colour space"):
        ShotConfig(delivery={"color_space": "p3"})


@pytest.mark.parametrize(
    ("interop_id", "name"),
    [
        ("lin_ap1_scene", "acescg"),
        ("lin_ap0_scene", "aces2065-1"),
        ("srgb_rec709_scene", "srgb"),
        ("srgb_rec709_display", "srgb"),
        ("ocio:g24_rec709_scene", "rec709-bt1886"),
        ("data", None),
        ("", None),
    ],
)
def test_interop_ids(interop_id, name):
    assert of_interop_id(interop_id) == (SPACES[name] if name else None)


def header_of(folder: Path, color: np.ndarray | None = None, **attributes: object):
    color = rgba() if color is None else color
    url = str(folder / "a.exr")
    write_exr(url, dict(zip("RGBA", color, strict=True)), attributes=attributes)
    return read_header(url)


CAMERA = (0.7, 0.3, 0.2, 0.75, 0.1, 0.0, 0.31, 0.33)


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ({}, None),
        ({"colorInteropID": "lin_p3d65_scene"}, "linear-p3-d65"),
        ({"colorInteropID": "unknown"}, None),
        ({"chromaticities": (0.713, 0.293, 0.165, 0.83, 0.128, 0.044, 0.3217, 0.3377)}, "acescg"),
        ({"chromaticities": CAMERA}, "custom"),
        ({"chromaticities": REC709, "colorInteropID": "lin_ap1_scene"}, "acescg"),
    ],
)
def test_what_a_header_declares(tmp_path, attributes, name):
    header = header_of(tmp_path, **attributes)
    declared = declared_space(header)
    assert (declared and declared.name) == name
    used = input_color(Source(), header)
    assert used.space.name == (name or "linear-rec709")
    assert used.space.linear
    if name == "custom":
        np.testing.assert_allclose(used.space.chromaticities, CAMERA, atol=1e-6)


@pytest.mark.parametrize("name", ["linear-rec709", "acescg", "auto"])
def test_premultiplied_linear_colour_enters_bit_for_bit(tmp_path, name):
    color = rgba()
    decoded = input_color(Source(color_space=name), header_of(tmp_path)).decode(color, premultiplied=True)
    assert (decoded.view(np.uint16) == color.view(np.uint16)).all()


def test_encoded_colour_enters_linear_in_its_own_primaries(tmp_path):
    used = input_color(Source(color_space="srgb-p3-d65"), header_of(tmp_path))
    assert used.space is SPACES["linear-p3-d65"]
    linear = rgba(dtype="float32")
    encoded = convert(linear, used.space, SPACES["srgb-p3-d65"])
    np.testing.assert_allclose(used.decode(encoded, premultiplied=True), linear, rtol=1e-4, atol=1e-5)
    straight = np.array([encode_srgb(np.array(0.18))] * 3 + [0.5], np.float32).reshape(4, 1, 1)
    np.testing.assert_allclose(used.decode(straight, premultiplied=False).ravel(), [0.09, 0.09, 0.09, 0.5], rtol=1e-5)


def test_delivery_in_the_stores_own_space_changes_nothing():
    color = rgba()
    own = delivery_color(ACESCG)
    assert own.convert(color) is color
    assert own.attributes == {
        "chromaticities": ACESCG.chromaticities, "colorInteropID": "lin_ap1_scene", "osf:color_space": "acescg",
    }  # fmt: skip
    assert "colorInteropID" not in delivery_color(Space("camera", CAMERA)).attributes


def test_delivery_in_another_space(tmp_path):
    color = rgba(dtype="float32")
    out = delivery_color(ACESCG, "linear-p3-d65")
    header = header_of(tmp_path, out.convert(color).astype(np.float32), **out.attributes)
    assert declared_space(header) is SPACES["linear-p3-d65"]
    np.testing.assert_allclose(convert(out.convert(color), SPACES["linear-p3-d65"], ACESCG), color, atol=1e-5)
    assert out.fingerprint != delivery_color(ACESCG).fingerprint


@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(SPACES)))
def test_straight_and_premultiplied_colour_agree(seed: int, name: str) -> None:
    """Decoding straight colour and decoding the same colour premultiplied give one result, within half's rounding."""
    color = rgba(seed, "float32")
    color[3] = np.clip(color[3], 2**-6, 1)
    premultiplied = np.concatenate([color[:3] * color[3:], color[3:]])
    way = input_color(Source(color_space=name), None)  # type: ignore[arg-type]
    straight, other = way.decode(color, premultiplied=False), way.decode(premultiplied, premultiplied=True)
    np.testing.assert_allclose(straight, other, rtol=2**-10, atol=1e-4)
    np.testing.assert_array_equal(straight[3], color[3])
