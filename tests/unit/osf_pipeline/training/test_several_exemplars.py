"""A second drawing, of another side or of a part, changes what is learnt there and nowhere else."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from osf_pipeline.training.exemplar import PreparedExemplar, drawn_line, exemplar_from_arrays, prepare
from osf_pipeline.training.patches import PatchPool
from osf_pipeline.training.recipe import TrainRecipe

DARK, RED = (0.1, 0.05, 0.3), (0.8, 0.1, 0.1)
BEHIND = -0.6
"""Rest depth of the figure's back, scene units."""
Keyframe = Callable[..., tuple[dict[str, np.ndarray], np.ndarray]]


def drawn(
    make_keyframe: Keyframe, ink: tuple[float, ...], *, back: bool = False, mask: np.ndarray | None = None
) -> PreparedExemplar:
    """The figure from the front, or its back: as seen then, left is right, and other points of the surface."""
    buffers, drawing = make_keyframe(ink=ink)
    if back:
        buffers = {name: values[..., ::-1].copy() for name, values in buffers.items()}
        buffers["rest_position"][2] = np.where(buffers["part_id"][0] > 0, BEHIND, 0)
        drawing = drawing[..., ::-1].copy()
    return prepare(exemplar_from_arrays(buffers, drawing, None if mask is None else mask[None].astype(np.float32)))


def ink_at(exemplars: list[PreparedExemplar], asked: PreparedExemplar, where: np.ndarray | None = None) -> torch.Tensor:
    """Mean colour of the line that a style of some exemplars lays along the contours of a view."""
    strokes, sheet = drawn_line(exemplars), asked.figure.sheet
    found = PatchPool([asked], strokes, TrainRecipe()).picture(sheet, asked).contours
    line = strokes(found.distance, found.side, sheet.rest)[0]
    strong = (line[3] > 0.5) & (sheet.part > 0)[0, 0]
    if where is not None:
        strong &= torch.from_numpy(where)
    return line[:3, strong].mean(1)


def columns(view: PreparedExemplar, *, left: bool) -> np.ndarray:
    """Pixels of the far left or right of a view's picture, the arms."""
    height, width = view.figure.sheet.part.shape[2:]
    x = np.arange(width)[None].repeat(height, 0)
    middle = width / 2
    return x < middle - 18 if left else x > middle + 18


def test_a_second_exemplar_of_the_back_is_taken_there_and_not_in_front(make_keyframe: Keyframe) -> None:
    front, back = drawn(make_keyframe, DARK), drawn(make_keyframe, RED, back=True)
    torch.testing.assert_close(ink_at([front], back), torch.tensor(DARK), atol=0.03, rtol=0)
    torch.testing.assert_close(ink_at([front, back], back), torch.tensor(RED), atol=0.03, rtol=0)
    torch.testing.assert_close(ink_at([front, back], front), torch.tensor(DARK), atol=0.03, rtol=0)


def test_where_the_mask_is_black_no_line_is_taken(make_keyframe: Keyframe) -> None:
    """A second drawing of the same view in red, painted on the right alone."""
    size = make_keyframe()[1].shape[1:]
    right = np.broadcast_to(np.arange(size[1]) > size[1] / 2, size)
    whole, part = drawn(make_keyframe, DARK), drawn(make_keyframe, RED, mask=right)
    asked = drawn(make_keyframe, DARK)
    for left, ink in ((True, DARK), (False, RED)):
        found = ink_at([part, whole], asked, columns(asked, left=left))
        torch.testing.assert_close(found, torch.tensor(ink), atol=0.05, rtol=0)


def test_where_the_mask_is_black_nothing_counts_in_training(make_keyframe: Keyframe) -> None:
    size = make_keyframe()[1].shape[1:]
    right = np.broadcast_to(np.arange(size[1]) > size[1] / 2, size)
    exemplar = drawn(make_keyframe, RED, mask=right)
    sheet = exemplar.figure.sheet
    seen = (sheet.part > 0)[0, 0].numpy()
    for left, weight in ((True, 0), (False, 1)):
        assert set(sheet.weight[0, 0].numpy()[columns(exemplar, left=left) & seen].tolist()) == {weight}


def test_every_exemplar_is_trained_on(make_keyframe: Keyframe) -> None:
    exemplars = [drawn(make_keyframe, DARK), drawn(make_keyframe, RED, back=True)]
    pool = PatchPool(exemplars, drawn_line(exemplars), TrainRecipe(composites=0, shrunk=0))
    depths = [float(pool.compose(number).sheet.rest[:, 2].min()) for number in range(4)]
    assert depths == pytest.approx([0, BEHIND, 0, BEHIND])


def test_a_drawing_of_twice_the_size_says_the_same_of_the_line(make_keyframe: Keyframe) -> None:
    """Rows of a larger exemplar are brought to the first one's pixels, and so is the stroke."""
    buffers, drawing = make_keyframe(ink=DARK)
    twice = {name: values.repeat(2, 1).repeat(2, 2) for name, values in buffers.items()}
    # Half pixels to either side of a small pixel's centre.
    seen, rest = twice["part_id"][0] > 0, buffers["rest_position"]
    step = float(np.median(np.abs(np.diff(rest[0], axis=1))[buffers["part_id"][0, :, 1:] > 0]))
    y, x = np.indices(seen.shape)
    twice["rest_position"][0] += np.where(seen, (x % 2 - 0.5) * step / 2, 0)
    twice["rest_position"][1] += np.where(seen, (0.5 - y % 2) * step / 2, 0)
    small = prepare(exemplar_from_arrays(buffers, drawing))
    large = prepare(exemplar_from_arrays(twice, drawing.repeat(2, 1).repeat(2, 2)))
    assert large.stroke == pytest.approx(2 * small.stroke, abs=1)
    alone, both = drawn_line([small]), drawn_line([small, large])
    assert both.rows == pytest.approx(2 * alone.rows, rel=0.03)
    first, second = both.values[: alone.rows, :, 3].mean(0), both.values[alone.rows : -1, :, 3].mean(0)
    assert second.sum() == pytest.approx(float(first.sum()), rel=0.15)
    pool = PatchPool([small, large], both, TrainRecipe(composites=0, shrunk=0))
    assert pool.stroke == pytest.approx(small.stroke, abs=0.6)
    assert [round(pool.compose(number).scale, 2) for number in range(2)] == [1, 2]
