"""A long 4K shot through ingest and guidance: peak memory of all processes together, against the size of the shot.

    python benchmarks/streaming.py [--quick] [--backend ray] [--frames N]

The shot: a striped disc of 1600 pixels across that swings to and fro, every canonical buffer, half colour, ZIP. A swing
of twelve frames is written once and linked again and again. Memory is the sum of PSS (shared pages counted once) over
the command and all its children, sampled five times a second; with Ray, head and raylet included.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from common import finish

from osf_pipeline.exr.write import write_exr

SWING = 12
RADIUS = 0.21


def offset(frame: int, width: int) -> float:
    """Position of the disc along x, in pixels: up for half a swing, then down."""
    phase = frame % SWING
    return width / 240 * (phase if phase <= SWING // 2 else SWING - phase)


def write_frame(path: Path, frame: int, width: int, height: int) -> None:
    y, x = np.mgrid[:height, :width].astype(np.float32)
    u, v = (x - width * 0.4 - offset(frame, width)) / (RADIUS * width), (y - height / 2) / (RADIUS * width)
    seen = u**2 + v**2 < 1
    z = np.sqrt(np.maximum(1 - u**2 - v**2, 0))
    stripes = 0.5 + 0.4 * np.sin(40 * u) * np.cos(30 * v)

    def on(value: np.ndarray | float, background: float = 0) -> np.ndarray:
        return np.where(seen, value, background).astype(np.float32)

    back = offset(frame, width) - offset(frame - 1, width)
    ahead = offset(frame + 1, width) - offset(frame, width)
    channels = {
        **{c: on(stripes * k).astype(np.float16) for c, k in zip("RGB", (0.9, 0.6, 0.3), strict=True)},
        "A": on(1).astype(np.float16),
        "depth.Z": on(6 - z, np.inf),
        **{f"normal.{c}": on(n).astype(np.float16) for c, n in zip("XYZ", (u, -v, np.maximum(z, 0.05)), strict=True)},
        **{f"rest_position.{c}": on(n) for c, n in zip("XYZ", (u, -v, z), strict=True)},
        "motion.X": on(back), "motion.Y": on(0), "motion_next.X": on(ahead), "motion_next.Y": on(0),
        "part_id.I": (seen * np.where(u > 0, 2, 1)).astype(np.uint32), "object_id.I": seen.astype(np.uint32),
    }  # fmt: skip
    write_exr(str(path), channels, attributes={"osf:renderer": "benchmark"})


def make(root: Path, width: int, height: int, frames: int) -> float:
    """The shot's files; returns their size in GB as if each were written."""
    folder = root / "renders" / "swing"
    folder.mkdir(parents=True)
    for frame in range(frames):
        path = folder / f"swing.{1001 + frame}.exr"
        if frame < SWING:
            write_frame(path, frame, width, height)
        else:
            os.link(folder / f"swing.{1001 + frame % SWING}.exr", path)
    (folder / "shot.yaml").write_text("camera: {scale: 4.76}\naccept: [frame_number]\n")
    return sum(p.stat().st_size for p in folder.glob("*.exr")) / 1e9


class Memory:
    """Peak PSS of a process tree, sampled from a thread."""

    def __init__(self, pid: int) -> None:
        self.pid, self.peak, self.done = pid, 0, threading.Event()
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()

    def _watch(self) -> None:
        while not self.done.wait(0.2):
            self.peak = max(self.peak, sum(map(pss, tree(self.pid))))

    def stop(self) -> int:
        self.done.set()
        self.thread.join()
        return self.peak


def tree(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(entry.parent.name))
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        todo += children.get(found[-1], [])
    return found


def pss(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next((int(row.split()[1]) * 1024 for row in text.splitlines() if row.startswith("Pss:")), 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="1280x720, 24 frames")
    parser.add_argument("--backend", choices=("local", "ray"), default="local")
    parser.add_argument("--frames", type=int)
    options = parser.parse_args()
    width, height, frames = (1280, 720, 24) if options.quick else (3840, 2160, 200)
    frames = options.frames or frames
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        size = make(Path(folder), width, height, frames)
        raw = frames * width * height * 70 / 1e9  # bytes of a pixel, as stored
        print(
            f"{frames} frames {width}x{height}, {size:.1f} GB of files, {raw:.1f} GB of pixels (baseline)", flush=True
        )
        for verb in ("ingest", "guide"):
            command = [
                sys.executable, "-c", "from osf_pipeline.cli.main import main; main()",
                verb, "swing", "--root", folder, "--backend", options.backend,
            ]  # fmt: skip
            began = time.monotonic()
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
                memory = Memory(process.pid)
                _, said = process.communicate()
            peak = memory.stop() / 1e9
            if process.returncode:
                sys.exit(said)
            seconds = time.monotonic() - began
            speed = frames / seconds
            print(f"{verb:<8} {seconds:7.1f} s  {speed:5.2f} frames/s  peak {peak:.2f} GB, {peak / raw:.3f} of it")
            figures |= {f"{verb}_peak_gb": peak, f"{verb}_fps": frames / seconds}
    peak = max(figures["ingest_peak_gb"], figures["guide_peak_gb"])
    finish(
        frames=frames, width=width, height=height, backend=options.backend, peak_gb=peak, ratio=peak / raw, **figures
    )


if __name__ == "__main__":
    main()
