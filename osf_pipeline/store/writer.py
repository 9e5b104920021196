"""Writing one shard and proving it: the stored bytes are read back, hashed and committed.

Belongs here: what runs inside a worker. Does not: creating or publishing a store (`build`).
"""

from __future__ import annotations

import hashlib
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

import fsspec
import numpy as np

from osf_pipeline.layout import join
from osf_pipeline.store.files import write_json
from osf_pipeline.store.schema import DATA, arrays

COMMITS = "commits"
WRITE_THREADS = 2
"""Arrays of a shard written at once, unless the caller brings a pool; each shard object still has one writer."""


def shard_key(array: str, index: int) -> str:
    """Key of one shard object inside the store; a shard spans whole frames, so only the frame axis counts."""
    return f"{array}/c/{index}/0/0/0"


def checksum(store_url: str, array: str, index: int) -> str:
    """sha256 of a stored shard object. Raises FileNotFoundError when it is not there."""
    fs, path = fsspec.core.url_to_fs(join(store_url, shard_key(array, index)))
    return hashlib.sha256(fs.cat_file(path)).hexdigest()


class ShardWriter:
    """Writes whole shards of one attempt.

    Args:
        attempt: URL of the attempt that `build` prepared.
        pool: writes the arrays of a shard; `write` must not be called from within it.
    """

    def __init__(self, attempt: str, pool: Executor | None = None) -> None:
        self.attempt = attempt
        self.pool = pool or ThreadPoolExecutor(WRITE_THREADS)
        self.url = join(attempt, DATA)
        self.arrays = arrays(self.url, "r+")

    def write(
        self, shard: dict[str, Any], data: dict[str, np.ndarray], record: dict[str, Any], keys: list[str] | None = None
    ) -> dict[str, Any]:
        """Write one shard of every array, then its commit record; returns the record.

        Args:
            shard: its descriptor, with `index`, `start`, `frames` and `keys`.
            data: array name to (frames, channel, y, x), exactly the store's arrays.
            record: what the stage wants to remember of this shard (small, JSON-able).
            keys: of the frames, where the worker knows them better than the descriptor.
        """
        index, start, count = int(shard["index"]), int(shard["start"]), len(shard["frames"])
        assert data.keys() == self.arrays.keys(), (sorted(data), sorted(self.arrays))

        def store(item: tuple[str, np.ndarray]) -> tuple[str, str]:
            name, values = item
            array = self.arrays[name]
            assert array.shards is not None
            assert start == index * array.shards[0], "only whole shards are written"
            assert values.shape == (count, *array.shape[1:]), (name, values.shape, array.shape)
            assert values.dtype == array.dtype, (name, values.dtype, array.dtype)
            array[start : start + count] = values
            return name, checksum(self.url, name, index)

        sums = dict(self.pool.map(store, data.items()))
        # The whole descriptor: a shard can be made again from its commit and the attempt's marker alone.
        commit = {**shard, "keys": shard["keys"] if keys is None else keys, "sha256": sums, "record": record}
        write_json(join(self.attempt, COMMITS, f"{index}.json"), commit)
        return commit
