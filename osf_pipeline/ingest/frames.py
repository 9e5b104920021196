"""EXR files to the G-buffer arrays of one shard.

Belongs here: decode, conversion, placement and validation of a run of frames, and which motion may be used. Does not:
stores (`store`) or the stage around it (`ingest.stage`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from osf_pipeline.buffers import GBUFFER
from osf_pipeline.config import ShotConfig
from osf_pipeline.errors import InputDataError
from osf_pipeline.exr.adapters import BufferMap
from osf_pipeline.exr.attributes import Attributes, bounded, carried, source_window
from osf_pipeline.exr.convert import Frame, canonical, surface
from osf_pipeline.exr.read import paste, read_exr
from osf_pipeline.exr.write import Window
from osf_pipeline.shots import FrameRange
from osf_pipeline.validate.findings import Finding, has_error, of_error
from osf_pipeline.validate.frames import check_frame, check_source
from osf_pipeline.validate.motion import check_pair

PROVEN_PAIRS = 2
"""Pairs of frames per shard whose motion is proven; a convention does not change within a shot."""


@dataclass(frozen=True)
class FrameRecord:
    """What is known of one frame after its decode.

    Attributes:
        sha256: of the file's bytes; empty when it could not be read.
        data_window: of the parts that hold the colour, inclusive corners.
        attributes: of the header, that a delivery carries on.
        status: `quarantined` frames are background in the arrays, and no motion reaches them.
        findings: of this frame; errors are why it is quarantined.
    """

    frame: int
    file: str
    sha256: str
    data_window: Window | None
    attributes: Attributes
    status: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class LoadedShard:
    """Arrays and records of one shard.

    Attributes:
        buffers: canonical buffer to (frame, channel, y, x) over the shot's window, in storage dtype.
        records: one per frame, in order.
        findings: of the shard as a whole: motion that fails reprojection refuses the shot, not a frame.
    """

    buffers: dict[str, np.ndarray]
    records: tuple[FrameRecord, ...]
    findings: tuple[Finding, ...]


def load_shard(
    urls: Mapping[int, str],
    config: ShotConfig,
    mapping: BufferMap,
    window: Window,
    frames: FrameRange,
    threads: int = 2,
) -> LoadedShard:
    """Decode, convert and check the frames of one shard; every file is read and decoded once.

    Args:
        urls: frame number to file, ascending.
        window: of the shot, a union of data windows (`validate.preflight`).
        frames: all frames of the shot; motion is not valid towards frames it does not hold.
        threads: frames decoded at once. The result does not depend on it.

    Raises:
        RequestError: when a camera is needed and missing.
    """
    height, width = window[3] - window[1] + 1, window[2] - window[0] + 1
    buffers = {
        name: np.empty((len(urls), GBUFFER[name].count, height, width), dtype)
        for name, dtype in {**mapping.dtypes, **dict.fromkeys(_validity(mapping), "uint8")}.items()
    }

    def load(item: tuple[int, tuple[int, str]]) -> FrameRecord:
        index, (frame, url) = item
        record, found = _read(frame, url, config, mapping)
        for name, array in buffers.items():
            background = GBUFFER[name].background
            if found is not None and name in found.buffers:
                paste(array[index], window, found.buffers[name], found.window, background)
            else:
                array[index] = background
        return record

    with ThreadPoolExecutor(threads) as pool:
        records = tuple(pool.map(load, enumerate(urls.items())))
    _mark_motion(buffers, records, mapping, config, frames)
    return LoadedShard(buffers, records, tuple(_prove_motion(buffers, records, mapping, config, frames.step)))


def _validity(mapping: BufferMap) -> list[str]:
    return [f"{name}_valid" for name in ("motion", "motion_next") if name in mapping.bindings]


def _read(frame: int, url: str, config: ShotConfig, mapping: BufferMap) -> tuple[FrameRecord, Frame | None]:
    """One frame's record, and its buffers unless it is quarantined."""
    record = FrameRecord(frame, url, "", None, {}, "quarantined", ())
    try:
        image = read_exr(url, mapping.channels, mapping.fill)
        colors = mapping.bindings["color"].channels
        attributes, dropped = bounded(carried(image.header, colors, config.view))
        record = replace(
            record, sha256=image.sha256, data_window=source_window(image.header, colors), attributes=attributes
        )
        findings = [*_too_large(dropped, url, frame), *check_source(image, mapping, frame)]
        if has_error(findings):
            return replace(record, findings=tuple(findings)), None
        found = canonical(image, mapping, config, frame)
    except InputDataError as error:
        return replace(record, findings=(of_error(error, frame, url),)), None
    findings = check_frame(found.buffers, url, frame)
    if has_error(findings):
        return replace(record, findings=tuple(findings)), None
    return replace(record, status="ok", findings=tuple(findings)), found


def _too_large(dropped: Sequence[str], url: str, frame: int) -> Iterator[Finding]:
    for name in dropped:
        yield Finding(
            "header", "warning", url, frame, "", f"attribute {name!r} is too large to go on to the delivery",
            "Nothing to do, or render without it.",
        )  # fmt: skip


def _mark_motion(
    buffers: Mapping[str, np.ndarray],
    records: Sequence[FrameRecord],
    mapping: BufferMap,
    config: ShotConfig,
    frames: FrameRange,
) -> None:
    """Fill the validity buffers: 0 on background, at the ends of the range, at gaps, cuts and quarantined frames.

    Where a source says itself that its motion is not valid, that stays.
    """
    good = {record.frame: record.status == "ok" for record in records}
    for name, direction in (("motion_valid", -1), ("motion_next_valid", 1)):
        if name not in buffers:
            continue
        for index, record in enumerate(records):
            neighbour = record.frame + direction * frames.step
            cut = max(record.frame, neighbour) in config.cuts
            valid = buffers[name][index]
            if neighbour not in frames or cut or not good.get(neighbour, True) or not good[record.frame]:
                valid[:] = 0
                continue
            seen = surface({buffer: array[index] for buffer, array in buffers.items()})
            valid[0] = valid[0] & seen if name in mapping.bindings else seen


def _prove_motion(
    buffers: Mapping[str, np.ndarray], records: Sequence[FrameRecord], mapping: BufferMap, config: ShotConfig, step: int
) -> Iterator[Finding]:
    """Reproject the first telling pairs of neighbours; a shard without one says so in a note."""
    proven = 0
    for index, (before, after) in enumerate(pairwise(records)):
        if proven == PROVEN_PAIRS:
            return
        if (
            after.frame - before.frame != step
            or after.frame in config.cuts
            or not before.status == after.status == "ok"
        ):
            continue
        previous, current = ({name: array[i] for name, array in buffers.items()} for i in (index, index + 1))
        findings, told = check_pair(previous, current, mapping, after.file, after.frame, step)
        yield from findings
        proven += told
    if not proven and "motion" in mapping.bindings:
        yield Finding(
            "motion", "note", "", records[0].frame, "motion", "no pair of frames in this shard could prove the motion",
            "Nothing to do; other shards of the shot prove it.",
        )  # fmt: skip
