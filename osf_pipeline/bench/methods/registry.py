"""Every baseline by its name. Belongs here: the list. Does not: the methods, and ours (`osf_pipeline.bench.ours`)."""

from __future__ import annotations

from osf_pipeline.bench.method import Method
from osf_pipeline.bench.methods.painted import SingleRun, TwoStage
from osf_pipeline.bench.methods.untrained import CarriedTexture, ConstantOverlay, RawRender


def methods() -> dict[str, Method]:
    """The baselines in the order of the tables, by name."""
    found: list[Method] = [
        RawRender(),
        CarriedTexture(),
        ConstantOverlay(),
        TwoStage(),
        SingleRun("single run", "one network on the render with detected edges painted on"),
        SingleRun("single run, edges carried", "its edges moved by estimated flow: a reading of the OSF abstract"),
        SingleRun("single run, edges found", "its edges from estimated motion: another reading of the OSF abstract"),
    ]
    return {method.name: method for method in found}
