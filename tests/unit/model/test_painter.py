import pytest
import torch

from model.losses import LossWeights
from model.painter import INPUTS, Painter, PainterTraining, Patches, covered, pack, painting_loss
from model.strokes import Strokes
from model.stylizer import Architecture, Stylizer
from model.training_step import TrainingState


@pytest.fixture
def patches() -> Patches:
    torch.manual_seed(1)
    rgb, alpha = torch.rand(4, 3, 32, 32), (torch.rand(4, 1, 32, 32) > 0.3).float()
    inputs = pack(rgb * alpha, alpha, torch.rand(4, 2, 32, 32))
    return Patches(inputs, alpha, torch.rand(4, 3, 32, 32), torch.ones(4, 1, 32, 32))


def test_inputs_are_colour_coverage_and_two_rest_coordinates():
    packed = pack(torch.full((1, 3, 4, 4), 0.25), torch.full((1, 1, 4, 4), 0.5), torch.ones(1, 2, 4, 4))
    assert packed[0, :, 0, 0].tolist() == [-0.5, -0.5, -0.5, 0.5, 1, 1]
    assert len(INPUTS) == 6


def test_an_untrained_painter_paints_what_it_is_given():
    rgb = torch.linspace(0.02, 0.98, 64).view(1, 1, 8, 8).expand(1, 3, 8, 8)
    painted = Painter(8, 1).eval()(pack(rgb, torch.ones(1, 1, 8, 8), torch.zeros(1, 2, 8, 8)))
    torch.testing.assert_close(painted, rgb, atol=1e-6, rtol=0)


def test_any_colour_is_within_reach_of_any_other():
    model = Painter(8, 1).eval()
    black = pack(torch.zeros(1, 3, 8, 8), torch.ones(1, 1, 8, 8), torch.zeros(1, 2, 8, 8))
    torch.nn.init.constant_(model.head.bias, 20)
    assert model(black).min() == 1
    torch.nn.init.constant_(model.head.bias, -20)
    assert model(-black).max() == 0


def test_what_is_painted_beyond_black_can_be_learnt_back():
    model = Painter(8, 1).eval()
    torch.nn.init.constant_(model.head.bias, -0.2)
    black = pack(torch.zeros(1, 3, 8, 8), torch.ones(1, 1, 8, 8), torch.zeros(1, 2, 8, 8))
    model(black).sum().backward()
    assert model.head.bias.grad.min() > 0


def test_a_layer_ends_with_the_coverage():
    layer = covered(torch.ones(1, 3, 1, 2), torch.tensor([[[[0.0, 0.5]]]]))
    assert layer[0, :, 0].T.tolist() == [[0, 0, 0, 0], [0.5, 0.5, 0.5, 0.5]]


def test_nothing_is_learnt_outside_the_coverage_and_the_mask(patches):
    model, weights = Painter(8, 1), LossWeights()
    for blind in (
        Patches(patches.inputs, patches.alpha * 0, patches.wanted, patches.weight),
        Patches(patches.inputs, patches.alpha, patches.wanted, patches.weight * 0),
    ):
        assert painting_loss(model, blind, weights).item() == 0
    assert painting_loss(model, patches, weights).item() > 0


def test_training_lowers_the_loss(patches):
    torch.manual_seed(0)
    training, weights = PainterTraining(Painter(8, 1), 60, 4e-3), LossWeights()
    losses = [training.step(patches, weights) for _ in range(60)]
    assert losses[-1] < 0.9 * losses[0]
    with torch.no_grad():
        assert painting_loss(training.averaged(), patches, weights).item() < losses[0]


def test_curve_optimiser_and_averaging_are_the_stylizers(patches):
    """What makes the comparison one of designs."""
    ours = TrainingState(Architecture(8, 1), Strokes(), 200, 2e-3)
    theirs = PainterTraining(Painter(8, 1), 200, 2e-3)
    assert [ours.learning_rate(i) for i in range(200)] == [theirs.learning_rate(i) for i in range(200)]
    assert type(ours.optimizer) is type(theirs.optimizer)
    same = ("betas", "eps", "weight_decay", "amsgrad")
    assert [ours.optimizer.defaults[k] for k in same] == [theirs.optimizer.defaults[k] for k in same]
    assert Stylizer(Architecture()).head.in_channels == Painter().head.in_channels

    def pulled(training: TrainingState | PainterTraining) -> list[float]:
        """The average's first weight while the model's stands at 1, from 0."""
        for network, value in ((training.model, 1.0), (training.average.module, 0.0)):
            for parameter in network.parameters():
                parameter.data.fill_(value)
        training.average.n_averaged.fill_(1)
        seen = []
        for training.done in range(1, 30):
            training.average.update_parameters(training.model)
            seen.append(next(training.average.module.parameters()).flatten()[0].item())
        return seen

    assert pulled(theirs) == pytest.approx(pulled(ours), rel=1e-4)
