"""Every baseline by its name. Belongs here: the list. Does not: the methods, and ours (`osf_pipeline.bench.ours`)."""

from __future__ import annotations

from osf_pipeline.bench.method import Method
from osf_pipeline.bench.methods.untrained import CarriedTexture, ConstantOverlay, RawRender


def methods() -> dict[str, Method]:
    """The baselines in the order of the tables, by name."""
    found: list[Method] = [RawRender(), CarriedTexture(), ConstantOverlay()]
    return {method.name: method for method in found}
