"""Baselines whose networks paint the picture, edges painted on beforehand: the two-stage kind and its single run.

Written from what is published of DrawingSpinUp (arXiv 2409.08615): inputs, edges, self-overlay, the
order of stages, the 8 bits between them, the render's coverage. To compare designs and nothing else, trunk, optimiser,
curve, patches, steps and the pixel and gradient losses are those of our own stylizer; the originals' own generators
(`benchmarks/work.py` weighs them), VGG and adversarial losses are left out.

Belongs here: which networks a method has and how a frame goes through them. Does not: edges (`edges`), training
(`learning`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from model.color import on_white, srgb_encode, straight
from model.painter import INPUTS, Painter, covered, pack
from model.trunk import STRIDE, receptive_radius
from osf_pipeline.bench.method import Budget, Drawer, Fit, Footage, Log
from osf_pipeline.bench.methods.edges import Carried, Detected, EdgeSource, Found, RestBox
from osf_pipeline.bench.methods.learning import (
    RECIPE,
    Learnt,
    Lesson,
    Picture,
    eight_bit,
    held_out,
    keyframe,
    learn,
    overlaid,
    with_edges,
)
from osf_pipeline.bench.methods.untrained import in_rec709
from osf_pipeline.evaluation.evaluate import Candidate
from osf_pipeline.training.exemplar import ExemplarData, prepare


@dataclass(frozen=True)
class View:
    """A frame as painters see it, cut to the figure; (1, C, h, w) tensors."""

    rgb: Tensor
    alpha: Tensor
    rest: Tensor
    edges: Tensor

    def paint(self, painter: Painter, rgb: Tensor) -> Tensor:
        """(1, 3, h, w) what a painter makes of that colour here."""
        packed = pack(rgb, self.alpha, self.rest)
        painted: Tensor = painter(packed.contiguous(memory_format=torch.channels_last))
        return painted

    def edged(self, rgb: Tensor) -> Tensor:
        return rgb.where(~self.edges, 0.0)


def _drawer(stages: Sequence[Painter], box: RestBox, edges: EdgeSource) -> Drawer:
    """Every stage paints on what the one before made, in 8 bits; the edges go on before the last."""
    painters = [painter.fold() for painter in stages]

    @torch.inference_mode()
    def draw(footage: Footage, position: int) -> Candidate:
        frame, marked = footage[position], edges(footage, position)
        beauty = frame["color"].astype(np.float32)
        place = _figure(beauty[3] > 0, receptive_radius(RECIPE.blocks))
        if place is None:
            return Candidate(beauty)
        view = _view(frame, marked, box, place)
        rgb = view.rgb
        for painter in painters[:-1]:
            rgb = eight_bit(view.paint(painter, rgb))
        layer = covered(view.paint(painters[-1], view.edged(rgb)), view.alpha)[0].numpy()
        rows, columns = place
        beauty[:, rows, columns] = layer[:, : rows.stop - rows.start, : columns.stop - columns.start]
        return Candidate(beauty)

    return draw


def _figure(covered_YX: np.ndarray, margin: int) -> tuple[slice, slice] | None:
    """The figure's box with a margin, from multiples of the stride on; None without a figure."""
    spans = []
    for axis in (1, 0):
        filled = np.flatnonzero(covered_YX.any(axis))
        if not len(filled):
            return None
        start = max(int(filled[0]) - margin, 0)
        spans.append(slice(start - start % STRIDE, min(int(filled[-1]) + 1 + margin, covered_YX.shape[1 - axis])))
    return spans[0], spans[1]


def _view(frame: Mapping[str, np.ndarray], edges: np.ndarray, box: RestBox, place: tuple[slice, slice]) -> View:
    """Padded with background to whole strides."""

    def tensor(array: np.ndarray) -> Tensor:
        cut = torch.from_numpy(array[(..., *place)].astype(np.float32))[None]
        height, width = cut.shape[2:]
        return F.pad(cut, (0, -width % STRIDE, 0, -height % STRIDE))

    color = tensor(frame["color"])
    stored = box.eight_bit(frame["rest_position"], frame["part_id"][0] > 0)
    return View(
        srgb_encode(straight(color)), color[:, 3:].clamp(0, 1), tensor(stored[list(box.plane)]), tensor(edges[None]) > 0
    )


def _keyframes(exemplars: Sequence[ExemplarData]) -> tuple[RestBox, list[tuple[Picture, np.ndarray]]]:
    """The box of a style, and every keyframe with its edges."""
    prepared = [prepare(in_rec709(exemplar)) for exemplar in exemplars]
    box = RestBox.of(prepared)
    return box, [keyframe(exemplar, box) for exemplar in prepared]


def _contour_lesson(pictures: Sequence[Picture], stream: int) -> Lesson:
    """Edges baked in, the picture and its self-overlay: what the network that draws contours learns from."""
    return Lesson(
        [picture for each in pictures for picture in overlaid(each)],
        [picture for each in pictures for picture in held_out(each)],
        stream,
    )


def _kept(stages: Sequence[Learnt], began: float) -> Fit:
    """Weights by stage; batch counters are training state and are left out."""
    tensors = {
        f"{number}.{name}": value
        for number, stage in enumerate(stages)
        for name, value in stage.model.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    return Fit(
        tensors,
        {
            "steps": max(stage.steps for stage in stages),
            "seconds": time.monotonic() - began,
            "parameters": sum(p.numel() for stage in stages for p in stage.model.parameters()),
            "held_out": [{str(step): loss for step, loss in stage.losses.items()} for stage in stages],
            "width": stages[0].model.width,
            "blocks": stages[0].model.blocks,
        },
    )


def _stages(fit: Fit) -> list[Painter]:
    found = []
    for number in range(len(fit.facts["held_out"])):
        painter = Painter(fit.facts["width"], fit.facts["blocks"])
        own = {k.removeprefix(f"{number}."): v for k, v in fit.tensors.items() if k.startswith(f"{number}.")}
        counters = {k: v for k, v in painter.state_dict().items() if k.endswith("num_batches_tracked")}
        painter.load_state_dict({**own, **counters})
        found.append(painter.eval())
    return found


def _macs(fit: Fit, height: int, width: int) -> int:
    size = [-(-side // STRIDE) * STRIDE for side in (height, width)]
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        Painter(fit.facts["width"], fit.facts["blocks"]).fold()(torch.empty(1, len(INPUTS), *size))
    return len(fit.facts["held_out"]) * int(counter.get_total_flops()) // 2


@dataclass(frozen=True)
class TwoStage:
    """Texture first, contours second; see `method.Method`.

    The first network learns the contour-free picture, which is the render itself here; it sees the keyframe alone. The
    second learns the drawing from the first one's 8-bit output with edges painted on, and sees the self-overlay too.
    """

    name: str = "two-stage"
    meaning: str = "DrawingSpinUp kind: texture network, 8 bits, detected edges painted on, contour network"

    def fit(self, exemplars: Sequence[ExemplarData], budget: Budget, log: Log | None = None) -> Fit:
        began = time.monotonic()
        half = replace(budget, seconds=None if budget.seconds is None else budget.seconds / 2)
        _, keyframes = _keyframes(exemplars)
        plain = [_without_line(picture) for picture, _ in keyframes]
        texture = learn(Lesson(plain, [picture.turned(2) for picture in plain], 0), half, log)
        painted = [with_edges(_repainted(texture.model, picture), edges) for picture, edges in keyframes]
        if budget.seconds is not None:
            half = replace(half, seconds=budget.seconds - (time.monotonic() - began))
        return _kept([texture, learn(_contour_lesson(painted, 1), half, log)], began)

    def drawer(self, exemplars: Sequence[ExemplarData], fit: Fit) -> Drawer:
        box, _ = _keyframes(exemplars)
        return _drawer(_stages(fit), box, Detected(box))

    def macs(self, fit: Fit, height: int, width: int) -> int:
        return _macs(fit, height, width)


def _without_line(picture: Picture) -> Picture:
    """The picture with its own colour as what is wanted."""
    return replace(picture, wanted=on_white(covered(picture.rgb[None], picture.alpha[None]))[0])


@torch.inference_mode()
def _repainted(painter: Painter, picture: Picture) -> Picture:
    """The picture as a painter paints it, in 8 bits."""
    painted = painter(pack(picture.rgb[None], picture.alpha[None], picture.rest[None]))[0]
    return replace(picture, rgb=eight_bit(painted).clone())


EDGES: dict[str, Callable[[RestBox], EdgeSource]] = {
    "single run": Detected,
    "single run, edges carried": Carried,
    "single run, edges found": lambda box: Found(),
}
"""Where a single run takes its edges from when it draws, by the method's name. All three learn the same, from detected
edges, so that one fit serves them."""


@dataclass(frozen=True)
class SingleRun:
    """One network, from the render with edges painted on to the drawing; see `method.Method`."""

    name: str
    meaning: str

    def fit(self, exemplars: Sequence[ExemplarData], budget: Budget, log: Log | None = None) -> Fit:
        began = time.monotonic()
        _, keyframes = _keyframes(exemplars)
        return _kept([learn(_contour_lesson([with_edges(*each) for each in keyframes], 1), budget, log)], began)

    def drawer(self, exemplars: Sequence[ExemplarData], fit: Fit) -> Drawer:
        box, _ = _keyframes(exemplars)
        return _drawer(_stages(fit), box, EDGES[self.name](box))

    def macs(self, fit: Fit, height: int, width: int) -> int:
        return _macs(fit, height, width)


def held_out_loss(fit: Fit) -> float:
    """Lowest held-out loss of a fit's last network, the one that draws contours."""
    return float(min(fit.facts["held_out"][-1].values()))
