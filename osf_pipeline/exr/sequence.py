"""The files of a shot: pattern to frame numbers.

Belongs here: studio sequence patterns and listings on any file system. Does not: opening the files (`exr.header`).
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import fileseq
import fsspec

from osf_pipeline.errors import InputDataError, RequestError
from osf_pipeline.layout import join
from osf_pipeline.shots import FrameRange

NUMBERED = re.compile(r"(?P<head>.*?)(?P<number>(?:(?<![A-Za-z0-9])-)?\d+)(?P<tail>\.[^.]+)\Z")


@dataclass(frozen=True, order=True)
class FrameFile:
    """One file of a sequence.

    Attributes:
        size: bytes.
        mtime: modification time or ETag, as text; equal text and size mean unchanged contents.
        written: when the file was last written, seconds since 1970 (UTC); None where the file system does not say.
    """

    frame: int
    url: str
    size: int
    mtime: str
    written: float | None = None


@dataclass(frozen=True)
class Sequence:
    """The files of one shot in frame order.

    Attributes:
        pattern: folder and file pattern that were searched.
        files: one per frame, ascending.
        missing: frames that were asked for, or that a regular sequence would have, and that no file holds.
        duplicates: frames that several files claim, with those files.
        strays: frames with a file that no regular sequence would have; none where the frames were asked for.
    """

    pattern: str
    files: tuple[FrameFile, ...]
    missing: tuple[int, ...] = ()
    duplicates: tuple[tuple[int, tuple[str, ...]], ...] = ()
    strays: tuple[int, ...] = ()

    @property
    def frames(self) -> FrameRange:
        return FrameRange.of(file.frame for file in self.files)

    @property
    def urls(self) -> dict[int, str]:
        return {file.frame: file.url for file in self.files}


def find_sequence(folder: str, pattern: str, frames: str | None = None) -> Sequence:
    """List the frames of a shot.

    Args:
        folder: local path or URL of the shot's renders.
        pattern: relative to `folder`, absolute, or a URL: `name.####.exr` (one # per digit), `name.%04d.exr`,
            `name.$F4.exr`, or a glob such as `*.exr` that holds one numbered sequence.
        frames: studio range to take; all found frames when absent. Frames a range leaves out are no gap.

    Raises:
        RequestError: for a pattern without a frame number, or a glob that holds several sequences.
        InputDataError: when no file matches.
    """
    place, name = join(folder, pattern).rsplit("/", 1)
    fs, path = fsspec.core.url_to_fs(place)
    try:
        entries = [e for e in fs.ls(path, detail=True) if e["type"] == "file" and not _passing(e["name"])]
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputDataError("no such folder", folder=place, fix="Check `source` and the root.") from error
    listed = {e["name"].rsplit("/", 1)[-1]: e for e in entries}
    numbers = _globbed(listed, name, place) if any(c in name for c in "*?") else _padded(listed, name)
    claims: dict[int, list[str]] = {}
    for file, frame in sorted(numbers.items()):
        claims.setdefault(frame, []).append(file)
    if not claims:
        raise InputDataError(
            "no file matches the pattern", folder=place, pattern=name, rule="gap",
            fix=f"Files there: {', '.join(sorted(listed)[:5]) or 'none'}. Mend `source`.",
        )  # fmt: skip
    wanted = FrameRange.parse(frames) if frames else None
    taken = sorted(f for f in claims if wanted is None or f in wanted)
    if not taken:
        raise InputDataError(
            "no file of the wanted frames", pattern=join(place, name), frames=frames, rule="gap",
            fix=f"Files exist for {FrameRange.of(claims)}. Mend `frames`.",
        )  # fmt: skip
    files = tuple(_file(frame, join(place, claims[frame][0]), listed[claims[frame][0]]) for frame in taken)
    found = FrameRange.of(taken)
    missing = tuple(f for f in wanted if f not in claims) if wanted else found.missing
    duplicates = tuple((f, tuple(claims[f])) for f in taken if len(claims[f]) > 1)
    return Sequence(join(place, name), files, missing, duplicates, () if wanted else found.strays)


def _passing(path: str) -> bool:
    """Hidden and temporary files, which copy tools and systems leave beside the frames for a while."""
    name = path.rsplit("/", 1)[-1]
    return name.startswith((".", "~")) or name.endswith("~")


def _padded(names: Iterable[str], pattern: str) -> dict[str, int]:
    """File name to frame number, for a pattern with a frame placeholder."""
    parsed = fileseq.FileSequence(pattern, pad_style=fileseq.PAD_STYLE_HASH1)
    if not parsed.padding() or parsed.frameSet() is not None:
        raise RequestError(
            "the pattern has no frame placeholder", pattern=pattern, fix="Write it like name.####.exr or name.%04d.exr."
        )
    width = parsed.zfill()
    shape = re.compile(rf"{re.escape(parsed.basename())}(-?\d+){re.escape(parsed.extension())}\Z")
    found = {name: match[1] for name in names if (match := shape.match(name))}
    return {name: int(number) for name, number in found.items() if number == str(int(number)).zfill(width)}


def _globbed(names: Iterable[str], pattern: str, place: str) -> dict[str, int]:
    """File name to frame number, for the one numbered sequence in a glob; files without a number are left out."""
    groups: dict[tuple[str, str], dict[str, int]] = {}
    for name in names:
        if fnmatch.fnmatch(name.lower(), pattern.lower()) and (match := NUMBERED.match(name)):
            groups.setdefault((match["head"], match["tail"]), {})[name] = int(match["number"])
    if len(groups) > 1:
        raise RequestError(
            "the pattern matches several sequences", folder=place, pattern=pattern,
            found=", ".join(sorted(f"{head}#{tail}" for head, tail in groups)), fix="Name one of them in `source`.",
        )  # fmt: skip
    return next(iter(groups.values()), {})


def _file(frame: int, url: str, entry: dict[str, Any]) -> FrameFile:
    changed = next((entry[k] for k in ("ETag", "mtime", "LastModified", "created") if entry.get(k)), "")
    return FrameFile(frame, url, int(entry["size"]), str(changed).strip('"'), _written(entry))


def _written(entry: dict[str, Any]) -> float | None:
    """Local file systems give seconds, object stores a `datetime`."""
    moment = next((entry[k] for k in ("mtime", "LastModified", "last_modified", "created") if entry.get(k)), None)
    if isinstance(moment, datetime):
        return moment.timestamp()
    return float(moment) if isinstance(moment, int | float) else None
