"""What an interrupted training continues from: one file of tensors and JSON, of which nothing is run on loading.

Belongs here: writing the file whole, reading it back for the same recipe. Does not: what a training must remember
(`loop`, `osf_pipeline.occlusion.training`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from osf_pipeline.config import Strict
from osf_pipeline.errors import RequestError
from osf_pipeline.store.files import write_bytes

CHECKPOINT = "checkpoint.safetensors"


def save(path: Path, recipe: Strict, tensors: Mapping[str, Tensor], note: Mapping[str, Any]) -> None:
    """Write or replace a checkpoint as a whole.

    Args:
        note: the rest of the state, as JSON takes it; the recipe is added.

    Raises:
        InterruptedRunError: when the disk is full or fails; the checkpoint before stays.
    """
    state = json.dumps({**note, "recipe": recipe.model_dump(mode="json")})
    data = safetensors.torch.save({name: t.cpu().contiguous() for name, t in tensors.items()}, {"state": state})
    write_bytes(str(path), data)


def load(path: Path, recipe: Strict) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors, on the CPU, and note of a checkpoint.

    Raises:
        RequestError: when the checkpoint belongs to another recipe.
    """
    with safetensors.safe_open(path, "pt") as stored:
        note: dict[str, Any] = json.loads(stored.metadata()["state"])
        tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    if note["recipe"] != recipe.model_dump(mode="json"):
        raise RequestError(
            "the checkpoint belongs to another recipe", file=str(path), fix="Remove it, or train into another folder."
        )
    return tensors, note


def part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin so, by the rest of their names."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
