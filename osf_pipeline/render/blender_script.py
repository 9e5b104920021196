"""Run inside Blender: render frames of a scene so that its colour and every data pass lie in one EXR per frame.

    blender -b -P blender_script.py -- job.json
    python blender_script.py job.json               with the bpy module

Belongs here: everything that needs Blender (4.2 to 5.0). Does not: finding and starting Blender (`blender`). The file
stands alone: it imports bpy, numpy and the standard library, and may be copied to a machine that has nothing else.

The job, paths relative to the working directory:

    {"blend": "shot.blend"            or "glb": "shot.glb" as `osf_pipeline.gltf.write` makes it,
     "folder": "renders/shot",        where the EXR files and, unless one is there, `shot.yaml` go
     "pattern": "shot.####.exr",
     "frames": [1001, 1002],          to render
     "shot_frames": [1001, 1002],     optional: all frames of the shot, where motion finds its neighbours
     "size": [1920, 1080],            of a .blend: optional, its own otherwise
     "samples": 16,                   of a .blend: optional, its own otherwise
     "threads": 2,                    optional, all otherwise
     "parts": "material"}             of a .blend: or "vertex_group", the strongest one of each face

Each frame is rendered twice by Cycles on the CPU. The data render takes one sample at the pixel centre (box filter of
width 0.01), so ids stay whole and edges hard; the beauty render gives filtered colour with alpha. Depth, position,
normal, ids, rest position, texture coordinates and albedo come from the data render.

Motion does not come from Blender's Vector pass, which is wrong for a moving orthographic camera from 4.3 on. Each
vertex carries its world position at the previous and the next frame as an attribute; both are rendered and projected by
the cameras of their frames. That is exact for every modifier that keeps its vertices. Objects whose vertices change in
number, and instances, keep Blender's Vector.

A .blend keeps its objects, materials, lights and world; added are attributes, one modifier per mesh, AOV outputs and
passes, and nothing is saved. Object ids: the custom property `object_id`, else the pass index, else a free number.
Part ids of materials: the custom property `part_id`, else numbers by name. Rest position: mesh coordinates before
modifiers. A .glb is drawn in flat colour, or under its sun as `render.scene.Light` says, with +y up as in the file.
"""

from __future__ import annotations

import json
import struct
import sys
import tempfile
import zlib
from collections.abc import Sequence
from math import degrees, pi
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import bpy
import numpy as np

REST, PART, BEFORE, AFTER = "osf_rest", "osf_part", "osf_before", "osf_after"
"""Attributes: of points, but `PART` of faces."""
AOVS = {"RestPos": REST, "PartID": PART, "Before": BEFORE, "After": AFTER}
ALBEDO = "Albedo"
PASSES = {
    "Combined": "RGBA", "Depth": "Z", "Normal": "XYZ", "Position": "XYZ", "Vector": "XYZW", "UV": "UV",
    "IndexOB": "X", "DiffCol": "RGB", "DiffDir": "RGB",
    "RestPos": "RGB", "PartID": "X", "Before": "RGB", "After": "RGB", ALBEDO: "RGB",
}  # fmt: skip
RENAMED = {"IndexOB": "Object Index", "DiffCol": "Diffuse Color", "DiffDir": "Diffuse Direct"}
"""Passes of Blender 5."""
HALF = ("Combined", "Normal", "DiffCol", "Shadow")
Socket: TypeAlias = Any
Vector: TypeAlias = Sequence[float]
Factor: TypeAlias = Any
"""A tuple of three numbers, or the socket that gives them."""
Y_UP = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]], np.float64)
"""Blender's world, +z up, to glTF's."""


# --- The scene -------------------------------------------------------------------------------------------------------


def open_scene(job: dict[str, Any]) -> None:
    """Open the job's file and prepare its render settings."""
    if "blend" in job:
        bpy.ops.wm.open_mainfile(filepath=str(Path(job["blend"]).resolve()), load_ui=False)
    else:
        bpy.ops.wm.read_factory_settings(use_empty=True)
        bpy.context.scene.render.fps, bpy.context.scene.render.fps_base = job["fps"], 1
        bpy.ops.import_scene.gltf(
            filepath=str(Path(job["glb"]).resolve()), merge_vertices=True, disable_bone_shape=True
        )
        bpy.context.scene.camera = next((o for o in bpy.context.scene.objects if o.type == "CAMERA"), None)
        zoom(Path(job["glb"]), job["fps"])
    scene = bpy.context.scene
    if scene.camera is None:
        raise SystemExit("the scene has no camera")
    scene.render.engine = "CYCLES"
    render, cycles = scene.render, scene.cycles
    cycles.device, cycles.seed = "CPU", 0
    cycles.use_adaptive_sampling = cycles.use_denoising = False
    if "samples" in job:
        cycles.samples = job["samples"]
    if "threads" in job:
        render.threads_mode, render.threads = "FIXED", job["threads"]
    if "size" in job:
        render.resolution_x, render.resolution_y = job["size"]
        render.resolution_percentage = 100
    render.film_transparent, render.use_persistent_data = True, True
    render.use_motion_blur = render.use_border = render.use_compositing = render.use_sequencer = False
    render.use_file_extension = render.use_overwrite = True
    for layer in scene.view_layers:
        layer.use = layer == bpy.context.view_layer
    settings = render.image_settings
    if hasattr(settings, "media_type"):  # Blender 5 offers multilayer files only of this media type
        settings.media_type = "MULTI_LAYER_IMAGE"
    settings.file_format, settings.color_depth, settings.exr_codec = "OPEN_EXR_MULTILAYER", "32", "NONE"


def zoom(path: Path, fps: int) -> None:
    """Key the camera's field of view or scale as the file animates it: importers do not, or halve an ortho scale."""
    data = path.read_bytes()
    (length,) = struct.unpack_from("<I", data, 12)
    document, binary = json.loads(data[20 : 20 + length]), data[28 + length :]

    def numbers(index: int) -> np.ndarray:
        view = document["bufferViews"][document["accessors"][index]["bufferView"]]
        return np.frombuffer(binary, "<f4", view["byteLength"] // 4, view["byteOffset"])

    lens: dict[str, np.ndarray] = {}
    times = np.empty(0)
    for animation in document.get("animations", []):
        for channel in animation["channels"]:
            pointer = channel["target"].get("extensions", {}).get("KHR_animation_pointer", {}).get("pointer", "")
            if pointer.startswith("/cameras/0/"):
                sampler = animation["samplers"][channel["sampler"]]
                lens[pointer.rpartition("/")[2]] = numbers(sampler["output"])
                times = numbers(sampler["input"])
    if lens:
        camera = bpy.context.scene.camera.data
        camera.animation_data_clear()
        key = "angle_y" if "yfov" in lens else "ortho_scale"
        values = lens["yfov"] if "yfov" in lens else 2 * np.maximum(lens["xmag"], lens["ymag"])
        for time, value in zip(times, values, strict=True):
            setattr(camera, key, value)
            camera.keyframe_insert("lens" if key == "angle_y" else key, frame=round(float(time) * fps))


def show_as_rendered() -> None:
    """Let the scene that Python sees be the one that is rendered: the same objects, modifiers and subdivision."""
    scene, layer = bpy.context.scene, bpy.context.view_layer
    scene.render.simplify_subdivision = scene.render.simplify_subdivision_render
    for thing in layer.objects:
        thing.hide_viewport = thing.hide_render
        thing.hide_set(False)
        for modifier in thing.modifiers:
            modifier.show_viewport = modifier.show_render
            if hasattr(modifier, "render_levels"):
                modifier.levels = modifier.render_levels
    for collection in bpy.data.collections:
        collection.hide_viewport = collection.hide_render
    left = [layer.layer_collection]
    while left:
        left[0].hide_viewport = False
        left.extend(left.pop(0).children)


def meshes() -> tuple[list[bpy.types.Object], set[bpy.types.Object]]:
    """Mesh objects that are rendered, by name, and those among them that instances show."""
    shown = [(i.object.original, i.is_instance) for i in bpy.context.evaluated_depsgraph_get().object_instances]
    found = {thing for thing, _ in shown if thing.type == "MESH" and not thing.hide_render}
    return sorted(found, key=lambda o: o.name), {thing for thing, instance in shown if instance}


def number_objects(objects: list[bpy.types.Object]) -> dict[int, str]:
    """Give every object its id as pass index; returns id to name."""
    for thing in objects:
        thing.pass_index = int(thing.get("object_id", thing.pass_index))
    taken = {thing.pass_index for thing in objects}
    for thing in objects:
        if not thing.pass_index:
            thing.pass_index = next(n for n in range(1, 1 << 16) if n not in taken)
            taken.add(thing.pass_index)
    return {thing.pass_index: thing.name for thing in objects}


def number_parts(objects: list[bpy.types.Object], by: str) -> dict[int, str]:
    """Store part ids on faces and rest positions on points; returns id to name."""
    if by == "vertex_group":
        names = {f"{o.name}/{group.name}" for o in objects for group in o.vertex_groups}
        names |= {o.name for o in objects if not o.vertex_groups}
        ids = {name: number for number, name in enumerate(sorted(names), start=1)}
    else:
        materials = {slot.material for o in objects for slot in o.material_slots}
        given = {m.name: int(m["part_id"]) for m in materials if "part_id" in m}
        others = sorted(m.name for m in materials if "part_id" not in m)
        free = (n for n in range(1, 1 << 16) if n not in given.values())
        ids = given | dict(zip(others, free, strict=False))
    for thing in objects:
        mesh = thing.data
        corners = np.empty(len(mesh.loops), np.int32)
        mesh.loops.foreach_get("vertex_index", corners)
        starts = np.empty(len(mesh.polygons), np.int32)
        mesh.polygons.foreach_get("loop_start", starts)
        if by == "vertex_group" and thing.vertex_groups:
            weights = np.zeros((len(mesh.vertices), len(thing.vertex_groups)))
            for vertex in mesh.vertices:
                for entry in vertex.groups:
                    weights[vertex.index, entry.group] = entry.weight
            strongest = np.add.reduceat(weights[corners], starts).argmax(1)
            number = np.array([ids[f"{thing.name}/{group.name}"] for group in thing.vertex_groups])[strongest]
        elif by == "vertex_group":
            number = np.full(len(mesh.polygons), ids[thing.name])
        else:
            slot = np.empty(len(mesh.polygons), np.int32)
            mesh.polygons.foreach_get("material_index", slot)
            number = np.array([ids[s.material.name] for s in thing.material_slots])[slot]
        rest = np.empty(3 * len(mesh.vertices), np.float32)
        mesh.vertices.foreach_get("co", rest)
        store(mesh, PART, "FLOAT", "FACE", number)
        store(mesh, REST, "FLOAT_VECTOR", "POINT", rest)
    return {number: name for name, number in ids.items()}


def store(mesh: bpy.types.Mesh, name: str, kind: str, domain: str, values: np.ndarray) -> None:
    """Write an attribute of a mesh."""
    attribute = mesh.attributes.get(name) or mesh.attributes.new(name, kind, domain)
    key = "vector" if kind == "FLOAT_VECTOR" else "value"
    attribute.data.foreach_set(key, np.ascontiguousarray(values, np.float32).ravel())


class Track:
    """Carries where an object's vertices were and will be into its evaluated mesh, after all its modifiers.

    A mesh beside the scene holds both, and a modifier at the end of the stack copies them by vertex index. It copies
    zeros where numbers of vertices differ, which says that the motion is not known.
    """

    def __init__(self, thing: bpy.types.Object) -> None:
        self.thing = thing
        self.mesh = bpy.data.meshes.new("osf_track")
        self.other = bpy.data.objects.new("osf_track", self.mesh)
        tree = bpy.data.node_groups.new("osf_track", "GeometryNodeTree")
        tree.interface.new_socket("Geometry", in_out="INPUT", socket_type="NodeSocketGeometry")
        tree.interface.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
        source = tree.nodes.new("GeometryNodeObjectInfo")
        source.inputs["Object"].default_value = self.other
        index = tree.nodes.new("GeometryNodeInputIndex")
        geometry = tree.nodes.new("NodeGroupInput").outputs[0]
        same = tree.nodes.new("ShaderNodeMath")
        same.operation, same.inputs[2].default_value = "COMPARE", 0.5
        for slot, mesh in zip(same.inputs, (geometry, source.outputs["Geometry"]), strict=False):
            count = tree.nodes.new("GeometryNodeAttributeDomainSize")
            tree.links.new(mesh, count.inputs["Geometry"])
            tree.links.new(count.outputs["Point Count"], slot)
        for name in (BEFORE, AFTER):
            value = tree.nodes.new("GeometryNodeInputNamedAttribute")
            value.data_type, value.inputs["Name"].default_value = "FLOAT_VECTOR", name
            sample = tree.nodes.new("GeometryNodeSampleIndex")
            sample.data_type, sample.domain = "FLOAT_VECTOR", "POINT"
            keep = tree.nodes.new("GeometryNodeStoreNamedAttribute")
            keep.data_type, keep.domain, keep.inputs["Name"].default_value = "FLOAT_VECTOR", "POINT", name
            tree.links.new(source.outputs["Geometry"], sample.inputs["Geometry"])
            tree.links.new(value.outputs["Attribute"], sample.inputs["Value"])
            tree.links.new(index.outputs[0], sample.inputs["Index"])
            tree.links.new(geometry, keep.inputs["Geometry"])
            known = tree.nodes.new("ShaderNodeVectorMath")
            known.operation = "SCALE"
            tree.links.new(sample.outputs["Value"], known.inputs[0])
            tree.links.new(same.outputs[0], known.inputs["Scale"])
            tree.links.new(known.outputs["Vector"], keep.inputs["Value"])
            geometry = keep.outputs["Geometry"]
        tree.links.new(geometry, tree.nodes.new("NodeGroupOutput").inputs[0])
        thing.modifiers.new("osf_track", "NODES").node_group = tree

    def positions(self, graph: bpy.types.Depsgraph) -> np.ndarray:
        """(V, 3) world positions of the evaluated vertices at the current frame."""
        thing = self.thing.evaluated_get(graph)
        mesh = thing.to_mesh()
        local = np.empty(3 * len(mesh.vertices), np.float32)
        mesh.vertices.foreach_get("co", local)
        thing.to_mesh_clear()
        matrix = np.array(thing.matrix_world)
        return local.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]

    def set(self, before: np.ndarray, now: np.ndarray, after: np.ndarray) -> None:
        """Hand over the (V, 3) neighbours."""
        same = len(before) == len(now) == len(after)
        if len(self.mesh.vertices) != len(now):
            self.mesh.clear_geometry()
            self.mesh.vertices.add(len(now))
        store(self.mesh, BEFORE, "FLOAT_VECTOR", "POINT", before if same else np.zeros_like(now))
        store(self.mesh, AFTER, "FLOAT_VECTOR", "POINT", after if same else np.zeros_like(now))
        self.mesh.update()
        self.other.update_tag()


def add_passes(objects: list[bpy.types.Object]) -> None:
    """Switch on passes, and let every material write the attributes as AOVs."""
    layer = bpy.context.view_layer
    for key in ("z", "normal", "position", "vector", "uv", "object_index", "diffuse_color", "diffuse_direct"):
        setattr(layer, f"use_pass_{key}", True)
    for name in (*AOVS, ALBEDO):
        aov = layer.aovs.add()
        aov.name, aov.type = name, "VALUE" if name == "PartID" else "COLOR"
    for material in {slot.material for o in objects for slot in o.material_slots}:
        nodes, links = material.node_tree.nodes, material.node_tree.links
        for name, attribute in AOVS.items():
            source, target = nodes.new("ShaderNodeAttribute"), nodes.new("ShaderNodeOutputAOV")
            source.attribute_name, target.aov_name = attribute, name
            if name == "PartID":
                links.new(source.outputs["Fac"], target.inputs["Value"])
            else:
                links.new(source.outputs["Vector"], target.inputs["Color"])


def complete(objects: list[bpy.types.Object]) -> None:
    """Every object has texture coordinates and a material in each slot, and every material has nodes."""
    plain = None
    for thing in objects:
        if thing.library or thing.data.library:
            raise SystemExit(f"object {thing.name} is linked from another file: make it local")
        if not thing.data.uv_layers:
            layer = thing.data.uv_layers.new()
            layer.uv.foreach_set("vector", np.tile([0.0, 1.0], len(layer.uv)).astype(np.float32))  # 0, 0 with v down
        if not thing.material_slots:
            thing.data.materials.append(None)
        for slot in thing.material_slots:
            if slot.material is None:
                plain = plain or bpy.data.materials.new("default")
                slot.material = plain
            if slot.material.library:
                raise SystemExit(f"material {slot.material.name} is linked from another file: make it local")
            slot.material.use_nodes = True


# --- The look of a .glb ----------------------------------------------------------------------------------------------


class Look:
    """Flat colour, or the soft light of `render.scene.Light` with the shadows it casts.

    With n.l = c: lit = ((1 + c) / 2)^2, colour = albedo * (a (1 - lit) + lit), a = ambient * shade. In cast shadow lit
    is at most 1/4. What lies above, (lit - 1/4) (1 - a) = c (2 + c) / 4 (1 - a), is a diffuse surface under a sun of
    strength pi, so that Cycles finds the shadow; the rest is emission. In the data render the diffuse surface is
    white: its light tells where the sun reaches.
    """

    def __init__(self, objects: list[bpy.types.Object]) -> None:
        suns = [o for o in bpy.context.scene.objects if o.type == "LIGHT"]
        self.sun = suns[0] if suns else None
        self.shadows = self.sun.data.get("shadows", "off") if self.sun else "off"
        if self.sun:
            self.sun.data.angle, self.sun.data.energy = 0, pi if self.shadows != "off" else 0
        for key in ("max_bounces", "diffuse_bounces", "glossy_bounces", "transmission_bounces"):
            setattr(bpy.context.scene.cycles, key, 0)
        self.switches = [self._paint(m) for m in {slot.material for o in objects for slot in o.material_slots}]

    def data(self, on: bool) -> None:
        """Switch between the data render and the beauty."""
        for switch in self.switches:
            switch.default_value = float(on)

    def _paint(self, material: bpy.types.Material) -> Socket:
        """Replace a material's shader and keep its colour; returns the switch of its data render."""
        material.cycles.emission_sampling = "NONE"  # it gives colour, and lights nothing
        tree = material.node_tree
        shader = next(n for n in tree.nodes if n.type in ("BSDF_PRINCIPLED", "EMISSION", "BACKGROUND"))
        color = shader.inputs["Base Color" if shader.type == "BSDF_PRINCIPLED" else "Color"]
        if color.links:
            albedo = color.links[0].from_socket
        else:
            albedo = tree.nodes.new("ShaderNodeRGB").outputs[0]
            albedo.default_value = color.default_value
        aov = tree.nodes.new("ShaderNodeOutputAOV")
        aov.aov_name = ALBEDO
        tree.links.new(albedo, aov.inputs["Color"])
        switch = tree.nodes.new("ShaderNodeValue").outputs[0]
        emission, diffuse, both = (tree.nodes.new(f"ShaderNode{n}") for n in ("Emission", "BsdfDiffuse", "AddShader"))
        ambient, direct = self._factors(tree)
        self._multiply(tree, albedo, ambient, emission.inputs["Color"])
        self._multiply(tree, albedo, direct, diffuse.inputs["Color"], white=switch)
        seen = tree.nodes.new("ShaderNodeLightPath").outputs["Is Camera Ray"]
        tree.links.new(seen, emission.inputs["Strength"])  # or it would light what stands near
        tree.links.new(emission.outputs[0], both.inputs[0])
        tree.links.new(diffuse.outputs[0], both.inputs[1])
        output = next(n for n in tree.nodes if n.type == "OUTPUT_MATERIAL")
        tree.links.new(both.outputs[0], output.inputs["Surface"])
        return switch

    def _factors(self, tree: bpy.types.NodeTree) -> tuple[Factor, Factor]:
        """What albedo is multiplied by as emission and as a diffuse surface: colours or sockets."""
        if self.sun is None:
            return (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)
        shade = self.sun.data["ambient"] * np.array(self.sun.data["shade"][:])
        towards = np.array(self.sun.matrix_world)[:3, 2]
        normal, dot = tree.nodes.new("ShaderNodeNewGeometry"), tree.nodes.new("ShaderNodeVectorMath")
        dot.operation = "DOT_PRODUCT"
        tree.links.new(normal.outputs["Normal"], dot.inputs[0])
        dot.inputs[1].default_value = towards / np.linalg.norm(towards)
        half = self._math(tree, "MULTIPLY_ADD", dot.outputs["Value"], 0.5, 0.5)
        lit = self._math(tree, "MULTIPLY", half, half)
        direct: Factor = (0.0, 0.0, 0.0)
        if self.shadows == "cast":
            lit = self._math(tree, "MINIMUM", lit, 0.25)
            direct = self._combine(tree, self._math(tree, "MULTIPLY_ADD", dot.outputs["Value"], 0.25, 0.5), 1 - shade)
        return self._combine(tree, lit, 1 - shade, shade), direct

    @staticmethod
    def _math(tree: bpy.types.NodeTree, operation: str, *values: float | Socket) -> Socket:
        node = tree.nodes.new("ShaderNodeMath")
        node.operation = operation
        for slot, value in zip(node.inputs, values, strict=False):
            if isinstance(value, float):
                slot.default_value = value
            else:
                tree.links.new(value, slot)
        return node.outputs[0]

    def _combine(
        self, tree: bpy.types.NodeTree, value: Socket, scale: Vector, offset: Vector = (0.0, 0.0, 0.0)
    ) -> Socket:
        """The colour value * scale + offset."""
        node = tree.nodes.new("ShaderNodeCombineXYZ")
        for slot, s, o in zip(node.inputs, scale, offset, strict=True):
            tree.links.new(self._math(tree, "MULTIPLY_ADD", value, float(s), float(o)), slot)
        return node.outputs[0]

    @staticmethod
    def _multiply(
        tree: bpy.types.NodeTree, albedo: Socket, factor: Factor, target: Socket, white: Socket | None = None
    ) -> None:
        """Link albedo * factor to a colour, or 1 where the switch `white` is on."""
        product = tree.nodes.new("ShaderNodeVectorMath")
        product.operation = "MULTIPLY_ADD"
        tree.links.new(albedo, product.inputs[0])
        if isinstance(factor, tuple):
            product.inputs[1].default_value = factor
        else:
            tree.links.new(factor, product.inputs[1])
        if white is None:
            tree.links.new(product.outputs[0], target)
            return
        mix = tree.nodes.new("ShaderNodeVectorMath")  # factor * (1 - white) + white, as max: both lie in 0..1
        mix.operation = "MAXIMUM"
        tree.links.new(product.outputs[0], mix.inputs[0])
        tree.links.new(white, mix.inputs[1])
        tree.links.new(mix.outputs[0], target)


# --- Rendering -------------------------------------------------------------------------------------------------------


def render_passes(path: Path, *, data: bool, look: Look | None) -> dict[str, np.ndarray]:
    """Render the current frame once; returns pass name to (y, x, channel) float32 of the wanted passes."""
    scene = bpy.context.scene
    cycles, camera = scene.cycles, scene.camera.data
    kept = cycles.samples, cycles.pixel_filter_type, cycles.filter_width, camera.dof.use_dof
    if data:
        cycles.samples, cycles.pixel_filter_type, cycles.filter_width, camera.dof.use_dof = 1, "BOX", 0.01, False
    if look:
        look.data(data)
    scene.render.filepath = str(path)
    try:
        bpy.ops.render.render(write_still=True)
    finally:
        cycles.samples, cycles.pixel_filter_type, cycles.filter_width, camera.dof.use_dof = kept
    channels = read_exr(path.read_bytes())
    layer = bpy.context.view_layer.name
    found = {}
    for name, letters in PASSES.items():
        for alias in (name, RENAMED.get(name, name)):
            full = [f"{layer}.{alias}.{letter}" for letter in letters]
            if set(full) <= channels.keys():
                found[name] = np.stack([channels[c] for c in full], axis=-1)
    return found


class Pose(NamedTuple):
    """Everything motion needs of one frame: (V, 3) world positions of each tracked object, and the camera's matrix."""

    places: list[np.ndarray]
    camera: np.ndarray


def pose_at(frame: int, tracks: list[Track]) -> Pose:
    bpy.context.scene.frame_set(frame)
    graph = bpy.context.evaluated_depsgraph_get()
    return Pose([track.positions(graph) for track in tracks], projection(graph))


def projection(graph: bpy.types.Depsgraph) -> np.ndarray:
    """(4, 4) world space to clip space of the scene's camera at the current frame."""
    scene = bpy.context.scene
    render, camera = scene.render, scene.camera.evaluated_get(graph)
    lens = camera.calc_matrix_camera(
        graph, x=size()[0], y=size()[1], scale_x=render.pixel_aspect_x, scale_y=render.pixel_aspect_y
    )
    return np.array(lens, np.float64) @ np.linalg.inv(np.array(camera.matrix_world.normalized(), np.float64))


def size() -> tuple[int, int]:
    render = bpy.context.scene.render
    scale = render.resolution_percentage / 100
    return int(render.resolution_x * scale), int(render.resolution_y * scale)


def project(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """(..., 3) world positions to (..., 2) pixels, y down."""
    width, height = size()
    clip = points @ matrix[:, :3].T + matrix[:, 3]
    with np.errstate(divide="ignore", invalid="ignore"):
        flat = clip[..., :2] / clip[..., 3:]
    return np.stack([(flat[..., 0] + 1) / 2 * width - 0.5, (1 - flat[..., 1]) / 2 * height - 0.5], axis=-1)


def merge(
    data: dict[str, np.ndarray], beauty: dict[str, np.ndarray], matrices: list[np.ndarray], *, glb: bool, shadow: bool
) -> dict[str, np.ndarray]:
    """One frame's passes under their Blender names, (y, x, channel)."""
    seen = data["Depth"][..., 0] < 1e9
    out = {name: data[name] for name in ("Depth", "Normal", "Position", "UV", "IndexOB", "RestPos", "PartID")}
    out["Combined"] = beauty["Combined"]
    out["DiffCol"] = data[ALBEDO] if glb else data["DiffCol"]
    before, now, after = (
        project(data[name].astype(np.float64), matrix)
        for name, matrix in zip(("Before", "Position", "After"), matrices, strict=True)
    )
    vector = np.concatenate([before - now, now - after], axis=-1) * [1, -1, 1, -1]  # y up, as Blender has it
    tracked = seen & (data["Before"] != 0).any(-1) & np.isfinite(vector).all(-1)
    moving = any((m != matrices[1]).any() for m in matrices)
    if (seen & ~tracked).any() and moving and not matrices[1][3, :3].any():
        raise SystemExit(
            "an instance, or an object whose vertices change in number, before a moving orthographic camera"
        )
    out["Vector"] = np.where(tracked[..., None], vector, data["Vector"] * seen[..., None])
    if shadow:
        out["Shadow"] = (data["DiffDir"].max(-1, keepdims=True) > 0) * 1.0
    if glb:
        for name in ("Normal", "Position", "RestPos"):
            out[name] = out[name] @ Y_UP.T
    return out


def camera_entry(frame_matrix: np.ndarray) -> dict[str, Any]:
    """The current frame's camera as `shot.yaml` writes it; `frame_matrix` turns Blender's world into the file's."""
    camera = bpy.context.scene.camera
    pose = np.array(camera.matrix_world.normalized(), np.float64)
    axes, place = frame_matrix @ pose[:3, :3], frame_matrix @ pose[:3, 3]
    lens = np.array(camera.calc_matrix_camera(bpy.context.evaluated_depsgraph_get(), x=size()[0], y=size()[1]))
    entry = {"projection": "persp", "fov": degrees(2 * np.arctan(1 / lens[0, 0]))}
    if camera.data.type == "ORTHO":
        entry = {"projection": "ortho", "scale": 2 / float(lens[0, 0])}
    return entry | {
        "right": axes[:, 0].tolist(), "up": axes[:, 1].tolist(), "back": axes[:, 2].tolist(), "position": place.tolist()
    }  # fmt: skip


def main(job: dict[str, Any]) -> None:
    open_scene(job)
    show_as_rendered()
    glb, folder = "glb" in job, Path(job["folder"])
    objects, instanced = meshes()
    complete(objects)
    names = {"objects": number_objects(objects), "parts": number_parts(objects, job.get("parts", "material"))}
    look = Look(objects) if glb else None
    add_passes(objects)
    scene = bpy.context.scene
    tracks = [Track(thing) for thing in objects if thing not in instanced]
    shot_frames = job.get("shot_frames", job["frames"])
    poses: dict[int, Pose] = {}
    cameras = {}
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="osf_") as scratch:
        for frame in job["frames"]:
            row = shot_frames.index(frame)
            around = [shot_frames[max(row - 1, 0)], frame, shot_frames[min(row + 1, len(shot_frames) - 1)]]
            poses = {f: poses[f] if f in poses else pose_at(f, tracks) for f in around}
            scene.frame_set(frame)
            before, now, after = (poses[f] for f in around)
            for track, *places in zip(tracks, before.places, now.places, after.places, strict=True):
                track.set(*places)
            cameras[frame] = camera_entry(Y_UP if glb else np.eye(3))
            data = render_passes(Path(scratch) / "data.exr", data=True, look=look)
            beauty = render_passes(Path(scratch) / "beauty.exr", data=False, look=look)
            shadow = look is not None and look.shadows != "off"
            passes = merge(data, beauty, [before.camera, now.camera, after.camera], glb=glb, shadow=shadow)
            write_frame(folder / frame_name(job["pattern"], frame), passes, frame)
    write_shot(folder / "shot.yaml", job, names, cameras)


def frame_name(pattern: str, frame: int) -> str:
    hashes = pattern.count("#")
    return pattern.replace("#" * hashes, f"{frame:0{hashes}d}")


def write_frame(path: Path, passes: dict[str, np.ndarray], frame: int) -> None:
    """Write the passes as one file, whole or not at all."""
    channels = {}
    for name, values in passes.items():
        half = name in HALF and np.abs(values).max() <= np.finfo(np.float16).max
        for index, letter in enumerate(PASSES.get(name, "X")):
            plane = values[..., index].astype(np.float16 if half else np.float32)
            channels[f"{bpy.context.view_layer.name}.{name}.{letter}"] = plane
    text = {
        "BlenderMultiChannel": "Blender V2.55.1 and newer", "Camera": bpy.context.scene.camera.name,
        "Scene": bpy.context.scene.name, "Frame": str(frame), "Software": f"Blender {bpy.app.version_string}",
    }  # fmt: skip
    aside = path.with_name(f".{path.name}.part")
    aside.write_bytes(exr_bytes(channels, text))
    aside.replace(path)


def write_shot(path: Path, job: dict[str, Any], names: dict[str, Any], cameras: dict[int, Any]) -> None:
    """Write `shot.yaml` (JSON is YAML) unless somebody has written one."""
    if path.exists():
        return
    render = bpy.context.scene.render
    shot = {"source": job["pattern"], "adapter": "blender", "fps": render.fps / render.fps_base, **names}
    shot["camera"] = cameras
    path.write_text(json.dumps(shot, indent=1))


# --- OpenEXR: what Blender writes uncompressed is read, ZIP scanlines are written ------------------------------------
# File layout: https://openexr.com/en/latest/OpenEXRFileLayout.html

TYPES = (np.dtype("<u4"), np.dtype("<f2"), np.dtype("<f4"))
LINES = 16
"""Scanlines of a ZIP block."""


def read_exr(data: bytes) -> dict[str, np.ndarray]:
    """Channels (y, x) of an uncompressed scanline file of one or more parts."""
    at = 8
    multipart = bool(struct.unpack_from("<I", data, 4)[0] & 0x1000)
    parts = []
    while True:
        header, at = _header(data, at)
        if header:
            parts.append(header)
        if not multipart or not header:
            break
    out: dict[str, np.ndarray] = {}
    rows = []
    for part in parts:
        x0, y0, x1, y1 = struct.unpack("<4i", part["dataWindow"])
        if part["compression"] != b"\0":
            raise SystemExit("Blender wrote a compressed file where none was asked for")
        height, width = y1 - y0 + 1, x1 - x0 + 1
        channels = _channels(part["channels"])
        rows.append((y0, width, channels))
        out.update((name, np.empty((height, width), TYPES[kind])) for name, kind in channels)
    chunks = sum(len(out[channels[0][0]]) for _, _, channels in rows)
    at += 8 * chunks
    for _ in range(chunks):
        number = 0
        if multipart:
            (number,) = struct.unpack_from("<i", data, at)
            at += 4
        y, _length = struct.unpack_from("<ii", data, at)
        at += 8
        y0, width, channels = rows[number]
        for name, kind in channels:
            out[name][y - y0] = np.frombuffer(data, TYPES[kind], width, at)
            at += width * TYPES[kind].itemsize
    return out


def _header(data: bytes, at: int) -> tuple[dict[str, bytes], int]:
    """Attributes of one part as raw bytes, and where the next thing starts; an empty header ends a list of parts."""
    found: dict[str, bytes] = {}
    while data[at]:
        name, at = _text(data, at)
        _kind, at = _text(data, at)
        (length,) = struct.unpack_from("<i", data, at)
        found[name], at = data[at + 4 : at + 4 + length], at + 4 + length
    return found, at + 1


def _text(data: bytes, at: int) -> tuple[str, int]:
    end = data.index(b"\0", at)
    return data[at:end].decode(), end + 1


def _channels(raw: bytes) -> list[tuple[str, int]]:
    """Names and types in file order."""
    found, at = [], 0
    while raw[at]:
        name, at = _text(raw, at)
        found.append((name, struct.unpack_from("<i", raw, at)[0]))
        at += 16
    return found


def exr_bytes(channels: dict[str, np.ndarray], text: dict[str, str]) -> bytes:
    """A ZIP-compressed scanline file of (y, x) float16 or float32 channels."""
    names = sorted(channels)
    height, width = channels[names[0]].shape
    kinds = {np.dtype(np.float16): 1, np.dtype(np.float32): 2}
    table = b"".join(n.encode() + struct.pack("<xiiii", kinds[channels[n].dtype], 0, 1, 1) for n in names) + b"\0"
    window = struct.pack("<4i", 0, 0, width - 1, height - 1)
    attributes = [
        ("channels", "chlist", table), ("compression", "compression", b"\3"), ("dataWindow", "box2i", window),
        ("displayWindow", "box2i", window), ("lineOrder", "lineOrder", b"\0"),
        ("pixelAspectRatio", "float", struct.pack("<f", 1)), ("screenWindowCenter", "v2f", struct.pack("<2f", 0, 0)),
        ("screenWindowWidth", "float", struct.pack("<f", 1)),
        *((name, "string", value.encode()) for name, value in text.items()),
    ]  # fmt: skip
    long_names = any(len(name) > 31 for name in names)
    head = struct.pack("<II", 20000630, 2 | (0x400 if long_names else 0))
    for name, kind, value in attributes:
        head += name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(value)) + value
    head += b"\0"
    blocks = []
    for top in range(0, height, LINES):
        lines = range(top, min(top + LINES, height))
        raw = b"".join(channels[name][y].tobytes() for y in lines for name in names)
        packed = _zip(raw)
        body = packed if len(packed) < len(raw) else raw
        blocks.append(struct.pack("<ii", top, len(body)) + body)
    starts = np.cumsum([len(head) + 8 * len(blocks), *map(len, blocks[:-1])])
    return head + starts.astype("<u8").tobytes() + b"".join(blocks)


def _zip(raw: bytes) -> bytes:
    """Bytes of even places first, then those of odd ones, as differences, deflated."""
    values = np.frombuffer(raw, np.uint8)
    halves = np.concatenate([values[::2], values[1::2]])
    halves[1:] = halves[1:] - halves[:-1] + np.uint8(128)
    return zlib.compress(halves.tobytes(), 4)


if __name__ == "__main__":
    arguments = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]
    main(json.loads(Path(arguments[-1]).read_text()))
