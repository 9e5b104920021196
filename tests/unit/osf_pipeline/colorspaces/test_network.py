"""Which spaces a network may see: scene-linear ones, built in or of a configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.weights import LINEAR_REC709 as DEFAULT
from osf_pipeline.colorspaces.network import network_space
from osf_pipeline.colorspaces.spaces import LINEAR_REC709, SPACES, of_attributes
from osf_pipeline.config import StyleConfig, load_yaml
from osf_pipeline.errors import RequestError

CG = "ocio://cg-config-v4.0.0_aces-v2.0_ocio-v2.5"
STUDIO = "ocio://studio-config-v4.0.0_aces-v2.0_ocio-v2.5"
CURVE = "always the sRGB curve on straight colour"
EXEMPLARS = "exemplars: [{keyframe: k.exr, drawing: d.png}]\n"


def style(folder: Path, text: str = "") -> StyleConfig:
    (folder / "style.yaml").write_text(EXEMPLARS + text)
    return load_yaml(str(folder / "style.yaml"), StyleConfig)


def test_a_style_that_does_not_say_means_rec709(tmp_path: Path) -> None:
    assert network_space(style(tmp_path).network_space) is LINEAR_REC709
    assert LINEAR_REC709.attributes == DEFAULT


@pytest.mark.parametrize("name", [name for name, space in SPACES.items() if space.linear])
def test_scene_linear_spaces_may_be_named(tmp_path: Path, name: str) -> None:
    space = network_space(style(tmp_path, f"network_space: {name}").network_space)
    assert of_attributes(space.attributes) is space is SPACES[name]


@pytest.mark.parametrize("name", ["srgb", "rec709-bt1886", "acesgc", "ACEScg"])
def test_others_are_refused_when_the_file_is_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(RequestError, match=CURVE) as caught:
        style(tmp_path, f"network_space: {name}")
    assert caught.value.where["key"] == "network_space"


@pytest.mark.parametrize(("name", "builtin"), [("scene_linear", "acescg"), ("lin_ap1", "acescg"), ("acescg", "acescg")])
def test_a_role_or_alias_of_a_configuration_resolves(tmp_path: Path, name: str, builtin: str) -> None:
    pytest.importorskip("PyOpenColorIO")
    config = style(tmp_path, f"ocio: {CG}\nnetwork_space: {name}")
    assert network_space(config.network_space, config.ocio) is SPACES[builtin]


def test_camera_primaries_survive_the_card() -> None:
    pytest.importorskip("PyOpenColorIO")
    space = network_space("Linear ARRI Wide Gamut 4", STUDIO)
    assert of_attributes(space.attributes).same(space)
    assert space.name == "Linear ARRI Wide Gamut 4"


@pytest.mark.parametrize("name", ["ACEScct", "sRGB - Texture", "srgb", "Raw", "ACESgc"])
def test_spaces_of_a_configuration_that_bend_or_are_not_there_are_refused(name: str) -> None:
    pytest.importorskip("PyOpenColorIO")
    with pytest.raises(RequestError, match=CURVE):
        network_space(name, CG)


def test_the_configuration_of_a_style_is_checked_like_that_of_a_shot() -> None:
    with pytest.raises(ValueError, match="absolute"):
        StyleConfig(exemplars=({"keyframe": "k.exr", "drawing": "d.png"},), ocio="studio/config.ocio")  # type: ignore[arg-type]
