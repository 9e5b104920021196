"""Drawings made into bodies: how sound the meshes are, how they bend, how like the drawing, how long it takes.

    python benchmarks/character.py [DRAWINGS] [--motions FOLDER] [--out FOLDER] [--only NAME ...]

DRAWINGS holds a folder per character with `texture.png`, `mask.png` and `char_cfg.yaml`. Every character performs every
BVH file of the motions' folder. `--out` gets a contact sheet per character: rest pose from the front, the side and
behind, parts, and frames of each motion from the front and from behind.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
from common import finish
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from osf_pipeline.character.build import build_character
from osf_pipeline.character.character import Character
from osf_pipeline.color import encode_srgb, to_uint8
from osf_pipeline.config import Camera
from osf_pipeline.drawing import skeleton
from osf_pipeline.drawing.drawing import Drawing, analyse
from osf_pipeline.drawing.mask import read_mask
from osf_pipeline.drawing.picture import read_picture
from osf_pipeline.motion.bvh import read_bvh
from osf_pipeline.motion.clip import Performance
from osf_pipeline.motion.retarget import retarget
from osf_pipeline.render.frame import render_frame
from osf_pipeline.render.scene import Light, Mesh, Plain, Scene, Skinned, SurfaceColor, SurfacePoints, Texture

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
FPS = 24
CELL = 300
"""Pixels of a picture on the contact sheet."""
LIGHT = Light((-0.48, 0.64, 0.6), 0.5)
PALETTE = np.random.default_rng(3).uniform(0.05, 0.9, (64, 3))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("drawings", nargs="?", type=Path, default=DATA / "drawings")
    parser.add_argument("--motions", type=Path, default=DATA / "motions")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only", nargs="*", default=())
    wanted = parser.parse_args()
    folders = [
        f for f in sorted(wanted.drawings.iterdir()) if f.is_dir() and (not wanted.only or f.name in wanted.only)
    ]
    clips = [read_bvh(file.read_bytes(), file.stem) for file in sorted(wanted.motions.glob("*.bvh"))]
    rows: dict[str, dict[str, float]] = {}
    for folder in folders:
        with tempfile.TemporaryDirectory() as scratch:
            drawing = read_drawing(folder)
            # A process of its own, so that its peak of memory is this character's.
            context = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(1, mp_context=context) as pool:
                row = pool.submit(build, drawing, scratch).result()
            character = Character.load(scratch)
        performances = [retarget(clip, character, fps=FPS) for clip in clips]
        row |= topology(character) | likeness(character, drawing)
        moved = [bending(character, performance) for performance in performances]
        row |= {key: max(m[key] for m in moved) for key in moved[0]} if moved else {}
        rows[folder.name] = row
        print(f"{folder.name:<10}", "  ".join(f"{key} {value:.4g}" for key, value in row.items()), flush=True)
        if wanted.out:
            wanted.out.mkdir(parents=True, exist_ok=True)
            sheet(character, performances).save(wanted.out / f"{folder.name}.png")
    keys = list(next(iter(rows.values())))
    medians = {key: statistics.median(row[key] for row in rows.values()) for key in keys}
    print(f"{'median':<10}", "  ".join(f"{key} {value:.4g}" for key, value in medians.items()))
    worst = {
        "seconds": max, "memory_mb": max, "closed": min, "min_angle": min, "iou": min, "psnr": min,
        "stretch_max": max, "stretch_999": max, "folded": max,
    }  # fmt: skip
    extreme = {key: pick(row[key] for row in rows.values()) for key, pick in worst.items() if key in keys}
    finish(characters=len(rows), **medians, **{f"worst_{key}": value for key, value in extreme.items()})


def build(drawing: Drawing, folder: str) -> dict[str, float]:
    """Build and save a character; seconds, peak memory, and what the build reports."""
    began = time.perf_counter()
    character, report = build_character(drawing)
    took = time.perf_counter() - began
    character.save(folder)
    # Not ru_maxrss: that counts what the parent held when this process was started.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    peak = int(status["VmHWM"].split()[0]) / 1024
    return {
        "seconds": took, "memory_mb": peak, "vertices": report.vertices, "min_angle": report.min_angle,
        "edge_px": report.edge, "cuts_px": report.cuts, "depth": report.depth,
    }  # fmt: skip


def topology(character: Character) -> dict[str, float]:
    """`closed`: every edge has two faces in opposite directions; pieces; enclosed volume."""
    faces, n = character.faces.astype(np.int64), len(character.rest)
    half = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    there, back = half[:, 0] * n + half[:, 1], half[:, 1] * n + half[:, 0]
    closed = len(np.unique(there)) == len(there) and np.array_equal(np.sort(there), np.sort(back))
    graph = sparse.coo_matrix((np.ones(len(half)), tuple(half.T)), shape=(n, n))
    a, b, c = (character.rest[faces[:, k]] for k in range(3))
    return {
        "closed": float(closed),
        "pieces": connected_components(graph, directed=False)[0],
        "volume": float((a * np.cross(b, c)).sum() / 6),
    }


def likeness(character: Character, drawing: Drawing) -> dict[str, float]:
    """The rest pose against the drawing at its own resolution: IoU of silhouettes, PSNR outside the contour."""
    height, width = drawing.mask.shape
    x = ((width - 1) / 2 - character.origin[0]) * character.pixel
    y = (character.origin[1] - (height - 1) / 2) * character.pixel
    camera = Camera(scale=width * character.pixel, position=(x, y, 5.0))
    frame = render_frame(rest_scene(character, camera, Texture(character.texture)), 0, (width, height))
    shown = frame.buffers["part_id"][0] > 0
    seen = encode_srgb(frame.buffers["albedo"].astype(np.float64))
    compared = shown & drawing.mask & ~drawing.contour
    error = np.square(np.moveaxis(seen, 0, 2) - drawing.fill)[compared].mean()
    return {
        "iou": float((shown & drawing.mask).sum() / (shown | drawing.mask).sum()),
        "psnr": float(-10 * np.log10(error)),
    }


def bending(character: Character, performance: Performance) -> dict[str, float]:
    """Length of edges over their length at rest, and the share of faces turned inside out, over a performance."""
    faces = character.faces
    edges = np.unique(np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1), axis=0)
    length = np.linalg.norm(character.rest[edges[:, 0]] - character.rest[edges[:, 1]], axis=1)
    normal = normals(character.rest, faces)
    strongest = np.argmax(character.weights[faces].sum(axis=1), axis=1)
    most, usual, folded = 0.0, [], []
    for rotation, position in zip(performance.rotation, performance.position, strict=True):
        posed = character.posed(rotation, position)
        stretch = np.linalg.norm(posed[edges[:, 0]] - posed[edges[:, 1]], axis=1) / length
        most = max(most, float(stretch.max()))
        usual.append(np.percentile(stretch, 99.9))
        carried = np.einsum("fij,fj->fi", rotation[strongest], normal)
        folded.append(float(((normals(posed, faces) * carried).sum(axis=1) < 0).mean()))
    return {"stretch_max": most, "stretch_999": float(max(usual)), "folded": max(folded)}


def normals(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    a, b, c = (points[faces[:, k]] for k in range(3))
    across = np.cross(b - a, c - a)
    return across / np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-30)


def rest_scene(character: Character, camera: Camera, color: SurfaceColor, light: Light | None = None) -> Scene:
    mesh = Mesh(character.rest, character.faces, character.part, 1, lambda _: character.rest, color, character.uv)
    return Scene((mesh,), lambda _: camera, light)


def sheet(character: Character, performances: list[Performance]) -> PIL.Image.Image:
    """One row of the rest pose, two rows a motion."""
    front = Camera(scale=2.4, position=(0, 0.9, 8))
    side = Camera(scale=2.4, position=(8, 0.9, 0), right=(0, 0, -1), back=(1, 0, 0))
    back = Camera(scale=2.4, position=(0, 0.9, -8), right=(-1, 0, 0), back=(0, 0, -1))
    skin = Texture(character.texture)
    rest = [(front, skin, LIGHT), (side, skin, LIGHT), (back, skin, LIGHT), (front, Plain((0.7, 0.7, 0.7)), LIGHT),
            (front, part_color, None), (back, skin, None)]  # fmt: skip
    rows = [[picture(rest_scene(character, camera, color, light), 0) for camera, color, light in rest]]
    for performance in performances:
        count = len(performance.position)
        numbers = np.linspace(0.1 * count, 0.9 * count, len(rest)).astype(int).tolist()
        # On the spot, so that a camera that stands sees all of it.
        there = performance.position - performance.position[:, :1] * (1, 0, 1)
        pose = Skinned(character, replace(performance, position=there), {number: number for number in numbers})
        mesh = Mesh(character.rest, character.faces, character.part, 1, pose, skin, character.uv)
        for camera in (front, back):
            scene = Scene((mesh,), dict.fromkeys(numbers, camera).__getitem__, LIGHT)
            rows.append([picture(scene, number) for number in numbers])
    return PIL.Image.fromarray(np.concatenate([np.concatenate(row, axis=1) for row in rows]))


def part_color(points: SurfacePoints) -> np.ndarray:
    return PALETTE[points.part]


def picture(scene: Scene, number: int, size: int = CELL) -> np.ndarray:
    """(size, size, 3) uint8 over white."""
    color = render_frame(scene, number, (size, size)).buffers["color"].astype(np.float32)
    return to_uint8(encode_srgb(np.clip(color[:3] + (1 - color[3:]), 0, 1)))


def read_drawing(folder: Path) -> Drawing:
    """A drawing from its files."""
    picture = read_picture(str(folder / "texture.png"))
    joints = skeleton.read(str(folder / skeleton.FILE), picture.rgb.shape[:2])
    return analyse(picture, read_mask(str(folder / "mask.png"), picture), joints)


if __name__ == "__main__":
    main()
