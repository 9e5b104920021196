"""A flat triangle mesh and the operations the other modules share: edges, cuts, splits, the cotangent Laplacian.

Belongs here: topology and discrete differential geometry of a sheet. Does not: making the first triangulation (`mesh`)
or deciding where it is cut (`parts`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

SIDES = np.array([[0, 1], [1, 2], [2, 0]])


@dataclass(frozen=True)
class Edges:
    """The edges of a sheet.

    Attributes:
        ends: (E, 2) vertices, the lower index first.
        faces: (E, 2) the faces on both sides; the second is -1 on the boundary.
    """

    ends: np.ndarray
    faces: np.ndarray

    @property
    def boundary(self) -> np.ndarray:
        """(E,) bool: edges of one face."""
        return self.faces[:, 1] < 0


@dataclass(frozen=True)
class Sheet:
    """Triangles in the plane of a drawing.

    Attributes:
        points: (V, 2) float64 pixels, y down.
        faces: (F, 3) int32, counter-clockwise as the viewer of the drawing sees them.
    """

    points: np.ndarray
    faces: np.ndarray

    @cached_property
    def edges(self) -> Edges:
        """Each edge once. No edge has more than two faces."""
        half = np.sort(self.faces[:, SIDES].reshape(-1, 2), axis=1).astype(np.int64)
        ends, place, count = np.unique(half, axis=0, return_inverse=True, return_counts=True)
        if count.max(initial=0) > 2:
            raise ValueError("an edge of a sheet has more than two faces")
        face = np.repeat(np.arange(len(self.faces)), 3)[np.argsort(place.ravel(), kind="stable")]
        first = np.cumsum(count) - count
        second = np.where(count == 2, face[np.minimum(first + 1, len(face) - 1)], -1)
        return Edges(ends, np.stack([face[first], second], axis=1))

    @cached_property
    def on_boundary(self) -> np.ndarray:
        """(V,) bool: vertices of a boundary edge."""
        found = np.zeros(len(self.points), bool)
        found[self.edges.ends[self.edges.boundary]] = True
        return found

    @cached_property
    def areas(self) -> np.ndarray:
        """(F,) square pixels; positive for the orientation a sheet has."""
        a, b, c = (self.points[self.faces[:, k]] for k in range(3))
        return -cross(b - a, c - a) / 2

    @cached_property
    def angles(self) -> np.ndarray:
        """(F, 3) radians at the corners."""
        corners = self.points[self.faces]
        ahead = np.roll(corners, -1, axis=1) - corners
        behind = np.roll(corners, 1, axis=1) - corners
        return np.arctan2(np.abs(cross(ahead, behind)), (ahead * behind).sum(axis=2))

    @cached_property
    def mass(self) -> np.ndarray:
        """(V,) lumped vertex areas: a third of the faces around."""
        return np.bincount(self.faces.ravel(), np.repeat(self.areas / 3, 3), minlength=len(self.points))

    @cached_property
    def laplacian(self) -> sparse.csc_matrix:
        """(V, V) cotangent stiffness matrix (Pinkall & Polthier 1993), positive semidefinite.

        Negative edge weights, which only triangulations that are not Delaunay have, are set to 0: solutions keep the
        maximum principle, so that weights stay within 0..1.
        """
        cotangent = 1 / np.tan(np.clip(self.angles, 1e-3, np.pi - 1e-3))
        opposite = self.faces[:, [[1, 2], [2, 0], [0, 1]]].reshape(-1, 2)
        n = len(self.points)
        half = sparse.coo_matrix((cotangent.ravel() / 2, tuple(opposite.T)), shape=(n, n)).tocsr()
        weight = (half + half.T).maximum(0)
        return (sparse.diags(np.asarray(weight.sum(axis=1)).ravel()) - weight).tocsc()

    def neighbours(self) -> sparse.csr_matrix:
        """(V, V) 0/1 adjacency."""
        n, (a, b) = len(self.points), self.edges.ends.T
        ones = np.ones(len(a))
        return sparse.coo_matrix((np.r_[ones, ones], (np.r_[a, b], np.r_[b, a])), shape=(n, n)).tocsr()

    def cut(self, open_edges: np.ndarray) -> Sheet:
        """Open inner edges: a vertex becomes one vertex for each fan of faces that no open edge parts.

        The end of a cut inside the sheet stays one vertex and comes to lie on the boundary.

        Args:
            open_edges: (E,) bool.
        """
        whole = ~(open_edges | self.edges.boundary)
        left, right = self.edges.faces[whole].T
        links = []
        for end in self.edges.ends[whole].T:
            corner = [3 * face + np.argmax(self.faces[face] == end[:, None], axis=1) for face in (left, right)]
            links.append(np.stack(corner))
        a, b = np.concatenate(links, axis=1)
        corners = self.faces.size
        _, fan = connected_components(sparse.coo_matrix((np.ones(len(a)), (a, b)), shape=(corners, corners)), False)
        vertex = np.empty(fan.max() + 1, np.int64)
        vertex[fan] = self.faces.ravel()
        order = np.argsort(vertex, kind="stable")
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        return Sheet(self.points[vertex[order]], place[fan].reshape(-1, 3).astype(np.int32))

    def split(self, edges: np.ndarray) -> tuple[Sheet, np.ndarray]:
        """Put a vertex in the middle of edges.

        Args:
            edges: (E,) bool.

        Returns:
            The finer sheet, whose first vertices are the old ones, and for each of its faces the face it came from.
        """
        middle = self.points[self.edges.ends[edges]].mean(axis=1)
        number = np.full(len(edges), -1)
        number[edges] = len(self.points) + np.arange(len(middle))
        of_side = np.full((len(self.faces), 3), -1)
        for side in range(2):
            rows = edges & (self.edges.faces[:, side] >= 0)
            face = self.faces[self.edges.faces[rows, side]]
            ends = self.edges.ends[rows]
            third = ~((face == ends[:, :1]) | (face == ends[:, 1:]))
            of_side[self.edges.faces[rows, side], (np.argmax(third, axis=1) + 1) % 3] = number[rows]
        faces, origin = [], []
        for index in range(len(self.faces)):
            (a, b, c), (ab, bc, ca) = self.faces[index], of_side[index]
            if ab < 0 and bc < 0 and ca < 0:
                made = [(a, b, c)]
            else:
                ring = [v for v in (a, ab, b, bc, c, ca) if v >= 0]
                made = _fan(ring, {int(v) for v in (ab, bc, ca) if v >= 0})
            faces += made
            origin += [index] * len(made)
        return Sheet(np.concatenate([self.points, middle]), np.array(faces, np.int32)), np.array(origin)


def _fan(ring: list[int], middles: set[int]) -> list[tuple[int, int, int]]:
    """Triangles of a triangle's corners and side middles: corners between two middles are cut off, the rest a fan."""
    made = []
    ring = list(ring)
    for corner in [v for v in ring if v not in middles]:
        if len(ring) <= 3:
            break
        at = ring.index(corner)
        before, after = ring[at - 1], ring[(at + 1) % len(ring)]
        if before in middles and after in middles:
            made.append((before, corner, after))
            ring.pop(at)
    start = next(at for at, v in enumerate(ring) if v in middles)
    ring = ring[start:] + ring[:start]
    return made + [(ring[0], ring[k], ring[k + 1]) for k in range(1, len(ring) - 1)]


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(...) z component of the cross product of (..., 2) vectors."""
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
