"""One frame of canonical buffers from one cast.

Belongs here: what each buffer is, computed exactly from the hits. Does not: files (`sequence`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from osf_pipeline.buffers import GBUFFER
from osf_pipeline.render.raycast import Hits, Posed
from osf_pipeline.render.scene import Scene

SUPERSAMPLE = 3
"""Samples a pixel and axis behind the filtered colour."""


@dataclass(frozen=True)
class Frame:
    """A rendered frame and the geometry it came from.

    Attributes:
        buffers: canonical name to (channel, y, x), in the dtypes of `buffers.GBUFFER`.
        hits: the supersampled first hits.
        now, previous, following: the posed scenes; None at the ends of a range.
    """

    buffers: dict[str, np.ndarray]
    hits: Hits
    now: Posed
    previous: Posed | None
    following: Posed | None


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
    with that frame's camera.

    Args:
        size: width, height.
        previous, following: neighbouring frame numbers; None leaves that motion invalid.
        supersample: odd.
    """
    width, height = size
    now = Posed(scene, frame, width, height)
    before = None if previous is None else Posed(scene, previous, width, height)
    after = None if following is None else Posed(scene, following, width, height)
    hits = now.cast(supersample)

    color, albedo = _color(now, hits)
    centre = hits.centres
    position = centre.interpolate(scene.faces, now.vertices)
    row, column = np.divmod(centre.index, width)
    here = np.stack([column, row], axis=1).astype(np.float64)
    values: dict[str, np.ndarray] = {
        "depth": now.view.project(position)[1][:, None],
        "normal": _unit(centre.interpolate(scene.faces, now.normals)) @ now.view.camera.rotation.T,
        "rest_position": centre.interpolate(scene.faces, scene.rest),
        "position": position,
        "part_id": scene.part[centre.face][:, None],
        "object_id": scene.object[centre.face][:, None],
        "albedo": albedo[hits.central],
    }
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
    return Frame({"color": color, **buffers}, hits, now, before, after)


def _color(now: Posed, hits: Hits) -> tuple[np.ndarray, np.ndarray]:
    """(4, y, x) filtered premultiplied colour, and the (N, 3) reflectance of every sample."""
    albedo = now.scene.reflectance(hits.face, hits.weights)
    light = now.scene.light
    shaded = albedo if light is None else albedo * light(_unit(hits.interpolate(now.scene.faces, now.normals)))
    rgba = np.concatenate([shaded, np.ones((len(shaded), 1))], axis=1)
    return box_filter(hits.scatter(rgba), hits.supersample).astype(GBUFFER["color"].dtype), albedo


def box_filter(samples: np.ndarray, supersample: int) -> np.ndarray:
    """Mean of the samples of each pixel: (..., rows, columns) to (..., y, x)."""
    *rest, rows, columns = samples.shape
    return samples.reshape(*rest, rows // supersample, supersample, columns // supersample, supersample).mean((-3, -1))


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-30)
