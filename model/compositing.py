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

from model.color import over, srgb_decode

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
        centre: x, y of the surface's centroid in pixels.
    """

    surface: Tensor
    matte: Tensor
    outline: Tensor
    centre: tuple[float, float]


@dataclass(frozen=True)
class Figure:
    """An exemplar ready to be composited; `depth_gap` is the depth (scene units) put between layers."""

    sheet: Sheet
    limbs: Sequence[Limb]
    depth_gap: float


@dataclass(frozen=True)
class Similarity:
    """Output pixel p shows source pixel `source + rotate(-angle) (p - target) / scale`; angle in radians, y down."""

    source: tuple[float, float]
    target: tuple[float, float]
    angle: float
    scale: float


def arrange(figure: Figure, generator: torch.Generator) -> Sheet:
    """A random composite: the figure turned and scaled, with one to three limbs laid over or under it.

    Without limbs (a figure of one part) the whole figure is laid over itself.
    """
    height, width = figure.sheet.size
    draw = _Random(generator)
    body_pixels = figure.sheet.part[0, 0].nonzero()
    centre = _xy(body_pixels.double().mean(0))
    move = Similarity(
        centre, (width / 2, height / 2), draw.between(-math.pi, math.pi), math.exp(draw.between(-SCALING, SCALING))
    )
    stack = moved(figure.sheet, move)
    for _ in range(1 + draw.below(3)):
        limb = figure.limbs[draw.below(len(figure.limbs))]
        shown = stack.part[0, 0].nonzero()
        if not len(shown):
            break
        piece = cut(figure, limb, draw)
        place = Similarity(
            limb.centre,
            _xy(shown[draw.below(len(shown))]),
            draw.between(-math.pi, math.pi),
            math.exp(draw.between(-SCALING, SCALING)),
        )
        piece = moved(piece, place)
        stack = stacked(stack, piece, figure.depth_gap) if draw.chance(0.2) else stacked(piece, stack, figure.depth_gap)
    return stack


def turned(figure: Figure, generator: torch.Generator) -> Sheet:
    """The figure as drawn, turned and scaled at random."""
    height, width = figure.sheet.size
    draw = _Random(generator)
    centre = (width / 2, height / 2)
    angle = draw.between(-math.pi, math.pi)
    return moved(figure.sheet, Similarity(centre, centre, angle, math.exp(draw.between(-SCALING, SCALING))))


def cut(figure: Figure, limb: Limb, draw: _Random) -> Sheet:
    """The limb alone; the outline is redrawn along the cut with the figure's own ink, its width and edge wavering."""
    sheet, matte = figure.sheet, limb.matte.to(figure.sheet.color.dtype)
    width = figure.ink.width * draw.between(0.85, 1.15)
    waver = draw.smooth_noise(sheet.size) * 0.15 * width
    cover = (width - limb.joint + waver + 0.5).clamp(0, 1) * matte
    stroke = torch.cat([srgb_decode(figure.ink.color), torch.ones_like(cover)], 1) * cover
    color = sheet.color * matte
    # The redrawn outline stays on the limb: no further out than its own coverage.
    drawn = over(stroke * color[:, 3:], sheet.target * matte)
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


def moved(sheet: Sheet, move: Similarity) -> Sheet:
    """The sheet under a similarity: colours linear, the rest nearest, normals turned, depth scaled about its mean."""
    height, width = sheet.size
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    dx, dy = (x - move.target[0]) / move.scale, (y - move.target[1]) / move.scale
    cos, sin = math.cos(move.angle), math.sin(move.angle)
    sx = move.source[0] + cos * dx + sin * dy
    sy = move.source[1] - sin * dx + cos * dy
    grid = torch.stack([(2 * sx + 1) / width - 1, (2 * sy + 1) / height - 1], -1)[None].to(sheet.color.dtype)
    smooth = F.grid_sample(torch.cat([sheet.color, sheet.target], 1), grid, align_corners=False)
    column, row = sx.round().long(), sy.round().long()
    inside = ((column >= 0) & (column < width) & (row >= 0) & (row < height))[None, None]
    index = (row.clamp(0, height - 1), column.clamp(0, width - 1))

    def nearest(buffer: Tensor, background: float) -> Tensor:
        return torch.where(inside, buffer[:, :, index[0], index[1]], background)

    depth = nearest(sheet.depth, math.inf)
    seen = depth.isfinite()
    if seen.any():
        middle = depth[seen].mean()
        depth = torch.where(seen, middle + (depth - middle) * move.scale, depth)
    nx, ny, nz = nearest(sheet.normal, 0).split(1, 1)  # y up, while the picture's y runs down
    return Sheet(
        smooth[:, :4],
        smooth[:, 4:],
        nearest(sheet.weight, 1),
        depth,
        torch.cat([cos * nx + sin * ny, cos * ny - sin * nx, nz], 1),
        nearest(sheet.rest, 0),
        nearest(sheet.part, 0),
        nearest(sheet.object, 0),
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

    def smooth_noise(self, size: tuple[int, int], cell: int = 12) -> Tensor:
        """(1, 1, H, W) noise of unit variance at the knots, `cell` pixels apart."""
        knots = torch.randn(1, 1, size[0] // cell + 2, size[1] // cell + 2, generator=self.generator)
        return F.interpolate(knots, size=size, mode="bicubic", align_corners=True)


def _xy(yx: Tensor) -> tuple[float, float]:
    y, x = yx.tolist()
    return float(x), float(y)
