"""From the texels that frames have shown to a whole texture.

Belongs here: what unseen and hardly seen texels get. Does not: what the seen ones get (`texels`).
"""

from __future__ import annotations

import numpy as np

REACH = 5
"""Levels of the pyramid over a texture of one's own: what frames have changed fades out within 2^5 texels."""
MOST = 3.0
"""Factor that unseen texels change at most: a new colour beside them is no new light."""
DARK = 0.01
"""Scene-linear value added to both sides of a ratio."""


def complete(found: np.ndarray, coverage: np.ndarray, own: np.ndarray | None, columns: int = 1) -> np.ndarray:
    """A texture without holes and seams.

    With a texture of its own, the ratio by which frames have changed it is carried a little way over the unseen texels
    and fades out, so that no seam shows, strokes stay strokes and the rest stays as it was. Without one, unseen texels
    are made up of those around. Texels between the charts are filled along, so that filtered lookups meet no foreign
    colour.

    Args:
        found: (3, rows, columns) straight colour, defined where `coverage` is not 0.
        coverage: (rows, columns) 0..1, how far it is to be believed.
        own: (3, rows, columns) or None.
        columns: of equal width that nothing crosses.
    """
    width = coverage.shape[1] // columns
    pieces = [np.s_[..., i * width : (i + 1) * width] for i in range(columns)]

    def spread(values: np.ndarray, levels: int | None) -> np.ndarray:
        return np.concatenate([push_pull(values[piece], coverage[piece], levels) for piece in pieces], axis=2)

    if own is None:
        return spread(found, None)
    ratio = np.log(np.maximum(found, 0) + DARK) - np.log(np.maximum(own, 0) + DARK)
    change = spread(np.clip(ratio, -np.log(MOST), np.log(MOST)) * (coverage > 0), REACH)
    return coverage * found + (1 - coverage) * ((own + DARK) * np.exp(change) - DARK)


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
