"""Writing one shard and proving it: the stored bytes are read back, compared, hashed and committed.

Belongs here: what runs inside a worker. Does not: creating or publishing a store (`build`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

import numpy as np

from osf_pipeline.errors import InterruptedRunError
from osf_pipeline.layout import join
from osf_pipeline.store.encode import Box, encode_shard
from osf_pipeline.store.files import put, take, write_json
from osf_pipeline.store.schema import DATA, arrays, shard_key

COMMITS = "commits"
WRITE_THREADS = 2
"""Arrays of a shard written at once, unless the caller brings a pool; each shard object still has one writer."""


def checksum(store_url: str, array: str, index: int) -> str:
    """sha256 of a stored shard object. Raises FileNotFoundError when it is not there."""
    return hashlib.sha256(take(join(store_url, shard_key(array, index)))).hexdigest()


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
        self,
        shard: dict[str, Any],
        data: dict[str, np.ndarray],
        record: dict[str, Any],
        *,
        keys: list[str] | None = None,
        boxes: Sequence[Box | None] | None = None,
    ) -> dict[str, Any]:
        """Write one shard of every array, then its commit record; returns the record.

        Args:
            shard: its descriptor, with `index`, `start`, `frames` and `keys`.
            data: array name to (frames, channel, y, x), exactly the store's arrays.
            record: what the stage wants to remember of this shard (small, JSON-able).
            keys: of the frames, where the worker knows them better than the descriptor.
            boxes: of each frame, what may hold anything but background; see `encode_shard`.

        Raises:
            InterruptedRunError: when the storage does not give back what was written.
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
            stored = encode_shard(array, values, boxes)
            url = join(self.url, shard_key(name, index))
            put(url, stored)
            if take(url) != stored:
                raise InterruptedRunError(
                    "the storage does not give back what was written", file=url, fix="Check the disk, then run again."
                )
            return name, hashlib.sha256(stored).hexdigest()

        sums = dict(self.pool.map(store, data.items()))
        # The whole descriptor: a shard can be made again from its commit and the attempt's marker alone.
        commit = {**shard, "keys": shard["keys"] if keys is None else keys, "sha256": sums, "record": record}
        write_json(join(self.attempt, COMMITS, f"{index}.json"), commit)
        return commit
