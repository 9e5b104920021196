"""Which channels a lossy codec damages: the rule on headers against what really comes back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import OpenEXR
import pytest

from osf_pipeline.config import ShotConfig
from osf_pipeline.exr.header import read_header
from osf_pipeline.exr.read import read_exr
from osf_pipeline.exr.sequence import find_sequence
from osf_pipeline.exr.write import write_exr
from osf_pipeline.validate.files import _loss
from osf_pipeline.validate.findings import Finding
from osf_pipeline.validate.preflight import preflight

CODECS = ("ZIP", "ZIPS", "PIZ", "RLE", "DWAA", "DWAB", "B44", "B44A", "PXR24")
NAMES = ("V.R", "V.G", "V.B", "V.Y", "RY", "BY", "Y", "V.r", "V.g", "V.y", "V.A", "V.X", "V.Z", "V.red", "R.Q")


@pytest.mark.parametrize("codec", CODECS)
def test_the_rule_says_exactly_what_changes(tmp_path: Path, codec: str) -> None:
    y, x = np.mgrid[:64, :64]
    wave = 7.123 + 5 * np.sin(x / 9) * np.cos(y / 7) + 0.3 * np.random.default_rng(0).random((64, 64))
    for dtype in (np.float16, np.float32, np.uint32):
        stored = {name: (wave * (100 if dtype is np.uint32 else 1)).astype(dtype) for name in NAMES}
        url = str(tmp_path / "a.exr")
        write_exr(url, stored, compression=getattr(OpenEXR, f"{codec}_COMPRESSION"))
        found, header = read_exr(url).channels, read_header(url)
        changed = {name for name in NAMES if (found[name] != stored[name]).any()}
        assert changed == {n for n in NAMES if _loss(header.parts[0].compression, n, header.channels[n])}


def lossy(folder: Path, codec: str, **channels: np.ndarray) -> list[Finding]:
    colour = {f"V.Combined.{c}": np.ones((4, 4), np.float16) for c in "RGBA"}
    attributes = {"cryptomatte/1/name": "V.CryptoObject", "cryptomatte/1/manifest": '{"a": "3f800000"}'}
    planes = {f"V.{k.replace('__', '.')}": v for k, v in channels.items()}
    compression = getattr(OpenEXR, f"{codec}_COMPRESSION")
    write_exr(str(folder / "a.0001.exr"), colour | planes, attributes=attributes, compression=compression)
    config = ShotConfig()
    findings = preflight(config, find_sequence(str(folder), config.source)).findings
    return [finding for finding in findings if finding.rule == "lossy"]


def plane(value: float = 1, dtype: type = np.float32) -> np.ndarray:
    return np.full((4, 4), value, dtype)


def test_only_damaged_channels_are_named(tmp_path: Path) -> None:
    vector = {f"Vector__{c}": plane() for c in "XYZW"}
    (finding,) = lossy(tmp_path, "DWAA", **vector, Depth__Z=plane())
    assert (finding.severity, finding.channel) == ("warning", "V.Vector.Y")
    assert "motion is stored as DWAA" in finding.value
    assert lossy(tmp_path, "ZIP", **vector, Depth__Z=plane()) == []
    assert lossy(tmp_path, "B44", **vector, Depth__Z=plane()) == []  # 32-bit channels
    (finding,) = lossy(tmp_path, "B44A", Depth__Z=plane(dtype=np.float16))
    assert (finding.severity, finding.channel) == ("warning", "V.Depth.Z")
    (finding,) = lossy(tmp_path, "PXR24", Depth__Z=plane())
    assert (finding.severity, "24 of 32 bits" in finding.value) == ("note", True)


def test_a_damaged_cryptomatte_is_refused(tmp_path: Path) -> None:
    lower = {f"CryptoObject00__{c}": plane() for c in "rgba"}
    assert lossy(tmp_path, "DWAA", **lower) == []  # as Blender names them
    (finding,) = lossy(tmp_path, "PXR24", **lower)
    assert (finding.severity, "V.CryptoObject00.r" in finding.channel) == ("error", True)
    (finding,) = lossy(tmp_path, "DWAB", **{f"CryptoObject00__{c}": plane() for c in "RGBA"})
    assert finding.severity == "error"
