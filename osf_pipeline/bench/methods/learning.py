"""Teaching a painter one drawing: pictures to cut patches from, the loop, the best snapshot.

Belongs here: what the two-stage kind of method learns from, which is its keyframe and its own overlay. Does not: the
network and its loss (`model.painter`), which networks a method has (`painted`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from model.color import on_white, srgb_encode, straight
from model.losses import LossWeights
from model.painter import Painter, PainterTraining, Patches, pack, painting_loss
from osf_pipeline.bench.method import Budget, Log
from osf_pipeline.bench.methods.edges import RestBox, rest_edges
from osf_pipeline.training.exemplar import PreparedExemplar
from osf_pipeline.training.patches import HELD_OUT, seeded
from osf_pipeline.training.recipe import TrainRecipe

RECIPE = TrainRecipe()
"""Width, blocks, rate, batch, patch and snapshot are those of our own training."""

AROUND = 7
"""Side of the square by which the figure grows to the pixels that a patch may have its centre on."""

HELD_OUT_BATCHES = 4
_BATCHES = 1

PROBE_STEPS = 8
"""Steps that tell how many fit into a wall time."""


@dataclass(frozen=True)
class Picture:
    """What patches are cut from; (channel, y, x) tensors of one square.

    Attributes:
        rgb: 3, straight display-encoded colour that the network sees, edges painted on or not.
        alpha: 1, coverage of the render.
        rest: 2, in 0..1.
        wanted: 3, display-encoded colour on white.
        weight: 1, in 0..1.
        marked: 1, bool, edges are painted on here, also just outside the coverage.
    """

    rgb: Tensor
    alpha: Tensor
    rest: Tensor
    wanted: Tensor
    weight: Tensor
    marked: Tensor

    def turned(self, quarters: int) -> Picture:
        """By quarter turns about the middle; rest positions stay those of their surface points."""
        return Picture(*(torch.rot90(x, quarters, (1, 2)) for x in vars(self).values()))

    def over(self, below: Picture) -> Picture:
        """This picture laid over another of the same size; its edges hide what is below."""
        near = self.alpha > 0.5
        gap = 1 - self.alpha
        return Picture(
            torch.where(near | self.marked, self.rgb, below.rgb),
            self.alpha + below.alpha * gap,
            torch.where(near, self.rest, below.rest),
            (self.wanted - gap * (1 - below.wanted)).clamp(0, 1),
            torch.where(near, self.weight, below.weight),
            self.marked | (below.marked & ~near),
        )

    def crop(self, top: int, left: int, side: int) -> list[Tensor]:
        """Every layer of one patch."""
        return [x[:, top : top + side, left : left + side] for x in vars(self).values()]


class Cutter:
    """Cuts patches of pictures, their centres anywhere on or about the figure, each pixel as likely."""

    def __init__(self, pictures: Sequence[Picture]) -> None:
        self.pictures = pictures
        about = [F.max_pool2d(p.alpha[None], AROUND, 1, AROUND // 2)[0, 0] > 0 for p in pictures]
        self.centres = torch.cat([F.pad(m.nonzero(), (1, 0), value=i) for i, m in enumerate(about)])

    def batch(self, generator: torch.Generator) -> Patches:
        side = RECIPE.patch
        chosen = torch.randint(len(self.centres), (RECIPE.batch,), generator=generator)
        patches = []
        for number, y, x in self.centres[chosen].tolist():
            picture = self.pictures[number]
            last = picture.alpha.shape[1] - side
            patches.append(picture.crop(*(min(max(c - side // 2, 0), last) for c in (y, x)), side))
        rgb, alpha, rest, wanted, weight, _ = (torch.stack(layers) for layers in zip(*patches, strict=True))
        return Patches(pack(rgb, alpha, rest), alpha, wanted, weight)


def keyframe(exemplar: PreparedExemplar, box: RestBox) -> tuple[Picture, np.ndarray]:
    """A keyframe on a square whose side is a multiple of 4, and its (y, x) bool edges."""
    sheet = exemplar.figure.sheet
    side = max(-(-max(sheet.size) // 4) * 4, RECIPE.patch)
    height, width = sheet.size
    top, left = (side - height) // 2, (side - width) // 2

    def placed(layer_1CHW: Tensor, background: float = 0) -> Tensor:
        out = torch.full((layer_1CHW.shape[1], side, side), float(background))
        out[:, top : top + height, left : left + width] = layer_1CHW[0].to(out.dtype)
        return out

    color, target = placed(sheet.color), placed(sheet.target)
    seen = placed(sheet.part)[0].numpy() > 0
    stored = box.eight_bit(placed(sheet.rest).numpy(), seen)
    alpha = color[3:].clamp(0, 1)
    picture = Picture(
        srgb_encode(straight(color[None]))[0],
        alpha,
        torch.from_numpy(stored[list(box.plane)]),
        on_white(target[None])[0],
        placed(sheet.weight, 1),
        torch.zeros_like(alpha, dtype=torch.bool),
    )
    return picture, rest_edges(stored, seen)


def with_edges(picture: Picture, edges: np.ndarray) -> Picture:
    """Edges painted on in black."""
    marked = torch.from_numpy(edges)[None]
    return replace(picture, rgb=picture.rgb.where(~marked, 0.0), marked=marked)


def overlaid(picture: Picture) -> list[Picture]:
    """The picture, and the picture laid over itself, turned by a quarter."""
    return [picture, picture.over(picture.turned(1))]


def held_out(picture: Picture) -> list[Picture]:
    """Turns of the picture that are never trained on, alone and laid over each other."""
    return [picture.turned(2), picture.turned(2).over(picture.turned(3))]


def eight_bit(rgb: Tensor) -> Tensor:
    """Rounded as a PNG rounds it."""
    return (255 * rgb).round() / 255


@dataclass(frozen=True)
class Lesson:
    """What one network learns.

    Attributes:
        pictures: patches are cut where these show something, each pixel as likely.
        held_out: pictures for choosing among snapshots.
        stream: number of its random stream; networks of one method differ in it.
    """

    pictures: Sequence[Picture]
    held_out: Sequence[Picture]
    stream: int


@dataclass(frozen=True)
class Learnt:
    """A trained painter.

    Attributes:
        model: the snapshot of lowest held-out loss, averaged, evaluation mode.
        steps: taken.
        losses: held-out loss by step.
    """

    model: Painter
    steps: int
    losses: Mapping[int, float]


def learn(lesson: Lesson, budget: Budget, log: Log | None = None) -> Learnt:
    """Train one painter. `budget.seconds` is all its own; steps are then told from a first few."""
    began = time.monotonic()
    with _threads(budget.threads):
        steps = budget.steps
        if budget.seconds is not None:
            marks = [time.monotonic()]
            _train(lesson, budget.seed, PROBE_STEPS, lambda *_: marks.append(time.monotonic()))
            a_step = float(np.median([b - a for a, b in pairwise(marks)]))
            left = budget.seconds - (time.monotonic() - began)
            steps = max(1, min(steps, int(left / a_step)))
        return _train(lesson, budget.seed, steps, log)


def _train(lesson: Lesson, seed: int, steps: int, log: Log | None) -> Learnt:
    torch.manual_seed(seed + lesson.stream)
    training = PainterTraining(Painter(RECIPE.width, RECIPE.blocks), steps, RECIPE.rate)
    weights = LossWeights()
    cutter, unseen = Cutter(lesson.pictures), Cutter(lesson.held_out)
    tests = [unseen.batch(seeded(seed, HELD_OUT, number)) for number in range(HELD_OUT_BATCHES)]
    best = training.averaged()
    losses: dict[int, float] = {}
    while training.done < steps:
        number = lesson.stream * 10_000_000 + training.done
        terms = {"total": training.step(cutter.batch(seeded(seed, _BATCHES, number)), weights)}
        if training.done % RECIPE.snapshot == 0 or training.done == steps:
            model = training.averaged()
            with torch.no_grad():
                terms["held_out"] = float(np.mean([painting_loss(model, test, weights).item() for test in tests]))
            if terms["held_out"] < min(losses.values(), default=float("inf")):
                best = model
            losses[training.done] = terms["held_out"]
        if log is not None:
            log(training.done, terms)
    return Learnt(best, steps, losses)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
