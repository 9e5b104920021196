import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model import reference
from model.warp import inconsistency, warp


def field(x: float, y: float, height: int = 6, width: int = 8) -> torch.Tensor:
    return torch.tensor([x, y]).view(1, 2, 1, 1).expand(1, 2, height, width)


def picture(height: int = 6, width: int = 8) -> torch.Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_no_motion_changes_nothing(mode):
    found, inside = warp(picture(), field(0, 0), mode)
    torch.testing.assert_close(found, picture(), rtol=0, atol=1e-6)
    assert inside.all()


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_what_moved_right_and_down_is_fetched_from_left_and_above(mode):
    found, inside = warp(picture(), field(2, 1), mode)
    torch.testing.assert_close(found[..., 1:, 2:], picture()[..., :-1, :-2], rtol=0, atol=1e-6)
    assert inside[0, 0, 1:, 2:].all()
    assert not inside[0, 0, 0].any()
    assert not inside[0, 0, :, :2].any()


def test_bilinear_equals_the_definition():
    motion = torch.randn(1, 2, 6, 8, generator=torch.Generator().manual_seed(1)) * 3
    found, _ = warp(picture(), motion)
    torch.testing.assert_close(found[0], reference.warp(picture()[0], motion[0]), rtol=0, atol=1e-5)


def test_nearest_never_mixes_and_half_a_pixel_outside_is_inside():
    ids = torch.tensor([3, 9]).view(1, 1, 1, 2)
    motion = torch.tensor([[0.5, -0.4], [0, 0]]).view(1, 2, 1, 2)
    found, inside = warp(ids, motion, "nearest")
    assert found.flatten().tolist() == [3, 9]
    assert inside.all()
    assert warp(ids, field(-0.5, 0, 1, 2), "nearest")[1].flatten().tolist() == [True, False]


def test_inconsistency_sums_motions_and_is_relative():
    go, back = torch.tensor([[1.0, 0], [1, 0], [100, 0]]), torch.tensor([[-1.0, 0], [1, 0], [-104, 0]])
    assert inconsistency(go, back).flatten().tolist() == [0, 1, 0]


sizes, steps = st.integers(1, 24), st.integers(-6, 6)


@given(sizes, sizes, st.integers(0, 2**31), st.sampled_from(["bilinear", "nearest"]))
def test_the_identity_changes_no_picture_of_any_size(height, width, seed, mode):
    # In 0..1: a place is rounded in the units of grid_sample, which the more shows, the more neighbours differ.
    x = torch.rand(1, 2, height, width, generator=torch.Generator().manual_seed(seed))
    found, inside = warp(x, torch.zeros(1, 2, height, width), mode)
    torch.testing.assert_close(found, x, rtol=0, atol=5e-6)
    assert inside.all()


@given(sizes, sizes, steps, steps, st.integers(0, 2**31), st.sampled_from(["bilinear", "nearest"]))
def test_going_and_coming_back_changes_nothing_that_stayed_in_sight(height, width, dx, dy, seed, mode):
    """Motion to the next frame and motion of the next frame are inverse on whatever both frames show."""
    x = torch.randn(1, 2, height, width, generator=torch.Generator().manual_seed(seed))
    motion = field(dx, dy, height, width)
    moved, known = warp(x, motion, mode)
    back, returned = warp(moved, -motion, mode)
    stayed = returned & (warp(known.float(), -motion, "nearest")[0] > 0)
    torch.testing.assert_close(back.where(stayed, x), x, rtol=0, atol=1e-4)
    assert int(stayed.sum()) == max(0, height - abs(dy)) * max(0, width - abs(dx))
    assert not inconsistency(motion, -motion).any()
