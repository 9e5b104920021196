"""The render stage: scenes to shots that `ingest` reads.

Belongs here: finding what a scene names, what is kept of earlier renders, running over shards. Does not: the scene put
together (`staging`), pictures (renderers).

A shot's folder holds its frames, `render.json` and, once every frame is there, `shot.yaml`. `render.json` says what the
frames were made of, and which are done. A run that was killed goes on where it stopped; when scene, characters or
motions changed, old frames are removed before the first new one, so that no mixture is ever read.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import fsspec

from osf_pipeline.character.character import ARRAYS, CARD, TEXTURE, Character
from osf_pipeline.character.stage import built_characters, character_folder
from osf_pipeline.delivery.preview import thumbnail
from osf_pipeline.errors import RequestError
from osf_pipeline.execution import Execution, Json, Progress, executor
from osf_pipeline.layout import Layout, exists, join
from osf_pipeline.motion.clip import Clip
from osf_pipeline.motion.library import motion
from osf_pipeline.render.frame import render_frame
from osf_pipeline.render.scene import Scene
from osf_pipeline.render.sequence import frame_name, remove_frames, renderer, write_shot
from osf_pipeline.render.staging import build_scene, shot_config
from osf_pipeline.results import StageResult
from osf_pipeline.scenes import Actor, SceneConfig, read_scene, scenes_of, write_scene
from osf_pipeline.shots import FrameRange, shards
from osf_pipeline.store.claim import hold
from osf_pipeline.store.files import read_json, take, write_json
from osf_pipeline.store.identity import identity

KIND = "renders"
STAGE_VERSION = 1
"""Raised by hand whenever equal scenes give other frames."""
RECORD = "render.json"
SHARD_FRAMES = 8
WORKER = "osf_pipeline.render.stage:RenderWorker"
THUMBNAIL = 192
"""Pixels across."""


def render_shot(
    layout: Layout, shot: str, execution: Execution | None = None, progress: Progress | None = None
) -> StageResult:
    """Render the scene of a shot. The same scene again does no work; a killed run continues.

    Raises:
        RequestError: when there is no scene, it names what does not exist, another run renders the shot, or its folder
            holds renders that were not made here.
    """
    began = time.monotonic()
    execution = execution or Execution()
    if execution.backend == "ray":  # frames are independent: one core each keeps all cores busy
        execution = replace(execution, threads=1)
    config = read_scene(layout, shot)
    frames = FrameRange.parse(config.frames)
    cast = Cast.find(layout, config)
    version = identity(KIND, STAGE_VERSION, cast.contents(), config.model_dump(mode="json"))
    folder = layout.renders(shot)
    _refuse_foreign(folder)
    scene = build_scene(config, cast.characters, cast.motions)
    claim = hold(folder)
    if claim is None:
        raise RequestError("another run renders this shot", shot=shot, fix="Wait for it, or stop it.")
    with claim:
        written = shot_config(config, shot, scene)
        files = {frame: frame_name(written.source, frame) for frame in frames}
        record = _begin(folder, version, config, cast)
        done = _done(folder, record, files)
        reused = len(done) == len(frames) and exists(join(folder, "shot.yaml"))
        if not reused:
            left = [
                {"frames": missing}
                for shard in shards(frames, SHARD_FRAMES)
                if (missing := [frame for frame in shard.frames if frame not in done])
            ]
            job = {
                "scene": config.model_dump(mode="json"), "shot": shot, "folder": folder, "motions": layout.motions(),
                "characters": cast.folders, "threads": execution.threads,
            }  # fmt: skip

            def on_done(result: Json) -> None:
                record["frames"] |= result["frames"]
                write_json(join(folder, RECORD), record)
                if progress:
                    progress(len(record["frames"]), len(frames), "rendered frames")

            executor(execution)(WORKER, job, left, on_done)
            write_shot(folder, written)
    metadata = {
        "frames": str(frames),
        "size": f"{config.width}x{config.height}",
        "renderer": config.renderer,
        "objects": ", ".join(scene.objects.values()),
        "rendered": f"{len(frames) - len(done)} computed, {len(done)} kept",
    }
    preview = None if reused else _preview(scene, config, frames)
    return StageResult(shot, KIND, version, folder, reused, len(frames), time.monotonic() - began, metadata, preview)


def add_scene(layout: Layout, shot: str, config: SceneConfig, *, force: bool = False) -> None:
    """Write a scene that can be rendered; nothing is written of one that cannot.

    Raises:
        RequestError: as `build_scene` and `write_scene`, or when it names what does not exist.
    """
    cast = Cast.find(layout, config)
    build_scene(config, cast.characters, cast.motions)
    write_scene(layout, shot, config, force=force)


def render_scenes(
    layout: Layout,
    character: str,
    motions: Sequence[str],
    execution: Execution | None = None,
    progress: Progress | None = None,
) -> list[StageResult]:
    """Render every scene a character plays in whose other characters are built too.

    Each of `motions` gets a scene first, named `<character>_<motion>`, where there is none of that name. When none is
    asked for, a character without any scene walks.

    Raises:
        RequestError: as `render_shot`.
    """
    for name in motions or ([] if scenes_of(layout, character) else [Actor(character=character).motion]):
        if (shot := f"{character}_{name}") not in layout.scenes():
            add_scene(layout, shot, SceneConfig(actors=(Actor(character=character, motion=name),)))
    built = set(built_characters(layout))
    return [
        render_shot(layout, shot, execution, progress)
        for shot in scenes_of(layout, character)
        if {actor.character for actor in read_scene(layout, shot).actors} <= built
    ]


class RenderWorker:
    """A run of frames of one shot."""

    def __init__(self, job: Json) -> None:
        config = SceneConfig.model_validate(job["scene"])
        cast = Cast(job["characters"], *_load(job["characters"], config, job["motions"]))
        self.scene = build_scene(config, cast.characters, cast.motions)
        self.shot = shot_config(config, job["shot"], self.scene)
        self.folder = job["folder"]
        self.renderer = renderer(
            config.renderer, width=config.width, height=config.height, supersample=config.supersample,
            threads=job["threads"],
        )  # fmt: skip

    def __call__(self, shard: Json) -> Json:
        self.renderer.render(self.scene, FrameRange.of(shard["frames"]), self.folder, self.shot)
        sizes = _sizes(self.folder)
        return {"frames": {str(frame): sizes[frame_name(self.shot.source, frame)] for frame in shard["frames"]}}


@dataclass(frozen=True)
class Cast:
    """What a scene names.

    Attributes:
        folders: character name to the folder of its current version.
        characters, motions: by the names the scene uses.
    """

    folders: dict[str, str]
    characters: dict[str, Character]
    motions: dict[str, Clip]

    @classmethod
    def find(cls, layout: Layout, config: SceneConfig) -> Cast:
        """
        Raises:
            RequestError: for a character or motion that does not exist; lists those that do.
        """
        folders = {actor.character: character_folder(layout, actor.character) for actor in config.actors}
        return cls(folders, *_load(folders, config, layout.motions()))

    def contents(self) -> dict[str, Any]:
        """Hashes of all that is in it."""
        return {
            "characters": {
                name: [hashlib.sha256(take(join(folder, file))).hexdigest() for file in (CARD, ARRAYS, TEXTURE)]
                for name, folder in self.folders.items()
            },
            "motions": {name: clip.digest() for name, clip in self.motions.items()},
        }


def _load(
    folders: Mapping[str, str], config: SceneConfig, motions: str
) -> tuple[dict[str, Character], dict[str, Clip]]:
    characters = {name: Character.load(folder) for name, folder in folders.items()}
    return characters, {name: motion(name, motions) for name in {actor.motion: None for actor in config.actors}}


def _refuse_foreign(folder: str) -> None:
    """
    Raises:
        RequestError: when the folder holds anything, and no record of this stage.
    """
    found = _sizes(folder)
    if found and RECORD not in found:
        raise RequestError(
            "the folder holds renders that were not made by `osf render`", folder=folder, file=min(found),
            fix="Name the shot differently, or move them away.",
        )  # fmt: skip


def _begin(folder: str, version: str, config: SceneConfig, cast: Cast) -> dict[str, Any]:
    """The record of this version: the one that is there, or a new one after all that is old is gone."""
    url = join(folder, RECORD)
    record = read_json(url)
    if record is not None and record["id"] == version:
        return record
    remove_frames(folder)  # the old record goes last: whatever is left when this is interrupted, it is no finished shot
    record = {
        "id": version, "stage_version": STAGE_VERSION, "scene": config.model_dump(mode="json"),
        "inputs": cast.contents(), "frames": {},
    }  # fmt: skip
    write_json(url, record)
    return record


def _done(folder: str, record: Mapping[str, Any], files: Mapping[int, str]) -> set[int]:
    """Frames whose file is the recorded one."""
    sizes = _sizes(folder)
    return {frame for frame, file in files.items() if sizes.get(file, -1) == record["frames"].get(str(frame))}


def _sizes(folder: str) -> dict[str, int]:
    """Bytes of the files in a folder, hidden ones left out."""
    fs, path = fsspec.core.url_to_fs(folder)
    fs.invalidate_cache(path)
    if not fs.exists(path):
        return {}
    entries = {e["name"].rsplit("/", 1)[-1]: e for e in fs.ls(path, detail=True) if e["type"] == "file"}
    return {name: int(entry["size"]) for name, entry in entries.items() if not name.startswith(".")}


def _preview(scene: Scene, config: SceneConfig, frames: FrameRange) -> bytes:
    """The middle frame, small; by the built-in renderer whichever made the frames."""
    width = min(THUMBNAIL, config.width)
    size = width, max(1, round(config.height * width / config.width))
    middle = frames.frames[len(frames) // 2]
    return thumbnail(render_frame(scene, middle, size).buffers["color"], THUMBNAIL)
