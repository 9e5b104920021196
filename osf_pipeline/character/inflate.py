"""A flat sheet blown up to a closed body.

Belongs here: the height over the drawing and the closed surface. Does not: colours, bones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import spsolve

from osf_pipeline.character.sheet import Sheet

DEPTH = 0.8
"""Depth of a body over its width: 1 would make a disc a ball."""

SATURATION = 0.09
"""Over the figure's longer side: bodies much broader than this grow no deeper, so that arms clear the belly."""


@dataclass(frozen=True)
class Body:
    """A closed surface: the sheet as its front, mirrored as its back, joined along outline and cuts.

    Attributes:
        source: (V,) the sheet's vertex each vertex lies over; the sheet's own vertices come first.
        height: (V,) pixels towards the viewer; 0 on the outline.
        faces: (2 F, 3) int32, the front's first, counter-clockwise from outside.
    """

    source: np.ndarray
    height: np.ndarray
    faces: np.ndarray


def inflate(sheet: Sheet) -> Body:
    """Blow a sheet up: z = k sqrt(h) with the screened Poisson equation -lap h + h / s^2 = 4, h = 0 on the outline.

    Without the screen the section of a disc is a circle. With it, height levels off where the figure is broad. No
    inner edge may join two outline vertices: its front and back would coincide.
    """
    inner = ~sheet.on_boundary
    span = SATURATION * float(np.ptp(sheet.points, axis=0).max())
    mass = sheet.mass
    system = (sheet.laplacian + sparse.diags(mass / span**2)).tocsr()[inner][:, inner]
    height = np.zeros(len(sheet.points))
    height[inner] = DEPTH * np.sqrt(np.maximum(spsolve(system.tocsc(), 4 * mass[inner]), 0))
    n = len(sheet.points)
    behind = np.arange(n)
    behind[inner] = n + np.arange(inner.sum())
    faces = np.concatenate([sheet.faces, behind[sheet.faces][:, [0, 2, 1]]]).astype(np.int32)
    source = np.concatenate([np.arange(n), np.flatnonzero(inner)])
    return Body(source, np.concatenate([height, -height[inner]]), faces)
