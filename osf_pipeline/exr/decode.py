"""Calling the library's decoder, in a process of its own for codecs that damaged data can crash.

Belongs here: a proven stream to arrays. Does not: proofs (`exr.chunks`) or names and windows (`exr.read`).

OpenJPH, behind the JPEG 2000 codecs of OpenEXR 3.5, writes outside its buffers on some damaged code blocks, which no
check beforehand can tell. So these codecs decode in a child, which costs some tenths of a second a file.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from typing import BinaryIO

import numpy as np
import OpenEXR

from osf_pipeline.errors import InputDataError
from osf_pipeline.exr.chunks import SinglePart

CHILD = (sys.executable, "-P", "-m", "osf_pipeline.exr.decode")
CHILD_TIMEOUT_S = 600


def decode(plain: SinglePart, url: str, *, apart: bool) -> dict[str, np.ndarray]:
    """Stored channels of a file of one part, name to (y, x) array; subsampled channels in their own size.

    Args:
        apart: decode in a child process.

    Raises:
        InputDataError: rule `pixels`.
        MemoryError: when the arrays cannot be allocated.
    """
    try:
        return _in_child(plain) if apart else _pixels(plain)
    except RuntimeError as error:
        raise InputDataError(
            "the pixels cannot be decoded", file=url, rule="pixels", problem=str(error)[:200],
            fix="Render or copy the frame again.",
        ) from error  # fmt: skip


def _pixels(stream: SinglePart | BinaryIO) -> dict[str, np.ndarray]:
    """The library's decoder releases the GIL."""
    with OpenEXR.File(stream, separate_channels=True) as file:
        if not file.parts:  # all that a damaged payload leaves: it raises nothing, but prints a line
            raise RuntimeError("damaged payload")
        return {name: channel.pixels for name, channel in file.parts[0].channels.items()}


def _in_child(plain: SinglePart) -> dict[str, np.ndarray]:
    try:
        done = subprocess.run(CHILD, input=plain.whole(), capture_output=True, check=False, timeout=CHILD_TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"the decoder took longer than {CHILD_TIMEOUT_S} s") from error
    if done.returncode:
        raise RuntimeError(f"the decoder ended with code {done.returncode}")
    stream = io.BytesIO(done.stdout)
    return {name: np.load(stream, allow_pickle=False) for name in json.loads(stream.readline())}


def main() -> None:
    """The child: a file of one part on standard input; names as a JSON line, then arrays, on standard output."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # the libraries print to standard output
    channels = _pixels(io.BytesIO(sys.stdin.buffer.read()))
    out.write(json.dumps(list(channels)).encode() + b"\n")
    for pixels in channels.values():
        buffer = io.BytesIO()
        np.save(buffer, pixels)
        out.write(buffer.getbuffer())
    out.close()


if __name__ == "__main__":
    main()
