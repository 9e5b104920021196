"""The EXR code of the script that runs inside Blender, against the OpenEXR library; bpy itself is not needed for it."""

from __future__ import annotations

import importlib.util
import io
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import OpenEXR
import pytest

import osf_pipeline.render.blender as renderer

RNG = np.random.default_rng(4)


@pytest.fixture(scope="module")
def script() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "bpy", ModuleType("bpy"))
        spec = importlib.util.spec_from_file_location("blender_script", renderer.SCRIPT)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        patch.setitem(sys.modules, "blender_script", module)
        spec.loader.exec_module(module)
    return module


def planes(height: int, width: int) -> dict[str, np.ndarray]:
    smooth = np.add.outer(np.arange(height), np.arange(width)).astype(np.float32) / 7
    return {
        "ViewLayer.Combined.R": RNG.normal(size=(height, width)).astype(np.float16),
        "ViewLayer.Depth.Z": np.where(smooth > 3, np.float32(1e10), smooth),
        "ViewLayer.A pass with a name of more than 31 letters.X": smooth,
    }


@pytest.mark.parametrize("size", [(1, 1), (16, 5), (37, 21), (64, 64)])
def test_what_the_script_writes_the_library_reads(script: ModuleType, tmp_path: Path, size: tuple[int, int]) -> None:
    wanted = planes(*size)
    path = tmp_path / "a.exr"
    path.write_bytes(script.exr_bytes(wanted, {"Frame": "7", "BlenderMultiChannel": "x"}))
    with OpenEXR.File(str(path), separate_channels=True) as image:
        assert image.header()["Frame"] == "7"
        assert image.header()["compression"] == OpenEXR.ZIP_COMPRESSION
        found = {name: channel.pixels.copy() for name, channel in image.channels().items()}
    assert found.keys() == wanted.keys()
    for name, values in wanted.items():
        assert found[name].dtype == values.dtype
        np.testing.assert_array_equal(found[name], values)


def test_smooth_data_is_compressed(script: ModuleType) -> None:
    flat = {"X": np.zeros((64, 64), np.float32)}
    assert len(script.exr_bytes(flat, {})) < 64 * 64


@pytest.mark.parametrize("parts", [1, 3])
def test_what_the_library_writes_uncompressed_the_script_reads(script: ModuleType, parts: int) -> None:
    """Blender 4 writes one part, Blender 5 one for each pass."""
    wanted = planes(9, 5) | {"ViewLayer.IndexOB.X": RNG.integers(0, 9, (9, 5)).astype(np.uint32)}
    header = {"compression": OpenEXR.NO_COMPRESSION, "type": OpenEXR.scanlineimage}
    names = sorted(wanted)
    groups = [names[k::parts] for k in range(parts)]
    buffer = io.BytesIO()
    if parts == 1:
        OpenEXR.File(header, dict(wanted)).write(buffer)
    else:
        OpenEXR.File(
            [OpenEXR.Part(dict(header), {n: wanted[n] for n in group}, f"part{k}") for k, group in enumerate(groups)]
        ).write(buffer)
    found = script.read_exr(buffer.getvalue())
    assert found.keys() == wanted.keys()
    for name, values in wanted.items():
        np.testing.assert_array_equal(found[name], values)


def test_a_compressed_file_is_refused(script: ModuleType) -> None:
    with pytest.raises(SystemExit, match="compressed"):
        script.read_exr(script.exr_bytes({"X": np.zeros((2, 2), np.float32)}, {}))
