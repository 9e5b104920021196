from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from osf_pipeline.errors import InputDataError, OsfError
from osf_pipeline.exr.chunks import CODECS
from osf_pipeline.exr.header import MAX_ATTRIBUTES, MAX_CHANNELS, Header, parse_header, read_header
from osf_pipeline.exr.write import write_exr


def encode(header: dict, channels: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    with OpenEXR.File({"type": OpenEXR.scanlineimage, **header}, channels) as file:
        file.write(buffer)
    return buffer.getvalue()


def parse(data: bytes) -> Header:
    return parse_header(io.BytesIO(data), len(data), "memory.exr")


def multipart() -> bytes:
    parts = [
        OpenEXR.Part(
            {"type": OpenEXR.scanlineimage}, {"layer.color.R": np.ones((20, 8), np.float16)}, name="layer.color"
        ),
        OpenEXR.Part({"type": OpenEXR.scanlineimage}, {"Z": np.ones((20, 8), np.float32)}, name="depth"),
    ]
    buffer = io.BytesIO()
    with OpenEXR.File(parts) as file:
        file.write(buffer)
    return buffer.getvalue()


SINGLE = encode({"Frame": "7", "osf:seed": 3}, {"R": np.ones((40, 8), np.float16), "id": np.ones((40, 8), np.uint32)})
MULTI = multipart()


def test_single_part_facts(tmp_path: Path) -> None:
    url = str(tmp_path / "a.exr")
    size = write_exr(
        url,
        {"R": np.zeros((4, 6), np.float16), "Z": np.zeros((4, 6), np.float32), "id": np.zeros((4, 6), np.uint32)},
        attributes={"Frame": "12", "osf:renderer": "own", "take": 4},
        data_window=(-2, 3, 3, 6),
        display_window=(0, 0, 9, 9),
        pixel_aspect=1.5,
    )
    header = read_header(url)
    assert header.size == size
    assert header.channels == {"R": "float16", "Z": "float32", "id": "uint32"}
    assert (header.data_window, header.display_window, header.pixel_aspect) == ((-2, 3, 3, 6), (0, 0, 9, 9), 1.5)
    assert header.parts[0].compression == "ZIP"
    assert {k: header.attributes[k] for k in ("Frame", "osf:renderer", "take")} == {
        "Frame": "12", "osf:renderer": "own", "take": 4,
    }  # fmt: skip


def test_twin_channels_are_refused() -> None:
    """Else one would hide the other."""
    parts = [
        OpenEXR.Part({"type": OpenEXR.scanlineimage}, {"V": np.full((2, 2), value, np.float32)}, name=name)
        for name, value in (("twin1", 1), ("twin2", 2))
    ]
    buffer = io.BytesIO()
    with OpenEXR.File(parts) as file:
        file.write(buffer)
    assert len(parse(buffer.getvalue()).channels) == 2
    with pytest.raises(InputDataError, match="same name"):
        parse(buffer.getvalue().replace(b"twin2", b"twin1"))


def test_multipart_names_channels_once() -> None:
    header = parse(MULTI)
    assert header.channels == {"layer.color.R": "float16", "depth.Z": "float32"}
    assert header.names() == {"layer.color.R": "layer.color.R", "depth.Z": "depth.Z"}


@pytest.mark.parametrize("height", [1, 16, 17, 33, 257, 600])
@pytest.mark.parametrize("name", [codec.name for codec in CODECS])
def test_chunk_count_of_every_codec(name: str, height: int) -> None:
    channels = {"R": np.random.default_rng(0).random((height, 8), np.float32)}
    data = encode({"compression": getattr(OpenEXR, f"{name}_COMPRESSION")}, channels)
    header = parse(data)
    (part,) = header.parts
    assert part.compression == name
    # The first chunk follows the table, so a wrong count cannot go unseen.
    offsets = np.frombuffer(data, "<u8", part.chunk_count, header.table_start)
    assert offsets.min() == header.table_start + 8 * part.chunk_count


@pytest.mark.parametrize("data", [SINGLE, MULTI], ids=["single", "multipart"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_truncation_is_found_without_decoding(data: bytes, share: float, tmp_path: Path) -> None:
    path = tmp_path / "cut.exr"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(InputDataError) as caught:
        read_header(str(path))
    assert caught.value.where["rule"] == "truncated"
    assert caught.value.where["file"] == str(path)
    assert caught.value.fix


def test_one_missing_byte_is_found_and_none_is_legal() -> None:
    with pytest.raises(InputDataError, match="last chunk ends beyond"):
        parse(SINGLE[:-1])
    parse(SINGLE)


def test_a_killed_writer_leaves_zeros_in_the_table() -> None:
    at = parse(SINGLE).table_start
    with pytest.raises(InputDataError, match="1 of 3 chunks were never written"):
        parse(SINGLE[: at + 8] + bytes(8) + SINGLE[at + 16 :])


def test_deep_is_refused() -> None:
    deep = SINGLE[:4] + struct.pack("<I", 2 | 0x800) + SINGLE[8:]
    with pytest.raises(InputDataError, match="deep EXR") as caught:
        parse(deep)
    assert caught.value.where["rule"] == "deep"


def with_box(corners: tuple[int, int, int, int]) -> bytes:
    at = SINGLE.index(b"dataWindow\0box2i\0") + len(b"dataWindow\0box2i\0") + 4
    return SINGLE[:at] + struct.pack("<4i", *corners) + SINGLE[at + 16 :]


@pytest.mark.parametrize(
    "corners",
    [(5, 0, 4, 39), (0, 5, 7, 4), (0, 0, 2**31 - 1, 0), (-(2**31), 0, 7, 39), (0, 0, 2**23, 2**23)],
    ids=["no width", "no height", "too wide", "wraps", "too many pixels"],
)
def test_absurd_windows_are_refused_before_any_allocation(corners: tuple[int, int, int, int]) -> None:
    with pytest.raises(InputDataError, match=r"empty or out of range|more than this reader takes"):
        parse(with_box(corners))


def test_an_offset_window_is_legal() -> None:
    assert parse(with_box((-100, 200, -93, 239))).data_window == (-100, 200, -93, 239)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"pixelAspectRatio\0float", b"pixelAspectRatix\0float", "pixelAspectRatio"),
        (b"\x76\x2f\x31\x01", b"\x76\x2f\x31\x02", "no EXR file"),
        (struct.pack("<I", 2), struct.pack("<I", 0x4002), "version"),
    ],
)
def test_damaged_headers_say_what(old: bytes, new: bytes, words: str) -> None:
    with pytest.raises(InputDataError, match=words):
        parse(SINGLE.replace(old, new, 1))


def test_channel_lists_are_bounded() -> None:
    entry = b"%05d\0" + struct.pack("<i4x2i", 1, 1, 1)
    many = b"".join(entry.replace(b"%05d", b"%05d" % i) for i in range(MAX_CHANNELS + 1)) + b"\0"
    at = SINGLE.index(b"channels\0chlist\0") + len(b"channels\0chlist\0")
    (count,) = struct.unpack_from("<i", SINGLE, at)
    with pytest.raises(InputDataError, match="too long"):
        parse(SINGLE[:at] + struct.pack("<i", len(many)) + many + SINGLE[at + 4 + count :])


def patched(data: bytes, attribute: bytes, offset: int, value: bytes) -> bytes:
    """Some bytes of an attribute's value replaced."""
    at = data.index(attribute) + len(attribute) + 4 + offset
    return data[:at] + value + data[at + len(value) :]


def tiled() -> bytes:
    tiles = OpenEXR.TileDescription()
    tiles.xSize = tiles.ySize = 16
    return encode({"type": OpenEXR.tiledimage, "tiles": tiles}, {"R": np.ones((40, 8), np.float16)})


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (patched(tiled(), b"tiles\0tiledesc\0", 0, struct.pack("<II", 1 << 23, 1 << 23)), "larger than the image"),
        (patched(tiled(), b"tiles\0tiledesc\0", 0, struct.pack("<II", 0, 16)), "tile description"),
        (patched(tiled(), b"tiles\0tiledesc\0", 8, b"\3"), "tile description"),
        (patched(tiled(), b"channels\0chlist\0", 10, struct.pack("<2i", 2, 2)), "sampling of channel 'R'"),
        (patched(SINGLE, b"channels\0chlist\0", 10, struct.pack("<2i", 3, 3)), "sampling of channel 'R'"),
        (patched(SINGLE, b"channels\0chlist\0", 2, struct.pack("<i", 3)), "unknown type"),
        (patched(SINGLE, b"compression\0compression\0", 0, b"\x63"), "unknown compression 99"),
        (patched(MULTI, b"chunkCount\0int\0", 0, struct.pack("<i", 9)), "chunkCount"),
        (SINGLE.replace(b"Frame\0", b"Fr\xffme\0", 1), "no UTF-8"),
        (SINGLE[:8] + b"x" * 300 + SINGLE[8:], "longer than 255 bytes"),
        (SINGLE[:8] + b"a\0b\0" + struct.pack("<i", -1) + SINGLE[8:], "negative size"),
        (SINGLE[:8] + b"".join(b"%d\0b\0\0\0\0\0" % i for i in range(MAX_ATTRIBUTES)) + SINGLE[8:], "attributes"),
    ],
    ids=["tile size", "no tile", "level mode", "tiled sampling", "sampling", "type", "codec", "chunks", "name", "long",
         "size", "attributes"],
)  # fmt: skip
def test_what_the_decoder_would_allocate_for_is_bounded(data: bytes, words: str) -> None:
    with pytest.raises(InputDataError, match=words) as caught:
        parse(data)
    assert caught.value.where["rule"] == "header"


@pytest.mark.parametrize("pixels", [(4000, 3000), (200, 100)])
def test_few_bytes_are_read_however_large_the_file(pixels: tuple[int, int]) -> None:
    """A header on an object store costs a few ranges."""

    class Counting(io.BytesIO):
        ranges, total = 0, 0

        def read(self, count: int | None = -1) -> bytes:
            found = super().read(count)
            self.ranges, self.total = self.ranges + 1, self.total + len(found)
            return found

    noise = np.random.default_rng(1).integers(0, 1 << 15, pixels, dtype=np.uint16).view(np.float16)
    stream = Counting(encode({"comments": "x" * 30_000}, {"R": noise}))
    size = len(stream.getbuffer())
    header = parse_header(stream, size, "counted")
    assert stream.ranges <= 5
    assert stream.total < 80_000 + 8 * header.parts[0].chunk_count


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_mutated_bytes_raise_only_our_error(data: st.DataObject) -> None:
    source = bytearray(data.draw(st.sampled_from([SINGLE, MULTI])))
    for at, value in data.draw(st.lists(st.tuples(st.integers(0, len(source) - 1), st.integers(0, 255)), max_size=6)):
        source[at] = value
    cut = data.draw(st.integers(0, len(source)))
    mutated = bytes(source[:cut]) if data.draw(st.booleans()) else bytes(source)
    try:
        header = parse(mutated)
    except OsfError:
        return
    assert all(p.width > 0 and p.height > 0 and p.channels for p in header.parts)


@pytest.mark.data
def test_conformance_files(shared_data: Path) -> None:
    refused = {}
    for path in sorted((shared_data / "exr_conformance").rglob("*.exr")):
        try:
            read_header(str(path))
        except InputDataError as error:
            refused[path.name] = error.where["rule"]
    assert refused == {
        "11.deep.exr": "deep", "Trunks.exr": "deep", "invalid.exr": "header", "comp_early_eof_piz.exr": "header",
        "comp_bad_neg_bounds_pxr24.exr": "truncated", "comp_invalid_unknown.exr": "truncated",
        "tiled.exr": "truncated", "unfinished_multipart.exr": "truncated",
    }  # fmt: skip
    for path in sorted((shared_data / "exr_conformance" / "damaged").iterdir()):
        with pytest.raises(InputDataError):
            read_header(str(path))


@pytest.mark.data
def test_views_of_real_stereo_files(shared_data: Path) -> None:
    folder = shared_data / "exr_conformance" / "openexr-images" / "Beachball"
    single, multi = (read_header(str(folder / f"{kind}part.0001.exr")) for kind in ("single", "multi"))
    assert single.views == multi.views == ("right", "left")
    assert single.names()["R"] == "R"
    assert single.names("left")["R"] == "left.R"
    assert single.names("left")["forward.u"] == "forward.left.u"
    assert multi.names("left")["rgba.R"] == "rgba_left.R"
    assert multi.names("left")["forward.u"] == "forward_left.forward.u"
    with pytest.raises(InputDataError, match="no such view"):
        single.names("centre")
