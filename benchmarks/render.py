"""Rendering a character, against the bare Embree cast of the same rays.

    python benchmarks/render.py [--drawing FOLDER] [--quick]

FOLDER holds `texture.png`, `mask.png` and `char_cfg.yaml`; without it, the sample's body stands in under a noise
picture. One 512x512 character that walks, lit, with every buffer, 9 samples a pixel. Timed is the whole stage as
`osf render` runs it: building the scene, casting, shading, EXR and records; processor time is given beside it, because
other work on the machine stretches the clock's. `baseline` is one Embree cast of the same
rays from arrays that are ready, with the tree built; `stage_over_cast` is a frame of the stage over it. PSNR compares
the albedo of a frame with that of its neighbour, fetched along `motion` and `motion_next`, where the neighbour shows
the same surface point: rest position and depth agree there.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from common import finish, line, seconds
from scipy import ndimage

from osf_pipeline.character.build import build_character
from osf_pipeline.character.character import Bone, Character, Role
from osf_pipeline.drawing.drawing import analyse
from osf_pipeline.drawing.mask import read_mask
from osf_pipeline.drawing.picture import read_picture
from osf_pipeline.drawing.skeleton import read
from osf_pipeline.execution import Execution
from osf_pipeline.exr.write import encode_exr
from osf_pipeline.layout import Layout
from osf_pipeline.motion.library import motion
from osf_pipeline.render.frame import Frame, render_frame
from osf_pipeline.render.raycast import Posed
from osf_pipeline.render.scene import Scene
from osf_pipeline.render.sequence import channels
from osf_pipeline.render.stage import render_shot
from osf_pipeline.render.staging import build_scene
from osf_pipeline.sample.figure import ORIGIN, PARENT, PARTS, build_body
from osf_pipeline.scenes import Actor, SceneConfig, Sun, write_scene

DRAWING = Path(__file__).resolve().parents[2] / "shared" / "data" / "drawings" / "char1"
SIZE = 512
NAME = "figure"
SURFACE = 0.02
"""Scene units between two rest positions that are the same surface point at a pixel's precision."""


def from_drawing(folder: Path) -> Character:
    picture = read_picture(str(folder / "texture.png"))
    height, width = picture.rgb.shape[:2]
    figure = read_mask(str(folder / "mask.png"), picture)
    return build_character(analyse(picture, figure, read(str(folder / "char_cfg.yaml"), (height, width))))[0]


def from_sample() -> Character:
    """The sample's body under a picture of smooth noise."""
    body = build_body()
    lift = np.array([0, -body.rest[:, 1].min(), 0])
    tails = ORIGIN + np.array([0, -0.05, 0.0])
    for number, parent in enumerate(PARENT):
        if parent >= 0:
            tails[parent] = ORIGIN[number]
    tails[PARTS.index("head")] = ORIGIN[PARTS.index("head")] + (0, 0.5, 0)
    names = {"hips": Role.PELVIS, "chest": Role.TORSO}
    bones = tuple(
        Bone(name, parent, tuple((head + lift).tolist()), tuple((tail + lift).tolist()), names.get(name) or Role(name))
        for name, parent, head, tail in zip(PARTS, PARENT, ORIGIN, tails, strict=True)
    )
    rest = body.rest + lift
    a, b, c = (rest[body.faces[:, k]] for k in range(3))
    front = np.cross(b - a, c - a)[:, 2] >= 0
    low, side = rest.min(axis=0), float(np.ptp(rest[:, :2], axis=0).max()) * 1.02
    corner = np.stack([rest[:, 0] - low[0], rest[:, 1].max() - rest[:, 1]], axis=1)[body.faces] / side
    uv = (corner * (0.5, 1) + np.where(front, 0, 0.5)[:, None, None] * (1, 0)).astype(np.float32)
    noise = np.random.default_rng(0).random((SIZE, 2 * SIZE, 3))
    texture = sum(s * ndimage.gaussian_filter(noise, (s, s, 0)) for s in (2, 8)) / 10
    texture = np.clip((texture - 0.5) * 6 + 0.5, 0, 1).astype(np.float32)
    return Character(
        bones, rest, body.faces, body.part, body.weights.astype(np.float32), uv, texture, side / SIZE, (SIZE / 2, SIZE)
    )


def scene_of(count: int) -> SceneConfig:
    return SceneConfig(actors=(Actor(character=NAME),), frames=f"1001-{1000 + count}", light=Sun())


def stage(layout: Layout, count: int, threads: int, runs: list[float]) -> Callable[[], None]:
    """One whole run of the stage, in a shot of its own; adds its processor seconds a frame to `runs`."""

    def run() -> None:
        shot = f"run{len(runs)}"
        start = time.process_time()
        write_scene(layout, shot, scene_of(count))
        render_shot(layout, shot, Execution(threads=threads))
        runs.append((time.process_time() - start) / count)

    return run


def psnr(here: Frame, there: Frame, name: str, sign: int) -> tuple[float, float]:
    """Of the neighbour's albedo along a motion, and the share of the surface that was compared."""
    mine, other = here.buffers, there.buffers
    y, x = np.nonzero(mine["object_id"][0])
    at = np.stack([y, x]) + sign * mine[name][::-1, y, x].astype(np.float64)

    def fetched(buffer: str) -> np.ndarray:
        planes = other[buffer].astype(np.float64)
        planes[~np.isfinite(planes)] = 1e6
        return np.stack([ndimage.map_coordinates(plane, at, order=1, cval=1e6) for plane in planes])

    same = np.linalg.norm(fetched("rest_position") - mine["rest_position"][:, y, x], axis=0) < SURFACE
    same &= np.abs(fetched("depth")[0] - mine["depth"][0, y, x]) < 5 * SURFACE
    # All four texels of the fetch lie on the surface.
    inside = ndimage.binary_erosion(other["object_id"][0] > 0)
    same &= ndimage.map_coordinates(inside.astype(float), at, order=1) == 1
    error = (fetched("albedo") - mine["albedo"][:, y, x].astype(np.float64))[:, same]
    return float(-10 * np.log10(np.mean(np.square(error)))), float(same.mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--drawing", type=Path, default=DRAWING)
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    arguments = parser.parse_args()
    repeats = 1 if arguments.quick else 3
    real = arguments.drawing.is_dir()
    character = from_drawing(arguments.drawing) if real else from_sample()
    scene = build_scene(scene_of(32), {NAME: character}, {"walk": motion("walk")})
    faces = len(character.faces)
    print(f"{arguments.drawing.name if real else 'the sample body'}: {faces} faces, {SIZE}x{SIZE}, 9 samples a pixel")

    with tempfile.TemporaryDirectory() as folder:
        layout = Layout.of(folder)
        character.save(f"{layout.character(NAME)}/v1")
        Path(layout.character(NAME), "current.json").write_text(json.dumps({"id": "v1"}))
        runs: list[float] = []
        stage(layout, 2, 2, runs)()  # warm
        each = {}
        for count in (8, 16, 32):
            times = [t / count for t in seconds(stage(layout, count, 2, runs), repeats)]
            each[count] = line(f"stage, a frame of {count}, 2 threads", times, f"{1e3 * runs[-1]:.0f} ms of processor")
        times = [t / 16 for t in seconds(stage(layout, 16, 1, runs), repeats)]
        alone = line("stage, a frame of 16, 1 thread", times, f"{1e3 * runs[-1]:.0f} ms of processor")
        megabytes = sum(f.stat().st_size for f in Path(layout.renders(f"run{len(runs) - 1}")).glob("*.exr")) / 16e6

    cast = line("bare Embree cast (baseline)", seconds(bare_cast(scene, 1010), 5))
    shares(scene)
    frame, after, before = (
        render_frame(scene, f, (SIZE, SIZE), previous=f - 1, following=f + 1) for f in (1010, 1011, 1009)
    )
    back, share = psnr(frame, before, "motion", -1)
    ahead, _ = psnr(frame, after, "motion_next", 1)
    print(f"albedo along motion {back:.1f} dB, along motion_next {ahead:.1f} dB, on {share:.0%} of the surface")
    print(
        f"{1 / each[32]:.1f} frames/s, {megabytes:.1f} MB a frame; 2 threads {alone / each[16]:.2f}x of 1; "
        f"a frame of 32 costs {each[32] / each[8]:.2f}x one of 8; {each[32] / cast:.1f}x the bare cast"
    )
    finish(
        ms_8=1e3 * each[8], ms_16=1e3 * each[16], ms_32=1e3 * each[32], ms_16_one_thread=1e3 * alone,
        processor_ms=1e3 * statistics.median(runs[1:]), linearity=each[32] / each[8], parallel=alone / each[16],
        cast_ms=1e3 * cast, stage_over_cast=each[32] / cast, psnr_motion=back, psnr_motion_next=ahead, compared=share,
        mb_per_frame=megabytes, faces=faces,
    )  # fmt: skip


def bare_cast(scene: Scene, frame: int) -> Callable[[], object]:
    """All rays of the frame's colour, nothing else."""
    posed = Posed(scene, frame, SIZE, SIZE)
    y, x = np.divmod(np.flatnonzero(posed.cover.repeat(3, 0).repeat(3, 1)), 3 * SIZE)
    origins, directions = (v.astype(np.float32) for v in posed.view.rays(np.stack([x - 1, y - 1], axis=1) / 3))
    posed.cast()
    return lambda: posed._embree.run(origins, np.ascontiguousarray(directions), output=True)


def shares(scene: Scene) -> None:
    """Print where a frame's time goes: the steps, and the EXR encoding of each buffer alone."""

    def timed(action: Callable[[], object]) -> float:
        return statistics.median(seconds(action, 5))

    def ready() -> Posed:
        posed = Posed(scene, 1010, SIZE, SIZE)
        posed.cast()
        return posed

    size = (SIZE, SIZE)
    frame = render_frame(scene, 1010, size, previous=1009, following=1011)
    whole = timed(lambda: render_frame(scene, 1010, size, previous=1009, following=1011))
    centres = timed(lambda: render_frame(scene, 1010, size, previous=1009, following=1011, supersample=1))
    steps = {
        "pose, tree, centre cast": timed(ready),
        "all buffers, colour of 1 sample": centres,
        "all buffers, colour of 9 samples": whole,
        "EXR encode": timed(lambda: encode_exr(dict(channels(frame.buffers)))),
    }
    for name, took in steps.items():
        print(f"  {name:<34} {1e3 * took:7.1f} ms")
    alone = {name: (timed(lambda b=b, n=name: encode_exr(dict(channels({n: b}))))) for name, b in frame.buffers.items()}
    total = sum(alone.values())
    print("  EXR by buffer: " + ", ".join(f"{name} {t / total:.0%}" for name, t in alone.items()))


if __name__ == "__main__":
    main()
