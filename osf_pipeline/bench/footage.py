"""A shot's stores as methods see them.

Belongs here: reading frames, flow that is estimated once and kept. Does not: the contract (`method`), truth.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from osf_pipeline.bench import code
from osf_pipeline.bench.sequences import BenchSequence
from osf_pipeline.colorspaces.spaces import in_rec709
from osf_pipeline.guidance.flow import total_variation_flow
from osf_pipeline.layout import exists, join
from osf_pipeline.store.files import take, write_bytes

KEPT = 4
"""Methods look at a frame and the one before."""


class StoredFootage:
    """`method.Footage` of a sequence; see there.

    Args:
        flows: folder where estimated flow is kept, or None to estimate it anew each time.
        kept: frames held in memory.
    """

    def __init__(self, sequence: BenchSequence, flows: str | None = None, kept: int = KEPT) -> None:
        self.gbuffer, self.guidance = sequence.gbuffer, sequence.guidance
        self.frames = sequence.gbuffer.frames
        self.size = sequence.gbuffer.shape
        key = code.digest(code.FLOW)
        self.flows = join(flows, sequence.gbuffer.id, key) if flows else None
        self._read = lru_cache(kept)(self._frame)

    def __getitem__(self, position: int) -> Mapping[str, np.ndarray]:
        return self._read(position)

    def flow(self, position: int) -> tuple[np.ndarray, np.ndarray]:
        if position == 0:
            raise IndexError("the first frame has none before it")
        url = join(self.flows, f"{self.frames[position]}.npz") if self.flows else None
        if url is not None and exists(url):
            with np.load(io.BytesIO(take(url))) as stored:
                return stored["back"], stored["forth"]
        before, now = (self[p]["color"] for p in (position - 1, position))
        back, forth = total_variation_flow(before, now), -total_variation_flow(now, before)
        if url is not None:
            out = io.BytesIO()
            np.savez_compressed(out, back=back, forth=forth)
            write_bytes(url, out.getvalue())
        return back, forth

    def _frame(self, position: int) -> dict[str, np.ndarray]:
        stored = [version.read(position, position + 1) for version in (self.gbuffer, self.guidance)]
        found = {name: values[0] for arrays in stored for name, values in arrays.items()}
        return found | {"color": in_rec709(found["color"], self.gbuffer.attributes)}
