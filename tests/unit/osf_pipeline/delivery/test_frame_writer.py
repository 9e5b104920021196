"""Names, types, tags and further channels of one delivered frame."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from osf_pipeline.buffers import LAYERS
from osf_pipeline.colorspaces.delivery import delivery_color
from osf_pipeline.colorspaces.spaces import LINEAR_REC709, SPACES
from osf_pipeline.delivery.frame import tagged
from osf_pipeline.delivery.layers import Copied, Naming, write_layers
from osf_pipeline.errors import RequestError
from osf_pipeline.exr.read import Image, read_exr

COMBINED = [(f"ViewLayer.Combined.{c}", "float16") for c in "RGBA"]
REC709_ROUNDED = struct.pack("<8f", 0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.31270, 0.32901)


def written(folder: Path, **options: object) -> Image:
    rng = np.random.default_rng(0)
    layers = {n: rng.normal(size=(b.count, 6, 8)).astype(np.float32) for n, b in LAYERS.items()}
    layers["beauty"][3] = 0.5
    layers["beauty"][0, 2, 3] = 1e6
    window = (10, 20, 17, 25)
    settings = {"data_window": window, "display_window": window, "pixel_aspect": 1, "attributes": {}, **options}
    write_layers(str(folder / "a.exr"), layers, window, **settings)  # type: ignore[arg-type]
    return read_exr(str(folder / "a.exr"))


@pytest.mark.parametrize(
    ("source", "beauty", "prefix"),
    [
        (COMBINED, tuple(name for name, _ in COMBINED), "ViewLayer."),
        ([(c, "float16") for c in "RGBA"], tuple("RGBA"), ""),
        ([(c, "float32") for c in "RGB"], tuple("RGBA"), ""),
        ([(f"x.{c}", "float16") for c in ("red", "green", "blue")], ("x.red", "x.green", "x.blue", "x.A"), ""),
        ([(f"a.b.c.{c}", "float16") for c in "RGB"], ("a.b.c.R", "a.b.c.G", "a.b.c.B", "a.b.c.A"), "a.b."),
    ],
)  # fmt: skip
def test_layers_are_named_beside_the_sources_colour(
    source: list[tuple[str, str]], beauty: tuple[str, ...], prefix: str
) -> None:
    naming = Naming.of(source, "source")
    assert naming.channels("beauty") == beauty
    assert naming.channels("line")[0] == f"{prefix}line.R"
    assert naming.channels("confidence") == (f"{prefix}confidence.Y",)
    assert Naming.of(source).channels("beauty") == tuple("RGBA")


def test_a_grey_source_names_no_layers() -> None:
    with pytest.raises(RequestError, match="too few channels"):
        Naming.of([("Y", "float16")] * 3, "source")


def test_every_channel_of_the_beauty_has_its_sources_type(tmp_path: Path) -> None:
    types = ["float16", "float32", "uint32", "float32"]
    image = written(tmp_path, naming=Naming.of(list(zip("RGBA", types, strict=True))))
    found = {name: str(values.dtype) for name, values in image.channels.items()}
    assert [found[c] for c in "RGBA"] == ["float16", "float32", "float32", "float32"]
    assert {found[f"{layer}.{c}"] for layer in ("fill", "line") for c in "RGBA"} == {"float16"}
    assert image.channels["R"].max() == 65504, "half cannot hold more"
    three = written(tmp_path, naming=Naming.of([(c, "float32") for c in "RGB"]))
    assert {str(three.channels[c].dtype) for c in "RGBA"} == {"float32"}
    assert three.channels["R"].max() == np.float32(1e6)


def test_copied_channels_bring_their_window_and_never_replace_a_layer(tmp_path: Path) -> None:
    ids = np.arange(12, dtype=np.uint32).reshape(3, 4)
    copied = Copied((15, 18, 18, 20), {"id": ids, "line.R": ids}, {"cryptomatte/1/name": ("string", b"x")})
    plain, image = written(tmp_path), written(tmp_path, copied=copied)
    assert image.window == (10, 18, 18, 25)
    np.testing.assert_array_equal(image.channels["id"][:3, 5:], ids)
    assert image.channels["id"].sum() == ids.sum()
    np.testing.assert_array_equal(image.channels["line.R"][2:, :8], plain.channels["line.R"])
    assert image.header.attributes["cryptomatte/1/name"] == "x"


def test_provenance_wins_over_a_source_that_was_a_delivery_itself(tmp_path: Path) -> None:
    source = {"osf:store": ("string", b"old"), "owner": ("string", b"studio")}
    found = written(tmp_path, attributes={"osf:store": "new"}, source=source).header.attributes
    assert (found["osf:store"], found["owner"]) == ("new", "studio")


def test_color_tags_of_the_source_stay_while_they_are_true() -> None:
    owner = {"owner": ("string", b"studio")}
    rounded = owner | {"chromaticities": ("chromaticities", REC709_ROUNDED)}
    same = tagged(rounded, delivery_color(LINEAR_REC709).attributes)
    assert same == rounded | {"osf:color_space": ("string", b"linear-rec709")}
    changed = tagged(rounded, delivery_color(LINEAR_REC709, "acescg").attributes)
    assert changed["colorInteropID"] == ("string", b"lin_ap1_scene")
    assert changed["chromaticities"][1] == struct.pack("<8f", *SPACES["acescg"].chromaticities)
    assert changed["owner"] == owner["owner"]
    decoded = tagged({"colorInteropID": ("string", b"srgb_rec709_scene")}, delivery_color(LINEAR_REC709).attributes)
    assert decoded["colorInteropID"] == ("string", b"lin_rec709_scene")
    assert tagged({}, delivery_color(LINEAR_REC709).attributes)["chromaticities"][0] == "chromaticities"
