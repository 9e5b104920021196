"""BVH (Biovision Hierarchy) motion files, in all their dialects, to joint positions.

Belongs here: tokens, hierarchy, forward kinematics, the up axis. Does not: what a joint is called elsewhere (`names`).

The format: Meredith and Maddock, "Motion Capture File Formats Explained", 2001, section 3.5. Rotations are intrinsic
Euler angles in degrees, in the order each joint lists its channels; a joint's position channels replace its offset.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from scipy.spatial.transform import Rotation

from osf_pipeline.errors import InputDataError
from osf_pipeline.motion.clip import Clip
from osf_pipeline.motion.names import up_direction

Up = Literal["x", "y", "z", "-x", "-y", "-z"]

MAX_BYTES = 64 * 2**20
MAX_JOINTS = 2000
MAX_DEPTH = 200
MAX_FRAMES = 1_000_000
MAX_POSITIONS = 10_000_000
"""Frames times joints."""
MAX_NUMBER = 1e9

TURN_UP: dict[str, np.ndarray] = {
    "y": np.eye(3),
    "-y": np.diag([1.0, -1.0, -1.0]),
    "z": np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]),
    "-z": np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]),
    "x": np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]),
    "-x": np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]]),
}
"""Rotation that turns each source axis to +y."""

CHANNELS = {f"{axis}{kind}": (axis, kind) for axis in "xyz" for kind in ("position", "rotation")}


@dataclass
class _Joint:
    name: str
    parent: int
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    channels: list[tuple[str, str]] = field(default_factory=list)
    start: int = 0


def read_bvh(data: bytes, name: str, *, up: Up | None = None) -> Clip:
    """Joint positions of a BVH file; an `End Site` becomes a joint called `<parent>_end`.

    Args:
        data: the file.
        name: of the clip, and of the file in errors.
        up: the source's axis that points up; detected from the body when absent.

    Returns:
        A clip turned to +y up, in the file's own length unit.

    Raises:
        InputDataError: not a BVH file, damaged, or beyond the bounds above; names the line.
    """
    if len(data) > MAX_BYTES:
        raise InputDataError(
            "the BVH file is too large", file=name, bytes=len(data), fix=f"At most {MAX_BYTES} bytes are read."
        )
    text = data.decode("utf-8-sig", errors="replace")
    tokens = _Tokens(text, name)
    joints = _hierarchy(tokens)
    motion, fps = _motion(tokens, sum(len(joint.channels) for joint in joints))
    if len(motion) * len(joints) > MAX_POSITIONS:
        raise tokens.fail("the BVH motion is too large", frames=len(motion), joints=len(joints))
    positions = _forward(joints, motion)
    names = _distinct([joint.name for joint in joints])
    parents = np.array([joint.parent for joint in joints])
    raw = Clip(name, names, parents, positions, fps)
    turn = TURN_UP[up or _detect_up(raw, _forward(joints, np.zeros((1, motion.shape[1]))))]
    return Clip(name, names, parents, positions @ turn.T, fps)


class _Tokens:
    """Words of the file with their line numbers; splitting at white space forgives tabs, blank lines and line ends."""

    def __init__(self, text: str, file: str) -> None:
        self.file, self.text = file, text
        motion = re.search(r"}\s*(MOTION)(?=\s|$)", text, re.IGNORECASE)
        self.head_end = motion.start(1) if motion else len(text)
        self.words = [
            (word, number)
            for number, line in enumerate(text[: self.head_end].splitlines(), start=1)
            for word in line.replace("{", " { ").replace("}", " } ").split()
        ]
        self.at = 0

    def fail(self, what: str, line: int | None = None, **where: object) -> InputDataError:
        if line is None:
            line = self.words[min(self.at, len(self.words)) - 1][1] if self.words else 1
        fix = "Export the motion again as BVH, or repair that line."
        return InputDataError(what, file=self.file, line=line, fix=fix, **where)

    def peek(self) -> str:
        return self.words[self.at][0].lower() if self.at < len(self.words) else ""

    def next(self, wanted: str) -> str:
        if self.at >= len(self.words):
            raise self.fail(f"the BVH hierarchy ends where {wanted} should stand")
        self.at += 1
        return self.words[self.at - 1][0]

    def expect(self, word: str) -> None:
        found = self.next(f"`{word}`")
        if found.lower() != word.lower():
            raise self.fail(f"the BVH hierarchy lacks `{word}`", found=found[:40])

    def number(self, wanted: str) -> float:
        word = self.next(wanted)
        try:
            value = float(word)
        except ValueError:
            value = math.nan
        if not abs(value) <= MAX_NUMBER:
            raise self.fail(f"the BVH hierarchy holds no number for {wanted}", value=word[:40])
        return value

    def rest_of_line(self, first: str) -> str:
        """Joint names may hold blanks: `first` and all words left on its line before a brace."""
        line, words = self.words[self.at - 1][1], [first]
        while self.at < len(self.words) and self.words[self.at][1] == line and self.peek() not in "{}":
            words.append(self.next("a name"))
        return " ".join(words)


def _hierarchy(tokens: _Tokens) -> list[_Joint]:
    tokens.expect("HIERARCHY")
    joints: list[_Joint] = []
    open_joints: list[int] = []  # a stack instead of recursion: the depth of a file is not to be trusted
    channels = 0
    while True:
        word = tokens.peek()
        if not open_joints and joints and word != "root":
            if word:
                tokens.next("")
                raise tokens.fail("the BVH hierarchy goes on after its last brace", found=word[:40])
            return joints
        tokens.next("a joint, OFFSET, CHANNELS or a brace")
        if word == "}" and open_joints:
            open_joints.pop()
            continue
        current = joints[open_joints[-1]] if open_joints else None
        if word in ("root", "joint") and (word == "root") == (current is None):
            label = tokens.rest_of_line(tokens.next("a joint's name"))
        elif word == "end" and current is not None:
            tokens.rest_of_line("end")
            label = f"{current.name}_end"
        elif word == "offset" and current is not None:
            x, y, z = (tokens.number(f"{axis} of OFFSET") for axis in "xyz")
            current.offset = (x, y, z)
            continue
        elif word == "channels" and current is not None:
            count = tokens.number("the count of CHANNELS")
            if current.channels or count not in range(10):
                raise tokens.fail("a BVH joint needs one CHANNELS of at most 9", joint=current.name, count=count)
            for _ in range(int(count)):
                channel = tokens.next("a channel")
                if channel.lower() not in CHANNELS:
                    raise tokens.fail("a BVH channel is unknown", channel=channel[:40], known=", ".join(CHANNELS))
                current.channels.append(CHANNELS[channel.lower()])
            current.start, channels = channels, channels + int(count)
            continue
        else:
            raise tokens.fail("a word does not belong here in a BVH hierarchy", found=word[:40])
        joints.append(_Joint(label, open_joints[-1] if open_joints else -1))
        open_joints.append(len(joints) - 1)
        tokens.expect("{")
        if len(joints) > MAX_JOINTS or len(open_joints) > MAX_DEPTH:
            raise tokens.fail("the BVH skeleton is too large", joints=len(joints), depth=len(open_joints))


def _motion(tokens: _Tokens, channels: int) -> tuple[np.ndarray, float]:
    """(T, channels) float64 and frames a second."""
    body = tokens.text[tokens.head_end :]
    first_line = tokens.text.count("\n", 0, tokens.head_end) + 1
    words = body.split()
    words = " ".join(words[:9]).replace(":", " ").split() + words[9:]
    head, words = words[:6], words[6:]
    if [word.lower() for word in (*head[:2], *head[3:5])] != ["motion", "frames", "frame", "time"] or len(head) < 6:
        raise tokens.fail("the BVH file has no `MOTION` with `Frames:` and `Frame Time:`", first_line)
    try:
        frames, step = int(head[2]), float(head[5].replace(",", "."))
    except ValueError:
        frames, step = 0, 0.0
    if not (1 <= frames <= MAX_FRAMES and 1e-4 <= step <= 10):
        raise tokens.fail(
            "the BVH file's frames or frame time are out of range", first_line, frames=head[2][:40], time=head[5][:40]
        )
    if channels == 0:
        raise tokens.fail("the BVH skeleton has no channels", 1)
    if len(words) != frames * channels:
        raise tokens.fail(
            "the BVH motion does not hold the frames it tells of",
            first_line,
            frames=frames,
            channels=channels,
            wanted=frames * channels,
            values=len(words),
        )
    try:
        values = np.array(words, np.float64)
    except ValueError:
        values = np.full(1, np.nan)
    if not (np.abs(values) <= MAX_NUMBER).all():
        raise _bad_number(tokens, body, first_line)
    return values.reshape(frames, channels), _rate(step, head[5])


def _rate(step: float, written: str) -> float:
    """Frames a second; the whole number that a rounded frame time stands for (`.0333` is 30)."""
    decimals = len(written.replace(",", ".").partition(".")[2])
    whole = max(round(1 / step), 1)
    return float(whole) if decimals >= 4 and abs(step - 1 / whole) <= 10.0**-decimals else 1 / step


def _bad_number(tokens: _Tokens, body: str, first: int) -> InputDataError:
    rows = ((line, row) for line, row in enumerate(body.split("\n"), start=first) if ":" not in row)
    for line, word in ((line, word) for line, row in rows for word in row.split() if word.lower() != "motion"):
        try:
            value = float(word)
        except ValueError:
            value = math.nan
        if not abs(value) <= MAX_NUMBER:
            return tokens.fail("the BVH motion holds something that is no number", line, value=word[:40])
    return tokens.fail("the BVH motion holds something that is no number", first)


def _forward(joints: list[_Joint], motion: np.ndarray) -> np.ndarray:
    """(T, J, 3) world positions."""
    frames = len(motion)
    positions = np.empty((frames, len(joints), 3))
    world: list[np.ndarray] = []
    for number, joint in enumerate(joints):
        local = np.tile(np.array(joint.offset), (frames, 1))
        angles, order = [], ""
        for column, (axis, kind) in enumerate(joint.channels, start=joint.start):
            if kind == "position":
                local[:, "xyz".index(axis)] = motion[:, column]
            else:
                angles.append(motion[:, column])
                order += axis.upper()
        rotation = _euler(order, angles, frames)
        if joint.parent < 0:
            positions[:, number] = local
            world.append(rotation)
        else:
            parent = world[joint.parent]
            positions[:, number] = positions[:, joint.parent] + np.einsum("tij,tj->ti", parent, local)
            world.append(parent @ rotation)
    return positions


def _euler(order: str, angles: list[np.ndarray], frames: int) -> np.ndarray:
    """(T, 3, 3): the listed turns one after the other; any order, any number of them."""
    rotation = np.tile(np.eye(3), (frames, 1, 1))
    for axis, angle in zip(order, angles, strict=True):
        rotation = rotation @ Rotation.from_euler(axis, angle[:, None], degrees=True).as_matrix()
    return rotation


def _distinct(names: list[str]) -> tuple[str, ...]:
    """The names, later ones of the same name numbered."""
    seen: dict[str, int] = {}
    out = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        out.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return tuple(out)


def _detect_up(clip: Clip, zero_pose: np.ndarray) -> str:
    """The axis along which the body stands: over the clip, or in the zero pose when it lies or tumbles in the clip."""
    candidates = [up_direction(clip.joints, clip.parents, positions) for positions in (clip.positions, zero_pose)]
    best = max(candidates, key=lambda v: float(np.abs(v).max()) > 0.8)  # the clip's own when both or neither are clear
    axis = int(np.argmax(np.abs(best)))
    return ("-" if best[axis] < 0 else "") + "xyz"[axis]
