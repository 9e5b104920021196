"""The rule `color_space`: files against each other and the configuration."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from osf_pipeline.config import Source
from osf_pipeline.exr.header import Header, read_header
from osf_pipeline.exr.write import write_exr
from osf_pipeline.validate.color import color_space

AP1, P3 = "lin_ap1_scene", "lin_p3d65_scene"


def headers(folder: Path, *declared: str) -> dict[int, Header]:
    found = {}
    for frame, interop_id in enumerate(declared, 1):
        url = str(folder / f"a.{frame}.exr")
        attributes = {"colorInteropID": interop_id} if interop_id else {}
        write_exr(url, {c: np.zeros((2, 2), np.float16) for c in "RGBA"}, attributes=attributes)
        found[frame] = read_header(url)
    return found


@pytest.mark.parametrize(
    ("declared", "configured", "expected"),
    [
        (("", ""), "auto", []),
        ((AP1, AP1), "auto", []),
        ((AP1, P3), "auto", [("error", 2, "lin_p3d65_scene.*acescg")]),
        ((AP1, ""), "auto", [("error", 2, "declares nothing.*acescg")]),
        (("", AP1), "auto", [("error", 2, "lin_ap1_scene.*linear-rec709")]),
        (("lin_rec709_scene", ""), "auto", []),
        ((AP1, AP1), "acescg", []),
        ((AP1, AP1), "linear-rec709", [("warning", 1, "lin_ap1_scene.*linear-rec709")]),
        (("", P3), "acescg", [("warning", 2, "lin_p3d65_scene")]),
        (("srgb_rec709_scene",), "linear-rec709", [("warning", 1, "srgb_rec709_scene")]),
    ],
)
def test_color_space(tmp_path, declared, configured, expected):
    found = list(color_space(headers(tmp_path, *declared), Source(color_space=configured)))
    assert [(f.severity, f.frame) for f in found] == [(severity, frame) for severity, frame, _ in expected]
    for finding, (*_, pattern) in zip(found, expected, strict=True):
        with pytest.raises(AssertionError, match=pattern):
            raise AssertionError(finding.value)
        assert finding.fix
        assert finding.rule == "color_space"


def test_no_header_no_finding():
    assert not list(color_space({}, Source()))
