"""Which device and precision a training gets, and what the machine was.

Belongs here: what the recipe's `auto` means here, refusing what is not here. Does not: how a step uses it
(`model.training_step`).
"""

from __future__ import annotations

import platform
from importlib import metadata

import torch

from model.training_step import Numerics
from osf_pipeline.errors import RequestError
from osf_pipeline.hardware import cpu_count
from osf_pipeline.training.recipe import Device, TrainRecipe

WORTH_COMPILING = 2000
"""Steps from which `compile: auto` compiles on CUDA. On a CPU it takes 7 % off a step and half a minute before it."""

PACKAGES = ("osf-pipeline", "torch", "numpy", "scipy", "safetensors", "mlflow")
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def numerics(recipe: TrainRecipe, device: Device = "auto") -> Numerics:
    """How a recipe is computed on this machine: `auto` is CUDA where there is one, in bf16 if it has that.

    A CPU computes fp32 unless asked: its bf16 kernels wait spinning for each other, which is a third faster on cores of
    one's own and up to three times slower on shared ones.

    Raises:
        RequestError: for a device or a precision that is not there: a CPU without its instructions computes bf16
            several times slower than fp32.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise RequestError("no CUDA device here", device=device, fix="Train with --device cpu.")
    there = precisions(device)
    precision = recipe.precision
    if precision == "auto":
        precision = "bf16" if device == "cuda" and "bf16" in there else "fp32"
    if precision not in there:
        raise RequestError(
            "this machine does not compute in that precision", precision=precision, device=device,
            fix=f"Set `precision` to auto or one of {', '.join(there)}.",
        )  # fmt: skip
    worth = device == "cuda" and recipe.steps >= WORTH_COMPILING
    return Numerics(device, _DTYPES[precision], recipe.compile == "on" or (recipe.compile == "auto" and worth))


def precisions(device: str) -> list[str]:
    """Precisions that a device computes convolutions in, by its own instructions."""
    if device == "cuda":
        return ["fp32", *(["bf16"] if torch.cuda.is_bf16_supported(including_emulation=False) else []), "fp16"]
    has = torch.cpu.get_capabilities()
    bf16, fp16 = (any(has.get(f"{kind}_{name}") for kind in ("avx512", "amx")) for name in ("bf16", "fp16"))
    return ["fp32", *(["bf16"] if bf16 else []), *(["fp16"] if fp16 else [])]


def environment(chosen: Numerics, threads: int) -> dict[str, str]:
    """What decided the last bits of a training, as text: device, precision, processor, threads, versions."""
    cuda = chosen.device == "cuda"
    return {
        "device": torch.cuda.get_device_name() if cuda else "cpu",
        "precision": next(name for name, dtype in _DTYPES.items() if dtype is chosen.dtype),
        "compiled": str(chosen.compiled).lower(),
        "processor": str(torch.cpu.get_capabilities().get("cpu_name", platform.machine())),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "cores": str(cpu_count()),
        "threads": str(threads),
        "system": platform.platform(),
        "python": platform.python_version(),
        **({"cuda": str(torch.version.cuda)} if cuda else {}),
        **{name: metadata.version(name) for name in PACKAGES},
    }
