from __future__ import annotations

import os
from pathlib import Path

import pytest

from assets.fingerprint import shot_source, style_source
from osf_pipeline.layout import Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    for name in ("renders/walk/a.0001.exr", "renders/run/a.0001.exr", "styles/ink/style.yaml"):
        file = tmp_path / name
        file.parent.mkdir(parents=True)
        file.write_bytes(b"1")
    return Layout.of(str(tmp_path))


def test_an_untouched_shot_keeps_its_fingerprint(layout: Layout) -> None:
    before = shot_source(layout, "walk")
    (Path(layout.root) / "renders/run/a.0002.exr").write_bytes(b"1")
    assert shot_source(layout, "walk") == before


@pytest.mark.parametrize("change", ["add", "grow", "touch", "remove", "rename", "config"])
def test_any_change_of_a_shot_changes_its_fingerprint(layout: Layout, change: str) -> None:
    before = shot_source(layout, "walk")
    file = Path(layout.root) / "renders/walk/a.0001.exr"
    if change == "add":
        (file.parent / "shot.yaml").write_text("")
    elif change == "grow":
        stat = file.stat()
        file.write_bytes(b"22")
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    elif change == "touch":
        os.utime(file, (1, 1))
    elif change == "remove":
        file.unlink()
    elif change == "rename":
        file.rename(file.with_name("a.0002.exr"))
    else:
        config = Path(layout.config("walk"))
        config.parent.mkdir()
        config.write_text("fps: 12")
    assert shot_source(layout, "walk") != before


def test_a_shot_changes_with_the_presets_its_looks_name(layout: Layout) -> None:
    Path(layout.root, "renders/walk/shot.yaml").write_text('looks: {"*": bold, ink: {strength: 0.5}}')
    presets = Path(layout.root, "presets")
    presets.mkdir()
    missing = shot_source(layout, "walk")
    (presets / "bold.yaml").write_text("strength: 1")
    there = shot_source(layout, "walk")
    (presets / "bold.yaml").write_text("strength: 0.25")
    turned = shot_source(layout, "walk")
    (presets / "faint.yaml").write_text("strength: 0.1")  # of another shot
    assert len({missing, there, turned}) == 3
    assert shot_source(layout, "walk") == turned


def test_a_shot_that_cannot_be_read_has_a_fingerprint_too(layout: Layout) -> None:
    before = shot_source(layout, "walk")
    Path(layout.root, "renders/walk/shot.yaml").write_text("looks: [")
    assert shot_source(layout, "walk") != before


def test_a_new_drawing_changes_the_style(layout: Layout) -> None:
    before = style_source(layout, "ink")
    (Path(layout.root) / "styles/ink/drawing.png").write_bytes(b"1")
    assert style_source(layout, "ink") != before
