"""A small sample root, made once and copied for each test that needs one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from osf_pipeline.layout import Layout
from osf_pipeline.sample.make import SampleRequest, make_sample

STEPS = 40


@pytest.fixture(scope="session")
def sample_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Renders, style and truth of a ten-frame figure at 160x160. Read only."""
    root = tmp_path_factory.mktemp("sample")
    make_sample(Layout.of(str(root)), SampleRequest(frames="1001-1010", width=160, height=160))
    # A network small enough for tests; the path through it is the real one.
    style = root / "styles" / "figure" / "style.yaml"
    style.write_text(
        style.read_text() + f"recipe: {{steps: {STEPS}, width: 8, blocks: 2, pool: 8, snapshot: {STEPS}}}\n"
    )
    return root


@pytest.fixture
def root(sample_root: Path, tmp_path: Path) -> Path:
    """A root of one's own."""
    return Path(shutil.copytree(sample_root, tmp_path / "root"))
