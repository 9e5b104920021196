"""A project folder, an instance in memory, and stand-ins for the stages, so that these tests are about the wiring."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import dagster as dg
import pytest
from stand_ins import Stages

from assets.resources import OsfProject


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OsfProject:
    """A root with one shot, `walk`, drawn in the style `ink`."""
    for variable in ("OSF_ROOT", "OSF_HOME", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(variable, raising=False)
    for folder in ("renders/walk", "styles/ink"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "renders/walk/walk.0001.exr").write_bytes(b"frame")
    (tmp_path / "renders/walk/shot.yaml").write_text('styles: {"*": ink}\n')
    (tmp_path / "styles/ink/style.yaml").write_text("exemplars: [{keyframe: k.exr, drawing: d.png}]\n")
    return OsfProject(root=str(tmp_path))


@pytest.fixture
def stages(monkeypatch: pytest.MonkeyPatch) -> Stages:
    found = Stages()
    rooms = {
        "bake": ("bake_shot",),
        "bench": ("bench",),
        "character": ("build_from_drawing",),
        "render": ("render_scenes",),
        "ingest": ("validate_shot", "ingest_shot"),
        "guidance": ("guide_shot",),
        "training": ("train_style",),
        "stylize": ("stylize_shot",),
        "delivery": ("deliver_shot",),
        "evaluation": ("evaluate_shot", "review_shot"),
    }
    for room, functions in rooms.items():
        module = ModuleType(f"osf_pipeline.{room}.stage")
        for name in functions:
            setattr(module, name, getattr(found, name))
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return found
