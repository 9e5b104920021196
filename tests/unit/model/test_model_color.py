import torch

from model import color


def test_srgb_curve_at_known_points_and_back():
    linear = torch.tensor([0.0, 0.0031308, 0.214041, 1.0])
    encoded = color.srgb_encode(linear)
    torch.testing.assert_close(encoded, torch.tensor([0.0, 0.04045, 0.5, 1.0]), atol=2e-5, rtol=0)
    torch.testing.assert_close(color.srgb_decode(encoded), linear, atol=1e-6, rtol=1e-5)


def test_encode_has_a_finite_gradient_at_black():
    x = torch.zeros(3, requires_grad=True)
    color.srgb_encode(x).sum().backward()
    assert x.grad.isfinite().all()


def test_network_view_is_bounded_whatever_the_render_holds():
    wild = torch.tensor([30000.0, -2.0, 0.5, 1.0]).view(1, 4, 1, 1)
    torch.testing.assert_close(color.display_premultiplied(wild).flatten()[:2], torch.tensor([1.0, 0.0]))


def test_view_is_encoded_before_it_is_premultiplied():
    half_covered = torch.tensor([0.214041 / 2, 0, 0, 0.5]).view(1, 4, 1, 1)
    assert abs(color.display_premultiplied(half_covered)[0, 0].item() - 0.25) < 1e-4


def test_drawing_on_white_is_itself():
    drawing = torch.tensor([0.2, 0.5, 0.9, 1.0]).view(1, 4, 1, 1)
    torch.testing.assert_close(color.on_white(color.from_drawing(drawing)), drawing[:, :3], atol=1e-5, rtol=0)


def test_over_covers_by_the_front_alpha():
    front = torch.tensor([0.25, 0.0, 0.0, 0.5]).view(1, 4, 1, 1)
    back = torch.tensor([0.0, 1.0, 0.0, 1.0]).view(1, 4, 1, 1)
    assert color.over(front, back).flatten().tolist() == [0.25, 0.5, 0.0, 1.0]
