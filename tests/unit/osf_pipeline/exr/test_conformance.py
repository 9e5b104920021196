"""Every file of the conformance folder: the right pixels, or a refusal by the right rule.

Right pixels are those of FFmpeg's EXR decoder, which shares no code with OpenEXR, bit for bit where the codec defines
every bit. It decodes colour layers only, so a file is shown to it with one channel renamed in place to a luminance
channel; what it cannot do is held against known values of the pictures or against the same picture in another file.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import OpenEXR
import pytest
import yaml

from osf_pipeline.errors import InputDataError
from osf_pipeline.exr.chroma import REC709, luminance_weights, to_rgb
from osf_pipeline.exr.chunks import SinglePart, prove
from osf_pipeline.exr.header import Header, Part, parse_header, read_header
from osf_pipeline.exr.read import Image, read_exr

pytestmark = pytest.mark.data

REFUSED = {
    "damaged/NULL_pointer": "header",
    "damaged/asan_heap-oob_7f6798416389_229_18bd946a4fde157b9974d16a51a4851d_exr": "truncated",
    "damaged/asan_heap-oob_7fd921b41f11_369_da245dc772c0a5a60ce7b759b2132c51_exr": "header",
    "damaged/asan_heap-oob_7fe4c4caa975_277_153f78ec07237d01e8902143da28c7ec_exr": "header",
    "damaged/asan_stack-oob_433d4f_510_f8d3ef49bd6e5f7ca4fb7e0f9c0af139_exr": "header",
    "damaged/autofuzz_146551958": "truncated",
    "damaged/clusterfuzz-testcase-minimized-openexr_deepscanlines_fuzzer-5642309123964928": "header",
    "damaged/memory_DOS_1": "header",
    "damaged/oom_exr": "truncated",
    "damaged/openexr_2.2.0_memory_allocation_error_1_exr": "header",
    "damaged/openexr_2.5.1_null_deref_error": "header",
    "damaged/poc-2b68475a090117f033df54c2de31546f7a1927ecadd9d0aa9b6bb8daad8ea971_min": "header",
    "openexr-images/v2/LowResLeftView/Trunks.exr": "deep",
    "openexr-src/11.deep.exr": "deep",
    "openexr-src/comp_bad_neg_bounds_pxr24.exr": "truncated",
    "openexr-src/comp_early_eof_piz.exr": "header",
    "openexr-src/comp_invalid_unknown.exr": "truncated",
    "openexr-src/invalid.exr": "header",
    "openexr-src/tiled.exr": "truncated",
    "openexr-src/unfinished_multipart.exr": "truncated",
}
"""Path to rule."""

LUMINANCE_CHROMA = {"openexr-images/Chromaticities/Rec709_YC.exr", "openexr-src/comp_b44.exr"}
"""FFmpeg knows no subsampled channels; tests of their own below."""

RIPMAP = {"openexr-src/v1.7.test.tiled.exr"}
"""FFmpeg miscounts its tiles; a test of its own below."""

DWA_TOLERANCE = 5e-3
"""Of a pixel's brightness: FFmpeg's own inverse transform rounds elsewhere, DWA is lossy anyway."""


def files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".yaml")


@pytest.fixture
def corpus(shared_data: Path) -> Path:
    return shared_data / "exr_conformance"


def ffmpeg(data: bytes, **options: str) -> dict[str, np.ndarray]:
    """Channels of one layer as FFmpeg decodes them, over the display window."""
    formats = {"gbrap": "GBRA", "gbrp": "GBR", "gray": "Y"}
    with av.open(io.BytesIO(data), format="exr_pipe") as container:
        stream = container.streams.video[0]
        stream.codec_context.options = options
        frame = next(container.decode(stream))
    name = frame.format.name
    kind, dtype = name[:-5], {"f16le": np.float16, "f32le": np.float32}[name[-5:]]
    return {
        name: np.frombuffer(plane, dtype).reshape(plane.height, -1)[:, : plane.width]
        for name, plane in zip(formats[kind], frame.planes, strict=True)
    }


def shown(data: bytes, header: Header, channel: str | None = None) -> tuple[bytes, dict[str, str]]:
    """The file with a display window from 0 to the end of the data, a channel renamed to luminance, and options.

    FFmpeg crops to the display window, wrongly where that starts elsewhere than at 0, and believes a `type` attribute
    that the flags contradict.
    """
    found = bytearray(data)
    attributes = header.parts[0].raw_attributes

    def place(name: str) -> int:
        start = b"%s\0%s\0" % (name.encode(), attributes[name][0].encode())
        return data.index(start) + len(start) + 4

    at = place("displayWindow")
    found[at : at + 16] = bytes(8) + attributes["dataWindow"][1][8:]
    if "type" in attributes and not header.multipart:
        found[place("type") - 16 : place("type") - 12] = b"tipe"
    at, new = place("channels"), luminance_name(channel) if channel else ""
    for name in header.parts[0].grid.channels if channel else ():
        size = len(name.encode())
        if name == channel:
            found[at : at + size] = new.encode()
        elif size == len(new) == 1:  # or FFmpeg takes it for the same layer
            found[at : at + 1] = b"q"
        at += size + 17
    return bytes(found), {"layer": new[:-2]} if len(new) > 2 else {}


def alone(data: bytes, header: Header, index: int) -> tuple[bytes, Header]:
    """One part as a file of its own: FFmpeg reads no part but the first."""
    if not header.multipart:
        return data, header
    part = header.parts[index]
    chunks = prove(data, header.table_start, [p.grid for p in header.parts], header.multipart, header.url)
    stream = SinglePart(data, part.grid, part.raw_attributes["channels"][1], chunks[index], header.multipart)
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    found = stream.read(size)
    return found, parse_header(io.BytesIO(found), len(found), header.url)


def luminance_name(channel: str) -> str:
    """A name of the same length that is a luminance channel."""
    size = len(channel.encode())
    return "Y" if size == 1 else "_" * (size - 2) + ".Y"


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def own(image: Image, part: Part, channel: str) -> np.ndarray:
    """A channel over its own part's data window."""
    (x0, y0, x1, y1), (left, top, _, _) = part.data_window, image.window
    return image.channels[image.header.full_name(part, channel)][y0 - top : y1 - top + 1, x0 - left : x1 - left + 1]


def test_every_file_is_decoded_or_refused_by_its_rule(corpus: Path) -> None:
    refused = {}
    for path in files(corpus):
        try:
            image = read_exr(str(path))
        except InputDataError as error:
            told = error.where["file"] == str(path) and error.fix
            refused[path.relative_to(corpus).as_posix()] = error.where["rule"] if told else None
        else:
            assert set(image.channels) == set(image.header.channels), path
            assert {n: str(a.dtype) for n, a in image.channels.items()} == image.header.channels, path
    assert refused == REFUSED


def test_pixels_are_those_of_another_decoder(corpus: Path) -> None:
    """Every lossless or bit-defined channel of every file; of the large Blender frames one in nine."""
    compared = 0
    for path in files(corpus):
        name = path.relative_to(corpus).as_posix()
        if name in REFUSED or name in LUMINANCE_CHROMA or name in RIPMAP:
            continue
        data, image = path.read_bytes(), read_exr(str(path))
        every = 9 if len(data) > 1_500_000 or "blender_probe" in name else 1
        for index, part in enumerate(image.header.parts):
            if part.compression.startswith("DWA"):
                continue
            # A name of two bytes cannot be renamed in place, and FFmpeg has no whole numbers.
            fitting = [c for c, kind in part.channels.items() if kind != "uint32" and len(c.encode()) != 2]
            file, header = alone(data, image.header, index)
            for channel in fitting[::every]:
                mutated, options = shown(file, header, channel)
                (pixels,) = ffmpeg(mutated, **options).values()
                x0, y0, _, _ = part.data_window
                assert same_bits(own(image, part, channel), pixels[y0:, x0:]), (name, channel)
                compared += 1
    assert compared > 250


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("openexr-src/comp_dwaa_v2.exr", ""),
        ("openexr-src/comp_dwab_v2.exr", ""),
        ("blender_probe/blender5.0.1/ortho_dwaa_half.exr", "ViewLayer.Combined"),
    ],
)
def test_dwa_is_near_another_decoder(corpus: Path, name: str, layer: str) -> None:
    path = corpus / name
    image = read_exr(str(path))
    data, options = shown(path.read_bytes(), image.header)
    for channel, pixels in ffmpeg(data, **options, **({"layer": layer} if layer else {})).items():
        found = image.channels[f"{layer}.{channel}" if layer else channel].astype(np.float64)
        np.testing.assert_allclose(found, pixels.astype(np.float64), rtol=DWA_TOLERANCE, atol=DWA_TOLERANCE)


def test_full_resolution_of_a_ripmap_of_2004(corpus: Path) -> None:
    path = corpus / "openexr-src" / "v1.7.test.tiled.exr"
    image = read_exr(str(path))
    (part,) = image.header.parts
    assert part.grid.tiles is not None
    # Uncompressed: the first tile's lines lie in the file as they are, G before Z.
    tiles, data = part.grid.tiles, path.read_bytes()
    (first,) = np.frombuffer(data, "<u8", 1, image.header.table_start)
    wide, high = min(tiles.width, part.width), min(tiles.height, part.height)
    lines = np.frombuffer(data, np.uint8, wide * high * 6, int(first) + 20).reshape(high, wide * 6)
    assert same_bits(image.channels["G"][:high, :wide], np.ascontiguousarray(lines[:, : wide * 2]).view("<f2"))
    assert same_bits(image.channels["Z"][:high, :wide], np.ascontiguousarray(lines[:, wide * 2 :]).view("<f4"))


def test_every_half_comes_back_bit_for_bit(corpus: Path) -> None:
    image = read_exr(str(corpus / "openexr-images" / "TestImages" / "AllHalfValues.exr"))
    for pixels in image.channels.values():
        assert set(pixels.view(np.uint16).ravel().tolist()) == set(range(1 << 16))


def test_no_resolution_level_but_the_first_is_read(corpus: Path) -> None:
    path = corpus / "openexr-images" / "MultiResolution" / "ColorCodedLevels.exr"
    image = read_exr(str(path))
    (part,) = image.header.parts
    assert part.grid.tiles is not None
    assert part.grid.tiles.levels == "mipmap"
    assert part.grid.base_count < part.chunk_count
    assert image.window == (0, 0, 511, 511)
    # Each level of the picture has a colour of its own; the first is grey.
    assert same_bits(image.channels["R"], image.channels["G"])
    assert same_bits(image.channels["R"], image.channels["B"])


@pytest.mark.parametrize("number", [1, 2, 5, 7, 8, 9, 12, 13, 15])
def test_display_windows_do_not_move_pixels(corpus: Path, number: int) -> None:
    folder = corpus / "openexr-images" / "DisplayWindow"
    image, plain = (read_exr(str(folder / f"t{n:02}.exr")) for n in (number, 1))
    for name, pixels in plain.channels.items():
        assert same_bits(image.channels[name], pixels)
    assert image.window == image.header.data_window
    if number == 8:
        assert image.window == (30, 40, 429, 339)
    if number == 15:
        assert image.header.pixel_aspect == 1.5


def test_views_of_one_part_and_of_many_hold_the_same_pixels(corpus: Path) -> None:
    folder = corpus / "openexr-images" / "Beachball"
    single, multi = (read_exr(str(folder / f"{kind}part.0001.exr")) for kind in ("single", "multi"))
    for view in ("right", "left"):
        one, many = single.header.names(view), multi.header.names(view)
        for channel, layer in (
            *((c, f"rgba.{c}") for c in "RGBA"),
            ("forward.u", "forward.u"),
            ("forward.v", "forward.v"),
        ):
            assert same_bits(single.channels[one[channel]], multi.channels[many[layer]])


def test_only_the_parts_asked_for_are_decoded(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = []
    library = OpenEXR.File

    def counting(*args: object, **options: object) -> OpenEXR.File:
        decoded.append(args)
        return library(*args, **options)

    monkeypatch.setattr(OpenEXR, "File", counting)
    url = str(corpus / "openexr-images" / "Beachball" / "multipart.0001.exr")
    header = read_header(url)
    image = read_exr(url, [header.names("left")[f"rgba.{c}"] for c in "RGB"])
    assert len(decoded) == 1 < len(header.parts)
    assert len(image.channels) == 3


def test_whole_numbers_are_exact(corpus: Path) -> None:
    """Against the ZIP chunks, undone by hand: differences, then byte planes."""
    path = corpus / "openexr-src" / "manifest_id.exr"
    image, data = read_exr(str(path)), path.read_bytes()
    (part,) = image.header.parts
    ids = image.channels["id"]
    assert ids.dtype == np.uint32
    lines = []
    for offset in np.frombuffer(data, "<u8", part.chunk_count, image.header.table_start).tolist():
        packed = int.from_bytes(data[offset + 4 : offset + 8], "little")
        raw = np.frombuffer(zlib.decompress(data[offset + 8 : offset + 8 + packed]), np.uint8).astype(np.int64)
        raw = ((np.cumsum(raw) - 128 * np.arange(len(raw))) % 256).astype(np.uint8)
        half = (len(raw) + 1) // 2
        whole = np.empty_like(raw)
        whole[::2], whole[1::2] = raw[:half], raw[half:]
        lines.append(whole.reshape(-1, part.width * 12)[:, part.width * 8 :])
    assert same_bits(ids, np.concatenate(lines).copy().view("<u4"))
    assert len(np.unique(ids)) > 2


def test_names_keep_their_spaces(corpus: Path) -> None:
    image = read_exr(str(corpus / "tinyexr" / "flaga.exr"), ["Warstwa 1.A"])
    assert image.channels["Warstwa 1.A"].shape == (64, 128)


def test_blender_files_hold_what_was_rendered(corpus: Path) -> None:
    truth = yaml.safe_load((corpus / "blender_probe" / "truth.yaml").read_text())["ortho_full"]
    (x, y), compared = truth["pixel"], 0
    for path in sorted((corpus / "blender_probe").rglob("ortho_full.exr")):
        image = read_exr(str(path))
        for name in ("Vector", "Position", "Normal", "UV", "Depth.Z", "Mist.Z"):
            letters = {"Vector": "XYZW", "UV": "UV"}.get(name, "XYZ")
            channels = [name] if "." in name else [f"{name}.{c}" for c in letters]
            found = [float(image.channels[f"ViewLayer.{c}"][y, x]) for c in channels]
            np.testing.assert_allclose(found, np.atleast_1d(truth[name]), atol=2e-3, err_msg=f"{path} {name}")
            compared += 1
    assert compared == 18


# Luminance and chroma


def test_chroma_of_a_b44_file_gives_the_picture_of_the_other_codecs(corpus: Path) -> None:
    """`comp_b44` is the picture of `comp_dwaa`, one pixel smaller each way; both lose a little."""
    image, other = (read_exr(str(corpus / "openexr-src" / f"comp_{kind}.exr")) for kind in ("b44", "dwaa_v2"))
    assert image.header.channels == dict.fromkeys("BGR", "float16")
    for name, pixels in image.channels.items():
        expected = other.channels[name][:-1, :-1].astype(np.float64)
        error = np.abs(pixels.astype(np.float64) - expected) / (expected + 0.05)
        assert np.median(error) < 0.02, name
        assert np.percentile(error, 95) < 0.2, name


def test_the_luminance_of_what_is_offered_is_the_stored_one(corpus: Path) -> None:
    path = corpus / "openexr-images" / "Chromaticities" / "Rec709_YC.exr"
    image = read_exr(str(path))
    with OpenEXR.File(str(path), separate_channels=True) as file:
        stored = {name: channel.pixels.astype(np.float64) for name, channel in file.channels().items()}
    red, green, blue = (image.channels[c].astype(np.float64) for c in "RGB")
    assert red.shape == stored["Y"].shape == (406, 610)
    weights = luminance_weights(None)
    np.testing.assert_allclose(weights, (0.2126, 0.7152, 0.0722), atol=2e-4)
    luminance = weights[0] * red + weights[1] * green + weights[2] * blue
    np.testing.assert_allclose(luminance, stored["Y"], rtol=4e-3, atol=1e-3)
    # Stored chroma belongs to the even pixels.
    for name, channel in (("RY", red), ("BY", blue)):
        np.testing.assert_allclose(channel[::2, ::2], (stored[name] + 1) * stored["Y"][::2, ::2], rtol=2e-3, atol=1e-3)
    assert parse_header(io.BytesIO(path.read_bytes()), path.stat().st_size, "x").parts[0].subsampled == ()
    assert len(REC709) == 8
    assert to_rgb(np.ones((2, 2), np.float16), np.zeros((1, 1)), np.zeros((1, 1)), weights)["G"].tolist() == [
        [1, 1],
        [1, 1],
    ]
