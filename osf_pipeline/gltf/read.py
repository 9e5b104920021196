"""The animation of a glTF file as joint positions.

Belongs here: node hierarchies and animation samplers. Does not: accessors and files (`container`), BVH, what a joint's
name means (`osf_pipeline.motion`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from osf_pipeline.errors import RequestError
from osf_pipeline.gltf.container import Reader
from osf_pipeline.motion.clip import Clip

MAX_NODES, MAX_POSES = 4096, 1 << 21
"""Largest hierarchy, and largest number of nodes times frames, that is read."""
PATHS = {"translation": 3, "rotation": 4, "scale": 3}
"""Channels that move joints, and their components."""


def read_clip(source: str | bytes, name: str | None = None, fps: float = 30) -> Clip:
    """Joint positions of one animation, sampled evenly from its first key to its last.

    Joints are the nodes of the file's skins; without a skin, every node that moves and everything below it. A joint's
    parent is its nearest ancestor among them, whatever lies between. LINEAR, STEP and CUBICSPLINE follow the
    specification (appendix C). glTF is +y up, as clips are.

    Args:
        source: local path or URL of a `.glb` or `.gltf` file, or a GLB's bytes.
        name: of the animation; the first when absent.
        fps: frames a second of the clip.

    Raises:
        RequestError: for an unknown animation.
        InputDataError: for a damaged file, or one with something that is not read: sparse or compressed animation,
            buffers outside the file's folder.
    """
    file = Reader(source)
    nodes = _Nodes(file)
    animation, title = _animation(file, name)
    tracks = _tracks(file, animation, len(nodes.parent))
    first, last = min(t.times[0] for t in tracks), max(t.times[-1] for t in tracks)
    count = int(np.floor((last - first) * fps + 1e-3)) + 1  # keys are float32
    if count * len(nodes.parent) > MAX_POSES:
        raise file.fault("the animation is too long", seconds=last - first)
    world = nodes.world(tracks, first + np.arange(count) / fps)
    joints = nodes.joints(file, {track.node for track in tracks})
    row = {joint: number for number, joint in enumerate(joints)}
    parents = [row.get(nodes.ancestor(joint, row), -1) for joint in joints]
    return Clip(title, nodes.names(joints), np.array(parents), world[:, :, :3, 3][:, joints], fps)


@dataclass(frozen=True)
class _Track:
    """One animated property of one node.

    Attributes:
        values: (K, C) keys; (K, 3, C) in-tangent, value and out-tangent for CUBICSPLINE.
    """

    node: int
    path: str
    interpolation: str
    times: np.ndarray
    values: np.ndarray

    def at(self, times: np.ndarray) -> np.ndarray:
        """(T, C) values; those of the first and last key outside their range."""
        times = np.clip(times, self.times[0], self.times[-1])
        left = np.clip(np.searchsorted(self.times, times, "right") - 1, 0, len(self.times) - 1)
        if self.interpolation == "STEP":
            return self.values[left]
        if len(self.times) == 1:
            return np.repeat(self.values[:, 1] if self.values.ndim == 3 else self.values, len(times), axis=0)
        if self.interpolation == "CUBICSPLINE":
            return self._spline(times, np.minimum(left, len(self.times) - 2))
        if self.path == "rotation":
            return Slerp(self.times, Rotation.from_quat(self.values))(times).as_quat()
        return np.stack([np.interp(times, self.times, values) for values in self.values.T], axis=1)

    def _spline(self, times: np.ndarray, left: np.ndarray) -> np.ndarray:
        span = (self.times[left + 1] - self.times[left])[:, None]
        t = (times - self.times[left])[:, None] / span
        start, leave = self.values[left, 1], span * self.values[left, 2]
        arrive, end = span * self.values[left + 1, 0], self.values[left + 1, 1]
        return (
            (2 * t**3 - 3 * t**2 + 1) * start + (t**3 - 2 * t**2 + t) * leave
            + (3 * t**2 - 2 * t**3) * end + (t**3 - t**2) * arrive
        )  # fmt: skip


@dataclass
class _Nodes:
    """The file's node hierarchy.

    Attributes:
        parent: of each node, -1 for roots.
        order: parents before children.
    """

    file: Reader
    parent: list[int] = field(init=False)
    order: list[int] = field(init=False)

    def __post_init__(self) -> None:
        count = len(self.file.listed(self.file.document, "nodes"))
        if not 0 < count <= MAX_NODES:
            raise self.file.fault("the file has no nodes, or too many", nodes=count)
        self.parent = [-1] * count
        for number in range(count):
            for child in self.file.listed(self._node(number), "children"):
                self._node(child)
                if self.parent[child] >= 0:
                    raise self.file.fault("a node has two parents", node=child)
                self.parent[child] = number
        self.order = [number for number in range(count) if self.parent[number] < 0]
        for number in self.order:  # grows while it is walked
            self.order.extend(self._node(number).get("children", []))
        if len(self.order) != count:
            raise self.file.fault("the nodes form a ring")

    def _node(self, number: Any) -> dict[str, Any]:
        return self.file.item("nodes", number)

    def world(self, tracks: list[_Track], times: np.ndarray) -> np.ndarray:
        """(T, N, 4, 4) world matrices."""
        moving: dict[int, dict[str, np.ndarray]] = {}
        for track in tracks:
            moving.setdefault(track.node, {})[track.path] = track.at(times)
        world = np.empty((len(times), len(self.parent), 4, 4))
        for number in self.order:
            local = self._local(number, moving.get(number, {}))
            world[:, number] = local if self.parent[number] < 0 else world[:, self.parent[number]] @ local
        return world

    def _local(self, number: int, moving: dict[str, np.ndarray]) -> np.ndarray:
        """(4, 4), or (T, 4, 4) of a node that moves."""
        node = self._node(number)
        if "matrix" in node and not moving:
            return self._numbers(number, "matrix", np.eye(4).T.ravel()).reshape(4, 4).T
        move = moving.get("translation", self._numbers(number, "translation", np.zeros(3)))
        turn = moving.get("rotation", self._numbers(number, "rotation", np.array([0, 0, 0, 1])))
        size = moving.get("scale", self._numbers(number, "scale", np.ones(3)))
        if not (np.linalg.norm(turn, axis=-1) > 0).all():
            raise self.file.fault("a rotation is 0", node=number)
        local = np.zeros((*np.broadcast_shapes(move.shape[:-1], turn.shape[:-1], size.shape[:-1]), 4, 4))
        local[..., :3, :3] = Rotation.from_quat(turn).as_matrix() * size[..., None, :]
        local[..., :3, 3] = move
        local[..., 3, 3] = 1
        return local

    def _numbers(self, number: int, key: str, default: np.ndarray) -> np.ndarray:
        try:
            values = np.array(self._node(number).get(key, default), np.float64)
        except (TypeError, ValueError) as error:
            raise self.file.fault(f"a node's {key} is no list of numbers", node=number) from error
        if values.shape != default.shape or not np.isfinite(values).all():
            raise self.file.fault(f"a node's {key} has the wrong length or value", node=number)
        return values

    def joints(self, file: Reader, moving: set[int]) -> list[int]:
        """Nodes that count as joints, parents first."""
        chosen: set[int] = set()
        for skin in range(len(file.listed(file.document, "skins"))):
            for joint in file.listed(file.item("skins", skin), "joints"):
                self._node(joint)
                chosen.add(joint)
        if not chosen & moving:
            chosen = set()
            for number in self.order:
                if number in moving or self.parent[number] in chosen:
                    chosen.add(number)
        return [number for number in self.order if number in chosen]

    def ancestor(self, number: int, among: dict[int, int]) -> int:
        """The nearest ancestor among some nodes, or -1."""
        number = self.parent[number]
        while number >= 0 and number not in among:
            number = self.parent[number]
        return number

    def names(self, joints: list[int]) -> tuple[str, ...]:
        """Unique names: a repeated or missing one gets the node's number."""
        names: list[str] = []
        for number in joints:
            name = str(self._node(number).get("name") or "node")
            names.append(f"{name}.{number}" if name in names or name == "node" else name)
        return tuple(names)


def _animation(file: Reader, name: str | None) -> tuple[dict[str, Any], str]:
    """The chosen animation and the clip's name."""
    count = len(file.listed(file.document, "animations"))
    if not count:
        raise file.fault("the file holds no animation")
    names = [str(file.item("animations", number).get("name", "")) for number in range(count)]
    if name is not None and name not in names:
        raise RequestError("no such animation", file=file.url, animation=name, fix=f"Found: {', '.join(names)}.")
    number = 0 if name is None else names.index(name)
    return file.item("animations", number), names[number] or PurePosixPath(file.url).stem


def _tracks(file: Reader, animation: dict[str, Any], nodes: int) -> list[_Track]:
    tracks = []
    samplers = file.listed(animation, "samplers")
    for channel in file.listed(animation, "channels"):
        number = file.object(channel, "a channel").get("sampler")
        target = file.object(channel.get("target", {}), "a channel's target")
        node, path = target.get("node"), target.get("path")
        if node is None or not isinstance(path, str) or path not in PATHS:
            continue  # morph weights and pointers of extensions move no joint
        if type(number) is not int or type(node) is not int or not (0 <= number < len(samplers) and 0 <= node < nodes):
            raise file.fault("a channel of the animation has no sampler or node", node=node)
        tracks.append(_track(file, node, path, file.object(samplers[number], "a sampler")))
    if not tracks:
        raise file.fault("the animation moves no node")
    return tracks


def _track(file: Reader, node: int, path: str, sampler: dict[str, Any]) -> _Track:
    times, values = file.accessor(sampler.get("input")), file.accessor(sampler.get("output"))
    interpolation = sampler.get("interpolation", "LINEAR")
    spline = interpolation == "CUBICSPLINE"
    keys = (len(times) * (3 if spline else 1), PATHS[path])
    if interpolation not in ("LINEAR", "STEP", "CUBICSPLINE") or times.ndim != 1 or values.shape != keys:
        raise file.fault("a sampler's keys do not fit its channel", node=node, path=path)
    if (np.diff(times) <= 0).any():
        raise file.fault("a sampler's times do not increase", node=node, path=path)
    if path == "rotation" and not spline and not (np.linalg.norm(values, axis=1) > 0).all():
        raise file.fault("a rotation is 0", node=node)
    return _Track(node, path, interpolation, times, values.reshape(-1, 3, PATHS[path]) if spline else values)
