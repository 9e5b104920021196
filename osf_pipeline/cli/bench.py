"""`osf bench`: methods side by side on sequences of known truth.

Belongs here too: the options that `osf ablate` shares.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from osf_pipeline.cli.console import Home, Root, Threads, progress_lines, project, reporting

if TYPE_CHECKING:
    from osf_pipeline.bench.request import BenchRequest
    from osf_pipeline.bench.stage import BenchResult

Quick = Annotated[bool, typer.Option("--quick", help="Minutes, not hours: one seed, 256x256, few steps; no claims.")]
Folders = Annotated[
    list[Path] | None, typer.Option(help="Folder of sequences with `ref/` frames, measured beside; repeat it.")
]
Seeds = Annotated[int | None, typer.Option(min=1, help="Seeds that every style is learnt with; 3 by default.")]
Steps = Annotated[int | None, typer.Option(min=1, help="Optimiser steps of each network; 400 by default.")]
Count = Annotated[int | None, typer.Option(min=0, help="Generated sequences; 0 leaves them out; 24 by default.")]
Characters = Annotated[int | None, typer.Option(min=1, help="That play in them; 12 by default.")]
Frames = Annotated[int | None, typer.Option(min=2, help="Of each generated sequence; 24 by default.")]
Size = Annotated[int | None, typer.Option(min=64, help="Width and height of generated frames; 384 by default.")]
SetSeed = Annotated[int | None, typer.Option(min=0, help="Of the generated set; 0 by default.")]
Drawings = Annotated[
    list[Path] | None, typer.Option(help="Folder of a real drawing; it plays if it belongs to the test split.")
]

app = typer.Typer(help="Compare methods on sequences whose truth is known.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Compare methods on sequences whose truth is known."""


@app.command()
def occlusion(
    quick: Quick = False,
    sequences: Folders = None,
    methods: Annotated[
        str | None,
        typer.Option(help="Names, separated by commas, their own left out: single-run-edges-carried; all by default."),
    ] = None,
    seeds: Seeds = None,
    steps: Steps = None,
    count: Count = None,
    characters: Characters = None,
    frames: Frames = None,
    size: Size = None,
    set_seed: SetSeed = None,
    drawing: Drawings = None,
    equal_time: Annotated[
        bool, typer.Option("--equal-time", help="Compare at equal wall time of learning as well.")
    ] = False,
    plateau: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="SEQUENCES",
            help="Compare at 256x256, on so many sequences, with two-stage after as many steps as help it, too.",
        ),
    ] = 0,
    publish: Annotated[
        Path | None, typer.Option(help="Folder of documents to write the tables and pictures to, too.")
    ] = None,
    threads: Threads = 2,
    root: Root = None,
    home: Home = None,
) -> None:
    """Every method learns every style, draws every sequence and is measured region by region; a second run is free."""
    with reporting():
        from osf_pipeline.bench.stage import bench, publish_report

        given: dict[str, Any] = {"equal_time": equal_time, "plateau": plateau}
        if methods:
            given["methods"] = tuple(name for name in methods.split(",") if name.strip())
        request = request_of(
            quick, sequences, seeds, steps, count, characters, frames, size, set_seed, drawing, threads, **given
        )
        result = bench(project(root, home), request, progress=progress_lines())
        if publish is not None:
            publish_report(result, str(publish.resolve()))
        echo(result)


def request_of(
    quick: bool,
    sequences: list[Path] | None,
    seeds: int | None,
    steps: int | None,
    count: int | None,
    characters: int | None,
    frames: int | None,
    size: int | None,
    set_seed: int | None,
    drawing: list[Path] | None,
    threads: int,
    **given: Any,
) -> BenchRequest:
    """The request of the shared options; those not given are the run's own."""
    from osf_pipeline.bench.request import BenchRequest

    said = {"seeds": seeds, "steps": steps, "threads": threads, "folders": _urls(sequences), **given}
    of_set = {
        "sequences": count, "characters": characters, "frames": frames, "width": size, "height": size,
        "seed": set_seed, "drawings": _urls(drawing),
    }  # fmt: skip
    return BenchRequest.made(
        quick=quick,
        given={key: value for key, value in said.items() if value is not None},
        generated={key: value for key, value in of_set.items() if value is not None},
    )


def echo(result: BenchResult) -> None:
    """The report, where it lies, and the figures as one JSON object: the last line."""
    done = "reused" if result.reused else f"{result.seconds:.1f} s"
    typer.echo(result.markdown)
    typer.echo(f"benchmark  {result.id}  [{done}]  {result.url}")
    typer.echo(json.dumps(result.figures))


def _urls(folders: list[Path] | None) -> tuple[str, ...] | None:
    return tuple(str(folder.resolve()) for folder in folders) if folders else None
