"""Decoded channels to canonical buffers: units, spaces, dtypes, edge repair.

Belongs here: arithmetic on the pixels of one frame. Does not: which channel is which (`exr.adapters`), neighbours in
time or judgement of values (`validate`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from scipy import ndimage

from osf_pipeline.buffers import GBUFFER
from osf_pipeline.colorspaces.source import input_color
from osf_pipeline.config import Camera, Source
from osf_pipeline.errors import InputDataError, RequestError
from osf_pipeline.exr.adapters import Binding, BufferMap
from osf_pipeline.exr.cryptomatte import decode
from osf_pipeline.exr.read import Image
from osf_pipeline.exr.write import Window

FAR = 1e9
"""Depths from here on are background; Blender writes 1e10."""
COVERED = 0.5
"""Coverage from which an edge pixel's centre counts as lying on the surface."""
ALPHA_ONE = 1 - 1 / 512
WHOLE = 1 / 256
"""Largest distance from a whole number that still reads as an id."""
IDS = ("part_id", "object_id", "material_id")
FAR_STEPS = 8
"""Usual changes between pixels beyond which a value belongs to another surface."""
REACH = 2
"""Pixels within which a mixed pixel looks for its surface."""
SAMPLE_NONE, SAMPLE_EXACT, SAMPLE_REPAIRED = 0, 1, 2


@dataclass(frozen=True)
class Frame:
    """Canonical buffers of one frame over the figure's bounding box; outside it everything is background.

    Attributes:
        window: x0, y0, x1, y1, inclusive; inside the file's data window.
        buffers: buffer name to a (channel, y, x) array in the dtype of the buffer table (`color` float16 or float32 as
            the source).
    """

    window: Window
    buffers: dict[str, np.ndarray]


def canonical(image: Image, mapping: BufferMap, source: Source, frame: int) -> Frame:
    """All buffers of `mapping` for one frame.

    Args:
        image: `trim_to_figure` of a file decoded with at least `mapping.channels` and `mapping.fill`, free of NaN.
        frame: picks the camera when the configuration has one per frame.

    Raises:
        RequestError: when a camera is needed and the configuration has none for this frame.
        InputDataError: for an id that does not fit 16 bits.
    """
    color = _color(image, mapping, source)
    out = {"color": color}
    alpha = color[3].astype(np.float32)
    planes: dict[str, np.ndarray] = {}
    matte = None
    for buffer, binding in mapping.bindings.items():
        if buffer == "color":
            continue
        if binding.matte:
            matte = decode(image, binding.channels, mapping.objects)
            planes[buffer] = np.where(matte.total >= COVERED, matte.ids, 0)[None].astype(np.float32)
            continue
        dtype = np.float32 if GBUFFER[buffer].dtype == "float16" or buffer in IDS else GBUFFER[buffer].dtype
        planes[buffer] = _stack(image, binding, np.dtype(dtype))
    if "depth" in planes:
        depth = planes["depth"]
        background = _is_background(depth)
        _affine(depth, mapping.bindings["depth"])
        depth[background] = np.inf
    # Buffers named `averaged` are so only in files of several samples a pixel.
    averaged = {b for b, x in mapping.bindings.items() if x.averaged and b in planes}
    edge = np.zeros(alpha.shape, bool)
    if averaged and _is_averaged(alpha, planes, averaged):
        shared = matte.share < matte.total * ALPHA_ONE if matte else edge
        edge = _repair(alpha, planes, averaged, shared)
    covered = surface(out | planes)
    if matte:  # depth decides whether a surface is at the pixel centre, and the ranks whose it is
        planes["object_id"] = np.where(covered, matte.ids, 0)[None].astype(np.float32)
    for buffer, values in planes.items():
        binding = mapping.bindings[buffer]
        if buffer != "depth":
            _affine(values, binding)
        if buffer == "normal":
            values = _normal(values, binding, source, frame, image.header.url)
        elif buffer in IDS:
            values = _ids(buffer, values, image, binding)
        elif any(binding.offset):
            values[:, ~covered] = GBUFFER[buffer].background
        out[buffer] = values.astype(GBUFFER[buffer].dtype, copy=False)
    _derive(out, mapping, source, frame, covered, edge)
    return Frame(image.window, {buffer: out[buffer] for buffer in mapping.buffers})


def trim_to_figure(image: Image, mapping: BufferMap) -> Image:
    """The part of an image that holds any colour, or any depth that is no background; views, no copies.

    Figures fill a fraction of most frames, and rules and conversion take time by the pixels left; what a channel holds
    outside is never stored. Without depth other buffers may hold values where colour is 0, so nothing is cut.
    """
    if "depth" not in mapping.bindings:
        return image
    depth = image.channels[mapping.bindings["depth"].channels[0]]
    figure = ~_is_background(depth)
    for name in mapping.bindings["color"].channels:
        plane = image.channels[name]
        figure |= (plane.view(f"u{plane.itemsize}") << 1).astype(bool)  # the sign bit of -0.0 is shifted out
    rows, columns = np.flatnonzero(figure.any(1)), np.flatnonzero(figure.any(0))
    if not len(rows):
        rows = columns = np.zeros(1, np.int64)
    top, bottom, left, right = int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])
    x, y = image.window[:2]
    channels = {name: plane[top : bottom + 1, left : right + 1] for name, plane in image.channels.items()}
    return replace(image, window=(x + left, y + top, x + right, y + bottom), channels=channels)


def _is_background(depth: np.ndarray) -> np.ndarray:
    """Renderers write infinity, a huge number or 0 where a ray meets nothing; some measure the other way."""
    return (np.abs(depth) >= np.float32(FAR)) | (depth == 0)  # FAR does not fit half float


def _stack(image: Image, binding: Binding, dtype: np.dtype) -> np.ndarray:
    """(channel, y, x) copy of a binding's source channels."""
    planes = [image.channels[name] for name in binding.channels]
    out = np.empty((len(planes), *planes[0].shape), dtype)
    for target, plane in zip(out, planes, strict=True):
        target[:] = plane  # straight from the stored dtype: ids and depth never pass through half
    return out


def _affine(values: np.ndarray, binding: Binding) -> None:
    for plane, scale in zip(values, binding.scale, strict=False):
        if scale != 1:
            plane *= scale
    for plane, offset in zip(values, binding.offset, strict=False):
        if offset != 0:
            plane += offset


def _color(image: Image, mapping: BufferMap, source: Source) -> np.ndarray:
    """(4, y, x) premultiplied scene-linear; alpha is 1 where the source has none."""
    binding = mapping.bindings["color"]
    dtype = np.dtype(mapping.color_dtype)
    color = np.ones((4, *next(iter(image.channels.values())).shape), dtype)
    for target, name in zip(color, binding.channels, strict=False):
        target[:] = image.channels[name]
    _affine(color, binding)
    return input_color(source, image.header).decode(color, premultiplied=source.alpha == "premultiplied")


def surface(buffers: Mapping[str, np.ndarray]) -> np.ndarray:
    """(y, x) bool: a surface at the pixel centre of one frame's canonical buffers, by the best witness among them."""
    if "depth" in buffers:
        return np.isfinite(buffers["depth"][0])
    for buffer in IDS[:2]:
        if buffer in buffers:
            return buffers[buffer][0] > 0
    return buffers["color"][3] >= COVERED


def _is_averaged(alpha: np.ndarray, planes: dict[str, np.ndarray], averaged: set[str]) -> bool:
    """Whether this frame's data passes are means over samples rather than taken at pixel centres.

    Renderers average with misses as 0, so at a soft edge a mean is what its neighbour inside shows times the coverage.
    """
    rows, columns = np.nonzero((alpha > 0.05) & (alpha < 0.95))
    every = max(1, len(rows) // 4096)
    rows, columns = rows[::every], columns[::every]
    as_mean, as_sample = [np.empty(0, np.float32)], [np.empty(0, np.float32)]
    for dy, dx in ((0, 2), (0, -2), (2, 0), (-2, 0)):
        y, x = np.clip(rows + dy, 0, alpha.shape[0] - 1), np.clip(columns + dx, 0, alpha.shape[1] - 1)
        whole = alpha[y, x] >= ALPHA_ONE
        coverage = alpha[rows[whole], columns[whole]]
        for buffer in averaged:
            value, inner = planes[buffer][:, rows[whole], columns[whole]], planes[buffer][:, y[whole], x[whole]]
            size = np.abs(inner).max(0)
            seen = (size > 0) & (value != 0).any(0)
            as_mean.append((np.abs(value / coverage - inner).max(0)[seen] / size[seen]).astype(np.float32))
            as_sample.append((np.abs(value - inner).max(0)[seen] / size[seen]).astype(np.float32))
    mean, sample = np.concatenate(as_mean), np.concatenate(as_sample)
    return len(mean) >= 8 and bool(np.median(mean) < np.median(sample))


def _repair(alpha: np.ndarray, planes: dict[str, np.ndarray], averaged: set[str], shared: np.ndarray) -> np.ndarray:
    """Turn mixed pixels into what a sample at the pixel centre would have seen; returns where, (y, x) bool.

    Depth, indices and position are a pixel's first sample, which Blender takes at the centre, so depth tells whether a
    surface is there; without depth, half a pixel's coverage does. Means of one surface and background are divided by
    their coverage. Where two parts or objects share a pixel, the id is one of a neighbour on the same surface, never
    a rounded mean, and any mean that does not belong to that surface gives way to the neighbour's value.

    Args:
        shared: (y, x) bool, pixels that are known to show several objects.
    """
    soft = (alpha > 0) & (alpha < ALPHA_ONE)
    for buffer in averaged:
        planes[buffer][:, soft] /= alpha[soft]
    mixed = shared
    if "part_id" in averaged:
        ids = planes["part_id"][0]
        nearest = np.rint(ids)
        whole = np.abs(ids - nearest) <= np.maximum(WHOLE, ids * 2.0**-10)  # alpha is half precision
        # A mean of two ids can be whole by chance, all along a border; a real id has neighbours of its own both ways.
        for axis in (0, 1):
            whole &= (nearest == np.roll(nearest, 1, axis)) | (nearest == np.roll(nearest, -1, axis))
        ids[whole] = nearest[whole]
        mixed = mixed | ~whole
    mixed = mixed & (alpha > 0)
    edge = soft | mixed
    centre = np.isfinite(planes["depth"][0]) if "depth" in planes else alpha >= COVERED
    unmixed = (alpha >= ALPHA_ONE) & ~mixed & centre
    if unmixed.any():
        _fill_missed(planes, averaged, edge & centre, unmixed)
        _separate(planes, averaged, mixed & centre, unmixed)
    for buffer, values in planes.items():
        values[:, edge & ~centre] = GBUFFER[buffer].background
    return edge


def _fill_missed(planes: dict[str, np.ndarray], averaged: set[str], edge: np.ndarray, unmixed: np.ndarray) -> None:
    """Give first-sample passes that saw nothing at a pixel with a surface the value of the nearest unmixed pixel."""
    for buffer, values in planes.items():
        missed = edge & ((values == 0) | ~np.isfinite(values)).all(0)
        if buffer not in averaged and not buffer.startswith("motion") and missed.any():
            rows, columns = ndimage.distance_transform_edt(~unmixed, return_distances=False, return_indices=True)
            values[:, missed] = values[:, rows[missed], columns[missed]]


def _separate(planes: dict[str, np.ndarray], averaged: set[str], mixed: np.ndarray, unmixed: np.ndarray) -> None:
    """Give pixels that several parts or objects share the values of one surface.

    The neighbour taken is, best first: of the same object, without a jump in depth, with the id closest to the mean,
    which is the id of the larger share. Where parts join smoothly the other means are right as they are.
    """
    y, x = np.nonzero(mixed)
    if not len(y):
        return
    height, width = unmixed.shape
    rows, columns = ndimage.distance_transform_edt(~unmixed, return_distances=False, return_indices=True)
    from_y, from_x = rows[y, x], columns[y, x]
    least, torn = np.full(len(y), np.inf), np.zeros(len(y), bool)
    jump = FAR_STEPS * _step(planes["depth"], unmixed) if "depth" in planes else 0
    for dy, dx in product(range(-REACH, REACH + 1), repeat=2):
        at_y, at_x = np.clip(y + dy, 0, height - 1), np.clip(x + dx, 0, width - 1)
        there, distance = unmixed[at_y, at_x], float(np.hypot(dy, dx))
        cost = np.where(there, distance / 8, np.inf)
        if "depth" in planes:
            depth = planes["depth"][0]
            apart = there & ~(np.abs(np.where(there, depth[at_y, at_x], 0) - depth[y, x]) <= jump * distance)
            torn |= apart
            cost += 1e6 * apart
        if "object_id" in planes:
            cost += 2e6 * (planes["object_id"][0, at_y, at_x] != planes["object_id"][0, y, x])
        if "part_id" in planes:
            cost += np.abs(planes["part_id"][0, at_y, at_x] - planes["part_id"][0, y, x])
        better = cost < least
        least[better], from_y[better], from_x[better] = cost[better], at_y[better], at_x[better]
    if "part_id" in averaged:
        planes["part_id"][0, y, x] = planes["part_id"][0, from_y, from_x]
    witness = next((buffer for buffer in ("rest_position", "uv", "normal") if buffer in averaged), None)
    if witness:
        values = planes[witness]
        change = np.abs(values[:, y, x] - values[:, from_y, from_x]).max(0)
        stray = torn & (change > FAR_STEPS * _step(values, unmixed))
        for buffer in (averaged - set(IDS)) | ({"motion", "motion_next"} & set(planes)):
            planes[buffer][:, y[stray], x[stray]] = planes[buffer][:, from_y[stray], from_x[stray]]


def _step(values: np.ndarray, seen: np.ndarray) -> float:
    """How much a buffer usually changes from one pixel of a surface to the next."""
    pairs = seen[::2, 1:] & seen[::2, :-1]
    change = values[:, ::2, 1:][:, pairs] - values[:, ::2, :-1][:, pairs]
    return float(np.median(np.abs(change).max(0))) if change.size else 0.0


def _normal(values: np.ndarray, binding: Binding, source: Source, frame: int, url: str) -> np.ndarray:
    """Camera space, unit length where there is a surface."""
    if binding.space == "world":
        rotation = camera_of(source, frame, url).rotation.astype(np.float32)
        values = np.tensordot(rotation, values, 1)
    length = np.sqrt(np.einsum("cyx,cyx->yx", values, values))
    length[length == 0] = 1
    return (values / length).astype(np.float16)


def camera_of(source: Source, frame: int, url: str) -> Camera:
    """The camera of a frame.

    Raises:
        RequestError: when the configuration has none.
    """
    camera = source.camera_at(frame)
    if camera is None:
        raise RequestError("no camera for this frame", file=url, frame=frame, fix="Give `camera` for every frame.")
    return camera


def _ids(buffer: str, values: np.ndarray, image: Image, binding: Binding) -> np.ndarray:
    """uint16 ids; the few mixed ones left take the id of the nearest unmixed pixel."""
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= np.iinfo(np.uint16).max):  # NaN fails too
        raise InputDataError(
            f"{buffer} does not fit 16 bits", file=image.header.url, channel=binding.channels[0],
            value=low if low < 0 else high, rule="id_range", fix="Use ids from 1 to 65535; 0 is background.",
        )  # fmt: skip
    whole = np.abs(values[0] - np.rint(values[0])) <= WHOLE
    ids = np.where(whole, np.rint(values), 0).astype(np.uint16)
    if not whole.all() and whole.any():
        rows, columns = ndimage.distance_transform_edt(
            ~(whole & (ids[0] > 0)), return_distances=False, return_indices=True
        )
        ids[0][~whole] = ids[0][rows[~whole], columns[~whole]]
    return ids


def _derive(
    out: dict[str, np.ndarray], mapping: BufferMap, source: Source, frame: int, covered: np.ndarray, edge: np.ndarray
) -> None:
    """Buffers computed from others, as `BufferMap.derived` lists them."""
    if "depth" in mapping.derived:
        camera = camera_of(source, frame, "")
        back, eye = camera.rotation[2].astype(np.float32), np.asarray(camera.position, np.float32)
        along = -np.tensordot(back, out["position"] - eye[:, None, None], 1)
        out["depth"] = np.where(covered, along, np.float32(np.inf))[None].astype(np.float32)
    for target, origin in (("object_id", "part_id"), ("part_id", "object_id")):
        if target in mapping.derived:
            out[target] = (out[origin] > 0).astype(np.uint16)
    if "sample" in mapping.derived:
        sample = np.where(covered, np.where(edge, SAMPLE_REPAIRED, SAMPLE_EXACT), SAMPLE_NONE)
        out["sample"] = sample[None].astype(np.uint8)
