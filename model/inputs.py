"""The stylizer's named inputs.

Belongs here: what the network sees of a frame, in which order and scale. Does not: how guides are found (`contours`).

Rest position, normals and depth are left out on purpose: given to a line predictor that learns from one pose they are
shortcuts ("this slant carries ink") and flood turned limbs with ink. Where a line lies follows from the contour
distance alone; the rest position only says which stretch of the drawn line is laid there (`strokes`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor

from model.color import display_premultiplied
from model.contours import CONTOUR_RANGE

INPUTS = (
    "red", "green", "blue", "alpha", "signed_contour", "soft_edge", "ink_red", "ink_green", "ink_blue", "drawn_line",
)  # fmt: skip
"""Input channels in order: display-encoded premultiplied RGB, coverage, signed contour distance, contour nearness, the
colour and the opacity of the drawn line as it is laid along the contour."""

INK, DRAWN_LINE = slice(6, 9), slice(9, 10)
"""Where the network finds the drawn line, from which it starts."""

MARGIN = 3.0
"""Pixels beyond the stroke at which the signed distance saturates."""

EDGE_SIGMA = 1.5
"""Pixels; the soft edge is exp(-(distance / 1.5)^2)."""


@dataclass(frozen=True)
class Guides:
    """Contour guidance of a batch of frames.

    Attributes:
        distance: (B, 1, H, W) float, pixels to the nearest contour, unsigned; from `CONTOUR_RANGE` on there is none.
        side: (B, 1, H, W) bool, True on the surface that owns that contour.
    """

    distance: Tensor
    side: Tensor

    def without(self, names: Collection[str]) -> Guides:
        """The same, with nothing said by the guides of these names; names of other guides are passed over."""
        if "contour" not in names:
            return self
        return Guides(torch.full_like(self.distance, torch.inf), torch.zeros_like(self.side))


def rest_without(rest_B3HW: Tensor, names: Collection[str]) -> Tensor:
    """Rest positions, flat where `rest_z` is among the names."""
    return rest_B3HW * rest_B3HW.new_tensor([1, 1, 0]).view(3, 1, 1) if "rest_z" in names else rest_B3HW


def pack(color_B4HW: Tensor, guides: Guides, drawn_B4HW: Tensor, stroke: float, scale: float = 1) -> Tensor:
    """(B, 10, H, W) network input in the order of `INPUTS`, each channel in -1..1.

    Args:
        color_B4HW: scene-linear premultiplied; HDR and negative values are clamped in this view only.
        drawn_B4HW: colour and opacity of the drawn line, as `model.strokes.Strokes` lays it.
        stroke: mean stroke width in pixels of the drawing. The signed distance is in units of width + 3 px.
        scale: size at which the line is wanted against the drawing's: distances count in the drawing's pixels.
    """
    # A distance that is out of range is out of reach at any scale.
    distance = torch.where(guides.distance < CONTOUR_RANGE, guides.distance / scale, CONTOUR_RANGE)
    signed = torch.where(guides.side, distance, -distance) / (stroke + MARGIN)
    soft = torch.exp(-((distance / EDGE_SIGMA) ** 2))
    return torch.cat([display_premultiplied(color_B4HW), signed.clamp(-1, 1), soft, drawn_B4HW], 1)
