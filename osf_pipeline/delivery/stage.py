"""The delivery stage: a stylized store to layered EXR, PNG previews and a video.

Belongs here: the files of a delivery and their names. Does not: the review page (`evaluation.stage`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from osf_pipeline.colorspaces.delivery import DeliveryColor, delivery_color
from osf_pipeline.colorspaces.spaces import store_space
from osf_pipeline.config import ShotConfig
from osf_pipeline.delivery.frame import FrameWriter
from osf_pipeline.delivery.video import encode_video
from osf_pipeline.execution import Progress
from osf_pipeline.layout import Layout, join
from osf_pipeline.results import StageResult
from osf_pipeline.shots import FrameRange
from osf_pipeline.store.files import read_json, write_bytes, write_json
from osf_pipeline.store.identity import identity
from osf_pipeline.store.version import Version, require

KIND = "delivery"
RECORD = "delivery.json"
FILES = ("exr", "png", "video")
EXR_THREADS = 2
STAGE_VERSION = 1
SETTINGS = ("delivery", "fps")
"""Keys of shot.yaml that decide a delivery beside the version it is made from."""


def delivery_url(layout: Layout, shot: str, version: Version, config: ShotConfig) -> str:
    """Folder of the delivery of a stylized version: the version's id, and a key of settings that are not the defaults.

    So equal requests meet in one folder, and a changed one never writes over what is published.
    """
    settings = config.model_dump(mode="json", include=set(SETTINGS), exclude_defaults=True)
    if config.delivery.color_space is not None:
        settings["color"] = _color(version, config).fingerprint
    key = f"-{identity(KIND, STAGE_VERSION, {}, settings)[:8]}" if settings else ""
    return layout.delivery(shot, f"{version.id}{key}")


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
    url = delivery_url(layout, shot, version, config)
    record = read_json(join(url, RECORD))
    reused = record is not None
    if record is None:
        record = _deliver(layout, shot, config, version, url, progress)
        write_json(join(url, RECORD), record)
    return StageResult(
        shot, KIND, version.id, url, reused, len(version.frames), time.monotonic() - began,
        {
            **{key: join(url, value) if key in FILES else value for key, value in record.items()},
            "frames": str(FrameRange.of(version.frames)),
        },
        version.preview, version.quarantined, version.held,
    )  # fmt: skip


def _deliver(
    layout: Layout, shot: str, config: ShotConfig, version: Version, url: str, progress: Progress | None
) -> dict[str, Any]:
    color = _color(version, config)
    writer = FrameWriter(layout, shot, config, version, url, color)
    sizes: list[int] = []

    def pictures() -> Iterator[np.ndarray]:
        step, total = version.shard_frames, len(version.frames)
        with ThreadPoolExecutor(EXR_THREADS) as pool:
            for start in range(0, total, step):
                positions = range(start, min(start + step, total))
                block = version.read(positions.start, positions.stop)
                frames = [{name: values[i] for name, values in block.items()} for i in range(len(positions))]
                for size, shown in pool.map(writer, positions, frames):
                    sizes.append(size)
                    yield shown
                    if progress:
                        progress(len(sizes), total, KIND)

    video = encode_video(pictures(), config.fps)
    write_bytes(join(url, f"{shot}.mp4"), video)
    return {
        "settings": config.model_dump(mode="json", include=set(SETTINGS)),
        "color": color.fingerprint,
        "exr": f"exr/{shot}.####.exr",
        "png": f"png/{shot}.####.png",
        "video": f"{shot}.mp4",
        "exr_mb": round(sum(sizes) / 1e6, 1),
        "video_mb": round(len(video) / 1e6, 2),
        "models": writer.provenance["osf:model"],
        "quarantined": list(version.quarantined),
        "held": list(version.held),
    }


def _color(version: Version, config: ShotConfig) -> DeliveryColor:
    return delivery_color(store_space(version.attributes), config.delivery.color_space, config.ocio)
