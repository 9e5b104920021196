"""Part-layer compositing: occlusions for training, made from one rest pose.

A drawing shows no arm in front of a body, an animation does. Limbs are cut out of the keyframe, render and drawing
alike, and laid over (or under) the figure at random, with depth order; contours are then found in the composite by the
same code as in a shot. So the network learns what the line does where surfaces pass behind each other.

Belongs here: cutting, moving and stacking sheets of buffers. Does not: finding the limbs and measuring the drawn line
(`osf_pipeline.training.exemplar`), finding contours (`contours`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

from model.color import over


@dataclass(frozen=True)
class Sheet:
    """One picture with its buffers, all `(1, C, H, W)`.

    Attributes:
        color: 4, scene-linear premultiplied render.
        target: 4, scene-linear premultiplied drawing.
        weight: 1, in 0..1, where the drawing is to be learnt.
        depth: 1, +inf background.
        normal: 3, camera space, y up.
        rest: 3, rest position.
        part, object: 1, integer ids; 0 is background.
    """

    color: Tensor
    target: Tensor
    weight: Tensor
    depth: Tensor
    normal: Tensor
    rest: Tensor
    part: Tensor
    object: Tensor

    @property
    def size(self) -> tuple[int, int]:
        return self.depth.shape[2], self.depth.shape[3]


@dataclass(frozen=True)
class Limb:
    """A chain of parts that can be cut out.

    Attributes:
        surface: (1, 1, H, W) bool, pixels whose centre shows the limb.
        matte: (1, 1, H, W) bool, pixels whose colour belongs to it: `surface`, its soft rim and its drawn line outside.
        outline: (1, 4, H, W) scene-linear premultiplied, the line to draw along the cut, where the drawing has none.
        centre: x, y of the pixel nearest to the surface's centroid.
    """

    surface: Tensor
    matte: Tensor
    outline: Tensor
    centre: tuple[int, int]


@dataclass(frozen=True)
class Figure:
    """An exemplar ready to be composited.

    Attributes:
        limbs: one at least; a figure that cannot be cut is its own limb.
        depth_gap: scene units of depth put between layers.
    """

    sheet: Sheet
    limbs: Sequence[Limb]
    depth_gap: float


@dataclass(frozen=True)
class Move:
    """Whole pixels, quarter turns and a mirror: nothing is resampled, so a stroke stays as crisp as it was drawn.

    Output pixel `target + q` shows source pixel `source + p`, where q is p, mirrored left to right if so asked, and
    then turned clockwise (y down) by quarters.
    """

    source: tuple[int, int]
    target: tuple[int, int]
    quarters: int = 0
    mirrored: bool = False


def arrange(figure: Figure, generator: torch.Generator) -> Sheet:
    """A random composite: one to three limbs, turned and mirrored, laid over or under the figure."""
    draw = _Random(generator)
    stack = figure.sheet
    for _ in range(1 + draw.below(3)):
        limb = figure.limbs[draw.below(len(figure.limbs))]
        shown = stack.part[0, 0].nonzero()
        y, x = shown[draw.below(len(shown))].tolist()
        piece = moved(cut(figure, limb), Move(limb.centre, (x, y), draw.below(4), draw.chance(0.5)))
        stack = stacked(stack, piece, figure.depth_gap) if draw.chance(0.2) else stacked(piece, stack, figure.depth_gap)
    return stack


def cut(figure: Figure, limb: Limb) -> Sheet:
    """The limb alone; along the cut its outline is drawn as the artist draws."""
    sheet, matte = figure.sheet, limb.matte.to(figure.sheet.color.dtype)
    color = sheet.color * matte
    # The redrawn outline stays on the limb: no further out than its own coverage.
    drawn = over(limb.outline * color[:, 3:], sheet.target * matte)
    return Sheet(
        color,
        drawn,
        torch.where(limb.matte, sheet.weight, 1.0),
        torch.where(limb.surface, sheet.depth, torch.inf),
        torch.where(limb.surface, sheet.normal, 0),
        torch.where(limb.surface, sheet.rest, 0),
        torch.where(limb.surface, sheet.part, 0),
        torch.where(limb.surface, sheet.object, 0),
    )


def moved(sheet: Sheet, move: Move) -> Sheet:
    """The sheet moved on a canvas of the same size; what comes in from outside is background."""
    height, width = sheet.size
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    dx, dy = x - move.target[0], y - move.target[1]
    cos, sin = ((1, 0), (0, 1), (-1, 0), (0, -1))[move.quarters % 4]
    back_x, back_y = cos * dx + sin * dy, cos * dy - sin * dx
    flip = -1 if move.mirrored else 1
    column, row = move.source[0] + flip * back_x, move.source[1] + back_y
    inside = ((column >= 0) & (column < width) & (row >= 0) & (row < height))[None, None]
    index = (row.clamp(0, height - 1), column.clamp(0, width - 1))

    def shown(buffer: Tensor, background: float = 0) -> Tensor:
        return torch.where(inside, buffer[:, :, index[0], index[1]], background)

    nx, ny, nz = shown(sheet.normal).split(1, 1)
    nx = flip * nx
    return Sheet(
        color=shown(sheet.color),
        target=shown(sheet.target),
        weight=shown(sheet.weight, 1),
        depth=shown(sheet.depth, math.inf),
        normal=torch.cat([cos * nx + sin * ny, cos * ny - sin * nx, nz], 1),  # y up, while the picture's y runs down
        rest=shown(sheet.rest),
        part=shown(sheet.part),
        object=shown(sheet.object),
    )


def shrunk(sheet: Sheet, factor: float) -> Sheet:
    """The sheet seen from farther away: colours filtered, the rest the nearest pixel's.

    Args:
        factor: at most 1.
    """
    size = [max(1, round(side * factor)) for side in sheet.size]

    def filtered(layer: Tensor) -> Tensor:
        return F.interpolate(layer, size, mode="bilinear", antialias=True, align_corners=False)

    def nearest(buffer: Tensor) -> Tensor:
        rows, columns = ((torch.arange(n) + 0.5).mul(side / n).long() for n, side in zip(size, sheet.size, strict=True))
        return buffer[:, :, rows][:, :, :, columns]

    return Sheet(
        filtered(sheet.color),
        filtered(sheet.target),
        *(nearest(getattr(sheet, field.name)) for field in fields(Sheet)[2:]),
    )


def stacked(front: Sheet, back: Sheet, gap: float) -> Sheet:
    """`front` over `back`; the front is pulled towards the camera until it clears the back by `gap` everywhere."""
    ahead = front.part > 0
    depth = front.depth
    if ahead.any() and back.depth.isfinite().any():
        shift = back.depth.min() - gap - depth[ahead].max()
        depth = torch.where(ahead, depth + shift, depth)
    names = [f.name for f in fields(Sheet) if f.name not in ("color", "target", "depth")]
    merged = {name: torch.where(ahead, getattr(front, name), getattr(back, name)) for name in names}
    return Sheet(
        color=over(front.color, back.color),
        target=over(front.target, back.target),
        depth=torch.where(ahead, depth, back.depth),
        **merged,
    )


class _Random:
    """Draws from one torch generator, so that a composite is a pure function of its seed."""

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * torch.rand((), generator=self.generator).item()

    def below(self, count: int) -> int:
        return int(torch.randint(count, (), generator=self.generator).item())

    def chance(self, probability: float) -> bool:
        return self.between(0, 1) < probability
