"""`osf bench occlusion` and `osf ablate`: every shared option reaches its key of the request, in both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from osf_pipeline.bench.request import BenchRequest
from osf_pipeline.bench.stage import BenchResult
from osf_pipeline.cli.main import app

SAID = {
    "seeds": 4, "steps": 5, "count": 6, "characters": 7, "frames": 8, "size": 96, "set-seed": 9, "threads": 3,
}  # fmt: skip
"""A number of its own for every option."""


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (["bench", "occlusion"], "osf_pipeline.bench.stage.bench"),
        (["ablate", "--drop", "network"], "osf_pipeline.bench.ablation.ablate"),
    ],
)
def test_every_shared_option_reaches_its_key(
    words: list[str], place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def stand_in(layout: Any, request: Any, progress: Any) -> BenchResult:
        asked.append(request)
        return BenchResult("id", "url", "# Report", {}, b"", False, 0.0)

    monkeypatch.setattr(place, stand_in)
    options = [part for name, value in SAID.items() for part in (f"--{name}", str(value))]
    folders = ["--sequences", str(tmp_path / "mine"), "--drawing", str(tmp_path / "fox")]
    done = CliRunner().invoke(app, [*words, "--quick", *options, *folders, "--root", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[-1] == "{}"
    request: BenchRequest = asked[0] if isinstance(asked[0], BenchRequest) else asked[0].bench
    made = request.generated
    assert made is not None
    assert not request.claims  # of --quick
    assert (request.seeds, request.steps, request.threads, request.folders) == (4, 5, 3, (str(tmp_path / "mine"),))
    assert (made.sequences, made.characters, made.frames, made.seed) == (6, 7, 8, 9)
    assert (made.width, made.height, made.drawings) == (96, 96, (str(tmp_path / "fox"),))
