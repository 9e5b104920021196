"""Chunks are proven before the decoder sees them, and it sees nothing else of a file."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest

from osf_pipeline.errors import InputDataError
from osf_pipeline.exr.chunks import CODECS, Grid, SinglePart, Stored, Tiles, leader_bytes, prove
from osf_pipeline.exr.header import Header, parse_header
from osf_pipeline.exr.read import read_exr

RNG = np.random.default_rng(5)
PIXELS = {
    "B": RNG.random((50, 40)).astype(np.float16),
    "Z": RNG.random((50, 40), np.float32),
    "id": RNG.integers(0, 9, (50, 40)).astype(np.uint32),
}


def encode(*parts: OpenEXR.Part) -> bytes:
    buffer = io.BytesIO()
    with OpenEXR.File(list(parts)) as file:
        file.write(buffer)
    return buffer.getvalue()


def part(name: str = "", pixels: dict[str, np.ndarray] = PIXELS, **header: Any) -> OpenEXR.Part:
    return OpenEXR.Part({"type": OpenEXR.scanlineimage, **header}, dict(pixels), name=name)


def tiled(mode: Any = None, rounding: Any = None, **header: Any) -> OpenEXR.Part:
    tiles = OpenEXR.TileDescription()
    tiles.xSize, tiles.ySize = 16, 32
    tiles.mode = OpenEXR.ONE_LEVEL if mode is None else mode
    tiles.roundingMode = OpenEXR.ROUND_DOWN if rounding is None else rounding
    return part(type=OpenEXR.tiledimage, tiles=tiles, **header)


def parse(data: bytes) -> Header:
    return parse_header(io.BytesIO(data), len(data), "memory.exr")


def check(data: bytes) -> Header:
    header = parse(data)
    prove(data, header.table_start, [p.grid for p in header.parts], header.multipart, "memory.exr")
    return header


def offsets(data: bytes) -> list[int]:
    header = parse(data)
    return np.frombuffer(data, "<u8", sum(p.chunk_count for p in header.parts), header.table_start).tolist()


def patched(data: bytes, at: int, layout: str, value: int) -> bytes:
    return data[:at] + struct.pack(layout, value) + data[at + struct.calcsize(layout) :]


SINGLE = encode(part(compression=OpenEXR.ZIP_COMPRESSION))
PLAIN = encode(part(compression=OpenEXR.NO_COMPRESSION))
TILED = encode(tiled(compression=OpenEXR.NO_COMPRESSION))
PARTS = encode(part("one"), part("two"))


@pytest.mark.parametrize("codec", [codec.name for codec in CODECS])
def test_chunks_of_every_codec_are_sound(codec: str) -> None:
    check(encode(part(compression=getattr(OpenEXR, f"{codec}_COMPRESSION"))))


@pytest.mark.parametrize("value", [0, 1])
@pytest.mark.parametrize("codec", [codec.name for codec in CODECS])
def test_a_flat_picture_is_no_bomb(codec: str, value: int) -> None:
    """What compresses best of all must still be believed."""
    flat = {"R": np.full((600, 512), value, np.float16), "Z": np.full((600, 512), value, np.float32)}
    check(encode(part(pixels=flat, compression=getattr(OpenEXR, f"{codec}_COMPRESSION"))))


@pytest.mark.parametrize(
    ("data", "at", "layout", "value", "words"),
    [
        (SINGLE, offsets(SINGLE)[1], "<i", 0, "chunk 1 of part 0 says it belongs elsewhere"),
        (TILED, offsets(TILED)[2] + 4, "<i", 1, "chunk 2 of part 0 says it belongs elsewhere"),
        (TILED, offsets(TILED)[2] + 8, "<i", 1, "chunk 2 of part 0 says it belongs elsewhere"),
        (PARTS, offsets(PARTS)[0], "<i", 1, "chunk 0 of part 0 says it belongs elsewhere"),
        (SINGLE, offsets(SINGLE)[1] + 4, "<i", -1, "negative size"),
        (SINGLE, offsets(SINGLE)[1] + 4, "<i", 1 << 20, "larger than its pixels"),
        (SINGLE, offsets(SINGLE)[1] + 4, "<i", 3, "too small for its pixels in ZIP"),
        (PLAIN, offsets(PLAIN)[1] + 4, "<i", 399, "too small for its pixels in NO"),
        (SINGLE, parse(SINGLE).table_start + 8, "<Q", offsets(SINGLE)[0], "says it belongs elsewhere"),
    ],
)  # fmt: skip
def test_a_wrong_leader_is_named(data: bytes, at: int, layout: str, value: int, words: str) -> None:
    with pytest.raises(InputDataError, match=words) as caught:
        check(patched(data, at, layout, value))
    assert caught.value.where["rule"] == "chunk"


def test_chunks_may_not_share_bytes() -> None:
    """Else a small file could promise any number of pixels."""
    first, second = offsets(SINGLE)[:2]
    longer = patched(SINGLE, first + 4, "<i", second - first - 8 + 1)
    with pytest.raises(InputDataError, match="overlap"):
        check(longer)


def test_a_chunk_beyond_the_end_is_a_truncated_file() -> None:
    start = parse(SINGLE).table_start
    with pytest.raises(InputDataError, match="ends beyond byte") as caught:
        check(patched(SINGLE, start, "<Q", len(SINGLE) - 7))
    assert caught.value.where["rule"] == "truncated"


@pytest.mark.parametrize("codec", ["NO", "PIZ", "DWAA"])
def test_parts_and_tiles_decode_from_their_own_chunks(tmp_path: Path, codec: str) -> None:
    how = {"compression": getattr(OpenEXR, f"{codec}_COMPRESSION")}
    other = {name: pixels[::-1].copy() for name, pixels in PIXELS.items()}
    for data in (encode(tiled(**how)), encode(part("one", other, **how), part("two", **how))):
        path = tmp_path / "a.exr"
        path.write_bytes(data)
        image = read_exr(str(path))
        for name, pixels in PIXELS.items():
            found = image.channels[f"two.{name}" if image.header.multipart else name]
            np.testing.assert_allclose(found, pixels, atol=0.02 if (codec, name) == ("DWAA", "B") else 0)


@pytest.mark.parametrize("rounding", [OpenEXR.ROUND_DOWN, OpenEXR.ROUND_UP])
@pytest.mark.parametrize("mode", [OpenEXR.MIPMAP_LEVELS, OpenEXR.RIPMAP_LEVELS])
def test_levels_are_counted_and_the_first_is_handed_on(mode: Any, rounding: Any) -> None:
    """The library's Python writer leaves all levels but the first empty, so the chunks are made here."""
    names = {OpenEXR.MIPMAP_LEVELS: "mipmap", OpenEXR.RIPMAP_LEVELS: "ripmap"}
    tiles = Tiles(16, 32, names[mode], rounding == OpenEXR.ROUND_UP)  # type: ignore[arg-type]
    grid = Grid((0, 0, 39, 49), 0, tiles, {"Z": Stored("float32", 1, 1)})
    wide, high = ([40, 20, 10, 5, 2, 1], [50, 25, 12, 6, 3, 1])
    if tiles.round_up:
        wide, high = ([40, 20, 10, 5, 3, 2, 1], [50, 25, 13, 7, 4, 2, 1])
    pairs = list(zip(wide, high, strict=True)) if tiles.levels == "mipmap" else [(w, h) for h in high for w in wide]
    assert [(level.width, level.height) for level in grid.levels] == pairs
    assert grid.sizes().sum() == 4 * sum(w * h for w, h in pairs)
    assert len(grid.coordinates()) == grid.count == sum(-(-w // 16) * -(-h // 32) for w, h in pairs)
    assert grid.base_count == 6
    assert grid.coordinates()[:6].tolist() == [[x, y, 0, 0] for y in range(2) for x in range(3)]
    assert grid.coordinates()[-1].tolist() == [0, 0, len(wide) - 1, len(high) - 1]


def test_sizes_of_subsampled_chunks_count_the_stored_lines() -> None:
    grid = Grid((-4, -3, 3, 4), 3, None, {"Y": Stored("float16", 1, 1), "BY": Stored("float16", 2, 2)})
    assert grid.sizes().tolist() == [8 * 8 * 2 + 4 * 4 * 2]
    alone = Grid((0, 1, 7, 2), 0, None, {"BY": Stored("float32", 2, 2)})
    assert alone.sizes().tolist() == [0, 16]


def test_the_decoder_sees_a_header_of_our_own(tmp_path: Path) -> None:
    """Attributes that the library's Python module cannot read, in a name and a text of no UTF-8, do no harm."""
    data = encode(part(owner="Zoe & Co"))
    assert b"Zoe & Co" in data
    path = tmp_path / "a.exr"
    path.write_bytes(data.replace(b"Zoe & Co", b"Zo\xeb \xff Co"))
    with pytest.raises(UnicodeDecodeError), OpenEXR.File(str(path)):
        pass
    np.testing.assert_array_equal(read_exr(str(path)).channels["Z"], PIXELS["Z"])


def test_a_stream_of_one_part_is_a_file_and_copies_no_pixels() -> None:
    header = parse(PARTS)
    grids = [p.grid for p in header.parts]
    chunks = prove(PARTS, header.table_start, grids, True, "memory.exr")
    stream = SinglePart(PARTS, grids[1], header.parts[1].raw_attributes["channels"][1], chunks[1], True)
    size = stream.seek(0, io.SEEK_END)
    assert stream.tell() == size
    stream.seek(0)
    whole = stream.read(size)
    assert whole == stream.whole()
    assert whole.endswith(PARTS)
    for at, count in ((0, 8), (size - len(PARTS) - 3, 9), (size - 4, 4), (size, 4)):
        stream.seek(at)
        assert stream.read(count) == whole[at : at + count]
    alone = check(whole)
    assert alone.parts[0].channels == {"B": "float16", "Z": "float32", "id": "uint32"}
    assert leader_bytes(grids[1], True) == leader_bytes(alone.parts[0].grid, False) + 4


def test_names_of_any_length_are_handed_on(tmp_path: Path) -> None:
    long = {"layer with a long name of more than thirty-one bytes.Z": PIXELS["Z"]}
    path = tmp_path / "a.exr"
    path.write_bytes(encode(part(pixels=long)))
    (found,) = read_exr(str(path)).channels.values()
    np.testing.assert_array_equal(found, PIXELS["Z"])
