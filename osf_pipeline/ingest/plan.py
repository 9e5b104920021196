"""What one run of the ingest stage will do: shards, what is known of each beforehand, what all of them together tell.

Belongs here: descriptors, bad frames and their stand-ins, contents known without decoding, the record of the version.
Does not: work on pixels (`worker`, `frames`) or the stage's results (`stage`).
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import zarr

from osf_pipeline.buffers import CONTOUR_RANGE, GBUFFER
from osf_pipeline.colorspaces.source import input_color, input_fingerprint
from osf_pipeline.colorspaces.spaces import in_rec709
from osf_pipeline.config import ShotConfig, Source
from osf_pipeline.delivery.preview import thumbnail
from osf_pipeline.errors import InputDataError
from osf_pipeline.execution import Execution, Json
from osf_pipeline.exr.adapters import BufferMap
from osf_pipeline.exr.attributes import HEADERS_FILE, pack, unpack
from osf_pipeline.exr.header import Header, read_header
from osf_pipeline.exr.sequence import FrameFile, Sequence, find_sequence
from osf_pipeline.exr.write import Window
from osf_pipeline.ingest.frames import STATUSES, Fault, Shot
from osf_pipeline.ingest.worker import frame_keys
from osf_pipeline.layout import Layout, join
from osf_pipeline.shots import FrameRange, Shard, shards, stand_in
from osf_pipeline.store.build import Conclusion, Plan
from osf_pipeline.store.files import names, take, write_bytes, write_json
from osf_pipeline.store.identity import identity
from osf_pipeline.store.schema import DATA, ArraySpec, StoreSpec, arrays
from osf_pipeline.store.version import ATTEMPTS, PREVIEW_FILE, current
from osf_pipeline.validate.findings import Finding, refuse
from osf_pipeline.validate.page import page
from osf_pipeline.validate.preflight import Report
from osf_pipeline.validate.schema import MANIFEST, findings_table

KIND = "gbuffer"
STAGE_VERSION = 3
SHARD_FRAMES = 8
SHARD_BYTES = 512 * 2**20
MANIFEST_FILE, FINDINGS_FILE, PAGE_FILE = "manifest.parquet", "findings.parquet", "validation.html"
PROOF_STEP = 8
"""Of shards that hold one frame, every so many read the frame before them too, to prove motion."""
MOST_BAD = 0.5
"""Share of bad frames above which a shot is refused whatever `on_fault` says."""
HASH_THREADS = 8


def request_key(sequence: Sequence, config: ShotConfig) -> str:
    """Key of an ingest before any file is opened: the listing and the settings."""
    listing = [[file.frame, file.url, file.size, file.mtime] for file in sequence.files]
    return identity(KIND, STAGE_VERSION, listing, recipe(config))


def recipe(config: ShotConfig) -> dict[str, Any]:
    """The settings that decide the arrays; styles, names and fps do not."""
    keys = {*Source.model_fields, "view", "cuts", "frames", "on_fault"} - {"ocio"}
    return config.model_dump(mode="json", include=keys) | {"ocio_fingerprint": input_fingerprint(config)}


def shard_frames(height: int, width: int, specs: dict[str, ArraySpec]) -> int:
    """Frames in a shard: at most 8, and at most 512 MiB of pixels."""
    frame = height * width * sum(len(s.channels) * np.dtype(s.dtype).itemsize for s in specs.values())
    return max(1, min(SHARD_FRAMES, SHARD_BYTES // frame))


def drawn_window(window: Window, display: Window) -> Window:
    """A union of data windows, grown by the reach of contours as far as the display goes.

    Outside its data window a picture is background, so a figure that fills a tight window has its outline there. Beyond
    both windows nothing is known and nothing is drawn.
    """
    reach = int(CONTOUR_RANGE)
    return (
        min(window[0], max(window[0] - reach, display[0])),
        min(window[1], max(window[1] - reach, display[1])),
        max(window[2], min(window[2] + reach, display[2])),
        max(window[3], min(window[3] + reach, display[3])),
    )


def known_contents(store: str, sequence: Sequence, rehash: bool = False) -> dict[int, str]:
    """sha256 of every file, by frame: as the current version read it, or hashed anew where size or time changed.

    Empty when the store has nothing to take over, so that a first run reads every file once.
    """
    if not names(join(store, ATTEMPTS), "directory"):
        return {}
    version = current(store)
    read: dict[tuple[str, int, str], str] = {}
    if version is not None and not rehash:
        table = pd.read_parquet(io.BytesIO(take(join(version.url, MANIFEST_FILE))))
        columns = (table[name] for name in ("file", "size", "mtime", "sha256"))
        read = {(file, size, mtime): digest for file, size, mtime, digest in zip(*columns, strict=True) if digest}

    def content(file: FrameFile) -> tuple[int, str]:
        return file.frame, read.get((file.url, file.size, file.mtime)) or sha256_of(file.url)

    with ThreadPoolExecutor(HASH_THREADS) as pool:
        return dict(pool.map(content, sequence.files))


def sha256_of(url: str) -> str:
    """Of a file's bytes."""
    return hashlib.sha256(take(url)).hexdigest()


class IngestPlan:
    """One run of the stage: what its plan, its amendments and its conclusion share."""

    def __init__(
        self,
        layout: Layout,
        shot: str,
        config: ShotConfig,
        sequence: Sequence,
        report: Report,
        contents: Mapping[int, str],
    ) -> None:
        refuse(f for f in report.findings if f.frame is None)
        # A frame that its header refuses is bad from the start.
        self.refused = {f.frame: Fault() for f in report.findings if f.severity == "error" and f.frame is not None}
        good = [file.url for file in sequence.files if file.frame not in self.refused]
        mapping, display = report.mapping, report.display_window
        if not good or mapping is None or display is None or report.window is None:
            report.refuse()
            raise InputDataError("no frame can be read", shot=shot, fix=f"Look at `osf validate {shot}`.")
        self.layout, self.name, self.config, self.sequence, self.report = layout, shot, config, sequence, report
        self.contents, self.first = contents, good[0]
        self.frames = FrameRange.of([*sequence.frames, *(sequence.missing if config.on_fault != "fail" else ())])
        self.urls = dict.fromkeys(self.frames, "") | sequence.urls
        window = drawn_window(report.window, display)
        self.shot = Shot(config, mapping, window, self.frames)
        self.height, self.width = window[3] - window[1] + 1, window[2] - window[0] + 1
        self.specs = _arrays(mapping)
        self.size = shard_frames(self.height, self.width, self.specs)
        header = read_header(self.first)
        self.facts: Json = {
            "tier": str(mapping.tier),
            "window": list(window),
            "display_window": list(display),
            "pixel_aspect": report.pixel_aspect,
            "color_channels": _color_channels(header, mapping, config.view),
            "color_space": input_color(config, header).space.attributes,
            "source": mapping.describe(),
        }
        # What cuts, range and bad frames do to a frame is in its own key.
        shared = {name: value for name, value in recipe(config).items() if name not in ("cuts", "frames", "on_fault")}
        self.static = identity(KIND, STAGE_VERSION, [self.frames.step, self.facts], shared)

    def plan(self, request: str, execution: Execution) -> Plan:
        return Plan(
            store=self.layout.store(self.name, KIND),
            spec=StoreSpec(KIND, self.specs, self.frames.frames, self.height, self.width, self.size, self.facts),
            request=request,
            worker="osf_pipeline.ingest.worker:IngestWorker",
            job={
                "config": self.config.model_dump(mode="json"),
                "first": self.first,
                "objects": self.shot.mapping.objects,
                "window": list(self.shot.window),
                "frames": list(self.frames),
                "static": self.static,
                "threads": execution.threads,
            },
            shards=[self.descriptor(shard, self.with_stand_ins(self.refused)) for shard in self.shards],
            conclude=self.conclude,
            amend=self.amend,
        )

    @property
    def shards(self) -> list[Shard]:
        return shards(self.frames, self.size)

    def descriptor(self, shard: Shard, faults: Mapping[int, Fault]) -> Json:
        """What a worker needs to know of one shard, given the frames that are known to be bad."""
        previous = self.shot.neighbour(shard.frames[0], -1, faults) if self._reads_before(shard) else None
        near = self._near(shard)
        contents = {
            frame: (self.contents.get(frame, ""), self.contents.get(stand_in[0], "") if stand_in else "")
            for frame in shard.frames
            for stand_in in [faults[frame].stand_in if frame in faults else None]
        }
        known = all(self.contents.get(frame) or frame in faults for frame in near)
        before = "" if previous is None else self.contents.get(previous, "")
        return shard.to_json() | {
            "urls": [self.urls[frame] for frame in shard.frames],
            "before": None if previous is None else [previous, self.urls[previous]],
            "faults": {str(frame): fault.to_json() for frame, fault in faults.items() if frame in near},
            "keys": frame_keys(self.static, self.shot, contents, faults, before) if known and self.contents else [],
        }

    def _reads_before(self, shard: Shard) -> bool:
        """Whether a shard reads the frame before it, to prove its first frame's motion.

        Pairs inside a shard prove all frames, the first by its motion to the next. Where a source has none, or shards
        hold one frame, that takes one frame more, and for single frames it is done for every eighth only.
        """
        if self.size == 1:
            return shard.index % PROOF_STEP == 1
        stored = self.shot.mapping.bindings
        return "motion" in stored and "motion_next" not in stored

    def _near(self, shard: Shard) -> set[int]:
        """Frames whose being bad matters to a shard."""
        step = self.frames.step
        return {f + d * step for f in shard.frames for d in (-1, 0, 1)} & set(self.frames)

    def with_stand_ins(self, faults: Mapping[int, Fault]) -> dict[int, Fault]:
        """Under `hold`, name the frame that takes each bad one's place: the nearest good one before it, else after."""
        if self.config.on_fault != "hold":
            return dict(faults)
        good = [frame for frame in self.frames if frame not in faults]

        def shown(frame: int) -> tuple[int, str] | None:
            chosen = stand_in(frame, good)
            return None if chosen is None else (chosen, self.urls[chosen])

        return {frame: replace(fault, stand_in=shown(frame)) for frame, fault in faults.items()}

    def faults(self, commits: list[Json]) -> dict[int, Fault]:
        """All bad frames of the shot, as headers and shards found them.

        Raises:
            InputDataError: when most frames are bad: then it is the settings, not the frames.
        """
        found = dict(self.refused)
        for commit in commits:
            rows = zip(commit["frames"], commit["record"]["sha256"], commit["record"]["status"], strict=True)
            for frame, digest, status in rows:
                if status != "ok":
                    why = tuple(Finding(**f) for f in commit["record"]["findings"] if f["frame"] == frame)
                    found[frame] = Fault(digest, why)
        if len(found) > MOST_BAD * len(self.frames):
            self.report.refuse()
            refuse(finding for fault in found.values() for finding in fault.findings)
        return self.with_stand_ins(found)

    def amend(self, commits: list[Json]) -> list[Json]:
        """Shards that did not know of a bad frame among theirs and their neighbours, or of its stand-in."""
        faults = self.faults(commits)
        wanted = (self.descriptor(shard, faults) for shard in self.shards)
        return [shard for shard, commit in zip(wanted, commits, strict=True) if not _knew(commit, shard)]

    def conclude(self, attempt: str, commits: list[Json]) -> Conclusion:
        self._unchanged()
        records = [commit["record"] for commit in commits]
        digests = {f: d for c in commits for f, d in zip(c["frames"], c["record"]["sha256"], strict=True)}
        status = {f: s for c in commits for f, s in zip(c["frames"], c["record"]["status"], strict=True)}
        manifest = self.report.manifest
        manifest = manifest.assign(
            sha256=[digests.get(frame, "") for frame in manifest["frame"]],
            status=[
                kind if kind != "ok" else status.get(frame, kind)
                for frame, kind in zip(manifest["frame"], manifest["status"], strict=True)
            ],
        )
        write_bytes(join(attempt, MANIFEST_FILE), MANIFEST.validate(manifest).to_parquet())
        headers = [unpack(record["headers"]) for record in records]
        write_json(join(attempt, HEADERS_FILE), pack({f: row for shard in headers for f, row in shard.items()}))
        findings = [*map(vars, self.report.findings), *(f for record in records for f in record["findings"])]
        table = findings_table(Finding(**finding) for finding in findings)
        write_bytes(join(attempt, FINDINGS_FILE), table.to_parquet())
        zarr.open_array(join(attempt, DATA, "status"), mode="r+")[:] = np.array(
            [STATUSES.index(status[frame]) for frame in self.frames], np.int32
        )
        color = np.asarray(arrays(join(attempt, DATA))["color"][len(self.frames) // 2])
        write_bytes(join(attempt, PREVIEW_FILE), thumbnail(in_rec709(color, self.facts)))
        contents = {str(frame): digests[frame] for frame in self.frames}
        attributes = {
            **self.facts,
            "data_windows": [box for record in records for box in record["data_window"]],
            "findings": findings,
            "ranges": _merged([record["ranges"] for record in records]),
            "objects": sorted({i for record in records for i in record["objects"]} - {0}),
            "source_bytes": int(manifest["size"].sum()),
            "quarantined": [frame for frame in self.frames if status[frame] == "quarantined"],
            "held": [frame for frame in self.frames if status[frame] == "held"],
        }
        settings = {"settings": self.config.model_dump(mode="json")}
        write_bytes(join(attempt, PAGE_FILE), page(self.name, manifest, table, attributes | settings).encode())
        version_id = identity(KIND, STAGE_VERSION, contents, recipe(self.config))
        return Conclusion(version_id, {"files": contents}, attributes)

    def _unchanged(self) -> None:
        """
        Raises:
            InputDataError: when a source file is not what it was when the run began.
        """
        where = self.layout.renders(self.name), self.config.source, self.config.frames
        now = {file.frame: file for file in find_sequence(*where).files}
        for file in self.sequence.files:
            if now.get(file.frame) != file:
                raise InputDataError(
                    "a source file changed during the run", file=file.url, frame=file.frame, rule="replaced",
                    fix="Wait until the render or copy is finished, then run again; unchanged shards are kept.",
                )  # fmt: skip


def _knew(commit: Json, wanted: Json) -> bool:
    """Whether a shard was made knowing the bad frames that a new descriptor of it names, and their stand-ins."""
    found = {str(f): None for f, s in zip(commit["frames"], commit["record"]["status"], strict=True) if s != "ok"}
    knew = found | {frame: fault["stand_in"] for frame, fault in commit["faults"].items()}
    return all(frame in knew and knew[frame] == fault["stand_in"] for frame, fault in wanted["faults"].items())


def _color_channels(header: Header, mapping: BufferMap, view: str | None) -> list[list[str]]:
    """Name, without its view, and type of each of the source's colour channels."""
    plain = {full: name for name, full in header.names(view).items()}
    return [[plain.get(full, full), header.channels[full]] for full in mapping.bindings["color"].channels]


def _arrays(mapping: BufferMap) -> dict[str, ArraySpec]:
    valid = [f"{name}_valid" for name in ("motion", "motion_next") if name in mapping.bindings]
    return {name: ArraySpec.of(GBUFFER[name], dtype) for name, dtype in mapping.dtypes.items()} | {
        name: ArraySpec.of(GBUFFER[name]) for name in valid
    }


def _merged(ranges: list[dict[str, list[float] | None]]) -> dict[str, list[float]]:
    merged: dict[str, list[float]] = {}
    for entry in ranges:
        for name, pair in entry.items():
            if pair is not None:
                low, high = merged.get(name, pair)
                merged[name] = [min(low, pair[0]), max(high, pair[1])]
    return merged
