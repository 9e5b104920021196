"""The stylize stage: G-buffers and guidance to a published store of layers.

Belongs here: which model draws which object under which look, the shard worker. Does not: one frame through one model
(`frame`), the keys of a look (`look`).
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from osf_pipeline.buffers import LAYERS, Tier
from osf_pipeline.colorspaces.spaces import in_rec709, store_space
from osf_pipeline.config import ShotConfig
from osf_pipeline.delivery.preview import thumbnail
from osf_pipeline.errors import InputDataError, RequestError
from osf_pipeline.execution import Execution, Json, Progress, executor
from osf_pipeline.guidance.stage import run_starts
from osf_pipeline.layout import Layout, join
from osf_pipeline.results import StageResult
from osf_pipeline.shots import FrameRange, shards
from osf_pipeline.store.build import Build, Conclusion, Plan, build, reuse
from osf_pipeline.store.files import write_bytes
from osf_pipeline.store.identity import canonical_json, frame_key, identity
from osf_pipeline.store.schema import DATA, ArraySpec, StoreSpec, arrays
from osf_pipeline.store.version import PREVIEW_FILE, Version, find, reopen, require, stored_files
from osf_pipeline.store.writer import ShardWriter
from osf_pipeline.stylize.look import EVERYTHING, Look, Row, look_of
from osf_pipeline.stylize.timing import Film, Timing

if TYPE_CHECKING:
    from model.weights import Card
    from osf_pipeline.tracking.tracker import ModelRef

KIND = "stylized"
STAGE_VERSION = 7
ALL = "*"
READ = ("color", "rest_position", "object_id")
"""G-buffers that are read where present."""
GUIDES = ("contour", "contour_side", "contour_step", "confidence")


def stylize_shot(
    layout: Layout,
    shot: str,
    execution: Execution | None = None,
    progress: Progress | None = None,
    alias: str = "champion",
    *,
    preset: str | None = None,
    style: str | None = None,
    make_current: bool = True,
) -> StageResult:
    """Draw the line of every frame with the registered model of each style.

    Args:
        alias: registry alias or version number; resolved once, workers get the exact version's files.
        preset: the look of everything, instead of what shot.yaml says under `looks`.
        style: of everything that is stylized, instead of what shot.yaml says under `styles`.
        make_current: let what follows (`deliver`, `evaluate`, ...) take this version.

    Raises:
        RequestError: when the shot has no guidance yet, names no style, a style has no such model or one of a kind that
            this version does not draw with, or a look is bad.
        InputDataError: when a model or a look needs more than the store knows.
    """
    from osf_pipeline.tracking.tracker import Tracker, model_name

    began = time.monotonic()
    execution = execution or Execution()
    gbuffer, guidance = inputs(layout, shot)
    config = _asked(layout.shot_config(shot), gbuffer, preset, style)
    styles = styles_of(config, gbuffer.attributes["objects"], shot)
    looks = looks_of(layout, config, styles, gbuffer)
    tracker = Tracker.at(layout.home)
    models = {style: tracker.resolve(model_name(style), alias) for style in sorted(set(styles.values()))}
    cards = {style: _card(style, model) for style, model in models.items()}
    for style, card in cards.items():
        _check_tier(style, card, gbuffer)
    recipe: Json = {"styles": {str(i): style for i, style in styles.items()}}
    turned = {str(i): look.to_json() for i, look in looks.items() if not look.plain}
    recipe |= {"looks": turned} if turned else {}
    timing = Timing.of(config, gbuffer.attributes["objects"], run_starts(gbuffer, config))
    timing.check(gbuffer.names)
    recipe |= {} if timing.plain else {"blend": timing.blend, "steps": timing.to_json()["steps"]}
    locked = any(look.locked for look in looks.values())
    weights = [
        f"{style} {model.sha256} {frame_key(_decisive(cards[style], locked))}" for style, model in models.items()
    ]
    version_id = identity(KIND, STAGE_VERSION, {"guidance": guidance.id, "gbuffer": gbuffer.id}, recipe, weights)
    store = layout.store(shot, KIND)
    used = {style: {"model": m.name, "version": m.version, "sha256": m.sha256} for style, m in models.items()}
    version, built = reuse(store, version_id, make_current), None
    if version is None:
        height, width = gbuffer.shape
        specs = {name: ArraySpec.of(buffer) for name, buffer in LAYERS.items()}
        facts = {key: gbuffer.attributes[key] for key in ("window", "display_window", "pixel_aspect")}
        facts["color_space"] = store_space(gbuffer.attributes).attributes
        static = [recipe, weights, gbuffer.attributes["window"][:2], facts["color_space"]]
        keys = _keys(gbuffer, guidance, timing, static)
        bad = {"quarantined": list(gbuffer.quarantined), "held": list(gbuffer.held)}

        def conclude(attempt: str, commits: list[Json]) -> Conclusion:
            beauty = np.asarray(arrays(join(attempt, DATA))["beauty"][len(gbuffer.frames) // 2])
            write_bytes(join(attempt, PREVIEW_FILE), thumbnail(in_rec709(beauty, facts)))
            seconds = [s for c in commits for s in c["record"]["seconds"]]
            inputs = {"gbuffer": gbuffer.id, "guidance": guidance.id, "models": used}
            shown = {"stepped": _stepped(timing, gbuffer.frames), "duplicated": _duplicated(commits)}
            return Conclusion(version_id, inputs, facts | {"looks": turned, "seconds": seconds, **shown, **bad})

        plan = Plan(
            store=store,
            spec=StoreSpec(KIND, specs, gbuffer.frames, height, width, gbuffer.shard_frames, facts | {"models": used}),
            request=version_id,
            worker=f"{__name__}:StylizeWorker",
            job={
                "gbuffer": [gbuffer.store, gbuffer.id],
                "guidance": [guidance.store, guidance.id],
                "brushes": _brushes(styles, looks),
                "models": {style: str(model.path) for style, model in models.items()},
                "timing": timing.to_json(),
                "origin": gbuffer.attributes["window"][:2],
                "threads": execution.threads,
                "device": "cuda" if execution.gpus else "cpu",
            },
            shards=[
                s.to_json() | {"keys": keys[s.start : s.stop]}
                for s in shards(FrameRange.of(gbuffer.frames), gbuffer.shard_frames)
            ],
            conclude=conclude,
            current=make_current,
        )
        built = build(plan, executor(execution), progress)
        version = built.version
    return _result(shot, version, used, built, time.monotonic() - began)


def _keys(gbuffer: Version, guidance: Version, timing: Timing, static: list[Any]) -> list[str]:
    """Keys of frames: a frame's layers depend on it and, where the shot is blended or held, on some before it."""
    pairs = list(zip(gbuffer.keys, guidance.keys, strict=True))
    return [
        frame_key(
            KIND, STAGE_VERSION, [*static, *([] if timing.plain else timing.key(at))],
            *(key for near in timing.needs(at) for key in pairs[near]),
        )
        for at in range(len(pairs))
    ]  # fmt: skip


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


def _asked(config: ShotConfig, gbuffer: Version, preset: str | None, style: str | None) -> ShotConfig:
    """shot.yaml with the object names of a Cryptomatte, and with what the request puts in its place."""
    update: dict[str, Any] = {}
    if preset is not None:
        update["looks"] = {EVERYTHING: preset}
    if style is not None:
        update["styles"] = dict.fromkeys(config.styles or (ALL,), style)
    return named(config, gbuffer).model_copy(update=update)


def named(config: ShotConfig, gbuffer: Version) -> ShotConfig:
    """shot.yaml with the object names of a Cryptomatte, where it does not name them itself."""
    names = dict(enumerate(gbuffer.attributes["source"]["objects"], start=1))
    return config.model_copy(update={"objects": names | config.objects})


def looks_of(
    layout: Layout, config: ShotConfig, styles: Mapping[int | str, str], gbuffer: Version
) -> dict[int | str, Look]:
    """Object id to look, for the objects that are stylized; bound to the shot's parts and the styles' exemplars.

    Raises:
        RequestError: for a look of nothing that is stylized, an unknown preset or part, or bad keys.
        InputDataError: for a look that needs buffers the store does not hold.
    """
    objects = {str(i) for i in styles} | {
        config.objects[i] for i in styles if isinstance(i, int) and i in config.objects
    }
    known = {EVERYTHING, *objects, *styles.values()}
    if unknown := sorted(set(config.looks) - known):
        raise RequestError(
            "a look is for nothing that is stylized", key=f"looks.{unknown[0]}",
            fix=f"Name an object or a style: {', '.join(sorted(known))}.",
        )  # fmt: skip

    @cache
    def matrix(style: str) -> tuple[Row, Row, Row]:
        from osf_pipeline.stylize.post import color_matrix
        from osf_pipeline.training.exemplar import load_exemplars

        said = layout.style_config(style)
        return color_matrix(load_exemplars(said, layout.style(style), store_space(gbuffer.attributes)))

    found = {}
    for i, style in styles.items():
        look = look_of(layout, config, i, style).bound(config.parts, partial(matrix, style))
        if missing := [name for name in look.reads if name not in gbuffer.names]:
            raise InputDataError(
                "the look needs buffers that the shot does not have", channel=", ".join(missing),
                fix="Render them, or leave `parts` and `lock: character` out of the look.",
            )  # fmt: skip
        found[i] = look
    return found


def _brushes(styles: Mapping[int | str, str], looks: Mapping[int | str, Look]) -> list[Json]:
    """Objects of one style and one look are drawn together; one that is drawn at its own size is drawn alone."""
    groups: dict[tuple[str, bytes, int | str | None], list[int | str]] = {}
    for i, style in styles.items():
        look = looks[i]
        groups.setdefault((style, canonical_json(look.to_json()), i if look.locked else None), []).append(i)
    return [
        {"style": style, "look": looks[objects[0]].to_json(), "objects": objects}
        for (style, _, _), objects in groups.items()
    ]


def _card(style: str, model: ModelRef) -> Card:
    """
    Raises:
        RequestError: when this version does not draw with a model of that kind.
    """
    from model.weights import Card, read_card

    try:
        return Card.from_json(read_card(model.path))
    except ValueError as error:
        raise RequestError(
            "this version does not draw with a model of that kind", style=style, model=model.name,
            version=model.version, problem=str(error), fix=f"Train the style again: `osf train {style}`.",
        ) from error  # fmt: skip


def _decisive(card: Card, locked: bool) -> Json:
    """What a model's card says that decides how its weights draw; a look that is locked to the character asks more."""
    return {
        "architecture": card.architecture.to_json(),
        "tier": card.tier,
        "stroke": card.stroke,
        "color_space": card.color_space,
        "withhold": list(card.recipe.get("withhold", ())),
        **({"pixel": card.pixel} if locked else {}),
    }


def _check_tier(style: str, card: Card, gbuffer: Version) -> None:
    if card.tier == Tier.FULL and gbuffer.attributes["tier"] == Tier.ESTIMATED:
        raise InputDataError(
            "the model needs G-buffers of the full tier", style=style, store=gbuffer.id, tier=Tier.ESTIMATED,
            fix="Render depth, normals, ids, rest position and motion, or use a model of the estimated tier.",
        )  # fmt: skip


@dataclass(frozen=True)
class Brush:
    """One style under one look.

    Attributes:
        stylizer: the style's prepared network.
        objects: ids of what it draws, or `*`.
    """

    stylizer: Any
    look: Look
    objects: tuple[int | str, ...]


@dataclass(frozen=True)
class Painter:
    """Several brushes on one frame, each on its own objects; all other objects keep their render."""

    brushes: Sequence[Brush]

    def __call__(self, frame: Mapping[str, np.ndarray], origin: tuple[int, int]) -> dict[str, np.ndarray]:
        """Layers of one frame (`buffers.LAYERS`); without an `object_id` in it one brush draws everything."""
        drawn = [
            brush.stylizer(frame, origin, brush.look, [i for i in brush.objects if i != ALL]) for brush in self.brushes
        ]
        objects = {i for brush in self.brushes for i in brush.objects}
        alone = ALL in objects or set(np.unique(frame["object_id"]).tolist()) - {0} <= objects
        if len(drawn) == 1 and alone:
            return drawn[0]
        place = nearest_object(frame["object_id"][0])
        line, fill = np.zeros_like(drawn[0]["line"]), frame["color"].astype(np.float16)
        for brush, found in zip(self.brushes, drawn, strict=True):
            mine = np.isin(place, brush.objects)
            line[:, mine], fill[:, mine] = found["line"][:, mine], found["fill"][:, mine]
        beauty = line + fill.astype(np.float32) * (1 - line[3:].astype(np.float32))
        return drawn[0] | {"fill": fill, "line": line, "beauty": beauty.astype(np.float16)}


def nearest_object(objects: np.ndarray) -> np.ndarray:
    """(y, x) ids where every background pixel has the id of the nearest object, whose line may reach out there."""
    from scipy import ndimage

    if not objects.any():
        return objects
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
        space = store_space(self.gbuffer.attributes)
        stylizers = {
            style: Stylizer(*load(Path(path)), device=job["device"], space=space)
            for style, path in job["models"].items()
        }
        self.painter = Painter(
            [Brush(stylizers[b["style"]], Look.model_validate(b["look"]), tuple(b["objects"])) for b in job["brushes"]]
        )
        self.names = _read(job, self.gbuffer)
        self.film = Film(Timing.from_json(job["timing"]), self._draw, self._pixels)
        self.origin = tuple(job["origin"])
        self.out = ShardWriter(job["attempt"])

    @staticmethod
    def reads(job: Json, shard: Json) -> Iterator[tuple[str, str]]:
        """Folder and paths below it of what a shard reads; see `replay.pack`."""
        from model.weights import CARD, WEIGHTS

        gbuffer, guidance = (reopen(*job[name]) for name in ("gbuffer", "guidance"))
        timing, stop = Timing.from_json(job["timing"]), shard["start"] + len(shard["frames"])
        start = min(near for at in range(shard["start"], stop) for near in timing.needs(at))
        names = (*_read(job, gbuffer), *timing.buffers)
        yield from ((gbuffer.store, path) for path in stored_files(gbuffer, names, start, stop))
        yield from ((guidance.store, path) for path in stored_files(guidance, (*GUIDES, *timing.guides), start, stop))
        yield from ((folder, file) for folder in job["models"].values() for file in (WEIGHTS, CARD))

    def __call__(self, shard: Json) -> Json:
        layers: dict[str, list[np.ndarray]] = {name: [] for name in LAYERS}
        seconds = []
        for at, number in enumerate(shard["frames"], shard["start"]):
            began = time.perf_counter()
            if number in self.gbuffer.quarantined:
                for name, buffer in LAYERS.items():
                    layers[name].append(buffer.empty(1, *self.gbuffer.shape)[0])
                seconds.append(0.0)
                continue
            for name, values in self.film(at).items():
                layers[name].append(values)
            seconds.append(round(time.perf_counter() - began, 4))
        pictures = [hashlib.sha256(beauty.tobytes()).hexdigest() for beauty in layers["beauty"]]
        record = {"seconds": seconds, "pictures": pictures}
        return self.out.write(shard, {n: np.stack(v) for n, v in layers.items()}, record)

    def _draw(self, at: int) -> dict[str, np.ndarray]:
        """Layers of the frame at a position by itself."""
        return self.painter(self._pixels(at, (*self.names, *GUIDES)), self.origin)

    def _pixels(self, at: int, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Some G-buffers and guides of the frame at a position."""
        found: dict[str, np.ndarray] = {}
        for version in (self.gbuffer, self.guidance):
            mine = tuple(name for name in names if name in version.names)
            found |= {name: values[0] for name, values in version.read(at, at + 1, mine).items()} if mine else {}
        return found


def _stepped(timing: Timing, frames: Sequence[int]) -> list[int]:
    """Frames in which some object shows an earlier drawing."""
    return [frame for at, frame in enumerate(frames) if set(timing.shown(at)) != {at}]


def _duplicated(commits: Sequence[Json]) -> list[int]:
    """Frames whose picture is that of the frame before, to the last bit."""
    frames = [frame for commit in commits for frame in commit["frames"]]
    pictures = [picture for commit in commits for picture in commit["record"]["pictures"]]
    return [frame for frame, (a, b) in zip(frames[1:], pairwise(pictures), strict=True) if a == b]


def _read(job: Json, gbuffer: Version) -> tuple[str, ...]:
    """G-buffers that a job reads."""
    asked = [name for brush in job["brushes"] for name in Look.model_validate(brush["look"]).reads]
    return tuple(name for name in dict.fromkeys((*READ, *asked)) if name in gbuffer.names)


def _result(shot: str, version: Version, used: Json, built: Build | None, seconds: float) -> StageResult:
    metadata = {
        "models": [{"style": style, **model} for style, model in used.items()],
        "seconds_per_frame": round(float(np.median(version.attributes["seconds"])), 3),
        "frames": str(FrameRange.of(version.frames)),
        "layers": ", ".join(LAYERS),
        "looks": [{"object": i, "look": json.dumps(look)} for i, look in version.attributes.get("looks", {}).items()],
        "gbuffer": version.record["inputs"]["gbuffer"],
        "guidance": version.record["inputs"]["guidance"],
    }
    return StageResult.of(shot, version, built, seconds, metadata)
