"""What the stylizer is asked to match.

Belongs here: differentiable distances between a predicted beauty and the drawing. Does not: metrics for people to read
(`osf_pipeline.evaluation`).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from model.color import on_white
from model.perceptual import STLPIPS, feature_loss
from model.stylizer import Line


@dataclass(frozen=True)
class LossWeights:
    """Weights of the terms; images are display-encoded in 0..1.

    Attributes:
        pixel: L1 of the picture on white and of the alpha.
        gradient: L1 of horizontal and vertical differences: sharp strokes.
        sparsity: mean line alpha: where the fill is right already, no line is drawn.
        perceptual: squared distance of frozen early features; 0 leaves the network out.
    """

    pixel: float = 8.0
    gradient: float = 4.0
    sparsity: float = 0.02
    perceptual: float = 0.0


def no_line(fill_B4HW: Tensor) -> Line:
    """The empty line: what a model must beat."""
    return Line(fill_B4HW[:, :3] * 0, fill_B4HW[:, 3:] * 0)


def gradient_l1(x_BCHW: Tensor, y_BCHW: Tensor) -> Tensor:
    """Mean absolute difference of the images' forward differences."""
    dx = x_BCHW.diff(dim=3) - y_BCHW.diff(dim=3)
    dy = x_BCHW.diff(dim=2) - y_BCHW.diff(dim=2)
    return dx.abs().mean() + dy.abs().mean()


def drawing_loss(
    line: Line, fill_B4HW: Tensor, target_B4HW: Tensor, weights: LossWeights, features: STLPIPS | None = None
) -> dict[str, Tensor]:
    """The weighted terms and their sum under `total`.

    The line is laid over the fill exactly as it is delivered, in scene-linear light, and only then encoded for display.
    Comparing on white and comparing alpha fixes the picture on every background.

    Args:
        fill_B4HW: scene-linear premultiplied render.
        target_B4HW: scene-linear premultiplied drawing.
        features: needed when `weights.perceptual` is above 0; patches of at least 64x64.
    """
    beauty = line.over(fill_B4HW)
    seen, wanted = on_white(beauty), on_white(target_B4HW)
    terms = {
        "pixel": weights.pixel * ((seen - wanted).abs().mean() + (beauty[:, 3:] - target_B4HW[:, 3:]).abs().mean()),
        "gradient": weights.gradient * gradient_l1(seen, wanted),
        "sparsity": weights.sparsity * line.alpha.mean(),
    }
    if features is not None and weights.perceptual > 0:
        stages = 2
        terms["perceptual"] = weights.perceptual * feature_loss(features, seen, features.features(wanted, stages))
    return {"total": sum(terms.values(), start=line.alpha.new_zeros(())), **terms}
