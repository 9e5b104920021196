"""Which file of a folder is the drawing, its mask, its joints."""

from __future__ import annotations

from pathlib import Path

import pytest

from osf_pipeline.drawing.folder import DrawingFolder
from osf_pipeline.errors import RequestError


def folder(path: Path, *files: str, config: str | None = None) -> DrawingFolder:
    for name in files:
        (path / name).write_bytes(name.encode())
    if config is not None:
        (path / "character.yaml").write_text(config)
    return DrawingFolder.at(str(path))


def test_what_lies_there_by_its_usual_name_is_taken(tmp_path: Path) -> None:
    found = folder(tmp_path, "drawing.JPG", "mask.png", "char_cfg.yaml", "notes.txt", "drawing.yaml")
    assert (found.picture, found.mask, found.joints) == ("drawing.JPG", "mask.png", "char_cfg.yaml")


def test_a_folder_of_animated_drawings_is_taken_as_it_is(tmp_path: Path) -> None:
    found = folder(tmp_path, "texture.png", "mask.png", "char_cfg.yaml")
    assert found.picture == "texture.png"


def test_a_picture_alone_is_enough(tmp_path: Path) -> None:
    found = folder(tmp_path, "drawing.png", "texture.png")
    assert (found.picture, found.mask, found.joints) == ("drawing.png", None, None)
    assert found.hashes()["mask"] is None


def test_names_in_character_yaml_win(tmp_path: Path) -> None:
    found = folder(
        tmp_path, "drawing.png", "scan.tif", "mask.png", "other.png",
        config="drawing: scan.tif\nmask: other.png\nlicense: CC0-1.0\n",
    )  # fmt: skip
    assert (found.picture, found.mask, found.config.license) == ("scan.tif", "other.png", "CC0-1.0")


@pytest.mark.parametrize(
    ("files", "config", "words"),
    [
        ((), None, "no drawing"),
        (("notes.txt",), None, "no drawing"),
        (("drawing.png", "drawing.jpg"), None, "several pictures"),
        (("drawing.png",), "mask: mine.png\n", "mine.png"),
        (("drawing.png",), "masc: mine.png\n", "Known keys"),
    ],
)
def test_doubt_is_an_error_that_lists_what_is_there(
    tmp_path: Path, files: tuple[str, ...], config: str | None, words: str
) -> None:
    with pytest.raises(RequestError, match=words) as refusal:
        folder(tmp_path, *files, config=config)
    if config is None:
        assert all(name in str(refusal.value) for name in files)


def test_hashes_follow_contents(tmp_path: Path) -> None:
    before = folder(tmp_path, "drawing.png", "mask.png").hashes()
    (tmp_path / "mask.png").write_bytes(b"another")
    after = DrawingFolder.at(str(tmp_path)).hashes()
    assert before["picture"] == after["picture"]
    assert before["mask"] != after["mask"]
