import pytest
import torch

from model.losses import LossWeights
from model.strokes import Strokes
from model.stylizer import Architecture
from model.training_step import Batch, Numerics, Objective, TrainingState, patch_loss

SLIM = Architecture(8, 1)


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    inputs, fill, target, weight = (torch.rand(2, n, 32, 32, generator=generator) for n in (len(SLIM.inputs), 4, 4, 1))
    return Batch(inputs, fill, target, weight)


def state(numerics=None, **settings):
    torch.manual_seed(0)
    return TrainingState(SLIM, Strokes(), 100, 2e-3, numerics=numerics, **settings)


def test_the_rate_warms_up_and_falls_to_a_twentieth():
    curve = [state().learning_rate(step) for step in range(101)]
    assert curve[0] == pytest.approx(2e-3 / 20, rel=1e-2)
    assert max(curve) == pytest.approx(2e-3, rel=0.1)
    assert curve[100] == pytest.approx(2e-3 * 0.05)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_restored_state_goes_on_bit_for_bit(batch, dtype):
    numerics = Numerics("cpu", dtype)
    one = state(numerics)
    for _ in range(3):
        one.step(batch, Objective())
    # As a file keeps them: without their memory layout.
    kept = {name: tensor.clone().contiguous() for name, tensor in one.tensors().items()}
    other = TrainingState(SLIM, Strokes(), 100, 2e-3, numerics=numerics)
    other.restore(kept, 3)
    for _ in range(2):
        assert one.step(batch, Objective()) == other.step(batch, Objective())
    for name, tensor in one.tensors().items():
        assert tensor.equal(other.tensors()[name]), name


def test_half_precision_scales_its_loss_and_halves_the_scale_when_gradients_overflow(batch):
    half = state(Numerics("cpu", torch.float16))
    before = half.tensors()["scaler.scale"].item()
    weights = {name: tensor.clone() for name, tensor in half.model.named_parameters()}
    half.step(batch, Objective(LossWeights(pixel=1e6)))
    assert half.tensors()["scaler.scale"].item() == before / 2
    assert all(tensor.equal(weights[name]) for name, tensor in half.model.named_parameters()), "the step is left out"
    assert not any(name.startswith("scaler") for name in state().tensors())


def test_reduced_precision_is_near_and_keeps_weights_and_losses_in_float32(batch):
    full, reduced = state(), state(Numerics("cpu", torch.bfloat16))
    for _ in range(3):
        want, got = full.step(batch, Objective()), reduced.step(batch, Objective())
    assert got == pytest.approx(want, rel=3e-2)
    assert got != want
    assert {p.dtype for p in reduced.model.parameters()} == {torch.float32}


def test_the_average_follows_the_young_model_fast_and_the_old_one_slowly(batch):
    trained = state()
    trained.step(batch, Objective())
    first = trained.model.head.bias.detach().clone()
    assert trained.averaged().head.bias.equal(first), "the first step is the first average"
    trained.step(batch, Objective())
    keep = (1 + 1) / (10 + 1)
    expected = keep * first + (1 - keep) * trained.model.head.bias.detach()
    torch.testing.assert_close(trained.averaged().head.bias, expected)
    old = state(decay=0.1)
    old.step(batch, Objective())
    first = old.model.head.bias.detach().clone()
    old.step(batch, Objective())
    torch.testing.assert_close(old.averaged().head.bias, 0.1 * first + 0.9 * old.model.head.bias.detach())


def test_where_nothing_is_to_be_learnt_nothing_is_lost(batch):
    unasked = Batch(batch.inputs, batch.fill, batch.target, batch.weight * 0)
    terms = patch_loss(state().model, unasked, Objective(LossWeights(sparsity=0)))
    assert terms["total"].item() == pytest.approx(0, abs=1e-5)


def test_extra_terms_are_weighted_and_summed(batch):
    model = state().model
    plain = patch_loss(model, batch, Objective())
    terms = patch_loss(model, batch, Objective(extra={"ink": (0.5, lambda line, fill, target: line.alpha.mean())}))
    assert terms["total"].item() == pytest.approx(plain["total"].item() + terms["ink"].item())
