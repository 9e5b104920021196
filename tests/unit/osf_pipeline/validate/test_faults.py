"""Every fault that a rule finds, and everything legal that looks like one, from files on disk to the findings."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest

from osf_pipeline.config import Camera, ShotConfig
from osf_pipeline.exr.header import read_header
from osf_pipeline.exr.sequence import find_sequence
from osf_pipeline.exr.write import write_exr
from osf_pipeline.ingest.frames import Shot, load_shard
from osf_pipeline.layout import Layout
from osf_pipeline.sample.make import SampleRequest, make_sample
from osf_pipeline.validate.catalogue import RULES
from osf_pipeline.validate.findings import Finding
from osf_pipeline.validate.preflight import preflight

Channels = dict[str, np.ndarray]
Changes = Mapping[str, Any]
Make = Callable[[Path, Any], dict[str, object] | None]
"""Writes a shot into a folder and returns its settings."""

FRAMES = range(1, 7)
HOUR = 3600.0
ORTHO = Camera(scale=1.28, position=(0, 0, 5))
PERSP = Camera(projection="persp", fov=60)
FRONT = Camera(scale=1.28, right=(1, 0, 0), up=(0, 0, 1), back=(0, -1, 0), position=(0, -5, 0))
"""A camera of a world whose z is up."""


def findings(folder: Path, **settings: Any) -> list[Finding]:
    """What preflight finds, and if it finds no error, what reading the frames finds."""
    config = ShotConfig.model_validate(settings)
    sequence = find_sequence(str(folder), config.source, config.frames)
    report = preflight(config, sequence)
    if any(f.severity == "error" for f in report.findings):
        return list(report.findings)
    assert report.mapping is not None
    assert report.window is not None
    shard = load_shard(Shot(config, report.mapping, report.window, sequence.frames), sequence.urls)
    return [*report.findings, *shard.findings, *(f for record in shard.records for f in record.findings)]


def shot(change: Callable[[int, Channels], Changes] = lambda frame, channels: {}, frames: Any = FRAMES,
         settings: dict[str, object] | None = None, **figure_changes: Any) -> Make:  # fmt: skip
    """A sound shot in which `change` gives every frame other channels (or `attributes`, `data_window` ...)."""

    def make(folder: Path, figure: Any) -> dict[str, object] | None:
        drawn = replace(figure, **figure_changes)
        for frame in frames:
            found = {name.replace(".", "__"): v for name, v in change(frame, drawn.channels(frame)).items()}
            drawn.write(folder / f"shot.{frame:04d}.exr", frame, **found)
        return settings

    return make


def files(change: Callable[[Path, Any], object], frames: Any = FRAMES) -> Make:
    """A sound shot whose files `change` then tampers with."""

    def make(folder: Path, figure: Any) -> dict[str, object] | None:
        figure.sequence(folder, frames)
        settings = change(folder, figure)
        return settings if isinstance(settings, dict) else None

    return make


def one(frame: int, change: Callable[[Channels], Changes]) -> Callable[[int, Channels], Changes]:
    """The change of a single frame."""
    return lambda number, channels: change(channels) if number == frame else {}


def at(folder: Path, frame: int) -> Path:
    return folder / f"shot.{frame:04d}.exr"


def spot(plane: np.ndarray, value: float, size: int = 1) -> np.ndarray:
    """`plane` with a square of `value` on the figure."""
    out = plane.copy()
    row, column = np.argwhere(plane != plane[0, 0]).mean(0).astype(int)
    out[row : row + size, column : column + size] = value
    return out


def tamper(folder: Path, frame: int, offset: int, value: bytes) -> None:
    """Overwrite bytes of a file."""
    offset %= at(folder, frame).stat().st_size
    data = bytearray(at(folder, frame).read_bytes())
    data[offset : offset + len(value)] = value
    at(folder, frame).write_bytes(data)


def first_chunk(folder: Path, frame: int) -> int:
    """Where the first block of pixels starts, with the row it claims."""
    (offset,) = struct.unpack_from(
        "<Q", at(folder, frame).read_bytes(), read_header(str(at(folder, frame))).table_start
    )
    return int(offset)


def written(hours: Mapping[int, float]) -> Make:
    """File times, in hours, of a shot."""
    return files(
        lambda folder, figure: [os.utime(at(folder, f), (0, 1e9 + HOUR * h)) for f, h in hours.items()], [*hours]
    )


def attributes(value: Callable[[int], dict[str, Any]], settings: dict[str, object] | None = None) -> Make:
    return shot(lambda frame, channels: {"attributes": value(frame)}, settings=settings)


def color(function: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Callable[[int, Channels], Changes]:
    """Other colour, of stored colour and alpha."""
    return lambda frame, c: {n: function(c[n].astype(np.float32), c["A"].astype(np.float32)).astype(c[n].dtype)
                             for n in "RGB"}  # fmt: skip


def straight(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    return np.divide(rgb, alpha, out=np.zeros_like(rgb), where=alpha > 0)


def moved(dx: int, dy: int) -> Callable[[int, Channels], Changes]:
    return lambda frame, c: {n: np.roll(c[n], (dy, dx), (0, 1)) for n in "RGBA"}


def ball(
    camera: Camera = ORTHO, sign: tuple[int, int, int] = (1, 1, 1), world: bool = False
) -> Callable[[int, Channels], Changes]:
    """A curved surface with depth and normals that agree, 100 pixels a unit, in the camera's space or the world's."""

    def change(frame: int, c: Channels) -> Changes:
        seen = np.isfinite(c["depth.Z"])
        u, v = c["rest_position.X"] * 50, -c["rest_position.Y"] * 50
        radius = 45.0
        normal = np.stack([u, -v, np.sqrt(np.maximum(radius**2 - u**2 - v**2, 0))]) / radius * seen
        depth = np.where(seen, 5 - radius / 100 * normal[2], np.inf)
        if world:
            normal = np.einsum("ij,jyx->iyx", camera.rotation.T, normal)
        normal *= np.array(sign)[:, None, None]
        return {"depth.Z": depth.astype(np.float32), **planes("normal", normal)}

    return change


def planes(name: str, values: np.ndarray) -> Channels:
    return {f"{name}.{axis}": plane.astype(np.float32) for axis, plane in zip("XYZ", values, strict=True)}


def wall(radial: bool, position: bool) -> Callable[[int, Channels], Changes]:
    """A plane five units before a perspective camera, and its depth along the axis or along the ray."""

    def change(frame: int, c: Channels) -> Changes:
        y, x = np.mgrid[:96, :128]
        half = np.tan(np.radians(30)) / 64
        ray = np.stack([(x - 63.5) * half, -(y - 47.5) * half, -np.ones((96, 128))])
        seen = np.isfinite(c["depth.Z"])
        depth = 5 * np.linalg.norm(ray, axis=0) if radial else np.full((96, 128), 5.0)
        found = {"depth.Z": np.where(seen, depth, np.inf).astype(np.float32)}
        return found | (planes("position", 5 * ray * seen) if position else {})

    return change


def posed(poses: Mapping[int, int]) -> Make:
    """Frames that show some poses, with the motion between them."""

    def make(folder: Path, figure: Any) -> None:
        frames = [*poses]
        for index, (frame, pose) in enumerate(poses.items()):
            before, after = poses[frames[max(index - 1, 0)]], poses[frames[min(index + 1, len(frames) - 1)]]
            channels = figure.channels(pose)
            steps = {"motion": pose - before, "motion_next": after - pose}
            changed = {f"{n}__{axis}": channels[f"{n}.{axis}"] * k for n, k in steps.items() for axis in "XY"}
            figure.write(at(folder, frame), pose, **{k: v.astype(np.float32) for k, v in changed.items()})

    return make


def eight_bit(c: Channels) -> Changes:
    """A picture of 256 levels on the opaque figure."""
    return {n: (np.rint(np.clip(c["G"].astype(np.float32), 0, 1) * 255 * k) / 255 * (c["A"] > 0)).astype(np.float16)
            for n, k in zip("RGB", (1, 0.8, 0.6), strict=True)}  # fmt: skip


def unsampled(c: Channels) -> Changes:
    """Ids as a filter mixes them at the border of two parts."""
    ids = c["part_id.I"].astype(np.float32)
    ids[40, 60] = 1.5
    return {"part_id.I": ids}


def repeat(folder: Path, figure: Any) -> None:
    figure.write(at(folder, 4), 3)


def aov_names(folder: Path, figure: Any) -> None:
    names = {"depth": "Z", "normal": "lighting.N", "rest_position": "Pref", "motion": "mv", "motion_next": "motionNext",
             "part_id": "partID", "object_id": "objectId"}  # fmt: skip
    for frame in FRAMES:
        channels = {}
        for name, values in figure.channels(frame).items():
            buffer, _, last = name.rpartition(".")
            full = f"{names[buffer]}.{last.lower()}" if buffer else f"beauty.{name}"
            channels["Z" if buffer == "depth" else full] = values
        write_exr(str(at(folder, frame)), channels)


def lossy(folder: Path, figure: Any) -> None:
    for frame in FRAMES:
        write_exr(
            str(at(folder, frame)), figure.channels(frame), attributes={"osf:renderer": "test"},
            compression=OpenEXR.DWAA_COMPRESSION,
        )  # fmt: skip


def tracking_crop(frame: int, channels: Channels) -> Changes:
    rows, columns = (np.flatnonzero(channels["A"].any(axis)) for axis in (1, 0))
    return {"data_window": (int(columns[0]) - 1, int(rows[0]) - 1, int(columns[-1]) + 1, int(rows[-1]) + 1)}


def nothing(frame: int, channels: Channels) -> Changes:
    return {n: np.full_like(v, np.inf if n == "depth.Z" else 0) for n, v in channels.items()}


def glow(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    wide = alpha
    for axis in (0, 1):
        wide = np.mean([np.roll(wide, k, axis) for k in range(-8, 9)], axis=0)
    return rgb + 2 * wide


def smeared(frame: int, c: Channels) -> Changes:
    return {n: np.mean([np.roll(c[n], k, 1) for k in range(8)], axis=0).astype(np.float16) for n in "RGBA"}


def half_pixel(frame: int, c: Channels) -> Changes:
    return {n: np.mean([np.roll(c[n], k, (0, 1)) for k in (0, 1)], axis=0).astype(np.float16) for n in "RGBA"}


def no_depth(value: float) -> Callable[[int, Channels], Changes]:
    return lambda frame, c: {"depth.Z": np.where(np.isinf(c["depth.Z"]), np.float32(value), c["depth.Z"])}


def veil(frame: int, c: Channels) -> Changes:
    """A bright veil of one alpha beside an opaque figure with soft edges."""
    bare = (c["A"] < 0.3) & (np.roll(c["A"], 25, 1) > 0)
    return {n: np.where(bare, np.float16(0.3 if n == "A" else 0.9), c[n]) for n in "RGBA"}


def rim(gain: float) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """An outline of ink, or a rim light, along the soft edge."""
    return lambda rgb, alpha: np.where(alpha < 1, gain, 1) * rgb


SRGB = {"colorInteropID": "srgb_rec709_scene"}

FAULTS: dict[str, list[tuple[Make, str]]] = {
    "gap": [(files(lambda folder, figure: at(folder, 3).unlink()), "frame 3 is missing")],
    "extra": [
        (
            files(lambda folder, figure: figure.write(at(folder, 40), 6)),
            "frame 40 stands alone, far from frames 1",
        ),
        (shot(frames=(1, 3, 5, 6, 7, 9)), "frame 6 lies between the steps of a sequence on every 2th frame"),
    ],
    "duplicate": [
        (
            files(lambda folder, figure: figure.write(folder / "shot.2.exr", 2)),
            "shot.0002.exr and shot.2.exr are",
        )
    ],
    "header": [(files(lambda folder, figure: at(folder, 2).write_bytes(b"no picture")), "no EXR file")],
    "truncated": [
        (files(lambda folder, figure: at(folder, 2).write_bytes(at(folder, 2).read_bytes()[:-10])), "truncated EXR")
    ],
    "chunk": [(files(lambda folder, figure: tamper(folder, 2, first_chunk(folder, 2), b"\xff\xff")), "chunk")],
    "pixels": [(files(lambda folder, figure: tamper(folder, 2, -400, b"\xff" * 100)), "cannot be decoded")],
    "deep": [(files(lambda folder, figure: tamper(folder, 2, 4, struct.pack("<I", 0x802))), "deep EXR")],
    "missing_channel": [(shot(one(3, lambda c: {"part_id.I": None})), "channel part_id.I is missing")],
    "channel_change": [
        (shot(one(3, lambda c: {"R": c["R"].astype(np.float32)})), "float32, but float16 in the first frame")
    ],
    "size_change": [(shot(one(3, lambda c: {"display_window": (0, 0, 99, 95)})), "but (0, 0, 127, 95)")],
    "window": [(shot(lambda frame, c: {"display_window": (0, 0, 31, 31)}), "12.0 display areas")],
    "mapping": [(shot(lambda frame, c: {"depth.Z": None}), "depth: missing")],
    "frame_number": [
        (
            attributes(lambda f: {"osf:frame": 2 if f == 3 else f}),
            "header says frame 2; after the other files it",
        ),
        (attributes(lambda f: {"Frame": str(40 if f == 6 else f + 100)}), "should say 106"),
        (attributes(lambda f: {"osf:frame": 10 - f}), "do not even ascend"),
    ],
    "stale": [
        (written({1: 30, 2: 30.2, 3: 30.4, 4: 2, 5: 30.8, 6: 31}), "written 28.0 h before the other 5 files"),
        (written({1: 30, 2: 30.1, 3: 30.2, 4: 2, 5: 2.1, 6: 2.2}), "before the other 3 files"),
        (attributes(lambda f: {"Date": f"2025/03/0{1 if f == 5 else 9} 10:0{f}:00"}), "before the other 5 files"),
    ],
    "mixed_render": [
        (attributes(lambda f: {"Software": "Blender 4.2" if f == 3 else "Blender 4.5"}), "'Blender 4.5' in most files"),
        (attributes(lambda f: {"cycles.ViewLayer.samples": "8" if f == 3 else "64"}), "samples is '8'"),
    ],
    "lossy": [(files(lossy), "motion is stored as DWAA")],
    "half_depth": [(shot(lambda frame, c: {"depth.Z": c["depth.Z"].astype(np.float16)}), "depth is stored as half")],
    "color_space": [(attributes(lambda f: SRGB if f == 3 else {}), "but the first frame is linear-rec709")],
    "non_finite": [(shot(one(3, lambda c: {"normal.Z": spot(c["normal.Z"], np.nan)})), "1 values are not finite")],
    "half_overflow": [
        (shot(one(3, lambda c: {"R": spot(c["R"], np.inf)})), "1 values are infinite in half float, first at column"),
        (shot(one(3, lambda c: {"R": spot(c["R"], 65504, 5)})), "25 values are 65504"),
    ],
    "id_range": [(shot(lambda frame, c: {"part_id.I": c["part_id.I"] * 70000}), "does not fit 16 bits")],
    "id_mixed": [(shot(lambda frame, c: unsampled(c)), "1 values of part_id are no whole numbers, first 1.5")],
    "unset_ids": [(shot(lambda frame, c: {"part_id.I": c["part_id.I"] * 0}), "part_id is 0 on 100%")],
    "color_encoded": [(shot(lambda frame, c: eight_bit(c)), "all colours are 8-bit levels")],
    "alpha_range": [(shot(one(3, lambda c: {"A": spot(c["A"], 1.5)})), "alpha runs from 0 to 1.5")],
    "alpha_empty": [(shot(one(3, lambda c: {"A": c["A"] * 0})), "alpha is 0 everywhere, yet colour and depth show")],
    "alpha_straight": [(shot(color(straight), edge=2), "colour falls as alpha to the power of")],
    "alpha_premultiplied": [(shot(settings={"alpha": "straight"}, edge=2), "premultiplied already")],
    "color_shift": [
        (shot(moved(2, 0), edge=1), "colour lies +2 px across and +0 px down"),
        (shot(moved(-3, 2)), "colour lies -3 px across and +2 px down"),
    ],
    "depth_sign": [(shot(lambda frame, c: {"depth.Z": np.nan_to_num(-c["depth.Z"], neginf=0)}), "it must be positive")],
    "depth_radial": [
        (shot(wall(radial=True, position=True), settings={"camera": PERSP}), "depth runs along the ray"),
        (shot(wall(radial=True, position=False), settings={"camera": PERSP}), "depth runs along the ray"),
    ],
    "normal_space": [
        (shot(ball(FRONT, world=True), settings={"camera": FRONT}), "agree when taken as world space"),
        (shot(ball(FRONT), settings={"camera": FRONT, "normal_space": "world"}), "agree when taken as camera space"),
        (shot(lambda frame, c: {"normal.Z": -c["normal.Z"]}), "100% of the visible surface faces away"),
    ],
    "normal_flip": [
        (shot(ball(sign=(1, -1, 1))), "agree with y the other way"),
        (shot(ball(sign=(-1, 1, 1))), "agree with x the other way"),
        (shot(ball(FRONT, (1, 1, -1), True), settings={"camera": FRONT, "normal_space": "world"}), "z the other way"),
    ],
    "normal_encoded": [
        (
            shot(lambda frame, c: {f"normal.{a}": c[f"normal.{a}"] / 2 + np.float32(0.5) for a in "XYZ"}),
            "packed into 0..1",
        )
    ],
    "normal_length": [(shot(lambda frame, c: {"normal.Z": c["normal.Z"] * 3}), "longer or shorter than 1")],
    "repeated": [(files(repeat), "all buffers equal those of frame 3")],
    "empty": [(shot(lambda f, c: nothing(f, c) if f == 4 else {}), "nothing is seen, but frames 3 and 5 show")],
    "motion": [(shot(lambda frame, c: {"motion.X": -c["motion.X"]}), "does not reproject")],
}
"""Rule to shots that fail it, and part of what it says."""

ELSEWHERE = {"subsampled": "exr", "cryptomatte": "exr", "decode": "validate", "replaced": "ingest"}
"""Rules whose fixtures need bytes or timing of their own, and where they are tested."""

LEGAL: dict[str, Make] = {
    "a sound shot": shot(),
    "infinite background": shot(no_depth(np.inf)),
    "background of 1e10": shot(no_depth(1e10)),
    "background of 0": shot(no_depth(0)),
    "on twos": posed({1: 1, 3: 2, 5: 3, 7: 4}),
    "on threes": posed({1001: 1, 1004: 2, 1007: 3, 1010: 4}),
    "a listed gap": shot(frames=(1, 2, 3, 5, 6), settings={"frames": "1-3,5-6"}),
    "a listed stray": shot(frames=(1, 2, 3, 40), settings={"frames": "1-3,40"}),
    "held frames": posed({1: 1, 2: 1, 3: 2, 4: 2, 5: 3, 6: 3}),
    "one long hold": posed({1: 1, 2: 2, 3: 2, 4: 2, 5: 2, 6: 3}),
    "names of layers": files(aov_names),
    "a moving crop": shot(tracking_crop),
    "frames beyond the display window": shot(lambda frame, c: {"display_window": (40, 30, 100, 80)}),
    "soft alpha": shot(edge=3),
    "very soft alpha": shot(edge=14),
    "straight alpha, said": shot(color(straight), settings={"alpha": "straight"}, edge=2),
    "alpha of a sharpening filter": shot(lambda frame, c: {"A": spot(c["A"], 1.03)}),
    "a shining figure": shot(color(lambda rgb, alpha: rgb * 8000), edge=2),
    "a glow around it": shot(color(glow), edge=2),
    "light over everything": shot(color(lambda rgb, alpha: rgb + 6), edge=2),
    "a veil": shot(veil, edge=2),
    "an outline of ink": shot(color(rim(0.1)), edge=2),
    "a rim light": shot(color(rim(6)), edge=2),
    "an outline of ink in straight colour": shot(
        color(lambda rgb, alpha: rim(0.1)(straight(rgb, alpha), alpha)), settings={"alpha": "straight"}, edge=2
    ),
    "colour below 0": shot(color(lambda rgb, alpha: rgb - 0.4 * alpha), edge=2),
    "a few clipped pixels": shot(lambda frame, c: {"R": spot(c["R"], 65504, 3)}),
    "a decoded 8-bit picture": shot(
        lambda frame, c: {n: (v.astype(np.float32) ** 2.2).astype(np.float16) for n, v in eight_bit(c).items()}
    ),
    "flat colours of a palette": shot(lambda frame, c: {n: c["A"] * np.float16(1 / 3) for n in "RGB"}),
    "an 8-bit picture, said": shot(lambda frame, c: eight_bit(c), settings={"color_space": "srgb"}),
    "filter offset by half a pixel": shot(half_pixel),
    "a pixel beside": shot(moved(1, 0)),
    "smeared along the motion": shot(smeared),
    "an opaque picture": shot(lambda frame, c: {"A": np.ones_like(c["A"])}),
    "colour without alpha": shot(lambda frame, c: {"A": c["A"]}, settings={"channels": {"color": ("R", "G", "B")}}),
    "a figure that leaves": shot(lambda f, c: nothing(f, c) if f > 4 else {}),
    "a figure that enters": shot(lambda f, c: nothing(f, c) if f < 3 else {}),
    "nothing at all": shot(nothing),
    "ids as floats": shot(lambda frame, c: {n: c[n].astype(np.float32) for n in ("part_id.I", "object_id.I")}),
    "normals in half": shot(lambda frame, c: {n: c[n].astype(np.float16) for n in c if n.startswith("normal")}),
    "a curved surface": shot(ball()),
    "world-space normals": shot(ball(FRONT, world=True), settings={"camera": FRONT, "normal_space": "world"}),
    "flipped normals, said": shot(ball(sign=(1, -1, 1)), settings={"scale": {"normal": (1, -1, 1)}}),
    "planar depth": shot(wall(radial=False, position=True), settings={"camera": PERSP}),
    "planar depth by normals": shot(wall(radial=False, position=False), settings={"camera": PERSP}),
    "depth without a camera": shot(wall(radial=True, position=True)),
    "depth of an orthographic camera": shot(ball(), settings={"camera": ORTHO}),
    "numbers off by a constant": attributes(lambda f: {"osf:frame": f + 1000}),
    "numbers as text": attributes(lambda f: {"Frame": f"{f:04d}"}),
    "numbers of a retimed shot": attributes(lambda f: {"osf:frame": 2 * f}),
    "numbers of copied holds": attributes(lambda f: {"osf:frame": f - (f + 1) % 2}),
    "no text that is no number": attributes(lambda f: {"Frame": "first"}),
    "a render of days": written({f: 7.0 * f for f in FRAMES}),
    "a render in another order": written({1: 9, 2: 1, 3: 8, 4: 2, 5: 7, 6: 3}),
    "a copied tree": written(dict.fromkeys(FRAMES, 5.0)),
    "a tree copied in file order": written({f: f / HOUR for f in FRAMES}),
    "a render that went on next day": written({1: 1, 2: 1.1, 3: 1.2, 4: 25, 5: 25.1, 6: 25.2}),
    "a frame mended later": written({1: 1, 2: 1.1, 3: 1.2, 4: 25, 5: 1.4, 6: 1.5}),
    "another camera after a cut": attributes(lambda f: {"Camera": "a" if f < 4 else "b"}, {"cuts": (4,)}),
    "files in passing": files(
        lambda folder, figure: [
            (folder / name).write_bytes(b"x") for name in (".shot.0003.exr", "shot.0007.exr.partial", "._shot.0001.exr")
        ]
    ),
}
"""Shots that look like a fault and are none."""


def cases() -> list[Any]:
    return [
        pytest.param(rule, *case, id=f"{rule}-{index}") for rule, many in FAULTS.items()
        for index, case in enumerate(many)
    ]  # fmt: skip


@pytest.mark.parametrize(("rule", "make", "message"), cases())
def test_a_fault_is_named_by_its_rule_alone(tmp_path: Path, figure: Any, rule: str, make: Make, message: str) -> None:
    found = [f for f in findings(tmp_path, **(make(tmp_path, figure) or {})) if f.severity != "note"]
    assert {f.rule for f in found} == {rule}
    assert any(message in f.value for f in found), found[0].value
    assert all(f.fix for f in found)


@pytest.mark.parametrize("name", LEGAL)
def test_what_is_legal_passes(tmp_path: Path, figure: Any, name: str) -> None:
    found = findings(tmp_path, **(LEGAL[name](tmp_path, figure) or {}))
    assert [f for f in found if f.severity != "note"] == []


def test_every_rule_has_a_failing_fixture() -> None:
    assert set(FAULTS) | set(ELSEWHERE) == set(RULES)
    for rule, room in ELSEWHERE.items():
        others = (path for path in (Path(__file__).parents[1] / room).glob("test_*.py") if path != Path(__file__))
        assert any(rule in path.read_text() for path in others), rule


@pytest.mark.parametrize("rule", [name for name, rule in RULES.items() if rule.judges])
def test_an_accepted_rule_warns(tmp_path: Path, figure: Any, rule: str) -> None:
    make, _ = FAULTS[rule][0]
    settings = make(tmp_path, figure) or {}
    found = [f for f in findings(tmp_path, **settings, accept=(rule,)) if f.rule == rule]
    assert {f.severity for f in found} - {"note"} == {"warning"}


def test_a_retimed_shot_is_noted(tmp_path: Path, figure: Any) -> None:
    LEGAL["numbers off by a constant"](tmp_path, figure)
    (note, *_) = findings(tmp_path)
    assert (note.rule, note.severity) == ("frame_number", "note")
    assert "+1000" in note.value


def test_encoded_colour_is_certain_where_the_header_says_so(tmp_path: Path, figure: Any) -> None:
    shot(lambda frame, c: {**eight_bit(c), "attributes": SRGB})(tmp_path, figure)
    found = findings(tmp_path, color_space="linear-rec709")
    assert ("color_encoded", "error") in {(f.rule, f.severity) for f in found}
    assert [f for f in findings(tmp_path) if f.severity != "note"] == []  # `auto` believes the header


@pytest.mark.parametrize("rule", ["alpha_straight", "alpha_premultiplied", "normal_space", "normal_flip"])
def test_the_advice_settles_it(tmp_path: Path, figure: Any, rule: str) -> None:
    make, _ = FAULTS[rule][0]
    settings = make(tmp_path, figure) or {}
    (first, *_) = (f for f in findings(tmp_path, **settings) if f.rule == rule)
    advised: dict[str, dict[str, object]] = {
        "Set `alpha: straight`.": {"alpha": "straight"},
        "Set `alpha: premultiplied`, or leave `alpha` out.": {"alpha": "premultiplied"},
        "Set `normal_space: world`.": {"normal_space": "world"},
        "Set `scale: {normal: [1, -1, 1]}` in shot.yaml.": {"scale": {"normal": (1, -1, 1)}},
    }
    assert [f for f in findings(tmp_path, **(settings | advised[first.fix])) if f.severity == "error"] == []


@pytest.mark.parametrize(
    "request_", [{}, {"lighting": "lit", "two_figures": True, "prop": True, "camera_move": True}], ids=["plain", "rich"]
)
def test_the_built_in_renderer_passes(tmp_path: Path, request_: dict[str, Any]) -> None:
    layout = Layout(str(tmp_path), str(tmp_path))
    make_sample(layout, SampleRequest(frames="1001-1004", width=192, height=192, threads=1, **request_))
    found = findings(tmp_path / "renders" / "figure", **layout.shot_config("figure").model_dump())
    assert [f for f in found if f.severity != "note"] == []


REAL = Camera(scale=2, right=(1, 0, 0), up=(0, 0, 1), back=(0, -1, 0), position=(0, -5, 0))


@pytest.mark.data
@pytest.mark.parametrize("name", ["char1_zombie", "char3_dab"])
def test_real_sequences_pass(shared_data: Path, name: str) -> None:
    found = findings(shared_data / "renders" / name, camera=REAL, rest_box=((-0.7, -0.3, -0.8), (0.7, 0.3, 0.7)))
    assert [f for f in found if f.severity != "note"] == []
