"""How much each vertex follows each bone.

Belongs here: skinning weights. Does not: posing (`character`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from osf_pipeline.character.sheet import Sheet

SOFTNESS = 0.5
"""Over how long a stretch a joint bends: the decay length of a step, over half the breadth of the joint."""

INFLUENCES = 4


def skin_weights(sheet: Sheet, part: np.ndarray, parents: Sequence[int]) -> np.ndarray:
    """(V, B) float32 weights by heat diffusion on the cut sheet (after Baran & Popovic 2007, section 4).

    Each joint is a soft step u from 0 to 1 between all that hangs on its bone and the rest: (L + M / s^2) u = M / s^2 p
    for the indicator p, with a length s in proportion to the joint's breadth, so that a slim arm beside a broad waist
    bends at its own scale. A bone's weight is the product of the steps up to it and of the steps back from its
    children. Nothing spreads across a cut.

    Args:
        part: (F,) index of each face's bone.
        parents: index of each bone's parent, lower than its own; -1 for the first.

    Returns:
        Rows sum to 1, with at most `INFLUENCES` entries.
    """
    count = len(parents)
    weights = np.ones((len(sheet.points), count))
    for bone in range(1, count):
        step = _step(sheet, _hangs_on(parents, bone)[part])[:, None]
        within = _hangs_on(parents, bone)
        weights[:, within] *= step
        weights[:, parents[bone]] *= 1 - step[:, 0]
    least = np.sort(weights, axis=1)[:, -min(INFLUENCES, count)][:, None]
    weights[(weights < least) | (weights < 1e-3)] = 0
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _hangs_on(parents: Sequence[int], bone: int) -> np.ndarray:
    """(B,) bool: the bone and its descendants."""
    found = np.zeros(len(parents), bool)
    found[bone] = True
    for index in range(bone + 1, len(parents)):
        found[index] = found[parents[index]]
    return found


def _step(sheet: Sheet, within: np.ndarray) -> np.ndarray:
    """(V,) 0..1: the indicator of (F,) faces, diffused."""
    faces = sheet.edges.faces
    border = sheet.points[sheet.edges.ends[~sheet.edges.boundary & (within[faces[:, 0]] != within[faces[:, 1]])]]
    length = SOFTNESS * float(np.linalg.norm(border[:, 0] - border[:, 1], axis=1).sum()) / 2
    heat = np.bincount(sheet.faces[within].ravel(), np.repeat(sheet.areas[within] / 3, 3), minlength=len(sheet.points))
    # In units of the decay length, so that the matrix is scaled well.
    system = splu((length**2 * sheet.laplacian + sparse.diags(sheet.mass)).tocsc())
    return np.clip(system.solve(heat), 0, 1)
