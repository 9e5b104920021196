"""Two simple methods that any stylizer must beat.

Belongs here: methods without training. Does not: scores (`metrics`).

* `raw render`: the render as it is, without a line.
* `texture lookup`: the drawing, its contours included, carried by the surface: every pixel takes the drawing's colour
  at the keyframe pixel with the nearest rest position.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.spatial import KDTree

from osf_pipeline.errors import InputDataError

FRINGE = 2
"""Pixels around the surface samples that take the nearest one's colour: soft edges reach beyond pixel centres."""

_VOTES = 2000
"""Surface points of an object, at most, that tell by how much its part ids are moved."""


class TextureLookup:
    """A drawing fastened to the surface by rest position, part by part.

    Args:
        drawing: (4, y, x) premultiplied linear Rec. 709 drawing, registered to the keyframe.
        rest_position: (3, y, x) of the keyframe, scene units.
        part_id: (y, x) of the keyframe, 0 is background.
        reach: how far from a keyframe sample a surface point may lie, in keyframe pixels (median sample distance).

    Raises:
        InputDataError: when the drawing covers no surface of the keyframe.
    """

    def __init__(
        self, drawing: np.ndarray, rest_position: np.ndarray, part_id: np.ndarray, *, reach: float = 4.0
    ) -> None:
        seen = (part_id > 0) & (drawing[3] > 0.5)
        if np.count_nonzero(seen) < 2:
            raise InputDataError("the drawing covers nothing of its keyframe", fix="Check its registration and alpha.")
        points = rest_position[:, seen].T.astype(np.float64)
        spacing = np.median(KDTree(points).query(points[::16], k=2)[0][:, 1])
        self.reach = reach * float(spacing)
        self._color = (drawing[:3, seen] / drawing[3, seen]).astype(np.float32)
        self._labels = part_id[seen].astype(np.int64)
        self._tree = KDTree(points)
        self._trees = {
            int(part): (index := np.flatnonzero(self._labels == part), KDTree(points[index]))
            for part in np.unique(self._labels)
        }

    def paint(
        self, render: np.ndarray, rest_position: np.ndarray, part_id: np.ndarray, object_id: np.ndarray | None = None
    ) -> np.ndarray:
        """(4, y, x) float32 beauty of one frame.

        Coverage is the render's; so is the colour where the keyframe did not see the surface.

        Args:
            render: (4, y, x) premultiplied linear Rec. 709; rest_position: (3, y, x); part_id: (y, x).
            object_id: (y, x); a scene of several characters moves all part ids of one by the same number, which is
                found for each object. Without it the ids are those of the keyframe.
        """
        out = render.astype(np.float32)
        straight = np.zeros_like(out[:3])
        known = np.zeros(part_id.shape, bool)
        own = part_id if object_id is None else self._own_parts(rest_position, part_id, object_id)
        for part, (index, tree) in self._trees.items():
            here = own == part
            # Just beyond the reach counts as unknown: infinite distance, and the index one past the last point.
            distance, nearest = tree.query(rest_position[:, here].T, distance_upper_bound=self.reach)
            found = np.isfinite(distance)
            rows, columns = (axis[found] for axis in np.nonzero(here))
            straight[:, rows, columns] = self._color[:, index[nearest[found]]]
            known[rows, columns] = True
        if known.any():
            distance, (y, x) = ndimage.distance_transform_edt(~known, return_indices=True)
            fringe = known | ((part_id == 0) & (distance <= FRINGE))
            out[:3, fringe] = (straight[:, y, x] * out[3])[:, fringe]
        return out

    def _own_parts(self, rest_position: np.ndarray, part_id: np.ndarray, object_id: np.ndarray) -> np.ndarray:
        """(y, x) int64: part ids as in the keyframe. An object's points vote: what is its id less that of the nearest
        keyframe sample?"""
        own = np.zeros(part_id.shape, np.int64)
        for thing in np.unique(object_id[part_id > 0]):
            here = (object_id == thing) & (part_id > 0)
            points, ids = rest_position[:, here].T, part_id[here].astype(np.int64)
            stride = -(-len(ids) // _VOTES)
            moved = ids[::stride] - self._labels[self._tree.query(points[::stride])[1]]
            values, votes = np.unique(moved, return_counts=True)
            own[here] = ids - values[np.argmax(votes)]
        return own
