from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from osf_pipeline.config import Source
from osf_pipeline.errors import InputDataError
from osf_pipeline.exr import cryptomatte
from osf_pipeline.exr.adapters import BufferMap, map_buffers, map_shot
from osf_pipeline.exr.convert import canonical, trim_to_figure
from osf_pipeline.exr.cryptomatte import coverage, float_bits, manifest, mattes, numbered
from osf_pipeline.exr.header import Header, read_header
from osf_pipeline.exr.read import read_exr
from osf_pipeline.exr.write import write_exr


def murmur3(name: str) -> int:
    """MurmurHash3 x86 32-bit of a name, seed 0, written from the public algorithm."""
    data, mask = name.encode(), 0xFFFFFFFF

    def mix(k: int) -> int:
        k = k * 0xCC9E2D51 & mask
        return (k << 15 | k >> 17) & mask

    value, whole = 0, len(data) & ~3
    for at in range(0, whole, 4):
        value ^= mix(int.from_bytes(data[at : at + 4], "little")) * 0x1B873593 & mask
        value = ((value << 13 | value >> 19) & mask) * 5 + 0xE6546B64 & mask
    value ^= mix(int.from_bytes(data[whole:], "little")) * 0x1B873593 & mask
    value ^= len(data)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        value = (value ^ value >> shift) * factor & mask
    return value


HASHES = {name: float_bits(murmur3(name)) for name in ("hero", "ball", "tree", "late")}


def matte(
    *ranks: tuple[list[str], list[float]],
    names: tuple[str, ...] = ("hero", "ball", "tree"),
    layer: str = "V.CryptoObject",
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Channels and attributes of a one-row picture; each rank is object names (empty for none) and coverage."""
    channels: dict[str, np.ndarray] = {}
    for rank in range(-(-len(ranks) // 2) * 2):
        objects, shares = ranks[rank] if rank < len(ranks) else ([""] * len(ranks[0][0]), [0.0] * len(ranks[0][0]))
        bits = np.array([[HASHES[o] if o else 0 for o in objects]], np.uint32).view(np.float32)
        one, two = "rg" if rank % 2 == 0 else "ba"
        channels[f"{layer}{rank // 2:02d}.{one}"] = bits
        channels[f"{layer}{rank // 2:02d}.{two}"] = np.array([shares], np.float32)
    entries = {
        "name": layer, "hash": "MurmurHash3_32", "conversion": "uint32_to_float32",
        "manifest": json.dumps({name: f"{HASHES[name]:08x}" for name in names}),
    }  # fmt: skip
    return channels, {f"cryptomatte/542cafa/{key}": value for key, value in entries.items()}


# Columns: hero alone; hero over ball; ball over hero; hero, ball and background by thirds; mostly background; nothing.
RANKS = (
    (["hero", "hero", "ball", "hero", "ball", ""], [1, 0.625, 0.75, 0.375, 0.25, 0]),
    (["", "ball", "hero", "ball", "hero", ""], [0, 0.375, 0.25, 0.25, 0.125, 0]),
    (["", "", "", "", "", ""], [0, 0, 0, 0, 0, 0]),
)
TOTAL = [1, 1, 1, 0.625, 0.375, 0]


def write(
    folder: Path, *ranks: tuple[list[str], list[float]], name: str = "a.exr", attributes: dict[str, str] | None = None,
    drop: str = "", **extra: np.ndarray,
) -> Header:  # fmt: skip
    channels, header = matte(*(ranks or RANKS))
    colour = {f"V.Combined.{c}": np.array([TOTAL], np.float32) for c in "RGBA"}
    header = {k: v for k, v in (header | {"BlenderMultiChannel": "x"} | (attributes or {})).items() if k != drop}
    url = str(folder / name)
    write_exr(url, colour | channels | {k.replace("__", "."): v for k, v in extra.items()}, attributes=header)
    return read_header(url)


def ids(header: Header, mapping: BufferMap, source: Source | None = None) -> list[int]:
    image = read_exr(header.url, mapping.channels, mapping.fill)
    return [
        int(i)
        for i in canonical(trim_to_figure(image, mapping), mapping, source or Source(), 1).buffers["object_id"][0, 0]
    ]


def test_hashes_follow_the_specification() -> None:
    """The character of the Blender samples, and the bits that keep a hash from being NaN or denormal."""
    assert f"{float_bits(murmur3('character')):08x}" == "0c6ccaa6"
    assert float_bits(0x7F812345) == 0x7F012345
    assert float_bits(0x00012345) == 0x00812345
    for value in (0, 0x007FFFFF, 0xFFFFFFFF, 0x7F800000, 0x3F800000):
        bits = np.array([float_bits(value)], np.uint32).view(np.float32)
        assert np.isfinite(bits).all()
        assert abs(bits[0]) >= np.finfo(np.float32).tiny


def test_ids_are_whole_and_numbered_by_name(tmp_path: Path) -> None:
    header = write(tmp_path)
    mapping = map_buffers(header, Source())
    assert list(mapping.objects) == ["ball", "hero", "tree"]
    assert mapping.bindings["object_id"].matte == "V.CryptoObject"
    assert mapping.channels[-8:-4] == tuple(f"V.CryptoObject00.{c}" for c in "rgba")
    assert ids(header, mapping) == [2, 2, 1, 2, 0, 0]
    assert "object_id" not in mapping.derived
    assert "part_id" in mapping.derived


def test_depth_at_the_centre_goes_before_coverage(tmp_path: Path) -> None:
    depth = np.array([[5, 5, 5, 1e10, 5, 1e10]], np.float32)
    header = write(tmp_path, V__Depth__Z=depth)
    assert ids(header, map_buffers(header, Source())) == [2, 2, 1, 0, 1]  # the empty column is cut off


def test_coverage_of_one_object(tmp_path: Path) -> None:
    header = write(tmp_path)
    (found,) = mattes(header).values()
    image = read_exr(header.url)
    assert coverage(image, found, "hero")[0].tolist() == [1, 0.625, 0.25, 0.375, 0.125, 0]
    assert not coverage(image, found, "tree").any()
    with pytest.raises(InputDataError, match="ball, hero, tree"):
        coverage(image, found, "dog")


def test_ids_are_the_same_in_every_frame_though_manifests_differ(tmp_path: Path) -> None:
    first = write(tmp_path, name="a.1.exr")
    late = (["late"] * 6, [1.0] * 6)
    added = {"cryptomatte/542cafa/manifest": json.dumps({"late": f"{HASHES['late']:08x}"})}
    second = write(tmp_path, late, *RANKS[1:], name="a.2.exr", attributes=added)
    mapping = map_shot([first, second], Source())
    assert list(mapping.objects) == ["ball", "hero", "late", "tree"]
    assert ids(first, mapping) == [2, 2, 1, 2, 0, 0]
    assert ids(second, mapping) == [3] * 6
    with pytest.raises(InputDataError, match=f"id {HASHES['late']:08x} is in no manifest of the shot") as caught:
        ids(second, map_buffers(first, Source()))
    assert (caught.value.where["column"], caught.value.where["row"]) == (0, 0)
    assert "object_id" in caught.value.fix


def test_a_pass_index_that_somebody_set_goes_first_and_the_configuration_before_both(tmp_path: Path) -> None:
    unset = write(tmp_path, V__IndexOB__X=np.zeros((1, 6), np.float32))
    mapping = map_buffers(unset, Source())
    assert mapping.bindings["object_id"].matte == "V.CryptoObject"
    assert any("V.IndexOB.X is 0 in the first frame" in flag for flag in mapping.flags)
    assert not map_buffers(unset, Source(channels={"object_id": ("V.IndexOB.X",)})).objects
    index = np.array([[9, 9, 8, 9, 0, 0]], np.float32)
    used = write(tmp_path, V__IndexOB__X=index)
    assert map_buffers(used, Source()).bindings["object_id"].channels == ("V.IndexOB.X",)
    assert ids(used, map_buffers(used, Source())) == [9, 9, 8, 9, 0, 0]
    chosen = Source(channels={"object_id": ("V.CryptoObject",)})
    assert ids(used, map_buffers(used, chosen), chosen) == [2, 2, 1, 2, 0, 0]


def test_objects_go_before_assets_and_two_layers_are_not_guessed(tmp_path: Path) -> None:
    def add(layer: str, key: str) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        channels, attributes = matte(*RANKS, layer=layer)
        return (
            {k.replace(".", "__"): v for k, v in channels.items()},
            {k.replace("542cafa", key): v for k, v in attributes.items()},
        )

    for layer in ("V.CryptoAsset", "V.CryptoMaterial"):
        channels, attributes = add(layer, "1")
        found = map_buffers(write(tmp_path, attributes=attributes, **channels), Source())
        assert found.bindings["object_id"].matte == "V.CryptoObject"
    channels, attributes = add("W.CryptoObject", "1")
    header = write(tmp_path, attributes=attributes, **channels)
    found = map_buffers(header, Source())
    assert "object_id" not in found.buffers
    assert any("V.CryptoObject, W.CryptoObject" in flag for flag in found.flags)
    named = map_buffers(header, Source(channels={"object_id": ("W.CryptoObject",)}))
    assert named.bindings["object_id"].matte == "W.CryptoObject"


KEY = "cryptomatte/542cafa/"


def test_a_manifest_beside_the_frame(tmp_path: Path) -> None:
    (tmp_path / "names.json").write_text(json.dumps({"hero": f"{HASHES['hero']:08x}", "ball": f"{HASHES['ball']:08X}"}))
    header = write(tmp_path, attributes={f"{KEY}manif_file": "names.json"}, drop=f"{KEY}manifest")
    assert ids(header, map_buffers(header, Source())) == [2, 2, 1, 2, 0, 0]
    for name, words in (("../names.json", "beside the frame"), ("/etc/passwd", "beside"), ("gone.json", "missing")):
        header = write(tmp_path, attributes={f"{KEY}manif_file": name}, drop=f"{KEY}manifest")
        with pytest.raises(InputDataError, match=words):
            map_buffers(header, Source())


def test_without_a_manifest_ids_come_from_elsewhere(tmp_path: Path) -> None:
    header = write(tmp_path, drop=f"{KEY}manifest")
    found = map_buffers(header, Source())
    assert "object_id" not in found.buffers
    assert any("no manifest" in flag for flag in found.flags)
    with pytest.raises(InputDataError, match="no manifest"):
        map_buffers(header, Source(channels={"object_id": ("V.CryptoObject",)}))


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"manifest": "{"}, "no JSON"), ({"manifest": "[1]"}, "no JSON"), ({"manifest": '{"a": 1}'}, "no JSON"),
        ({"manifest": '{"a": "12"}'}, "no JSON"), ({"manifest": "[" * 100_000}, "no JSON"),
        ({"manifest": '{"a": "00000001", "b": "00000001"}'}, "contradict"),
        ({"hash": "MD5"}, "'MD5' is unknown"), ({"conversion": "none"}, "'none' is unknown"),
    ],
)  # fmt: skip
def test_a_damaged_manifest_is_refused(tmp_path: Path, attributes: dict[str, str], words: str) -> None:
    header = write(tmp_path, attributes={f"{KEY}{k}": v for k, v in attributes.items()})
    with pytest.raises(InputDataError, match=words) as caught:
        map_buffers(header, Source())
    assert caught.value.where["rule"] == "cryptomatte"


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    header = write(tmp_path)
    (found,) = mattes(header).values()
    monkeypatch.setattr(cryptomatte, "MAX_MANIFEST_BYTES", 10)
    with pytest.raises(InputDataError, match="manifest of more than"):
        manifest(header, found)
    with pytest.raises(InputDataError, match="more than 65535 objects"):
        numbered([{str(i): i for i in range(65536)}])
    assert len(numbered([{str(i): i for i in range(65535)}])) == 65535
    with pytest.raises(InputDataError, match="contradict"):
        numbered([{"a": 1}, {"a": 2}])


def test_half_float_ids_are_refused(tmp_path: Path) -> None:
    channels, attributes = matte(*RANKS)
    url = str(tmp_path / "a.exr")
    colour = {c: np.ones((1, 6), np.float16) for c in "RGBA"}
    write_exr(url, colour | {k: np.zeros((1, 6), np.float16) for k in channels}, attributes=attributes)
    with pytest.raises(InputDataError, match="stored as float16"):
        map_buffers(read_header(url), Source())


@pytest.mark.data
def test_blender_mattes_equal_the_index_pass_at_every_pixel(shared_data: Path) -> None:
    for path in sorted((shared_data / "exr_conformance/blender_native").glob("*/*.exr")):
        header = read_header(str(path))
        index = next(n for n in header.channels if n.endswith(("IndexOB.X", "Object Index.X")))
        found = {}
        for name in ("ViewLayer.CryptoObject", index):
            source = Source(channels={"object_id": (name,)})
            mapping = map_buffers(header, source)
            image = read_exr(header.url, mapping.channels, mapping.fill)
            found[name] = canonical(trim_to_figure(image, mapping), mapping, source, 18).buffers["object_id"]
        by_name, by_index = found.values()
        np.testing.assert_array_equal(by_name, by_index)
        assert set(np.unique(by_name)) == {0, 1}
