"""The training loop: exemplars in, the best snapshot and its card out.

Belongs here: the order of things, held-out choice, exact resume. Does not: one step (`model.training_step`), patches
(`patches`), tracking (`osf_pipeline.tracking`).
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from model.losses import LossWeights, drawing_loss, no_line
from model.perceptual import STLPIPS
from model.stylizer import Architecture, Stylizer
from model.training_step import Batch, TrainingState, patch_loss
from model.weights import Card
from osf_pipeline.colorspaces.spaces import Space
from osf_pipeline.errors import RequestError
from osf_pipeline.execution import Progress
from osf_pipeline.packaged import stlpips_state
from osf_pipeline.training.exemplar import ExemplarData, PreparedExemplar, drawn_line, prepare, rest_box
from osf_pipeline.training.patches import PatchPool
from osf_pipeline.training.recipe import TrainRecipe

CHECKPOINT = "checkpoint.safetensors"


@dataclass(frozen=True)
class TrainResult:
    """A trained style.

    Attributes:
        model: the kept snapshot, evaluation mode, unfolded.
        card: without the weights' sha256; `model.weights.save` adds it.
        history: one dict per step (loss terms) and per snapshot (`held_out`).
        snapshots: step to held-out loss.
    """

    model: Stylizer
    card: Card
    history: list[dict[str, float]]
    snapshots: dict[int, float]


def train(
    exemplars: Sequence[ExemplarData],
    recipe: TrainRecipe,
    progress: Progress | None = None,
    checkpoint_dir: Path | None = None,
    *,
    license: str = "unstated",  # noqa: A002
    on_step: Callable[[int, dict[str, float]], None] | None = None,
) -> TrainResult:
    """Train one style. Deterministic for a recipe, its exemplars and a CPU type.

    Args:
        exemplars: all in one colour space, which becomes the network's.
        progress: called with (step, steps, text).
        checkpoint_dir: where the run saves its state; a run found there is continued, bit for bit.
        on_step: called with (step, terms) for logging.

    Raises:
        RequestError: when the checkpoint belongs to another recipe.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(recipe.threads)
    try:
        return _train(exemplars, recipe, progress, checkpoint_dir, license, on_step)
    finally:
        torch.set_num_threads(threads)


def _train(
    exemplars: Sequence[ExemplarData],
    recipe: TrainRecipe,
    progress: Progress | None,
    checkpoint_dir: Path | None,
    license_text: str,
    on_step: Callable[[int, dict[str, float]], None] | None,
) -> TrainResult:
    prepared = [prepare(exemplar, trim_halo=recipe.trim_halo) for exemplar in exemplars]
    strokes = drawn_line(prepared)
    pool = PatchPool(prepared, strokes, recipe)
    weights = LossWeights(sparsity=recipe.sparsity, perceptual=recipe.perceptual)
    features = STLPIPS(stlpips_state("vgg")) if recipe.perceptual > 0 else None
    torch.manual_seed(recipe.seed)
    architecture = Architecture(recipe.width, recipe.blocks, strokes.rows, strokes.reach)
    state = TrainingState(architecture, strokes, recipe.steps, recipe.rate)
    keeper = _Keeper(pool.held_out(), weights, features)
    history: list[dict[str, float]] = []
    if checkpoint_dir is not None and (checkpoint_dir / CHECKPOINT).exists():
        history = _resume(checkpoint_dir / CHECKPOINT, recipe, state, keeper)

    while state.done < recipe.steps:
        terms = state.step(pool.batch(state.done), weights, features)
        if state.done % recipe.snapshot == 0 or state.done == recipe.steps:
            terms["held_out"] = keeper.offer(state)
        history.append({"step": float(state.done), **terms})
        if on_step is not None:
            on_step(state.done, terms)
        if progress is not None:
            progress(state.done, recipe.steps, f"loss {terms['total']:.3f}")
        if checkpoint_dir is not None and state.done % recipe.checkpoint == 0:
            _save(checkpoint_dir / CHECKPOINT, recipe, state, keeper, history)

    model = Stylizer(state.model.architecture)
    model.load_state_dict(keeper.best)
    return TrainResult(
        model.eval(),
        _card(prepared, exemplars[0].space, recipe, license_text, keeper, pool.stroke, state.model.architecture),
        history,
        dict(keeper.scores),
    )


class _Keeper:
    """Keeps the averaged weights with the lowest held-out loss: one drawing is easily over-trained."""

    @torch.no_grad()
    def __init__(self, held_out: list[Batch], weights: LossWeights, features: STLPIPS | None) -> None:
        self.held_out, self.weights, self.features = held_out, weights, features
        self.without_line = _mean(
            drawing_loss(no_line(b.fill), b.fill, b.target, weights, features)["total"] for b in held_out
        )
        self.best: dict[str, Tensor] = {}
        self.scores: dict[int, float] = {}

    @torch.no_grad()
    def offer(self, state: TrainingState) -> float:
        model = state.averaged()
        score = _mean(patch_loss(model, batch, self.weights, self.features)["total"] for batch in self.held_out)
        if score < min(self.scores.values(), default=float("inf")):
            self.best = model.state_dict()
        self.scores[state.done] = score
        return score

    @property
    def best_step(self) -> int:
        return min(self.scores, key=lambda step: self.scores[step])


def _mean(values: Iterable[Tensor]) -> float:
    return torch.stack(list(values)).mean().item()


def _save(
    path: Path, recipe: TrainRecipe, state: TrainingState, keeper: _Keeper, history: list[dict[str, float]]
) -> None:
    """One file, replaced whole: tensors, and the rest as JSON in the header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = state.tensors() | {f"best.{k}": v for k, v in keeper.best.items()}
    note = {
        "done": state.done,
        "recipe": recipe.model_dump(mode="json"),
        "scores": list(keeper.scores.items()),
        "history": history,
    }
    data = safetensors.torch.save({k: v.contiguous() for k, v in tensors.items()}, {"state": json.dumps(note)})
    partial = path.with_suffix(".partial")
    partial.write_bytes(data)
    partial.replace(path)


def _resume(path: Path, recipe: TrainRecipe, state: TrainingState, keeper: _Keeper) -> list[dict[str, float]]:
    with safetensors.safe_open(path, "pt") as stored:
        note: dict[str, Any] = json.loads(stored.metadata()["state"])
        tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    if note["recipe"] != recipe.model_dump(mode="json"):
        raise RequestError(
            "the checkpoint belongs to another recipe", file=str(path), fix="Remove it, or train into another folder."
        )
    state.restore(tensors, note["done"])
    keeper.best = {k.removeprefix("best."): v for k, v in tensors.items() if k.startswith("best.")}
    keeper.scores = dict(note["scores"])
    return note["history"]


def _card(
    prepared: Sequence[PreparedExemplar],
    space: Space,
    recipe: TrainRecipe,
    license_text: str,
    keeper: _Keeper,
    stroke: float,
    architecture: Architecture,
) -> Card:
    first = prepared[0]
    return Card(
        architecture=architecture,
        stroke=stroke,
        pixel=first.rule.pixel,
        rest_box=rest_box(prepared),
        license=license_text,
        seed=recipe.seed,
        recipe=recipe.model_dump(mode="json"),
        tier=recipe.tier,
        color_space=space.attributes,
        versions={
            "osf-pipeline": metadata.version("osf-pipeline"),
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
        metrics={
            "held_out": keeper.scores[keeper.best_step],
            "held_out_ratio": keeper.scores[keeper.best_step] / keeper.without_line,
            "best_step": float(keeper.best_step),
            "halo_px": float(first.profile.halo),
        },
    )
