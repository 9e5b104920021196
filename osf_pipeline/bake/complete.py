"""From the texels that frames have shown to a whole texture.

Belongs here: what unseen and hardly seen texels get. Does not: what the seen ones get (`texels`).
"""

from __future__ import annotations

import numpy as np

REACH = 5
"""Levels of the pyramid over a texture of one's own: what frames have changed fades out within 2^5 texels."""


def complete(found: np.ndarray, coverage: np.ndarray, own: np.ndarray | None, columns: int = 1) -> np.ndarray:
    """A texture without holes and seams.

    With a texture of its own, the difference that frames have made to it is carried a little way over the unseen
    texels and fades out, so that no seam shows and the rest stays as it was. Without one, unseen texels are made up of
    those around. Texels between the charts are filled along, so that filtered lookups meet no foreign colour.

    Args:
        found: (3, rows, columns) straight colour, defined where `coverage` is not 0.
        coverage: (rows, columns) 0..1, how far it is to be believed.
        own: (3, rows, columns) or None.
        columns: of equal width that nothing crosses.
    """
    change = found if own is None else np.where(coverage > 0, found - own, 0)
    width = coverage.shape[1] // columns
    levels = None if own is None else REACH
    pieces = [np.s_[..., i * width : (i + 1) * width] for i in range(columns)]
    filled = np.concatenate([push_pull(change[piece], coverage[piece], levels) for piece in pieces], axis=2)
    return filled if own is None else own + filled


def push_pull(values: np.ndarray, weight: np.ndarray, levels: int | None = None) -> np.ndarray:
    """Values everywhere, where a weight below 1 leaves room for those around.

    Gortler et al. 1996, "The Lumigraph", section 3.4.

    Args:
        values: (C, y, x).
        weight: (y, x) 0..1.
        levels: halvings after which everything unknown is 0; None goes on until all is known.
    """
    if levels == 0:
        return values * weight
    if max(weight.shape) == 1:
        return values
    odd = [(0, size % 2) for size in weight.shape]
    total = _fours(np.pad(weight, odd))
    mean = _fours(np.pad(values * weight, [(0, 0), *odd]))
    mean = np.divide(mean, total, out=np.zeros_like(mean), where=total > 0)
    coarse = push_pull(mean, np.minimum(total, 1), None if levels is None else levels - 1)
    around = _doubled(_doubled(coarse, 1), 2)[:, : weight.shape[0], : weight.shape[1]]
    return weight * values + (1 - weight) * around


def _fours(x: np.ndarray) -> np.ndarray:
    """Sums over 2 x 2 cells."""
    return x[..., ::2, ::2] + x[..., 1::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, 1::2]


def _doubled(x: np.ndarray, axis: int) -> np.ndarray:
    """Twice the cells along an axis, linear between cell centres."""
    x = np.moveaxis(x, axis, 0)
    before, after = np.concatenate([x[:1], x[:-1]]), np.concatenate([x[1:], x[-1:]])
    out = np.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], axis=1)
    return np.moveaxis(out.reshape(-1, *x.shape[1:]), 0, axis)
