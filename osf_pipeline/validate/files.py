"""Rules on the files of a shot, from its listing and headers alone.

Belongs here: what one file says against the others of its sequence. Does not: pixels (`validate.frames`), reading the
headers (`validate.preflight`).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from osf_pipeline.exr.adapters import BufferMap
from osf_pipeline.exr.header import Header, union
from osf_pipeline.exr.sequence import Sequence
from osf_pipeline.exr.write import Window
from osf_pipeline.validate.findings import Finding

Headers = Mapping[int, Header]
"""Frame number to header of every readable file, ascending."""

MAX_WINDOW = 4.0
"""Largest union of data windows, in display areas."""
DCT_NAMES = ("R", "G", "B", "Y", "RY", "BY")
"""Last components of channel names that DWAA and DWAB compress as pictures, in this case of letters."""
FRAME_ATTRIBUTES = ("Frame", "frame", "osf:frame")
"""Header attributes that hold the frame number; Blender writes a string."""
MOST = 0.8
"""Share of the files that must agree before the others count as wrong."""
SESSION = ("Software", "Camera", "Scene", "osf:renderer")
"""Header attributes that do not change within one render of a shot. The machine may."""
SAMPLES = ".samples"
"""End of the attributes that hold the samples a pixel of a view layer."""
DATES = {"Date": "%Y/%m/%d %H:%M:%S", "capDate": "%Y:%m:%d %H:%M:%S"}
"""Header attributes that hold the moment of a render, with their layouts: Blender, and the OpenEXR standard."""
PAUSE = 3600.0
"""Seconds without a file after which a render may have been started again."""
PAUSES = 2.0
"""The same, in spans between the first and the last file after the pause: slow renders pause longer."""


def check_listing(sequence: Sequence) -> list[Finding]:
    """Findings of all rules on the names of a shot's files."""
    return [*gap(sequence), *extra(sequence), *duplicate(sequence)]


def check_headers(
    sequence: Sequence, headers: Headers, mapping: BufferMap | None, cuts: tuple[int, ...]
) -> list[Finding]:
    """Findings of all rules on a shot's headers.

    Args:
        headers: at least one.
        mapping: None when the channels could not be mapped; rules on channels are left out.
    """
    of_channels = (missing_channel, channel_change, lossy, half_depth)
    return [
        *(finding for rule in of_channels if mapping for finding in rule(headers, mapping)),
        *size_change(headers), *window_size(headers), *frame_number(headers), *stale(sequence, headers),
        *mixed_render(headers, cuts),
    ]  # fmt: skip


def gap(sequence: Sequence) -> Iterator[Finding]:
    """Frames that should be there and are not."""
    for frame in sequence.missing:
        yield Finding(
            "gap", "error", sequence.pattern, frame, "", f"frame {frame} is missing",
            "Render it, or list the frames you want under `frames`.",
        )  # fmt: skip


def extra(sequence: Sequence) -> Iterator[Finding]:
    """Files beside the regular sequence: between two steps, or alone far from its ends."""
    step, urls = sequence.frames.step, sequence.urls
    for frame in sequence.strays:
        others = [f for f in sequence.frames if f not in sequence.strays]
        far = frame < others[0] or frame > others[-1]
        yield Finding(
            "extra", "error", urls[frame], frame, "",
            f"frame {frame} stands alone, far from frames {others[0]} to {others[-1]}" if far
            else f"frame {frame} lies between the steps of a sequence on every {step}th frame",
            "Remove the file, or list the frames you want under `frames`.",
        )  # fmt: skip


def duplicate(sequence: Sequence) -> Iterator[Finding]:
    """Several files that claim one frame number."""
    for frame, names in sequence.duplicates:
        yield Finding(
            "duplicate", "error", sequence.pattern, frame, "", f"{' and '.join(names)} are the same frame",
            "Remove one, or name the padding in `source`.",
        )  # fmt: skip


def frame_number(headers: Headers) -> Iterator[Finding]:
    """Frame numbers in headers against those in file names.

    A constant difference is a renumbered shot. Where nearly all files agree on it, the others hold another frame's
    picture. Numbers that only hold or skip are a retimed shot.
    """
    numbers = {frame: number for frame, h in headers.items() if (number := _number(h)) is not None}
    if not numbers:
        return
    offsets = {frame: number - frame for frame, number in numbers.items()}
    (usual, count), *_ = Counter(offsets.values()).most_common()
    ascending = list(numbers.values()) == sorted(numbers.values())
    if count < MOST * len(offsets):
        yield Finding(
            "frame_number", "note" if ascending else "warning", "", None, "",
            "frame numbers in the headers are not those of the file names"
            + ("; they ascend, as in a retimed shot" if ascending else " and do not even ascend"),
            "Check that each file holds the frame its name says.",
        )  # fmt: skip
        return
    for frame, offset in offsets.items():
        if offset != usual:
            yield Finding(
                "frame_number", "error", headers[frame].url, frame, "",
                f"the header says frame {numbers[frame]}; after the other files it should say {frame + usual}",
                "The file holds another frame's picture, or was renamed: render or copy this frame again.",
            )  # fmt: skip
    if usual:
        yield Finding(
            "frame_number", "note", "", None, "", f"headers number the frames {usual:+d} against the file names",
            "Nothing to do; file names count.",
        )  # fmt: skip


def _number(header: Header) -> int | None:
    for name in FRAME_ATTRIBUTES:
        value = header.attributes.get(name)
        if isinstance(value, int) or (isinstance(value, str) and re.fullmatch(r"\s*-?\d+\s*", value)):
            return int(value)
    return None


def stale(sequence: Sequence, headers: Headers) -> Iterator[Finding]:
    """Files left from an earlier render between those of the last one.

    The moments of writing are cut at the last pause that is longer than an hour and twice as long as everything after
    it took; whatever lies before is old. A long render has no such pause, a copied tree no moments to tell apart, and
    where all old frames come before all new ones a render was stopped and went on.
    """
    moments = _moments(sequence, headers)
    times = sorted(moments.values())
    # No more than half of the files can be left over: files mended later are new, the others are not old.
    pauses = [
        i for i in range(1, len(times) // 2 + 1)
        if times[i] - times[i - 1] > max(PAUSE, PAUSES * (times[-1] - times[i]))
    ]  # fmt: skip
    if not pauses:
        return
    begun = times[pauses[-1]]
    new = [frame for frame, moment in moments.items() if moment >= begun]
    old = [frame for frame, moment in moments.items() if moment < begun]
    if max(old) < min(new):
        return
    for frame in old:
        yield Finding(
            "stale", "warning", sequence.urls[frame], frame, "",
            f"written {(begun - moments[frame]) / 3600:.1f} h before the other {len(new)} files",
            "If anything changed since, render the frame again.",
        )  # fmt: skip


def _moments(sequence: Sequence, headers: Headers) -> dict[int, float]:
    """Frame to the moment of its render: of the headers where all have it, for copying changes the files'."""
    for name, layout in DATES.items():
        try:
            return {
                frame: datetime.strptime(str(h.attributes[name]), layout).replace(tzinfo=UTC).timestamp()
                for frame, h in headers.items()
            }
        except (KeyError, ValueError):
            continue
    return {file.frame: file.written for file in sequence.files if file.written is not None}


def mixed_render(headers: Headers, cuts: tuple[int, ...]) -> Iterator[Finding]:
    """Files whose headers name another program, camera, scene or number of samples than most of their shot.

    Shots are told apart at `cuts`, where another camera is no fault.
    """
    shots: dict[int, list[int]] = {}
    for frame in headers:
        shots.setdefault(bisect_right(sorted(cuts), frame), []).append(frame)
    for frames in shots.values():
        names = {n for f in frames for n in headers[f].attributes if n in SESSION or n.endswith(SAMPLES)}
        for name in sorted(names):
            values = {frame: headers[frame].attributes.get(name) for frame in frames}
            (usual, _), *others = Counter(values.values()).most_common()
            if others:
                odd = [frame for frame in frames if values[frame] != usual]
                yield Finding(
                    "mixed_render", "warning", headers[odd[0]].url, odd[0], "",
                    f"{name} is {values[odd[0]]!r}, but {usual!r} in most files; {len(odd)} files differ",
                    "If they are left from another render, render them again; at a cut, add its first frame to `cuts`.",
                )  # fmt: skip


def missing_channel(headers: Headers, mapping: BufferMap) -> Iterator[Finding]:
    """Channels that the first frame has, the map needs, and another frame lacks."""
    for frame, header in headers.items():
        for channel in mapping.channels:
            if channel not in header.channels:
                yield Finding(
                    "missing_channel", "error", header.url, frame, channel, f"channel {channel} is missing",
                    "Render the frame again with the passes of the others.",
                )  # fmt: skip


def channel_change(headers: Headers, mapping: BufferMap) -> Iterator[Finding]:
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


def size_change(headers: Headers) -> Iterator[Finding]:
    """Display windows or pixel aspects that differ from the first frame's. Data windows may move freely."""
    first = next(iter(headers.values()))
    for frame, header in headers.items():
        if (header.display_window, header.pixel_aspect) != (first.display_window, first.pixel_aspect):
            yield Finding(
                "size_change", "error", header.url, frame, "",
                f"display window {header.display_window} with pixel aspect {header.pixel_aspect:g}, "
                f"but {first.display_window} with {first.pixel_aspect:g} in the first frame",
                "Render all frames at one resolution, or split the shot.",
            )  # fmt: skip


def window_size(headers: Headers) -> Iterator[Finding]:
    """Data windows that together are far larger than the display window."""
    whole, display = union(h.data_window for h in headers.values()), next(iter(headers.values())).display_window
    ratio = _area(whole) / _area(display)
    if ratio > MAX_WINDOW:
        frame, header = max(headers.items(), key=lambda item: _area(item[1].data_window))
        yield Finding(
            "window", "error", header.url, frame, "", f"data windows span {whole}, {ratio:.1f} display areas",
            f"Crop the render's overscan to at most {MAX_WINDOW:g} display areas.",
        )  # fmt: skip


def lossy(headers: Headers, mapping: BufferMap) -> Iterator[Finding]:
    """Data passes that their codec damages. Ids of a Cryptomatte are worthless after that."""
    header = next(iter(headers.values()))
    parts = {header.full_name(p, c): p for p in header.parts for c in p.channels}
    for buffer, binding in mapping.bindings.items():
        losses = {c: kind for c in binding.channels if (kind := _loss(parts[c].compression, c, header.channels[c]))}
        if buffer not in ("color", "albedo") and losses:
            damaged, kind = next(iter(losses.items()))
            rounded = parts[damaged].compression == "PXR24" and not binding.matte
            yield Finding(
                "lossy", "error" if binding.matte else "note" if rounded else "warning", header.url, None,
                ", ".join(losses), f"{buffer} is stored as {parts[damaged].compression}, {kind}",
                "Write data passes as ZIP, ZIPS or PIZ.",
            )  # fmt: skip


def _loss(compression: str, channel: str, dtype: str) -> str:
    """What a codec does to a channel; empty when it keeps every bit. Largest errors are those of smooth test waves."""
    if compression in ("DWAA", "DWAB") and dtype != "uint32" and channel.rpartition(".")[2] in DCT_NAMES:
        return "which blurs channels of this name like pictures: errors of a percent, and ringing at edges"
    if compression in ("B44", "B44A") and dtype == "float16":
        return "which keeps 6 bits of the range in each 4x4 block of half channels: errors to a percent, more at edges"
    if compression == "PXR24" and dtype == "float32":
        return "which keeps 24 of 32 bits: relative errors to 1 in 65536"
    return ""


def half_depth(headers: Headers, mapping: BufferMap) -> Iterator[Finding]:
    """Depth of eleven bits: steps of 1/1000 of the distance, which small folds do not reach."""
    header = next(iter(headers.values()))
    for channel in mapping.bindings["depth"].channels if "depth" in mapping.bindings else ():
        if header.channels[channel] == "float16":
            yield Finding(
                "half_depth", "warning", header.url, None, channel, "depth is stored as half float",
                "Write depth as 32-bit float; contours between close surfaces need it.",
            )  # fmt: skip


def _area(window: Window) -> int:
    return (window[2] - window[0] + 1) * (window[3] - window[1] + 1)
