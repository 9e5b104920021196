"""Header attributes of any type go on byte for byte."""

from __future__ import annotations

import io
import json
import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from osf_pipeline.exr import attributes
from osf_pipeline.exr.attributes import (
    OF_PIXELS,
    bounded,
    carried,
    id_manifests,
    pack,
    source_window,
    unpack,
    with_attributes,
)
from osf_pipeline.exr.header import FLAG_LONG_NAMES, Header, parse_header, read_header
from osf_pipeline.exr.read import read_exr
from osf_pipeline.exr.write import encode_exr

EVERY_TYPE: dict[str, tuple[str, bytes]] = {
    "framesPerSecond": ("rational", struct.pack("<iI", 24000, 1001)),
    "timeCode": ("timecode", struct.pack("<II", 0x01020304, 0xDEADBEEF)),
    "keyCode": ("keycode", struct.pack("<7i", 1, 2, 3, 4, 5, 6, 64)),
    "chromaticities": ("chromaticities", struct.pack("<8f", 0.7347, 0.2653, 0, 1, 0.0001, -0.077, 0.32168, 0.33767)),
    "lensShift": ("v2f", struct.pack("<2f", 0.25, -0.125)),
    "worldUp": ("v3f", struct.pack("<3f", 0, 1, 0)),
    "pivot": ("v3d", struct.pack("<3d", 0.1, 1e300, -7)),
    "worldToCamera": ("m44f", struct.pack("<16f", *range(16))),
    "grade": ("m33d", struct.pack("<9d", *range(9))),
    "screenWindowCenter": ("v2f", struct.pack("<2f", 0.5, -0.25)),
    "screenWindowWidth": ("float", struct.pack("<f", 1.25)),
    "adoptedNeutral": ("v2f", struct.pack("<2f", 0.3, 0.3)),
    "tags": ("stringvector", struct.pack("<i", 3) + b"one" + struct.pack("<i", 0)),
    "owner": ("string", "Zoë & 作家".encode()),
    "comments": ("string", b"two\nlines"),
    "empty": ("string", b""),
    "crop": ("box2f", struct.pack("<4f", 0, 0, 0.5, 0.5)),
    "weights": ("floatvector", struct.pack("<3f", 1, 2, 3)),
    "farm/job": ("int", struct.pack("<i", -5)),
    "exposure": ("double", struct.pack("<d", 0.1)),
    "envmap": ("envmap", b"\1"),
    "studio:blob": ("acmePrivateType", bytes(range(256))),
    "a name of more than thirty-one bytes in all": ("string", b"x"),
}


def picture(**options: object) -> bytes:
    rng = np.random.default_rng(0)
    channels = {c: rng.normal(size=(37, 20)).astype(np.float16) for c in "RGBA"}
    return encode_exr(channels, data_window=(-3, 5, 16, 41), display_window=(0, 0, 9, 9), **options)  # type: ignore[arg-type]


def parse(data: bytes) -> Header:
    return parse_header(io.BytesIO(data), len(data), "memory.exr")


def pixels(data: bytes, tmp_path: Path) -> dict[str, np.ndarray]:
    (tmp_path / "a.exr").write_bytes(data)
    return read_exr(str(tmp_path / "a.exr")).channels


def test_every_type_goes_in_as_it_is_and_pixels_stay(tmp_path: Path) -> None:
    plain = picture(attributes={"osf:frame": 7})
    data = with_attributes(plain, EVERY_TYPE)
    header = parse(data)
    (part,), (before,) = header.parts, parse(plain).parts
    assert part.raw_attributes == {**before.raw_attributes, **EVERY_TYPE}
    assert len(part.raw_attributes) == len(before.raw_attributes | EVERY_TYPE)
    for name, values in pixels(plain, tmp_path).items():
        np.testing.assert_array_equal(pixels(data, tmp_path)[name], values)


def test_the_library_reads_what_was_put_in(tmp_path: Path) -> None:
    known = {n: v for n, v in EVERY_TYPE.items() if v[0] not in ("acmePrivateType", "floatvector")}
    (tmp_path / "a.exr").write_bytes(with_attributes(picture(), known))
    with OpenEXR.File(str(tmp_path / "a.exr"), separate_channels=True) as file:
        assert file.header()["owner"] == "Zoë & 作家"
        assert file.header()["worldToCamera"].tolist() == np.arange(16).reshape(4, 4).tolist()
        assert file.header()["framesPerSecond"] == Fraction(24000, 1001)
        assert file.channels()["R"].pixels.shape == (37, 20)


def test_only_long_names_set_their_flag() -> None:
    def flags(data: bytes) -> int:
        return int(struct.unpack_from("<I", data, 4)[0])

    plain = picture()
    assert not flags(with_attributes(plain, {"x" * 31: ("string", b"")})) & FLAG_LONG_NAMES
    assert flags(with_attributes(plain, {"x" * 32: ("string", b"")})) & FLAG_LONG_NAMES
    assert flags(with_attributes(plain, {"x": ("t" * 32, b"")})) & FLAG_LONG_NAMES


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(
        st.text(st.characters(min_codepoint=33, max_codepoint=122), min_size=1, max_size=60).filter(
            lambda name: name not in OF_PIXELS and not name.startswith("screenWindow")
        ),
        st.tuples(st.sampled_from(["blob", "string", "other"]), st.binary(max_size=300)),
        max_size=12,
    )
)
def test_any_bytes_come_back(wanted: dict[str, tuple[str, bytes]]) -> None:
    found = parse(with_attributes(picture(), wanted)).parts[0].raw_attributes
    assert {name: found[name] for name in wanted} == wanted
    assert unpack(json.loads(json.dumps(pack({3: wanted, -1: {}})))) == {3: wanted, -1: {}}


def test_what_frames_share_is_kept_once() -> None:
    shared = {"owner": ("string", b"studio" * 100)}
    frames = {f: shared | {"timeCode": ("timecode", struct.pack("<II", f, 0))} for f in range(100)}
    packed = pack(frames)
    assert len(packed["values"]) == 101
    assert unpack(packed) == frames


def test_attributes_of_pixels_and_id_manifests_stay_behind(tmp_path: Path) -> None:
    matte = {
        "cryptomatte/ab12/name": ("string", b"CryptoObject"),
        "cryptomatte/ab12/manifest": ("string", b'{"bear":"0c6ccaa6"}'),
        "cryptomatte/cd34/name": ("string", b"CryptoMaterial"),
        "preview": ("preview", struct.pack("<II", 0, 0)),
    }
    path = tmp_path / "a.exr"
    plain = with_attributes(picture(), EVERY_TYPE)
    path.write_bytes(_forced(plain, matte))
    header = read_header(str(path))
    assert set(matte) <= set(header.parts[0].raw_attributes)
    assert carried(header, ["R"]) == EVERY_TYPE
    assert id_manifests(header, ["R", "CryptoObject00.r"]) == {n: v for n, v in matte.items() if "ab12" in n}
    assert id_manifests(header, ["R"]) == {}


def _forced(data: bytes, more: dict[str, tuple[str, bytes]]) -> bytes:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attributes, "OF_PIXELS", frozenset())
        return with_attributes(data, more)


def two_views(path: Path) -> Header:
    def part(name: str, view: str, window: tuple[int, int, int, int], channels: str, **more: object) -> OpenEXR.Part:
        x0, y0, x1, y1 = window
        header = {
            "type": OpenEXR.scanlineimage, "view": view, "displayWindow": (np.zeros(2, "i4"), np.full(2, 63, "i4")),
            "dataWindow": (np.array([x0, y0], "i4"), np.array([x1, y1], "i4")), **more,
        }  # fmt: skip
        pixels = {c: np.zeros((y1 - y0 + 1, x1 - x0 + 1), np.float16) for c in channels}
        return OpenEXR.Part(header, pixels, name=name)

    parts = [
        part("rgba_left", "left", (0, 0, 9, 9), "RGBA", take="left take", owner="studio"),
        part("depth_left", "left", (0, 0, 19, 4), "Z", lens="35"),
        part("rgba_right", "right", (5, 5, 14, 30), "RGBA", take="right take"),
        part("depth_right", "right", (5, 5, 14, 40), "Z", lens="50", take="depth take"),
    ]
    with OpenEXR.File(parts) as file:
        file.write(str(path))
    return read_header(str(path))


def test_a_view_has_its_own_window_and_attributes(tmp_path: Path) -> None:
    header = two_views(tmp_path / "a.exr")
    colors = [header.names("right")[f"rgba.{c}"] for c in "RGBA"]
    assert source_window(header, colors) == (5, 5, 14, 30)
    found = carried(header, colors, "right")
    assert found["view"] == ("string", b"right")
    assert found["take"] == ("string", b"right take")
    assert found["lens"] == ("string", b"50")
    assert "owner" not in found
    assert carried(header, [header.names()["rgba.R"]])["view"] == ("string", b"left")


def test_the_largest_attributes_are_left_out_beyond_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attributes, "MAX_CARRIED", 100)
    found = {"big": ("string", b"x" * 90), "a": ("string", b"x" * 30), "b": ("string", b"x" * 30)}
    assert bounded(found) == ({"a": found["a"], "b": found["b"]}, ["big"])
    assert bounded({"a": found["a"]}) == ({"a": found["a"]}, [])
