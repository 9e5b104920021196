import numpy as np
import pytest
import torch
from scipy import ndimage

from model.strokes import FINE, NOWHERE
from osf_pipeline.errors import InputDataError
from osf_pipeline.training.exemplar import drawn_line, exemplar_from_arrays, prepare, without_halo
from osf_pipeline.training.line import measure_line


def test_stroke_width_is_measured_from_the_drawing(keyframe):
    assert prepare(exemplar_from_arrays(*keyframe)).stroke == pytest.approx(5, abs=1)


def test_a_line_beside_the_contour_is_measured_where_it_lies():
    signed = np.tile(np.arange(-20, 20), (40, 1)).astype(float)
    profile = measure_line(signed, (signed >= 2) & (signed < 8), np.ones_like(signed, bool))
    assert (profile.start, profile.stop, profile.halo, profile.stroke) == (2, 8, 2, 6)


def test_a_line_outside_the_contour_counts_too():
    signed = np.tile(np.arange(-20, 20), (40, 1)).astype(float)
    profile = measure_line(signed, (signed >= -3) & (signed < 3), np.ones_like(signed, bool))
    assert (profile.start, profile.stop, profile.halo, profile.stroke) == (-3, 3, 0, 6)


def test_a_line_outside_the_figure_is_kept_in_its_whole_breadth(make_keyframe):
    buffers, drawing = make_keyframe(ink=(0.8, 0.7, 0.5))  # of the fill's colour: no line inside
    away = ndimage.distance_transform_edt(drawing[3] == 0)
    band = (away > 0) & (away <= 6)
    drawing[:3, band], drawing[3, band] = 0.1, 1
    exemplar = prepare(exemplar_from_arrays(buffers, drawing))
    assert (exemplar.profile.start, exemplar.profile.stop) == (-6, 0)
    line = drawn_line([exemplar])
    alpha = line.values[-1, ::FINE, 3]
    assert alpha[line.reach - 5 : line.reach].min() > 0.8
    assert alpha[line.reach + 3 :].max() < 0.1


def test_without_ink_there_is_no_line(make_keyframe):
    exemplar = prepare(exemplar_from_arrays(*make_keyframe(ink=(0.8, 0.7, 0.5))))
    assert (exemplar.profile.stroke, exemplar.stroke) == (0, 2)
    assert drawn_line([exemplar]).rows == 0


def test_a_rim_paler_than_the_line_is_halo_though_it_counts_as_ink():
    signed = np.tile(np.arange(-20, 20), (40, 1)).astype(float)
    strength = np.select([signed < 0, signed < 1, signed < 2, signed < 9], [0, 0.28, 0.4, 0.46], 0.05)
    assert measure_line(signed, strength, np.ones_like(signed, bool)).halo == 1
    pale = np.where((signed >= 1) & (signed < 2), 0.3, strength)
    assert measure_line(signed, pale, np.ones_like(signed, bool)).halo == 2


@pytest.mark.parametrize("ids", [(1, 2, 3), (40, 7, 900), (3, 1, 2)])
def test_limbs_hang_on_the_largest_part_whatever_the_numbers(make_keyframe, ids):
    limbs = prepare(exemplar_from_arrays(*make_keyframe(ids))).figure.limbs
    assert len(limbs) == 2
    left, right = sorted(limbs, key=lambda limb: limb.centre[0])
    assert left.centre[0] < right.centre[0]
    assert left.surface.sum().item() == pytest.approx(right.surface.sum().item(), rel=0.1)
    # The cut is where the arm meets the body: its right end.
    columns = ((left.outline[:, 3:] > 0.5) & left.surface)[0, 0].nonzero()[:, 1].float()
    assert columns.mean() > left.centre[0] + 8


def test_a_figure_of_one_part_is_laid_over_itself(make_keyframe):
    buffers, drawing = make_keyframe((1, 1, 1))
    (whole,) = prepare(exemplar_from_arrays(buffers, drawing)).figure.limbs
    assert whole.surface.sum() == (buffers["part_id"] > 0).sum()
    assert whole.outline.abs().max() == 0


def test_a_figure_of_small_parts_alone_is_laid_over_itself(make_keyframe):
    buffers, drawing = make_keyframe((1, 1, 1))
    buffers["part_id"][:] = 0
    buffers["part_id"][0, 44:53, 44:53] = np.where(np.arange(9) < 5, 1, 2)
    (whole,) = prepare(exemplar_from_arrays(buffers, drawing)).figure.limbs
    assert whole.surface.sum() == 81


def test_ink_comes_from_the_drawn_line(keyframe):
    line = drawn_line([prepare(exemplar_from_arrays(*keyframe))])
    row, contour = line.values[-1], FINE * line.reach
    torch.testing.assert_close(row[contour + 2 * FINE, :3], torch.tensor([0.1, 0.05, 0.3]), atol=0.02, rtol=0)
    assert row[contour + 2 * FINE, 3] > 0.95
    assert row[contour + 10 * FINE :, 3].max() < 0.05
    assert row[: contour - 2 * FINE, 3].max() < 0.05


def test_ink_keeps_its_own_colour_along_the_line(keyframe):
    """Where it covers, its colour is the drawing's, and no mean of hereabouts."""
    buffers, drawing = keyframe
    redder = (drawing[0] == np.float32(0.1)) & (np.arange(drawing.shape[2]) // 5 % 2 == 0)
    drawing[:3, redder] = np.array([0.3, 0.05, 0.1], np.float32)[:, None]
    stroke = drawn_line([prepare(exemplar_from_arrays(buffers, drawing))])
    red = stroke.values[:-1, FINE * (stroke.reach + 2), 0]
    assert red.quantile(0.1) < 0.15
    assert red.quantile(0.9) > 0.25


def test_bare_paper_beside_the_line_does_not_pale_its_ink(make_keyframe):
    buffers, drawing = make_keyframe(ink=(0.5, 0.4, 0.25))
    inside = ndimage.distance_transform_edt(drawing[3] > 0)
    drawing[:3, (inside > 0) & (inside <= 3)] = 1
    stroke = drawn_line([prepare(exemplar_from_arrays(buffers, drawing), trim_halo=False)])
    red = stroke.values[:-1, FINE * (stroke.reach + 4), 0]
    assert red.median() == pytest.approx(0.5, abs=0.05)


def test_a_stroke_that_leaves_the_line_is_no_part_of_it(keyframe):
    """Where another stroke meets the outline, the line goes on as it does on either side."""
    buffers, drawing = keyframe
    clean = drawn_line([prepare(exemplar_from_arrays(buffers, drawing))])
    rows, columns = (drawing[3] > 0).nonzero()
    middle = (columns.min() + columns.max()) // 2
    drawing[:3, rows.min() : rows.min() + 16, middle - 2 : middle + 3] = drawing[:3, rows.min(), middle][:, None, None]
    crossed = drawn_line([prepare(exemplar_from_arrays(buffers, drawing))])
    away = (crossed.rest > NOWHERE / 2).any(1)
    assert 5 <= away.sum() < 40
    assert crossed.values[:-1][..., 3].sum(1).max() < 1.1 * clean.values[:-1][..., 3].sum(1).max()
    assert crossed.values[:-1][away].std(0).max() > 0


def test_the_paper_edge_of_a_cut_out_is_no_white_line(keyframe):
    buffers, drawing = keyframe
    rim = (drawing[3] > 0) & (ndimage.distance_transform_edt(drawing[3] > 0) <= 1)
    drawing[:3, rim] = 0.95
    stroke = drawn_line([prepare(exemplar_from_arrays(buffers, drawing), trim_halo=False)])
    outer = stroke.values[:-1, FINE * stroke.reach : FINE * (stroke.reach + 1)]
    assert ((outer[..., :3].min(-1).values > 0.9) & (outer[..., 3] > 0.1)).float().mean() == 0


def test_halo_is_painted_over_from_inside():
    target = torch.zeros(1, 4, 20, 20)
    target[:, 3, 4:16, 4:16] = 1
    target[:, :3, 4:16, 4:16] = 0.9  # paper
    target[:, :3, 6:14, 6:14] = 0.5  # half of either
    target[:, :3, 7:13, 7:13] = 0.1  # ink
    trimmed = without_halo(target, 2)
    assert trimmed[0, :3, 4:16, 4:16].max() == pytest.approx(0.1)
    assert trimmed[0, 3].equal(target[0, 3])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b, d: (b.pop("depth"), None), "lacks buffers"),
        (lambda b, d: (b["part_id"].fill(0), None), "no surface"),
        (lambda b, d: (d[3].fill(0), None), "empty"),
    ],
)
def test_wrong_exemplars_are_refused(keyframe, change, message):
    change(*keyframe)
    with pytest.raises(InputDataError, match=message):
        exemplar_from_arrays(*keyframe)


def test_keyframes_that_say_nothing_of_the_surface_are_refused(keyframe):
    buffers, drawing = keyframe
    flat = buffers | {"rest_position": np.zeros_like(buffers["rest_position"])}
    with pytest.raises(InputDataError, match="all alike"):
        prepare(exemplar_from_arrays(flat, drawing))
    lone = buffers | {"part_id": np.zeros_like(buffers["part_id"])}
    lone["part_id"][0, 48, 48] = 1
    with pytest.raises(InputDataError, match="too little surface"):
        prepare(exemplar_from_arrays(lone, drawing))


def test_an_unregistered_drawing_is_refused(keyframe):
    buffers, drawing = keyframe
    with pytest.raises(InputDataError, match="not registered"):
        exemplar_from_arrays(buffers, drawing[:, 1:])
