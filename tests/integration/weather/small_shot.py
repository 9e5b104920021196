"""What the tests of this folder share: the small shot's name, its stages, what it must come to."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import fsspec
import pytest

from osf_pipeline.guidance.stage import guide_shot
from osf_pipeline.ingest.stage import ingest_shot
from osf_pipeline.layout import Layout
from osf_pipeline.store.version import current

SHOT = "figure"
SHARD_FRAMES = 3
KINDS = ("gbuffer", "guidance")


def run_all(layout: Layout) -> None:
    ingest_shot(layout, SHOT)
    guide_shot(layout, SHOT)


def shards(layout: Layout) -> dict[str, dict[str, dict[str, str]]]:
    """Checksums of every shard of the current versions."""
    found = {kind: current(layout.store(SHOT, kind)) for kind in KINDS}
    return {kind: version.record["shards"] for kind, version in found.items() if version is not None}


@dataclass(frozen=True)
class Calm:
    """What an undisturbed run on a local disk gave."""

    layout: Layout
    shards: dict[str, dict[str, dict[str, str]]]


def new_clients(patch: pytest.MonkeyPatch, **environment: str) -> None:
    """From here on file systems are made anew, in this environment; fsspec keeps those of equal settings."""
    for name, value in environment.items():
        patch.setenv(name, value)
    patch.setitem(fsspec.config.conf, "s3", {"config_kwargs": {"user_agent_extra": uuid.uuid4().hex}})
