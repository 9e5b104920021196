"""How much each vertex follows each bone.

Belongs here: skinning weights. Does not: posing (`character`).
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from osf_pipeline.character.sheet import Sheet

SOFTNESS = 0.45
"""Decay length of a bone's influence beyond its part, over the half-thickness there."""

INFLUENCES = 4


def skin_weights(sheet: Sheet, part: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """(V, B) float32 weights by heat diffusion on the cut sheet (after Baran & Popovic 2007, section 4).

    Each part holds its own bone's heat; (L + M / s^2) w = M / s^2 p spreads it over s = `SOFTNESS` times the thinner
    of the half-thicknesses around. Nothing spreads across a cut.

    Args:
        part: (F,) index of each face's bone.
        radius: (B,) half-thickness around each bone, pixels.

    Returns:
        Rows sum to 1, with at most `INFLUENCES` entries.
    """
    bones = len(radius)
    corner_area = np.repeat(sheet.areas / 3, 3)
    owner = np.zeros((len(sheet.points), bones))
    np.add.at(owner, (sheet.faces.ravel(), np.repeat(part, 3)), corner_area)
    length = SOFTNESS * _thinnest(sheet, part, radius)
    rate = 1 / length**2
    system = splu((sheet.laplacian + sparse.diags(sheet.mass * rate)).tocsc())
    weights = np.maximum(system.solve(rate[:, None] * owner), 0)
    fourth = np.sort(weights, axis=1)[:, -min(INFLUENCES, bones)][:, None]
    weights[(weights < fourth) | (weights < 1e-3)] = 0
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _thinnest(sheet: Sheet, part: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """(V,) half-thickness of the part around, near a border that of the thinner of the two parts."""
    thin = np.full(len(sheet.points), np.inf)
    np.minimum.at(thin, sheet.faces.ravel(), np.repeat(radius[part], 3))
    # Far from a border the length hardly matters; a few neighbourhoods carry the thinner one across it.
    a, b = sheet.edges.ends.T
    step = np.linalg.norm(sheet.points[a] - sheet.points[b], axis=1)
    grown = thin.copy()
    for _ in range(30):
        before = grown.copy()
        np.minimum.at(grown, a, before[b] + step)
        np.minimum.at(grown, b, before[a] + step)
    return grown
