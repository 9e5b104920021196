"""EXR decode: one file, read once, its needed parts decoded once, native dtypes.

Belongs here: bytes to arrays. Does not: proofs of what the bytes hold (`exr.header`, `exr.chunks`), what channels mean
(`exr.adapters`) or threads over frames (`ingest`).
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import fsspec
import numpy as np

from osf_pipeline.errors import InputDataError
from osf_pipeline.exr.chroma import luminance_weights, to_rgb
from osf_pipeline.exr.chunks import CODECS, SinglePart, damaged, prove
from osf_pipeline.exr.decode import decode
from osf_pipeline.exr.header import MAX_DECODED_BYTES, MAX_PIXELS, Header, Part, parse_header, union
from osf_pipeline.exr.write import Window


@dataclass(frozen=True)
class Image:
    """One decoded file.

    Attributes:
        window: union of the data windows of the parts that were asked for (x0, y0, x1, y1, inclusive).
        channels: full channel name to a (y, x) array over `window`, in the file's own dtype, values untouched; of a
            luminance-chroma layer its R, G and B. Of a part with several resolution levels, the full resolution.
        sha256: of the file's bytes.
    """

    header: Header
    window: Window
    channels: dict[str, np.ndarray]
    sha256: str


def read_exr(url: str, names: Iterable[str] | None = None, fill: Mapping[str, float] | None = None) -> Image:
    """Read channels of one EXR file.

    Args:
        names: full channel names (`Header.full_name`); all of them when absent.
        fill: value outside a part's own data window, by full channel name; 0 for channels not named.

    Raises:
        InputDataError: for a damaged, truncated, oversized or deep file, a missing or a subsampled channel.
    """
    fs, path = fsspec.core.url_to_fs(url)
    try:
        data = fs.cat_file(path)
    except FileNotFoundError as error:
        raise InputDataError(
            "no such file", file=url, rule="gap", fix="Render the frame or correct `frames`."
        ) from error
    header = parse_header(io.BytesIO(data), len(data), url)
    wanted = tuple(header.channels) if names is None else tuple(dict.fromkeys(names))
    places = {header.full_name(p, c): (i, c) for i, p in enumerate(header.parts) for c in p.channels}
    for name in wanted:
        if name not in places:
            raise InputDataError(
                "the file lacks a channel", file=url, channel=name, rule="missing_channel",
                fix=f"Render it, or map it under `channels`; the file has: {listing(places)}.",
            )  # fmt: skip
        index, channel = places[name]
        if channel in header.parts[index].subsampled:
            raise InputDataError(
                "subsampled channels are not supported", file=url, channel=name, rule="subsampled",
                fix="Write RGB at full resolution instead of luminance and chroma.",
            )  # fmt: skip
    window = _joint_window(header, {name: places[name][0] for name in wanted})
    try:
        channels = _assemble(data, header, {name: places[name] for name in wanted}, window, fill or {})
    except MemoryError as error:
        raise InputDataError(
            "not enough memory for the image", file=url, rule="pixels",
            fix="Read fewer frames at a time, or write fewer channels.",
        ) from error  # fmt: skip
    return Image(header, window, channels, hashlib.sha256(data).hexdigest())


def _assemble(
    data: bytes, header: Header, places: Mapping[str, tuple[int, str]], window: Window, fill: Mapping[str, float]
) -> dict[str, np.ndarray]:
    """Decode the parts that hold the wanted channels (full name to part and channel) and place them in `window`."""
    chunks = prove(data, header.table_start, [p.grid for p in header.parts], header.multipart, header.url)
    decoded: dict[int, dict[str, np.ndarray]] = {}
    for index in {index for index, _ in places.values()}:
        part = header.parts[index]
        _, channel_list = part.raw_attributes["channels"]
        plain = SinglePart(data, part.grid, channel_list, chunks[index], header.multipart)
        decoded[index] = _offered(part, decode(plain, header.url, apart=CODECS[part.grid.codec].fragile), header.url)
    channels = {}
    for name, (index, channel) in places.items():
        part = header.parts[index]
        pixels = decoded[index].get(channel)
        if pixels is None or pixels.shape != (part.height, part.width):
            raise InputDataError(
                "the decoder lost a channel", file=header.url, channel=name, rule="pixels",
                fix="Render the frame again.",
            )  # fmt: skip
        channels[name] = place(pixels, part.data_window, window, fill.get(name, 0))
    return channels


def _joint_window(header: Header, parts: Mapping[str, int]) -> Window:
    """Union of the data windows of wanted channels (full name to part); small parts far apart may not make it huge."""
    x0, y0, x1, y1 = window = union(header.parts[index].data_window for index in parts.values())
    pixels, size = (x1 - x0 + 1) * (y1 - y0 + 1), sum(np.dtype(header.channels[name]).itemsize for name in parts)
    if pixels > MAX_PIXELS or pixels * size > MAX_DECODED_BYTES:
        raise InputDataError(
            "the data windows of the parts lie too far apart", file=header.url, window=window, rule="window",
            fix="Crop the overscan, or read the parts one by one.",
        )  # fmt: skip
    return window


def place(pixels: np.ndarray, at: Window, window: Window, fill: float) -> np.ndarray:
    """`pixels` (..., y, x) lying at window `at`, as seen in `window`: cut where outside, `fill` where there are none.

    Returns `pixels` itself when both windows agree.
    """
    if at == window:
        return pixels
    height, width = window[3] - window[1] + 1, window[2] - window[0] + 1
    out = np.empty((*pixels.shape[:-2], height, width), pixels.dtype)
    paste(out, window, pixels, at, fill)
    return out


def paste(out: np.ndarray, window: Window, pixels: np.ndarray, at: Window, fill: float) -> None:
    """As `place`, into an array that covers `window`."""
    out[:] = fill
    x0, y0, x1, y1 = max(at[0], window[0]), max(at[1], window[1]), min(at[2], window[2]), min(at[3], window[3])
    if x0 <= x1 and y0 <= y1:
        inner = pixels[..., y0 - at[1] : y1 - at[1] + 1, x0 - at[0] : x1 - at[0] + 1]
        out[..., y0 - window[1] : y1 - window[1] + 1, x0 - window[0] : x1 - window[0] + 1] = inner


def _offered(part: Part, pixels: dict[str, np.ndarray], url: str) -> dict[str, np.ndarray]:
    """Stored channels, with luminance-chroma layers turned into R, G and B."""
    for prefix in part.chroma_layers:
        try:
            _, primaries = part.raw_attributes.get("chromaticities", ("", None))
            y, by, ry = (pixels.pop(f"{prefix}{c}") for c in ("Y", "BY", "RY"))
            rgb = to_rgb(y, by, ry, luminance_weights(primaries))
        except ValueError as error:
            raise damaged(url, str(error), fix="Correct attribute `chromaticities`.") from error
        pixels |= {f"{prefix}{c}": values for c, values in rgb.items()}
    return pixels


def listing(names: Iterable[str], limit: int = 40) -> str:
    """Channel names for a message, cut when there are many."""
    found = sorted(names)
    more = f" and {len(found) - limit} more" if len(found) > limit else ""
    return ", ".join(found[:limit]) + more
