"""A shot as a video file. Belongs here: encoding through PyAV. Does not: what the pictures show."""

from __future__ import annotations

import io
from collections.abc import Iterable
from fractions import Fraction
from typing import Any, Literal

import numpy as np

from osf_pipeline.errors import RequestError

Container = Literal["mp4", "webm"]
CODECS: dict[Container, tuple[str, dict[str, str]]] = {
    # One thread: x264 makes the same bytes of the same pictures only then.
    "mp4": ("libx264", {"crf": "16", "preset": "medium", "threads": "1"}),
    "webm": ("libvpx-vp9", {"crf": "24", "b:v": "0", "threads": "1", "deadline": "good", "cpu-used": "4"}),
}


def encode_video(pictures: Iterable[np.ndarray], fps: float, container: Container = "mp4") -> bytes:
    """Encode (y, x, 3) uint8 sRGB pictures of one size, yuv420p, BT.709; odd sizes get one row or column more.

    Raises:
        RequestError: without a picture, for pictures of different sizes, or when this build lacks the encoder.
    """
    import av
    from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

    codec, options = CODECS[container]
    out = io.BytesIO()
    stream: Any = None
    with av.open(out, "w", format=container) as file:
        for index, pixels in enumerate(pictures):
            height, width = pixels.shape[:2]
            if stream is None:
                try:
                    stream = file.add_stream(codec, rate=frame_rate(fps))
                except ValueError as error:
                    raise RequestError(
                        "this build has no such video encoder", encoder=codec, fix="Ask for the other container."
                    ) from error
                stream.width, stream.height, stream.pix_fmt = width + width % 2, height + height % 2, "yuv420p"
                stream.options = options
                context = stream.codec_context
                context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.IEC61966_2_1
                context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG
            padded = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
            if padded.shape[:2] != (stream.height, stream.width):
                raise RequestError(
                    "pictures of a video differ in size", picture=index, size=(width, height), fix="Use one size."
                )
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(padded), format="rgb24")
            # Said to the converter and in the file, or players guess the matrix and colours shift.
            frame = frame.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG)
            file.mux(stream.encode(frame))
        if stream is None:
            raise RequestError("a video needs at least one picture", fix="Check the frame range.")
        file.mux(stream.encode())
    return out.getvalue()


def frame_rate(fps: float) -> Fraction:
    """The exact rate behind a decimal one: 23.976, 29.97 and 59.94 are 24, 30 and 60 times 1000/1001.

    >>> frame_rate(23.976), frame_rate(12.5)
    (Fraction(24000, 1001), Fraction(25, 2))
    """
    slowed = Fraction(round(fps * 1.001) * 1000, 1001)
    return slowed if abs(slowed - fps) < 1e-3 else Fraction(fps).limit_denominator(1001)
