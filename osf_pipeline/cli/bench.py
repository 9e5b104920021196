"""`osf bench`: methods side by side on sequences of known truth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from osf_pipeline.cli.console import Home, Root, Threads, progress_lines, project, reporting

app = typer.Typer(help="Compare methods on sequences whose truth is known.", no_args_is_help=True)


@app.callback()
def _bench() -> None:
    """Compare methods on sequences whose truth is known."""


@app.command()
def occlusion(
    quick: Annotated[
        bool, typer.Option("--quick", help="Minutes instead of hours: one seed, 256x256, few steps; no claims.")
    ] = False,
    sequences: Annotated[
        list[Path] | None, typer.Option(help="Folder of sequences with `ref/` frames, measured beside; repeat it.")
    ] = None,
    methods: Annotated[str | None, typer.Option(help="Names, separated by commas [default: all].")] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Seeds of learning [default: 3].")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Optimiser steps of each network.")] = None,
    count: Annotated[int | None, typer.Option(min=0, help="Generated sequences; 0 leaves them out.")] = None,
    characters: Annotated[int | None, typer.Option(min=1, help="That play in them.")] = None,
    frames: Annotated[int | None, typer.Option(min=2, help="Of each generated sequence.")] = None,
    size: Annotated[int | None, typer.Option(min=64, help="Width and height of generated frames.")] = None,
    set_seed: Annotated[int | None, typer.Option(min=0, help="Of the generated set.")] = None,
    drawing: Annotated[
        list[Path] | None, typer.Option(help="Folder of a real drawing; it plays if it belongs to the test split.")
    ] = None,
    equal_time: Annotated[
        bool, typer.Option("--equal-time", help="Compare at equal wall time of learning as well.")
    ] = False,
    threads: Threads = 2,
    root: Root = None,
    home: Home = None,
) -> None:
    """Every method learns every style, draws every sequence and is measured region by region; a second run is free."""
    with reporting():
        from osf_pipeline.bench.request import BenchRequest
        from osf_pipeline.bench.stage import bench

        wanted = {
            "sequences": count, "characters": characters, "frames": frames, "width": size, "height": size,
            "seed": set_seed, "drawings": tuple(str(path.resolve()) for path in drawing or ()) or None,
        }  # fmt: skip
        given: dict[str, Any] = {
            "methods": tuple(methods.split(",")) if methods else None,
            "seeds": seeds,
            "steps": steps,
            "folders": tuple(str(path.resolve()) for path in sequences or ()) or None,
            "equal_time": equal_time,
            "threads": threads,
        }
        request = BenchRequest.made(
            quick=quick,
            given={key: value for key, value in given.items() if value is not None},
            generated={key: value for key, value in wanted.items() if value is not None},
        )
        result = bench(project(root, home), request, progress=progress_lines())
        typer.echo(result.markdown)
        done = "reused" if result.reused else f"{result.seconds:.1f} s"
        typer.echo(f"benchmark  {result.id}  [{done}]  {result.url}")
        typer.echo(json.dumps(result.figures))
