"""Asking again for what is there: `ingest_shot` and `guide_shot` of published shots, against their first run.

    python benchmarks/noop.py [--quick] [--profile]

Shots: the sample figure by the built-in renderer, copied under as many names. One process, a plain loop, 24 frames of
64x64 a shot, so that hardly any time goes into pixels and all of it into finding out that nothing is to be done.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import shutil
import tempfile
import time
from pathlib import Path

from common import finish, line, seconds

from osf_pipeline.execution import Execution
from osf_pipeline.guidance.stage import guide_shot
from osf_pipeline.ingest.stage import ingest_shot
from osf_pipeline.layout import Layout
from osf_pipeline.render.sequence import RayCastRenderer, write_shot
from osf_pipeline.sample.make import SampleRequest, sample_scene, shot_config
from osf_pipeline.shots import FrameRange

SIZE, FRAMES = 64, "1001-1024"
LIMIT = 10.0
"""Seconds that asking again for 100 shots may take."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="10 shots instead of 100")
    parser.add_argument("--profile", action="store_true", help="print where the time of the second run goes")
    wanted = parser.parse_args()
    shots = [f"shot{i:03}" for i in range(10 if wanted.quick else 100)]
    frames = FrameRange.parse(FRAMES)
    request = SampleRequest(frames=FRAMES, width=SIZE, height=SIZE)
    with tempfile.TemporaryDirectory() as folder:
        layout = Layout.of(folder)
        first = Path(layout.renders(shots[0]))
        renderer = RayCastRenderer(SIZE, SIZE, supersample=1)
        config = shot_config(request, frames)
        renderer.render(sample_scene(request, frames), frames, str(first), config)
        write_shot(str(first), config)
        for shot in shots[1:]:
            shutil.copytree(first, layout.renders(shot))

        def run(stage: str) -> int:
            """One stage of every shot; returns how many had nothing to do."""
            made = {"ingest": ingest_shot, "guide": guide_shot}[stage]
            return sum(made(layout, shot, Execution(threads=1)).reused for shot in shots)

        began = time.perf_counter()
        assert run("ingest") + run("guide") == 0
        baseline = time.perf_counter() - began
        note = f"{len(shots)} shots of {len(frames)} frames, {SIZE}x{SIZE}"
        line("first run (baseline)", [baseline], note)
        medians = {
            stage: line(f"{stage}, nothing to do", seconds(lambda s=stage: run(s), 3)) for stage in ("ingest", "guide")
        }
        assert run("ingest") + run("guide") == 2 * len(shots)
        if wanted.profile:
            with cProfile.Profile() as profile:
                run("ingest")
                run("guide")
            pstats.Stats(profile).sort_stats("cumulative").print_stats(45)
    again = sum(medians.values())
    print(f"{1000 * again / len(shots):.1f} ms a shot; {LIMIT * len(shots) / 100:g} s are allowed")
    finish(
        shots=len(shots),
        seconds=again,
        baseline_seconds=baseline,
        ratio=again / baseline,
        **{f"{k}_seconds": v for k, v in medians.items()},
    )


if __name__ == "__main__":
    main()
