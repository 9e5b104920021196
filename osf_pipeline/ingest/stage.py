"""The ingest stage: a shot's EXR sequence to a published G-buffer store.

Belongs here: the stage's entry points and its result. Does not: what a run does in detail (`plan`), a shard (`worker`).
"""

from __future__ import annotations

import time
from dataclasses import replace

from osf_pipeline.execution import Execution, Progress, executor
from osf_pipeline.exr.sequence import find_sequence
from osf_pipeline.ingest.plan import KIND, IngestPlan, known_contents, request_key
from osf_pipeline.layout import Layout
from osf_pipeline.results import StageResult
from osf_pipeline.shots import FrameRange
from osf_pipeline.store.build import Build, build, reuse
from osf_pipeline.store.version import Version
from osf_pipeline.validate.preflight import Report, preflight


def ingest_shot(
    layout: Layout,
    shot: str,
    execution: Execution | None = None,
    progress: Progress | None = None,
    rehash: bool = False,
) -> StageResult:
    """Read, check and store a shot. The same files and settings again do no work; a killed run continues.

    When some files changed, only the shards that depend on them are read again. What happens to a bad frame is the
    shot's `on_fault`: `fail` publishes nothing, `quarantine` leaves it out, `hold` shows the nearest good frame before
    it (after it, at the start) in its place.

    Args:
        rehash: read every file to see whether it changed, instead of trusting size and modification time.

    Raises:
        RequestError: for an unknown shot or bad settings.
        InputDataError: for the first fault in the data under `fail`, or when most frames are bad, or when a file
            changed during the run; nothing is published.
    """
    began = time.monotonic()
    execution = execution or Execution()
    if execution.backend == "ray":  # shards are many and independent: one core each keeps all cores busy
        execution = replace(execution, threads=1)
    config = layout.shot_config(shot)
    sequence = find_sequence(layout.renders(shot), config.source, config.frames)
    store = layout.store(shot, KIND)
    request = request_key(sequence, config)
    version = None if rehash else reuse(store, request)
    if version is not None:
        return _result(shot, version, None, time.monotonic() - began)
    report = preflight(config, sequence)
    if config.on_fault == "fail":
        report.refuse()
    contents = known_contents(store, sequence, rehash)
    plan = IngestPlan(layout, shot, config, sequence, report, contents).plan(request, execution)
    built = build(plan, executor(execution), progress)
    return _result(shot, built.version, built, time.monotonic() - began)


def validate_shot(layout: Layout, shot: str) -> Report:
    """What the headers of a shot's files tell; decodes nothing and writes nothing.

    Raises:
        RequestError: for an unknown shot or bad settings.
        InputDataError: when no file is found.
    """
    config = layout.shot_config(shot)
    return preflight(config, find_sequence(layout.renders(shot), config.source, config.frames))


def _result(shot: str, version: Version, built: Build | None, seconds: float) -> StageResult:
    facts = version.attributes
    x0, y0, x1, y1 = facts["window"]
    metadata = {
        "tier": facts["tier"],
        "size": f"{x1 - x0 + 1}x{y1 - y0 + 1}",
        "frames": str(FrameRange.of(version.frames)),
        "adapter": f"{facts['source']['adapter']} ({facts['source']['evidence']})",
        "source_mb": round(facts["source_bytes"] / 1e6, 1),
        "objects": ", ".join(map(str, facts["objects"])) or "unknown",
        "findings": facts["findings"],
        "ranges": [{"buffer": n, "least": a, "greatest": b} for n, (a, b) in facts["ranges"].items()],
    }
    return StageResult.of(shot, version, built, seconds, metadata)
