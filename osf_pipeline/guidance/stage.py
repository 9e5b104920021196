"""The guide stage: a G-buffer store to a published guidance store.

Belongs here: the shot's rule, cuts and neighbours, the shard worker. Does not: the guides themselves (`guides`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from osf_pipeline.buffers import GUIDANCE
from osf_pipeline.colorspaces.spaces import in_rec709
from osf_pipeline.config import Occlusion, ShotConfig
from osf_pipeline.delivery.preview import encode_png, resized
from osf_pipeline.errors import InputDataError
from osf_pipeline.execution import Execution, Json, Progress, executor
from osf_pipeline.layout import Layout, join
from osf_pipeline.occlusion.choice import Choice, choose
from osf_pipeline.results import StageResult
from osf_pipeline.shots import FrameRange, shards
from osf_pipeline.store.build import Build, Conclusion, Plan, build, reuse
from osf_pipeline.store.files import write_bytes
from osf_pipeline.store.identity import frame_key, identity
from osf_pipeline.store.schema import DATA, ArraySpec, StoreSpec, arrays
from osf_pipeline.store.version import PREVIEW_FILE, Version, reopen, require, stored_files
from osf_pipeline.store.writer import ShardWriter

KIND = "guidance"
STAGE_VERSION = 9
RULE_FRAMES = 4
"""Frames, spread over the shot, from which its contour rule is measured."""


def guide_shot(
    layout: Layout, shot: str, execution: Execution | None = None, progress: Progress | None = None
) -> StageResult:
    """Compute the guidance of the current G-buffers.

    Raises:
        RequestError: when the shot is not ingested yet.
        InputDataError: when its geometry cannot be measured, or the shot lacks what it asks for.
    """
    began = time.monotonic()
    execution = execution or Execution()
    gbuffer = require(layout.store(shot, "gbuffer"), "ingest", shot)
    config = layout.shot_config(shot)
    if config.intersections and not _geometry(gbuffer):
        raise InputDataError(
            "intersections need geometry, which this shot lacks", shot=shot, missing=", ".join(_lacking(gbuffer)),
            fix="Render it, or leave `intersections` out of shot.yaml.",
        )  # fmt: skip
    choice = choose(
        config.occlusion, layout.home, layout.renders(shot),
        exact=_geometry(gbuffer) and "motion" in gbuffer.names,
        frames=gbuffer.frames, starts=run_starts(gbuffer, config),
    )  # fmt: skip
    inputs: dict[str, Any] = {"gbuffer": gbuffer.id}
    if choice.maps:
        inputs["maps"] = [choice.hashes(frame) for frame in gbuffer.frames]
    recipe = config.model_dump(mode="json", include={"camera", "rest_box", "cuts", "intersections"}) | choice.recipe
    version_id = identity(KIND, STAGE_VERSION, inputs, recipe, choice.weights)
    store = layout.store(shot, KIND)
    version, built = reuse(store, version_id), None
    if version is None:
        built = build(_plan(store, version_id, gbuffer, config, execution, choice), executor(execution), progress)
        version = built.version
    return _result(shot, version, built, time.monotonic() - began)


def _plan(
    store: str, version_id: str, gbuffer: Version, config: ShotConfig, execution: Execution, choice: Choice
) -> Plan:
    from osf_pipeline.guidance.guides import GEOMETRY, OPTIONAL, sources

    height, width = gbuffer.shape
    names = [name for name in ("color", *GEOMETRY, *OPTIONAL) if name in gbuffer.names]
    rule = _rule(gbuffer, config) if _geometry(gbuffer) else None
    facts = {
        "tier": gbuffer.attributes["tier"],
        "sources": sources(names, estimated=choice.estimator is not None, maps=choice.maps),
        "rule": rule,
        "occlusion": choice.describe(),
    }
    specs = {name: ArraySpec.of(buffer) for name, buffer in GUIDANCE.items()}
    frames = FrameRange.of(gbuffer.frames)
    starts = run_starts(gbuffer, config)
    keys = _keys(gbuffer, starts, [names, rule], choice)

    def conclude(attempt: str, commits: list[Json]) -> Conclusion:
        curves = {name: [v for c in commits for v in c["record"][name]] for name in commits[0]["record"]}
        stored, middle = arrays(join(attempt, DATA)), len(frames) // 2
        shown = {name: np.asarray(stored[name][middle]) for name in ("contour", "contour_side", "revealed")}
        write_bytes(join(attempt, PREVIEW_FILE), encode_png(resized(guide_picture(shown), 192)))
        return Conclusion(
            version_id,
            {"gbuffer": gbuffer.id},
            facts | {"curves": curves, "quarantined": list(gbuffer.quarantined), "held": list(gbuffer.held)},
        )

    return Plan(
        store=store,
        spec=StoreSpec(KIND, specs, gbuffer.frames, height, width, gbuffer.shard_frames, facts),
        request=version_id,
        worker=f"{__name__}:GuideWorker",
        job={
            "gbuffer": [gbuffer.store, gbuffer.id],
            "names": names,
            "rule": rule,
            "starts": starts,
            "threads": execution.threads,
            "occlusion": choice.to_json(),
        },
        shards=[
            s.to_json() | {"keys": keys[s.start : s.stop], "maps": choice.urls(s.frames)}
            for s in shards(frames, gbuffer.shard_frames)
        ],
        conclude=conclude,
    )


def run_starts(gbuffer: Version, config: ShotConfig) -> list[int]:
    """Positions that nothing temporal crosses: after a gap, at a cut, at a bad frame and after one."""
    frames, bad = FrameRange.of(gbuffer.frames), {*gbuffer.quarantined, *gbuffer.held}
    pairs = list(pairwise(frames))
    return [i for i, (a, b) in enumerate(pairs, 1) if b - a != frames.step or b in config.cuts or a in bad or b in bad]


def _lacking(gbuffer: Version) -> list[str]:
    from osf_pipeline.guidance.guides import GEOMETRY

    return [name for name in GEOMETRY if name not in gbuffer.names]


def _geometry(gbuffer: Version) -> bool:
    return not _lacking(gbuffer)


def _keys(gbuffer: Version, starts: list[int], static: list[Any], choice: Choice) -> list[str]:
    """Keys of frames: a frame's guides depend on it, its maps and, where nothing separates them, its two neighbours."""
    here, static = gbuffer.keys, [*static, *choice.decisive]
    return [
        frame_key(
            KIND, STAGE_VERSION, static, key, *choice.hashes(gbuffer.frames[i]),
            here[i - 1] if i > 0 and i not in starts else None,
            here[i + 1] if i + 1 < len(here) and i + 1 not in starts else None,
        )
        for i, key in enumerate(here)
    ]  # fmt: skip


def _rule(gbuffer: Version, config: ShotConfig) -> dict[str, Any]:
    from osf_pipeline.guidance.guides import GEOMETRY
    from osf_pipeline.guidance.rule import shot_rule

    count = len(gbuffer.frames)
    positions = sorted({round(i * (count - 1) / max(1, RULE_FRAMES - 1)) for i in range(RULE_FRAMES)})
    some = [gbuffer.read(i, i + 1, GEOMETRY) for i in positions]
    stacked = {name: np.concatenate([frame[name] for frame in some]) for name in GEOMETRY}
    display = gbuffer.attributes["display_window"]
    rule = shot_rule(
        stacked,
        camera=config.camera_at(gbuffer.frames[positions[0]]),
        display_width=display[2] - display[0] + 1,
        rest_box=config.rest_box,
        intersections=config.intersections,
    )
    return asdict(rule)


class GuideWorker:
    """One shard of G-buffers, and a frame on either side, to one shard of guidance."""

    def __init__(self, job: Json) -> None:
        import torch

        from model.contours import ContourRule

        torch.set_num_threads(job["threads"])
        occlusion = job.get("occlusion", Choice(Occlusion()).to_json())  # absent in attempts of earlier releases
        self.config = Occlusion.model_validate(occlusion["config"])
        self.estimator = None
        if occlusion["estimator"] is not None:
            from osf_pipeline.occlusion.estimators import estimator

            self.estimator = estimator(occlusion["estimator"])(occlusion["model"] and Path(occlusion["model"]))
        self.gbuffer = reopen(*job["gbuffer"])
        self.names = tuple(job["names"])
        self.rule = ContourRule(**job["rule"]) if job["rule"] else None
        self.starts = set(job["starts"])
        self.out = ShardWriter(job["attempt"])

    def __call__(self, shard: Json) -> Json:
        from osf_pipeline.guidance.guides import guides

        start, stop = shard["start"], shard["start"] + len(shard["frames"])
        found = guides(
            self._read(start, stop),
            self._neighbour(start - 1),
            self._neighbour(stop),
            self.rule,
            starts={i - start for i in range(start, stop + 1) if i in self.starts},
            occlusion=self.estimator,
            maps={name: self._maps(urls) for name, urls in shard.get("maps", {}).items()},
        )
        return self.out.write(shard, found, _curves(found))

    @staticmethod
    def reads(job: Json, shard: Json) -> Iterator[tuple[str, str]]:
        """Store and paths below it of what a shard reads; see `replay.pack`."""
        gbuffer, start = reopen(*job["gbuffer"]), shard["start"]
        paths = stored_files(gbuffer, job["names"], start - 1, start + len(shard["frames"]) + 1)
        yield from ((gbuffer.store, path) for path in paths)
        yield from ((url, "") for urls in shard.get("maps", {}).values() for url in urls if url)
        if folder := job.get("occlusion", {}).get("model"):
            from model.weights import CARD, WEIGHTS

            yield from ((folder, file) for file in (WEIGHTS, CARD))

    def _maps(self, urls: list[str | None]) -> np.ndarray:
        """(frame, 1, y, x) float32; 0 for frames without one."""
        from osf_pipeline.occlusion.maps import read_map

        window, display = (tuple(self.gbuffer.attributes[name]) for name in ("window", "display_window"))
        empty = np.zeros((1, *self.gbuffer.shape), np.float32)
        return np.stack([read_map(url, self.config, window, display) if url else empty for url in urls])

    def _neighbour(self, position: int) -> dict[str, np.ndarray] | None:
        inside = 0 <= position < len(self.gbuffer.frames)
        return self._read(position, position + 1) if inside else None

    def _read(self, start: int, stop: int) -> dict[str, np.ndarray]:
        """Flow is estimated on what the eye sees, so colour comes in Rec. 709."""
        frames = self.gbuffer.read(start, stop, self.names)
        return frames | {"color": in_rec709(frames["color"], self.gbuffer.attributes)}


def _curves(found: dict[str, np.ndarray]) -> dict[str, list[float]]:
    """Per frame: pixels on a contour, revealed, hidden next, and the mean confidence."""
    marks = {
        "contour_px": (found["contour"] < 1) & (found["contour_side"] > 0),
        "revealed_px": found["revealed"] > 0.5,
        "hidden_next_px": found["hidden_next"] > 0.5,
    }
    counts = {name: mask.sum(axis=(1, 2, 3)).tolist() for name, mask in marks.items()}
    trust = found["confidence"].astype(np.float32).mean(axis=(1, 2, 3))
    return counts | {"confidence": [round(float(value), 5) for value in trust]}


def _result(shot: str, version: Version, built: Build | None, seconds: float) -> StageResult:
    facts = version.attributes
    metadata = {
        "tier": facts["tier"],
        "frames": str(FrameRange.of(version.frames)),
        "occlusion": facts.get("occlusion", {}).get("mode", "auto"),
        "sources": [{"guide": guide, "from": origin} for guide, origin in facts["sources"].items()],
        "rule": [{"threshold": k, "value": str(v)} for k, v in (facts["rule"] or {}).items()],
        **{f"mean_{name}": round(float(np.mean(values)), 3) for name, values in facts["curves"].items()},
        "gbuffer": version.record["inputs"]["gbuffer"],
    }
    return StageResult.of(shot, version, built, seconds, metadata)


def guide_picture(guides: dict[str, np.ndarray]) -> np.ndarray:
    """Guides for the eye, (y, x, 3) uint8: contours blue on the owner's side and grey beyond it, revealed red."""
    near = np.clip(1 - guides["contour"][0].astype(np.float32) / 12, 0, 1)
    owner = guides["contour_side"][0] > 0
    shade = np.stack([1 - near, 1 - near * np.where(owner, 0.75, 1), 1 - near * np.where(owner, 0.2, 1)])
    shade = np.where(owner, shade, 1 - 0.45 * near)
    revealed = guides["revealed"][0].astype(np.float32)
    red = np.array([0.86, 0.15, 0.15])[:, None, None]
    mixed = shade * (1 - revealed) + red * revealed
    return np.rint(255 * np.moveaxis(mixed, 0, -1)).astype(np.uint8)
