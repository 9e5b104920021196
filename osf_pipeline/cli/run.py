"""`osf run`: the main job of one shot, end to end."""

from __future__ import annotations

from typing import Annotated

import typer

from osf_pipeline.cli.console import (
    Address,
    Backend,
    Gpus,
    Home,
    Preset,
    Report,
    Root,
    Shot,
    Threads,
    Workers,
    describe,
    progress_lines,
    project,
    reporting,
    show,
)
from osf_pipeline.execution import Execution


def command(
    shot: Shot,
    root: Root = None,
    home: Home = None,
    backend: Backend = "local",
    address: Address = None,
    workers: Workers = None,
    threads: Threads = 2,
    gpus: Gpus = 0.0,
    steps: Annotated[int | None, typer.Option(help="Training steps, instead of the recipe's.", min=1)] = None,
    preset: Preset = None,
    report: Report = None,
) -> None:
    """Ingest, guide, train what is not trained yet, stylize, deliver, evaluate, review."""
    with reporting(report) as results:
        from osf_pipeline.run import run_shot

        execution = Execution(backend, address, workers, threads, gpus)
        overrides = {} if steps is None else {"steps": steps}
        for result in run_shot(project(root, home), shot, execution, progress_lines(), overrides, preset):
            results.append(describe(result))
            show(result)
