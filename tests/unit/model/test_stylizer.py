import pytest
import torch

from model.inputs import DRAWN_LINE, INK
from model.stylizer import Architecture, Line, Stylizer


def trained_like(architecture: Architecture, seed: int = 0) -> Stylizer:
    """A network whose norms are not the identity and whose head is not empty."""
    torch.manual_seed(seed)
    net = Stylizer(architecture)
    torch.nn.init.normal_(net.head.weight, std=0.1)
    for _ in range(3):
        net(torch.rand(2, len(architecture.inputs), 32, 32))
    return net.eval()


def test_folded_equals_unfolded():
    net = trained_like(Architecture(width=8, blocks=2))
    folded = net.folded()
    x = torch.rand(1, 10, 32, 40)
    with torch.inference_mode():
        torch.testing.assert_close(folded(x), net(x), atol=1e-5, rtol=1e-4)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())
    assert any(isinstance(m, torch.nn.BatchNorm2d) for m in net.modules())


def test_receptive_radius_is_an_upper_bound_and_tight():
    architecture = Architecture(width=8, blocks=2)
    net, radius = trained_like(architecture).double(), architecture.receptive_radius
    x = torch.rand(1, 10, 128, 128, dtype=torch.double, requires_grad=True)
    reach = 0
    for y in range(60, 64):  # every phase of the stride
        (slope,) = torch.autograd.grad(net(x)[0, 3, y, y], x)
        rows, columns = slope[0].abs().sum(0).nonzero(as_tuple=True)
        reach = max(reach, *((rows - y).abs().max().item(), (columns - y).abs().max().item()))
    assert reach <= radius
    assert reach >= radius - 8


def test_an_untrained_network_draws_the_drawn_line():
    x = torch.rand(1, 10, 32, 32)
    x[:, DRAWN_LINE] = (x[:, DRAWN_LINE] > 0.5).float()
    with torch.inference_mode():
        line = Line.of(Stylizer(Architecture(width=8, blocks=1))(x))
    drawn = x[:, DRAWN_LINE] > 0.5
    assert line.alpha[drawn].mean() > 0.9
    assert line.alpha[~drawn].mean() < 0.1
    assert (line.ink - x[:, INK]).abs().max() < 0.1


def test_beauty_lies_over_the_fill():
    fill = torch.tensor([2.0, -0.5, 0.25, 1.0]).view(1, 4, 1, 1).expand(1, 4, 8, 8)
    line = Line.of(Stylizer(Architecture(width=8, blocks=1)).eval()(torch.zeros(1, 10, 8, 8)))
    beauty = line.over(fill)
    torch.testing.assert_close(beauty - line.layer, fill * (1 - line.alpha))


def test_unknown_architectures_are_refused():
    known = Architecture(width=16, blocks=3)
    assert Architecture.from_json(known.to_json()) == known
    with pytest.raises(ValueError, match="unknown architecture"):
        Architecture.from_json({**known.to_json(), "name": "unet"})
    with pytest.raises(ValueError, match="unknown architecture"):
        Architecture.from_json({**known.to_json(), "inputs": known.to_json()["inputs"][::-1]})
