"""The whole road: from a picture and nothing else to a character, renders, stylized frames and a baked texture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from PIL import Image, ImageDraw

from osf_pipeline.bake.stage import bake_shot
from osf_pipeline.character.stage import build_from_drawing
from osf_pipeline.execution import Execution
from osf_pipeline.layout import Layout
from osf_pipeline.render.stage import render_scenes
from osf_pipeline.results import BuiltCharacter
from osf_pipeline.run import run_shot
from osf_pipeline.scenes import Actor, CameraMove, SceneConfig, write_scene

pytestmark = pytest.mark.integration
SHOT = "doll_wave"
INK = (48, 32, 60)


def draw(path: Path) -> None:
    """A doll on paper, drawn with a pen five pixels broad, at twice the size it is kept at."""
    sheet = Image.new("RGB", (440, 600), (240, 236, 226))
    pen = ImageDraw.Draw(sheet)

    def limb(start: tuple[int, int], end: tuple[int, int], broad: int, color: tuple[int, int, int]) -> None:
        for radius, ink in ((broad, INK), (broad - 10, color)):
            pen.line([start, end], fill=ink, width=2 * radius)
            for x, y in (start, end):
                pen.ellipse([x - radius, y - radius, x + radius, y + radius], fill=ink)

    for side in (-1, 1):
        limb((220 + side * 38, 360), (220 + side * 60, 560), 24, (90, 120, 190))
        limb((220 + side * 56, 230), (220 + side * 180, 330), 22, (232, 170, 130))
    pen.rounded_rectangle([148, 196, 292, 400], 40, INK)
    pen.rounded_rectangle([158, 206, 282, 390], 30, (200, 70, 60))
    pen.ellipse([140, 30, 300, 200], INK)
    pen.ellipse([150, 40, 290, 190], (236, 186, 150))
    for x in (190, 250):
        pen.ellipse([x - 7, 98, x + 7, 112], INK)
    path.parent.mkdir(parents=True)
    sheet.resize((220, 300), Image.Resampling.LANCZOS).save(path)


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> tuple[Layout, BuiltCharacter]:
    """A root on which a drawing became a rendered shot."""
    layout = Layout.of(str(tmp_path_factory.mktemp("road")))
    draw(Path(layout.drawing("doll")) / "drawing.png")
    (Path(layout.drawing("doll")) / "character.yaml").write_text("license: CC0-1.0\nkeyframe: 150\n")
    built = build_from_drawing(layout, "doll")
    style = Path(layout.style("doll")) / "style.yaml"
    style.write_text(style.read_text() + "recipe: {steps: 60, width: 8, blocks: 2, pool: 8, snapshot: 60}\n")
    scene = SceneConfig(
        actors=(Actor(character="doll", motion="wave", first=0.5),), frames="1-6", width=160, height=160,
        camera=CameraMove(scale=(2.4,)),
    )  # fmt: skip
    write_scene(layout, SHOT, scene)
    (rendered,) = render_scenes(layout, "doll", [], Execution(threads=1))
    assert (rendered.shot, rendered.frames) == (SHOT, 6)
    return layout, built


def test_the_figure_and_its_joints_are_found_on_the_paper(road: tuple[Layout, BuiltCharacter]) -> None:
    _, built = road
    assert (built.metadata["mask"], built.metadata["joints"]) == ("found on the drawing", "estimated")
    assert {row["part"] for row in built.metadata["parts"]} >= {"head", "torso", "right_forearm", "left_shin"}


def test_a_drawing_alone_comes_out_stylized_and_baked(road: tuple[Layout, BuiltCharacter]) -> None:
    layout, built = road
    results = {getattr(r, "kind", "style"): r for r in run_shot(layout, SHOT)}
    assert results["gbuffer"].metadata["findings"] == []
    assert results["stylized"].frames == 6
    exr = Path(layout.delivery(SHOT, results["stylized"].id)) / "exr" / f"{SHOT}.0003.exr"
    with OpenEXR.File(str(exr), separate_channels=True) as image:
        line = image.channels()["line.A"].pixels
    assert line.max() > 0.5, "the outline that was taken off the texture is drawn again"

    baked = bake_shot(layout, SHOT)
    folder = Path(baked.url) / "doll"
    with Image.open(folder / "texture.png") as texture, Image.open(Path(built.url) / "texture.png") as before:
        assert texture.size == before.size
        change = np.abs(np.asarray(texture, int) - np.asarray(before, int))
    assert 0 < change.mean() < 8, "the fill is the render's own colour, so its bake is nearly the texture again"
    assert (folder / "doll.glb").read_bytes()[:4] == b"glTF"
    assert bake_shot(layout, SHOT).reused


def test_rendered_shots_are_the_same_through_ray(road: tuple[Layout, BuiltCharacter], tmp_path: Path) -> None:
    layout, _ = road
    other = Layout.of(str(tmp_path))
    for folder in ("characters", "scenes"):
        (tmp_path / folder).symlink_to(Path(layout.root) / folder)
    render_scenes(other, "doll", [], Execution("ray", workers=2))
    ours, theirs = (sorted(Path(each.renders(SHOT)).glob("*.exr")) for each in (layout, other))
    assert len(ours) == 6
    assert [f.read_bytes() for f in ours] == [f.read_bytes() for f in theirs]
