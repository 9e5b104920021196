"""The built-in source adapters: Blender, generic AOV names, and this project's own renderer.

Belongs here: how each writes its channel names and conventions. Does not: the adapter contract (`exr.adapters`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, ClassVar

from osf_pipeline.buffers import GBUFFER
from osf_pipeline.exr.adapters import Binding, ambiguous
from osf_pipeline.exr.header import Header

RGBA, RGB, XYZ = ("R", "G", "B", "A"), ("R", "G", "B"), ("X", "Y", "Z")
V_UP: dict[str, Any] = {"scale": (1, -1), "offset": (0, 1)}
"""Of texture coordinates whose v runs up, as production renderers have it; ours runs down."""


class Osf:
    """Files of this project's renderer: canonical buffers under their own names, canonical values."""

    name: ClassVar[str] = "osf"
    generic: ClassVar[bool] = False

    def evidence(self, header: Header) -> str | None:
        renderer = header.attributes.get("osf:renderer")
        return f"attribute osf:renderer = {renderer}" if renderer else None

    def bind(self, names: Iterable[str]) -> dict[str, Binding]:
        have = set(names)
        wanted = {b: tuple(f"{b}.{c}" for c in row.channels) for b, row in GBUFFER.items()} | {"color": RGBA}
        return {buffer: Binding(channels) for buffer, channels in wanted.items() if set(channels) <= have}


class Blender:
    """Blender multilayer EXR, 4.x (one part) and 5.x (one part per pass).

    Vector holds previous − current (X, Y) and current − next (Z, W) with y up; normals and positions are in world
    space, z up. Passes stored as the mean of a pixel's samples are marked `averaged`. Part ids and rest positions
    come from AOVs named PartID and RestPos; Shadow from `render/blender_script.py`. A compositor output (`Composite`)
    is ignored.
    """

    name: ClassVar[str] = "blender"
    generic: ClassVar[bool] = False

    def evidence(self, header: Header) -> str | None:
        if "BlenderMultiChannel" in header.attributes:
            return "attribute BlenderMultiChannel"
        return "channel *.Combined.R" if any(n.endswith(".Combined.R") for n in header.channels) else None

    def bind(self, names: Iterable[str]) -> dict[str, Binding]:
        have = set(names)
        layers = {n.removesuffix("Combined.R") for n in have if re.fullmatch(r"(.*\.)?Combined\.R", n)}
        if len(layers) > 1:
            layers.discard("Composite.")
        found: dict[str, Binding] = {}
        for layer in layers or {""}:
            for buffer, binding in self._layer(layer, have).items():
                unsure = replace(binding, channels=(), note=ambiguous(layers))
                found[buffer] = unsure if buffer in found else binding
        return found

    def _layer(self, layer: str, have: set[str]) -> dict[str, Binding]:
        def find(passes: tuple[str, ...], *channels: str) -> tuple[str, ...]:
            for name in passes:
                full = tuple(f"{layer}{name}.{c}" for c in channels)
                if set(full) <= have:
                    return full
            return ()

        rest, part = ("RestPos", "Pref", "rest_position"), ("PartID", "part_id")
        bindings = {
            "color": Binding(find(("Combined",), *RGBA) or find(("Combined",), *RGB), note="Combined"),
            "depth": Binding(find(("Depth",), "Z"), note="planar Depth, background 1e10"),
            "normal": Binding(find(("Normal",), *XYZ), space="world", averaged=True, note="world Normal"),
            "rest_position": Binding(find(rest, *RGB) or find(rest, *XYZ), averaged=True, note="AOV"),
            "motion": Binding(find(("Vector",), "X", "Y"), scale=(-1, 1), note="(−X, +Y) of Vector"),
            "motion_next": Binding(find(("Vector",), "Z", "W"), scale=(-1, 1), note="(−Z, +W) of Vector"),
            "part_id": Binding(find(part, "X"), averaged=True, note="AOV"),
            "object_id": Binding(find(("IndexOB", "Object Index"), "X"), note="object index pass"),
            "material_id": Binding(find(("IndexMA", "Material Index"), "X"), note="material index pass"),
            "position": Binding(find(("Position",), *XYZ), note="world Position"),
            "uv": Binding(find(("UV",), "U", "V"), **V_UP, averaged=True, note="UV, v up"),
            "albedo": Binding(find(("DiffCol", "Diffuse Color"), *RGB), averaged=True, note="diffuse colour"),
            "ao": Binding(find(("AO", "Ambient Occlusion"), "R"), averaged=True, note="ambient occlusion"),
            "shadow": Binding(find(("Shadow",), "X"), note="where the sun reaches, of our own Blender script"),
        }
        return {buffer: binding for buffer, binding in bindings.items() if binding.channels}


class Aov:
    """Generic AOV names of production renderers: any case, with or without a layer prefix.

    Motion is taken as canonical (current − previous, pixels, y down) and proven by reprojection later; layers called
    forward and backward are motion to the next and to the previous frame with y up. Normals are taken as camera space
    unless `normal_space` says otherwise, and texture coordinates with v up unless `scale: {uv: [1, 1]}` does.
    """

    name: ClassVar[str] = "aov"
    generic: ClassVar[bool] = True

    # First match wins. The empty name stands for bare R, G, B, A.
    NAMES: ClassVar[dict[str, tuple[str, ...]]] = {
        "color": ("", "rgba", "beauty", "combined", "color", "rgb", "c"),
        "depth": ("z", "depth", "depthz", "zdepth"),
        "normal": ("n", "normal", "normals", "ncamera", "cameranormal"),
        "rest_position": ("pref", "rest", "restposition", "restp", "restpos"),
        "motion": ("motion", "motionvector", "motionvectors", "mv", "backward", "velocity"),
        "motion_next": ("motionnext", "forward", "forwardmotion", "motionforward"),
        "motion_valid": ("motionvalid",),
        "motion_next_valid": ("motionnextvalid",),
        "part_id": ("partid", "part"),
        "object_id": ("objectid", "objid", "id", "indexob", "objectindex"),
        "material_id": ("materialid", "matid", "indexma", "materialindex"),
        "position": ("p", "position", "worldposition", "pworld"),
        "albedo": ("albedo", "diffuse", "diffusecolor", "diffcol", "basecolor"),
        "uv": ("uv", "st"),
        "roughness": ("roughness", "specularroughness"),
        "metallic": ("metallic", "metalness"),
        "specular": ("specular",),
        "nov": ("nov", "facingratio"),
        "ao": ("ao", "ambientocclusion"),
        "shadow": ("shadow",),
        "translucency": ("translucency",),
    }
    COMPONENTS: ClassVar[tuple[str, ...]] = ("xyzw", "rgba", "uv", "st")
    SCALES: ClassVar[dict[str, tuple[float, float]]] = {"backward": (-1, 1), "forward": (1, -1)}

    def evidence(self, header: Header) -> str | None:
        color = self.bind(header.names()).get("color")
        return "channels of a colour layer" if color and color.channels else None

    def bind(self, names: Iterable[str]) -> dict[str, Binding]:
        layers = self._layers(names)
        found: dict[str, Binding] = {}
        for buffer, aliases in self.NAMES.items():
            for alias in aliases:
                options = {p: c for p, group in layers.get(alias, {}).items() if (c := self._pick(buffer, group))}
                if len(options) > 1:
                    found[buffer] = Binding((), note=ambiguous(options))
                    break
                if options:
                    (channels,) = options.values()
                    convention = V_UP if buffer == "uv" else {"scale": self.SCALES.get(alias, ())}
                    found[buffer] = Binding(channels, **convention, note=f"layer {alias or 'R, G, B'}")
                    break
        return found

    def _layers(self, names: Iterable[str]) -> dict[str, dict[str, dict[str, str]]]:
        """Plain layer name to prefix to component letter (empty for a layer of one unnamed channel) to channel."""
        layers: dict[str, dict[str, dict[str, str]]] = {}
        letters = set("".join(self.COMPONENTS)) | {"i"}
        for name in names:
            *path, last = name.split(".")
            letter = last.lower()
            bare = not path and last in RGBA
            if not bare and (not path or letter not in letters):
                path, letter = [*path, last], ""
            layer = re.sub(r"[^a-z0-9]", "", path[-1].lower()) if path else ""
            layers.setdefault(layer, {}).setdefault(".".join(path[:-1]), {})[letter] = name
        return layers

    def _pick(self, buffer: str, group: dict[str, str]) -> tuple[str, ...]:
        count = GBUFFER[buffer].count
        if count == 1:
            for letter in ("", "z" if buffer == "depth" else "i", "x", "r", "v"):
                if letter in group:
                    return (group[letter],)
            return ()
        for family in self.COMPONENTS:
            for size in (4, 3) if buffer == "color" else (count,):
                if size <= len(family) and set(family[:size]) <= set(group):
                    return tuple(group[letter] for letter in family[:size])
        return ()
