"""`osf ablate`: what each part of the stylizer buys."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, TypeVar

import typer

from osf_pipeline.cli.bench import (
    Characters,
    Count,
    Drawings,
    Folders,
    Frames,
    Quick,
    Seeds,
    SetSeed,
    Size,
    Steps,
    echo,
    request_of,
)
from osf_pipeline.cli.console import Home, Root, Threads, progress_lines, project, reporting
from osf_pipeline.errors import RequestError

T = TypeVar("T", bound=str)


def command(
    drop: Annotated[
        str,
        typer.Option(
            help="To leave out, one at a time: revealed, contour, taper, rest_z, compositing, confidence, strokes, "
            "network."
        ),
    ] = "",
    sweep: Annotated[str, typer.Option(help="What to vary: strength, resolution, keyframes.")] = "",
    quick: Quick = False,
    sequences: Folders = None,
    seeds: Seeds = None,
    steps: Steps = None,
    count: Count = None,
    characters: Characters = None,
    frames: Frames = None,
    size: Size = None,
    set_seed: SetSeed = None,
    drawing: Drawings = None,
    threads: Threads = 2,
    root: Root = None,
    home: Home = None,
) -> None:
    """Measure the stylizer without each of its parts, and along sweeps, on the benchmark's sequences."""
    with reporting():
        from osf_pipeline.bench.ablation import LABELS, VARIANTS, AblationRequest, ablate

        bench = request_of(quick, sequences, seeds, steps, count, characters, frames, size, set_seed, drawing, threads)
        request = AblationRequest(
            drop=_names("part", drop, VARIANTS), sweep=_names("sweep", sweep, LABELS), bench=bench
        )
        echo(ablate(project(root, home), request, progress=progress_lines()))


def _names(kind: str, text: str, known: Collection[T]) -> tuple[T, ...]:
    """
    Raises:
        RequestError: for a name that is not among the known ones.
    """
    wanted = [name.strip() for name in text.split(",") if name.strip()]
    if unknown := [name for name in wanted if name not in known]:
        raise RequestError(f"no such {kind}", name=unknown[0], fix=f"There are: {', '.join(known)}.")
    return tuple(name for name in known if name in wanted)
