"""What makes a version: a hash of input contents, recipe, weights and the stage's version.

Does not belong here: clocks, hosts, git revisions, durations. They are provenance and never change an id.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any


def canonical_json(value: Any) -> bytes:
    """Sorted, compact UTF-8 JSON; NaN and infinities are refused (ValueError)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def identity(stage: str, stage_version: int, inputs: Any, recipe: Any, weights: list[str] | None = None) -> str:
    """16 hex digits of sha256 over the canonical JSON of everything that decides the result.

    Args:
        stage: `gbuffer`, `guidance`, ...
        stage_version: raised by hand whenever the stage's results change for equal inputs.
        inputs: content hashes or upstream version ids.
        recipe: every parameter of the stage.
        weights: sha256 of each model file used.
    """
    key = {"stage": stage, "version": stage_version, "inputs": inputs, "recipe": recipe, "weights": weights or []}
    return hashlib.sha256(canonical_json(key)).hexdigest()[:16]


def frame_key(*parts: Any) -> str:
    """16 hex digits of sha256 over all that decides the bytes of one stored frame: the basis of reusing shards."""
    return hashlib.sha256(canonical_json(parts)).hexdigest()[:16]
