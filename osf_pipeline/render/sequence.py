"""EXR sequences in the built-in renderer's own channel names, read back by the `osf` source adapter.

Belongs here: channel names, headers, the loop over frames, the renderer contract. Does not: reading (`exr`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import fsspec
import numpy as np

from osf_pipeline.buffers import GBUFFER
from osf_pipeline.config import ShotConfig, dump_yaml
from osf_pipeline.errors import RequestError
from osf_pipeline.execution import Progress
from osf_pipeline.exr.write import write_exr
from osf_pipeline.layout import join
from osf_pipeline.render.frame import SUPERSAMPLE, Frame, render_frame
from osf_pipeline.render.scene import Scene
from osf_pipeline.shots import FrameRange

RENDERER = "osf-raycast"
"""Value of the header attribute `osf:renderer`."""


class Renderer(Protocol):
    """Turns a scene into what `ingest` reads: an EXR sequence with canonical buffers and its `shot.yaml`."""

    def render(
        self, scene: Scene, frames: FrameRange, folder: str, shot: ShotConfig, progress: Progress | None = None
    ) -> None:
        """Write every frame to `folder` under the pattern `shot.source`, and `shot.yaml` beside them."""
        ...


@dataclass(frozen=True)
class RayCastRenderer:
    """The built-in renderer.

    Attributes:
        width, height: picture size.
        supersample: odd number of samples a pixel and axis behind the filtered colour.
        threads: frames in flight.
    """

    width: int
    height: int
    supersample: int = SUPERSAMPLE
    threads: int = 2

    def render(
        self, scene: Scene, frames: FrameRange, folder: str, shot: ShotConfig, progress: Progress | None = None
    ) -> None:
        def work(step: tuple[int | None, int, int | None]) -> None:
            before, frame, after = step
            picture = render_frame(
                scene, frame, (self.width, self.height),
                previous=before, following=after, supersample=self.supersample,
            )  # fmt: skip
            write_frame(join(folder, frame_name(shot.source, frame)), picture)

        each_frame(work, frames, self.threads, progress, "rendered")
        write_shot(folder, shot)


def frame_name(pattern: str, frame: int) -> str:
    """The file name of one frame of a `name.####.exr` pattern.

    >>> frame_name("figure.####.exr", 7)
    'figure.0007.exr'

    Raises:
        RequestError: for a pattern without one run of `#`.
    """
    hashes = pattern.count("#")
    if not hashes or "#" * hashes not in pattern:
        raise RequestError("the pattern has no place for a frame number", source=pattern, fix="Write name.####.exr.")
    return pattern.replace("#" * hashes, f"{frame:0{hashes}d}")


def neighbours(frames: FrameRange) -> list[tuple[int | None, int, int | None]]:
    """Each frame between its neighbours in the range; None at the ends."""
    known = [None, *frames, None]
    return [(known[i], frame, known[i + 2]) for i, frame in enumerate(frames)]


def each_frame(
    work: Callable[[tuple[int | None, int, int | None]], object],
    frames: FrameRange,
    threads: int,
    progress: Progress | None,
    verb: str,
) -> None:
    """Call `work` with (previous, frame, following) for all frames, `threads` at a time, reporting in order."""
    steps = neighbours(frames)
    with ThreadPoolExecutor(threads) as pool:
        for done, (step, _) in enumerate(zip(steps, pool.map(work, steps), strict=True), start=1):
            if progress:
                progress(done, len(steps), f"{verb} frame {step[1]}")


def write_frame(url: str, frame: Frame) -> int:
    """Write one frame as EXR (ZIP) and return its size in bytes.

    Channels: `R G B A` half premultiplied scene-linear, and `<buffer>.<channel>` of every other canonical buffer.
    Ids are uint32, valid flags half, the rest in the canonical dtype.
    """
    return write_exr(
        url,
        dict(channels(frame.buffers)),
        attributes={"osf:frame": frame.now.frame, "osf:renderer": RENDERER},
    )


def channels(buffers: dict[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    """EXR channel names and arrays of canonical buffers (channel, y, x)."""
    exr_dtype = {"uint16": np.uint32, "uint8": np.float16}
    for name, planes in buffers.items():
        row = GBUFFER[name]
        for channel, plane in zip(row.channels, planes, strict=True):
            full = channel if name == "color" else f"{name}.{channel}"
            yield full, plane.astype(exr_dtype.get(row.dtype, plane.dtype))


def write_shot(folder: str, shot: ShotConfig) -> None:
    """Write `shot.yaml` into the folder of the renders."""
    fs, path = fsspec.core.url_to_fs(join(folder, "shot.yaml"))
    fs.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
    fs.pipe_file(path, dump_yaml(shot).encode())
