"""From a drawing's folder to a version of the character and a style that can be trained."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from drawn_figures import SHAPE, person
from PIL import Image
from scipy import ndimage

from osf_pipeline.character.character import Character
from osf_pipeline.character.stage import build_from_drawing, built_characters, character_folder
from osf_pipeline.drawing.skeleton import write
from osf_pipeline.drawing.strip import read_strip
from osf_pipeline.errors import InputDataError, OsfError, RequestError
from osf_pipeline.layout import Layout
from osf_pipeline.results import BuiltCharacter
from osf_pipeline.training.exemplar import load_exemplars, prepare


def draw(folder: Path) -> None:
    """A person with a dark outline of four pixels on a picture, its mask and its joints."""
    folder.mkdir(parents=True)
    drawing = person()
    inside = ndimage.distance_transform_edt(drawing.mask)
    picture = np.where(drawing.mask[..., None], drawing.image, 0.9)
    picture[(inside > 0) & (inside <= 4)] = (0.15, 0.1, 0.2)
    Image.fromarray((255 * picture).astype(np.uint8)).save(folder / "drawing.png")
    Image.fromarray((255 * drawing.mask).astype(np.uint8)).save(folder / "mask.png")
    write(str(folder / "char_cfg.yaml"), drawing.skeleton, drawing.mask.shape)
    (folder / "character.yaml").write_text("license: CC0-1.0\nkeyframe: 160\n")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, BuiltCharacter]:
    root = tmp_path_factory.mktemp("root")
    draw(root / "drawings" / "person")
    return root, build_from_drawing(Layout.of(str(root)), "person")


@pytest.fixture
def root(built: tuple[Path, BuiltCharacter], tmp_path: Path) -> Path:
    return Path(shutil.copytree(built[0], tmp_path / "root"))


def test_a_version_holds_the_character_and_everything_made_of_it(built: tuple[Path, BuiltCharacter]) -> None:
    root, result = built
    layout = Layout.of(str(root))
    folder = Path(result.url)
    assert not result.reused
    assert folder == Path(character_folder(layout, "person"))
    assert built_characters(layout) == ["person"]
    character = Character.load(str(folder))
    assert len(character.bones) == 15
    assert (folder / "person.glb").read_bytes()[:4] == b"glTF"
    with Image.open(folder / "fill.png") as fill:
        assert fill.size == SHAPE[::-1]
    strip = read_strip(str(folder))
    assert np.median(strip.inner + strip.outer) == pytest.approx(4, abs=1)
    assert any("outline" in row["finding"] for row in result.metadata["findings"])
    assert {row["part"] for row in result.metadata["parts"]} == set(character.parts.values())


def test_the_style_can_be_learnt_from(built: tuple[Path, BuiltCharacter]) -> None:
    root, _ = built
    layout = Layout.of(str(root))
    style = layout.style_config("person")
    assert style.license == "CC0-1.0"
    assert style.exemplars[0].strip == "strip.json"
    (exemplar,) = load_exemplars(style, layout.style("person"))
    assert exemplar.strip is not None
    assert np.median(exemplar.strip.inner + exemplar.strip.outer) == pytest.approx(4, abs=1)
    prepared = prepare(exemplar)
    assert 1.5 < prepared.stroke < 5, "the four pixels of the drawing are three on the keyframe"
    assert len(prepared.figure.limbs) >= 8


def test_the_same_drawing_again_does_no_work(root: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (root / "characters").rglob("*") if path.is_file()}
    again = build_from_drawing(Layout.of(str(root)), "person")
    assert again.reused
    assert before == {path: path.stat().st_mtime_ns for path in (root / "characters").rglob("*") if path.is_file()}


def test_an_artists_style_file_stays_and_lost_files_come_back(root: Path) -> None:
    style = root / "styles" / "person"
    edited = (style / "style.yaml").read_text() + "recipe: {steps: 7}\n"
    (style / "style.yaml").write_text(edited)
    (style / "drawing.png").unlink()
    build_from_drawing(Layout.of(str(root)), "person")
    assert (style / "style.yaml").read_text() == edited
    assert (style / "drawing.png").exists()


def test_a_damaged_strip_is_named_before_anything_is_learnt(root: Path) -> None:
    layout = Layout.of(str(root))
    (root / "styles/person/strip.json").write_text("{}")
    with pytest.raises(InputDataError, match=r"strip\.json"):
        load_exemplars(layout.style_config("person"), layout.style("person"))


def test_a_failed_build_leaves_the_current_version_alone(root: Path) -> None:
    layout = Layout.of(str(root))
    current = character_folder(layout, "person")
    Image.new("L", SHAPE[::-1]).save(root / "drawings/person/mask.png")
    with pytest.raises(InputDataError, match="empty"):
        build_from_drawing(layout, "person")
    assert character_folder(layout, "person") == current
    assert len([p for p in (root / "characters/person").iterdir() if p.is_dir()]) == 1


def test_a_version_without_its_record_is_built_again(root: Path) -> None:
    layout = Layout.of(str(root))
    folder = Path(character_folder(layout, "person"))
    content = (folder / "character.safetensors").read_bytes()
    (folder / "record.json").unlink()
    (folder / "character.safetensors").write_bytes(b"half")
    assert not build_from_drawing(layout, "person").reused
    assert (folder / "character.safetensors").read_bytes() == content, "equal drawings give equal bytes"
    assert json.loads((folder / "record.json").read_text())["joints"] == "char_cfg.yaml"


def moved_joint(root: Path, name: str, x: float, y: float) -> None:
    import yaml

    file = root / "drawings/person/char_cfg.yaml"
    data = yaml.safe_load(file.read_text())
    for joint in data["skeleton"]:
        if joint["name"] == name:
            joint["loc"] = [x, y]
    file.write_text(yaml.safe_dump(data))


@pytest.mark.parametrize(
    ("place", "words"),
    [((2, 2), "left_hand"), ((136, 92), "left_hand")],
    ids=["outside the figure", "a bone of no length"],
)
def test_bad_joints_name_the_joint(root: Path, place: tuple[float, float], words: str) -> None:
    moved_joint(root, "left_hand", *place)
    with pytest.raises(OsfError, match=words):
        build_from_drawing(Layout.of(str(root)), "person")


def test_an_unknown_drawing_lists_the_known_ones(root: Path) -> None:
    with pytest.raises(RequestError, match="person"):
        build_from_drawing(Layout.of(str(root)), "knight")
    with pytest.raises(RequestError, match="Characters found: person"):
        character_folder(Layout.of(str(root)), "knight")
