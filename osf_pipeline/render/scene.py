"""What the renderer is given: meshes that know their pose at a frame, a camera, a light, and how surfaces are coloured.

Belongs here: the scene description and the stock surface colours. Does not: casting (`raycast`) or pictures (`frame`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np

from osf_pipeline.character.character import Character
from osf_pipeline.color import decode_srgb
from osf_pipeline.config import Camera, Vec3
from osf_pipeline.errors import RequestError
from osf_pipeline.motion.clip import Performance
from osf_pipeline.shots import FrameRange


@dataclass(frozen=True)
class SurfacePoints:
    """Points on one posed mesh, as a surface colour sees them.

    Attributes:
        mesh: whose surface it is.
        areas: (F,) of the mesh's faces as posed, square scene units.
        face: (N,) index into the mesh's faces.
        weights: (N, 3) float64 barycentric weights of the face's corners.
        spacing: (N,) float32 world units between neighbouring samples on a surface that faces the camera.
    """

    mesh: Mesh
    areas: np.ndarray
    face: np.ndarray
    weights: np.ndarray
    spacing: np.ndarray

    @cached_property
    def rest(self) -> np.ndarray:
        """(N, 3) float64 rest position."""
        return np.einsum("nk,nkc->nc", self.weights, self.mesh.rest[self.mesh.faces[self.face]])

    @cached_property
    def part(self) -> np.ndarray:
        """(N,) uint16 part id."""
        return self.mesh.part[self.face]

    @cached_property
    def uv(self) -> np.ndarray:
        """(N, 2) float32 texture coordinates; 0 on a mesh that has none."""
        if self.mesh.uv is None:
            return np.zeros((len(self.face), 2), np.float32)
        return np.einsum("nk,nkc->nc", self.weights.astype(np.float32), self.mesh.uv[self.face])


@dataclass(frozen=True)
class Placement:
    """Where an actor or prop stands: scaled, turned about +y, then moved.

    Attributes:
        position: world place of the rest pose's origin.
        turn: degrees about +y; positive turns the front (+z) towards +x.
        scale: scene units for one unit of the rest pose.
    """

    position: Vec3 = (0, 0, 0)
    turn: float = 0
    scale: float = 1

    @property
    def matrix(self) -> np.ndarray:
        """(3, 4) float64: linear part and translation."""
        c, s = np.cos(np.radians(self.turn)), np.sin(np.radians(self.turn))
        linear = self.scale * np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
        return np.concatenate([linear, np.array(self.position, np.float64)[:, None]], axis=1)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """(N, 3) world positions of (N, 3) points."""
        matrix = self.matrix
        return points @ matrix[:, :3].T + matrix[:, 3]


@dataclass(frozen=True)
class Skinned:
    """Pose of a character by frame; exported as a skin.

    Attributes:
        rows: frame number to row of the performance.
    """

    character: Character
    performance: Performance
    rows: Mapping[int, int]
    placement: Placement = Placement()

    def __call__(self, frame: int) -> np.ndarray:
        row = self.rows[frame]
        return self.placement(self.character.posed(self.performance.rotation[row], self.performance.position[row]))


@dataclass(frozen=True)
class Rigid:
    """Pose of a stiff prop by frame; exported as an animated node.

    Attributes:
        rest: (V, 3) vertices.
        rotation, position: frame number to (3, 3) and (3,).
    """

    rest: np.ndarray
    rotation: Mapping[int, np.ndarray]
    position: Mapping[int, np.ndarray]

    def __call__(self, frame: int) -> np.ndarray:
        return self.rest @ self.rotation[frame].T + self.position[frame]


SurfaceColor = Callable[[SurfacePoints], np.ndarray]
"""Scene-linear (N, 3) reflectance of surface points."""


@dataclass(frozen=True)
class Mesh:
    """One object.

    Attributes:
        rest: (V, 3) float64 vertices in the rest pose.
        faces: (F, 3) int vertex indices, counter-clockwise seen from outside.
        part: (F,) part ids, 1..65535.
        object_id: 1..65535.
        pose: frame number to (V, 3) world positions.
        color: reflectance of its surface.
        uv: (F, 3, 2) texture coordinates of the faces' corners, u right, v down, 0..1; None where it has none.
    """

    rest: np.ndarray
    faces: np.ndarray
    part: np.ndarray
    object_id: int
    pose: Callable[[int], np.ndarray]
    color: SurfaceColor
    uv: np.ndarray | None = None

    @cached_property
    def uv_areas(self) -> np.ndarray:
        """(F,) of the faces in texture coordinates; 0 on a mesh that has none."""
        if self.uv is None:
            return np.zeros(len(self.faces))
        (a, b), (c, d) = ((self.uv[:, k] - self.uv[:, 0]).T for k in (1, 2))
        return np.abs(a * d - b * c) / 2


@dataclass(frozen=True)
class Plain:
    """One reflectance all over.

    Attributes:
        color: scene-linear.
    """

    color: Vec3

    def __call__(self, points: SurfacePoints) -> np.ndarray:
        return np.tile(np.array(self.color, np.float32), (len(points.face), 1))


@dataclass(frozen=True)
class VertexColor:
    """Reflectance interpolated from the vertices.

    Attributes:
        colors: (V, 3) scene-linear.
    """

    colors: np.ndarray

    def __call__(self, points: SurfacePoints) -> np.ndarray:
        return np.einsum("nk,nkc->nc", points.weights, self.colors[points.mesh.faces[points.face]])


@dataclass(frozen=True)
class Texture:
    """Reflectance from a picture by the mesh's texture coordinates: bilinear in scene-linear light, edges repeated.

    Where samples lie further apart than texels, the lookup blends between the two nearest levels of a mip pyramid
    (Williams, "Pyramidal Parametrics", 1983); finer detail is what the samples of a pixel average.

    Attributes:
        image: (H, W, 3) display-encoded sRGB, 0..1; texel centre i lies at (i + 0.5) / size.
    """

    image: np.ndarray

    @cached_property
    def levels(self) -> tuple[np.ndarray, ...]:
        """(H, W, 3) float32 scene-linear pictures, each half the size of the one before; the last is one texel."""
        levels = [decode_srgb(self.image.astype(np.float32))]
        while max(levels[-1].shape[:2]) > 1:
            high, wide = levels[-1].shape[:2]
            even = np.pad(levels[-1], ((0, high % 2), (0, wide % 2), (0, 0)), mode="edge")
            levels.append((even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4)
        return tuple(np.ascontiguousarray(level, np.float32) for level in levels)

    def __call__(self, points: SurfacePoints) -> np.ndarray:
        size = np.array([self.image.shape[1], self.image.shape[0]], np.float32)
        texel = points.uv * size
        level = self._level(points)
        out = self._bilinear(0, texel)
        if (coarse := np.flatnonzero(level > 0)).size:
            out[coarse] = self._between(level[coarse], texel[coarse])
        return out

    def _level(self, points: SurfacePoints) -> np.ndarray:
        """(N,) float32 level of the pyramid; at most 0 where texels are no smaller than the samples' spacing."""
        if points.mesh.uv is None:
            raise RequestError(
                "a textured mesh has no texture coordinates", object=points.mesh.object_id, fix="Give it `uv`."
            )
        high, wide = self.image.shape[:2]
        texels = points.mesh.uv_areas * (high * wide) / np.maximum(points.areas, 1e-12)  # on a square scene unit
        level = np.log2(np.maximum(texels, 1e-12)).astype(np.float32)[points.face] / 2 + np.log2(points.spacing)
        return np.minimum(level, len(self.levels) - 1)

    def _between(self, level: np.ndarray, texel: np.ndarray) -> np.ndarray:
        """(N, 3) blended between the levels below and above (N,) fractional ones."""
        out = np.empty((len(texel), 3), np.float32)
        below = level.astype(int)
        for number in np.unique(below).tolist():
            here = np.flatnonzero(below == number)
            share = (level[here] - number)[:, None]
            above = min(number + 1, len(self.levels) - 1)
            out[here] = (1 - share) * self._bilinear(number, texel[here]) + share * self._bilinear(above, texel[here])
        return out

    def _bilinear(self, level: int, texel: np.ndarray) -> np.ndarray:
        """(N, 3) float32 at (N, 2) places in texels of the full picture."""
        picture = self.levels[level]
        high, wide = picture.shape[:2]
        x = np.clip(texel[:, 0] / 2**level - np.float32(0.5), 0, wide - 1)
        y = np.clip(texel[:, 1] / 2**level - np.float32(0.5), 0, high - 1)
        left, top = x.astype(np.int32), y.astype(np.int32)
        x, y = (x - left)[:, None], (y - top)[:, None]
        right, down = np.minimum(left + 1, wide - 1) - left, (np.minimum(top + 1, high - 1) - top) * wide
        flat, corner = picture.reshape(-1, 3), top * wide + left
        upper = (1 - x) * flat.take(corner, axis=0) + x * flat.take(corner + right, axis=0)
        lower = (1 - x) * flat.take(corner + down, axis=0) + x * flat.take(corner + down + right, axis=0)
        return (1 - y) * upper + y * lower


@dataclass(frozen=True)
class Light:
    """A soft directional light: `ambient + (1 - ambient) * ((1 + n.l) / 2) ** 2` (half Lambert, squared).

    A surface in cast shadow is no brighter than one that the light just grazes, so that the border between a lit side
    and a side turned away stays soft.

    Attributes:
        towards: unit vector from the scene to the light, world space.
        ambient: reflectance kept in full shade, 0..1.
        shade: tint of the shade, scene-linear; 1 is neutral.
        shadows: `off`: surfaces do not hide it from each other; `buffer`: only the buffer `shadow` tells where they
            would; `cast`: colour shows it too.
    """

    towards: Vec3
    ambient: float = 0.4
    shade: Vec3 = (1, 1, 1)
    shadows: Literal["off", "buffer", "cast"] = "off"

    GRAZING: ClassVar[float] = 0.25

    def __call__(self, normal: np.ndarray, reached: np.ndarray | None = None) -> np.ndarray:
        """(N, 3) factors for (N, 3) unit world normals.

        Args:
            reached: (N,) bool, where nothing hides the light; everywhere when absent.
        """
        lit = np.square((1 + normal @ np.array(self.towards)) / 2)
        if reached is not None:
            lit = np.where(reached, lit, np.minimum(lit, self.GRAZING))
        return self.ambient * np.array(self.shade) * (1 - lit[:, None]) + lit[:, None]


@dataclass(frozen=True)
class Scene:
    """Meshes, a camera per frame and at most one light; without a light, colour is the reflectance itself.

    Attributes:
        objects, parts: names of the ids.
        frames: of the whole shot: motion reaches from each to its neighbours among them, also when only some are
            rendered at a time; when absent, the frames that are rendered are the shot.
    """

    meshes: tuple[Mesh, ...]
    camera: Callable[[int], Camera]
    light: Light | None = None
    objects: Mapping[int, str] = field(default_factory=dict)
    parts: Mapping[int, str] = field(default_factory=dict)
    frames: FrameRange | None = None

    def __post_init__(self) -> None:
        for mesh in self.meshes:
            ids = [*np.unique(mesh.part).tolist(), mesh.object_id]
            if min(ids) < 1 or max(ids) > np.iinfo(np.uint16).max or len(mesh.part) != len(mesh.faces):
                raise RequestError(
                    "a mesh needs one part id in 1..65535 for each face", object=mesh.object_id, fix="0 is background."
                )

    @cached_property
    def rest(self) -> np.ndarray:
        """(V, 3) rest positions of all meshes in a row."""
        return np.concatenate([mesh.rest for mesh in self.meshes])

    @cached_property
    def faces(self) -> np.ndarray:
        """(F, 3) int32 indices into `rest`."""
        starts = np.cumsum([0, *(len(mesh.rest) for mesh in self.meshes)])
        return np.concatenate([m.faces + s for m, s in zip(self.meshes, starts, strict=False)]).astype(np.int32)

    @cached_property
    def part(self) -> np.ndarray:
        """(F,) uint16."""
        return np.concatenate([mesh.part for mesh in self.meshes]).astype(np.uint16)

    @cached_property
    def object(self) -> np.ndarray:
        """(F,) uint16."""
        return np.concatenate([np.full(len(mesh.faces), mesh.object_id) for mesh in self.meshes]).astype(np.uint16)

    def posed(self, frame: int) -> np.ndarray:
        """(V, 3) float64 world positions at a frame."""
        return np.concatenate([mesh.pose(frame) for mesh in self.meshes]).astype(np.float64)

    @cached_property
    def uv(self) -> np.ndarray | None:
        """(F, 3, 2) float32 texture coordinates, 0 on meshes without; None when no mesh has any."""
        if all(mesh.uv is None for mesh in self.meshes):
            return None
        return np.concatenate(
            [np.zeros((len(m.faces), 3, 2), np.float32) if m.uv is None else m.uv for m in self.meshes]
        ).astype(np.float32)

    def reflectance(self, areas: np.ndarray, face: np.ndarray, weights: np.ndarray, spacing: np.ndarray) -> np.ndarray:
        """Scene-linear (N, 3) float32 reflectance of surface points.

        Args:
            areas: (F,) of the scene's faces as posed.
            face, weights, spacing: as in `SurfacePoints`, faces counted over the scene.
        """
        out = np.empty((len(face), 3), np.float32)
        first = 0
        for mesh in self.meshes:
            last = first + len(mesh.faces)
            here = np.flatnonzero((face >= first) & (face < last))
            if len(here):
                out[here] = mesh.color(
                    SurfacePoints(mesh, areas[first:last], face[here] - first, weights[here], spacing[here])
                )
            first = last
        return out
