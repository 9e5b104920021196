"""`osf crossover`: one shot in many styles, on one sheet."""

from __future__ import annotations

from typing import Annotated

import typer

from osf_pipeline.cli.console import (
    Address,
    Backend,
    Gpus,
    Home,
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
    style: Annotated[list[str], typer.Option(help="Style of a row; once for each.")],
    root: Root = None,
    home: Home = None,
    preset: Annotated[list[str] | None, typer.Option(help="Look of a row; once for each.")] = None,
    columns: Annotated[int, typer.Option(help="Frames on the sheet, spread over the shot.", min=1)] = 4,
    backend: Backend = "local",
    address: Address = None,
    workers: Workers = None,
    threads: Threads = 2,
    gpus: Gpus = 0.0,
    alias: Annotated[str, typer.Option(help="Registry alias or version number of the models.")] = "champion",
    report: Report = None,
) -> None:
    """Stylize one shot in many styles, beside its current version, and lay them out on one sheet."""
    with reporting(report) as results:
        from osf_pipeline.stylize.crossover import cross_over

        execution = Execution(backend, address, workers, threads, gpus)
        result = cross_over(
            project(root, home), shot, style, preset or (), columns, execution, progress_lines(), alias
        )  # fmt: skip
        results.append(describe(result))
        for row in result.metadata["versions"]:
            typer.echo(f"{row['row']:<24} {row['version']}  {row['url']}")
        show(result)
        typer.echo(result.metadata["sheet"])
