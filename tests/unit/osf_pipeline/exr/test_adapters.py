from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from osf_pipeline.buffers import Tier
from osf_pipeline.config import Camera, ShotConfig, Source
from osf_pipeline.errors import InputDataError, RequestError
from osf_pipeline.exr.adapters import adapters, map_buffers
from osf_pipeline.exr.header import Header, read_header
from osf_pipeline.exr.write import write_exr

BLENDER = [
    *(f"ViewLayer.Combined.{c}" for c in "RGBA"), "ViewLayer.Depth.Z", *(f"ViewLayer.Normal.{c}" for c in "XYZ"),
    *(f"ViewLayer.Vector.{c}" for c in "XYZW"), *(f"ViewLayer.RestPos.{c}" for c in "RGB"), "ViewLayer.PartID.X",
    "ViewLayer.IndexOB.X", *(f"ViewLayer.Position.{c}" for c in "XYZ"),
]  # fmt: skip
CAMERA = Camera(scale=2, right=(1, 0, 0), up=(0, 0, 1), back=(0, -1, 0))


@pytest.fixture
def header_of(tmp_path: Path):
    def build(names: Iterable[str], dtype: type = np.float16, **attributes: str) -> Header:
        url = str(tmp_path / "a.exr")
        write_exr(url, {name: np.zeros((2, 2), dtype) for name in names}, attributes=attributes)
        return read_header(url)

    return build


def test_the_built_in_adapters_are_registered() -> None:
    assert {"aov", "blender", "osf"} <= set(adapters())


def test_blender(header_of) -> None:
    found = map_buffers(
        header_of(BLENDER, BlenderMultiChannel="x"), Source(camera=CAMERA, rest_box=((0, 0, 0), (1, 2, 4)))
    )
    assert (found.adapter, found.tier) == ("blender", Tier.FULL)
    assert found.bindings["motion"].channels == ("ViewLayer.Vector.X", "ViewLayer.Vector.Y")
    assert found.bindings["motion"].scale == found.bindings["motion_next"].scale == (-1, 1)
    assert found.bindings["motion_next"].channels == ("ViewLayer.Vector.Z", "ViewLayer.Vector.W")
    assert found.bindings["rest_position"].scale == (1, 2, 4)
    assert found.bindings["normal"].space == "world"
    assert found.bindings["object_id"].channels == ("ViewLayer.IndexOB.X",)
    assert "sample" in found.derived
    assert found.flags == ()
    assert found.dtypes["color"] == "float16"


def test_blender_5_names(header_of) -> None:
    names = [n.replace("IndexOB", "Object Index") for n in BLENDER] + ["ViewLayer.Diffuse Color." + c for c in "RGB"]
    found = map_buffers(header_of(names, BlenderMultiChannel="x"), Source(camera=CAMERA))
    assert found.bindings["object_id"].channels == ("ViewLayer.Object Index.X",)
    assert found.bindings["albedo"].channels[0] == "ViewLayer.Diffuse Color.R"


def test_a_compositor_output_is_ignored_and_two_view_layers_are_not_guessed(header_of) -> None:
    composite = [*BLENDER, *(f"Composite.Combined.{c}" for c in "RGBA")]
    assert (
        map_buffers(header_of(composite), Source(camera=CAMERA)).bindings["color"].channels[0] == "ViewLayer.Combined.R"
    )
    two = [*BLENDER, *(n.replace("ViewLayer", "Sky") for n in BLENDER)]
    with pytest.raises(InputDataError, match="no colour"):
        map_buffers(header_of(two), Source(camera=CAMERA))
    named = {"color": tuple(f"Sky.Combined.{c}" for c in "RGBA")}
    found = map_buffers(header_of(two), Source(camera=CAMERA, channels=named))
    assert found.bindings["color"].channels == named["color"]
    assert found.tier is Tier.ESTIMATED
    assert any("depth" in flag and "Sky., ViewLayer." in flag for flag in found.flags)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["R", "G", "B", "A", "Z"], {"color": "RGBA", "depth": "Z"}),
        (["Beauty.red", "rgba.R", "rgba.G", "rgba.B"], {"color": ("rgba.R", "rgba.G", "rgba.B")}),
        (["R", "G", "B", "char.N.X", "char.N.Y", "char.N.Z"], {"normal": ("char.N.X", "char.N.Y", "char.N.Z")}),
        (["R", "G", "B", "Pref.r", "Pref.g", "Pref.b"], {"rest_position": ("Pref.r", "Pref.g", "Pref.b")}),
        (["R", "G", "B", "motionvector.R", "motionvector.G"], {"motion": ("motionvector.R", "motionvector.G")}),
        (["R", "G", "B", "forward.u", "forward.v"], {"motion_next": ("forward.u", "forward.v")}),
        (["R", "G", "B", "ObjectID", "Part_ID.X"], {"object_id": ("ObjectID",), "part_id": ("Part_ID.X",)}),
        (["R", "G", "B", "depth.R", "diffuse.R", "diffuse.G", "diffuse.B"],
         {"depth": ("depth.R",), "albedo": ("diffuse.R", "diffuse.G", "diffuse.B")}),
    ],
)  # fmt: skip
def test_generic_names(header_of, names: list[str], expected: dict) -> None:
    found = map_buffers(header_of(names), Source())
    assert found.adapter == "aov"
    for buffer, channels in expected.items():
        assert found.bindings[buffer].channels == tuple(channels)


def test_forward_and_backward_carry_their_sign(header_of) -> None:
    names = ["R", "G", "B", "forward.u", "forward.v", "backward.u", "backward.v"]
    found = map_buffers(header_of(names), Source())
    assert found.bindings["motion_next"].scale == (1, -1)
    assert found.bindings["motion"].scale == (-1, 1)


def test_two_layers_with_normals_are_not_guessed(header_of) -> None:
    names = ["R", "G", "B", *(f"{layer}.N.{c}" for layer in "ab" for c in "XYZ")]
    assert any("normal" in flag and "(a, b)" in flag for flag in map_buffers(header_of(names), Source()).flags)
    chosen = Source(channels={"normal": ("b.N.X", "b.N.Y", "b.N.Z")})
    assert map_buffers(header_of(names), chosen).bindings["normal"].channels[0] == "b.N.X"


def test_own_files_map_to_themselves(header_of, figure) -> None:
    found = map_buffers(header_of(figure.channels(1), np.float32, **{"osf:renderer": "raycast"}), Source())
    assert (found.adapter, found.tier, found.flags) == ("osf", Tier.FULL, ())
    assert found.dtypes["color"] == "float32"
    assert "sample" not in found.buffers
    assert found.fill == {"depth.Z": np.inf}


def test_nothing_recognised_lists_the_channels(header_of) -> None:
    with pytest.raises(InputDataError, match=r"Y, lumi\.X") as caught:
        map_buffers(header_of(["Y", "lumi.X"]), Source())
    assert "channels" in caught.value.fix
    found = map_buffers(header_of(["Y", "lumi.X"]), Source(channels={"color": ("Y", "Y", "Y")}))
    assert found.bindings["color"].channels == ("Y", "Y", "Y")


def test_overrides_replace(header_of) -> None:
    source = Source(
        camera=CAMERA, normal_space="camera", scale={"motion": (1, 1)}, channels={"part_id": ("ViewLayer.IndexOB.X",)}
    )
    found = map_buffers(header_of(BLENDER), source)
    assert found.bindings["motion"].scale == (1, 1)
    assert found.bindings["motion_next"].scale == (-1, 1)
    assert found.bindings["normal"].space == "camera"
    assert found.bindings["part_id"].channels == ("ViewLayer.IndexOB.X",)


@pytest.mark.parametrize(
    ("source", "error", "words"),
    [
        (Source(adapter="nuke"), RequestError, "aov, blender, osf"),
        (Source(channels={"colour": ("R",)}), RequestError, "colour"),
        (Source(channels={"depth": ("R", "G")}), RequestError, "wrong number"),
        (Source(channels={"depth": ("nope.Z",)}), InputDataError, r"nope\.Z"),
        (Source(scale={"motion": (1,)}), RequestError, "wrong number"),
    ],
)
def test_bad_overrides(header_of, source: Source, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        map_buffers(header_of(["R", "G", "B", "A"]), source)


def test_what_is_missing_is_derived_or_lowers_the_tier(header_of) -> None:
    no_objects = map_buffers(header_of([n for n in BLENDER if "IndexOB" not in n]), Source(camera=CAMERA))
    assert no_objects.tier is Tier.FULL
    assert "object_id" in no_objects.derived
    no_camera = map_buffers(header_of(BLENDER), Source())
    assert no_camera.tier is Tier.ESTIMATED
    assert "normal" not in no_camera.buffers
    assert any("camera" in flag for flag in no_camera.flags)
    no_depth = map_buffers(header_of([n for n in BLENDER if "Depth" not in n]), Source(camera=CAMERA))
    assert "depth" in no_depth.derived
    assert "uv" not in no_depth.buffers  # optional buffers stay absent


def test_a_view_is_chosen(header_of) -> None:
    header = header_of(["R", "G", "B"])
    with pytest.raises(InputDataError, match="no such view"):
        map_buffers(header, ShotConfig(view="left"))


def test_texture_coordinates_run_down_the_texture(header_of) -> None:
    header = header_of([*"RGBA", "uv.U", "uv.V"])
    found = map_buffers(header, Source()).bindings["uv"]
    assert (found.channels, found.scale, found.offset) == (("uv.U", "uv.V"), (1, -1), (0, 1))
    as_stored = map_buffers(header, Source(scale={"uv": (1, 1)})).bindings["uv"]
    assert (as_stored.scale, as_stored.offset) == ((1, 1), ())
    own = map_buffers(header_of([*"RGBA", "uv.U", "uv.V"], **{"osf:renderer": "x"}), Source()).bindings["uv"]
    assert (own.scale, own.offset) == ((), ())
