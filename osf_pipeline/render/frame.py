"""One frame of canonical buffers from one cast.

Belongs here: what each buffer is, computed exactly from the hits. Does not: files (`sequence`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from osf_pipeline.buffers import GBUFFER
from osf_pipeline.render.raycast import Hits, Posed
from osf_pipeline.render.scene import Scene

SUPERSAMPLE = 3
"""Samples a pixel and axis behind the filtered colour."""
SAMPLES_AT_ONCE = 1 << 17
"""Samples that are worked on together: few enough for a processor's cache; memory does not grow with their number."""


@dataclass(frozen=True)
class Frame:
    """A rendered frame and the geometry it came from.

    Attributes:
        buffers: canonical name to (channel, y, x), in the dtypes of `buffers.GBUFFER`.
        supersample: samples a pixel and axis behind the colour.
        now, previous, following: the posed scenes; None at the ends of a range.
    """

    buffers: dict[str, np.ndarray]
    supersample: int
    now: Posed
    previous: Posed | None
    following: Posed | None

    @cached_property
    def hits(self) -> Hits:
        """The supersampled first hits."""
        return self.now.cast(self.supersample)


def render_frame(
    scene: Scene,
    frame: int,
    size: tuple[int, int],
    *,
    previous: int | None = None,
    following: int | None = None,
    supersample: int = SUPERSAMPLE,
) -> Frame:
    """Cast one frame.

    Colour is the box-filtered mean of the samples; every other buffer is the surface at the pixel centre. Motion
    follows the hit point itself: its triangle and barycentric weights, posed at the neighbouring frame and projected
    with that frame's camera. `uv` is there when a mesh has texture coordinates, `shadow` when the light tells it.

    Args:
        size: width, height.
        previous, following: neighbouring frame numbers; None leaves that motion invalid.
        supersample: odd.
    """
    width, height = size
    now = Posed(scene, frame, width, height)
    before = None if previous is None else Posed(scene, previous, width, height)
    after = None if following is None else Posed(scene, following, width, height)
    rows = max(1, SAMPLES_AT_ONCE // (supersample**2 * width))
    bands = [
        _band(now, before, after, slice(top, min(top + rows, height)), supersample) for top in range(0, height, rows)
    ]
    buffers = {name: np.concatenate([band[name] for band in bands], axis=1) for name in bands[0]}
    return Frame(buffers, supersample, now, before, after)


def _band(
    now: Posed, before: Posed | None, after: Posed | None, band: slice, supersample: int
) -> dict[str, np.ndarray]:
    """All buffers of some rows of the picture."""
    scene = now.scene
    centre = now.cast(1, band)
    surface = _Surface(now, centre)
    values: dict[str, np.ndarray] = {
        "depth": now.view.project(surface.position)[1][:, None],
        "normal": surface.normal @ now.view.camera.rotation.T,
        "rest_position": centre.interpolate(scene.faces, scene.rest),
        "position": surface.position,
        "part_id": scene.part[centre.face][:, None],
        "object_id": scene.object[centre.face][:, None],
        "albedo": surface.albedo,
    }
    if scene.uv is not None:
        values["uv"] = np.einsum("nk,nkc->nc", centre.weights, scene.uv[centre.face])
    if scene.light is not None and scene.light.shadows != "off":
        values["shadow"] = surface.lit[:, None]
    row, column = np.divmod(centre.index, now.view.width)
    here = np.stack([column, row + band.start], axis=1).astype(np.float64)
    for name, other, sign in (("motion", before, 1), ("motion_next", after, -1)):
        step, valid = np.zeros_like(here), np.zeros(len(here), bool)
        if other is not None:
            there, _ = other.view.project(centre.interpolate(scene.faces, other.vertices))
            valid = np.isfinite(there).all(axis=1)
            step[valid] = sign * (here - there)[valid]
        values |= {name: step, f"{name}_valid": valid[:, None]}
    buffers = {
        name: centre.scatter(value.astype(GBUFFER[name].dtype), GBUFFER[name].background)
        for name, value in values.items()
    }
    samples = now.cast(supersample, band)
    color = _Surface(now, samples).color
    alpha = np.ones((len(color), 1))
    return {"color": samples.mean(np.concatenate([color, alpha], axis=1)).astype(GBUFFER["color"].dtype), **buffers}


class _Surface:
    """What shading needs to know of seen surface points; each only when it is asked for."""

    def __init__(self, now: Posed, hits: Hits) -> None:
        self.now, self.hits = now, hits

    @cached_property
    def position(self) -> np.ndarray:
        """(N, 3) world space."""
        return self.hits.interpolate(self.now.scene.faces, self.now.vertices)

    @cached_property
    def normal(self) -> np.ndarray:
        """(N, 3) unit, world space, smooth."""
        normal = self.hits.interpolate(self.now.scene.faces, self.now.normals)
        return normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-30)

    @cached_property
    def albedo(self) -> np.ndarray:
        """(N, 3) float32 scene-linear reflectance."""
        view = self.now.view
        depth = np.ones(len(self.hits.face)) if view.camera.projection == "ortho" else view.project(self.position)[1]
        spacing = (depth / (view.pixels_per_unit * self.hits.supersample)).astype(np.float32)
        return self.now.scene.reflectance(self.now.areas, self.hits.face, self.hits.weights, spacing)

    @cached_property
    def lit(self) -> np.ndarray:
        """(N,) bool: the light reaches the point."""
        light = self.now.scene.light
        assert light is not None
        return self.now.reaches(self.position, self.normal, np.array(light.towards))

    @property
    def color(self) -> np.ndarray:
        """(N, 3) scene-linear."""
        light = self.now.scene.light
        if light is None:
            return self.albedo
        return self.albedo * light(self.normal, self.lit if light.shadows == "cast" else None)


def box_filter(samples: np.ndarray, supersample: int) -> np.ndarray:
    """Mean of the samples of each pixel: (..., rows, columns) to (..., y, x)."""
    *rest, rows, columns = samples.shape
    return samples.reshape(*rest, rows // supersample, supersample, columns // supersample, supersample).mean((-3, -1))
