"""The delivery stage: a stylized store to layered EXR, PNG previews and a video.

Belongs here: the files of a delivery and their names. Does not: the review page (`evaluation.stage`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import fsspec
import numpy as np

from osf_pipeline.color import straight_srgb
from osf_pipeline.config import ShotConfig
from osf_pipeline.delivery.layers import Naming, composed, write_layers
from osf_pipeline.delivery.preview import encode_png, picture, thumbnail
from osf_pipeline.delivery.source import Sources
from osf_pipeline.delivery.video import encode_video
from osf_pipeline.execution import Progress
from osf_pipeline.exr.attributes import HEADERS_FILE, unpack
from osf_pipeline.layout import Layout, join
from osf_pipeline.results import StageResult
from osf_pipeline.shots import FrameRange
from osf_pipeline.store.files import read_json, write_bytes, write_json
from osf_pipeline.store.identity import identity
from osf_pipeline.store.version import Version, reopen, require

KIND = "delivery"
RECORD = "delivery.json"
FILES = ("exr", "png", "video")
EXR_THREADS = 2
STAGE_VERSION = 1
SETTINGS = ("delivery", "fps")
"""Keys of shot.yaml that decide a delivery beside the version it is made from."""
NO_HEADERS: dict[str, Any] = {"values": [], "frames": {}}
HALF_RGBA = [(name, "float16") for name in "RGBA"]
"""Of stores made before headers were kept."""


def delivery_url(layout: Layout, shot: str, version_id: str, config: ShotConfig) -> str:
    """Folder of the delivery of a stylized version: the version's id, and a key of settings that are not the defaults.

    So equal requests meet in one folder, and a changed one never writes over what is published.
    """
    settings = config.model_dump(mode="json", include=set(SETTINGS), exclude_defaults=True)
    key = f"-{identity(KIND, STAGE_VERSION, {}, settings)[:8]}" if settings else ""
    return layout.delivery(shot, f"{version_id}{key}")


def deliver_shot(layout: Layout, shot: str, progress: Progress | None = None) -> StageResult:
    """Write the current stylized version of a shot as files; what is delivered already stays as it is.

    `exr/<shot>.<frame>.exr` (layers in the source's windows, with its attributes), `png/<shot>.<frame>.png` (beauty,
    straight alpha, sRGB), `<shot>.mp4` (beauty on white). `delivery.json` is written last; a delivery without it is
    written again.

    Raises:
        RequestError: when the shot is not stylized yet, or channels to copy do not exist.
        InputDataError: when channels are to be copied and a source file is gone or has changed since ingest.
    """
    began = time.monotonic()
    version = require(layout.store(shot, "stylized"), "stylize", shot)
    config = layout.shot_config(shot)
    url = delivery_url(layout, shot, version.id, config)
    record = read_json(join(url, RECORD))
    reused = record is not None
    if record is None:
        record = _deliver(layout, shot, config, version, url, progress)
        write_json(join(url, RECORD), record)
    middle = len(version.frames) // 2
    return StageResult(
        shot, KIND, version.id, url, reused, len(version.frames), time.monotonic() - began,
        {
            **{key: join(url, value) if key in FILES else value for key, value in record.items()},
            "frames": str(FrameRange.of(version.frames)),
        },
        thumbnail(version.read(middle, middle + 1, ("beauty",))["beauty"][0]),
    )  # fmt: skip


def _deliver(
    layout: Layout, shot: str, config: ShotConfig, version: Version, url: str, progress: Progress | None
) -> dict[str, Any]:
    gbuffer = reopen(layout.store(shot, "gbuffer"), version.record["inputs"]["gbuffer"])
    facts = gbuffer.attributes
    headers = unpack(read_json(join(gbuffer.url, HEADERS_FILE)) or NO_HEADERS)
    naming = Naming.of(facts.get("color_channels", HALF_RGBA), config.delivery.names)
    exact = gbuffer.array("color").dtype == np.float32
    contents = gbuffer.record["inputs"]["files"]
    sources = Sources.of(layout, shot, config, naming) if config.delivery.pass_through else None
    used = version.record["inputs"]["models"]
    shared = {
        "osf:shot": shot,
        "osf:store": version.id,
        "osf:gbuffer": gbuffer.id,
        "osf:model": ", ".join(f"{m['model']} version {m['version']}" for m in used.values()),
        "osf:weights": ", ".join(m["sha256"] for m in used.values()),
        "osf:code": version.record["provenance"]["code"],
    }
    fs, folder = fsspec.core.url_to_fs(join(url, "png"))
    fs.makedirs(folder, exist_ok=True)

    def write(item: tuple[int, int, dict[str, np.ndarray]]) -> tuple[int, np.ndarray]:
        position, frame, layers = item
        source = headers.get(frame, {})
        if exact:
            layers |= composed(layers["line"], gbuffer.read(position, position + 1, ("color",))["color"][0])
        size = write_layers(
            join(url, "exr", f"{shot}.{frame:04d}.exr"),
            layers,
            tuple(facts["window"]),
            data_window=tuple(facts["data_windows"][position]),
            display_window=tuple(facts["display_window"]),
            pixel_aspect=facts["pixel_aspect"],
            attributes={**shared, "osf:frame": frame, "osf:source": contents[str(frame)]},
            source=source,
            naming=naming,
            copied=sources.read(frame, contents[str(frame)], source) if sources else None,
        )
        write_bytes(join(url, "png", f"{shot}.{frame:04d}.png"), encode_png(straight_srgb(layers["beauty"])))
        return size, picture(layers["beauty"])

    sizes: list[int] = []

    def pictures() -> Iterator[np.ndarray]:
        step = version.shard_frames
        with ThreadPoolExecutor(EXR_THREADS) as pool:
            for start in range(0, len(version.frames), step):
                stop = min(start + step, len(version.frames))
                block = version.read(start, stop)
                items = [
                    (i, version.frames[i], {n: a[i - start] for n, a in block.items()}) for i in range(start, stop)
                ]
                for size, shown in pool.map(write, items):
                    sizes.append(size)
                    yield shown
                    if progress:
                        progress(len(sizes), len(version.frames), KIND)

    video = encode_video(pictures(), config.fps)
    write_bytes(join(url, f"{shot}.mp4"), video)
    return {
        "settings": config.model_dump(mode="json", include=set(SETTINGS)),
        "exr": f"exr/{shot}.####.exr",
        "png": f"png/{shot}.####.png",
        "video": f"{shot}.mp4",
        "exr_mb": round(sum(sizes) / 1e6, 1),
        "video_mb": round(len(video) / 1e6, 2),
        "models": shared["osf:model"],
    }
