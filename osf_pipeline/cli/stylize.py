"""`osf stylize`: G-buffers and guidance to stylized layers."""

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
    alias: Annotated[str, typer.Option(help="Registry alias or version number of the models.")] = "champion",
    preset: Preset = None,
    report: Report = None,
) -> None:
    """Stylize a shot with the registered model of each of its styles."""
    with reporting(report) as results:
        from osf_pipeline.stylize.stage import stylize_shot

        execution = Execution(backend, address, workers, threads, gpus)
        result = stylize_shot(project(root, home), shot, execution, progress_lines(), alias, preset=preset)
        results.append(describe(result))
        show(result)
