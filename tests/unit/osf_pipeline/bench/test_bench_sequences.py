from pathlib import Path

import pytest
import yaml

from osf_pipeline.bench.request import BenchRequest
from osf_pipeline.bench.sequences import BenchSequence, adopt, at_size, rest_box
from osf_pipeline.bench.stage import sequences_of
from osf_pipeline.config import ShotConfig, StyleConfig, load_yaml
from osf_pipeline.errors import RequestError
from osf_pipeline.execution import Execution
from osf_pipeline.generate.plan import GenerateRequest
from osf_pipeline.layout import Layout

META = {"camera": "orthographic, ortho_scale 2.0 over 512 px, static", "fps": 12, "parts": {0: "background", 1: "head"}}


@pytest.fixture
def layout(tmp_path):
    return Layout.of(str(tmp_path / "root"))


@pytest.fixture
def folder(tmp_path):
    found = tmp_path / "theirs" / "walk"
    found.mkdir(parents=True)
    return found


def written(layout, name):
    style = load_yaml(f"{layout.style(name)}/style.yaml", StyleConfig)
    return load_yaml(f"{layout.renders(name)}/shot.yaml", ShotConfig), style


def test_a_sequence_with_its_own_files_is_pointed_at(layout, folder):
    exemplar = {"keyframe": "rest.exr", "drawing": "/elsewhere/drawn.png", "adapter": "osf"}
    (folder / "style.yaml").write_text(yaml.safe_dump({"exemplars": [exemplar], "license": "CC0-1.0"}))
    shot = {
        "source": "f.####.exr", "reference": "ref/f.####_stylized.png", "styles": {"2": "x"}, "parts": {3: "arm"},
        "occlusion": {"mode": "maps", "revealed": "hidden/f.####.png"},
    }  # fmt: skip
    (folder / "shot.yaml").write_text(yaml.safe_dump(shot))
    before = {path: path.read_bytes() for path in folder.rglob("*")}
    assert adopt(layout, str(folder), "theirs-walk") == "theirs-walk"
    found, style = written(layout, "theirs-walk")
    assert found.source == str(folder / "f.####.exr")
    assert found.reference == str(folder / "ref/f.####_stylized.png")
    assert found.occlusion.revealed == str(folder / "hidden/f.####.png")
    assert (found.styles, found.parts) == ({"*": "theirs-walk"}, {3: "arm"})
    assert style.exemplars[0].keyframe == str(folder / "rest.exr")
    assert (style.exemplars[0].drawing, style.license) == ("/elsewhere/drawn.png", "CC0-1.0")
    assert {path: path.read_bytes() for path in folder.rglob("*")} == before


def test_taking_it_in_again_touches_nothing(layout, folder):
    (folder / "style.yaml").write_text("exemplars: [{keyframe: k.exr, drawing: d.png}]\n")
    (folder / "shot.yaml").write_text("{}\n")
    adopt(layout, str(folder), "w")
    file = Path(layout.renders("w")) / "shot.yaml"
    inode = file.stat().st_ino
    adopt(layout, str(folder), "w")
    assert file.stat().st_ino == inode
    (folder / "shot.yaml").write_text("fps: 12\n")
    adopt(layout, str(folder), "w")
    assert written(layout, "w")[0].fps == 12


def test_the_known_layout_is_read_from_its_meta(layout, folder, monkeypatch):
    monkeypatch.setattr("osf_pipeline.bench.sequences.rest_box", lambda url: ((-1, -2, -3), (1, 2, 3)))
    (folder / "meta.yaml").write_text(yaml.safe_dump(META))
    adopt(layout, str(folder), "theirs-walk")
    shot, style = written(layout, "theirs-walk")
    assert (shot.camera.scale, shot.camera.up, shot.camera.back) == (2, (0, 0, 1), (0, -1, 0))
    assert (shot.fps, shot.parts, shot.rest_box) == (12, {1: "head"}, ((-1, -2, -3), (1, 2, 3)))
    assert shot.source == str(folder / "frame_####.exr")
    assert style.exemplars[0].camera == shot.camera


@pytest.mark.parametrize("meta", [None, {"fps": 24}, {**META, "parts": ["head"]}])
def test_a_sequence_that_says_nothing_of_itself_is_refused(layout, folder, meta):
    if meta:
        (folder / "meta.yaml").write_text(yaml.safe_dump(meta))
    with pytest.raises(RequestError, match=r"meta\.yaml"):
        adopt(layout, str(folder), "w")


def test_two_sets_of_one_name_are_refused(layout, tmp_path):
    request = BenchRequest.made(generated={"sequences": 0}, given={"folders": (f"{tmp_path}/a/x", f"{tmp_path}/b/x")})
    with pytest.raises(RequestError, match="one name"):
        sequences_of(layout, request, Execution())


def test_a_set_at_another_size_lies_apart(layout):
    request = GenerateRequest(split="test", width=96, height=96)
    assert at_size(layout, request, 96, 96) == (layout, request)
    elsewhere, wanted = at_size(layout, request, 48, 64)
    assert (wanted.width, wanted.height, wanted.name) == (48, 64, request.name)
    assert elsewhere.renders("s") != layout.renders("s")
    assert elsewhere.root.endswith("48x64")


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "box"),
    [
        ("char1_zombie", ((-0.564, -0.2344, -0.7036), (0.5659, 0.2344, 0.6235))),
        ("char3_dab", ((-0.6558, -0.1969, -0.688), (0.6579, 0.1969, 0.6382))),
    ],
)
def test_the_box_behind_stored_rest_positions(shared_data, name, box):
    found = rest_box(str(shared_data / "renders" / name / "keyframe.exr"))
    assert found[0] == pytest.approx(box[0], abs=2e-4)
    assert found[1] == pytest.approx(box[1], abs=2e-4)


@pytest.mark.parametrize(("styles", "character"), [({1: "fox", 2: "ant"}, "fox"), ({"*": "mine"}, "mine")])
def test_a_sequence_is_the_first_characters(styles, character):
    assert BenchSequence("s", "g", styles, {}, {}, None, None).character == character
