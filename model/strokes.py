"""How broad the drawn line is, and in which ink, at every place of the surface: a coarse atlas in the rest pose.

A drawing of several inks and a swelling line cannot be told from the contour distance alone; a line learnt without
this is washed out to the mean. The atlas is blurred over a few percent of the figure, so it says how a line looks where
there is one, never where one lies: rest position itself would be a shortcut that floods turned limbs with ink.

Belongs here: fitting and reading the atlas. Does not: finding the line in a drawing (`osf_pipeline.training.exemplar`).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CELLS = 24
"""Atlas cells along each axis of the rest box."""

BLUR = 0.04
"""Standard deviation of the atlas' blur, as a share of the rest box's longest side."""

_SAMPLES = 4000
_WIDTHS = (0.5, 1.6)

SPREAD = 3
"""Pixels by which a surface's ink and width reach into the background beside it."""


class StrokeAtlas(nn.Module):
    """Ink colour and stroke width over the rest box.

    Attributes:
        values: (4, Z, Y, X) float32: display-encoded straight RGB in 0..1, and width in pixels.
        low, high: (3,) corners of the rest box in scene units.
    """

    def __init__(self) -> None:
        super().__init__()
        self.values = nn.Buffer(torch.zeros(4, CELLS, CELLS, CELLS))
        self.low, self.high = nn.Buffer(torch.zeros(3)), nn.Buffer(torch.ones(3))

    def forward(self, rest_B3HW: Tensor) -> Tensor:
        """(B, 4, H, W) ink colour and width at every surface pixel, and within 3 px of one; 0 further out.

        Args:
            rest_B3HW: rest positions in scene units, 0 on background. 0 everywhere where they are unknown.
        """
        seen_B1HW = (rest_B3HW != 0).any(1, keepdim=True)
        size = (self.high - self.low).view(1, 3, 1, 1)
        grid = 2 * (rest_B3HW - self.low.view(1, 3, 1, 1)) / size - 1
        values = self.values.expand(len(rest_B3HW), *self.values.shape)
        found = F.grid_sample(
            values, grid.permute(0, 2, 3, 1)[:, None], padding_mode="border", align_corners=True
        )[:, :, 0]  # fmt: skip
        seen = seen_B1HW.to(found.dtype)
        found = found * seen
        # A line outside the silhouette looks like the line of the surface beside it.
        near, share = (F.avg_pool2d(x, 2 * SPREAD + 1, 1, SPREAD) for x in (found, seen))
        return torch.where(seen_B1HW, found, near / share.clamp(min=1e-3))


def fit_atlas(
    ink_rest_N3: Tensor,
    ink_N3: Tensor,
    strength_N: Tensor,
    contour_rest_M3: Tensor,
    low_3: Tensor,
    high_3: Tensor,
    stroke: float,
) -> StrokeAtlas:
    """Blur the drawn line into an atlas.

    The colour of a cell is the Gaussian-weighted mean of the ink around it; its width that of the contours around it,
    where a contour's width is ink area over contour length, scaled to the given mean stroke.

    Args:
        ink_rest_N3: rest positions of inked pixels along contours.
        ink_N3: their display-encoded straight colours.
        strength_N: how much each counts for the colour: faint and half-covered pixels should count little.
        contour_rest_M3: rest positions of contour pixels.
        stroke: mean stroke width in pixels.
    """
    atlas = StrokeAtlas()
    # A flat figure would leave a box without depth.
    span = (high_3 - low_3).max()
    pad = (0.05 * span - (high_3 - low_3)).clamp(min=0) / 2
    atlas.low.copy_(low_3 - pad)
    atlas.high.copy_(high_3 + pad)
    axes = [torch.linspace(float(a), float(b), CELLS) for a, b in zip(atlas.low, atlas.high, strict=True)]
    z, y, x = torch.meshgrid(axes[2], axes[1], axes[0], indexing="ij")
    cells = torch.stack([x, y, z], -1).view(-1, 3)
    ink_step, contour_step = (-(-len(points) // _SAMPLES) for points in (ink_rest_N3, contour_rest_M3))
    ink_rest, ink, contour_rest = ink_rest_N3[::ink_step], ink_N3[::ink_step], contour_rest_M3[::contour_step]
    strength = strength_N[::ink_step].clamp(min=1e-6).log()

    def near(a_A3: Tensor, b_B3: Tensor) -> Tensor:
        return -torch.cdist(a_A3, b_B3).square() / (2 * (BLUR * span) ** 2)

    area, length = (near(contour_rest, points).exp().sum(1) for points in (ink_rest, contour_rest))
    ratio = area / length
    width = stroke * (ratio / ratio.mean()).clamp(*_WIDTHS)
    # softmax: far from any line a cell takes after the nearest one.
    values = [
        torch.cat(
            [
                (near(block, ink_rest) + strength).softmax(1) @ ink,
                near(block, contour_rest).softmax(1) @ width[:, None],
            ],
            1,
        )
        for block in cells.split(2048)
    ]
    atlas.values.copy_(torch.cat(values).T.reshape(4, CELLS, CELLS, CELLS))
    return atlas
