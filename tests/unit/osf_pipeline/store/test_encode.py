"""Shards encoded here are what stock Zarr reads and would hold."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from osf_pipeline.store import schema
from osf_pipeline.store.encode import Box, encode_shard
from osf_pipeline.store.files import put
from osf_pipeline.store.schema import ArraySpec, StoreSpec, arrays, create

PIPELINES = ("zarrs.ZarrsCodecPipeline", "zarr.core.codec_pipeline.BatchedCodecPipeline")


def write(folder: Path, values: np.ndarray, frames: int, boxes: list[Box | None] | None = None) -> bytes:
    count, channels, height, width = values.shape
    spec = StoreSpec(
        "test", {"a": ArraySpec(("c",) * channels, str(values.dtype))}, tuple(range(count)), height, width, frames
    )
    create(str(folder), spec)
    encoded = encode_shard(arrays(str(folder), "r+")["a"], values, boxes)
    put(f"{folder}/a/c/0/0/0/0", encoded)
    return encoded


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(["float16", "float32", "uint8", "uint16"]), st.integers(1, 3), st.integers(1, 3),
    st.integers(1, 40), st.integers(1, 50), st.integers(0, 2**16),
)  # fmt: skip
def test_what_is_encoded_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, dtype: str, frames: int, channels: int, height: int, width: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    values = (rng.integers(0, 9, (frames, channels, height, width)) / 2).astype(dtype)
    folder = tmp_path_factory.mktemp("s")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema, "TILE", (16, 16))
        write(folder, values, 4)
    for pipeline in PIPELINES:
        with zarr.config.set({"codec_pipeline.path": pipeline}):
            found = np.asarray(zarr.open_array(f"{folder}/a", mode="r")[:])
        np.testing.assert_array_equal(found, values)
        assert found.dtype == values.dtype


def test_the_decoded_chunks_are_those_that_zarr_itself_writes(tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(size=(2, 3, 300, 500)).astype(np.float32)
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    write(ours, values, 2)
    write(theirs, values, 2)
    for pipeline in PIPELINES:
        with zarr.config.set({"codec_pipeline.path": pipeline}):
            zarr.open_array(str(theirs / "a"), mode="r+")[:] = values
            np.testing.assert_array_equal(
                zarr.open_array(str(ours / "a"), mode="r")[:], zarr.open_array(str(theirs / "a"), mode="r")[:]
            )
    assert len((ours / "a/c/0/0/0/0").read_bytes()) == len((theirs / "a/c/0/0/0/0").read_bytes())


def test_boxes_change_no_byte(tmp_path: Path) -> None:
    values = np.zeros((3, 2, 700, 1000), np.float32)
    values[:, 1] = 7  # background may differ by channel
    rng = np.random.default_rng(0)
    boxes: list[Box | None] = [(130, 100, 420, 333), None, (999, 699, 1000, 700)]
    for planes, box in zip(values, boxes, strict=True):
        if box:
            x0, y0, x1, y1 = box
            planes[:, y0:y1, x0:x1] = rng.random((2, y1 - y0, x1 - x0))
    plain, boxed = write(tmp_path / "a", values, 4), write(tmp_path / "b", values, 4, boxes)
    assert hashlib.sha256(plain).digest() == hashlib.sha256(boxed).digest()


def test_frames_that_are_not_there_read_as_the_fill_value(tmp_path: Path) -> None:
    values = np.ones((1, 1, 20, 30), np.float16)
    write(tmp_path, np.concatenate([values] * 3), 4)
    put(f"{tmp_path}/a/c/0/0/0/0", encode_shard(arrays(str(tmp_path))["a"], values))
    found = np.asarray(zarr.open_array(f"{tmp_path}/a", mode="r")[:])
    assert (found[0] == 1).all()
    assert np.isnan(found[1:]).all()
