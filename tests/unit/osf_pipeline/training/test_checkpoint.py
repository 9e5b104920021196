"""One file that is whole or as it was, and read back to the bit."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest
import safetensors
import torch

from osf_pipeline.errors import InterruptedRunError, RequestError
from osf_pipeline.training.checkpoint import CHECKPOINT, load, part, save
from osf_pipeline.training.recipe import TrainRecipe

RECIPE = TrainRecipe(steps=8)
TENSORS = {
    "model.a": torch.randn(3, 4).t(),  # not contiguous
    "model.b": torch.randn(5).bfloat16(),
    "adam.0.step": torch.tensor(7.0),
}
NOTE = {"done": 7, "history": [{"step": 7.0, "loss": 0.1 + 0.2}]}


def test_what_is_kept_comes_back_to_the_bit(tmp_path: Path) -> None:
    path = tmp_path / "not there yet" / CHECKPOINT
    save(path, RECIPE, TENSORS, NOTE)
    tensors, note = load(path, RECIPE)
    assert tensors.keys() == TENSORS.keys()
    assert all(torch.equal(tensors[name], value) for name, value in TENSORS.items())
    assert tensors["model.b"].dtype == torch.bfloat16
    assert {key: note[key] for key in NOTE} == NOTE
    assert part(tensors, "model.").keys() == {"a", "b"}


def test_the_file_is_tensors_and_json(tmp_path: Path) -> None:
    """Checkpoints of earlier versions lie like this, and are continued."""
    save(tmp_path / CHECKPOINT, RECIPE, TENSORS, NOTE)
    with safetensors.safe_open(tmp_path / CHECKPOINT, "pt") as stored:
        assert json.loads(stored.metadata()["state"]) == {**NOTE, "recipe": RECIPE.model_dump(mode="json")}


def test_another_recipe_is_refused(tmp_path: Path) -> None:
    save(tmp_path / CHECKPOINT, RECIPE, TENSORS, NOTE)
    with pytest.raises(RequestError, match="another recipe"):
        load(tmp_path / CHECKPOINT, RECIPE.model_copy(update={"rate": 1e-3}))


def test_a_write_that_fails_leaves_the_checkpoint_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / CHECKPOINT
    save(path, RECIPE, TENSORS, NOTE)
    before = path.read_bytes()

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "no space")

    with monkeypatch.context() as patch, pytest.raises(InterruptedRunError, match="disk"):
        patch.setattr(Path, "replace", full)
        save(path, RECIPE, TENSORS, {**NOTE, "done": 8})
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [CHECKPOINT]
