"""The stylizer looked at: contact sheets of what it must survive, made by the real stages from the first drawing on.

    python benchmarks/pictures.py --root ROOT [--publish docs] [--only NAME ...] [--steps N] [--threads N]
        [--drawings FOLDER] [--motions FOLDER] [--renders FOLDER]

What lies under ROOT is used again, so a second run redraws only what changed. Sheets go to `ROOT/pictures/`, with
`--publish` also to `DOCS/images/`. Without folders they show the project's own fox and a robot drawn by code:

* `scale`: one style at half, once and twice the size it was learnt at, under both locks of the line;
* `turned`: half a turn, the back included;
* `dolly`: a perspective camera that comes nearer;
* `touching`: two characters of two styles, arm over arm;
* `fringe`: silhouettes over middle greys and black.

With folders of real material (the layout of AnimatedDrawings, and that of `osf bench occlusion --sequences`):

* `crossing` (`--renders`): crossing limbs as rendered, by texture lookup, by the two-stage method, by ours
  without and with intersections;
* one sheet for each drawing (`--drawings`, `--motions`): two frames in a row where most of it passes before itself.

Captions hold what was measured on the very frame; the last line has all numbers.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from common import finish
from looking import Numbers, Sheet, around, between, features, fringe, occlusion_band, stroke_width, window

from osf_pipeline.bench.fits import Style, learn
from osf_pipeline.bench.footage import StoredFootage
from osf_pipeline.bench.method import Budget
from osf_pipeline.bench.methods.registry import methods
from osf_pipeline.bench.sequences import BenchSequence, adopt
from osf_pipeline.character.stage import build_from_drawing
from osf_pipeline.color import display, encode_srgb, to_uint8
from osf_pipeline.colorspaces.spaces import in_rec709
from osf_pipeline.config import Camera, dump_yaml
from osf_pipeline.delivery.preview import encode_png, picture
from osf_pipeline.drawing.skeleton import FILE as JOINTS
from osf_pipeline.drawing.skeleton import write as write_joints
from osf_pipeline.errors import InputDataError
from osf_pipeline.execution import Execution
from osf_pipeline.generate.artwork import random_artwork
from osf_pipeline.guidance.stage import guide_shot
from osf_pipeline.ingest.stage import ingest_shot
from osf_pipeline.layout import Layout, exists, join
from osf_pipeline.render.stage import render_shot
from osf_pipeline.sample.original import write_original
from osf_pipeline.scenes import Actor, CameraMove, SceneConfig, write_scene
from osf_pipeline.store.files import take, write_bytes
from osf_pipeline.store.version import Version, reopen
from osf_pipeline.stylize.stage import inputs, nearest_object, styles_of, stylize_shot
from osf_pipeline.training.stage import train_style

FOX, ROBOT = "fox", "robot"
ROBOT_SEED = 21
"""A drawing by code in crayon, as unlike the fox's brush as may be."""
LOCKED = "locked"
"""The preset under which a line grows with its character."""
SHEET_BYTES = 600_000


@dataclass(frozen=True)
class Film:
    """A stylized shot."""

    gbuffer: Version
    guidance: Version
    stylized: Version
    stroke: float

    def __len__(self) -> int:
        return len(self.gbuffer.frames)

    def __getitem__(self, at: int) -> dict[str, np.ndarray]:
        """Everything known of the frame at a position; colour in linear Rec. 709."""
        found: dict[str, np.ndarray] = {}
        for version in (self.guidance, self.gbuffer, self.stylized):
            said = {name: values[0] for name, values in version.read(at, at + 1).items()}
            for name in {"color", "beauty", "line", "fill"} & said.keys():
                said[name] = in_rec709(said[name], version.attributes).astype(np.float32)
            found |= said
        return found

    @cached_property
    def bands(self) -> list[np.ndarray]:
        """(y, x) bool of every frame: near a contour with another surface behind it."""
        return [occlusion_band(self.guides(at), self.stroke) for at in range(len(self))]

    def guides(self, at: int) -> dict[str, np.ndarray]:
        gbuffer = self.gbuffer.read(at, at + 1, ("color", "object_id"))
        return {n: v[0] for n, v in (gbuffer | self.guidance.read(at, at + 1, ("contour", "contour_side"))).items()}


@dataclass(frozen=True)
class Studio:
    """Where pictures are made.

    Attributes:
        steps: of every training.
        drawings, motions, renders: folders of real material, where given.
    """

    layout: Layout
    steps: int
    execution: Execution
    drawings: Path | None = None
    motions: Path | None = None
    renders: Path | None = None

    def cast(self, *names: str) -> None:
        """Build the project's own characters."""
        for name in names:
            folder = self.layout.drawing(name)
            if not exists(folder):
                write_original(folder) if name == FOX else write_artwork(folder, ROBOT_SEED)
            build_from_drawing(self.layout, name)

    def bring(self, name: str) -> None:
        """Build the character of a real drawing; its mask is used where the figure is not found on its paper."""
        assert self.drawings
        here, there = self.drawings / name, self.layout.drawing(name)
        for file in ("texture.png", JOINTS):
            write_bytes(join(there, file), (here / file).read_bytes())
        try:
            build_from_drawing(self.layout, name)
        except InputDataError:
            write_bytes(join(there, "mask.png"), (here / "mask.png").read_bytes())
            build_from_drawing(self.layout, name)

    def shoot(self, shot: str, scene: SceneConfig, preset: str | None = None) -> Film:
        """Render a scene and stylize it."""
        write_scene(self.layout, shot, scene, force=True)
        render_shot(self.layout, shot, self.execution)
        return self.develop(shot, preset)

    def develop(self, shot: str, preset: str | None = None) -> Film:
        """From renders to a stylized shot."""
        ingest_shot(self.layout, shot, self.execution)
        guide_shot(self.layout, shot, self.execution)
        gbuffer, guidance = inputs(self.layout, shot)
        styles = styles_of(self.layout.shot_config(shot), gbuffer.attributes["objects"], shot)
        recipe = {"steps": self.steps, "threads": self.execution.threads}
        strokes = [train_style(self.layout, style, overrides=recipe).card["stroke"] for style in set(styles.values())]
        made = stylize_shot(self.layout, shot, self.execution, preset=preset, make_current=preset is None)
        return Film(gbuffer, guidance, reopen(self.layout.store(shot, "stylized"), made.id), max(strokes))


def write_artwork(folder: str, seed: int) -> None:
    """A drawing by code as if scanned, with its joints."""
    art = random_artwork(seed)
    write_joints(join(folder, JOINTS), art.skeleton, art.mask.shape)
    write_bytes(join(folder, "drawing.png"), encode_png(to_uint8(np.moveaxis(art.on_paper(seed), -1, 0))))


def aim(width: float, middle: float = 0.95, x: float = 0) -> CameraMove:
    """An orthographic camera in front that shows so many scene units."""
    return CameraMove(scale=(width,), position=((x, middle, 5),), target=((x, middle, 0),))


def span(start: float, stop: float, size: int) -> slice:
    """Pixels of a stretch that is told in parts of the whole."""
    return slice(round(start * size), round(stop * size))


def scale(studio: Studio) -> Sheet:
    """The figure before one camera at three resolutions; its keyframe's size is the middle one's."""
    studio.cast(FOX)
    write_bytes(studio.layout.preset(LOCKED), b"line: {lock: character}\n")
    sheet = Sheet(columns=3)
    for lock, preset in (("screen", None), ("character", LOCKED)):
        for factor, size in ((0.5, 256), (1, 512), (2, 1024)):
            scene = SceneConfig(
                actors=(Actor(character=FOX, motion="cross_arms", first=1.3),), frames="1001-1002",
                width=size, height=size, camera=aim(2.4),
            )  # fmt: skip
            frame = studio.shoot(f"scale_{size}", scene, preset)[0]
            broad = stroke_width(frame)
            sheet.numbers[f"{lock} {factor}"] = broad
            shown = picture(frame["beauty"])[span(0.34, 0.715, size), span(0.3125, 0.6875, size)]
            sheet.add(f"{lock}, {factor}×: {broad:.1f} px", shown, 1024 // size)
    return sheet


YAWS = (0, 60, 120, 180)


def beside(degrees: float) -> Camera:
    """A camera that looks at the figure from so far to its left."""
    s, c = float(np.sin(np.radians(degrees))), float(np.cos(np.radians(degrees)))
    return Camera(scale=2.4, position=(5 * s, 0.95, 5 * c), right=(c, 0, -s), back=(s, 0, c))


def turned(studio: Studio) -> Sheet:
    """Four views from a camera that goes half way round."""
    studio.cast(FOX, ROBOT)
    sheet = Sheet(columns=4)
    for name in (FOX, ROBOT):
        cameras = dict(enumerate(map(beside, YAWS), start=1001))
        scene = SceneConfig(
            actors=(Actor(character=name, motion="cross_arms", first=1.3),), frames="1001-1004", camera=cameras
        )
        film = studio.shoot(f"turned_{name}", scene)
        head = next(i for i, part in studio.layout.shot_config(f"turned_{name}").parts.items() if part == "head")
        frames = [film[at] for at in range(len(film))]
        rows, columns = around([frame["color"][3] > 0 for frame in frames])
        middle = (columns.start + columns.stop) // 2
        upper = slice(rows.start, rows.start + 290), slice(middle - 150, middle + 150)
        for degrees, frame in zip(YAWS, frames, strict=True):
            share = 100 * features(frame, head, film.stroke)
            sheet.numbers[f"{name} {degrees}"] = share
            sheet.add(f"{degrees}°: {share:.1f} % of the head dark inside", picture(frame["beauty"])[upper])
    return sheet


def dolly(studio: Studio) -> Sheet:
    """A camera that comes nearer, sideways; the line under both locks."""
    studio.cast(FOX)
    write_bytes(studio.layout.preset(LOCKED), b"line: {lock: character}\n")
    scene = SceneConfig(
        actors=(Actor(character=FOX, motion="cross_arms", first=0.8),), frames="1001-1016", width=360, height=360,
        camera=CameraMove(
            projection="persp", fov=(38,), position=((-1.6, 1.5, 4.6), (1.0, 1.0, 2.2)),
            target=((0, 0.9, 0), (0, 1.1, 0)),
        ),
    )  # fmt: skip
    sheet = Sheet(columns=4)
    for lock, preset in (("screen", None), ("character", LOCKED)):
        film = studio.shoot("dolly", scene, preset)
        chosen = {film.gbuffer.frames[at]: film[at] for at in (0, 5, 10, 15)}
        place = around([frame["color"][3] > 0 for frame in chosen.values()], 25)
        for number, frame in chosen.items():
            broad = stroke_width(frame)
            sheet.numbers[f"{lock} {number}"] = broad
            sheet.add(f"{lock}, {number}: {broad:.1f} px", picture(frame["beauty"])[place])
    return sheet


def pair(studio: Studio) -> Film:
    """Fox and robot side by side, so near that their arms pass before each other; a step apart in depth, for figures
    that stand in each other touch where they should hide, and a touch has no contour."""
    studio.cast(FOX, ROBOT)
    places = {FOX: (-0.42, 0, -0.2), ROBOT: (0.42, 0, 0)}
    actors = tuple(
        Actor(character=name, motion="cross_arms", position=place, first=0.25) for name, place in places.items()
    )
    return studio.shoot("pair", SceneConfig(actors=actors, frames="1001-1012", camera=aim(2.6)))


def touching(studio: Studio) -> Sheet:
    """Three frames of a shot, each where two figures hide most of each other in its third."""
    film = pair(studio)
    borders = [between(film.guides(at)["object_id"][0]) for at in range(len(film))]
    third = len(film) // 3
    chosen = [at + int(np.argmax([b.sum() for b in borders[at : at + third]])) for at in (0, third, 2 * third)]
    place = window(np.any([borders[at] for at in chosen], axis=0), 150, 190)
    sheet = Sheet(columns=len(chosen))
    for layer, name in (("color", "render"), ("beauty", "ours")):
        for at in chosen:
            sheet.add(f"{name}, {film.gbuffer.frames[at]}", picture(film[at][layer])[place], 2)
    sheet.numbers["border px"] = float(np.mean([borders[at].sum() for at in chosen]))
    return sheet


def grounds(studio: Studio) -> Sheet:
    """Heads over paper, greys and black, enlarged; the numbers are of the whole figure."""
    film = pair(studio)
    frame = film[len(film) // 2]
    alpha, owner = frame["beauty"][3], nearest_object(frame["object_id"][0])
    sheet = Sheet(columns=4)
    for number, figure in ((1, FOX), (2, ROBOT)):
        soft = (alpha > 0) & (alpha < 0.99) & (owner == number)
        rows, columns = around([frame["object_id"][0] == number], 6)
        rows = slice(rows.start, rows.start + 92)
        head = np.zeros_like(soft)
        head[rows] = (frame["object_id"][0] == number)[rows]
        columns = window(head, 92, 110)[1]
        for name, grey in (("white", 1.0), ("grey .5", 0.5), ("grey .18", 0.18), ("black", 0.0)):
            steps = fringe(frame["beauty"], grey)[soft]
            usual, share = float(np.percentile(steps, 99)), 100 * float((steps > 8).mean())
            sheet.numbers |= {f"{figure} {name} p99": usual, f"{figure} {name} %": share}
            over = to_uint8(display(frame["beauty"], float(encode_srgb(np.array(grey)))))
            sheet.add(f"{name}: fringe p99 {usual:.0f} of 255", over[rows, columns], 3)
    return sheet


CROSSING = {"char1_zombie": (16, (95, 315, 140, 360)), "char3_dab": (22, (105, 325, 122, 342))}
"""Sequence to the position of a frame and the rows and columns where limbs cross."""


def crossing(studio: Studio) -> Sheet:
    """Real renders; every network has the same steps."""
    assert studio.renders
    sheet = Sheet(columns=5)
    for folder, (at, (top, bottom, left, right)) in CROSSING.items():
        shot = adopt(studio.layout, str(studio.renders / folder), folder)
        film = studio.develop(shot)
        footage = StoredFootage(BenchSequence(shot, "", {}, {}, {}, film.gbuffer, film.guidance))
        style = Style.read(studio.layout, shot)
        drawn = {"render": film[at]["color"]}
        for name in ("texture lookup", "two-stage"):
            method = methods()[name]
            budget = Budget(studio.steps, threads=studio.execution.threads)
            fit = learn(join(studio.layout.root, "benchmark/cache/fits"), style, method, budget).fit
            drawn[name] = method.drawer(style.exemplars, fit)(footage, at).beauty
        drawn["ours"] = film[at]["beauty"]
        touched = studio.layout.shot_config(shot).model_copy(update={"intersections": True})
        write_bytes(join(studio.layout.renders(shot), "shot.yaml"), dump_yaml(touched).encode())
        drawn["ours, intersections"] = studio.develop(shot)[at]["beauty"]
        for name, layer in drawn.items():
            sheet.add(f"{folder} {film.gbuffer.frames[at]}: {name}", picture(layer)[top:bottom, left:right], 2)
    return sheet


MOVES = {"dab.bvh": 5.1, "zombie.bvh": 4.0}
"""Motion to the second at which its arms begin to cross."""


def drawing(name: str, studio: Studio) -> Sheet:
    """Two frames in a row of each motion, where most of the figure passes before itself."""
    assert studio.motions
    studio.bring(name)
    sheet = Sheet(columns=4)
    for move, first in MOVES.items():
        motion = Path(move).stem
        write_bytes(join(studio.layout.motions(), move), (studio.motions / move).read_bytes())
        scene = SceneConfig(
            actors=(Actor(character=name, motion=move, first=first),), frames="1001-1020", camera=aim(2.8)
        )
        film = studio.shoot(f"{name}_{motion}", scene)
        at = int(np.argmax([band.sum() for band in film.bands[:-1]]))
        place = window(film.bands[at], 140, 140)
        sheet.numbers[f"{motion} band px"] = float(film.bands[at].sum())
        for layer, what in (("color", "render"), ("beauty", "ours")):
            for near in (at, at + 1):
                sheet.add(f"{motion} {film.gbuffer.frames[near]}: {what}", picture(film[near][layer])[place], 2)
    return sheet


OWN: dict[str, Callable[[Studio], Sheet]] = {
    "scale": scale, "turned": turned, "dolly": dolly, "touching": touching, "fringe": grounds,
}  # fmt: skip
REAL_DRAWINGS = ("char4", "char5", "char6")


def sheets(studio: Studio) -> Iterator[tuple[str, Callable[[Studio], Sheet]]]:
    """Name and maker of every sheet for which there is material."""
    yield from ((f"scenes_{name}", make) for name, make in OWN.items())
    if studio.renders:
        yield "crossing", crossing
    if studio.drawings and studio.motions:
        yield from ((f"scenes_{name}", partial(drawing, name)) for name in REAL_DRAWINGS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", required=True)
    parser.add_argument("--only", nargs="*", help="sheets by name: scenes_scale, crossing, ...")
    parser.add_argument("--steps", type=int, default=150, help="of every training")
    parser.add_argument("--threads", type=int, default=2)
    for folder in ("drawings", "motions", "renders"):
        parser.add_argument(f"--{folder}", type=lambda path: Path(path).resolve())
    parser.add_argument("--publish", type=Path, help="folder of the documentation")
    asked = parser.parse_args()
    studio = Studio(
        Layout.of(asked.root), asked.steps, Execution(threads=asked.threads), asked.drawings, asked.motions,
        asked.renders,
    )  # fmt: skip
    numbers: Numbers = {}
    for name, make in sheets(studio):
        if asked.only and name not in asked.only:
            continue
        sheet = make(studio)
        url = join(studio.layout.root, "pictures", f"{name}.png")
        write_bytes(url, sheet.png())
        size = len(take(url))
        told = "  ".join(f"{key} {value:.4g}" for key, value in sheet.numbers.items())
        print(f"{name:<16} {size / 1000:4.0f} kB{' TOO LARGE' if size > SHEET_BYTES else ''}   {told}", flush=True)
        numbers |= {f"{name} {key}": value for key, value in sheet.numbers.items()}
        if asked.publish:
            write_bytes(str(asked.publish.resolve() / "images" / f"{name}.png"), take(url))
    finish(**numbers)


if __name__ == "__main__":
    main()
