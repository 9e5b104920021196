import numpy as np
import pytest
from scipy import ndimage

from osf_pipeline.bench.methods.edges import (
    Carried,
    Detected,
    Found,
    RestBox,
    agreeing,
    motion_boundaries,
    outline,
    rest_edges,
)
from osf_pipeline.training.exemplar import prepare


@pytest.fixture(scope="module")
def box(drawn) -> RestBox:
    return RestBox.of([prepare(drawn)])


def still(size: int = 96) -> np.ndarray:
    return np.zeros((2, size, size), np.float32)


def test_a_jump_of_eight_percent_is_an_edge_and_one_of_seven_is_not():
    seen = np.ones((16, 16), bool)
    for share, found in ((0.08, True), (0.07, False)):
        stored = np.zeros((3, 16, 16), np.float32)
        stored[2, :, 8:] = share
        edges = rest_edges(stored, seen)
        assert edges[:, 7:9].all() == found
        assert not edges[:, :7].any()
        assert not edges[:, 9:].any()


def test_a_silhouette_is_marked_on_both_sides():
    seen = np.zeros((16, 16), bool)
    seen[:, 8:] = True
    assert np.flatnonzero(outline(seen)[8]).tolist() == [7, 8]


def test_the_box_is_as_deep_behind_the_outline_as_before_it():
    from osf_pipeline.training.exemplar import exemplar_from_arrays

    y, x = np.mgrid[:64, :64].astype(np.float32)
    inside = np.clip(400 - (x - 32) ** 2 - (y - 32) ** 2, 0, None)
    seen, height = inside > 0, 0.01 * np.sqrt(inside)
    # The picture's depth runs along the second rest axis: camera at -y.
    rest = np.stack([0.01 * x, -height, -0.01 * y]) * seen
    buffers = {
        "color": np.repeat(seen[None], 4, 0).astype(np.float32),
        "depth": np.where(seen, 5 - height, np.inf).astype(np.float32)[None],
        "normal": np.stack([0 * x, 0 * x, seen]).astype(np.float32),
        "rest_position": rest.astype(np.float32),
        "part_id": seen[None].astype(np.uint16),
        "object_id": seen[None].astype(np.uint16),
    }
    drawing = np.concatenate([np.full((3, 64, 64), 0.5), seen[None]]).astype(np.float32)
    found = RestBox.of([prepare(exemplar_from_arrays(buffers, drawing))])
    assert found.plane == (0, 2)
    assert found.low[1] == pytest.approx(-0.2, abs=0.01)
    assert found.high[1] == pytest.approx(0.2, abs=0.07)
    assert (found.high - found.low)[0] == pytest.approx(0.38, abs=0.02)


def test_eight_bits(box):
    size = (box.high - box.low)[:, None, None]
    rest = np.concatenate([box.low[:, None, None] + size * share for share in (0.5, 1.2)], 2)
    stored = box.eight_bit(rest, np.array([[True, True]]))
    np.testing.assert_allclose(stored[0, 0], [128 / 255, 1], atol=1e-6)
    assert not box.eight_bit(rest, np.array([[False, False]])).any()


def test_detected_edges_include_the_arm_before_the_body(shot, box):
    edges = Detected(box)(shot(40), 0)
    assert edges[55, 39:41].all()
    assert not edges[55, 42:50].any()


def test_carried_edges_move_with_the_flow(shot, box):
    """The frames stay; the flow says that everything moved 3 pixels to the right."""
    frames = shot(40, 40)
    flow = still()
    flow[0] = 3
    frames.motion = {1: (flow, flow)}
    before, after = Detected(box)(frames, 0), Carried(box)(frames, 1)
    silhouette = outline(frames[1]["part_id"][0] > 0)
    near = ndimage.binary_dilation(silhouette, np.ones((3, 3)), 3)
    np.testing.assert_array_equal(after[silhouette], np.full(silhouette.sum(), True))
    np.testing.assert_array_equal((after & ~near)[:, 8:], (np.roll(before, 3, 1) & ~near)[:, 8:])
    assert (after & ~near)[:, 8:].any()
    assert not (after & near & ~silhouette).any()


def test_edges_are_detected_anew_where_flows_disagree(shot, box):
    frames = shot(40, 50)
    back, forth = still(), still()
    forth[0] = 9
    frames.motion = {1: (back, forth)}
    new, carried = Detected(box)(frames, 1), Carried(box)(frames, 1)
    assert carried[55, 49:51].all()
    assert not (carried & ~new).any()


def test_frames_may_be_asked_in_any_order(shot, box):
    frames = shot(40, 41, 42, 43)
    rng = np.random.default_rng(0)
    frames.motion = {p: (f := rng.integers(-2, 3, (2, 96, 96)).astype(np.float32), f) for p in (1, 2, 3)}
    walking, jumping = Carried(box), Carried(box)
    forwards = [walking(frames, p) for p in range(4)]
    for p in (3, 1, 2, 0, 3):
        np.testing.assert_array_equal(jumping(frames, p), forwards[p])
    other = shot(60)
    np.testing.assert_array_equal(jumping(other, 0), Detected(box)(other, 0))
    assert (forwards[3] != forwards[0]).any()


def test_agreement_is_sampled_where_the_flow_comes_from():
    back = still(16)
    back[0] = 4
    forth = still(16)
    forth[0, :, 6:10] = 4
    kept = agreeing(back, forth)
    assert kept[:, 10:14].all()
    assert not kept[:, 6:9].any()


def test_motion_boundaries_lie_between_what_moves_and_what_does_not():
    flow = still(32)
    flow[0, 8:24, 12:20] = 5
    found = motion_boundaries(flow)
    columns = np.flatnonzero(found[16])
    assert set(columns) <= {11, 12, 13, 19, 20, 21}
    assert {11, 12} & set(columns)
    assert {19, 20} & set(columns)
    assert not motion_boundaries(np.full((2, 32, 32), 5, np.float32)).any()


def test_found_edges_are_silhouettes_and_motion(shot):
    frames = shot(40, 44)
    flow = still()
    flow[1, 40:60, 42:50] = 4
    frames.motion = {1: (flow, still())}
    first, second = Found()(frames, 0), Found()(frames, 1)
    np.testing.assert_array_equal(first, outline(frames[0]["part_id"][0] > 0))
    assert second[39:42, 44:48].any()
    single = shot(40)
    np.testing.assert_array_equal(Found()(single, 0), outline(single[0]["part_id"][0] > 0))
