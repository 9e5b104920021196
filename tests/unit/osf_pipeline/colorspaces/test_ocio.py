"""Spaces of OpenColorIO configurations, against our own arithmetic."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from osf_pipeline.colorspaces import ocio
from osf_pipeline.colorspaces.delivery import delivery_color
from osf_pipeline.colorspaces.source import input_color, input_fingerprint
from osf_pipeline.colorspaces.spaces import LINEAR_REC709, SPACES, convert
from osf_pipeline.config import ShotConfig, Source
from osf_pipeline.errors import RequestError
from osf_pipeline.exr.header import Header
from osf_pipeline.exr.write import write_exr

pytest.importorskip("PyOpenColorIO")

CG = "ocio://cg-config-v4.0.0_aces-v2.0_ocio-v2.5"
STUDIO = "ocio://studio-config-v4.0.0_aces-v2.0_ocio-v2.5"
SILENT = Header("", 0, False, 0, ())


def color() -> np.ndarray:
    """Premultiplied, in the range that curves keep: half covered, light without coverage, HDR."""
    rng = np.random.default_rng(0)
    found = rng.uniform(0.01, 4, (4, 6, 8)).astype(np.float32)
    found[3] = rng.choice([0, 0.5, 1], (6, 8))
    found[:3, 1:] *= found[3, 1:]
    return found


@pytest.mark.parametrize(
    ("name", "builtin"),
    [
        ("ACEScg", "acescg"),
        ("lin_ap1_scene", "acescg"),
        ("scene_linear", "acescg"),
        ("ACES2065-1", "aces2065-1"),
        ("Linear Rec.709 (sRGB)", "linear-rec709"),
        ("Linear P3-D65", "linear-p3-d65"),
        ("Linear Rec.2020", "linear-rec2020"),
        ("linear-rec709", "linear-rec709"),
    ],
)
def test_scene_linear_spaces_are_kept_as_they_are(name, builtin):
    used = input_color(Source(ocio=CG, color_space=name), SILENT)
    assert used.space is SPACES[builtin]
    pixels = color()
    assert used.decode(pixels, premultiplied=True) is pixels


def test_aces_to_rec709_is_our_own_matrix():
    out = delivery_color(SPACES["acescg"], "lin_rec709", CG)
    np.testing.assert_allclose(out.convert(color()), convert(color(), SPACES["acescg"], LINEAR_REC709), atol=1e-4)
    assert out.attributes["colorInteropID"] == "lin_rec709_scene"
    np.testing.assert_allclose(out.attributes["chromaticities"], LINEAR_REC709.chromaticities)
    same = delivery_color(SPACES["acescg"], "ACEScg", CG)
    pixels = color()
    assert same.convert(pixels) is pixels


@pytest.mark.parametrize("name", ["sRGB - Texture", "ACEScct", "srgb_tx"])
def test_encoded_spaces_go_out_and_come_back(name):
    out = delivery_color(LINEAR_REC709, name, CG)
    used = input_color(Source(ocio=CG, color_space=name), SILENT)
    assert used.space is SPACES["acescg"]
    assert used.source is None
    assert "chromaticities" not in out.attributes
    back = convert(used.decode(out.convert(color()), premultiplied=True), used.space, LINEAR_REC709)
    np.testing.assert_allclose(back, color(), rtol=1e-4, atol=1e-4)


def test_the_srgb_texture_space_is_our_curve():
    out = delivery_color(LINEAR_REC709, "sRGB - Texture", CG)
    np.testing.assert_allclose(out.convert(color()), convert(color(), LINEAR_REC709, SPACES["srgb"]), rtol=4e-6)


def test_camera_primaries_become_a_space_of_their_own():
    used = input_color(Source(ocio=STUDIO, color_space="Linear ARRI Wide Gamut 4"), SILENT)
    assert used.transform is None
    assert used.space.name == "Linear ARRI Wide Gamut 4"
    out = delivery_color(used.space, "ACEScg", STUDIO)
    np.testing.assert_allclose(convert(color(), used.space, SPACES["acescg"]), out.convert(color()), atol=1e-4)


def test_a_missing_table_is_named(tmp_path: Path):
    (tmp_path / "a.ocio").write_text(CONFIG.format(power=2.2))
    with pytest.raises(RequestError, match=r"gone\.cube"):
        input_color(Source(ocio=str(tmp_path / "a.ocio"), color_space="tabled"), SILENT)


@pytest.mark.parametrize(
    ("config", "name", "message"),
    [
        (CG, "ACESgc", "Use one of .*ACEScg"),
        (CG, "Raw", "no colour"),
        ("ocio://no-such", "ACEScg", "no readable OpenColorIO configuration.*ocio://default"),
        ("/no/such.ocio", "ACEScg", "no readable OpenColorIO configuration"),
    ],
)
def test_what_is_not_there_is_named(config, name, message):
    with pytest.raises(RequestError, match=message):
        input_color(Source(ocio=config, color_space=name), SILENT)
    with pytest.raises(RequestError, match=message):
        delivery_color(LINEAR_REC709, name, config)


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "PyOpenColorIO", None)
    with pytest.raises(RequestError, match=r"osf-pipeline\[ocio\]"):
        ocio.into_store("ocio://never-opened-before", "ACEScg")


CONFIG = """ocio_profile_version: 2
search_path: luts
roles: {{default: raw, scene_linear: lin, aces_interchange: aces}}
file_rules: [!<Rule> {{name: Default, colorspace: default}}]
displays: {{screen: [!<View> {{name: Raw, colorspace: raw}}]}}
active_views: [Raw]
colorspaces:
  - !<ColorSpace> {{name: raw, isdata: true}}
  - !<ColorSpace> {{name: aces}}
  - !<ColorSpace>
    name: lin
    to_scene_reference: !<MatrixTransform> {{matrix: [0.7, 0.2, 0.1, 0, 0, 1, 0, 0, 0, 0.1, 0.9, 0, 0, 0, 0, 1]}}
  - !<ColorSpace>
    name: bent
    to_scene_reference: !<ExponentTransform> {{value: [{power}, {power}, {power}, 1]}}
  - !<ColorSpace>
    name: tabled
    to_scene_reference: !<FileTransform> {{src: gone.cube}}
"""


def test_a_file_counts_by_what_it_does(tmp_path: Path):
    """The identity of an input follows the operations of its space, not the file's name or its other spaces."""
    prints = []
    for i, text in enumerate(
        [CONFIG.format(power=2.2), "# moved\n" + CONFIG.format(power=2.2), CONFIG.format(power=2.4)]
    ):
        path = tmp_path / f"{i}.ocio"
        path.write_text(text)
        source = Source(ocio=str(path), color_space="bent")
        prints.append(input_fingerprint(source))
        used = input_color(source, SILENT)
        assert used.space.name == "lin"
        linear = used.decode(np.full((4, 1, 1), 0.5, np.float32), premultiplied=False)
        aces = convert(linear, used.space, SPACES["aces2065-1"])
        np.testing.assert_allclose(aces[:3].ravel(), 0.5 * 0.5 ** (2.4 if i == 2 else 2.2), rtol=1e-4)
    assert prints[0] == prints[1] != prints[2]
    assert input_fingerprint(Source()) is None


def test_the_variable_is_used_only_when_asked_for(monkeypatch):
    monkeypatch.setenv("OCIO", CG)
    assert Source().ocio is None
    assert ShotConfig(ocio="env").ocio == CG
    monkeypatch.delenv("OCIO")
    with pytest.raises(ValueError, match="variable OCIO"):
        ShotConfig(ocio="env")
    with pytest.raises(ValueError, match="absolute"):
        ShotConfig(ocio="studio/config.ocio")


def test_a_configuration_may_lie_anywhere_fsspec_reads(tmp_path: Path):
    import fsspec

    fsspec.filesystem("memory").pipe_file("/colour/studio.ocio", CONFIG.format(power=2.2).encode())
    assert input_color(Source(ocio="memory://colour/studio.ocio", color_space="lin"), SILENT).space.name == "lin"


def test_a_name_of_nothing_but_the_configuration_meets_a_header(tmp_path: Path):
    from osf_pipeline.exr.header import read_header
    from osf_pipeline.validate.color import color_space

    url = str(tmp_path / "a.exr")
    write_exr(url, {c: np.zeros((2, 2), np.float16) for c in "RGBA"}, attributes={"colorInteropID": "lin_ap1_scene"})
    headers = {1: read_header(url), 2: read_header(url)}
    found = list(color_space(headers, Source(ocio=CG, color_space="ACEScct")))
    assert [(f.rule, f.severity, f.frame) for f in found] == [("color_space", "warning", 1)]
    assert not list(color_space(headers, Source(ocio=CG, color_space="ACEScg")))
