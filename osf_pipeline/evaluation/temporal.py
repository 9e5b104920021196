"""What changes from one frame to the next, in a method and in the truth.

Belongs here: following surfaces and lines by exact motion, metrics over two frames. Does not: estimated motion
(`guidance`), metrics of one frame (`metrics`, `contours`).

A right contour slides over the surface, so a picture that is carried along with the surface is not the steadiest one:
every measure here is taken where the truth persists, or divided by the truth's own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import KDTree

from osf_pipeline.evaluation.contours import Drawn, TrueLine
from osf_pipeline.evaluation.lines import GAP, grown
from osf_pipeline.evaluation.metrics import Sampled


@dataclass(frozen=True)
class Motion:
    """Exact motion into a window of a frame, from a window of the frame before.

    Attributes:
        here: (y, x) bool, pixels of the window whose surface was seen in the previous frame.
        source: (2, N) row and column in the previous window, at `here`.
    """

    here: np.ndarray
    source: np.ndarray

    @classmethod
    def of(
        cls, motion: np.ndarray, valid: np.ndarray, corner: tuple[int, int], before: tuple[int, int],
        size: tuple[int, int],
    ) -> Motion:  # fmt: skip
        """
        Args:
            motion: (2, y, x) pixels of the window, current − previous; valid: (y, x) bool.
            corner, before: row and column of the window, and of the previous one.
            size: height, width of the whole frame.
        """
        place = np.indices(valid.shape) + np.reshape(corner, (2, 1, 1)) - motion[::-1]
        inside = (place >= 0) & (place <= np.reshape(size, (2, 1, 1)) - 1)
        here = valid & inside.all(0)
        return cls(here, place[:, here] - np.reshape(before, (2, 1)))

    def warp_error(self, picture: np.ndarray, before: np.ndarray) -> np.ndarray:
        """(N,) mean squared difference of a (3, y, x) picture to the previous one carried along by the motion.

        Lai et al., "Learning blind video temporal consistency", ECCV 2018, eq. 9, without its estimate of occlusion.
        """
        carried = np.stack([ndimage.map_coordinates(plane, self.source, order=1, mode="nearest") for plane in before])
        return np.square(picture[:, self.here] - carried).mean(0)

    def toggled(self, ink: np.ndarray, before: np.ndarray) -> np.ndarray:
        """(N,) bool: ink comes to a point of the surface, or leaves it, from farther away than a pixel's rounding.

        Args:
            ink, before: (y, x) bool, windows of this and of the previous frame.
        """
        here, then = ink[self.here], self.carried(before)
        return (here & ~self.carried(grown(before))) | (then & ~grown(ink)[self.here])

    def carried(self, before: np.ndarray) -> np.ndarray:
        """(N,) values of the nearest pixels of a previous (y, x) plane."""
        row, column = (np.rint(self.source[axis]).astype(np.intp).clip(0, n - 1) for axis, n in enumerate(before.shape))
        return before[row, column]

    def follow(self, asked: np.ndarray, points: np.ndarray, before: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Stretches of line that persist: index into `points`, and into the points they were in the previous frame.

        Args:
            asked: (y, x) bool pixels of the true line; points: (M, 2) y and x of its middle at them, in the window.
            before: (L, 2) the same of the previous frame, in its window.
        """
        index = np.full(asked.shape, -1)
        index[asked] = np.arange(len(points))
        now = index[self.here]
        source, now = self.source[:, now >= 0].T, now[now >= 0]
        if not len(now) or not len(before):
            return now[:0], now[:0]
        # From the middle of the pixel to the middle of the stroke in it.
        rows, columns = np.nonzero(asked)
        source = source + points[now] - np.stack([rows, columns], 1)[now]
        distance, previous = KDTree(before).query(source, distance_upper_bound=GAP)
        kept = np.isfinite(distance)
        return now[kept], previous[kept]


@dataclass(frozen=True)
class Step:
    """From the frame before to a frame, as the truth takes it.

    Attributes:
        frame_before: studio number.
        motion: exact.
        now, before: pairs of indices into the true line's points in the frame and in the one before.
        asked: (y, x) bool, the true line of the frame.
        warp_error: (N,) of the truth.
        width_change: (K,) pixels by which the true line changes its width, for each pair.
        inked: (N,) share of the two frames in which the true line covers the point of the surface.
        changing: (N,) bool, the true line comes or goes there, or at a pixel next to it.
    """

    frame_before: int
    motion: Motion
    now: np.ndarray
    before: np.ndarray
    asked: np.ndarray
    warp_error: np.ndarray
    width_change: np.ndarray
    inked: np.ndarray
    changing: np.ndarray

    @classmethod
    def of(
        cls, frame_before: int, motion: Motion, true: TrueLine, true_before: TrueLine, drawn: Drawn,
        drawn_before: Drawn, warp_error: np.ndarray,
    ) -> Step:  # fmt: skip
        """
        Args:
            true, drawn: the true line, and as it is found like any method's; and those of the frame before.
        """
        now, before = motion.follow(true.asked, true.points, true_before.points)
        width_change = np.abs(drawn.width[now] - drawn_before.width[before])
        changing = np.zeros(true.asked.shape, bool)
        changing[motion.here] = motion.toggled(drawn.ink, drawn_before.ink)
        return cls(
            frame_before, motion, now, before, true.asked, warp_error, width_change,
            (drawn.ink[motion.here] + motion.carried(drawn_before.ink).astype(np.float64)) / 2,
            grown(changing)[motion.here],
        )  # fmt: skip

    def metrics(self, picture: np.ndarray, before: np.ndarray, line: Drawn, line_before: Drawn) -> dict[str, Sampled]:
        """Metrics of a method over the step.

        Args:
            picture, before: (3, y, x) display-encoded, windows of this and of the previous frame.
            line, line_before: its line as each frame's true line asks for it.
        """
        now, then = line.there[self.now], line_before.there[self.before]
        change = np.abs(line.width[self.now] - line_before.width[self.before])
        # A line that drifts across the tolerance has moved, and does not flicker.
        toggled = (now & line_before.gone[self.before]) | (then & line.gone[self.now])
        boiling = self.motion.toggled(line.ink, line_before.ink) & ~self.changing
        ever, both = now | then, now & then
        return {
            "warp_ratio": Sampled(self.motion.here, self.motion.warp_error(picture, before), self.warp_error),
            "flicker": Sampled(self._pixels(np.ones_like(ever)), toggled),
            "flicker_drawn": Sampled(self._pixels(ever), toggled[ever]),
            "contour_instability": Sampled(self.motion.here, boiling, self.inked),
            "width_change": Sampled(self._pixels(both), change[both]),
            "width_ratio": Sampled(self._pixels(both), change[both], self.width_change[both]),
        }

    def _pixels(self, chosen: np.ndarray) -> np.ndarray:
        """(y, x) bool: pixels of chosen pairs. Pairs are in row order, and no two share a pixel of this frame."""
        of_line, out = np.zeros(np.count_nonzero(self.asked), bool), self.asked.copy()
        of_line[self.now[chosen]] = True
        out[self.asked] = of_line
        return out
