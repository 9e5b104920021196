"""The strip holds the line as it was drawn and comes back from its files as it went in."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from drawn_scans import ORANGE, scan

from osf_pipeline.drawing.contour import find_line
from osf_pipeline.drawing.outline import outlines
from osf_pipeline.drawing.strip import ContourStrip, measure_strip, read_strip, write_strip
from osf_pipeline.errors import InputDataError


def measured(colour: np.ndarray | None = None, pen: float = 5.0) -> ContourStrip:
    drawn = scan(colour=colour, pen=pen)
    beneath = np.broadcast_to(drawn.rgb[200, 100], drawn.rgb.shape).astype(np.float32)
    return measure_strip(drawn.rgb, beneath, find_line(drawn.rgb, drawn.mask, outlines(drawn.mask)[0]))


@pytest.mark.parametrize("colour", [None, ORANGE])
@pytest.mark.parametrize("pen", [5.0, 8.0])
def test_width_darkness_and_coverage_are_those_of_the_pen(colour: np.ndarray | None, pen: float) -> None:
    strip = measured(colour, pen)
    drawn = (strip.inner + strip.outer) > 0
    assert np.median((strip.inner + strip.outer)[drawn]) == pytest.approx(pen, abs=1.2)
    assert (strip.darkness[~drawn] == 0).all()
    assert np.median(strip.darkness[drawn]) == pytest.approx(0.57 if colour is None else 0.6, abs=0.12)
    alpha = strip.strip[drawn, :, 3]
    radius = strip.strip.shape[1] // 2
    assert strip.strip.shape[1] == 2 * radius + 1
    assert np.median(alpha.sum(axis=1)) == pytest.approx(pen, abs=1.5)
    assert np.median(alpha[:, : radius - 4]) == 0  # far outside
    assert strip.strip.min() >= 0
    assert strip.strip.max() <= 1


def test_a_limb_of_one_stroke_has_no_line() -> None:
    strip = measured()
    arm = (strip.path[:, 0] > 180) & (np.abs(strip.path[:, 1] - 150) < 8)
    assert arm.any()
    for values in (strip.darkness, strip.inner, strip.outer, strip.strip[..., 3]):
        assert not values[arm].any()


def test_files_give_back_what_they_hold(tmp_path: Path) -> None:
    strip = measured()
    write_strip(strip, str(tmp_path / "new"))
    back = read_strip(str(tmp_path / "new"))
    for name, tolerance in {
        "path": 6e-4,
        "inner": 6e-4,
        "outer": 6e-4,
        "darkness": 6e-5,
        "ink": 6e-5,
        "strip": 2e-3,
    }.items():
        one, other = getattr(strip, name), getattr(back, name)
        assert one.dtype == other.dtype == np.float32
        np.testing.assert_allclose(one, other, atol=tolerance, err_msg=name)
    first = {file.name: file.read_bytes() for file in (tmp_path / "new").iterdir()}
    write_strip(back, str(tmp_path / "again"))
    assert first == {file.name: file.read_bytes() for file in (tmp_path / "again").iterdir()}
    with PIL.Image.open(tmp_path / "new" / "strip.png") as picture:
        assert picture.size == strip.strip.shape[:2]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("inner", [1.0]),
        ("version", 2),
        ("darkness", [1.5] * 9),
        ("path", [[0, float("nan")]] * 9),
        ("ink", [[0, 0]] * 9),
        ("surprise", 1),
        ("outer", None),
    ],
)
def test_damaged_strips_are_refused(tmp_path: Path, key: str, value: object) -> None:
    write_strip(measured(), str(tmp_path))
    data = json.loads((tmp_path / "strip.json").read_text())
    data[key] = value
    (tmp_path / "strip.json").write_text(json.dumps(data))
    with pytest.raises(InputDataError, match="strip"):
        read_strip(str(tmp_path))


def test_a_picture_of_another_strip_is_refused(tmp_path: Path) -> None:
    write_strip(measured(), str(tmp_path))
    PIL.Image.new("RGBA", (12, 9)).save(tmp_path / "strip.png")
    with pytest.raises(InputDataError, match="do not belong together"):
        read_strip(str(tmp_path))
    (tmp_path / "strip.json").unlink()
    with pytest.raises(InputDataError, match="cannot be read"):
        read_strip(str(tmp_path))
