"""Training on CUDA: the same code, near the CPU's results."""

from __future__ import annotations

import pytest
import torch

from model.strokes import Strokes
from model.stylizer import Architecture
from model.training_step import Batch, Numerics, Objective, TrainingState

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]
SLIM = Architecture(8, 1)


def batch() -> Batch:
    generator = torch.Generator().manual_seed(0)
    parts = (torch.rand(4, n, 64, 64, generator=generator) for n in (len(SLIM.inputs), 4, 4, 1))
    return Batch(*parts)


def losses(numerics: Numerics, steps: int = 12) -> list[float]:
    torch.manual_seed(0)
    state = TrainingState(SLIM, Strokes(), 50, 2e-3, numerics=numerics)
    patches = batch().pinned().to(numerics.device) if numerics.device == "cuda" else batch()
    return [state.step(patches, Objective())["total"] for _ in range(steps)]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-2), (torch.bfloat16, 5e-2), (torch.float16, 5e-2)])
def test_losses_follow_the_cpus(dtype: torch.dtype, tolerance: float) -> None:
    assert losses(Numerics("cuda", dtype)) == pytest.approx(losses(Numerics()), rel=tolerance)


def test_a_state_restored_from_the_cpu_goes_on(tmp_path: object) -> None:
    numerics = Numerics("cuda", torch.float16)
    torch.manual_seed(0)
    one = TrainingState(SLIM, Strokes(), 50, 2e-3, numerics=numerics)
    patches = batch().to("cuda")
    for _ in range(3):
        one.step(patches, Objective())
    other = TrainingState(SLIM, Strokes(), 50, 2e-3, numerics=numerics)
    other.restore({name: tensor.cpu() for name, tensor in one.tensors().items()}, 3)
    assert other.step(patches, Objective()) == pytest.approx(one.step(patches, Objective()), rel=1e-3)
    assert one.averaged().head.weight.device.type == "cuda"


def test_a_compiled_step_gives_the_same_losses() -> None:
    assert losses(Numerics("cuda", compiled=True), 3) == pytest.approx(losses(Numerics("cuda"), 3), rel=1e-2)
