"""What one frame shows and its neighbour hides.

Belongs here: visibility of surface points between two frames, and the trust that follows. Does not: finding motion
(`flow`), looping over a shot (`osf_pipeline.guidance`).

A point is seen in the other frame when, at the place it moves to, one of the four pixels around shows the same object,
the same part and nearly the same rest position, and moves back to where the point came from. Depth is not compared: a
surface may approach the camera, and its rest position names the point already.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from model.warp import inconsistency, within

SUBPIXEL = 1 / 16
"""Pixels of motion that storage may have rounded away: nearer than this, a place is a pixel centre."""

TRUST_ESTIMATED = 0.5
"""Confidence in guides that rest on estimated motion or, without geometry, on colour alone."""

TRUST_UNCHECKED = 0.75
"""Confidence where no motion allows a comparison in time: contours are exact there, `revealed` is unknown and 0."""

TRUST_REPAIRED = 0.75
"""Confidence where a mixed sample was repaired from its neighbours."""


@dataclass(frozen=True)
class Surface:
    """What names a surface point, all (B, C, H, W): rest position (3), part id (1), object id (1)."""

    rest: Tensor
    part: Tensor
    object: Tensor

    def table(self) -> Tensor:
        """(B * H * W, 5) float32, one row a pixel: rest position, part, object (ids below 2^24 are exact)."""
        return _rows(torch.cat([self.rest.float(), self.part.float(), self.object.float()], 1))


@dataclass(frozen=True)
class Motion:
    """Motion of a batch of frames, in the direction of the other frame.

    Attributes:
        step: (B, 2, H, W), pixels from a point's place here to its place there.
        valid: (B, 1, H, W) bool, where it may be used.
    """

    step: Tensor
    valid: Tensor


def hidden(here: Surface | None, there: Surface | None, go: Motion, back: Motion | None, rest_gap: float) -> Tensor:
    """How surely the points of this frame are hidden in another one.

    With the previous frame, `go.step = -motion` and `back.step` = its `motion_next`; with the next frame,
    `go.step = motion_next` and `back.step` = minus its `motion`. Points that leave the frame are hidden. Where `go` is
    not valid the answer is 0: nothing is known.

    Rest positions count as equal below half the rest gap and as different above one and a half; motions by the
    forward-backward rule of `inconsistency`.

    Args:
        here, there: both, or neither where geometry is unknown.
        back: None where the other frame does not know its motion to this one.
        rest_gap: scene units, see `ContourRule`.

    Returns:
        (B, 1, H, W) float32 in 0..1.
    """
    H, W = go.step.shape[2:]
    where = go.valid.flatten().nonzero().squeeze(1)
    step = _rows(go.step)[where]
    place = _place(where, step, H, W)
    frame = where // (H * W)
    own, other = (here.table()[where], there.table()) if here and there else (None, None)
    returns, returns_valid = (_rows(back.step), back.valid.flatten()) if back else (None, None)
    seen = torch.zeros_like(step[:, 0])
    for x, y in _around(place):
        corner = (frame * H + y.clamp(0, H - 1)) * W + x.clamp(0, W - 1)
        agrees = torch.ones_like(seen)
        if own is not None and other is not None:
            agrees = _same_point(own, other[corner], rest_gap)
        if returns is not None and returns_valid is not None:
            agrees *= torch.where(returns_valid[corner], 1 - inconsistency(step, returns[corner])[:, 0], 1.0)
        seen = torch.maximum(seen, agrees)
    inside = within(place[:, :, None, None], H, W).flatten()
    found = torch.zeros_like(go.valid, dtype=torch.float32)
    found.view(-1)[where] = torch.where(inside, 1 - seen, 1.0)
    return found


def unreached(here: Surface, there: Surface, back: Motion, rest_gap: float) -> Tensor:
    """How surely the points of this frame are hidden in another one, by that one's motion to this frame alone.

    For sources without `motion_next`: a point is seen next if a pixel of the next frame with its ids and rest position
    came from it. 0 where there is no such point, and everywhere in a frame where `back` is valid nowhere (a cut).

    Returns:
        (B, 1, H, W) float32 in 0..1.
    """
    B, _, H, W = back.step.shape
    where = back.valid.flatten().nonzero().squeeze(1)
    own, row = here.table(), there.table()[where]
    seen = torch.zeros(B * H * W, device=own.device)
    for x, y in _around(_place(where, _rows(back.step)[where], H, W)):
        inside = (x >= 0) & (x < W) & (y >= 0) & (y < H)
        corner = ((where // (H * W) * H + y) * W + x)[inside]
        seen.scatter_reduce_(0, corner, _same_point(own[corner], row[inside], rest_gap), "amax")
    linked = back.valid.flatten(1).any(1).view(B, 1, 1, 1)
    return torch.where((here.object > 0) & linked, 1 - seen.view(B, 1, H, W), 0.0)


def confidence(
    revealed_B1HW: Tensor, checked_B1HW: Tensor, seen_B1HW: Tensor, repaired_B1HW: Tensor | None, *, estimated: bool
) -> Tensor:
    """Trust in the guides of a pixel, 0..1, the product of what is known against it.

    A point the previous frame also shows counts fully, a revealed one half: nothing confirms it. Without a comparison
    in time it counts `TRUST_UNCHECKED`; background counts fully.

    Args:
        revealed_B1HW: 0..1.
        checked_B1HW: bool, motion allowed a comparison with the previous frame.
        seen_B1HW: bool, a surface is seen.
        repaired_B1HW: bool, the sample was repaired; None when nothing was.
        estimated: motion or contours were estimated from colour.
    """
    trust = torch.where(checked_B1HW, 1 - 0.5 * revealed_B1HW, torch.where(seen_B1HW, TRUST_UNCHECKED, 1.0))
    if repaired_B1HW is not None:
        trust = torch.where(repaired_B1HW, TRUST_REPAIRED * trust, trust)
    return TRUST_ESTIMATED * trust if estimated else trust


def _rows(x_BCHW: Tensor) -> Tensor:
    """(B * H * W, C), one row a pixel."""
    return x_BCHW.permute(0, 2, 3, 1).flatten(0, 2)


def _place(where_N: Tensor, step_N2: Tensor, height: int, width: int) -> Tensor:
    """(N, 2) x and y that the pixels of a flat index step to."""
    return torch.stack([where_N % width, where_N // width % height], 1) + step_N2


def _around(place_N2: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """x and y of the four pixels around a place; fewer differ where it is a pixel centre."""
    low, high = (place_N2 + SUBPIXEL).floor().long(), (place_N2 - SUBPIXEL).ceil().long()
    for y in (low[:, 1], high[:, 1]):
        for x in (low[:, 0], high[:, 0]):
            yield x, y


def _same_point(a_N5: Tensor, b_N5: Tensor, rest_gap: float) -> Tensor:
    """(N,) 0..1 for rows of `Surface.table`."""
    distance = torch.linalg.vector_norm(a_N5[:, :3] - b_N5[:, :3], dim=1)
    return (1.5 - distance / rest_gap).clamp(0, 1) * (a_N5[:, 3:] == b_N5[:, 3:]).all(1)
