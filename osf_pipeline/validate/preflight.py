"""Everything that headers alone can tell, before any pixel is decoded.

Belongs here: rules on listings and headers, and the frame manifest. Does not: rules on pixels (`validate.frames`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pandas as pd

from osf_pipeline.config import ShotConfig
from osf_pipeline.errors import InputDataError
from osf_pipeline.exr.adapters import BufferMap, map_buffers
from osf_pipeline.exr.attributes import source_window
from osf_pipeline.exr.header import Header, read_header, union
from osf_pipeline.exr.sequence import Sequence
from osf_pipeline.exr.write import Window
from osf_pipeline.validate.color import color_space
from osf_pipeline.validate.findings import Finding, of_error, refuse
from osf_pipeline.validate.schema import MANIFEST, findings_table

MAX_WINDOW = 4.0
"""Largest union of data windows, in display areas."""
LOSSY = ("B44", "B44A", "DWAA", "DWAB")
HEADER_THREADS = 8


@dataclass(frozen=True)
class Report:
    """What preflight found.

    Attributes:
        findings: errors first.
        manifest: one row per expected frame, schema `MANIFEST`; `sha256` is still empty.
        mapping: how channels become buffers; None when that could not be told.
        window: union of the data windows of all that is used; None without a readable frame.
        display_window, pixel_aspect: of the first readable frame.
    """

    findings: tuple[Finding, ...]
    manifest: pd.DataFrame
    mapping: BufferMap | None
    window: Window | None
    display_window: Window | None
    pixel_aspect: float

    @property
    def table(self) -> pd.DataFrame:
        """The findings as a validated table."""
        return findings_table(self.findings)

    def refuse(self) -> None:
        """
        Raises:
            InputDataError: when there is any error.
        """
        refuse(self.findings)


def preflight(config: ShotConfig, sequence: Sequence) -> Report:
    """Read every header of a shot and judge them together; raises nothing for faults in the data."""
    headers: dict[int, Header] = {}
    findings: list[Finding] = [*gap(sequence), *duplicate(sequence)]
    with ThreadPoolExecutor(HEADER_THREADS) as pool:
        for file, found in zip(sequence.files, pool.map(lambda f: _header(f.url), sequence.files), strict=True):
            if isinstance(found, Header):
                headers[file.frame] = found
            else:
                findings.append(of_error(found, file.frame, file.url))
    mapping = None
    if headers:
        try:
            mapping = map_buffers(next(iter(headers.values())), config)
        except InputDataError as error:
            findings.append(of_error(error, next(iter(headers))))
    if mapping:
        findings += [*missing_channel(headers, mapping), *channel_change(headers, mapping), *lossy(headers, mapping)]
        findings += [
            Finding("mapping", "warning", "", None, "", flag, "Name what is missing in shot.yaml, or go on.")
            for flag in mapping.flags
        ]
    # Parts of other views and passes that are not used do not count.
    window = (
        union(
            source_window(h, mapping.channels)
            if mapping and set(mapping.channels) <= set(h.channels)
            else h.data_window
            for h in headers.values()
        )
        if headers
        else None
    )
    findings += [*size_change(headers), *window_size(headers), *color_space(headers, config)]
    first = next(iter(headers.values()), None)
    order = ("error", "warning", "note")
    return Report(
        tuple(sorted(findings, key=lambda f: order.index(f.severity))),
        _manifest(sequence, headers), mapping, window,
        first.display_window if first else None, first.pixel_aspect if first else 1.0,
    )  # fmt: skip


def _header(url: str) -> Header | InputDataError:
    try:
        return read_header(url)
    except InputDataError as error:
        return error


def gap(sequence: Sequence) -> Iterator[Finding]:
    """Frames that should be there and are not."""
    for frame in sequence.missing:
        yield Finding(
            "gap", "error", sequence.pattern, frame, "", f"frame {frame} is missing",
            "Render it, or list the frames you want under `frames`.",
        )  # fmt: skip


def duplicate(sequence: Sequence) -> Iterator[Finding]:
    """Several files that claim one frame number."""
    for frame, names in sequence.duplicates:
        yield Finding(
            "duplicate", "error", sequence.pattern, frame, "", f"{' and '.join(names)} are the same frame",
            "Remove one, or name the padding in `source`.",
        )  # fmt: skip


def missing_channel(headers: Mapping[int, Header], mapping: BufferMap) -> Iterator[Finding]:
    """Channels that the first frame has, the map needs, and another frame lacks."""
    for frame, header in headers.items():
        for channel in mapping.channels:
            if channel not in header.channels:
                yield Finding(
                    "missing_channel", "error", header.url, frame, channel, f"channel {channel} is missing",
                    "Render the frame again with the passes of the others.",
                )  # fmt: skip


def channel_change(headers: Mapping[int, Header], mapping: BufferMap) -> Iterator[Finding]:
    """Needed channels whose type differs from the first frame's, or that are subsampled."""
    first = next(iter(headers.values()))
    for frame, header in headers.items():
        subsampled = {header.full_name(p, c) for p in header.parts for c in p.subsampled}
        for channel in mapping.channels:
            kind, expected = header.channels.get(channel), first.channels[channel]
            if kind is not None and kind != expected:
                yield Finding(
                    "channel_change", "error", header.url, frame, channel, f"{kind}, but {expected} in the first frame",
                    "Render all frames with the same output settings.",
                )  # fmt: skip
            if channel in subsampled:
                yield Finding(
                    "subsampled", "error", header.url, frame, channel, "the channel has fewer pixels than the image",
                    "Write RGB at full resolution instead of luminance and chroma.",
                )  # fmt: skip


def size_change(headers: Mapping[int, Header]) -> Iterator[Finding]:
    """Display windows or pixel aspects that differ from the first frame's. Data windows may move freely."""
    first = next(iter(headers.values()), None)
    for frame, header in headers.items():
        if first and (header.display_window, header.pixel_aspect) != (first.display_window, first.pixel_aspect):
            yield Finding(
                "size_change", "error", header.url, frame, "",
                f"display window {header.display_window} with pixel aspect {header.pixel_aspect:g}, "
                f"but {first.display_window} with {first.pixel_aspect:g} in the first frame",
                "Render all frames at one resolution, or split the shot.",
            )  # fmt: skip


def window_size(headers: Mapping[int, Header]) -> Iterator[Finding]:
    """Data windows that together are far larger than the display window."""
    if not headers:
        return
    whole, display = union(h.data_window for h in headers.values()), next(iter(headers.values())).display_window
    ratio = _area(whole) / _area(display)
    if ratio > MAX_WINDOW:
        frame, header = max(headers.items(), key=lambda item: _area(item[1].data_window))
        yield Finding(
            "window", "error", header.url, frame, "", f"data windows span {whole}, {ratio:.1f} display areas",
            f"Crop the render's overscan to at most {MAX_WINDOW:g} display areas.",
        )  # fmt: skip


def lossy(headers: Mapping[int, Header], mapping: BufferMap) -> Iterator[Finding]:
    """Data passes under a lossy codec, which treats channels by the last letter of their name."""
    header = next(iter(headers.values()))
    kinds = {header.full_name(p, c): p.compression for p in header.parts for c in p.channels}
    for buffer, binding in mapping.bindings.items():
        damaged = [c for c in binding.channels if kinds[c] in LOSSY]
        if buffer not in ("color", "albedo") and damaged:
            yield Finding(
                "lossy", "warning", header.url, None, ", ".join(damaged), f"{buffer} is stored as {kinds[damaged[0]]}",
                "Write data passes as ZIP, ZIPS or PIZ.",
            )  # fmt: skip


def _area(window: Window) -> int:
    return (window[2] - window[0] + 1) * (window[3] - window[1] + 1)


def _manifest(sequence: Sequence, headers: Mapping[int, Header]) -> pd.DataFrame:
    rows = []
    for file in sequence.files:
        header = headers.get(file.frame)
        data, display = (header.data_window, header.display_window) if header else ((0, 0, -1, -1), (0, 0, -1, -1))
        rows.append(
            (file.frame, file.url, file.size, file.mtime, "", display[2] - display[0] + 1, display[3] - display[1] + 1,
             *data, ",".join(header.channels) if header else "", "ok" if header else "damaged")
        )  # fmt: skip
    rows += [(frame, "", 0, "", "", 0, 0, 0, 0, -1, -1, "", "missing") for frame in sequence.missing]
    return MANIFEST.validate(pd.DataFrame(sorted(rows), columns=list(MANIFEST.columns)))
