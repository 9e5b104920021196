"""A drawing of which everything is known: its colour beneath the outline, its mask, its joints and the hand.

Belongs here: the record, and how the outline and the paper make a picture of it. Does not: what is drawn (`body`,
`dress`, `sample.original`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from osf_pipeline.character.character import Character
from osf_pipeline.color import decode_srgb, encode_srgb
from osf_pipeline.drawing.skeleton import Skeleton
from osf_pipeline.generate.paper import paper
from osf_pipeline.render.frame import box_filter
from osf_pipeline.sample.contours import Contours
from osf_pipeline.sample.hand import PEN_UNIT, Hand, draw_line

SUPERSAMPLE = 2
"""Samples a pixel and axis behind the outline."""


@dataclass(frozen=True)
class Artwork:
    """A figure of H x W pixels; integers are pixel centres, y down. Colours: display-encoded sRGB, 0..1.

    Attributes:
        name: of the figure, fit for a file name.
        fill: (H, W, 3) float32, the colour without the outline, continued beyond the mask.
        mask: (H, W) bool, the figure: one component without holes.
        skeleton: joints, all inside the mask.
        hand: that draws the outline.
        seed: of the outline.
        licence: SPDX identifier.
    """

    name: str
    fill: np.ndarray
    mask: np.ndarray
    skeleton: Skeleton
    hand: Hand
    seed: int = 0
    licence: str = "CC0-1.0"

    @property
    def size(self) -> tuple[int, int]:
        """Width, height."""
        return self.mask.shape[1], self.mask.shape[0]

    @property
    def pixels_per_unit(self) -> float:
        """Pixels of one scene unit of the character made from it."""
        rows, columns = np.flatnonzero(self.mask.any(axis=1)), np.flatnonzero(self.mask.any(axis=0))
        return float(max(np.ptp(rows), np.ptp(columns)) + 1) / Character.SIZE

    def line(self) -> np.ndarray:
        """(4, H, W) float32 premultiplied scene-linear: the outline, drawn by the code that draws rendered frames."""
        scale = self.pixels_per_unit / PEN_UNIT
        contours = _silhouette(self._fine(), self.pixels_per_unit * SUPERSAMPLE)
        return draw_line(contours, SUPERSAMPLE, self.size, scale, self.seed, {1: self.hand})

    def image(self) -> np.ndarray:
        """(H, W, 3) float32: the drawing on white."""
        alpha = box_filter(self._fine().astype(np.float32), SUPERSAMPLE)[..., None]
        line = np.moveaxis(self.line(), 0, -1)
        linear = 1 + alpha * (decode_srgb(self.fill) - 1)
        linear = line[..., :3] + (1 - line[..., 3:]) * linear
        return np.clip(encode_srgb(linear), 0, 1).astype(np.float32)

    def on_paper(self, seed: int) -> np.ndarray:
        """(H, W, 3) float32: the drawing as scanned from a sheet of paper; see `paper.paper`."""
        return self.image() * paper(self.size, seed)

    def _fine(self) -> np.ndarray:
        """The mask at `SUPERSAMPLE` times the resolution, its stairs smoothed away."""
        soft = ndimage.gaussian_filter(self.mask.astype(np.float32), 1.0)
        return ndimage.zoom(soft, SUPERSAMPLE, order=1, mode="nearest", grid_mode=True) > 0.5


def _silhouette(mask: np.ndarray, pixels_per_unit: float) -> Contours:
    """The outline of a flat figure as the contours of a scene: all of it is silhouette of one part of object 1."""
    inside = np.pad(mask, 1)
    hidden = inside[2:, 1:-1] & inside[:-2, 1:-1] & inside[1:-1, 2:] & inside[1:-1, :-2]
    owner = mask & ~hidden
    y, x = np.mgrid[: mask.shape[0], : mask.shape[1]].astype(np.float32) / np.float32(pixels_per_unit)
    return Contours(
        crop=(slice(0, mask.shape[0]), slice(0, mask.shape[1])),
        seen=mask,
        depth=np.where(mask, 0, np.inf).astype(np.float32),
        rest=np.stack([x, -y, np.zeros_like(x)]),
        part=mask.astype(np.uint16),
        object=mask.astype(np.uint16),
        owner=owner,
        occluding=np.zeros_like(mask),
        gap=np.where(owner, np.inf, 0),
    )


def continued(fill: np.ndarray, mask: np.ndarray, inside: float) -> np.ndarray:
    """The fill, with the colour of its border carried on outwards.

    Args:
        fill: (H, W, 3).
        mask: (H, W) bool.
        inside: pixels within the border from which colour is taken, clear of what paper mixes into it.
    """
    trusted = ndimage.distance_transform_edt(mask) > inside
    _, (y, x) = ndimage.distance_transform_edt(~trusted, return_indices=True)
    return np.where(trusted[..., None], fill, ndimage.gaussian_filter(fill[y, x], (1.2, 1.2, 0))).astype(np.float32)
