"""Shift-tolerant perceptual distance on frozen features, as a metric and as a training loss.

Belongs here: the feature networks' layouts and the distance. Does not: finding or reading the weights
(`osf_pipeline.packaged`), other image metrics (`osf_pipeline.evaluation`).

Distance: LPIPS (Zhang et al. 2018, arXiv 1801.03924) with the anti-aliased, re-padded networks of ST-LPIPS (Ghildyal
and Liu 2022, arXiv 2207.13686): every stride is a stride-1 layer followed by a [1 2 1] blur, reflect-padded by two
pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Backbone = Literal["alex", "vgg"]

# One entry per stage. "C": convolution + ReLU; "B": convolution, blur-downsample, ReLU; "P": max-pool of the given
# size at stride 1, then blur-downsample. Convolutions are (kind, padding); pools are (kind, size).
_Stage = tuple[tuple[str, int], ...]
_ALEX: tuple[_Stage, ...] = ((("B", 2),), (("P", 3), ("C", 2)), (("P", 3), ("C", 1)), (("C", 1),), (("C", 1),))
_VGG: tuple[_Stage, ...] = (
    (("C", 1), ("C", 1)),
    (("P", 2), ("C", 1), ("C", 1)),
    *[(("P", 2), ("C", 1), ("C", 1), ("C", 1))] * 3,
)
_STAGES: dict[Backbone, tuple[_Stage, ...]] = {"alex": _ALEX, "vgg": _VGG}


@dataclass(frozen=True)
class Distance:
    """Perceptual distance of a batch.

    Attributes:
        mean: (B,) float; 0 for equal images.
        map: (B, 1, H, W) float; where the distance comes from, bilinear from every stage's resolution.
    """

    mean: Tensor
    map: Tensor


def _blur_down(x_BCHW: Tensor) -> Tensor:
    tap = x_BCHW.new_tensor([0.25, 0.5, 0.25])
    kernel = (tap[:, None] * tap).expand(x_BCHW.shape[1], 1, 3, 3)
    return F.conv2d(F.pad(x_BCHW, (2, 2, 2, 2), mode="reflect"), kernel, stride=2, groups=x_BCHW.shape[1])


class STLPIPS(nn.Module):
    """Frozen ST-LPIPS of one backbone.

    Args:
        state: the published state dict, `net.slice<stage>.<index>.{weight,bias}`, `lin<stage>.model.1.weight` and the
            input scaling; the backbone follows from the first kernel's size.

    Raises:
        KeyError: when the state dict lacks a layer.
    """

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        convolutions = [
            name.removesuffix(".weight") for name in state if name.startswith("net.") and name.endswith(".weight")
        ]
        self.backbone: Backbone = "alex" if state[f"{convolutions[0]}.weight"].shape[-1] == 11 else "vgg"
        self.stages = _STAGES[self.backbone]
        self.kernels = nn.ParameterList(state[f"{name}.weight"] for name in convolutions)
        self.biases = nn.ParameterList(state[f"{name}.bias"] for name in convolutions)
        self.weights = nn.ParameterList(state[f"lin{i}.model.1.weight"] for i in range(len(self.stages)))
        self.shift = nn.Buffer(state["scaling_layer.shift"])
        self.scale = nn.Buffer(state["scaling_layer.scale"])
        self.requires_grad_(False)

    def features(self, x_B3HW: Tensor, stages: int | None = None) -> list[Tensor]:
        """Unit-length (over channels) features of the first `stages` stages; images in 0..1, at least 64x64."""
        h = (2 * x_B3HW - 1 - self.shift) / self.scale
        found, index = [], 0
        for stage in self.stages[:stages]:
            for kind, size in stage:
                if kind == "P":
                    h = _blur_down(F.max_pool2d(h, size, stride=1))
                    continue
                h = F.conv2d(h, self.kernels[index], self.biases[index], padding=size)
                h = F.relu(_blur_down(h) if kind == "B" else h)
                index += 1
            found.append(h / (torch.linalg.vector_norm(h, dim=1, keepdim=True) + 1e-10))
        return found

    def forward(self, x_B3HW: Tensor, y_B3HW: Tensor) -> Distance:
        """Distance of two batches of display-encoded RGB images in 0..1, at least 64x64."""
        return self.between(self.features(x_B3HW), self.features(y_B3HW), x_B3HW.shape[2:])

    def between(self, x: Sequence[Tensor], y: Sequence[Tensor], size: Sequence[int]) -> Distance:
        """Distance of two images of height and width `size` from their `features`."""
        stages = [F.conv2d((fx - fy).square(), weight) for fx, fy, weight in zip(x, y, self.weights, strict=True)]
        spread = [F.interpolate(d, size=tuple(size), mode="bilinear", align_corners=False) for d in stages]
        return Distance(
            torch.stack([d.mean(dim=(1, 2, 3)) for d in stages]).sum(0),
            torch.stack(spread).sum(0),
        )


def feature_loss(network: STLPIPS, x_B3HW: Tensor, features: Sequence[Tensor]) -> Tensor:
    """Mean squared distance of early features, a scalar for training.

    Every channel counts alike: the metric's own channel weights are kept out, so that ST-LPIPS stays a fair judge.

    Args:
        features: `network.features(target, stages)` of the target; their number chooses the depth.
    """
    found = network.features(x_B3HW, len(features))
    return torch.stack([(f - g).square().sum(1).mean() for f, g in zip(found, features, strict=True)]).sum()
