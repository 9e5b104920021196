"""The stylize stage: G-buffers and guidance to a published store of layers.

Belongs here: which model draws which object, the shard worker. Does not: one frame through one model (`frame`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from osf_pipeline.buffers import LAYERS, Tier
from osf_pipeline.colorspaces.spaces import in_rec709, store_space
from osf_pipeline.config import ShotConfig
from osf_pipeline.delivery.preview import thumbnail
from osf_pipeline.errors import InputDataError, RequestError
from osf_pipeline.execution import Execution, Json, Progress, executor
from osf_pipeline.layout import Layout, join
from osf_pipeline.results import StageResult
from osf_pipeline.shots import FrameRange, shards
from osf_pipeline.store.build import Build, Conclusion, Plan, build, reuse
from osf_pipeline.store.files import write_bytes
from osf_pipeline.store.identity import frame_key, identity
from osf_pipeline.store.schema import DATA, ArraySpec, StoreSpec, arrays
from osf_pipeline.store.version import PREVIEW_FILE, Version, find, reopen, require, stored_files
from osf_pipeline.store.writer import ShardWriter

KIND = "stylized"
STAGE_VERSION = 2
ALL = "*"
READ = ("color", "rest_position", "object_id")
"""G-buffers that are read where present."""
GUIDES = ("contour", "contour_side", "confidence")


def stylize_shot(
    layout: Layout,
    shot: str,
    execution: Execution | None = None,
    progress: Progress | None = None,
    alias: str = "champion",
) -> StageResult:
    """Draw the line of every frame with the registered model of each style.

    Args:
        alias: registry alias or version number; resolved once, workers get the exact version's files.

    Raises:
        RequestError: when the shot has no guidance yet, names no style, or a style has no such model.
        InputDataError: when a model needs more than the store knows.
    """
    from osf_pipeline.tracking.tracker import Tracker, model_name

    began = time.monotonic()
    execution = execution or Execution()
    config = layout.shot_config(shot)
    gbuffer, guidance = inputs(layout, shot)
    names = dict(enumerate(gbuffer.attributes["source"]["objects"], start=1))  # of a Cryptomatte
    config = config.model_copy(update={"objects": names | config.objects})
    styles = styles_of(config, gbuffer.attributes["objects"], shot)
    tracker = Tracker.at(layout.home)
    models = {style: tracker.resolve(model_name(style), alias) for style in sorted(set(styles.values()))}
    for style, model in models.items():
        _check_tier(style, model.path, gbuffer)
    recipe = {"styles": {str(i): style for i, style in styles.items()}}
    weights = [f"{style} {model.sha256} {frame_key(_decisive(model.path))}" for style, model in models.items()]
    version_id = identity(KIND, STAGE_VERSION, {"guidance": guidance.id, "gbuffer": gbuffer.id}, recipe, weights)
    store = layout.store(shot, KIND)
    used = {style: {"model": m.name, "version": m.version, "sha256": m.sha256} for style, m in models.items()}
    version, built = reuse(store, version_id), None
    if version is None:
        height, width = gbuffer.shape
        specs = {name: ArraySpec.of(buffer) for name, buffer in LAYERS.items()}
        facts = {key: gbuffer.attributes[key] for key in ("window", "display_window", "pixel_aspect")}
        facts["color_space"] = store_space(gbuffer.attributes).attributes
        static = [recipe, weights, gbuffer.attributes["window"][:2], facts["color_space"]]
        keys = [frame_key(KIND, STAGE_VERSION, static, *pair) for pair in zip(gbuffer.keys, guidance.keys, strict=True)]
        bad = {"quarantined": list(gbuffer.quarantined), "held": list(gbuffer.held)}

        def conclude(attempt: str, commits: list[Json]) -> Conclusion:
            beauty = np.asarray(arrays(join(attempt, DATA))["beauty"][len(gbuffer.frames) // 2])
            write_bytes(join(attempt, PREVIEW_FILE), thumbnail(in_rec709(beauty, facts)))
            seconds = [s for c in commits for s in c["record"]["seconds"]]
            inputs = {"gbuffer": gbuffer.id, "guidance": guidance.id, "models": used}
            return Conclusion(version_id, inputs, facts | {"seconds": seconds, **bad})

        plan = Plan(
            store=store,
            spec=StoreSpec(KIND, specs, gbuffer.frames, height, width, gbuffer.shard_frames, facts | {"models": used}),
            request=version_id,
            worker=f"{__name__}:StylizeWorker",
            job={
                "gbuffer": [gbuffer.store, gbuffer.id],
                "guidance": [guidance.store, guidance.id],
                "styles": recipe["styles"],
                "models": {style: str(model.path) for style, model in models.items()},
                "origin": gbuffer.attributes["window"][:2],
                "threads": execution.threads,
                "device": "cuda" if execution.gpus else "cpu",
            },
            shards=[
                s.to_json() | {"keys": keys[s.start : s.stop]}
                for s in shards(FrameRange.of(gbuffer.frames), gbuffer.shard_frames)
            ],
            conclude=conclude,
        )
        built = build(plan, executor(execution), progress)
        version = built.version
    return _result(shot, version, used, built, time.monotonic() - began)


def inputs(layout: Layout, shot: str) -> tuple[Version, Version]:
    """The G-buffers and the guidance made from them: the current guidance decides.

    Raises:
        RequestError: when either is missing; names the command that makes it.
    """
    guidance = require(layout.store(shot, "guidance"), "guide", shot)
    gbuffer = find(layout.store(shot, "gbuffer"), guidance.record["inputs"]["gbuffer"])
    if gbuffer is None:
        raise RequestError("the G-buffers behind the guidance are gone", shot=shot, fix=f"Run `osf ingest {shot}`.")
    return gbuffer, guidance


def styles_of(config: ShotConfig, objects: list[int], shot: str) -> dict[int | str, str]:
    """Object id to style, for the objects that are stylized. Without ids, `*` alone stands for everything.

    Raises:
        RequestError: when no object has a style.
    """
    found: dict[int | str, str] = {i: style for i in objects if (style := config.style_of(i)) is not None}
    if not objects and ALL in config.styles:
        found = {ALL: config.styles[ALL]}
    if not found:
        raise RequestError(
            "no object of the shot has a style", shot=shot, fix="Set `styles: {'*': <style>}` in shot.yaml."
        )
    return found


def _card(folder: Path) -> Json:
    card: Json = json.loads((folder / "card.json").read_text())
    return card


def _decisive(folder: Path) -> Json:
    """What a model's card says that decides how its weights draw."""
    return {name: value for name, value in _card(folder).items() if name in ("stroke", "rest_box", "color_space")}


def _check_tier(style: str, folder: Path, gbuffer: Version) -> None:
    needed = _card(folder)["tier"]
    if needed == Tier.FULL and gbuffer.attributes["tier"] == Tier.ESTIMATED:
        raise InputDataError(
            "the model needs G-buffers of the full tier", style=style, store=gbuffer.id, tier=Tier.ESTIMATED,
            fix="Render depth, normals, ids, rest position and motion, or use a model of the estimated tier.",
        )  # fmt: skip


@dataclass(frozen=True)
class Painter:
    """Several stylizers on one frame, each on its own objects.

    Attributes:
        stylizers: style to its prepared network.
        styles: object id (or `*`) to style; objects that are not listed keep their render.
    """

    stylizers: Mapping[str, Any]
    styles: Mapping[int | str, str]

    def __call__(self, frame: Mapping[str, np.ndarray], origin: tuple[int, int]) -> dict[str, np.ndarray]:
        """Layers of one frame (`buffers.LAYERS`); without an `object_id` in it one style draws everything."""
        drawn = {style: stylizer(frame, origin) for style, stylizer in self.stylizers.items()}
        layers = next(iter(drawn.values()))
        alone = ALL in self.styles or set(np.unique(frame["object_id"]).tolist()) - {0} <= set(self.styles)
        if len(drawn) == 1 and alone:
            return layers
        place = nearest_object(frame["object_id"][0])
        line = np.zeros_like(layers["line"])
        for style, found in drawn.items():
            mine = np.isin(place, [i for i, name in self.styles.items() if name == style])
            line[:, mine] = found["line"][:, mine]
        beauty = line + layers["fill"].astype(np.float32) * (1 - line[3:].astype(np.float32))
        return layers | {"line": line, "beauty": beauty.astype(np.float16)}


def nearest_object(objects: np.ndarray) -> np.ndarray:
    """(y, x) ids where every background pixel has the id of the nearest object, whose line may reach out there."""
    from scipy import ndimage

    rows, columns = ndimage.distance_transform_edt(objects == 0, return_distances=False, return_indices=True)
    return objects[rows, columns]


class StylizeWorker:
    """One shard of G-buffers and guidance to one shard of layers."""

    def __init__(self, job: Json) -> None:
        import torch

        from model.weights import load
        from osf_pipeline.stylize.frame import Stylizer

        torch.set_num_threads(job["threads"])
        self.gbuffer, self.guidance = (reopen(*job[name]) for name in ("gbuffer", "guidance"))
        styles = {i if i == ALL else int(i): style for i, style in job["styles"].items()}
        space = store_space(self.gbuffer.attributes)
        stylizers = {
            style: Stylizer(*load(Path(path)), device=job["device"], space=space)
            for style, path in job["models"].items()
        }
        self.painter = Painter(stylizers, styles)
        self.origin = tuple(job["origin"])
        self.out = ShardWriter(job["attempt"])

    @staticmethod
    def reads(job: Json, shard: Json) -> Iterator[tuple[str, str]]:
        """Folder and paths below it of what a shard reads; see `replay.pack`."""
        from model.weights import CARD, WEIGHTS

        gbuffer, guidance = (reopen(*job[name]) for name in ("gbuffer", "guidance"))
        start, stop = shard["start"], shard["start"] + len(shard["frames"])
        names = [name for name in READ if name in gbuffer.names]
        yield from ((gbuffer.store, path) for path in stored_files(gbuffer, names, start, stop))
        yield from ((guidance.store, path) for path in stored_files(guidance, GUIDES, start, stop))
        yield from ((folder, file) for folder in job["models"].values() for file in (WEIGHTS, CARD))

    def __call__(self, shard: Json) -> Json:
        names = tuple(name for name in READ if name in self.gbuffer.names)
        layers: dict[str, list[np.ndarray]] = {name: [] for name in LAYERS}
        seconds = []
        for at, number in enumerate(shard["frames"], shard["start"]):
            began = time.perf_counter()
            if number in self.gbuffer.quarantined:
                for name, buffer in LAYERS.items():
                    layers[name].append(buffer.empty(1, *self.gbuffer.shape)[0])
                seconds.append(0.0)
                continue
            pixels = self.gbuffer.read(at, at + 1, names) | self.guidance.read(at, at + 1, GUIDES)
            found = self.painter({name: values[0] for name, values in pixels.items()}, self.origin)
            for name, values in found.items():
                layers[name].append(values)
            seconds.append(round(time.perf_counter() - began, 4))
        return self.out.write(shard, {n: np.stack(v) for n, v in layers.items()}, {"seconds": seconds})


def _result(shot: str, version: Version, used: Json, built: Build | None, seconds: float) -> StageResult:
    metadata = {
        "models": [{"style": style, **model} for style, model in used.items()],
        "seconds_per_frame": round(float(np.median(version.attributes["seconds"])), 3),
        "frames": str(FrameRange.of(version.frames)),
        "layers": ", ".join(LAYERS),
        "gbuffer": version.record["inputs"]["gbuffer"],
        "guidance": version.record["inputs"]["guidance"],
    }
    return StageResult.of(shot, version, built, seconds, metadata)
