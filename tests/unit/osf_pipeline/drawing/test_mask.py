"""A given mask is kept as it is or refused; without one the figure is found on paper, or the picture is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from drawn_scans import ORANGE, PAPER, iou, scan
from scipy import ndimage

from osf_pipeline.drawing.mask import Figure, find_figure, read_mask
from osf_pipeline.drawing.picture import Picture, read_picture
from osf_pipeline.errors import InputDataError


def disc(height: int = 60, width: int = 50, radius: float = 18) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.hypot(x - width / 2, y - height / 2) < radius


def picture(height: int = 60, width: int = 50, *, file: tuple[int, int] | None = None) -> Picture:
    return Picture(np.ones((height, width, 3), np.float32), None, file or (width, height))


def read(folder: Path, pixels: np.ndarray, drawing: Picture | None = None) -> Figure:
    PIL.Image.fromarray(pixels.astype(np.uint8)).save(folder / "mask.png")
    return read_mask(str(folder / "mask.png"), drawing or picture())


def test_a_mask_is_kept_to_the_pixel(tmp_path: Path) -> None:
    given = disc()
    given[28:30, :] = True  # touches two borders of the picture
    figure = read(tmp_path, 255 * given)
    np.testing.assert_array_equal(figure.mask, given)
    np.testing.assert_array_equal(figure.alpha >= 0.5, given)
    assert figure.alpha.dtype == np.float32
    assert ((figure.alpha > 0) & (figure.alpha < 1)).any()
    assert figure.findings == ()


def test_a_soft_mask_is_the_coverage(tmp_path: Path) -> None:
    y, x = np.mgrid[:60, :50]
    soft = (18 - np.hypot(x - 25, y - 30)).clip(0, 1)
    figure = read(tmp_path, np.rint(255 * soft))
    inner = soft > 0.5
    np.testing.assert_allclose(figure.alpha[inner], soft[inner], atol=0.005)


def test_a_cut_out_gives_the_mask_by_its_alpha(tmp_path: Path) -> None:
    pixels = np.zeros((60, 50, 4), np.uint8)  # black everywhere: only the alpha speaks
    pixels[..., 3] = 255 * disc()
    np.testing.assert_array_equal(read(tmp_path, pixels).mask, disc())
    PIL.Image.fromarray(pixels).save(tmp_path / "texture.png")
    figure = find_figure(read_picture(str(tmp_path / "texture.png")))
    np.testing.assert_array_equal(figure.mask, disc())
    assert "alpha" in figure.findings[0]


def test_a_mask_is_scaled_as_its_picture_was(tmp_path: Path) -> None:
    worked = picture(60, 50, file=(200, 240))
    for factor in (1, 2, 4):  # of the working size; 4 is the file's own
        large = np.kron(disc(), np.ones((factor, factor)))
        assert iou(read(tmp_path, 255 * large, worked).mask, disc()) > 0.97


def test_crumbs_and_pinholes_go_and_are_told(tmp_path: Path) -> None:
    given = disc()
    given[30, 25] = False
    given[2, 2:5] = True
    figure = read(tmp_path, 255 * given)
    np.testing.assert_array_equal(figure.mask, disc())
    assert [finding.split()[0] for finding in figure.findings] == ["1", "1"]
    assert "3 pixels" in figure.findings[0]
    assert "pinhole" in figure.findings[1]


def test_a_hole_that_was_meant_stays(tmp_path: Path) -> None:
    given = disc() & ~disc(radius=6)
    np.testing.assert_array_equal(read(tmp_path, 255 * given).mask, given)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (np.zeros((60, 50)), "empty"),
        (np.full((60, 50), 255), "whole picture"),
        (np.zeros((60, 60)), "another size"),
        (255 * np.concatenate([disc(30, 50, 12), disc(30, 50, 9)]), "several large pieces"),
    ],
)
def test_bad_masks_are_refused(tmp_path: Path, given: np.ndarray, problem: str) -> None:
    with pytest.raises(InputDataError, match=problem) as caught:
        read(tmp_path, given)
    assert caught.value.fix
    assert caught.value.where["file"].endswith("mask.png")
    if problem.startswith("several"):
        areas = caught.value.where["areas"]
        assert areas == [int(disc(30, 50, 12).sum()), int(disc(30, 50, 9).sum())]


@pytest.mark.parametrize("options", [{}, {"colour": ORANGE}, {"gap": 4}, {"pen": 3.0, "shade": 0.45}])
def test_a_drawing_is_found_on_paper(options: dict) -> None:
    drawn = scan(**options)
    figure = find_figure(drawn.picture)
    distance = ndimage.distance_transform_edt(~drawn.mask)
    assert figure.mask[ndimage.distance_transform_edt(drawn.mask) > 5].all()  # an open line leaves a dent
    assert iou(figure.mask, drawn.mask) > 0.97
    assert figure.mask[distance > 1.5].sum() == 0, "no rim of paper around the line"
    assert figure.mask[150, 195]  # the arm of one stroke
    np.testing.assert_array_equal(figure.alpha >= 0.5, figure.mask)
    assert len(figure.findings) == 2


def test_the_angle_between_limbs_stays_open() -> None:
    y, x = np.mgrid[:240, :240].astype(float)
    limb = [np.abs((x - 120) * np.cos(a) + (y - 60) * np.sin(a)) < 9 for a in (0.25, -0.25)]
    limbs = (limb[0] | limb[1]) & (y > 60) & (y < 200)
    rgb = np.where(limbs[..., None], ORANGE, PAPER).astype(np.float32)
    figure = find_figure(Picture(rgb, None, (240, 240)))
    assert iou(figure.mask, limbs) > 0.98
    assert not figure.mask[190, 120]


def blank(value: float) -> np.ndarray:
    return np.full((120, 100, 3), value) + np.random.default_rng(0).normal(0, 0.01, (120, 100, 1))


def two() -> np.ndarray:
    one = scan().rgb
    return np.concatenate([one, one], axis=1)


@pytest.mark.parametrize(
    ("rgb", "problem"),
    [
        (blank(0.8), "no drawing"),
        (np.random.default_rng(0).random((120, 100, 3)), "no plain paper"),
        (two(), "second drawing"),
        (scan(gap=9).rgb, "open outline"),
        (scan(colour=ORANGE).rgb[40:225, 100:], "border"),
        (np.ones((1, 1, 3)), "no drawing"),
    ],
)
def test_pictures_without_one_clear_figure_are_refused(rgb: np.ndarray, problem: str) -> None:
    with pytest.raises(InputDataError, match=problem) as caught:
        find_figure(Picture(rgb.astype(np.float32), None, rgb.shape[1::-1]))
    assert "mask.png" in caught.value.fix


@pytest.mark.data
@pytest.mark.parametrize("name", ["char1", "char3", "char4", "char5", "char6"])
def test_real_drawings_are_found_within_what_people_masked(shared_data: Path, name: str) -> None:
    """Masks made by hand have a rim of paper two to four pixels broad; thin lines at the border may fall off."""
    drawing = read_picture(str(shared_data / "drawings" / name / "texture.png"))
    given = read_mask(str(shared_data / "drawings" / name / "mask.png"), drawing).mask
    found = find_figure(drawing).mask
    assert (found & given).sum() / found.sum() > 0.995
    core = ndimage.distance_transform_edt(given) > 5
    assert (found & core).sum() / core.sum() > 0.95
