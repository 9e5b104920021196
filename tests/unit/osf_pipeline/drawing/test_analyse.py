"""From a picture to all that a character is built of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from drawn_scans import iou, scan
from scipy import ndimage

from osf_pipeline.drawing.drawing import Drawing, analyse
from osf_pipeline.drawing.mask import Figure, read_mask
from osf_pipeline.drawing.picture import Picture, read_picture
from osf_pipeline.drawing.skeleton import Joint, Skeleton
from osf_pipeline.errors import InputDataError

SKELETON = Skeleton((Joint("root", 100.0, 180.0, None),))


def given(mask: np.ndarray) -> Figure:
    return Figure(mask, mask.astype(np.float32), ("a mask was given",))


def test_a_drawing_with_its_mask() -> None:
    drawn = scan()
    drawing = analyse(drawn.picture, given(drawn.mask), SKELETON)
    np.testing.assert_array_equal(drawing.mask, drawn.mask)
    assert not (drawing.contour & ~drawing.mask).any()
    kept = drawing.mask & ~drawing.contour
    np.testing.assert_array_equal(drawing.fill[kept], drawn.rgb[kept])
    assert drawing.fill.dtype == drawing.image.dtype == drawing.alpha.dtype == np.float32
    assert drawing.skeleton is SKELETON
    assert drawing.findings[0] == "a mask was given"
    assert "outline" in drawing.findings[-1]


def test_a_mask_with_a_rim_of_paper_is_told() -> None:
    drawn = scan()
    wide = ndimage.binary_dilation(drawn.mask, iterations=3)
    (told,) = [f for f in analyse(drawn.picture, given(wide), SKELETON).findings if "bare paper" in f]
    assert "about 3 pixels" in told
    assert not [f for f in analyse(drawn.picture, given(drawn.mask), SKELETON).findings if "bare paper" in f]


def test_a_drawing_alone_and_scaled_says_so() -> None:
    drawn = scan()
    picture = replace(drawn.picture, size=(880, 1040))
    drawing = analyse(picture, None, SKELETON)
    assert iou(drawing.mask, drawn.mask) > 0.97
    assert "880x1040" in drawing.findings[0]
    assert "220x260" in drawing.findings[0]


def test_figures_too_small_or_all_line_are_refused() -> None:
    drawn = scan()
    small = np.zeros_like(drawn.mask)
    small[10:50, 10:50] = True
    with pytest.raises(InputDataError, match="too small"):
        analyse(drawn.picture, given(small), SKELETON)


def test_a_figure_at_the_pictures_border() -> None:
    drawn = scan()
    picture = Picture(drawn.rgb[:, 60:], None, (160, 260))
    drawing = analyse(picture, given(drawn.mask[:, 60:]), SKELETON)
    assert drawing.mask[:, 0].any()
    assert np.isfinite(drawing.fill).all()
    assert np.isfinite(drawing.strip.strip).all()


@pytest.mark.data
@pytest.mark.parametrize("name", ["char1", "char3", "char4", "char5", "char6"])
def test_real_drawings_lose_their_outline_and_keep_the_rest(shared_data: Path, name: str) -> None:
    folder = shared_data / "drawings" / name
    picture = read_picture(str(folder / "texture.png"))
    drawing = analyse(picture, read_mask(str(folder / "mask.png"), picture), SKELETON)
    assert _along_the_edge(drawing, drawing.fill) < 0.35 * _along_the_edge(drawing, drawing.image)
    kept = drawing.mask & ~drawing.contour
    np.testing.assert_array_equal(drawing.fill[kept], drawing.image[kept])


def _along_the_edge(drawing: Drawing, rgb: np.ndarray) -> float:
    """How much colours vary across the outer eighth-inch of the figure: the line, and paper beside it."""
    deep = ndimage.distance_transform_edt(drawing.mask)
    band = (deep > 0) & (deep < 2 * np.median(drawing.strip.inner[drawing.strip.inner > 0]))
    grey = rgb.mean(axis=2)
    return float(ndimage.gaussian_gradient_magnitude(grey, 1.0)[band].mean())
