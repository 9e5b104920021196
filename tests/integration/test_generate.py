"""Generated sets with real characters: the same on Ray, fit for the pipeline, continued by the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from osf_pipeline.cli.main import app
from osf_pipeline.execution import Execution
from osf_pipeline.generate.plan import GenerateRequest
from osf_pipeline.generate.stage import generate
from osf_pipeline.layout import Layout

pytestmark = pytest.mark.integration

REQUEST = GenerateRequest(
    seed=1, sequences=3, characters=2, frames=2, width=96, height=96, motions=("cross_arms", "wave")
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loop")
    generate(Layout.of(str(folder)), REQUEST)
    return folder


def files(root: Path) -> dict[str, bytes]:
    found = (path for kind in ("renders", "truth", "styles", "generated") for path in (root / kind).rglob("*"))
    return {str(path.relative_to(root)): path.read_bytes() for path in found if path.is_file() and path.name[0] != "."}


def test_ray_equals_the_plain_loop(root: Path, tmp_path: Path) -> None:
    generate(Layout.of(str(tmp_path)), REQUEST, Execution("ray", workers=2))
    found = files(tmp_path)
    assert len(found) == 3 * (2 + 1) + 3 * (2 + 2) + 2 * 3 + 2
    assert found == files(root)


def test_shots_pass_validation_and_become_guides(root: Path) -> None:
    before = files(root)
    for verb in (["ingest"], ["guide"]):
        for shot in Layout.of(str(root)).shots():
            done = CliRunner().invoke(app, [*verb, shot, "--root", str(root)])
            assert done.exit_code == 0, done.output
            assert "warning" not in done.output
    assert files(root) == before


def test_the_command_makes_the_set_once(root: Path) -> None:
    options = ["--seed", "1", "--sequences", "3", "--characters", "2", "--frames", "2", "--width", "96"]
    options += ["--height", "96", "--motion", "cross_arms", "--motion", "wave", "--root", str(root)]
    before = files(root)
    done = CliRunner().invoke(app, ["generate", *options])
    assert done.exit_code == 0, done.output
    assert "3 reused" in done.output
    assert files(root) == before
