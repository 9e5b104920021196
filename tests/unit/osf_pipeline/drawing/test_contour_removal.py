"""The line along the silhouette goes; what is drawn inside, limbs of one stroke, and colour without a line stay."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_scans import INK, ORANGE, PAPER, Scan, scan
from scipy import ndimage

from osf_pipeline.drawing.contour import Cut, Line, cut_contour, find_line
from osf_pipeline.drawing.fill import continued
from osf_pipeline.drawing.outline import outlines


def remove(drawn: Scan, mask: np.ndarray | None = None) -> tuple[tuple[Line, ...], Cut, np.ndarray]:
    mask = drawn.mask if mask is None else mask
    lines = tuple(find_line(drawn.rgb, mask, outline) for outline in outlines(mask))
    cut = cut_contour(drawn.rgb, mask, lines)
    keep = mask & ~cut.contour
    return lines, cut, continued(drawn.rgb, keep & ~cut.strokes, keep, blur=2.0)


def test_an_outline_runs_along_the_border_and_knows_its_inside() -> None:
    y, x = np.mgrid[:80, :90]
    ring = (np.hypot(x - 44, y - 40) < 30) & (np.hypot(x - 44, y - 40) > 12)
    silhouette, hole = outlines(ring)
    np.testing.assert_allclose(np.hypot(*(silhouette.path - (44, 40)).T), 29.6, atol=0.7)
    np.testing.assert_allclose(np.hypot(*(hole.path - (44, 40)).T), 11.9, atol=0.5)
    assert len(silhouette.path) == pytest.approx(2 * np.pi * 29.6, rel=0.02)
    for outline, side in ((silhouette, -1), (hole, 1)):
        outward = (outline.path - (44, 40)) / np.hypot(*(outline.path - (44, 40)).T)[:, None]
        assert (side * (outward * outline.inward).sum(axis=1) > 0.97).all()
    ramp = np.stack([x, y], axis=2).astype(float)
    depth = np.array([-2.0, 0.0, 5.0])
    np.testing.assert_allclose(silhouette.unroll(ramp, depth), silhouette.points(depth), atol=1e-9)


@pytest.mark.parametrize("pen", [3.0, 5.0, 9.0])
@pytest.mark.parametrize("colour", [None, ORANGE])
def test_the_line_is_measured_and_taken_away(pen: float, colour: np.ndarray | None) -> None:
    drawn = scan(pen=pen, colour=colour)
    (line, *_), cut, fill = remove(drawn)
    assert line.width == pytest.approx(pen, abs=1.5)
    on_line = ndimage.binary_erosion(drawn.line & ~drawn.stroke & ~ndimage.binary_dilation(drawn.arm, iterations=12))
    assert cut.contour[on_line].mean() > 0.99
    flat = PAPER if colour is None else colour
    body = drawn.mask & ~drawn.arm & ~drawn.stroke
    shade = 1 - 0.15 * np.arange(drawn.rgb.shape[1]) / drawn.rgb.shape[1]
    off = np.abs(fill - flat * shade[None, :, None]).max(axis=2)
    assert np.quantile(off[cut.contour & body], 0.9) < 0.08
    assert line.ink[line.found].mean(axis=0) == pytest.approx(INK * 0.92, abs=0.15)


def test_a_pen_known_elsewhere_is_seen_on_dark_colour() -> None:
    teal = np.array([0.3, 0.42, 0.48])
    drawn = scan(colour=teal, bare_head=True)
    (line, *_), cut, fill = remove(drawn)
    body = drawn.line & ~drawn.stroke & ~ndimage.binary_dilation(drawn.arm, iterations=12)
    body[:120] = False
    assert cut.contour[body].mean() > 0.97
    assert np.abs(fill[body] - 0.92 * teal).max(axis=1).mean() < 0.08
    assert line.cut[line.found].max() < 14


def test_all_else_keeps_its_pixels() -> None:
    drawn = scan(colour=ORANGE)
    _, cut, fill = remove(drawn)
    kept = drawn.mask & ~cut.contour
    np.testing.assert_array_equal(fill[kept], drawn.rgb[kept])
    deep = drawn.mask & (ndimage.distance_transform_edt(drawn.mask & ~drawn.arm) > 10)
    deep &= ~ndimage.binary_dilation(drawn.line | drawn.arm, iterations=3)
    deep[140:160, 140:] = False  # where the arm's stroke ends inside
    assert not cut.contour[deep].any()
    assert np.abs(fill[62, 92] - INK).max() < 0.1  # the eye


def test_a_stroke_that_begins_on_the_outline_is_cut_off_at_the_line() -> None:
    drawn = scan()
    _, cut, fill = remove(drawn)
    assert cut.strokes.any()
    assert np.abs(fill[190, 60:105] - INK).max() < 0.2
    start = int(np.argmax(drawn.mask[190]))
    assert fill[190, start : start + 4].min() > 0.6  # no smear of the stroke where the line was


def test_a_limb_of_one_stroke_stays_ink() -> None:
    drawn = scan()
    (line, *_), cut, fill = remove(drawn, ndimage.binary_dilation(drawn.mask, iterations=3))
    at = np.abs(line.outline.path - (190, 150)).sum(axis=1) < 12
    assert at.any()
    assert not line.found[at].any()
    assert fill[145:156, 175:200].max() < 0.5  # the paper around it has become ink too
    assert not cut.contour[150, 175:200].any()


def test_colour_that_ends_without_a_line_loses_only_the_paper_around_it() -> None:
    y, x = np.mgrid[:160, :160].astype(float)
    disc = np.hypot(x - 80, y - 80) - 50
    rgb = ndimage.gaussian_filter(np.where((disc < 0)[..., None], ORANGE, PAPER), (0.7, 0.7, 0)).astype(np.float32)
    mask = disc < 4
    (line,) = (find_line(rgb, mask, outline) for outline in outlines(mask))
    assert not line.found.any()
    cut = cut_contour(rgb, mask, (line,))
    assert cut.contour[mask & (disc > 0.5)].all()
    assert not cut.contour[disc < -2].any()


def test_colour_goes_on_beyond_the_figure() -> None:
    drawn = scan(colour=ORANGE)
    _, _, fill = remove(drawn, ndimage.binary_dilation(drawn.mask, iterations=3))
    distance = ndimage.distance_transform_edt(~drawn.mask)
    ring = (distance > 0) & (distance <= 24)
    ring[:, 140:] = False  # the arm's side
    ring[:110] = False  # the neck's
    paper_like = np.abs(fill - PAPER).max(axis=2) < 0.25
    assert not paper_like[ring].any()
    assert np.isfinite(fill).all()


def test_stripes_and_grain_run_on_to_the_border() -> None:
    stripes = np.where((np.arange(60) // 15 % 2)[:, None, None] == 1, 0.8, 0.3) * np.ones((60, 50, 3))
    grain = np.random.default_rng(0).normal(0, 0.02, stripes.shape)
    known = np.zeros((60, 50), bool)
    known[:, :30] = True
    filled = continued((stripes + grain).astype(np.float32), known, known, blur=1.5)
    middle = np.abs(np.arange(60) % 15 - 7) < 3
    off = (filled - stripes)[middle, 35:]
    assert np.abs(off).mean() < 0.03
    assert 0.005 < off.std() < 0.03


def test_the_same_picture_gives_the_same_bytes() -> None:
    one, other = (remove(scan())[2] for _ in range(2))
    assert one.tobytes() == other.tobytes()
