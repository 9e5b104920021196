"""A textured plate that turns, tilts and moves before the camera, as a stylized shot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from osf_pipeline.bake.texels import Footprint
from osf_pipeline.buffers import LAYERS
from osf_pipeline.character.character import Bone, Character, Role
from osf_pipeline.config import ShotConfig, dump_yaml
from osf_pipeline.execution import Json, OnDone
from osf_pipeline.exr.write import write_exr
from osf_pipeline.guidance.stage import guide_shot
from osf_pipeline.ingest.stage import ingest_shot
from osf_pipeline.layout import Layout, join
from osf_pipeline.shots import FrameRange, shards
from osf_pipeline.store.build import Conclusion, Plan, build
from osf_pipeline.store.files import write_bytes, write_json
from osf_pipeline.store.identity import frame_key
from osf_pipeline.store.schema import ArraySpec, StoreSpec
from osf_pipeline.store.version import CURRENT, Version, require
from osf_pipeline.store.writer import ShardWriter

SHOT = "plate"
Picture = Callable[[int, np.ndarray], np.ndarray]
"""Frame number and its (4, y, x) colour to what the stylized layer shows."""


def as_rendered(frame: int, color: np.ndarray) -> np.ndarray:
    return color


def wavy(height: int = 64, width: int = 64) -> np.ndarray:
    """(3, height, width) scene-linear texture with detail of 5 texels."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x * 2 * np.pi / a) * np.cos(y * 2 * np.pi / b) for a, b in ((7, 9), (5, 11), (13, 6))]
    return 0.5 + 0.35 * np.stack(waves)


@dataclass(frozen=True)
class Plate:
    """A plate that shows all of its texture, about `scale` pixels a texel; `span` is the texture's share of u."""

    texture: np.ndarray
    size: tuple[int, int] = (112, 144)
    scale: float = 1.6
    span: float = 1

    def pose(self, frame: int) -> tuple[np.ndarray, np.ndarray, float]:
        """(2, 2) from plate units to pixels, the centre, and the cosine of the tilt."""
        angle, tilt = 0.11 * frame - 0.4, np.cos(0.16 * frame - 0.5)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        centre = np.array([self.size[1] / 2 + 1.37 * frame - 4, self.size[0] / 2 - 0.71 * frame + 2])
        return turn @ np.diag([self.scale * tilt, self.scale]), centre, float(tilt)

    def channels(self, frame: int, uv: bool = True) -> dict[str, np.ndarray]:
        """Under the names of the project's own renderer; colour is the mean of 5 x 5 samples a pixel."""
        height, width = self.size
        steps = (np.arange(5) - 2) / 5
        color = np.zeros((4, height, width))
        for dy in steps:
            for dx in steps:
                seen, texture_uv = self._at(frame, dx, dy)
                place = Footprint.of_uv(texture_uv[:, seen], self.texture.shape[1:])
                color[:3, seen] += place.lookup(self.texture) / 25
                color[3, seen] += 1 / 25
        seen, texture_uv = self._at(frame, 0, 0)
        matrix, centre, tilt = self.pose(frame)
        moves = {}
        for name, other, sign in (("motion", frame - 1, 1), ("motion_next", frame + 1, -1)):
            there, place, _ = self.pose(other)
            pixel = np.stack(np.meshgrid(np.arange(width), np.arange(height)))
            on_plate = np.tensordot(np.linalg.inv(matrix), pixel - centre[:, None, None], 1)
            step = sign * (pixel - place[:, None, None] - np.tensordot(there, on_plate, 1))
            moves |= {f"{name}.{c}": np.where(seen, v, 0).astype(np.float32) for c, v in zip("XY", step, strict=True)}

        def on(value: Any, background: float = 0) -> np.ndarray:
            return np.where(seen, value, background).astype(np.float32)

        return {
            **{c: plane.astype(np.float16) for c, plane in zip("RGBA", color, strict=True)},
            **({"uv.U": on(self.span * texture_uv[0]), "uv.V": on(texture_uv[1])} if uv else {}),
            **moves,
            "depth.Z": on(5, np.inf),
            "normal.X": on(np.sqrt(1 - tilt**2)), "normal.Y": on(0), "normal.Z": on(tilt),
            "rest_position.X": on(texture_uv[0]), "rest_position.Y": on(-texture_uv[1]), "rest_position.Z": on(0.1),
            "part_id.I": seen.astype(np.uint32), "object_id.I": seen.astype(np.uint32),
        }  # fmt: skip

    def _at(self, frame: int, dx: float, dy: float) -> tuple[np.ndarray, np.ndarray]:
        """Where the plate is seen at pixel centres shifted by (dx, dy), and its texture coordinates."""
        matrix, centre, _ = self.pose(frame)
        y, x = np.mgrid[: self.size[0], : self.size[1]].astype(np.float64)
        place = np.stack([x + dx - centre[0], y + dy - centre[1]])
        rows, columns = self.texture.shape[1:]
        uv = np.tensordot(np.linalg.inv(matrix), place, 1) / np.array([columns, rows])[:, None, None] + 0.5
        return ((uv > 0) & (uv < 1)).all(0), uv


def stylized(layout: Layout, picture: Picture = as_rendered, quarantined: tuple[int, ...] = ()) -> Version:
    """A published stylized version of an ingested and guided shot, with `picture` as its fill and beauty."""
    gbuffer, guidance = (require(layout.store(SHOT, kind), kind, SHOT) for kind in ("gbuffer", "guidance"))
    frames = FrameRange.of(gbuffer.frames)
    name = f"{picture.__name__}-{len(quarantined)}"

    def run(worker: str, job: Json, todo: list[Json], on_done: OnDone) -> None:
        out = ShardWriter(job["attempt"])
        for shard in todo:
            start, stop = shard["start"], shard["start"] + len(shard["frames"])
            layers = {n: b.empty(stop - start, *gbuffer.shape) for n, b in LAYERS.items()}
            colors = gbuffer.read(start, stop, ("color",))["color"]
            for i, (frame, color) in enumerate(zip(shard["frames"], colors, strict=True)):
                layers["fill"][i] = layers["beauty"][i] = picture(frame, color)
            layers["confidence"][:] = 1
            on_done(out.write(shard, layers, {}))

    facts = {key: gbuffer.attributes[key] for key in ("window", "display_window", "pixel_aspect")}
    facts |= {"quarantined": list(quarantined), "held": []}
    inputs = {"gbuffer": gbuffer.id, "guidance": guidance.id, "models": {}}
    keys = [f"{name} {frame}" for frame in frames]
    specs = {layer: ArraySpec.of(buffer) for layer, buffer in LAYERS.items()}
    step = gbuffer.shard_frames
    plan = Plan(
        store=layout.store(SHOT, "stylized"),
        spec=StoreSpec("stylized", specs, frames.frames, *gbuffer.shape, step),
        request=name,
        worker="",
        job={},
        shards=[s.to_json() | {"keys": keys[s.start : s.stop]} for s in shards(frames, step)],
        conclude=lambda attempt, commits: Conclusion(frame_key(name), inputs, facts),
    )
    return build(plan, run).version


@dataclass(frozen=True)
class Shot:
    """An ingested and guided shot of a plate."""

    layout: Layout
    plate: Plate
    name: str = SHOT

    def stylized(self, picture: Picture = as_rendered, quarantined: tuple[int, ...] = ()) -> Shot:
        """The same shot, with `picture` as its current stylized version."""
        stylized(self.layout, picture, quarantined)
        return self


def ingested(root: Path, frames: range = range(1, 9), uv: bool = True, span: float = 1) -> Shot:
    """A shot that no style has drawn yet."""
    layout, plate = Layout.of(str(root)), Plate(wavy(), span=span)
    for frame in frames:
        url = join(layout.renders(SHOT), f"{SHOT}.{frame:04d}.exr")
        write_exr(url, plate.channels(frame, uv), attributes={"osf:renderer": "test", "shotgrid": "kept"})
    config = ShotConfig(styles={"*": "any"}, objects={1: "plate"})
    write_bytes(join(layout.renders(SHOT), "shot.yaml"), dump_yaml(config).encode())
    ingest_shot(layout, SHOT)
    guide_shot(layout, SHOT)
    return Shot(layout, plate)


@pytest.fixture(scope="session")
def shot(tmp_path_factory: pytest.TempPathFactory) -> Shot:
    """Eight frames."""
    return ingested(tmp_path_factory.mktemp("bake"))


@pytest.fixture
def short_shot(tmp_path: Path) -> Shot:
    """Three frames in a root of their own."""
    return ingested(tmp_path, range(1, 4)).stylized()


@pytest.fixture
def shot_without_uv(tmp_path: Path) -> Shot:
    return ingested(tmp_path, range(1, 4), uv=False).stylized()


@dataclass(frozen=True)
class CharacterShot:
    """A shot whose object shows the front of a character, the left half of its texture."""

    shot: Shot
    character: Character


@pytest.fixture
def character_shot(tmp_path: Path) -> CharacterShot:
    """The character's own texture is grey with a ramp; what is rendered is another one."""
    shot = ingested(tmp_path, range(1, 5), span=0.5).stylized()
    corners = np.array([(0.0, 0), (1, 0), (1, 1), (0, 1)])
    faces = np.array([(0, 1, 2), (0, 2, 3)], np.int32)
    front = np.stack([corners[:, 0] / 2, 1 - corners[:, 1]], 1)[faces]
    texture = np.full((64, 128, 3), 0.5, np.float32)
    texture[:, :, 1] = np.round(np.linspace(0, 255, 128)) / 255
    character = Character(
        bones=(Bone("body", -1, (0, 0, 0), (0, 1, 0), Role.PELVIS),),
        rest=np.concatenate([corners, np.zeros((4, 1))], 1),
        faces=np.concatenate([faces, faces[:, ::-1]]),
        part=np.ones(4, np.uint16),
        weights=np.ones((4, 1), np.float32),
        uv=np.concatenate([front, front[:, ::-1] + (0.5, 0)]).astype(np.float32),
        texture=texture,
        pixel=1 / 64,
        origin=(0, 64),
    )
    folder = shot.layout.character("plate")
    character.save(join(folder, "1"))
    write_json(join(folder, CURRENT), {"id": "1"})
    return CharacterShot(shot, character)
