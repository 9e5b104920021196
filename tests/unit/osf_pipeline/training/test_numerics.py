import pytest
import torch

from model.training_step import Numerics
from osf_pipeline.errors import RequestError
from osf_pipeline.training.numerics import WORTH_COMPILING, environment, numerics, precisions
from osf_pipeline.training.recipe import TrainRecipe


@pytest.fixture
def machine(monkeypatch):
    """A machine with these CPU instructions, and CUDA or none."""

    def make(*instructions, cuda=False, bf16=True):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: dict.fromkeys(instructions, True))
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: bf16)

    return make


@pytest.mark.parametrize(
    ("instructions", "expected"),
    [
        ((), ["fp32"]),
        (("avx2", "avx512_f"), ["fp32"]),
        (("avx512_bf16",), ["fp32", "bf16"]),
        (("amx_bf16", "amx_tile"), ["fp32", "bf16"]),
        (("avx512_bf16", "avx512_fp16"), ["fp32", "bf16", "fp16"]),
    ],
)
def test_a_cpu_has_the_precisions_it_has_instructions_for(machine, instructions, expected):
    machine(*instructions)
    assert precisions("cpu") == expected
    assert numerics(TrainRecipe()) == Numerics("cpu", torch.float32), "bf16 only when asked"
    assert numerics(TrainRecipe(precision=expected[-1])).device == "cpu"


def test_cuda_computes_bf16_unless_asked_otherwise(machine):
    machine(cuda=True)
    assert numerics(TrainRecipe()) == Numerics("cuda", torch.bfloat16)
    assert numerics(TrainRecipe(precision="fp32"), "cpu") == Numerics()


def test_an_older_cuda_device_computes_fp32_unless_asked(machine):
    machine(cuda=True, bf16=False)
    assert numerics(TrainRecipe()).dtype is torch.float32
    assert numerics(TrainRecipe(precision="fp16")).dtype is torch.float16


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_a_precision_that_is_not_there_is_refused(machine, precision):
    machine("avx2")
    with pytest.raises(RequestError, match=rf"precision={precision}.*one of fp32"):
        numerics(TrainRecipe(precision=precision))


def test_a_device_that_is_not_there_is_refused(machine):
    machine()
    with pytest.raises(RequestError, match="no CUDA device"):
        numerics(TrainRecipe(), "cuda")


@pytest.mark.parametrize(
    ("cuda", "steps", "compiled"),
    [(False, WORTH_COMPILING, False), (True, WORTH_COMPILING - 1, False), (True, WORTH_COMPILING, True)],
)
def test_only_long_runs_on_cuda_are_compiled_unless_asked(machine, cuda, steps, compiled):
    machine(cuda=cuda)
    assert numerics(TrainRecipe(steps=steps)).compiled is compiled
    assert numerics(TrainRecipe(steps=steps, compile="on")).compiled is True
    assert numerics(TrainRecipe(steps=steps, compile="off")).compiled is False


def test_the_environment_names_what_decides_the_last_bits():
    told = environment(numerics(TrainRecipe(precision="fp32"), "cpu"), 2)
    assert told["precision"] == "fp32"
    assert told["threads"] == "2"
    assert told["torch"] == torch.__version__
    assert told["processor"]
