"""Untouched Blender frames of 8 samples a pixel, against each other and against a pixel-centre render of the pose."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from osf_pipeline.buffers import GBUFFER
from osf_pipeline.config import Camera, Source
from osf_pipeline.exr.adapters import map_buffers
from osf_pipeline.exr.convert import canonical, trim_to_figure
from osf_pipeline.exr.header import read_header
from osf_pipeline.exr.read import place, read_exr

pytestmark = pytest.mark.data
CAMERA = Camera(scale=2, right=(1, 0, 0), up=(0, 0, 1), back=(0, -1, 0))
Buffers = dict[str, np.ndarray]
FIRST_SAMPLE = ("depth", "position", "object_id", "material_id")
VERSIONS = ("blender4.2.23_raw8spp", "blender4.5.15_raw8spp", "blender5.0.1_raw8spp_multipart")


def load(path: Path) -> Buffers:
    source = Source(camera=CAMERA)
    mapping = map_buffers(read_header(str(path)), source)
    image = read_exr(str(path), mapping.channels, mapping.fill)
    frame = canonical(trim_to_figure(image, mapping), mapping, source, 18)
    return {k: place(v, frame.window, image.window, GBUFFER[k].background) for k, v in frame.buffers.items()}


@pytest.fixture(scope="module")
def native(shared_data: Path) -> dict[str, Buffers]:
    folder = shared_data / "exr_conformance/blender_native"
    return {path.name: load(path / "frame_0018.exr") for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def truth(shared_data: Path) -> Buffers:
    return load(shared_data / "renders/char3_dab/frame_0018.exr")


def difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(y, x) greatest absolute difference of finite values."""
    return np.abs(np.where(np.isfinite(a), a, -1).astype(np.float64) - np.where(np.isfinite(b), b, -1)).max(0)


def test_versions_agree(native: dict[str, Buffers]) -> None:
    """4.2 and 4.5 to the bit. 5.0 places samples elsewhere: what the first sample holds is equal, means are close."""
    old, single, multipart = (native[version] for version in VERSIONS)
    assert old.keys() == single.keys() == multipart.keys()
    for buffer in single:
        np.testing.assert_array_equal(old[buffer], single[buffer])
    for buffer in FIRST_SAMPLE:
        np.testing.assert_array_equal(multipart[buffer], single[buffer])
    inside = (single["sample"][0] == 1) & (multipart["sample"][0] == 1)
    assert (multipart["part_id"] != single["part_id"])[:, inside].sum() <= 1
    for buffer, limit in (
        ("rest_position", 0.005),
        ("normal", 0.04),
        ("motion", 0.3),
        ("motion_next", 0.4),
        ("uv", 0.002),
    ):
        assert np.quantile(difference(multipart[buffer], single[buffer])[inside], 0.99) < limit


def test_dwaa_damages_channels_by_their_last_letter(native: dict[str, Buffers]) -> None:
    lossless, lossy = native["blender4.5.15_raw8spp"], native["blender4.5.15_raw8spp_dwaa"]
    for buffer in ("depth", "part_id", "object_id", "material_id", "sample"):
        np.testing.assert_array_equal(lossy[buffer], lossless[buffer])
    unmixed = lossless["sample"][0] == 1  # rest positions, which are damaged, choose the surface of mixed pixels
    for buffer in ("uv", "motion_next"):
        np.testing.assert_array_equal(lossy[buffer][:, unmixed], lossless[buffer][:, unmixed])
    for buffer, exact in (("motion", 0), ("position", 0), ("position", 2)):
        np.testing.assert_array_equal(lossy[buffer][exact][unmixed], lossless[buffer][exact][unmixed])
    for buffer, limit in (("color", 0.03), ("rest_position", 0.04), ("motion", 0.8), ("position", 0.007)):
        assert 0 < difference(lossy[buffer], lossless[buffer])[unmixed].max() < limit
    assert np.quantile(difference(lossy["normal"], lossless["normal"])[lossless["sample"][0] == 1], 0.99) < 0.02


@pytest.mark.parametrize("version", VERSIONS)
def test_repaired_frames_match_pixel_centre_renders_of_the_same_pose(
    native: dict[str, Buffers], truth: Buffers, version: str
) -> None:
    found = native[version]
    seen = np.isfinite(truth["depth"][0])
    np.testing.assert_array_equal(np.isfinite(found["depth"][0]), seen)  # every surface pixel, at edges too
    np.testing.assert_array_equal(found["sample"][0] > 0, seen)
    repaired, exact = found["sample"][0] == 2, found["sample"][0] == 1
    assert 1300 < repaired.sum() < 1700
    assert (repaired == (seen & (found["color"][3] < 1)))[found["color"][3] < 1].all()
    assert set(np.unique(found["part_id"][0, seen])) == set(np.unique(truth["part_id"][0, seen]))
    np.testing.assert_array_equal(found["object_id"], truth["object_id"])
    wrong = (found["part_id"] != truth["part_id"])[0]
    assert wrong[exact].sum() <= 1  # a mean of two ids that is whole by chance
    assert wrong[repaired].mean() < 0.04
    assert wrong[repaired & (found["color"][3] < 1)].mean() < 0.01
    np.testing.assert_allclose(np.linalg.norm(found["normal"][:, seen].astype(np.float32), axis=0), 1, atol=2e-3)
    for buffer, background in (("normal", 0), ("rest_position", 0), ("motion", 0), ("part_id", 0)):
        assert (found[buffer][:, ~seen] == background).all()
    # Medians and 95 %: of the truth's own steps inside, of half a pixel at edges.
    for buffer, inside, at_edges in (
        ("rest_position", (0.001, 0.003), (0.004, 0.02)),
        ("normal", (0.005, 0.02), (0.03, 0.15)),
        ("motion", (0.02, 0.1), (0.05, 1.0)),
        ("depth", (0.0003, 0.0003), (0.0003, 0.0003)),
        ("position", (0.001, 0.001), (0.001, 0.001)),
    ):
        error = difference(found[buffer], truth[buffer])
        for where, (median, most) in ((exact, inside), (repaired, at_edges)):
            assert np.median(error[where]) < median, buffer
            assert np.quantile(error[where], 0.95) < most, buffer


PROBES = [
    (version, name)
    for version in ("blender4.2.23", "blender4.5.15", "blender5.0.1")
    for name in ("ortho_full", "ortho_half", "ortho_dwaa_half", "ortho_first", "ortho_last", "persp_cammove")
] + [("blender4.5.15", "persp_depth"), ("blender4.2.23", "ortho_cammove")]


@pytest.mark.parametrize(("version", "name"), PROBES)
def test_probe_equals_its_analytic_truth(shared_data: Path, version: str, name: str) -> None:
    """Every value of the truth table at its pixel, and motion that is the same all over the plane."""
    folder = shared_data / "exr_conformance" / "blender_probe"
    table = yaml.safe_load((folder / "truth.yaml").read_text())
    expected = table["ortho_full"] | table[name]
    found = load(folder / version / f"{name}.exr")
    seen = np.isfinite(found["depth"][0])
    interior = seen & (found["color"][3] == 1)
    damage = 1e-3 if "dwaa" not in name else 0.05
    if "Vector" in table[name] or "same_as" in table[name]:
        x, y, z, w = expected["Vector"]
        for buffer, (right, down) in (("motion", (-x, y)), ("motion_next", (-z, w))):
            lossy = damage if buffer == "motion" else 1e-3
            np.testing.assert_allclose(found[buffer][0, interior], right, atol=1e-3)
            np.testing.assert_allclose(found[buffer][1, interior], down, atol=lossy)
    np.testing.assert_allclose(found["depth"][0, seen], 5, atol=1e-4)  # planar, in the corners of a wide view too
    np.testing.assert_allclose(found["normal"][2, seen], 1, atol=1e-2)
    if name.startswith("ortho"):
        np.testing.assert_array_equal(np.unique(found["object_id"]), [0, 3])
        np.testing.assert_array_equal(np.unique(found["material_id"]), [0, 7])
    if name in ("ortho_full", "ortho_half", "ortho_dwaa_half"):
        column, row = expected["pixel"]
        u, v_up = expected["UV"]
        assert found["uv"][:, row, column] == pytest.approx((u, 1 - v_up), abs=1e-4)
        assert found["position"][:, row, column] == pytest.approx(expected["Position"], abs=1e-4)
        assert found["color"][:, row, column] == pytest.approx(expected["Combined"], abs=5e-3)
