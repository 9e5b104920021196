"""Between pixels and texels: bilinear lookup, its exact adjoint, and the sums and equations that frames add up to.

Belongs here: arithmetic of one texture. Does not: how much a pixel counts (`weights`), texels that no frame shows
(`complete`), files.

Texel centre i lies at (i + 0.5) / size. A texture may consist of columns of equal width that nothing may cross: a
character's front and back halves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SWEEPS = 8
"""Of `Equations.solve`; on noiseless frames more gain nothing, on noisy ones stopping early keeps noise out."""
OUTLIER = 1.75
"""Spreads from what most frames say beyond which a colour is an outlier."""
TOLERANCE = 1 / 255
"""Scene-linear distance that never makes an outlier."""

_NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""Row and column steps of the couplings that `Equations` keeps; the other half is symmetric."""
_PAIRS = (((0, 1), (2, 3)), ((0, 2), (1, 3)), ((0, 3),), ((1, 2),))
"""Corners of a footprint that are such neighbours."""


@dataclass(frozen=True)
class Footprint:
    """The 2 x 2 grid cells around N points, and their bilinear weights.

    Attributes:
        shape: rows and columns of the grid.
        index: (4, N) flat cells: upper left, upper right, lower left, lower right.
        weight: (4, N) float64; a point's four sum to 1.
    """

    shape: tuple[int, int]
    index: np.ndarray
    weight: np.ndarray

    @classmethod
    def at(cls, x: np.ndarray, y: np.ndarray, shape: tuple[int, int], columns: int = 1) -> Footprint:
        """Around cell coordinates (integers are cell centres); border cells go on outwards.

        Args:
            x, y: (N,).
            columns: of equal width that no footprint crosses.
        """
        height, width = shape[0], shape[1] // columns
        first = np.clip(np.floor((x + 0.5) / width), 0, columns - 1) * width
        left, right = _corner(x - first, width)
        top, down = _corner(y, height)
        corner = top * shape[1] + (left + first).astype(np.int64)
        weights = [(1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right]
        # A grid of one column has no cell to the right; its weight is 0.
        across, below = min(1, width - 1), min(1, height - 1) * shape[1]
        return cls(shape, corner + np.array([[0], [across], [below], [across + below]]), np.stack(weights))

    @classmethod
    def of_uv(cls, uv: np.ndarray, shape: tuple[int, int], columns: int = 1) -> Footprint:
        """Around texture coordinates (2, N): u right, v down, 0..1."""
        u, v = uv.astype(np.float64)
        return cls.at(u * shape[1] - 0.5, v * shape[0] - 0.5, shape, columns)

    def lookup(self, grid: np.ndarray) -> np.ndarray:
        """(..., N) values of a (..., rows, columns) grid at the points."""
        cells = grid.reshape(*grid.shape[:-2], -1)[..., self.index]
        return np.einsum("kn,...kn->...n", self.weight, cells)

    def splat(self, grid: np.ndarray, values: np.ndarray) -> None:
        """Add (N,) values to a (rows, columns) grid: the transpose of `lookup`."""
        _add(grid, self.index, self.weight * values)


def _corner(at: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Lower cell on one axis, and how far towards the next one."""
    at = np.clip(at, 0, size - 1)
    low = np.clip(np.floor(at), 0, max(size - 2, 0))
    return low.astype(np.int64), at - low


def _add(grid: np.ndarray, index: np.ndarray, values: np.ndarray) -> None:
    if not index.size:
        return
    low, high = int(index.min()), int(index.max()) + 1
    grid.reshape(-1)[low:high] += np.bincount((index - low).ravel(), values.ravel(), high - low)


class Moments:
    """Weighted mean and spread of every texel's colour, float64, added up frame by frame."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.weight, self.square, self.color = np.zeros(shape), np.zeros(shape), np.zeros((3, *shape))

    def add(self, place: Footprint, weight: np.ndarray, color: np.ndarray) -> None:
        """Args:
        weight: (N,).
        color: (3, N) straight, scene-linear.
        """
        place.splat(self.weight, weight)
        place.splat(self.square, weight * np.square(color).sum(0))
        for plane, values in zip(self.color, color, strict=True):
            place.splat(plane, weight * values)

    def finish(self) -> Judge:
        mean = _divide(self.color, self.weight)
        spread = np.sqrt(np.maximum(_divide(self.square, self.weight) - np.square(mean).sum(0), 0))
        return Judge(mean, spread)


@dataclass(frozen=True)
class Judge:
    """What most frames say of each texel.

    Attributes:
        mean: (3, rows, columns).
        spread: (rows, columns), root of the summed variance of the channels.
    """

    mean: np.ndarray
    spread: np.ndarray

    def closeness(self, place: Footprint, color: np.ndarray) -> np.ndarray:
        """(N,) weights with which the next mean comes closer to the geometric median (Weiszfeld 1937): a far colour
        pulls no harder than a near one.

        Args:
            color: (3, N) straight.
        """
        return TOLERANCE / np.maximum(self._distance(place, color), TOLERANCE)

    def keeps(self, place: Footprint, color: np.ndarray) -> np.ndarray:
        """(N,) bool, False for outliers (sigma clipping)."""
        return self._distance(place, color) <= OUTLIER * place.lookup(self.spread) + TOLERANCE

    def _distance(self, place: Footprint, color: np.ndarray) -> np.ndarray:
        return np.sqrt(np.square(color - place.lookup(self.mean)).sum(0))


class Equations:
    """The texture whose bilinear lookups come closest to all pixels: its normal equations, added up frame by frame.

    A pixel ties at most 2 x 2 texels together, so the matrix is a stencil of 9 texels, of which half is kept. Memory
    does not grow with the frames.

    Attributes:
        weight: (rows, columns) sum of the weights that a texel has got.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self.weight, self.own = np.zeros(shape), np.zeros(shape)
        self.color, self.coupling = np.zeros((3, *shape)), np.zeros((len(_NEIGHBOURS), *shape))

    def add(self, place: Footprint, weight: np.ndarray, color: np.ndarray) -> None:
        """As `Moments.add`."""
        place.splat(self.weight, weight)
        for plane, values in zip(self.color, color, strict=True):
            place.splat(plane, weight * values)
        share, index = place.weight, place.index
        _add(self.own, index, weight * np.square(share))
        for plane, pairs in zip(self.coupling, _PAIRS, strict=True):
            for a, b in pairs:
                _add(plane, index[a], weight * share[a] * share[b])

    def solve(self) -> np.ndarray:
        """(3, rows, columns) straight scene-linear colour; 0 where nothing was seen.

        Simultaneous iterative reconstruction (Gilbert 1972, "Iterative methods for the three-dimensional reconstruction
        of an object from projections") from the weighted mean: the residual of every pixel goes back to its texels in
        the proportions of the lookup, so what a plain splat has blurred becomes sharp again.
        """
        found = _divide(self.color, self.weight)
        for _ in range(SWEEPS):
            found += _divide(self.color - self._applied(found), self.weight)
        return found

    def _applied(self, texture: np.ndarray) -> np.ndarray:
        out = self.own * texture
        height, width = self.weight.shape
        for plane, (dy, dx) in zip(self.coupling, _NEIGHBOURS, strict=True):
            here = np.s_[..., : height - dy, max(0, -dx) : width - max(0, dx)]
            there = np.s_[..., dy:, max(0, dx) : width - max(0, -dx)]
            out[here] += plane[here] * texture[there]
            out[there] += plane[here] * texture[here]
        return out


def _divide(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return np.divide(values, weight, out=np.zeros_like(values), where=weight > 0)
