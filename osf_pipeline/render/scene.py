"""What the renderer is given: meshes that know their pose at a frame, a camera, a light, and how surfaces are coloured.

Belongs here: the scene description and the stock surface colours. Does not: casting (`raycast`) or pictures (`frame`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy import ndimage

from osf_pipeline.character.character import Character
from osf_pipeline.config import Camera, Vec3
from osf_pipeline.errors import RequestError
from osf_pipeline.motion.clip import Performance


@dataclass(frozen=True)
class SurfacePoints:
    """Points on one mesh, as a surface colour sees them.

    Attributes:
        rest: (N, 3) float64 rest position.
        part: (N,) uint16 part id.
        face: (N,) index into the mesh's faces.
        weights: (N, 3) barycentric weights of the face's corners.
    """

    rest: np.ndarray
    part: np.ndarray
    face: np.ndarray
    weights: np.ndarray


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


@dataclass(frozen=True)
class VertexColor:
    """Reflectance interpolated from the vertices.

    Attributes:
        faces: (F, 3) of the mesh.
        colors: (V, 3) scene-linear.
    """

    faces: np.ndarray
    colors: np.ndarray

    def __call__(self, points: SurfacePoints) -> np.ndarray:
        return np.einsum("nk,nkc->nc", points.weights, self.colors[self.faces[points.face]])


@dataclass(frozen=True)
class Texture:
    """Reflectance from a picture, bilinear, edge pixels repeated.

    Attributes:
        faces: (F, 3) of the mesh.
        pixels: (V, 2) picture coordinates x, y of each vertex; integers are pixel centres, y down.
        image: (H, W, 3) scene-linear.
    """

    faces: np.ndarray
    pixels: np.ndarray
    image: np.ndarray

    def __call__(self, points: SurfacePoints) -> np.ndarray:
        x, y = np.einsum("nk,nkc->nc", points.weights, self.pixels[self.faces[points.face]]).T
        planes = [
            ndimage.map_coordinates(plane, [y, x], order=1, mode="nearest") for plane in np.moveaxis(self.image, 2, 0)
        ]
        return np.stack(planes, axis=1)


@dataclass(frozen=True)
class Light:
    """A soft directional light: `ambient + (1 - ambient) * ((1 + n.l) / 2) ** 2` (half Lambert, squared).

    Attributes:
        towards: unit vector from the scene to the light, world space.
        ambient: reflectance kept in full shade, 0..1.
        shade: tint of the shade, scene-linear; 1 is neutral.
    """

    towards: Vec3
    ambient: float = 0.4
    shade: Vec3 = (1, 1, 1)

    def __call__(self, normal: np.ndarray) -> np.ndarray:
        """(N, 3) factors for (N, 3) unit world normals."""
        lit = np.square((1 + normal @ np.array(self.towards)) / 2)[:, None]
        return self.ambient * np.array(self.shade) * (1 - lit) + lit


@dataclass(frozen=True)
class Scene:
    """Meshes, a camera per frame and at most one light; without a light, colour is the reflectance itself.

    Attributes:
        objects, parts: names of the ids.
    """

    meshes: tuple[Mesh, ...]
    camera: Callable[[int], Camera]
    light: Light | None = None
    objects: Mapping[int, str] = field(default_factory=dict)
    parts: Mapping[int, str] = field(default_factory=dict)

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

    def reflectance(self, face: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Scene-linear (N, 3) reflectance of points given by face and barycentric weights."""
        rest = np.einsum("nk,nkc->nc", weights, self.rest[self.faces[face]])
        out = np.empty((len(face), 3), np.float32)
        start = 0
        for mesh in self.meshes:
            here = (face >= start) & (face < start + len(mesh.faces))
            if here.any():
                own = face[here] - start
                out[here] = mesh.color(SurfacePoints(rest[here], mesh.part[own], own, weights[here]))
            start += len(mesh.faces)
        return out
