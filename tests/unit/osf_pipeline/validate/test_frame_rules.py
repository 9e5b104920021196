from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from osf_pipeline.config import Source
from osf_pipeline.exr.adapters import map_buffers
from osf_pipeline.exr.convert import canonical, trim_to_figure
from osf_pipeline.exr.header import read_header
from osf_pipeline.exr.read import read_exr
from osf_pipeline.validate.findings import Finding
from osf_pipeline.validate.frames import check_frame
from osf_pipeline.validate.stored import check_source
from osf_pipeline.validate.subject import Subject


@pytest.fixture
def judged(tmp_path: Path, figure):
    def judge(source: Source | None = None, **changes: np.ndarray | None) -> list[Finding]:
        url, settings = figure.write(tmp_path / "a.exr", 2, **changes), source or Source()
        mapping = map_buffers(read_header(url), settings)
        image = read_exr(url, mapping.channels, mapping.fill)
        found = check_source(image, mapping, settings, 2)
        return found or check_frame(
            Subject(canonical(trim_to_figure(image, mapping), mapping, settings, 2), image.header, mapping, settings, 2)
        )

    return judge


def changed(values: np.ndarray, at: tuple[int, int], value: float) -> np.ndarray:
    out = values.copy()
    out[at] = value
    return out


def test_a_sound_frame_with_values_above_1_and_below_0(judged) -> None:
    assert judged() == []


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["R", "A", "normal.Z", "rest_position.X", "motion_next.Y"])
@pytest.mark.parametrize("at", [(0, 0), (46, 60)], ids=["background", "figure"])
def test_non_finite_values_are_named(judged, figure, name: str, value: float, at: tuple[int, int]) -> None:
    plane = changed(figure.channels(2)[name], at, value)
    (finding,) = judged(**{name.replace(".", "__"): plane})
    half = name in "RGBA"  # where what is too large becomes infinite
    rule = "half_overflow" if half and np.isinf(value) else "non_finite"
    assert (finding.rule, finding.severity, finding.frame, finding.channel) == (rule, "error", 2, name)
    assert f"column {at[1]}, row {at[0]}" in finding.value


def test_infinite_depth_is_background_but_nan_is_not(judged, figure) -> None:
    depth = figure.channels(2)["depth.Z"]
    assert judged(depth__Z=changed(depth, (46, 60), np.inf)) == []
    assert [f.channel for f in judged(depth__Z=changed(depth, (46, 60), np.nan))] == ["depth.Z"]
    assert [f.channel for f in judged(depth__Z=changed(depth, (46, 60), -np.inf))] == ["depth.Z"]


def test_large_finite_values_are_legal(judged, figure) -> None:
    huge = changed(figure.channels(2)["rest_position.X"], (46, 60), 3e38)
    huge[46, 61] = 3e38  # their sum is not finite
    assert judged(rest_position__X=huge) == []


def test_alpha(judged, figure) -> None:
    alpha = figure.channels(2)["A"]
    assert judged(A=changed(alpha, (46, 60), 1.03)) == []  # a sharpening filter
    assert [f.rule for f in judged(A=changed(alpha, (46, 60), 1.5))] == ["alpha_range"]
    assert [f.rule for f in judged(A=changed(alpha, (46, 60), -0.5))] == ["alpha_range"]
    (finding,) = judged(A=np.zeros_like(alpha))
    assert (finding.rule, finding.severity) == ("alpha_empty", "error")
    assert "colour and depth" in finding.value


def test_depth_of_the_wrong_sign(judged, figure) -> None:
    depth = -figure.channels(2)["depth.Z"]
    depth[np.isinf(depth)] = 0
    (finding,) = judged(depth__Z=depth)
    assert finding.rule == "depth_sign"
    assert judged(Source(scale={"depth": (-1,)}), depth__Z=depth) == []  # as advised


def test_normals_of_another_space(judged, figure) -> None:
    n = figure.channels(2)["normal.Z"]
    (finding,) = judged(normal__Z=-n)
    assert finding.rule == "normal_space"
    # A fifth of the surface facing away is legal: bump maps and rims do that.
    few = n.copy()
    few[::5] *= -1
    assert judged(normal__Z=few) == []


def test_surfaces_without_ids(judged, figure) -> None:
    parts = figure.channels(2)["part_id.I"]
    (finding,) = judged(part_id__I=parts * 0)
    assert (finding.rule, finding.severity, finding.channel) == ("unset_ids", "warning", "part_id")
    assert judged(part_id__I=np.where(parts == 1, 0, parts).astype(np.uint32) + (parts > 0).astype(np.uint32)) == []


@pytest.mark.parametrize("shift", [(0, 0), (1, 0), (1, 1), (2, 0), (0, -2), (-3, 2), (7, -7), (8, 8)])
def test_a_shift_of_colour_is_measured(judged, figure, shift: tuple[int, int]) -> None:
    stored = figure.channels(2)
    found = judged(**{name: np.roll(stored[name], shift[::-1], (0, 1)) for name in "RGBA"})
    if np.hypot(*shift) < 1.5:
        assert found == []
    else:
        assert [f.rule for f in found] == ["color_shift"]
        assert f"{shift[0]:+d} px across and {shift[1]:+d} px down" in found[0].value


@pytest.mark.parametrize("gain", [1e-3, 1, 1e4])
@pytest.mark.parametrize(("power", "rules"), [(0, ["alpha_straight"]), (1, []), (0.6, [])])
def test_brightness_does_not_matter_only_how_colour_falls(
    judged, figure, gain: float, power: float, rules: list[str]
) -> None:
    stored = replace(figure, edge=2).channels(2)
    alpha = stored["A"].astype(np.float32)
    flat = np.where(alpha > 0, gain * alpha**power, 0)
    color = {name: (flat * k).astype(np.float32) for name, k in (("R", 1), ("G", 2), ("B", 0.1))}
    assert [f.rule for f in judged(A=stored["A"], **color)] == rules
