import numpy as np
import pytest

from osf_pipeline.errors import InputDataError
from osf_pipeline.evaluation.baselines import FRINGE, TextureLookup


def buffers(figure, frame: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Render, rest position and part id of one frame of the moving figure."""
    planes = figure.channels(frame)
    render = np.stack([planes[c] for c in "RGBA"]).astype(np.float32)
    rest = np.stack([planes[f"rest_position.{c}"] for c in "XYZ"])
    return render, rest, planes["part_id.I"]


@pytest.fixture(scope="module")
def drawing(figure) -> np.ndarray:
    """Every pixel of the figure a colour of its own."""
    _, _, part_id = buffers(figure, 0)
    rng = np.random.default_rng(0)
    out = np.zeros((4, *part_id.shape), np.float32)
    out[:3, part_id > 0] = rng.random((3, np.count_nonzero(part_id)))
    out[3] = part_id > 0
    return out


def test_keyframe_returns_the_drawing(figure, drawing):
    render, rest, part_id = buffers(figure, 0)
    painted = TextureLookup(drawing, rest, part_id).paint(render, rest, part_id)
    assert painted.dtype == np.float32
    np.testing.assert_array_equal(painted, drawing)


def test_the_drawing_moves_with_the_surface(figure, drawing):
    _, rest, part_id = buffers(figure, 0)
    lookup = TextureLookup(drawing, rest, part_id)
    painted = lookup.paint(*buffers(figure, 2))
    moved = np.roll(drawing, (-6, 10), (1, 2))  # velocity is 5 right and 3 up a frame
    np.testing.assert_array_equal(painted, moved)


def test_unseen_surface_shows_the_render(figure, drawing):
    render, rest, part_id = buffers(figure, 0)
    lookup = TextureLookup(drawing, rest, part_id)
    assert lookup.reach == pytest.approx(4 / 50, rel=1e-3)  # samples lie a 50th apart
    y, _ = np.mgrid[: figure.height, : figure.width]
    away = rest.copy()
    away[2] += np.where(y < 50, 2 * lookup.reach, 0)
    painted = lookup.paint(render, away, part_id)
    np.testing.assert_array_equal(painted[:, :50], render[:, :50])
    np.testing.assert_array_equal(painted[:, 50:], drawing[:, 50:])


def test_a_part_takes_nothing_from_another(figure, drawing):
    render, rest, part_id = buffers(figure, 0)
    only_left = drawing * (part_id == 1)
    painted = TextureLookup(only_left, rest, part_id).paint(render, rest, part_id)
    np.testing.assert_array_equal(painted[:, part_id == 1], drawing[:, part_id == 1])
    np.testing.assert_array_equal(painted[:, part_id == 2], render[:, part_id == 2])


def test_colour_is_straight_and_coverage_the_renders(figure, drawing):
    render, rest, part_id = buffers(figure, 0)
    lookup = TextureLookup(0.75 * drawing, rest, part_id)  # premultiplied, three quarters opaque
    painted = lookup.paint(0.5 * render, rest, part_id)
    np.testing.assert_allclose(painted, 0.5 * drawing, atol=1e-6)


def test_soft_edges_beyond_the_surface_samples_take_the_drawing_a_little_way(figure, drawing):
    render, rest, part_id = buffers(figure, 0)
    render[:, part_id == 0] = 0.5  # coverage everywhere
    flat = np.where(part_id > 0, np.array([1, 0, 0, 1], np.float32)[:, None, None], 0).astype(np.float32)
    painted = TextureLookup(flat, rest, part_id).paint(render, rest, part_id)
    right = int(np.flatnonzero(part_id[52]).max())
    np.testing.assert_array_equal(painted[:3, 52, right + FRINGE], [0.5, 0, 0])
    np.testing.assert_array_equal(painted[:3, 52, right + FRINGE + 1], [0.5, 0.5, 0.5])


def test_a_frame_without_known_surface_is_the_render(figure, drawing):
    render, rest, part_id = buffers(figure, 0)
    painted = TextureLookup(drawing, rest, part_id).paint(render, rest, 0 * part_id)
    np.testing.assert_array_equal(painted, render)


def test_a_drawing_beside_its_keyframe_is_refused(figure, drawing):
    _, rest, part_id = buffers(figure, 0)
    with pytest.raises(InputDataError, match="covers nothing"):
        TextureLookup(0 * drawing, rest, part_id)
    with pytest.raises(InputDataError, match="covers nothing"):
        TextureLookup(drawing, rest, 0 * part_id)


def test_part_ids_that_a_scene_moved_are_recognised(figure, drawing):
    render, rest, part_id = buffers(figure, 0)
    lookup = TextureLookup(drawing, rest, part_id)
    moved = np.where(part_id > 0, part_id + 16, 0)
    np.testing.assert_array_equal(lookup.paint(render, rest, moved), render)
    painted = lookup.paint(render, rest, moved, (part_id > 0).astype(np.uint16))
    np.testing.assert_array_equal(painted, drawing)


def test_each_object_moves_its_part_ids_by_a_number_of_its_own(figure, drawing):
    render, rest, part_id = buffers(figure, 0)
    lookup = TextureLookup(drawing, rest, part_id)
    thing = part_id.astype(np.uint16)  # two objects of one part each
    moved = np.select([part_id == 1, part_id == 2], [1, 34])
    np.testing.assert_array_equal(lookup.paint(render, rest, moved, thing), drawing)
