"""EXR files to the G-buffer arrays of one shard.

Belongs here: decode, conversion, placement and validation of a run of frames, and which motion may be used. Does not:
stores (`store`) or the stage around it (`ingest.stage`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from osf_pipeline.buffers import GBUFFER
from osf_pipeline.config import ShotConfig
from osf_pipeline.errors import InputDataError
from osf_pipeline.exr.adapters import BufferMap
from osf_pipeline.exr.attributes import Attributes, bounded, carried, source_window
from osf_pipeline.exr.convert import Frame, canonical, surface, trim_to_figure
from osf_pipeline.exr.read import paste, read_exr
from osf_pipeline.exr.write import Window
from osf_pipeline.shots import FrameRange
from osf_pipeline.store.encode import Box
from osf_pipeline.validate.findings import Finding, accepted, has_error, of_error, refuse
from osf_pipeline.validate.frames import check_frame
from osf_pipeline.validate.motion import check_pair
from osf_pipeline.validate.neighbours import check_run
from osf_pipeline.validate.stored import check_source
from osf_pipeline.validate.subject import Subject

Status = Literal["ok", "quarantined", "held"]
STATUSES: tuple[Status, ...] = ("ok", "quarantined", "held")
"""The store's `status` array holds positions in this."""


@dataclass(frozen=True)
class Fault:
    """A frame that is known to be bad before its shard is loaded: missing, or refused by an earlier pass.

    Attributes:
        sha256: of the file's bytes; empty when there is none or it could not be read.
        findings: why, as far as not told elsewhere.
        stand_in: frame and file that take its place; None leaves background.
    """

    sha256: str = ""
    findings: tuple[Finding, ...] = ()
    stand_in: tuple[int, str] | None = None

    def to_json(self) -> dict[str, Any]:
        stand_in = list(self.stand_in) if self.stand_in else None
        return {"sha256": self.sha256, "findings": [vars(f) for f in self.findings], "stand_in": stand_in}

    @classmethod
    def of_json(cls, data: Mapping[str, Any]) -> Fault:
        stand_in = data["stand_in"]
        return cls(data["sha256"], tuple(Finding(**f) for f in data["findings"]), stand_in and tuple(stand_in))


@dataclass(frozen=True)
class FrameRecord:
    """What is known of one frame after its decode.

    Attributes:
        sha256: of the file's bytes; empty when it could not be read.
        data_window: of the parts that hold the colour, inclusive corners.
        attributes: of the header, that a delivery carries on.
        status: a `quarantined` frame is background in the arrays; a `held` one shows its stand-in. No motion reaches
            either.
        findings: of this frame; errors are why it is not `ok`.
        stand_in: sha256 of the file that a held frame shows.
    """

    frame: int
    file: str
    sha256: str
    data_window: Window | None = None
    attributes: Attributes = field(default_factory=dict)
    status: Status = "ok"
    findings: tuple[Finding, ...] = ()
    stand_in: str = ""


Prior = tuple[FrameRecord, Frame | None]
"""The frame before a shard's first."""


@dataclass(frozen=True)
class LoadedShard:
    """Arrays and records of one shard.

    Attributes:
        buffers: canonical buffer to (frame, channel, y, x) over the shot's window, in storage dtype.
        boxes: part of each frame outside which it is background, in array positions; None where all of it is.
        records: one per frame, in order.
        findings: of the shard as a whole; none is an error.
        before: sha256 of the file before the first, where it was read.
    """

    buffers: dict[str, np.ndarray]
    boxes: tuple[Box | None, ...]
    records: tuple[FrameRecord, ...]
    findings: tuple[Finding, ...]
    before: str


@dataclass(frozen=True)
class Shot:
    """What a shard's frames must be read by, equal for all shards of a shot.

    Attributes:
        window: of the shot's arrays.
        frames: all frames of the shot; motion is not valid towards frames it does not hold.
    """

    config: ShotConfig
    mapping: BufferMap
    window: Window
    frames: FrameRange

    def neighbour(self, frame: int, direction: Literal[-1, 1], bad: Collection[int]) -> int | None:
        """The frame that motion may lead to; None at ends, gaps and cuts, and next to a bad frame."""
        other = frame + direction * self.frames.step
        cut = max(frame, other) in self.config.cuts
        return None if other not in self.frames or cut or other in bad or frame in bad else other


def load_shard(
    shot: Shot,
    urls: Mapping[int, str],
    *,
    faults: Mapping[int, Fault] = MappingProxyType({}),
    before: tuple[int, str] | None = None,
    pool: Executor | None = None,
) -> LoadedShard:
    """Decode, convert and check the frames of one shard; every file is read and decoded once.

    Args:
        urls: frame number to file, ascending; empty for a frame without one, which must be among `faults`.
        faults: frames of the shot known to be bad.
        before: frame and file before the shard's first, read only to prove the first frame's motion.
        pool: decodes frames at once. The result does not depend on it.

    Raises:
        RequestError: when a camera is needed and missing.
        InputDataError: when a stand-in is bad itself.
    """
    names = {**shot.mapping.dtypes, **dict.fromkeys(_validity(shot.mapping), "uint8")}
    height, width = shot.window[3] - shot.window[1] + 1, shot.window[2] - shot.window[0] + 1
    buffers = {n: np.empty((len(urls), GBUFFER[n].count, height, width), dtype) for n, dtype in names.items()}
    boxes: list[Box | None] = [None] * len(urls)

    def load(item: tuple[int, tuple[int, str]]) -> FrameRecord:
        index, (frame, url) = item
        record, found = _read(frame, url, shot) if frame not in faults else _stand_in(frame, url, faults[frame], shot)
        boxes[index] = _put(buffers, index, found, shot.window)
        return record

    run = map if pool is None else pool.map
    records = list(run(load, enumerate(urls.items())))
    prior = _read(*before, shot) if before is not None else None
    bad = {*faults, *(r.frame for r in records if r.status != "ok")}
    findings: list[Finding] = []
    # A repeated picture would fail the proof of motion twice, and its good neighbour with it.
    for check in (_check_runs, _prove_motion):
        for finding in accepted(check(buffers, records, shot, prior, bad), shot.config.accept):
            if finding.severity != "error":
                findings.append(finding)
                continue
            index = next(i for i, r in enumerate(records) if r.frame == finding.frame)
            boxes[index] = _put(buffers, index, None, shot.window)
            records[index] = replace(records[index], status="quarantined", findings=(*records[index].findings, finding))
            bad.add(records[index].frame)
    _mark_motion(buffers, records, shot, bad)
    return LoadedShard(buffers, tuple(boxes), tuple(records), tuple(findings), prior[0].sha256 if prior else "")


def _put(buffers: Mapping[str, np.ndarray], index: int, found: Frame | None, window: Window) -> Box | None:
    """Place one frame's buffers, or background; returns what may now hold anything else."""
    for name, array in buffers.items():
        background = GBUFFER[name].background
        if found is not None and name in found.buffers:
            paste(array[index], window, found.buffers[name], found.window, background)
        else:
            array[index] = background
    if found is None:
        return None
    x0, y0, x1, y1 = found.window
    return x0 - window[0], y0 - window[1], x1 - window[0] + 1, y1 - window[1] + 1


def _validity(mapping: BufferMap) -> list[str]:
    return [f"{name}_valid" for name in ("motion", "motion_next") if name in mapping.bindings]


def _read(frame: int, url: str, shot: Shot) -> tuple[FrameRecord, Frame | None]:
    """One frame's record, and its buffers unless it is quarantined."""
    mapping, config = shot.mapping, shot.config
    record = FrameRecord(frame, url, "", status="quarantined")
    try:
        image = read_exr(url, mapping.channels, mapping.fill)
        colors = mapping.bindings["color"].channels
        attributes, dropped = bounded(carried(image.header, colors, config.view))
        record = replace(
            record, sha256=image.sha256, data_window=source_window(image.header, colors), attributes=attributes
        )
        image = trim_to_figure(image, mapping)
        findings = [*_too_large(dropped, url, frame), *check_source(image, mapping, config, frame)]
        if has_error(findings):
            return replace(record, findings=tuple(findings)), None
        found = canonical(image, mapping, config, frame)
    except InputDataError as error:
        return replace(record, findings=(of_error(error, frame, url),)), None
    findings += check_frame(Subject(found, image.header, mapping, config, frame))
    if has_error(findings):
        return replace(record, findings=tuple(findings)), None
    return replace(record, status="ok", findings=tuple(findings)), found


def _stand_in(frame: int, url: str, fault: Fault, shot: Shot) -> tuple[FrameRecord, Frame | None]:
    """Record and buffers of a frame that is known to be bad."""
    record = FrameRecord(frame, url, fault.sha256, status="quarantined", findings=fault.findings)
    if fault.stand_in is None:
        return record, None
    other, found = _read(*fault.stand_in, shot)
    if found is None:
        refuse(other.findings)
    return (
        replace(
            record, status="held", stand_in=other.sha256, data_window=other.data_window, attributes=other.attributes
        ),
        found,
    )


def _too_large(dropped: Sequence[str], url: str, frame: int) -> Iterator[Finding]:
    for name in dropped:
        yield Finding(
            "header", "warning", url, frame, "", f"attribute {name!r} is too large to go on to the delivery",
            "Nothing to do, or render without it.",
        )  # fmt: skip


def _mark_motion(
    buffers: Mapping[str, np.ndarray], records: Sequence[FrameRecord], shot: Shot, bad: Collection[int]
) -> None:
    """Fill the validity buffers: 0 on background and where `Shot.neighbour` has none.

    Where a source says itself that its motion is not valid, that stays.
    """
    directions: tuple[tuple[str, Literal[-1, 1]], ...] = (("motion_valid", -1), ("motion_next_valid", 1))
    for name, direction in directions:
        if name not in buffers:
            continue
        for index, record in enumerate(records):
            valid = buffers[name][index]
            if shot.neighbour(record.frame, direction, bad) is None:
                valid[:] = 0
                continue
            seen = surface({buffer: array[index] for buffer, array in buffers.items()})
            valid[0] = valid[0] & seen if name in shot.mapping.bindings else seen


def _check_runs(
    buffers: Mapping[str, np.ndarray],
    records: Sequence[FrameRecord],
    shot: Shot,
    prior: Prior | None,
    bad: Collection[int],
) -> Iterator[Finding]:
    """Rules on runs of good neighbours inside the shard."""
    start = 0
    for stop in range(1, len(records) + 1):
        if stop == len(records) or shot.neighbour(records[stop].frame, -1, bad) != records[stop - 1].frame:
            run = {name: array[start:stop] for name, array in buffers.items()}
            yield from check_run(run, [(record.frame, record.file) for record in records[start:stop]])
            start = stop


def _prove_motion(
    buffers: Mapping[str, np.ndarray],
    records: Sequence[FrameRecord],
    shot: Shot,
    prior: Prior | None,
    bad: Collection[int],
) -> Iterator[Finding]:
    """Reproject every frame of the shard onto the one before it; a shard that proves nothing says so in a note."""
    proven = False

    def check(previous: Mapping[str, np.ndarray], index: int) -> list[Finding]:
        nonlocal proven
        record = records[index]
        current = {name: array[index] for name, array in buffers.items()}
        found, told = check_pair(previous, current, shot.mapping, record.file, record.frame, shot.frames.step)
        proven |= told
        return found

    if prior is not None and shot.neighbour(records[0].frame, -1, bad) == prior[0].frame:
        other = prior[1]
        if other is not None:
            one = {name: np.empty_like(array[:1]) for name, array in buffers.items()}
            _put(one, 0, other, shot.window)
            yield from check({name: array[0] for name, array in one.items()}, 0)
    for index, (earlier, later) in enumerate(pairwise(records)):
        if shot.neighbour(later.frame, -1, bad) == earlier.frame:
            for finding in check({name: array[index] for name, array in buffers.items()}, index + 1):
                own = finding.channel == "motion_next"  # what leads from the earlier frame to the later
                yield replace(finding, file=earlier.file, frame=earlier.frame) if own else finding
    if not proven and "motion" in shot.mapping.bindings:
        yield Finding(
            "motion", "note", "", records[0].frame, "motion", "no pair of frames in this shard could prove the motion",
            "Nothing to do; other shards of the shot prove it.",
        )  # fmt: skip
