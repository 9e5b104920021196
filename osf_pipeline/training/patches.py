"""Where training patches come from: a pool of composites and seeded crops of them.

Every composite and every batch is a pure function of (seed, number), so a resumed run needs no generator state.
Belongs here: the pool, crops, flips. Does not: how a composite is made (`model.compositing`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from model.compositing import Sheet, arrange, shrunk
from model.contours import Contours, contours
from model.inputs import MARGIN, Guides, pack, rest_without
from model.strokes import Strokes
from model.training_step import Batch
from osf_pipeline.buffers import Tier
from osf_pipeline.training.exemplar import PreparedExemplar
from osf_pipeline.training.extensions import augmentation
from osf_pipeline.training.recipe import TrainRecipe

_COMPOSITES, _BATCHES, HELD_OUT = range(3)
"""Separate random streams; held-out composites are never trained on."""


SMALLEST = 0.5
"""Scale down to which pictures are shrunk."""


def seeded(seed: int, stream: int, number: int) -> torch.Generator:
    """A generator of its own for every (seed, stream, number)."""
    return torch.Generator().manual_seed(((seed * 3 + stream) * 1_000_003 + number) % 2**63)


@dataclass(frozen=True)
class Plate:
    """One picture to crop patches from, `(C, H, W)`; `figure` and `inner` are (N, 2) y, x of pixels worth learning."""

    inputs: Tensor
    fill: Tensor
    target: Tensor
    weight: Tensor
    figure: Tensor
    inner: Tensor


@dataclass(frozen=True)
class Picture:
    """A sheet with its contours; `scale` is pixels of it for one of the style's drawn line."""

    sheet: Sheet
    contours: Contours
    scale: float


def plate(picture: Picture, guides: Guides, drawn_14HW: Tensor, stroke: float) -> Plate:
    """Pack the inputs of a picture.

    Args:
        guides: what the network is shown of its contours.
        stroke: mean width of the style's line, in pixels of its drawing.
    """
    sheet, found = picture.sheet, picture.contours
    inputs = pack(sheet.color, guides, drawn_14HW, stroke, picture.scale)
    reach = int(stroke * picture.scale + MARGIN)
    empty = (sheet.part == 0).to(inputs.dtype)
    near_background = _within(empty, reach) > 0
    edge = (found.distance < 1) & found.side
    wide = _within(torch.maximum(1 - empty, sheet.target[:, 3:]), 3) > 0
    return Plate(
        inputs[0].half(),
        sheet.color[0].clamp(0, 1).half(),
        sheet.target[0].half(),
        sheet.weight[0].half(),
        wide[0, 0].nonzero(),
        (edge & ~near_background)[0, 0].nonzero(),
    )


def _within(x_B1HW: Tensor, reach: int) -> Tensor:
    """Maximum over the square of `2 * reach + 1` pixels around every pixel, rows before columns."""
    rows = F.max_pool2d(x_B1HW, (1, 2 * reach + 1), 1, (0, reach))
    return F.max_pool2d(rows, (2 * reach + 1, 1), 1, (reach, 0))


def _at_least(layer_CHW: Tensor, side: int) -> Tensor:
    """A layer no smaller than a patch: the background at its end goes on."""
    height, width = layer_CHW.shape[1:]
    missing = (0, max(0, side - width), 0, max(0, side - height))
    return F.pad(layer_CHW, missing, mode="replicate") if any(missing) else layer_CHW


class PatchPool:
    """A rolling pool of plates and the batches cut from it."""

    def __init__(self, exemplars: Sequence[PreparedExemplar], strokes: Strokes, recipe: TrainRecipe) -> None:
        self.exemplars, self.recipe, self.strokes = exemplars, recipe, strokes
        self.pixel = exemplars[0].rule.pixel
        self.stroke = sum(e.stroke * e.rule.pixel / self.pixel for e in exemplars) / len(exemplars)
        self._augmentations = [augmentation(name) for name in recipe.augmentations]
        self._slots: dict[int, tuple[int, Plate]] = {}

    def make(self, number: int, stream: int = _COMPOSITES) -> Plate:
        """Plate `number` of a stream."""
        return self.pack(self.compose(number, stream))

    def compose(self, number: int, stream: int = _COMPOSITES) -> Picture:
        """The picture behind plate `number` of a stream."""
        generator = seeded(self.recipe.seed, stream, number)
        exemplar = self.exemplars[number % len(self.exemplars)]
        composite = torch.rand((), generator=generator).item() < self.recipe.composites
        sheet = arrange(exemplar.figure, generator) if composite else exemplar.figure.sheet
        factor = 1.0
        if torch.rand((), generator=generator).item() < self.recipe.shrunk:
            factor = SMALLEST ** torch.rand((), generator=generator).item()
            sheet = shrunk(sheet, factor)
        for augment in self._augmentations if stream == _COMPOSITES else ():
            sheet = augment(sheet, generator)
        return self.picture(sheet, exemplar, factor)

    def picture(self, sheet: Sheet, exemplar: PreparedExemplar, factor: float = 1.0) -> Picture:
        """A sheet made of an exemplar, with its contours by the exemplar's own rule.

        Args:
            factor: pixels of the sheet for one of the exemplar.
        """
        rule = replace(exemplar.rule, pixel=exemplar.rule.pixel / factor)
        coverage = sheet.color[:, 3:]
        found = contours(sheet.depth, sheet.rest, sheet.normal, sheet.part, sheet.object, rule, coverage)
        return Picture(sheet, found, self.pixel / rule.pixel)

    def pack(self, picture: Picture) -> Plate:
        """What a network of this recipe sees of a picture, and what it is to draw."""
        found, recipe = picture.contours, self.recipe
        guides = Guides(found.distance, found.side).without(recipe.withhold)
        rest = rest_without(picture.sheet.rest, recipe.withhold) if recipe.tier is Tier.FULL else None
        drawn = self.strokes(guides.distance, guides.side, rest, picture.scale)
        return plate(picture, guides, drawn, self.stroke)

    def batch(self, step: int) -> Batch:
        """The patches of one step."""
        generator = seeded(self.recipe.seed, _BATCHES, step)
        slots = torch.randint(self.recipe.pool, (self.recipe.batch,), generator=generator).tolist()
        patches = [self._patch(self._slot(slot, step), generator, on_inner=i % 2 == 0) for i, slot in enumerate(slots)]
        inputs, fill, target, weight = (torch.stack(parts).float() for parts in zip(*patches, strict=True))
        return Batch(inputs, fill, target, weight)

    def held_out(self, count: int = 4) -> list[Batch]:
        """Batches of plates no step sees, for choosing among snapshots."""
        batches = []
        for number in range(count):
            generator = seeded(self.recipe.seed, HELD_OUT, 1_000_000 + number)
            kept = self.make(number, HELD_OUT)
            patches = [self._patch(kept, generator, on_inner=i % 2 == 0) for i in range(self.recipe.batch)]
            batches.append(Batch(*(torch.stack(parts).float() for parts in zip(*patches, strict=True))))
        return batches

    def _slot(self, slot: int, step: int) -> Plate:
        """The plate that slot holds at that step: renewed once in `pool * refresh` steps, one slot after another."""
        renewals = (step // self.recipe.refresh + self.recipe.pool - 1 - slot) // self.recipe.pool
        number = slot + self.recipe.pool * renewals
        if self._slots.get(slot, (-1, None))[0] != number:
            self._slots[slot] = (number, self.make(number))
        return self._slots[slot][1]

    def _patch(self, source: Plate, generator: torch.Generator, on_inner: bool) -> list[Tensor]:
        def below(count: int) -> int:
            return int(torch.randint(count, (), generator=generator).item())

        side = self.recipe.patch
        layers = [_at_least(layer, side) for layer in (source.inputs, source.fill, source.target, source.weight)]
        height, width = layers[0].shape[1:]
        near = source.inner if on_inner and len(source.inner) else source.figure
        spread = 12
        y, x = near[below(len(near))].tolist() if len(near) else (height // 2, width // 2)
        top = min(max(y + below(2 * spread + 1) - spread - side // 2, 0), height - side)
        left = min(max(x + below(2 * spread + 1) - spread - side // 2, 0), width - side)
        flip, quarter = [axis for axis in (1, 2) if below(2)], below(2)
        patches = [layer[:, top : top + side, left : left + side].flip(flip) for layer in layers]
        return [patch.transpose(1, 2) if quarter else patch for patch in patches]
