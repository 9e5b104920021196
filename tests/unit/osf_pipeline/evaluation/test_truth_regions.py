from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from osf_pipeline.buffers import CONTOUR_RANGE
from osf_pipeline.color import from_straight_srgb
from osf_pipeline.errors import InputDataError
from osf_pipeline.evaluation.lines import thin, tidy, trace
from osf_pipeline.evaluation.regions import BAND, REGIONS, regions
from osf_pipeline.evaluation.truth import GEOMETRY, TRUTH_CHANNELS, from_channels, from_reference, middles, read_truth
from osf_pipeline.exr.write import write_exr

# --- Regions


def test_visible_and_revealed_partition_the_whole(box):
    places = regions(box.truth, box.render[3])
    assert tuple(places) == REGIONS
    np.testing.assert_array_equal(places["visible"] | places["revealed"], places["all"])
    assert not (places["visible"] & places["revealed"]).any()
    np.testing.assert_array_equal(places["revealed"], box.truth.revealed)


def test_the_whole_is_the_coverage_of_truth_and_render_with_a_band(box):
    stray = box.render[3].copy()
    stray[89, 104] = 0.01
    everything = regions(box.truth, stray)["all"]
    y, x = np.nonzero(everything[:83, :98])
    assert (y.min(), y.max(), x.min(), x.max()) == (16 - BAND, 82, 20 - BAND, 97)
    np.testing.assert_array_equal(np.argwhere(everything)[-1], [95, 110])
    np.testing.assert_array_equal(regions(box.truth, 0 * stray)["all"], regions(box.truth, box.render[3])["all"])


def test_guidance_tells_what_was_revealed_only_where_the_truth_does_not(box):
    guidance = np.zeros((96, 112), np.float32)
    guidance[30:50, 50:70] = 0.6
    guidance[50:60, 50:70] = 0.4
    untold = replace(box.truth, revealed=None)
    np.testing.assert_array_equal(regions(untold, box.render[3], revealed=guidance)["revealed"], guidance > 0.5)
    np.testing.assert_array_equal(regions(box.truth, box.render[3], revealed=guidance)["revealed"], box.truth.revealed)
    assert not {"visible", "revealed"} & set(regions(untold, box.render[3]))


def test_bands_hold_what_is_near_a_contour(box):
    places = regions(box.truth, box.render[3])
    column = box.inner_column
    row = places["occlusion band"][48]
    assert np.flatnonzero(row).tolist() == list(range(column - BAND, column + BAND + 1))
    band = places["contour band"]
    assert np.flatnonzero(band[48, :50]).tolist() == list(range(20 - BAND, 20 + BAND + 1))
    assert (band >= places["occlusion band"]).all()
    assert not (band & ~places["all"]).any()


def test_parts_are_named_and_background_is_none(box):
    part_id = box.seen * np.where(np.arange(112) < 50, 3, 7)
    places = regions(box.truth, box.render[3], part_id=part_id, parts={3: "arm"})
    assert [name for name in places if name not in REGIONS] == ["part arm", "part 7"]
    np.testing.assert_array_equal(places["part arm"], part_id == 3)
    np.testing.assert_array_equal(places["part 7"], part_id == 7)


# --- Truth of a generated shot


def channels(box) -> dict[str, np.ndarray]:
    truth = box.truth
    planes = dict(zip("RGBA", truth.beauty, strict=True))
    return planes | {
        "line.A": truth.line,
        "contour.distance": truth.contour,
        "occlusion.distance": truth.occlusion,
        "revealed.Y": truth.revealed.astype(np.float16),
        "centre.X": truth.to_centre[0],
        "centre.Y": truth.to_centre[1],
        "centre.width": truth.width,
        "contour.far": truth.far.astype(np.float16),
    }


PLANES = ("beauty", "line", "contour", "occlusion", "to_centre", "width", "revealed", "far")


def test_generated_truth_comes_back_from_its_file(box, tmp_path: Path):
    url = str(tmp_path / "truth.0001.exr")
    write_exr(url, channels(box))
    truth = read_truth(url)
    for name in PLANES:
        np.testing.assert_array_equal(getattr(truth, name), getattr(box.truth, name), err_msg=name)


def test_the_middle_of_strokes_runs_through_the_pixels_it_is_nearest_to(box):
    truth = box.truth
    assert truth.centre[48, box.inner_column]
    assert not truth.centre[48, box.inner_column - 1 :: 2][:2].any()
    np.testing.assert_array_equal(truth.centre, truth.away < 0.6)
    half = replace(truth, to_centre=truth.to_centre + np.float32([[[0.3]], [[0]]]))
    np.testing.assert_array_equal(half.centre, truth.centre)
    assert half.away[48, box.inner_column] == pytest.approx(0.3)
    assert half.away[48, box.inner_column + 3] == pytest.approx(2.7)


def test_a_truth_without_geometry_has_its_line_thinned(box, tmp_path: Path):
    planes = {name: plane for name, plane in channels(box).items() if name not in GEOMETRY}
    url = str(tmp_path / "truth.exr")
    write_exr(url, planes)
    truth = read_truth(url)
    assert truth.far is None
    np.testing.assert_array_equal(truth.to_centre, middles(trace(box.truth.line))[0])
    assert truth.width[48, 50] == pytest.approx(3, abs=0.05)  # of the inner line, which is nearest


def test_a_window_of_a_truth_is_cut_from_all_planes(box):
    rows, columns = slice(10, 50), slice(30, 80)
    window, old = box.truth.crop(rows, columns), replace(box.truth, far=None, revealed=None).crop(rows, columns)
    for name in PLANES:
        np.testing.assert_array_equal(getattr(window, name), getattr(box.truth, name)[..., rows, columns])
    assert old.far is None
    assert old.revealed is None


@pytest.mark.parametrize("name", [*TRUTH_CHANNELS, *GEOMETRY[1:]])
def test_an_absent_channel_is_named(box, tmp_path: Path, name: str):
    planes = channels(box)
    del planes[name]
    with pytest.raises(KeyError, match=name):
        from_channels(planes)
    url = str(tmp_path / "truth.exr")
    write_exr(url, planes)
    with pytest.raises(InputDataError, match=name):
        read_truth(url)


# --- Truth from reference pictures


def pictures(box) -> tuple[np.ndarray, np.ndarray]:
    stylized = np.zeros((96, 112, 4), np.uint8)
    stylized[box.seen] = (200, 120, 60, 255)
    stylized[box.truth.line > 0.5, :3] = 0
    return stylized, (255 * box.truth.line).astype(np.uint8)


def test_a_reference_line_deep_inside_the_figure_is_an_occlusion_contour(box):
    stylized, contour = pictures(box)
    truth = from_reference(stylized, contour)
    np.testing.assert_array_equal(truth.beauty, from_straight_srgb(stylized))
    np.testing.assert_array_equal(truth.line, box.truth.line)
    assert truth.revealed is None
    centre = thin(tidy(truth.line > 0.5))
    # Distances are measured from centre lines: 0 on them, and to the inner one only where it is an occlusion.
    assert (truth.contour[centre] == 0).all()
    assert truth.occlusion[48, 60] == 0
    assert truth.occlusion[48, 50] == 10
    assert truth.occlusion[48, 21] == CONTOUR_RANGE  # on the outline, 39 px from the inner line
    assert truth.contour[48, 21] == 0
    np.testing.assert_array_equal(
        truth.contour, np.minimum(ndimage.distance_transform_edt(~centre), CONTOUR_RANGE).astype(np.float32)
    )


def test_an_outline_alone_occludes_nothing(box):
    stylized, contour = pictures(box)
    contour[19:77, 59:62] = 0
    truth = from_reference(stylized, contour)
    assert (truth.occlusion == CONTOUR_RANGE).all()
    assert truth.contour.min() == 0


def test_a_reference_without_a_line_has_no_contour(box):
    stylized, contour = pictures(box)
    truth = from_reference(stylized, 0 * contour)
    assert (truth.contour == CONTOUR_RANGE).all()
    assert (truth.occlusion == CONTOUR_RANGE).all()
    assert not truth.centre.any()


@pytest.mark.parametrize("kind", ["mask", "transparent"])
def test_reference_pictures_are_read_with_their_line(box, tmp_path: Path, kind: str):
    stylized, contour = pictures(box)
    Image.fromarray(stylized).save(tmp_path / "0007_stylized.png")
    line = contour if kind == "mask" else np.stack([0 * contour] * 3 + [contour], -1)
    Image.fromarray(line).save(tmp_path / "0007_contour.png")
    truth, expected = read_truth(str(tmp_path / "0007_stylized.png")), from_reference(stylized, contour)
    for name in ("beauty", "line", "contour", "occlusion", "to_centre", "width"):
        np.testing.assert_array_equal(getattr(truth, name), getattr(expected, name), err_msg=name)


def test_faulty_reference_pictures_are_named(box, tmp_path: Path):
    stylized, contour = pictures(box)
    url, line = tmp_path / "0007_stylized.png", tmp_path / "0007_contour.png"
    with pytest.raises(InputDataError, match=r"no such reference picture.*0007_stylized"):
        read_truth(str(url))
    Image.fromarray(stylized).save(url)
    with pytest.raises(InputDataError, match=r"no such reference picture.*0007_contour"):
        read_truth(str(url))
    Image.fromarray(contour[1:]).save(line)
    with pytest.raises(InputDataError, match=r"differ in size.*\(112, 95\).*\(112, 96\)"):
        read_truth(str(url))
    line.write_bytes(url.read_bytes()[:200])
    with pytest.raises(InputDataError, match=r"no readable picture.*0007_contour"):
        read_truth(str(url))
    line.write_bytes(b"no picture")
    with pytest.raises(InputDataError, match=r"no readable picture.*0007_contour"):
        read_truth(str(url))
