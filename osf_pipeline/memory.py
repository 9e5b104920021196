"""How a worker process treats memory it has freed.

Belongs here: settings of the C library's allocator. Does not: how much memory a stage uses.
"""

from __future__ import annotations

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # malloc.h of glibc
MAPPED_FROM = 1 << 30
KEPT = 1 << 30


def keep_freed_memory() -> None:
    """Let freed arrays be used again instead of going back to the kernel, up to `KEPT` bytes of them.

    A shard's arrays are as large as the next shard's. By default glibc maps and unmaps each, and the kernel clears all
    their pages again: a third of ingest's system time. Elsewhere than on glibc nothing happens.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, MAPPED_FROM)
        mallopt(M_TRIM_THRESHOLD, KEPT)
        mallopt(M_ARENA_MAX, 1)  # what one thread frees, another uses again
