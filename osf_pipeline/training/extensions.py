"""Losses and augmentations of others, by entry point.

A package adds a loss term to the entry-point group `osf.losses`, an augmentation to `osf.augmentations`:

    [project.entry-points."osf.losses"]
    soft_edge = "studio.training:soft_edge"

    [project.entry-points."osf.augmentations"]
    warm_light = "studio.training:warm_light"

`studio/training.py`:

    def soft_edge(line: Line, fill_B4HW: Tensor, target_B4HW: Tensor) -> Tensor:
        "Half-covered ink costs more than full or none: crisp edges."
        return (line.alpha * (1 - line.alpha)).mean()

    def warm_light(sheet: Sheet, generator: torch.Generator) -> Sheet:
        "Warmer or cooler light, on the render and the drawing alike."
        gain = 1 + 0.1 * (2 * torch.rand((), generator=generator) - 1)
        warm = torch.stack([gain, torch.ones(()), 1 / gain, torch.ones(())]).view(1, 4, 1, 1)
        return replace(sheet, color=sheet.color * warm, target=sheet.target * warm)

and `style.yaml` asks for them:

    recipe:
      losses: {soft_edge: 0.05}
      augmentations: [warm_light]

A loss gets scene-linear premultiplied pictures (`model.training_step.LossTerm`). An augmentation gets every training
composite before its contours are found (`model.compositing.Sheet`), and may draw random numbers from its generator
alone: a resumed run must make the same picture again. Held-out composites are left as they are. A recipe names them, so
a changed one needs a new name: the name is part of what a training is found again by.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

import torch

from model.compositing import Sheet
from model.training_step import LossTerm
from osf_pipeline.errors import RequestError

LOSSES, AUGMENTATIONS = "osf.losses", "osf.augmentations"

Augmentation = Callable[[Sheet, torch.Generator], Sheet]


def loss(name: str) -> LossTerm:
    """The registered loss term of that name.

    Raises:
        RequestError: for a name that is not registered.
    """
    term: LossTerm = _load(LOSSES, name)
    return term


def augmentation(name: str) -> Augmentation:
    """The registered augmentation of that name.

    Raises:
        RequestError: for a name that is not registered.
    """
    found: Augmentation = _load(AUGMENTATIONS, name)
    return found


def _load(group: str, name: str) -> Any:
    points = {point.name: point for point in entry_points(group=group)}
    if name not in points:
        known = ", ".join(sorted(points)) or "none"
        raise RequestError("unknown extension", group=group, name=name, fix=f"Registered: {known}.")
    return points[name].load()
