"""Windows, names, types, attributes and views of a source come back in its delivery, through the real stages."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest
import torch

from model.stylizer import Architecture
from model.stylizer import Stylizer as Network
from model.weights import Card, save
from osf_pipeline.color import over
from osf_pipeline.config import Camera, Delivery, ShotConfig, dump_yaml
from osf_pipeline.delivery.stage import deliver_shot
from osf_pipeline.errors import InputDataError, RequestError
from osf_pipeline.exr.attributes import HEADERS_FILE, with_attributes
from osf_pipeline.exr.read import Image, place, read_exr
from osf_pipeline.exr.write import Window, encode_exr, write_exr
from osf_pipeline.guidance.stage import guide_shot
from osf_pipeline.ingest.stage import ingest_shot
from osf_pipeline.layout import Layout
from osf_pipeline.render.frame import render_frame
from osf_pipeline.render.sequence import channels
from osf_pipeline.sample.make import SampleRequest, sample_scene
from osf_pipeline.shots import FrameRange
from osf_pipeline.store.version import current
from osf_pipeline.stylize.stage import stylize_shot
from osf_pipeline.tracking.tracker import ModelRef, Tracker

pytestmark = pytest.mark.integration

FRAMES = (1001, 1002, 1003)
DISPLAY = (0, 0, 159, 127)
STUDIO: dict[str, tuple[str, bytes]] = {
    "framesPerSecond": ("rational", struct.pack("<iI", 24000, 1001)),
    "keyCode": ("keycode", struct.pack("<7i", 1, 2, 3, 4, 5, 6, 64)),
    "chromaticities": ("chromaticities", struct.pack("<8f", 0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)),
    "worldToCamera": ("m44f", struct.pack("<16f", *range(16))),
    "lensShift": ("v2f", struct.pack("<2f", 0.25, -0.125)),
    "screenWindowCenter": ("v2f", struct.pack("<2f", 0.5, -0.25)),
    "tags": ("stringvector", struct.pack("<i", 3) + b"one"),
    "owner": ("string", "Zoë".encode()),
    "a name of more than thirty-one bytes in all": ("string", b"x"),
}


@dataclass(frozen=True)
class Disc:
    """A disc with two parts that moves by `velocity` pixels a frame, exact in every buffer, wherever one looks."""

    display: Window = DISPLAY
    centre: tuple[float, float] = (70.0, 62.0)
    velocity: tuple[float, float] = (4.0, -2.0)
    radius: float = 26
    aspect: float = 1.0
    color: str = "float16"
    soft: bool = False
    names: Mapping[str, str] = field(default_factory=dict)

    def place(self, frame: int) -> tuple[float, float]:
        step = frame - FRAMES[0]
        return self.centre[0] + step * self.velocity[0], self.centre[1] + step * self.velocity[1]

    def box(self, frame: int, margin: int = 0) -> Window:
        """The tight window of the figure."""
        (x, y), r = self.place(frame), self.radius
        low = (int(np.floor(x - r)) + 1 - margin, int(np.floor(y - r)) + 1 - margin)
        return (*low, int(np.ceil(x + r)) - 1 + margin, int(np.ceil(y + r)) - 1 + margin)

    def channels(self, frame: int, window: Window) -> dict[str, np.ndarray]:
        y, x = np.mgrid[window[1] : window[3] + 1, window[0] : window[2] + 1].astype(np.float32)
        cx, cy = self.place(frame)
        u, v = x - np.float32(cx), y - np.float32(cy)
        seen = u**2 + v**2 < self.radius**2

        def on(value: Any, background: float = 0) -> np.ndarray:
            return np.where(seen, value, background).astype(np.float32)

        stripes = 0.5 + 0.4 * np.sin(u / 3) * np.cos(v / 4)
        cover = np.clip(self.radius - np.hypot(u, v) + 0.5, 0, 1) if self.soft else on(1)
        shades = (("R", 2.5), ("G", 1.0), ("B", -0.25))
        color = {c: (np.where(cover > 0, stripes * k, 0) * cover).astype(self.color) for c, k in shades}
        found = {
            **color, "A": cover.astype(self.color),
            "depth.Z": on(5 - 0.01 * u, np.inf),
            "normal.X": on(0), "normal.Y": on(0), "normal.Z": on(1),
            "rest_position.X": on(u / 50), "rest_position.Y": on(-v / 50), "rest_position.Z": on(0.1),
            "motion.X": on(self.velocity[0]), "motion.Y": on(self.velocity[1]),
            "motion_next.X": on(self.velocity[0]), "motion_next.Y": on(self.velocity[1]),
            "part_id.I": (seen * np.where(u > 0, 2, 1)).astype(np.uint32),
            "object_id.I": seen.astype(np.uint32),
            "matte00.r": np.where(seen, np.float32(1.5e-39), 0).astype(np.float32),
        }  # fmt: skip
        return {self.names.get(name, name): values for name, values in found.items()}

    def attributes(self, frame: int) -> dict[str, tuple[str, bytes]]:
        return STUDIO | {"timeCode": ("timecode", struct.pack("<II", frame, 7))}

    def write(self, folder: Path, windows: Mapping[int, Window]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for frame, window in windows.items():
            data = encode_exr(
                self.channels(frame, window),
                attributes={"osf:renderer": "test", "Frame": str(frame)},
                data_window=window, display_window=self.display, pixel_aspect=self.aspect,
            )  # fmt: skip
            (folder / f"disc.{frame}.exr").write_bytes(with_attributes(data, self.attributes(frame)))


@pytest.fixture(scope="module", autouse=True)
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A network with random weights that draws something everywhere it may, in place of the registry."""
    torch.manual_seed(0)
    net = Network(Architecture(blocks=1))
    torch.nn.init.normal_(net.head.weight, std=0.2)
    for _ in range(3):
        net(torch.rand(2, 10, 32, 32))
    with torch.no_grad():
        net.head.bias.data[3] = 0.4  # type: ignore[union-attr]
        net.strokes.values.uniform_(0, 1)
    folder = tmp_path_factory.mktemp("model")
    card = save(folder, net.eval(), Card(net.architecture, 5.0, 0.01, ((0, 0, 0), (1, 1, 1)), "CC0-1.0", 0, {}))

    class Registry:
        def resolve(self, model: str, _: str | int) -> ModelRef:
            return ModelRef(model, 1, folder, card.sha256, {})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tracker, "at", lambda *_: Registry())
        yield


@dataclass(frozen=True)
class Delivered:
    layout: Layout
    shot: str
    url: str

    def image(self, frame: int) -> Image:
        return read_exr(f"{self.url}/exr/{self.shot}.{frame}.exr")

    def stored(self, frame: int) -> dict[str, np.ndarray]:
        version = current(self.layout.store(self.shot, "stylized"))
        assert version is not None
        at = version.position(frame)
        return {name: values[0] for name, values in version.read(at, at + 1).items()}


Deliver = Callable[..., Delivered]


@pytest.fixture
def deliver(tmp_path: Path) -> Deliver:
    """Write a shot's files, run every stage and return what was delivered."""
    layout = Layout.of(str(tmp_path / "root"))

    def run(shot: str, write: Callable[[Path], None] | None = None, **settings: Any) -> Delivered:
        renders = Path(layout.renders(shot))
        if write:
            renders.mkdir(parents=True, exist_ok=True)
            write(renders)
            config = ShotConfig(**({"styles": {"*": "ink"}, "objects": {1: "disc"}} | settings))
            (renders / "shot.yaml").write_text(dump_yaml(config))
            for stage in (ingest_shot, guide_shot, stylize_shot):
                stage(layout, shot)
        return Delivered(layout, shot, deliver_shot(layout, shot).url)

    return run


WINDOWS: dict[str, tuple[Disc, Callable[[Disc, int], Window]]] = {
    "full": (Disc(), lambda d, _: d.display),
    "display away from the origin": (
        Disc(display=(-300, 1000, -141, 1127), centre=(-230, 1062)), lambda d, _: d.display,
    ),
    "cropped and moving": (Disc(), lambda d, f: d.box(f, margin=3 * (f - FRAMES[0]))),
    "overscan": (Disc(display=(0, 0, 119, 99)), lambda *_: (-20, -14, 139, 113)),
    "leaves the display": (Disc(centre=(150, 62)), lambda d, f: d.box(f)),
    "odd size and pixel aspect": (Disc(display=(0, 0, 160, 88), centre=(70, 44), aspect=1.5), lambda d, _: d.display),
    "disjoint from the display": (Disc(display=(400, 300, 459, 359)), lambda d, f: d.box(f, 4)),
    "one pixel, empty": (Disc(), lambda d, f: (5, 9, 5, 9) if f == 1002 else d.box(f, 6)),
    "one pixel of the figure": (Disc(), lambda d, f: (70, 60, 70, 60) if f == 1002 else d.box(f, 6)),
    "float": (Disc(color="float32"), lambda d, f: d.box(f, 6)),
}  # fmt: skip


@pytest.mark.parametrize("case", WINDOWS)
def test_windows_types_and_attributes_come_back(deliver: Deliver, case: str) -> None:
    disc, window_of = WINDOWS[case]
    windows = {frame: window_of(disc, frame) for frame in FRAMES}
    tiny = case.startswith("one pixel")  # shows nothing that motion could lead to
    done = deliver("disc", lambda folder: disc.write(folder, windows), cuts=(1002, 1003) if tiny else ())
    drawn = 0
    for frame in FRAMES:
        image = done.image(frame)
        assert (image.header.display_window, image.header.pixel_aspect) == (disc.display, disc.aspect)
        window, ink = windows[frame], image.channels["A"] > 0
        assert _holds(image.window, window)
        if image.window != window:  # grown, and then by nothing but ink
            rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
            x, y = image.window[:2]
            tight = (x + int(columns[0]), y + int(rows[0]), x + int(columns[-1]), y + int(rows[-1]))
            assert image.window == _union(window, tight)
            known = disc.display
            for other in windows.values():
                known = _union(known, other)
            assert _holds(known, image.window), "ink where nothing is known"
        raw = image.header.parts[0].raw_attributes
        assert {name: raw[name] for name in STUDIO | {"timeCode": 0}} == disc.attributes(frame)
        assert raw["Frame"] == ("string", str(frame).encode())
        assert "colorInteropID" not in raw, "the source's chromaticities say it already"
        source = disc.channels(frame, image.window)
        line = np.stack([image.channels[f"line.{c}"] for c in "RGBA"])
        for c in "RGBA":
            assert image.channels[c].dtype == disc.color
            assert image.channels[f"fill.{c}"].dtype == image.channels[f"line.{c}"].dtype == np.float16
            bare = line[3] == 0
            inside = _mask(image.window, window)
            _same(image.channels[c][bare & inside], source[c][bare & inside])
            _same(image.channels[f"fill.{c}"][inside], source[c].astype(np.float16)[inside])
            assert not image.channels[f"fill.{c}"][~inside].any()
            assert not image.channels[c][(source["A"] == 0) & bare].any(), "background is nothing"
        stored = done.stored(frame)["line"]
        drawn += int((line[3] > 0).sum())
        assert np.count_nonzero(stored[3]) == np.count_nonzero(line[3]), "no ink is lost"
    assert drawn > 0


def test_a_tight_window_draws_as_the_full_frame_does(deliver: Deliver) -> None:
    """Bit for bit, ink outside the tight window included; the full frame is the truth."""
    disc = Disc()
    full = deliver("full", lambda folder: disc.write(folder, dict.fromkeys(FRAMES, disc.display)))
    tight = deliver("tight", lambda folder: disc.write(folder, {f: disc.box(f) for f in FRAMES}))
    wide = deliver("wide", lambda folder: disc.write(folder, dict.fromkeys(FRAMES, (-40, -30, 200, 170))))
    for frame in FRAMES:
        whole = full.image(frame)
        assert (whole.channels["line.A"][~_mask(whole.window, disc.box(frame))] > 0).any()
        for other in (tight.image(frame), wide.image(frame)):
            for name, values in whole.channels.items():
                background = 1 if name == "confidence.Y" else 0
                _same(place(other.channels[name], other.window, whole.window, background), values)


@pytest.mark.parametrize("color", ["float16", "float32"])
def test_composites_show_no_fringe(deliver: Deliver, color: str) -> None:
    """Over any background, soft edges lie between the figure, the line and the background; layers give the same."""
    disc = Disc(soft=True, color=color)
    done = deliver("disc", lambda folder: disc.write(folder, {f: disc.box(f, 2) for f in FRAMES}))
    channels = {name: values.astype(np.float32) for name, values in done.image(1002).channels.items()}

    def layer(prefix: str) -> np.ndarray:
        return np.stack([channels[f"{prefix}{c}"] for c in "RGBA"])

    beauty, line, fill = layer(""), layer("line."), layer("fill.")
    mixed = (beauty[3] > 0.02) & (beauty[3] < 0.98)
    assert mixed.sum() > 50
    assert ((line[3] > 0) & (fill[3] > 0) & mixed).any()
    for grey in (0.0, 0.2140, 1.0):  # black, mid-grey, white
        background = np.full_like(fill[:3], grey)
        picture = over(beauty, np.concatenate([background, np.ones_like(fill[3:])]))[:3]
        layered = line[:3] + (1 - line[3]) * (fill[:3] + (1 - fill[3]) * background)
        np.testing.assert_allclose(picture, layered, atol=4e-3)
        parts = [
            (background, beauty[3] < 1),
            *((shown[:3] / np.maximum(shown[3], 1e-6), shown[3] > 0) for shown in (line, fill)),
        ]
        low = np.min([np.where(there, values, np.inf) for values, there in parts], axis=0)
        high = np.max([np.where(there, values, -np.inf) for values, there in parts], axis=0)
        tolerance = 4e-3 * (1 + np.abs(picture))
        assert (picture >= low - tolerance)[:, mixed].all()
        assert (picture <= high + tolerance)[:, mixed].all()


BLENDER = {c: f"ViewLayer.Combined.{c}" for c in "RGBA"}


def test_source_names_and_copied_channels(deliver: Deliver) -> None:
    disc = Disc(names=BLENDER)
    windows = {frame: disc.box(frame, 5) for frame in FRAMES}
    mapped = {
        "color": tuple(BLENDER.values()), "depth": ("depth.Z",), "normal": tuple(f"normal.{c}" for c in "XYZ"),
        "rest_position": tuple(f"rest_position.{c}" for c in "XYZ"), "motion": ("motion.X", "motion.Y"),
        "part_id": ("part_id.I",), "object_id": ("object_id.I",),
    }  # fmt: skip
    settings = {"adapter": "osf", "channels": mapped, "normal_space": "camera"}
    standard = deliver("disc", lambda folder: disc.write(folder, windows), **settings)
    _configure(standard, delivery=Delivery(names="source", pass_through=("*_id.I", "matte*")))
    named = deliver("disc")
    assert named.url != standard.url
    assert Path(standard.url, "delivery.json").exists()
    for frame in FRAMES:
        image, before = named.image(frame), standard.image(frame)
        assert set(image.channels) == {
            *BLENDER.values(), "part_id.I", "object_id.I", "matte00.r", "ViewLayer.confidence.Y",
            *(f"ViewLayer.{layer}.{c}" for layer in ("fill", "line") for c in "RGBA"),
        }  # fmt: skip
        assert image.window == before.window
        for name, values in before.channels.items():
            there = BLENDER.get(name, f"ViewLayer.{name}")
            _same(image.channels[there], values)
        source = disc.channels(frame, windows[frame])
        inside = _mask(image.window, windows[frame])
        for name in ("part_id.I", "object_id.I", "matte00.r"):
            assert image.channels[name].dtype == source[name].dtype
            _same(image.channels[name][inside], source[name].ravel())
            assert not image.channels[name][~inside].any()
    assert deliver_shot(named.layout, "disc").reused
    _configure(named, delivery=Delivery())
    again = deliver_shot(named.layout, "disc")
    assert (again.url, again.reused) == (standard.url, True)


def test_everything_may_be_copied(deliver: Deliver) -> None:
    disc = Disc()
    windows = {frame: disc.box(frame, 5) for frame in FRAMES}
    done = deliver("disc", lambda f: disc.write(f, windows), delivery=Delivery(pass_through=("*",)))
    image = done.image(1002)
    inside = _mask(image.window, windows[1002])
    for name, values in disc.channels(1002, windows[1002]).items():
        delivered = f"fill.{name}" if name in "RGBA" else name
        _same(image.channels[delivered][inside], values.ravel())


def test_a_source_that_is_gone_or_changed_is_named_when_it_is_to_be_copied(deliver: Deliver) -> None:
    disc = Disc()
    done = deliver("disc", lambda f: disc.write(f, dict.fromkeys(FRAMES, disc.display)))
    renders = Path(done.layout.renders("disc"))
    _configure(done, delivery=Delivery(pass_through=("nothing.*",)))
    with pytest.raises(RequestError, match=r"nothing\.\*"):
        deliver_shot(done.layout, "disc")
    _configure(done, delivery=Delivery(pass_through=("matte*",)))
    replace(disc, radius=25).write(renders, {1002: disc.display})
    with pytest.raises(InputDataError, match="has changed") as caught:
        deliver_shot(done.layout, "disc")
    assert caught.value.where["frame"] == 1002
    (renders / "disc.1002.exr").unlink()
    with pytest.raises(InputDataError, match="gone") as caught:
        deliver_shot(done.layout, "disc")
    assert caught.value.where["frame"] == 1002
    assert not list(Path(done.url).parent.glob("*-*/delivery.json")), "a failed delivery is not published"


def test_a_bad_frame_is_left_out_or_shows_the_frame_before_it(deliver: Deliver) -> None:
    disc = Disc()

    def write(folder: Path) -> None:
        disc.write(folder, {frame: disc.box(frame, 5) for frame in FRAMES})
        bad = folder / "disc.1002.exr"
        bad.write_bytes(bad.read_bytes()[:-500])

    left_out = deliver("gap", write, on_fault="quarantine")
    assert [p.name for p in sorted(Path(left_out.url, "exr").iterdir())] == ["gap.1001.exr", "gap.1003.exr"]
    assert json.loads(Path(left_out.url, "delivery.json").read_text())["quarantined"] == [1002]
    held = deliver("held", write, on_fault="hold", delivery=Delivery(pass_through=("matte*",)))
    before, image = held.image(1001), held.image(1002)
    for name in ("fill.R", "fill.A", "matte00.r"):
        _same(place(image.channels[name], image.window, before.window, 0), before.channels[name])
    raw = image.header.parts[0].raw_attributes
    assert raw["timeCode"] == disc.attributes(1001)["timeCode"]
    assert image.header.attributes["osf:frame"] == 1002


def test_a_store_without_headers_is_delivered_without(deliver: Deliver) -> None:
    disc = Disc()
    done = deliver("disc", lambda f: disc.write(f, dict.fromkeys(FRAMES, disc.display)))
    version = current(done.layout.store("disc", "gbuffer"))
    assert version is not None
    Path(version.url, HEADERS_FILE).unlink()
    _configure(done, fps=12)
    raw = deliver("disc").image(1001).header.parts[0].raw_attributes
    assert raw["colorInteropID"] == ("string", b"lin_rec709_scene")
    assert not (set(STUDIO) - {"screenWindowCenter", "chromaticities"}) & set(raw)


def _single(disc: Disc, shifted: Disc, path: Path, frame: int) -> dict[str, Window]:
    """Both views in one part: the default view bare, the other in front of the last name."""
    window = disc.display
    left, right = disc.channels(frame, window), shifted.channels(frame, window)

    def named(name: str) -> str:
        *layer, last = name.split(".")
        return ".".join([*layer, "right", last])

    channels = left | {named(name): values for name, values in right.items()}
    data = encode_exr(channels, attributes={"osf:renderer": "test"}, data_window=window)
    views = b"".join(struct.pack("<i", len(v)) + v.encode() for v in ("left", "right"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("osf_pipeline.exr.attributes.OF_PIXELS", frozenset())
        path.write_bytes(with_attributes(data, {"multiView": ("stringvector", views), **disc.attributes(frame)}))
    return {"left": window, "right": window}


def _multipart(disc: Disc, shifted: Disc, path: Path, frame: int) -> dict[str, Window]:
    """A part per view and layer, each with its own window."""
    parts, windows = [], {}
    for view, figure in (("left", disc), ("right", shifted)):
        window = windows[view] = figure.box(frame, 3 if view == "left" else 7)
        layers: dict[str, dict[str, np.ndarray]] = {}
        for name, values in figure.channels(frame, window).items():
            layer = name.rpartition(".")[0] or "rgba"
            layers.setdefault(layer, {})[name] = values
        for layer, planes in layers.items():
            header = {
                "type": OpenEXR.scanlineimage, "view": view, "osf:renderer": "test", "take": f"take of {view}",
                "dataWindow": (np.array(window[:2], np.int32), np.array(window[2:], np.int32)),
                "displayWindow": (np.array(disc.display[:2], np.int32), np.array(disc.display[2:], np.int32)),
            }  # fmt: skip
            parts.append(OpenEXR.Part(header, planes, name=f"{layer}_{view}" if layer == "rgba" else f"{layer}.{view}"))
    with OpenEXR.File(parts) as file:
        file.write(str(path))
    return windows


@pytest.mark.parametrize("layout", [_single, _multipart])
@pytest.mark.parametrize("view", ["left", "right"])
def test_each_view_is_a_shot_of_its_own(deliver: Deliver, layout: Callable[..., dict[str, Window]], view: str) -> None:
    disc = Disc()
    shifted = replace(disc, centre=(61, 60))
    windows: dict[int, Window] = {}

    def write(folder: Path) -> None:
        for frame in FRAMES:
            windows[frame] = layout(disc, shifted, folder / f"stereo.{frame}.exr", frame)[view]

    figure = disc if view == "left" else shifted
    names = {b: tuple(f"{b}.{c}" for c in letters) for b, letters in (("depth", "Z"), ("motion", "XY"))}
    color = tuple(f"rgba.{c}" for c in "RGBA") if layout is _multipart else tuple("RGBA")
    settings = {"view": view, "channels": names | {"color": color}, "adapter": "osf"}
    done = deliver("stereo", write, **settings, delivery=Delivery(pass_through=("part_id.*",)))
    for frame in FRAMES:
        image = done.image(frame)
        raw = image.header.parts[0].raw_attributes
        assert raw["view"] == ("string", view.encode())
        assert "multiView" not in raw
        if layout is _multipart:
            assert raw["take"] == ("string", f"take of {view}".encode())
        inside = _mask(image.window, windows[frame])
        source = figure.channels(frame, windows[frame])
        assert _holds(image.window, windows[frame])
        _same(image.channels["fill.R"][inside], source["R"].ravel())
        _same(image.channels["part_id.I"][inside], source["part_id.I"].ravel())
        assert not image.channels["fill.A"][~inside].any()
        outside = ~inside & (image.channels["A"] == 0)
        grown = image.window != windows[frame]
        assert grown == bool((~inside).any())
        assert not outside.all() or not grown


def test_a_moving_perspective_camera_with_overscan(deliver: Deliver) -> None:
    """The built-in renderer at 641x359 with 24 px around, cropped to the figure; its motion is proven."""
    width, height, more = 641, 359, 24
    scene = sample_scene(SampleRequest(frames="1001-1012", width=width, height=height), FrameRange.parse("1001-1012"))

    def camera(frame: int, pixels: int = width) -> Camera:
        turn = 0.08 * (frame - FRAMES[0])
        back, right = (np.sin(turn), 0.0, np.cos(turn)), (np.cos(turn), 0.0, -np.sin(turn))
        half = np.tan(np.radians(55) / 2) * pixels / width
        return Camera(
            projection="persp", fov=float(2 * np.degrees(np.arctan(half))), right=right, back=back,
            position=tuple((2.3 - 0.1 * turn) * np.array(back)),
        )  # fmt: skip

    rendered: dict[int, tuple[Window, dict[str, np.ndarray]]] = {}

    def write(folder: Path) -> None:
        wide = replace(scene, camera=lambda frame: camera(frame, width + 2 * more))
        for i, frame in enumerate(FRAMES):
            picture = render_frame(
                wide, frame, (width + 2 * more, height + 2 * more), supersample=1,
                previous=FRAMES[i - 1] if i else None, following=(*FRAMES, None)[i + 1],
            )  # fmt: skip
            planes = dict(channels(picture.buffers))
            rows, columns = (np.flatnonzero(planes["A"].any(axis)) for axis in (1, 0))
            cut = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            window = (int(columns[0]) - more, int(rows[0]) - more, int(columns[-1]) - more, int(rows[-1]) - more)
            rendered[frame] = window, {name: plane[cut] for name, plane in planes.items()}
            write_exr(
                str(folder / f"persp.{frame}.exr"), rendered[frame][1], attributes={"osf:renderer": "test"},
                data_window=window, display_window=(0, 0, width - 1, height - 1),
            )  # fmt: skip

    done = deliver("persp", write, camera={frame: camera(frame) for frame in FRAMES}, objects={1: "figure"})
    gbuffer = current(done.layout.store("persp", "gbuffer"))
    assert gbuffer is not None
    assert [f for f in gbuffer.attributes["findings"] if f["rule"] == "motion"] == []
    motion = gbuffer.read(1, 2, ("motion", "motion_valid"))
    assert np.abs(motion["motion"][0][:, motion["motion_valid"][0, 0] > 0]).mean() > 2
    assert len({window for window, _ in rendered.values()}) == len(FRAMES)
    for frame, (window, planes) in rendered.items():
        image = done.image(frame)
        assert image.header.display_window == (0, 0, 640, 358)
        assert window[1] < 0
        assert window[3] > 358
        assert _holds(image.window, window)
        inside = _mask(image.window, window)
        for c in "RGBA":
            _same(image.channels[f"fill.{c}"][inside], planes[c].ravel())
        assert (image.channels["line.A"] > 0).any()


def _configure(done: Delivered, **settings: Any) -> None:
    config = done.layout.shot_config(done.shot).model_copy(update=settings)
    Path(done.layout.renders(done.shot), "shot.yaml").write_text(dump_yaml(config))


def _union(a: Window, b: Window) -> Window:
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def _holds(outer: Window, inner: Window) -> bool:
    return _union(outer, inner) == outer


def _mask(window: Window, inner: Window) -> np.ndarray:
    """(y, x) bool over `window`: what lies in `inner`."""
    size = inner[3] - inner[1] + 1, inner[2] - inner[0] + 1
    return place(np.ones(size, bool), inner, window, False)


def _same(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    assert found.tobytes() == expected.tobytes()
