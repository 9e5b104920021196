import pytest
import torch
import torch.nn.functional as F

from model.flow import tv_l1
from model.warp import warp


def texture(side: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    layers = [
        F.interpolate(torch.rand(1, 1, side // k, side // k, generator=generator), (side, side), mode="bicubic")
        for k in (4, 8, 16)
    ]
    return torch.stack(layers).mean(0).clamp(0, 1)


@pytest.mark.parametrize("step", [(0.0, 0.0), (1.4, -0.6), (-3.0, 2.0)])
def test_a_textured_shift_is_found_with_its_sign(step):
    previous = texture(96)
    motion = torch.tensor(step).view(1, 2, 1, 1).expand(1, 2, 96, 96)
    current, _ = warp(previous, motion)
    middle = (..., slice(16, -16), slice(16, -16))
    error = (tv_l1(previous, current) - motion)[middle].norm(dim=1)
    assert error.median() < 0.1
    assert error.quantile(0.95) < 0.5


def test_rotation_and_scale_vary_the_motion():
    previous = texture(96, 1)
    y, x = torch.meshgrid(torch.arange(96.0) - 48, torch.arange(96.0) - 48, indexing="ij")
    motion = torch.stack([0.03 * x - 0.04 * y, 0.04 * x + 0.03 * y])[None]
    current, _ = warp(previous, motion)
    error = (tv_l1(previous, current) - motion)[..., 16:-16, 16:-16].norm(dim=1)
    assert error.median() < 0.3


def test_a_patch_moves_over_a_still_ground():
    previous, patch = texture(80, 2), texture(80, 3)
    current = previous.clone()
    previous[..., 24:54, 24:54] = current[..., 26:56, 28:58] = patch[..., 24:54, 24:54]
    found = tv_l1(previous, current)[0]
    assert (found[:, 34:50, 36:52].mean((1, 2)) - torch.tensor([4.0, 2.0])).abs().max() < 0.5
    assert found[:, :16].abs().max() < 0.5


def test_odd_and_small_pictures():
    assert tv_l1(torch.rand(2, 1, 5, 37), torch.rand(2, 1, 5, 37)).shape == (2, 2, 5, 37)
