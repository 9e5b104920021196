"""`osf ingest`: EXR sequence to a validated G-buffer store."""

from __future__ import annotations

from typing import Annotated

import typer

from osf_pipeline.cli.console import (
    Address,
    Backend,
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
    root: Root = None,
    home: Home = None,
    rehash: Annotated[
        bool, typer.Option("--rehash", help="Trust no file's size and time: read all to compare.")
    ] = False,
    backend: Backend = "local",
    address: Address = None,
    workers: Workers = None,
    threads: Threads = 2,
    report: Report = None,
) -> None:
    """Read a shot's EXR renders into a validated, versioned G-buffer store; only what changed is read again."""
    with reporting(report) as results:
        from osf_pipeline.ingest.stage import ingest_shot

        execution = Execution(backend, address, workers, threads)
        result = ingest_shot(project(root, home), shot, execution, progress_lines(), rehash)
        results.append(describe(result))
        show(result)
