"""shot.yaml and style.yaml: strict, readable back, errors that name file and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from osf_pipeline.config import Camera, ShotConfig, StyleConfig, dump_yaml, load_yaml
from osf_pipeline.errors import RequestError
from osf_pipeline.layout import Layout, join, local_path


def write(folder: Path, text: str) -> str:
    path = folder / "shot.yaml"
    path.write_text(text)
    return str(path)


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    config = ShotConfig(
        source="a.####.exr", frames="1001-1010", fps=12.5, camera={1001: Camera(scale=2), 1002: Camera(scale=2.5)},
        rest_box=((-1, -1, 0), (1, 1, 1)), channels={"depth": ("Z",)},
        styles={"*": "ink"}, objects={1: "bear"}, cuts=(1005,),
    )  # fmt: skip
    assert load_yaml(write(tmp_path, dump_yaml(config)), ShotConfig) == config


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("framez: 1-2", "framez"),
        ("fps: fast", "fps"),
        ("fps: 0", "fps"),
        ("camera: {projection: ortho}", "camera"),
        ("camera: {scale: 2, up: [1, 0, 0]}", "camera"),
        ("rest_box: [[0, 0, 0], [1, 0, 1]]", "rest_box"),
    ],
)
def test_a_bad_key_is_named_with_its_file(tmp_path: Path, text: str, key: str) -> None:
    with pytest.raises(RequestError) as caught:
        load_yaml(write(tmp_path, text), ShotConfig)
    assert str(caught.value.where["key"]).startswith(key)
    assert caught.value.where["file"].endswith("shot.yaml")


def test_broken_yaml_and_missing_files_are_request_errors(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no valid YAML"):
        load_yaml(write(tmp_path, "a: [1"), ShotConfig)
    with pytest.raises(RequestError, match="no such file"):
        load_yaml(str(tmp_path / "absent.yaml"), ShotConfig)


def test_a_style_needs_an_exemplar(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="exemplars"):
        load_yaml(write(tmp_path, "exemplars: []"), StyleConfig)


def test_styles_go_by_name_then_id_then_star() -> None:
    config = ShotConfig(styles={"bear": "ink", "2": "wash", "*": "pencil"}, objects={1: "bear"})
    assert [config.style_of(i) for i in (1, 2, 3)] == ["ink", "wash", "pencil"]
    assert ShotConfig(styles={"bear": "ink"}).style_of(1) is None


def test_layout_joins_and_lists(tmp_path: Path) -> None:
    layout = Layout.of(str(tmp_path))
    assert layout.shots() == []
    (tmp_path / "renders" / "s2").mkdir(parents=True)
    (tmp_path / "renders" / "s1").mkdir()
    assert layout.shots() == ["s1", "s2"]
    assert layout.shot_config("s1") == ShotConfig()
    with pytest.raises(RequestError, match="s1, s2"):
        layout.shot_config("s3")
    with pytest.raises(RequestError, match="unknown style"):
        layout.style_config("ink")
    assert join("s3://b/x/", "y", "z") == "s3://b/x/y/z"
    assert join("/a", "/b/c") == "/b/c"
    assert local_path("memory://x") is None
    assert local_path(str(tmp_path)) == tmp_path


def test_detected_settings_serve_where_no_shot_yaml_is(tmp_path: Path) -> None:
    layout = Layout.of(str(tmp_path))
    (tmp_path / "renders" / "s1").mkdir(parents=True)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "s1.yaml").write_text("fps: 12")
    assert layout.shot_config("s1").fps == 12
    (tmp_path / "renders" / "s1" / "shot.yaml").write_text("fps: 25")
    assert layout.shot_config("s1").fps == 25
