"""`osf generate`: characters, motions, cameras, lights and props by chance, with the styled truth of every frame."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from osf_pipeline.cli.console import Address, Backend, Home, Root, Threads, Workers, progress_lines, project, reporting
from osf_pipeline.execution import Execution


def command(
    seed: Annotated[int, typer.Option(min=0, help="Of every choice.")] = 0,
    split: Annotated[Literal["train", "val", "test"], typer.Option(help="Splits share no character.")] = "train",
    sequences: Annotated[int, typer.Option(min=1, help="How many shots.")] = 8,
    characters: Annotated[int, typer.Option(min=0, help="How many are drawn by code.")] = 4,
    drawing: Annotated[
        list[Path] | None, typer.Option(help="Folder of a real drawing; it plays if it belongs to the split.")
    ] = None,
    motion: Annotated[
        list[str] | None, typer.Option(help="Built-in motion or file under ROOT/motions [default: all built-in].")
    ] = None,
    frames: Annotated[int, typer.Option(min=1, help="Of each sequence.")] = 24,
    width: Annotated[int, typer.Option(min=16)] = 384,
    height: Annotated[int, typer.Option(min=16)] = 384,
    keyframes: Annotated[int, typer.Option(min=1, max=4, help="Drawn of each character: front, back, sides.")] = 1,
    root: Root = None,
    home: Home = None,
    backend: Backend = "local",
    address: Address = None,
    workers: Workers = None,
    threads: Threads = 2,
) -> None:
    """Make a set of shots with exact buffers and the styled truth of every frame; the same call again does no work."""
    with reporting():
        from osf_pipeline.generate.plan import MOTIONS, GenerateRequest
        from osf_pipeline.generate.stage import SHEET, generate

        request = GenerateRequest(
            seed=seed, split=split, sequences=sequences, characters=characters,
            drawings=tuple(str(path.resolve()) for path in drawing or ()), motions=tuple(motion or MOTIONS),
            frames=frames, width=width, height=height, keyframes=keyframes,
        )  # fmt: skip
        made = generate(project(root, home), request, Execution(backend, address, workers, threads), progress_lines())
        typer.echo(
            f"generated  {made.name}: {len(made.shots)} sequences, {made.frames} frames, {len(made.styles)} characters"
            f"  [{made.reused} reused, {made.seconds:.1f} s]  {made.url}/{SHEET}"
        )
