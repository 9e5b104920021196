"""Characters and scenes as binary glTF.

Belongs here: how our types map to nodes, skins, materials, cameras, lights and animations. Does not: the container
(`container`), rendering the file (`render.blender`).

One mesh has one table of vertices, split where texture coordinates differ, and one primitive and material
`<object>/<part>` per part. Ids travel as extras (`object_id` of nodes, `part_id` of materials), so that nothing depends
on names. glTF shares our axes: +y up, +z to the viewer, texture v down.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import atan, radians, tan
from typing import Any

import numpy as np
from PIL import Image
from scipy.spatial.transform import Rotation

from osf_pipeline.character.character import Bone, Character
from osf_pipeline.config import Camera
from osf_pipeline.errors import RequestError
from osf_pipeline.gltf.container import INDICES, VERTICES, Writer
from osf_pipeline.motion.clip import Performance
from osf_pipeline.render.scene import Light, Mesh, Placement, Plain, Rigid, Scene, Skinned, Texture, VertexColor
from osf_pipeline.shots import FrameRange

UNLIT, LIGHTS, POINTER = "KHR_materials_unlit", "KHR_lights_punctual", "KHR_animation_pointer"
NEAR, FAR = 0.01, 1e4
"""Clip planes of cameras, scene units."""
INFLUENCES = 4
"""Joints of one JOINTS_n attribute; a vertex of more weights gets a second set, which Blender and most readers know."""
END = "_end"
"""Suffix of the joint at the tail of a bone without children; it moves no vertex."""


def write_character(character: Character, performance: Performance | None = None, name: str = "character") -> bytes:
    """A GLB of one character: mesh, skin, texture, and an animation when it performs.

    Args:
        performance: row i becomes the key at i / fps seconds.
        name: of the object.
    """
    file = _File(unlit=True)
    image = _png(character.texture)
    skin = _Skin(file, character.bones, name, Placement())
    mesh = _MeshData(character.rest, character.faces, character.part, character.uv, character.weights)
    nodes = [skin.root, file.object(name, mesh, 1, character.parts, _Look(image=image), skin.index)]
    if performance is not None:
        times = np.arange(len(performance.rotation)) / performance.fps
        skin.animate(times, performance.rotation, performance.position)
    return file.glb(nodes, name)


def write_scene(scene: Scene, frames: FrameRange, fps: float, aspect: float = 1.0) -> bytes:
    """A GLB of a scene over a range of frames: frame f becomes the key at f / fps seconds.

    A camera whose field of view changes is animated by `KHR_animation_pointer`; the sun's softness goes along as extras
    (`ambient`, `shade`, `shadows`).

    Args:
        aspect: width of the picture over its height.

    Raises:
        RequestError: for a mesh that moves otherwise than as a skin or a rigid body, is coloured otherwise than by
            a texture, its vertices or one colour, or for frames before 0, which glTF's clock does not know.
    """
    file = _File(unlit=scene.light is None)
    if frames.frames[0] < 0:
        raise RequestError(
            "glTF knows no time before 0", frame=frames.frames[0], fix="Number the frames from 0 or later."
        )
    times = np.array(list(frames)) / fps
    nodes: list[int] = []
    for mesh in scene.meshes:
        name = scene.objects.get(mesh.object_id, str(mesh.object_id))
        look = _look(mesh, name)
        if isinstance(mesh.pose, Skinned):
            pose = mesh.pose
            data = _MeshData(mesh.rest, mesh.faces, mesh.part, mesh.uv, pose.character.weights)
            skin = _Skin(file, pose.character.bones, name, pose.placement)
            rows = [pose.rows[frame] for frame in frames]
            skin.animate(times, pose.performance.rotation[rows], pose.performance.position[rows])
            nodes += [skin.root, file.object(name, data, mesh.object_id, scene.parts, look, skin.index)]
        elif isinstance(mesh.pose, Rigid):
            data = _MeshData(mesh.pose.rest, mesh.faces, mesh.part, mesh.uv)
            node = file.object(name, data, mesh.object_id, scene.parts, look)
            turns = np.stack([mesh.pose.rotation[frame] for frame in frames])
            file.move(node, times, turns, np.stack([mesh.pose.position[frame] for frame in frames]))
            nodes.append(node)
        elif all(np.array_equal(mesh.pose(frame), mesh.rest) for frame in frames):
            data = _MeshData(mesh.rest, mesh.faces, mesh.part, mesh.uv)
            nodes.append(file.object(name, data, mesh.object_id, scene.parts, look))
        else:
            raise RequestError(
                "glTF knows no free vertex movement", object=name,
                fix="Move the mesh as a Skinned character or a Rigid body.",
            )  # fmt: skip
    nodes.append(file.camera([scene.camera(frame) for frame in frames], times, aspect))
    if scene.light is not None:
        nodes.append(file.sun(scene.light))
    return file.glb(nodes, "shot")


@dataclass(frozen=True)
class _MeshData:
    rest: np.ndarray
    faces: np.ndarray
    part: np.ndarray
    uv: np.ndarray | None
    weights: np.ndarray | None = None


@dataclass(frozen=True)
class _Look:
    """Surface colour: a picture (PNG), or linear colours by vertex, or one linear colour."""

    image: bytes | None = None
    colors: np.ndarray | None = None
    plain: tuple[float, float, float] = (1, 1, 1)


def _look(mesh: Mesh, name: str) -> _Look:
    if isinstance(mesh.color, Plain):
        return _Look(plain=mesh.color.color)
    if isinstance(mesh.color, VertexColor):
        return _Look(colors=mesh.color.colors)
    if isinstance(mesh.color, Texture):
        return _Look(image=_png(mesh.color.image))
    raise RequestError(
        "glTF knows no such surface colour", object=name, fix="Colour it by a Texture, VertexColor or Plain."
    )


def _png(picture: np.ndarray) -> bytes:
    """(H, W, 3) display-encoded sRGB, 0..1, as PNG."""
    data = io.BytesIO()
    Image.fromarray(np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)).save(data, "PNG")
    return data.getvalue()


class _File:
    """A growing file with one animation."""

    def __init__(self, *, unlit: bool) -> None:
        self.writer, self._unlit = Writer(), unlit
        self._samplers: list[dict[str, Any]] = []
        self._channels: list[dict[str, Any]] = []
        self._times: dict[bytes, int] = {}
        self._images: dict[bytes, int] = {}

    def node(self, **fields: Any) -> int:
        return self.writer.add("nodes", fields)

    def object(
        self,
        name: str,
        mesh: _MeshData,
        object_id: int,
        parts: Mapping[int, str],
        look: _Look,
        skin: int | None = None,
    ) -> int:
        """The node of a mesh."""
        vertex, uv, faces = split(mesh.faces, mesh.uv)
        put = self.writer.accessor
        attributes = {
            "POSITION": put(mesh.rest[vertex].astype(np.float32), VERTICES, bounds=True),
            "NORMAL": put(vertex_normals(mesh.rest, mesh.faces)[vertex], VERTICES),
        }
        if uv is not None:
            attributes["TEXCOORD_0"] = put(uv, VERTICES)
        if look.colors is not None:
            attributes["COLOR_0"] = put(look.colors[vertex].astype(np.float32), VERTICES)
        if mesh.weights is not None:
            for number, (joints, weights) in enumerate(influences(mesh.weights)):
                attributes[f"JOINTS_{number}"] = put(joints[vertex], VERTICES)
                attributes[f"WEIGHTS_{number}"] = put(weights[vertex], VERTICES)
        primitives = []
        for part in np.unique(mesh.part).tolist():
            corners = faces[mesh.part == part].ravel().astype(np.uint32)
            material = self._material(f"{name}/{parts.get(part, part)}", part, look)
            primitives.append({"attributes": attributes, "indices": put(corners, INDICES), "material": material})
        number = self.writer.add("meshes", {"name": name, "primitives": primitives})
        skinned = {} if skin is None else {"skin": skin}
        return self.node(name=name, mesh=number, **skinned, extras={"object_id": object_id})

    def move(self, node: int, times: np.ndarray, rotation: np.ndarray, position: np.ndarray) -> None:
        """Animate a node: (T, 3, 3) and (T, 3) relative to its parent."""
        turns = Rotation.from_matrix(rotation).as_quat()  # x, y, z, w
        turns[1:] *= np.cumprod(np.where((turns[1:] * turns[:-1]).sum(1) < 0, -1, 1))[:, None]  # the short way
        self._channel({"node": node, "path": "rotation"}, times, turns)
        self._channel({"node": node, "path": "translation"}, times, position)

    def camera(self, cameras: Sequence[Camera], times: np.ndarray, aspect: float) -> int:
        """The node of a camera, posed and zoomed by frame."""
        first = cameras[0]
        if any(camera.projection != first.projection for camera in cameras):
            raise RequestError("a camera cannot change its projection", fix="Split the shot at the change.")
        kind, lens = (
            ("perspective", _field_of_view) if first.projection == "persp" else ("orthographic", _magnification)
        )
        zoom = [lens(camera, aspect) for camera in cameras]
        clip = {"znear": NEAR, "aspectRatio": aspect} if kind == "perspective" else {"znear": NEAR, "zfar": FAR}
        number = self.writer.add("cameras", {"name": "camera", "type": kind, kind: zoom[0] | clip})
        node = self.node(name="camera", camera=number)
        self.move(node, times, np.stack([c.rotation.T for c in cameras]), np.array([c.position for c in cameras]))
        for key in zoom[0]:
            values = np.array([value[key] for value in zoom])
            if (values != values[0]).any():
                self.writer.use(POINTER)
                pointer = {POINTER: {"pointer": f"/cameras/{number}/{kind}/{key}"}}
                self._channel({"path": "pointer", "extensions": pointer}, times, values)
        return node

    def sun(self, light: Light) -> int:
        """The node of the light, whose +z points to the sun."""
        self.writer.use(LIGHTS)
        extras = {"ambient": light.ambient, "shade": list(light.shade), "shadows": light.shadows}
        lights = [{"name": "sun", "type": "directional", "intensity": 1.0, "extras": extras}]
        self.writer.document.setdefault("extensions", {})[LIGHTS] = {"lights": lights}
        turn, _ = Rotation.align_vectors([light.towards], [[0, 0, 1]])
        return self.node(name="sun", rotation=turn.as_quat().tolist(), extensions={LIGHTS: {"light": 0}})

    def glb(self, nodes: list[int], name: str) -> bytes:
        if self._channels:
            self.writer.add("animations", {"name": name, "channels": self._channels, "samplers": self._samplers})
        self.writer.document["scene"] = self.writer.add("scenes", {"name": name, "nodes": nodes})
        return self.writer.glb()

    def _channel(self, target: dict[str, Any], times: np.ndarray, values: np.ndarray) -> None:
        key = times.astype(np.float32)
        if key.tobytes() not in self._times:
            self._times[key.tobytes()] = self.writer.accessor(key, bounds=True)
        sampler = {
            "input": self._times[key.tobytes()],
            "output": self.writer.accessor(values),
            "interpolation": "LINEAR",
        }
        self._samplers.append(sampler)
        self._channels.append({"sampler": len(self._samplers) - 1, "target": target})

    def _material(self, name: str, part: int, look: _Look) -> int:
        surface: dict[str, Any] = {"metallicFactor": 0, "roughnessFactor": 1, "baseColorFactor": [*look.plain, 1]}
        if look.image is not None:
            surface["baseColorTexture"] = {"index": self._texture(look.image)}
        item = {"name": name, "pbrMetallicRoughness": surface, "extras": {"part_id": part}}
        if self._unlit:
            self.writer.use(UNLIT)
            item["extensions"] = {UNLIT: {}}
        return self.writer.add("materials", item)

    def _texture(self, png: bytes) -> int:
        """Index of a texture; equal pictures are stored once."""
        if png not in self._images:
            clamp, linear, mipmap = 33071, 9729, 9987
            sampler = {"magFilter": linear, "minFilter": mipmap, "wrapS": clamp, "wrapT": clamp}
            source = self.writer.add("images", {"mimeType": "image/png", "bufferView": self.writer.view(png)})
            self._images[png] = self.writer.add(
                "textures", {"source": source, "sampler": self.writer.add("samplers", sampler)}
            )
        return self._images[png]


class _Skin:
    """The joints of a character below a root node that stands where the character is placed."""

    def __init__(self, file: _File, bones: Sequence[Bone], name: str, placement: Placement) -> None:
        self._file, self._bones = file, bones
        heads = np.array([bone.head for bone in bones])
        self._joints = []
        for bone, head in zip(bones, heads, strict=True):
            origin = heads[bone.parent] if bone.parent >= 0 else 0
            self._joints.append(file.node(name=bone.name, translation=(head - origin).tolist()))
        children: dict[int, list[int]] = {}
        joints, places = list(self._joints), list(heads)
        for number, bone in enumerate(bones):
            children.setdefault(bone.parent, []).append(self._joints[number])
        for number, bone in enumerate(bones):
            if number not in children:
                offset = np.subtract(bone.tail, bone.head)
                joints.append(file.node(name=bone.name + END, translation=offset.tolist()))
                places.append(np.array(bone.tail))
                children[number] = joints[-1:]
            file.writer.document["nodes"][self._joints[number]]["children"] = children[number]
        turn = np.radians(placement.turn) / 2
        self.root = file.node(
            name=f"{name}_rig", children=children[-1], translation=list(map(float, placement.position)),
            rotation=[0.0, float(np.sin(turn)), 0.0, float(np.cos(turn))], scale=[float(placement.scale)] * 3,
        )  # fmt: skip
        inverse = np.tile(np.eye(4), (len(joints), 1, 1))
        inverse[:, :3, 3] = -np.array(places)
        bind = file.writer.accessor(inverse)
        skin = {"name": name, "joints": joints, "skeleton": self.root, "inverseBindMatrices": bind}
        self.index = file.writer.add("skins", skin)

    def animate(self, times: np.ndarray, rotation: np.ndarray, position: np.ndarray) -> None:
        """(T, B, 3, 3) and (T, B, 3) of the bones in the character's own space."""
        for number, (bone, joint) in enumerate(zip(self._bones, self._joints, strict=True)):
            turns, places = rotation[:, number], position[:, number]
            if bone.parent >= 0:
                back = rotation[:, bone.parent].swapaxes(1, 2)
                turns, places = back @ turns, np.einsum("tij,tj->ti", back, places - position[:, bone.parent])
            self._file.move(joint, times, turns, places)


def split(faces: np.ndarray, uv: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    """Vertices that carry texture coordinates of their own.

    Args:
        faces: (F, 3) vertex indices.
        uv: (F, 3, 2) of the faces' corners, or None.

    Returns:
        (S,) original vertex of each new one, (S, 2) float32 texture coordinates or None, (F, 3) indices into them.
    """
    corners = faces.reshape(-1, 1).astype(np.int64)
    if uv is None:
        kept, inverse = np.unique(corners[:, 0], return_inverse=True)
        return kept, None, inverse.reshape(faces.shape)
    bits = np.ascontiguousarray(uv.reshape(-1, 2), np.float32).view(np.int32)
    rows, inverse = np.unique(np.concatenate([corners, bits], axis=1), axis=0, return_inverse=True)
    return rows[:, 0], rows[:, 1:].astype(np.int32).view(np.float32), inverse.reshape(faces.shape)


def influences(weights: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """(V, B) weights as sets of four (V, 4) joints and weights, strongest first; together they hold every weight."""
    most = int((weights > 0).sum(1).max())
    sets = max(1, -(-most // INFLUENCES))
    padded = np.pad(weights, ((0, 0), (0, max(0, sets * INFLUENCES - weights.shape[1]))))
    order = np.argsort(-padded, axis=1, kind="stable")[:, : sets * INFLUENCES]
    strongest = np.take_along_axis(padded, order, axis=1).astype(np.float32)
    joints = np.where(strongest > 0, order, 0).astype(np.uint16)
    return [
        (joints[:, k : k + INFLUENCES], strongest[:, k : k + INFLUENCES])
        for k in range(0, sets * INFLUENCES, INFLUENCES)
    ]


def vertex_normals(rest: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(V, 3) unit vertex normals: the area-weighted mean of the faces around; +z for a vertex without faces."""
    a, b, c = (rest[faces[:, k]] for k in range(3))
    across = np.cross(b - a, c - a)
    total = np.stack([np.bincount(faces.T.ravel(), np.tile(axis, 3), minlength=len(rest)) for axis in across.T], axis=1)
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.where(length > 0, total / np.where(length > 0, length, 1), [0, 0, 1])


def _field_of_view(camera: Camera, aspect: float) -> dict[str, float]:
    return {"yfov": 2 * atan(tan(radians(float(camera.fov or 0)) / 2) / aspect)}


def _magnification(camera: Camera, aspect: float) -> dict[str, float]:
    half = float(camera.scale or 0) / 2
    return {"xmag": half, "ymag": half / aspect}
