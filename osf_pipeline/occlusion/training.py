"""Training of the occlusion network: examples in, calibrated weights and their history out.

Belongs here: patches, optimiser, loop, exact resume, calibration. Does not: features and loss (`model.occlusion_net`),
examples (`examples`), the registry (`stage`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from model.occlusion_net import (
    STEP_X,
    STEP_Y,
    OcclusionArchitecture,
    OcclusionNet,
    View,
    features,
    occlusion_loss,
)
from model.trunk import channels_last
from osf_pipeline.errors import InputDataError
from osf_pipeline.execution import Progress
from osf_pipeline.occlusion.examples import Example
from osf_pipeline.occlusion.recipe import OcclusionRecipe
from osf_pipeline.training import checkpoint

RARE = 20
"""Hidden pixels added to those of an example before the square root of their number says how often it is drawn."""

OnStep = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class _Piece:
    """One example as the network sees it, float16: (C, h, w) features; (1, h, w) the share of the surface that is
    hidden, and the share of the pixel that shows one."""

    x: Tensor
    hidden: Tensor
    seen: Tensor


class Patches:
    """Random patches; the batch of a step depends on the seed and its number alone.

    Examples with much hidden are drawn more often, and a share of the patches lies around a hidden pixel.

    Raises:
        InputDataError: when no example shows a surface.
    """

    def __init__(
        self, examples: Iterable[Example], recipe: OcclusionRecipe, architecture: OcclusionArchitecture
    ) -> None:
        self.recipe = recipe
        self.pieces = [piece for e in examples if (piece := _piece(e, architecture))]
        if not self.pieces:
            raise InputDataError("the training sets show no figure", fix="Generate sets with `osf generate`.")
        self.hidden = [piece.hidden[0].gt(0.5).nonzero().numpy() for piece in self.pieces]
        self.seen = [piece.seen[0].gt(0.5).nonzero().numpy() for piece in self.pieces]
        often = np.sqrt([len(places) + RARE for places in self.hidden])
        self.often = often / often.sum()

    def batch(self, step: int) -> tuple[Tensor, Tensor, Tensor]:
        """Features, hidden and seen of one step: (B, C, P, P), (B, 1, P, P), (B, 1, P, P) float32."""
        rng = np.random.default_rng([self.recipe.seed, step])
        x, hidden, seen = zip(*(self._patch(rng) for _ in range(self.recipe.batch)), strict=True)
        return torch.stack(x), torch.stack(hidden), torch.stack(seen)

    def _patch(self, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        side = self.recipe.patch
        index = rng.choice(len(self.pieces), p=self.often)
        places = (
            self.hidden[index] if len(self.hidden[index]) and rng.random() < self.recipe.centred else self.seen[index]
        )
        middle = places[rng.integers(len(places))] + rng.integers(-side // 3, side // 3 + 1, 2)
        piece = self.pieces[index]
        y, x = (
            int(np.clip(m - side // 2, 0, max(0, n - side))) for m, n in zip(middle, piece.x.shape[1:], strict=True)
        )
        cut = [plane[:, y : y + side, x : x + side].float() for plane in (piece.x, piece.hidden, piece.seen)]
        pad = (0, side - cut[0].shape[2], 0, side - cut[0].shape[1])
        return _varied([F.pad(plane, pad) for plane in cut], rng)


def _varied(planes: list[Tensor], rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """A patch mirrored at random: what is hidden stays hidden."""
    x, hidden, seen = planes
    for axis, step in ((2, STEP_X), (1, STEP_Y)):
        if rng.random() < 0.5:
            x, hidden, seen = x.flip(axis), hidden.flip(axis), seen.flip(axis)
            x[step] *= -1
    return x, hidden, seen


def _piece(example: Example, architecture: OcclusionArchitecture) -> _Piece | None:
    """None when nothing is seen."""
    view = View.of(example.seen | example.back.valid, architecture.pixels)
    if view is None or not example.seen.any():
        return None
    x = features(*view.reduced(example.here, example.there, example.go.step, example.back.step))
    seen, hidden = view.averaged(example.seen), view.averaged(example.hidden)
    return _Piece(*(plane[0].half() for plane in (x, torch.where(seen > 0, hidden / seen, 0.0), seen)))


class OcclusionTraining:
    """Network and optimiser, and everything that must survive an interruption."""

    def __init__(self, recipe: OcclusionRecipe, architecture: OcclusionArchitecture) -> None:
        torch.manual_seed(recipe.seed)
        self.model = channels_last(OcclusionNet(architecture)).train()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=recipe.rate, betas=(0.9, 0.99))
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, recipe.rate, total_steps=recipe.steps, pct_start=0.1, cycle_momentum=False
        )
        self.recipe, self.done, self.history = recipe, 0, list[dict[str, float]]()

    def step(self, batch: tuple[Tensor, Tensor, Tensor]) -> float:
        """Take one step and return the loss."""
        x, hidden, seen = batch
        self.optimizer.zero_grad(set_to_none=True)
        loss = occlusion_loss(self.model(x.contiguous(memory_format=torch.channels_last)), hidden, seen)
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        self.done += 1
        return loss.item()

    def save(self, path: Path) -> None:
        """Keep all that `resume` needs."""
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        for index, slots in self.optimizer.state_dict()["state"].items():
            tensors |= {f"adam.{index}.{name}": value for name, value in slots.items()}
        schedule = {k: v for k, v in self.schedule.state_dict().items() if not k.startswith("_anneal")}
        checkpoint.save(path, self.recipe, tensors, {"done": self.done, "history": self.history, "schedule": schedule})

    def resume(self, path: Path) -> None:
        """
        Raises:
            RequestError: when the checkpoint belongs to another recipe.
        """
        tensors, note = checkpoint.load(path, self.recipe)
        self.model.load_state_dict(checkpoint.part(tensors, "model."))
        slots: dict[int, dict[str, Tensor]] = {}
        parameters = list(self.model.parameters())
        for key, value in checkpoint.part(tensors, "adam.").items():
            index, name = key.split(".")
            like = parameters[int(index)]
            # In the parameter's own memory layout, so that a resumed step runs the same kernels.
            slots.setdefault(int(index), {})[name] = (
                torch.empty_like(like).copy_(value) if value.shape == like.shape else value
            )
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": slots})
        for group, rate in zip(self.optimizer.param_groups, note["schedule"]["_last_lr"], strict=True):
            group["lr"] = rate
        self.schedule.load_state_dict(note["schedule"])
        self.done, self.history = note["done"], note["history"]


def train(
    examples: Iterable[Example],
    recipe: OcclusionRecipe,
    progress: Progress | None = None,
    checkpoints: Path | None = None,
    on_step: OnStep | None = None,
) -> tuple[OcclusionNet, list[dict[str, float]]]:
    """Train a network, uncalibrated. Deterministic for a recipe, its examples and a CPU type.

    Args:
        checkpoints: where the run saves its state; a run found there is continued, bit for bit.
        on_step: called with (step, terms) for every step of the run, those before a resume first.

    Returns:
        the network in evaluation mode, and one dict per step.

    Raises:
        RequestError: when the checkpoint belongs to another recipe.
    """
    with computing_on(recipe.threads):
        architecture = OcclusionArchitecture(recipe.width, recipe.blocks)
        patches = Patches(examples, recipe, architecture)
        state = OcclusionTraining(recipe, architecture)
        if checkpoints is not None and (checkpoints / checkpoint.CHECKPOINT).exists():
            state.resume(checkpoints / checkpoint.CHECKPOINT)
        if on_step is not None:
            for past in state.history:
                on_step(int(past["step"]), {"loss": past["loss"]})
        while state.done < recipe.steps:
            terms = {"loss": state.step(patches.batch(state.done))}
            state.history.append({"step": float(state.done), **terms})
            if on_step is not None:
                on_step(state.done, terms)
            if progress is not None:
                progress(state.done, recipe.steps, f"trained, loss {terms['loss']:.3f}")
            if checkpoints is not None and state.done % recipe.checkpoint == 0:
                state.save(checkpoints / checkpoint.CHECKPOINT)
        return state.model.eval(), state.history


@contextmanager
def computing_on(threads: int) -> Iterator[None]:
    """torch with so many threads: the order of its sums, and so the last bits, depend on them."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def calibrate(model: OcclusionNet, examples: Iterable[Example]) -> None:
    """Fit scale and shift of the logits to the truth of frames the network has not learnt from (Platt 1999).

    Raises:
        InputDataError: when no example shows a surface.
    """
    logits, hidden = [], []
    with torch.inference_mode():
        for example in examples:
            share = model.hidden(example.here, example.there, example.go, example.back)
            logits.append(torch.logit(share[example.seen], eps=1e-6))
            hidden.append(example.hidden[example.seen].float())
    x, truth = torch.cat(logits).clone(), torch.cat(hidden).clone()
    if not len(x):
        raise InputDataError("the calibration sets show no figure", fix="Generate sets with `osf generate`.")
    fit = torch.tensor([1.0, 0.0], requires_grad=True)
    optimizer = torch.optim.LBFGS([fit], max_iter=50, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.binary_cross_entropy_with_logits(fit[0] * x + fit[1], truth)
        loss.backward()
        return loss

    optimizer.step(closure)
    scale, shift = fit.detach()
    before = model.calibration
    model.calibration = torch.stack([scale * before[0], scale * before[1] + shift])
