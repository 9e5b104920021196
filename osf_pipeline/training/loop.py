"""The training loop: exemplars in, the best snapshot and its card out.

Belongs here: the order of things, held-out choice, early stop, exact resume. Does not: one step
(`model.training_step`), patches (`patches`), what a snapshot looks like (`views`), tracking (`osf_pipeline.tracking`).
"""

from __future__ import annotations

import math
import platform
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import torch
from torch import Tensor

from model.losses import LossWeights, no_line
from model.perceptual import STLPIPS
from model.stylizer import Architecture, Stylizer
from model.training_step import Batch, Numerics, Objective, TrainingState, patch_loss
from model.weights import Card
from osf_pipeline.colorspaces.spaces import Space
from osf_pipeline.errors import RequestError
from osf_pipeline.execution import Progress
from osf_pipeline.packaged import stlpips_state
from osf_pipeline.training import checkpoint
from osf_pipeline.training.exemplar import ExemplarData, PreparedExemplar, drawn_line, prepare, rest_box
from osf_pipeline.training.extensions import loss
from osf_pipeline.training.numerics import environment, numerics
from osf_pipeline.training.patches import PatchPool
from osf_pipeline.training.recipe import Device, TrainRecipe
from osf_pipeline.training.views import region_metrics, sheet, views

OnStep = Callable[[int, dict[str, float]], None]
OnSnapshot = Callable[[int, bytes], None]


@dataclass(frozen=True)
class TrainResult:
    """A trained style.

    Attributes:
        model: the kept snapshot on the CPU, evaluation mode, unfolded.
        card: without the weights' sha256; `model.weights.save` adds it.
        history: one dict per step (loss terms, `learning_rate`) and per snapshot (`held_out`).
        snapshots: step to held-out loss.
        preview: PNG of the kept snapshot: keyframe and held-out composite, the drawing beside the model's own.
    """

    model: Stylizer
    card: Card
    history: list[dict[str, float]]
    snapshots: dict[int, float]
    preview: bytes


def train(
    exemplars: Sequence[ExemplarData],
    recipe: TrainRecipe,
    progress: Progress | None = None,
    checkpoint_dir: Path | None = None,
    *,
    license: str = "unstated",  # noqa: A002
    on_step: OnStep | None = None,
    on_snapshot: OnSnapshot | None = None,
    device: Device = "cpu",
) -> TrainResult:
    """Train one style. On a CPU, deterministic for a recipe, its exemplars and a CPU type.

    Args:
        exemplars: all in one colour space, which becomes the network's.
        progress: called with (step, steps, text).
        checkpoint_dir: where the run saves its state; a run found there is continued, on a CPU bit for bit.
        on_step: called with (step, terms) for every step of the run, those before a resume first.
        on_snapshot: called with (step, PNG as `TrainResult.preview`) at every held-out check.

    Raises:
        RequestError: when the checkpoint belongs to other drawings, another recipe or precision, the machine lacks the
            device or precision asked for, or the loss is no number any more.
        InputDataError: when a keyframe is nothing to learn from.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(recipe.threads)
    try:
        return _train(exemplars, recipe, progress, checkpoint_dir, license, on_step, on_snapshot, device)
    finally:
        torch.set_num_threads(threads)


def _train(
    exemplars: Sequence[ExemplarData],
    recipe: TrainRecipe,
    progress: Progress | None,
    checkpoint_dir: Path | None,
    license_text: str,
    on_step: OnStep | None,
    on_snapshot: OnSnapshot | None,
    device: Device,
) -> TrainResult:
    chosen = numerics(recipe, device)
    prepared = [prepare(exemplar, trim_halo=recipe.trim_halo) for exemplar in exemplars]
    strokes = drawn_line(prepared, recipe.withhold)
    pool = PatchPool(prepared, strokes, recipe)
    objective = _objective(recipe, chosen)
    torch.manual_seed(recipe.seed)
    architecture = Architecture(recipe.width, recipe.blocks, strokes.rows, strokes.reach)
    state = TrainingState(architecture, strokes, recipe.steps, recipe.rate, numerics=chosen)
    keeper = _Keeper([batch.to(chosen.device) for batch in pool.held_out()], objective)
    watched, space = views(pool), exemplars[0].space
    history: list[dict[str, float]] = []
    stored = None if checkpoint_dir is None else checkpoint_dir / checkpoint.CHECKPOINT
    if stored is not None and stored.exists():
        history = _resume(stored, recipe, state, keeper)
    if on_step is not None:
        for past in history:
            on_step(int(past["step"]), {name: value for name, value in past.items() if name != "step"})

    pace = _Pace(recipe.steps, keeper)
    with _Ahead(pool, recipe, chosen) as batches:
        while state.done < recipe.steps and not keeper.waited(recipe.patience):
            rate = state.learning_rate(state.done)
            terms = {**state.step(batches.take(state.done), objective), "learning_rate": rate}
            if not math.isfinite(terms["total"]):
                raise RequestError(
                    "the loss is no number any more", step=state.done, fix="Lower the recipe's `rate`, or take fp32."
                )
            if state.done % recipe.snapshot == 0 or state.done == recipe.steps:
                average = state.averaged()
                terms["held_out"] = keeper.offer(state.done, average)
                if on_snapshot is not None:
                    on_snapshot(state.done, sheet(average, watched[:2], space))
            history.append({"step": float(state.done), **terms})
            if on_step is not None:
                on_step(state.done, terms)
            if progress is not None:
                progress(state.done, recipe.steps, pace.text(state.done, terms))
            if stored is not None and state.done % recipe.checkpoint == 0:
                _save(stored, recipe, state, keeper, history)

    model = Stylizer(state.model.architecture)
    model.load_state_dict(keeper.best)
    model.eval()
    measured = region_metrics(model, watched[1:], space)
    made_with = environment(chosen, recipe.threads)
    card = _card(
        prepared, space, recipe, license_text, keeper, pool.stroke, architecture, state.done, measured, made_with
    )
    return TrainResult(model, card, history, dict(keeper.scores), sheet(model, watched[:2], space))


def _objective(recipe: TrainRecipe, chosen: Numerics) -> Objective:
    return Objective(
        LossWeights(sparsity=recipe.sparsity, perceptual=recipe.perceptual),
        STLPIPS(stlpips_state("vgg")).to(chosen.device) if recipe.perceptual > 0 else None,
        {name: (weight, loss(name)) for name, weight in recipe.losses.items()},
    )


class _Ahead:
    """Makes the batch of the next step while a step is taken, on a thread of its own.

    Composites are computed by that thread alone, so they do not depend on the recipe's `threads`.
    """

    def __init__(self, pool: PatchPool, recipe: TrainRecipe, chosen: Numerics) -> None:
        self._pool, self._steps, self._device = pool, recipe.steps, chosen.device
        self._maker = ThreadPoolExecutor(1, "batches")
        self._next: Future[Batch] | None = None
        # torch counts threads for each calling thread; some of its libraries only know the last count that was set.
        self._maker.submit(torch.set_num_threads, 1).result()
        torch.set_num_threads(recipe.threads)

    def __enter__(self) -> _Ahead:
        return self

    def __exit__(self, *_: object) -> None:
        self._maker.shutdown(cancel_futures=True)

    def take(self, step: int) -> Batch:
        """The batch of a step, on the device. Steps are taken in order."""
        batch = (self._next or self._maker.submit(self._make, step)).result()
        self._next = self._maker.submit(self._make, step + 1) if step + 1 < self._steps else None
        return batch.to(self._device)

    def _make(self, step: int) -> Batch:
        batch = self._pool.batch(step)
        return batch.pinned() if self._device == "cuda" else batch


class _Keeper:
    """Keeps the averaged weights with the lowest held-out loss: one drawing is easily over-trained."""

    @torch.no_grad()
    def __init__(self, held_out: list[Batch], objective: Objective) -> None:
        self.held_out, self.objective = held_out, objective
        self.without_line = _mean(objective(no_line(b.fill), b.fill, b.target)["total"] for b in held_out)
        self.best: dict[str, Tensor] = {}
        self.scores: dict[int, float] = {}

    @torch.no_grad()
    def offer(self, step: int, average: Stylizer) -> float:
        score = _mean(patch_loss(average, batch, self.objective)["total"] for batch in self.held_out)
        if score < min(self.scores.values(), default=float("inf")):
            self.best = {name: tensor.cpu() for name, tensor in average.state_dict().items()}
        self.scores[step] = score
        return score

    def waited(self, patience: int) -> bool:
        """Whether the last `patience` checks brought nothing better; never for 0."""
        return 0 < patience <= sum(step > self.best_step for step in self.scores)

    @property
    def best_step(self) -> int:
        return min(self.scores, key=lambda step: self.scores[step], default=0)


class _Pace:
    """The one line that says where a training stands."""

    WINDOW = 30

    def __init__(self, steps: int, keeper: _Keeper) -> None:
        self._steps, self._keeper = steps, keeper
        self._times = deque([time.monotonic()], maxlen=self.WINDOW)

    def text(self, step: int, terms: dict[str, float]) -> str:
        self._times.append(time.monotonic())
        pace = (len(self._times) - 1) / max(self._times[-1] - self._times[0], 1e-9)
        minutes, seconds = divmod(round((self._steps - step) / pace), 60)
        held_out = f" held_out {list(self._keeper.scores.values())[-1]:.4f}" if self._keeper.scores else ""
        return (
            f"train loss {terms['total']:.4f}{held_out} rate {terms['learning_rate']:.2e} "
            f"{pace:.2f} steps/s {minutes}:{seconds:02d} left"
        )


def _mean(values: Iterable[Tensor]) -> float:
    return torch.stack(list(values)).mean().item()


def _save(
    path: Path, recipe: TrainRecipe, state: TrainingState, keeper: _Keeper, history: list[dict[str, float]]
) -> None:
    tensors = state.tensors() | {f"best.{k}": v for k, v in keeper.best.items()}
    note = {
        "done": state.done,
        "numerics": repr(state.numerics),
        "scores": list(keeper.scores.items()),
        "history": history,
    }
    checkpoint.save(path, recipe, tensors, note)


def _resume(path: Path, recipe: TrainRecipe, state: TrainingState, keeper: _Keeper) -> list[dict[str, float]]:
    tensors, note = checkpoint.load(path, recipe)
    if note["numerics"] != repr(state.numerics):
        raise RequestError(
            "the checkpoint was made on another device or in another precision", file=str(path),
            checkpoint=note["numerics"], here=repr(state.numerics),
            fix="Continue on a machine like the first, or remove it.",
        )  # fmt: skip
    drawn = {f"model.strokes.{name}": value for name, value in state.model.strokes.state_dict().items()}
    if any(not torch.equal(tensors[name], value.cpu()) for name, value in drawn.items()):
        raise RequestError(
            "the checkpoint belongs to other drawings", file=str(path), fix="Remove it, or train into another folder."
        )
    state.restore(tensors, note["done"])
    keeper.best = checkpoint.part(tensors, "best.")
    keeper.scores = dict(note["scores"])
    return list(note["history"])


def _card(
    prepared: Sequence[PreparedExemplar],
    space: Space,
    recipe: TrainRecipe,
    license_text: str,
    keeper: _Keeper,
    stroke: float,
    architecture: Architecture,
    stopped_at: int,
    measured: dict[str, float],
    made_with: dict[str, str],
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
            "device": made_with["device"],
            "precision": made_with["precision"],
        },
        metrics={
            "held_out": keeper.scores[keeper.best_step],
            "held_out_ratio": keeper.scores[keeper.best_step] / max(keeper.without_line, 1e-9),
            "best_step": float(keeper.best_step),
            "stopped_at": float(stopped_at),
            "halo_px": float(first.profile.halo),
            **measured,
        },
    )
