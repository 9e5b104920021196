"""Estimators of occlusion: what one picture shows and another hides, told from the pictures and the flow between them.

Belongs here: the interface, the built-in estimators, finding one by name. Does not: the exact answer from geometry
(`model.occlusion`), the user's own maps (`maps`), training (`training`).

Another estimator needs one class and an entry point in group `osf.occlusion_estimators`; a shot asks for it by the
point's name, `occlusion: {mode: residual}`:

    class Residual:
        version = 1
        model = None

        def __init__(self, folder: Path | None) -> None: ...

        def __call__(self, here, there, go, back):
            found, _ = warp(on_white(there), -go.step)
            return ((on_white(here) - found).abs().amax(1, keepdim=True) / 0.2).clamp(max=1) * go.valid
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from model.occlusion import Motion, hidden
from model.occlusion_net import load
from osf_pipeline.errors import RequestError
from osf_pipeline.occlusion.names import GROUP, MODEL


class OcclusionEstimator(Protocol):
    """Tells what one picture shows and another hides.

    Attributes:
        version: raised by hand whenever equal pictures give another answer; part of the guidance's identity.
        model: registered model whose files the estimator is made from; None when it needs none.
    """

    version: ClassVar[int]
    model: ClassVar[str | None]

    def __init__(self, folder: Path | None) -> None:
        """From the folder of the model's files; None without a model."""
        ...

    def __call__(self, here_B4HW: Tensor, there_B4HW: Tensor, go: Motion, back: Motion) -> Tensor:
        """Probability that a pixel of `here` is hidden in `there`.

        Args:
            here_B4HW, there_B4HW: scene-linear premultiplied colour in linear Rec. 709, float32.
            go: from `here` to `there`; not valid where no surface is seen.
            back: from `there` to `here`.

        Returns:
            (B, 1, H, W) float32 in 0..1; 0 where `go` is not valid.
        """
        ...


class ForwardBackward:
    """The consistency of both flows: a pixel is hidden when the way back does not return to it."""

    version: ClassVar[int] = 2
    model: ClassVar[str | None] = None

    def __init__(self, folder: Path | None = None) -> None:
        pass

    def __call__(self, here_B4HW: Tensor, there_B4HW: Tensor, go: Motion, back: Motion) -> Tensor:
        return hidden(None, None, go, back, 1.0)


class Learned:
    """The network that `osf train-occlusion` registers."""

    version: ClassVar[int] = 2
    model: ClassVar[str | None] = MODEL

    def __init__(self, folder: Path | None) -> None:
        if folder is None:
            raise RequestError("the learned estimator needs a model", fix="Run `osf train-occlusion`.")
        self.network = load(folder)[0].folded()

    def __call__(self, here_B4HW: Tensor, there_B4HW: Tensor, go: Motion, back: Motion) -> Tensor:
        with torch.inference_mode():
            return self.network.hidden(here_B4HW, there_B4HW, go, back)


@cache
def estimators() -> dict[str, EntryPoint]:
    """All registered estimators by name, not loaded."""
    return {point.name: point for point in sorted(entry_points(group=GROUP), key=lambda p: p.name)}


def estimator(name: str) -> type[OcclusionEstimator]:
    """The estimator of a name.

    Raises:
        RequestError: for one that is not registered.
    """
    if name not in estimators():
        raise RequestError(
            "unknown occlusion mode", mode=name, fix=f"Known: auto, full, maps, {', '.join(estimators())}."
        )
    return estimators()[name].load()
