"""The renderer that hands a scene to the user's own Blender.

Belongs here: finding Blender, running it, taking over its frames. Does not: what happens inside Blender
(`blender_script`), the file it is given (`osf_pipeline.gltf`). Blender is never imported into this process.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from osf_pipeline.config import ShotConfig
from osf_pipeline.errors import RequestError
from osf_pipeline.execution import Progress
from osf_pipeline.gltf.write import write_scene
from osf_pipeline.layout import join
from osf_pipeline.render.frame import SUPERSAMPLE
from osf_pipeline.render.scene import Scene
from osf_pipeline.render.sequence import frame_name
from osf_pipeline.shots import FrameRange
from osf_pipeline.store.files import write_bytes

VARIABLE = "OSF_BLENDER"
OLDEST = (4, 2)
SCRIPT = Path(__file__).with_name("blender_script.py")
POLL, GRACE = 0.1, 10.0
"""Seconds between two looks for a finished frame, and from the last frame to the end of Blender."""
RANDOM_SAMPLES = 4
"""Samples at random places in a pixel that draw an edge as smoothly as one of a regular grid."""
LOG_LINES = 12
"""Last lines of Blender's log that an error shows."""
NEEDED = f"Set {VARIABLE} to a Blender of 4.2 or later, or to a Python that has the bpy module."


@dataclass(frozen=True)
class Blender:
    """An installed Blender.

    Attributes:
        path: of the program, or of a Python that has the bpy module.
        version: as Blender writes it, such as 4.5.15.
    """

    path: str
    version: str

    @property
    def is_module(self) -> bool:
        return _is_python(self.path)

    def command(self, script: Path, *arguments: str) -> list[str]:
        """How it runs a script."""
        if self.is_module:
            return [self.path, str(script), *arguments]
        options = ["--background", "--factory-startup", "--python-exit-code", "1"]
        return [self.path, *options, "--python", str(script), "--", *arguments]


def find_blender(path: str | None = None) -> Blender:
    """The Blender to use: `path`, else what the variable OSF_BLENDER names.

    A file whose name starts with `python` is a Python that has the bpy module, anything else the `blender` program.

    Raises:
        RequestError: when none is named, it does not run, or it is too old.
    """
    path = path or os.environ.get(VARIABLE)
    if not path:
        raise RequestError("no Blender is named", variable=VARIABLE, fix=NEEDED)
    ask = ["-c", "import bpy; print('Blender', bpy.app.version_string)"] if _is_python(path) else ["--version"]
    try:
        answer = subprocess.run([path, *ask], capture_output=True, text=True, check=True, timeout=120).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise RequestError("Blender does not run", blender=path, problem=str(error), fix=NEEDED) from error
    found = re.search(r"^Blender ((\d+)\.(\d+)\S*)", answer, re.MULTILINE)
    if not found:
        raise RequestError("this is no Blender", blender=path, answer=answer[:80], fix=NEEDED)
    if (int(found[2]), int(found[3])) < OLDEST:
        raise RequestError("Blender is too old", blender=path, version=found[1], fix=NEEDED)
    return Blender(path, found[1])


def _is_python(path: str) -> bool:
    return Path(path).name.startswith("python")


@dataclass(frozen=True)
class BlenderRenderer:
    """Renders a scene with Cycles on the CPU; see `blender_script` for how each pass is made.

    Attributes:
        width, height: picture size.
        supersample: samples a pixel and axis that the filtered colour is as smooth as.
        threads: of Blender.
        blender: as `find_blender` takes it.
        patience: seconds without a finished frame after which Blender is stopped.
    """

    width: int
    height: int
    supersample: int = SUPERSAMPLE
    threads: int = 2
    blender: str | None = None
    patience: float = 900

    def render(
        self, scene: Scene, frames: FrameRange, folder: str, shot: ShotConfig, progress: Progress | None = None
    ) -> None:
        """As `Renderer.render`; files follow Blender's naming, which the `blender` source adapter knows.

        Raises:
            RequestError: when there is no usable Blender, the scene cannot be written as glTF, or Blender fails.
        """
        blender = find_blender(self.blender)
        known = scene.frames or frames
        with tempfile.TemporaryDirectory(prefix="osf-blender-") as scratch:
            place = Path(scratch)
            (place / "scene.glb").write_bytes(write_scene(scene, known, fps=1, aspect=self.width / self.height))
            job = {
                "glb": str(place / "scene.glb"),
                "fps": 1,  # a frame a second: frame numbers are exact in single precision
                "folder": str(place / "frames"),
                "pattern": shot.source,
                "frames": list(frames),
                "shot_frames": list(known),
                "size": [self.width, self.height],
                "samples": RANDOM_SAMPLES * self.supersample**2,
                "threads": self.threads,
            }
            (place / "job.json").write_text(json.dumps(job))
            command = blender.command(SCRIPT, str(place / "job.json"))
            with (place / "log.txt").open("w+") as log, _running(command, place, log) as process:
                for done, frame in enumerate(frames, start=1):
                    name = frame_name(shot.source, frame)
                    self._wait(process, place / "frames" / name, log, frame)
                    write_bytes(join(folder, name), (place / "frames" / name).read_bytes())
                    (place / "frames" / name).unlink()
                    if progress:
                        progress(done, len(frames), f"rendered frame {frame}")

    def _wait(self, process: subprocess.Popen[bytes], path: Path, log: IO[str], frame: int) -> None:
        """Return when the frame's file is there; Blender's script creates it whole."""
        deadline = time.monotonic() + self.patience
        while True:
            ended = process.poll() is not None
            if path.exists():
                return
            if ended:
                raise _failure("Blender failed", log, frame, exit=process.returncode)
            if time.monotonic() > deadline:
                raise _failure("Blender takes too long", log, frame, seconds=self.patience)
            time.sleep(POLL)


@contextmanager
def _running(command: list[str], scratch: Path, log: IO[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a session of its own; stopped with all its children when the block is left."""
    process = subprocess.Popen(
        command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True,
        env={**os.environ, "TMPDIR": str(scratch)},  # what a stopped Blender leaves behind goes with the scratch folder
    )  # fmt: skip
    try:
        yield process
    finally:
        try:
            process.wait(0 if sys.exc_info()[0] else GRACE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _failure(what: str, log: IO[str], frame: int, **where: object) -> RequestError:
    log.flush()
    log.seek(0)
    lines = [line for line in log.read().splitlines() if line.strip() and not line.startswith("Fra:")]
    tail = " | ".join(lines[-LOG_LINES:])
    return RequestError(what, frame=frame, **where, log=tail, fix="Mend what the log names, then render again.")
