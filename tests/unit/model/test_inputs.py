import torch

from model.inputs import INK, INPUTS, PLAIN_LINE, Guides, pack


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


def test_the_distance_is_counted_in_local_strokes():
    color, distance = torch.zeros(1, 4, 1, 2), torch.full((1, 1, 1, 2), 5.0)
    strokes = torch.tensor([[0.1, 0.1], [0.2, 0.2], [0.3, 0.3], [2.0, 0.0]]).view(1, 4, 1, 2)
    packed = pack(color, Guides(distance, torch.ones(1, 1, 1, 2, dtype=torch.bool)), strokes, stroke=7.0)
    assert packed[0, 4, 0].tolist() == [1.0, 0.5]  # 5 / (2 + 3), and 5 / (7 + 3) where no width is told
    torch.testing.assert_close(packed[0, INK, 0, 0], torch.tensor([0.1, 0.2, 0.3]))
    assert packed[0, PLAIN_LINE, 0].tolist() == [[0.0, 1.0]]  # 5 px from the contour: past 2 px of line, within 7


def test_the_plain_line_lies_on_the_owner_alone():
    distance = torch.arange(6.0).view(1, 1, 1, 6)
    for side in (True, False):
        guides = Guides(distance, torch.full((1, 1, 1, 6), side))
        plain = pack(torch.zeros(1, 4, 1, 6), guides, torch.zeros(1, 4, 1, 6), stroke=2.0)[0, PLAIN_LINE].flatten()
        assert plain.tolist() == ([1, 1, 0.5, 0, 0, 0] if side else [0] * 6)
