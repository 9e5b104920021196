import torch

from model.inputs import DRAWN_LINE, INK, INPUTS, Guides, pack


def test_channels_are_named_in_order_and_bounded():
    color = torch.rand(1, 4, 8, 8) * 5 - 1
    distance = torch.arange(64.0).view(1, 1, 8, 8)
    side = distance < 20
    packed = dict(zip(INPUTS, pack(color, Guides(distance, side), torch.zeros(1, 4, 8, 8), stroke=7.0)[0], strict=True))
    assert torch.equal(packed["alpha"], color[0, 3].clamp(0, 1))
    signed = packed["signed_contour"].flatten()
    assert signed[5] == 0.5
    assert signed[15] == 1
    assert signed[40] == -1
    assert packed["soft_edge"][0, 0] == 1
    assert all(channel.abs().max() <= 1 for channel in packed.values())


def test_the_far_side_of_a_contour_looks_different_from_its_owner():
    color, distance = torch.zeros(1, 4, 4, 4), torch.full((1, 1, 4, 4), 2.0)
    near = pack(color, Guides(distance, torch.ones(1, 1, 4, 4, dtype=torch.bool)), torch.zeros(1, 4, 4, 4), 5.0)
    far = pack(color, Guides(distance, torch.zeros(1, 1, 4, 4, dtype=torch.bool)), torch.zeros(1, 4, 4, 4), 5.0)
    assert torch.equal(near[:, 4], -far[:, 4])


def test_the_drawn_line_is_passed_on():
    drawn = torch.rand(1, 4, 4, 4)
    guides = Guides(torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4, dtype=torch.bool))
    packed = pack(torch.zeros(1, 4, 4, 4), guides, drawn, stroke=2.0)
    assert packed[:, INK].equal(drawn[:, :3])
    assert packed[:, DRAWN_LINE].equal(drawn[:, 3:])
