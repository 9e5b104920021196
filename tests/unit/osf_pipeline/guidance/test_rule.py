import numpy as np
import pytest
import torch

from osf_pipeline.buffers import GBUFFER
from osf_pipeline.config import Camera
from osf_pipeline.errors import InputDataError
from osf_pipeline.guidance.rule import shot_rule


def frames() -> dict[str, np.ndarray]:
    """A 20 x 10 unit card at two pixels a unit and distance 8, with a small object elsewhere."""
    names = ("depth", "normal", "rest_position", "part_id", "object_id")
    found = {name: GBUFFER[name].empty(2, 32, 64) for name in names}
    y, x = np.mgrid[:32, :64].astype(np.float32)
    card = (slice(None), slice(None), slice(4, 25), slice(4, 45))
    found["depth"][card] = 8
    found["normal"][:, 2:][card] = 1
    found["rest_position"][:, 0:2, 4:25, 4:45] = np.stack([x, y])[None, :, 4:25, 4:45] / 2
    found["part_id"][card] = found["object_id"][card] = 1
    other = (slice(None), slice(None), slice(4, 8), slice(50, 54))
    found["depth"][other], found["object_id"][other], found["rest_position"][other] = 8, 2, 900
    return found


def test_measured_from_the_frames():
    rule = shot_rule(frames())
    assert rule.pixel == pytest.approx(0.5)
    assert rule.depth_gap == pytest.approx(0.010 * 20)
    assert rule.rest_gap == pytest.approx(0.018 * 20)


def test_the_camera_and_the_rest_box_come_first():
    box = ((0.0, 0, 0), (10.0, 100, 1))
    ortho = shot_rule(frames(), camera=Camera(scale=16), display_width=64, rest_box=box, intersections=True)
    assert (ortho.pixel, ortho.rest_gap, ortho.intersections) == (0.25, pytest.approx(1.8), True)
    assert ortho.subject is None
    persp = shot_rule(frames(), camera=Camera(projection="persp", fov=90), display_width=64)
    assert persp.pixel == pytest.approx(2 * 8 / 64)
    assert persp.subject == 8
    assert persp.unit(torch.tensor([8.0, 16.0])).tolist() == pytest.approx([2 * 8 / 64, 4 * 8 / 64])


def test_frames_that_cannot_be_measured_are_refused():
    empty = {name: GBUFFER[name].empty(1, 8, 8) for name in frames()}
    with pytest.raises(InputDataError, match="no surface"):
        shot_rule(empty)
    turned = frames() | {"normal": np.zeros((2, 3, 32, 64), np.float16)}
    with pytest.raises(InputDataError, match="camera"):
        shot_rule(turned)
    flat = frames() | {"rest_position": np.zeros((2, 3, 32, 64), np.float32)}
    with pytest.raises(InputDataError, match="vary"):
        shot_rule(flat)


def test_read_only_arrays_are_welcome():
    found = frames()
    for array in found.values():
        array.setflags(write=False)
    shot_rule(found)
