import pytest
import torch

from model.color import from_drawing
from model.losses import LossWeights, drawing_loss, gradient_l1
from model.stylizer import Line


def flat(r: float, g: float, b: float, a: float) -> torch.Tensor:
    return torch.tensor([r, g, b, a]).view(1, 4, 1, 1).expand(1, 4, 16, 16)


def test_the_right_line_costs_only_its_sparsity():
    fill, drawing = flat(0.5, 0.5, 0.5, 1), flat(0.2, 0.1, 0.4, 1)
    line = Line(drawing[:, :3], torch.ones(1, 1, 16, 16))
    terms = drawing_loss(line, fill, from_drawing(drawing), LossWeights())
    assert terms["pixel"].item() == pytest.approx(0, abs=1e-5)
    assert terms["total"].item() == pytest.approx(0.02, abs=1e-4)


def test_alpha_counts_where_a_white_background_hides_it():
    white = Line(torch.ones(1, 3, 16, 16), torch.ones(1, 1, 16, 16))
    terms = drawing_loss(white, torch.zeros(1, 4, 16, 16), torch.zeros(1, 4, 16, 16), LossWeights(sparsity=0))
    assert terms["total"].item() == pytest.approx(8)


def test_gradient_term_sees_edges_not_offsets():
    x = torch.rand(1, 3, 8, 8)
    assert gradient_l1(x, x + 0.25).item() == pytest.approx(0, abs=1e-6)
    assert gradient_l1(x, x.flip(3)).item() > 0.1
