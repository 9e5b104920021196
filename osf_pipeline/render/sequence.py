"""EXR sequences in the built-in renderer's own channel names, read back by the `osf` source adapter.

Belongs here: channel names, headers, the loop over frames, the renderer contract. Does not: reading (`exr`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Protocol

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
from osf_pipeline.store.files import names, write_bytes

RENDERER = "osf-raycast"
"""Value of the header attribute `osf:renderer`."""
GROUP = "osf.renderers"
SHOT = "shot.yaml"
Step = tuple[int | None, int, int | None]
"""A frame between the previous and the following one; None at the ends."""


class Renderer(Protocol):
    """Turns a scene into what `ingest` reads: an EXR sequence with canonical buffers.

    Registered as an entry point of the group `osf.renderers`: a class that is made with the keywords `width`,
    `height`, `supersample` and `threads`, which mean what they mean for `RayCastRenderer`.
    """

    def render(
        self, scene: Scene, frames: FrameRange, folder: str, shot: ShotConfig, progress: Progress | None = None
    ) -> None:
        """Write `frames` to `folder` under the pattern `shot.source`, each file whole or not at all.

        Motion reaches to the neighbours among `scene.frames`, so that a shot may be rendered in pieces. `shot.yaml` is
        the caller's to write, once all pieces are there.
        """
        ...


def renderer(name: str, **settings: Any) -> Renderer:
    """The registered renderer of that name.

    Args:
        settings: `width`, `height`, `supersample`, `threads`.

    Raises:
        RequestError: for a name that is not registered, or one whose packages are not installed.
    """
    points = {point.name: point for point in entry_points(group=GROUP)}
    if name not in points:
        raise RequestError("unknown renderer", renderer=name, fix=f"Registered: {', '.join(sorted(points))}.")
    found: Renderer = points[name].load()(**settings)
    return found


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
        def work(step: Step) -> None:
            before, frame, after = step
            picture = render_frame(
                scene, frame, (self.width, self.height),
                previous=before, following=after, supersample=self.supersample,
            )  # fmt: skip
            write_frame(join(folder, frame_name(shot.source, frame)), picture)

        steps = [step for step in neighbours(scene.frames or frames) if step[1] in frames]
        each_frame(work, steps, self.threads, progress, "rendered")


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


def neighbours(frames: FrameRange) -> list[Step]:
    """Each frame between its neighbours in the range; None at the ends."""
    known = [None, *frames, None]
    return [(known[i], frame, known[i + 2]) for i, frame in enumerate(frames)]


def each_frame(
    work: Callable[[Step], object], steps: Sequence[Step], threads: int, progress: Progress | None, verb: str
) -> None:
    """Call `work` with each of `steps`, `threads` at a time, reporting in order."""
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
    write_bytes(join(folder, SHOT), dump_yaml(shot).encode())


def remove_frames(folder: str) -> None:
    """Remove all EXR files of a folder; `shot.yaml` goes first, so that what is left is no finished shot."""
    fs, path = fsspec.core.url_to_fs(folder)
    old = [name for name in names(folder) if name == SHOT or name.endswith(".exr")]
    for name in sorted(old, key=lambda name: name != SHOT):
        fs.rm_file(f"{path}/{name}")
