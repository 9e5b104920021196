"""The ingest stage: a shot's EXR sequence to a published G-buffer store.

Belongs here: the stage's recipe, its shard worker, its manifest. Does not: decoding and rules (`frames`, `validate`).
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pandas as pd

from osf_pipeline.buffers import CONTOUR_RANGE, GBUFFER
from osf_pipeline.config import ShotConfig, Source
from osf_pipeline.execution import Execution, Json, Progress, executor
from osf_pipeline.exr.adapters import BufferMap, map_buffers
from osf_pipeline.exr.attributes import HEADERS_FILE, pack, unpack
from osf_pipeline.exr.header import Header, read_header
from osf_pipeline.exr.sequence import Sequence, find_sequence
from osf_pipeline.exr.write import Window
from osf_pipeline.ingest.frames import load_shard
from osf_pipeline.layout import Layout, join
from osf_pipeline.results import StageResult
from osf_pipeline.shots import FrameRange, shards
from osf_pipeline.store.build import Conclusion, Plan, build, reuse
from osf_pipeline.store.files import write_json
from osf_pipeline.store.identity import identity
from osf_pipeline.store.schema import ArraySpec, StoreSpec
from osf_pipeline.store.version import Version
from osf_pipeline.store.writer import ShardWriter
from osf_pipeline.validate.findings import refuse
from osf_pipeline.validate.preflight import Report, preflight
from osf_pipeline.validate.schema import MANIFEST

KIND = "gbuffer"
STAGE_VERSION = 2
SHARD_FRAMES = 8
SHARD_BYTES = 256 * 2**20
MANIFEST_FILE, FINDINGS_FILE = "manifest.parquet", "findings.parquet"


def ingest_shot(
    layout: Layout, shot: str, execution: Execution | None = None, progress: Progress | None = None
) -> StageResult:
    """Read, check and store a shot. The same files and settings again do no work; a killed run continues.

    Raises:
        RequestError: for an unknown shot or bad settings.
        InputDataError: for the first fault in the data; nothing is published.
    """
    began = time.monotonic()
    execution = execution or Execution()
    config = layout.shot_config(shot)
    sequence = find_sequence(layout.renders(shot), config.source, config.frames)
    store = layout.store(shot, KIND)
    request = identity(KIND, STAGE_VERSION, _listing(sequence), _recipe(config))
    version = reuse(store, request)
    won = False
    if version is None:
        report = preflight(config, sequence)
        report.refuse()
        version, won = build(_plan(store, request, config, sequence, report, execution), executor(execution), progress)
    return _result(shot, version, not won, time.monotonic() - began)


def validate_shot(layout: Layout, shot: str) -> Report:
    """What the headers of a shot's files tell; decodes nothing and writes nothing.

    Raises:
        RequestError: for an unknown shot or bad settings.
        InputDataError: when no file is found.
    """
    config = layout.shot_config(shot)
    return preflight(config, find_sequence(layout.renders(shot), config.source, config.frames))


class IngestWorker:
    """One shard of EXR files to one shard of a G-buffer store."""

    def __init__(self, job: Json) -> None:
        self.config = ShotConfig.model_validate(job["config"])
        self.mapping = map_buffers(read_header(job["first"]), self.config)
        self.window = tuple(job["window"])
        self.frames = FrameRange.of(job["frames"])
        self.threads = job["threads"]
        self.out = ShardWriter(job["attempt"])

    def __call__(self, shard: Json) -> Json:
        urls = dict(zip(shard["frames"], shard["urls"], strict=True))
        loaded = load_shard(urls, self.config, self.mapping, self.window, self.frames, self.threads)
        findings = [*loaded.findings, *(finding for record in loaded.records for finding in record.findings)]
        refuse(findings)
        record = {
            "sha256": [r.sha256 for r in loaded.records],
            "data_window": [r.data_window for r in loaded.records],
            "headers": pack({r.frame: r.attributes for r in loaded.records}),
            "findings": [vars(finding) for finding in findings],
            "ranges": {name: _range(values) for name, values in loaded.buffers.items()},
            "objects": np.flatnonzero(np.bincount(loaded.buffers["object_id"].ravel())).tolist()
            if "object_id" in loaded.buffers
            else [],
        }
        return self.out.write(shard, loaded.buffers, record)


def shard_frames(height: int, width: int, specs: dict[str, ArraySpec]) -> int:
    """Frames in a shard: at most 8, and at most 256 MiB of pixels."""
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


def _color_channels(header: Header, mapping: BufferMap, view: str | None) -> list[list[str]]:
    """Name, without its view, and type of each of the source's colour channels."""
    plain = {full: name for name, full in header.names(view).items()}
    return [[plain.get(full, full), header.channels[full]] for full in mapping.bindings["color"].channels]


def _recipe(config: ShotConfig) -> dict[str, Any]:
    """The settings that decide the arrays; styles, names and fps do not."""
    return config.model_dump(mode="json", include={*Source.model_fields, "view", "cuts", "frames"})


def _listing(sequence: Sequence) -> list[list[Any]]:
    return [[file.frame, file.url, file.size, file.mtime] for file in sequence.files]


def _plan(
    store: str, request: str, config: ShotConfig, sequence: Sequence, report: Report, execution: Execution
) -> Plan:
    mapping, display = report.mapping, report.display_window
    assert mapping is not None
    assert display is not None
    assert report.window is not None
    window = drawn_window(report.window, display)
    width, height = window[2] - window[0] + 1, window[3] - window[1] + 1
    specs = _arrays(mapping)
    frames, urls = sequence.frames, sequence.urls
    size = shard_frames(height, width, specs)
    facts = {
        "tier": str(mapping.tier),
        "window": list(window),
        "display_window": list(display),
        "pixel_aspect": report.pixel_aspect,
        "color_channels": _color_channels(read_header(next(iter(urls.values()))), mapping, config.view),
        "source": mapping.describe(),
    }

    def conclude(attempt: str, commits: list[Json]) -> Conclusion:
        records = [commit["record"] for commit in commits]
        manifest = report.manifest.assign(sha256=[digest for record in records for digest in record["sha256"]])
        MANIFEST.validate(manifest).to_parquet(join(attempt, MANIFEST_FILE))
        headers = [unpack(record["headers"]) for record in records]
        write_json(join(attempt, HEADERS_FILE), pack({f: row for shard in headers for f, row in shard.items()}))
        findings = [*map(vars, report.findings), *(f for record in records for f in record["findings"])]
        pd.DataFrame(findings, columns=list(report.table.columns)).to_parquet(join(attempt, FINDINGS_FILE))
        contents = dict(zip(map(str, manifest["frame"]), manifest["sha256"], strict=True))
        attributes = {
            **facts,
            "data_windows": [box for record in records for box in record["data_window"]],
            "findings": findings,
            "ranges": _merged([record["ranges"] for record in records]),
            "objects": sorted({i for record in records for i in record["objects"]} - {0}),
            "source_bytes": int(manifest["size"].sum()),
        }
        return Conclusion(identity(KIND, STAGE_VERSION, contents, _recipe(config)), {"files": contents}, attributes)

    return Plan(
        store=store,
        spec=StoreSpec(KIND, specs, frames.frames, height, width, size, facts),
        request=request,
        worker=f"{__name__}:IngestWorker",
        job={
            "config": config.model_dump(mode="json"),
            "first": next(iter(urls.values())),
            "window": list(window),
            "frames": list(frames),
            "threads": execution.threads,
        },
        shards=[s.to_json() | {"urls": [urls[frame] for frame in s.frames]} for s in shards(frames, size)],
        conclude=conclude,
    )


def _arrays(mapping: BufferMap) -> dict[str, ArraySpec]:
    valid = [f"{name}_valid" for name in ("motion", "motion_next") if name in mapping.bindings]
    return {name: ArraySpec.of(GBUFFER[name], dtype) for name, dtype in mapping.dtypes.items()} | {
        name: ArraySpec.of(GBUFFER[name]) for name in valid
    }


def _range(values: np.ndarray) -> list[float] | None:
    """Least and greatest finite value of every fourth pixel; None when there is none."""
    some = values[:, :, ::4, ::4].astype(np.float32)
    finite = some[np.isfinite(some)]
    return [float(finite.min()), float(finite.max())] if finite.size else None


def _merged(ranges: list[dict[str, list[float] | None]]) -> dict[str, list[float]]:
    merged: dict[str, list[float]] = {}
    for entry in ranges:
        for name, pair in entry.items():
            if pair is not None:
                low, high = merged.get(name, pair)
                merged[name] = [min(low, pair[0]), max(high, pair[1])]
    return merged


def _result(shot: str, version: Version, reused: bool, seconds: float) -> StageResult:
    from osf_pipeline.delivery.preview import thumbnail

    facts = version.attributes
    height, width = version.shape
    middle = len(version.frames) // 2
    metadata = {
        "tier": facts["tier"],
        "size": f"{width}x{height}",
        "frames": str(FrameRange.of(version.frames)),
        "adapter": f"{facts['source']['adapter']} ({facts['source']['evidence']})",
        "source_mb": round(facts["source_bytes"] / 1e6, 1),
        "objects": ", ".join(map(str, facts["objects"])) or "unknown",
        "findings": facts["findings"],
        "ranges": [{"buffer": n, "least": a, "greatest": b} for n, (a, b) in facts["ranges"].items()],
    }
    picture = thumbnail(version.read(middle, middle + 1, ("color",))["color"][0])
    return StageResult(shot, KIND, version.id, version.url, reused, len(version.frames), seconds, metadata, picture)
