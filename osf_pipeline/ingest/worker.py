"""The worker of the ingest stage: one shard of EXR files to one shard of a G-buffer store.

Belongs here: what runs for a shard, wherever it runs. Does not: decoding and rules (`frames`), which shards there
are and what is known of them beforehand (`plan`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from osf_pipeline.config import ShotConfig
from osf_pipeline.execution import Json
from osf_pipeline.exr.adapters import map_buffers
from osf_pipeline.exr.attributes import pack
from osf_pipeline.exr.header import read_header
from osf_pipeline.ingest.frames import Fault, Shot, load_shard
from osf_pipeline.shots import FrameRange
from osf_pipeline.store.encode import Box
from osf_pipeline.store.identity import frame_key
from osf_pipeline.store.writer import ShardWriter
from osf_pipeline.validate.findings import refuse


class IngestWorker:
    """One shard of EXR files to one shard of a G-buffer store."""

    in_flight = 2

    def __init__(self, job: Json) -> None:
        config = ShotConfig.model_validate(job["config"])
        mapping = replace(map_buffers(read_header(job["first"]), config), objects=job["objects"])
        self.shot = Shot(config, mapping, tuple(job["window"]), FrameRange.of(job["frames"]))
        self.static = job["static"]
        self.pool = ThreadPoolExecutor(job["threads"])
        self.out = ShardWriter(job["attempt"], self.pool)

    @staticmethod
    def reads(job: Json, shard: Json) -> Iterator[tuple[str, str]]:
        """URLs of the files a shard reads; see `replay.pack`.

        Tables that an OpenColorIO configuration keeps in files of their own stay behind.
        """
        stand_ins = [fault["stand_in"] for fault in shard["faults"].values()]
        others = [url for _, url in filter(None, [shard["before"], *stand_ins])]
        ocio = job["config"]["ocio"]
        config = [ocio] if ocio and not ocio.startswith("ocio://") else []
        yield from ((url, "") for url in (job["first"], *shard["urls"], *others, *config) if url)

    def __call__(self, shard: Json) -> Json:
        urls = dict(zip(shard["frames"], shard["urls"], strict=True))
        faults = {int(frame): Fault.of_json(fault) for frame, fault in shard["faults"].items()}
        before = shard["before"] and tuple(shard["before"])
        loaded = load_shard(self.shot, urls, faults=faults, before=before, pool=self.pool)
        records = loaded.records
        findings = [*loaded.findings, *(finding for record in records for finding in record.findings)]
        if self.shot.config.on_fault == "fail":
            refuse(findings)
        bad = {*faults, *(r.frame for r in records if r.status != "ok")}
        contents = {r.frame: (r.sha256, r.stand_in) for r in records}
        record = {
            "sha256": [r.sha256 for r in records],
            "status": [r.status for r in records],
            "data_window": [r.data_window for r in records],
            "headers": pack({r.frame: r.attributes for r in records}),
            "findings": [vars(finding) for finding in findings],
            "ranges": {name: _range(values, loaded.boxes) for name, values in loaded.buffers.items()},
            "objects": sorted(_ids(loaded.buffers["object_id"], loaded.boxes)) if "object_id" in loaded.buffers else [],
        }
        keys = frame_keys(self.static, self.shot, contents, bad, loaded.before)
        return self.out.write(shard, loaded.buffers, record, keys=keys, boxes=loaded.boxes)


def frame_keys(
    static: str, shot: Shot, contents: Mapping[int, tuple[str, str]], bad: Collection[int], before: str
) -> list[str]:
    """Keys of a shard's frames: their contents, and towards which neighbours their motion is valid.

    Args:
        static: key of all that is equal for every frame of the shot.
        contents: frame to the sha256 of its file and of its stand-in.
        bad: frames that are not `ok`.
        before: sha256 of the file that was read to prove the first frame's motion; empty when none was.
    """
    return [
        frame_key(
            static, frame, *hashes, frame in bad, "" if index else before,
            shot.neighbour(frame, -1, bad) is not None, shot.neighbour(frame, 1, bad) is not None,
        )
        for index, (frame, hashes) in enumerate(contents.items())
    ]  # fmt: skip


def _range(values: np.ndarray, boxes: Sequence[Box | None]) -> list[float] | None:
    """Least and greatest finite value of every fourth pixel inside the boxes; None when there is none."""
    found: list[float] = []
    for planes, box in zip(values, boxes, strict=True):
        if box:
            some = planes[:, box[1] : box[3] : 4, box[0] : box[2] : 4].astype(np.float32)
            finite = some[np.isfinite(some)]
            found += [float(finite.min()), float(finite.max())] if finite.size else []
    return [min(found), max(found)] if found else None


def _ids(values: np.ndarray, boxes: Sequence[Box | None]) -> set[int]:
    """All ids inside the boxes."""
    inside = (v[0, b[1] : b[3], b[0] : b[2]] for v, b in zip(values, boxes, strict=True) if b)
    return {int(i) for ids in inside for i in np.flatnonzero(np.bincount(ids.ravel()))}
