"""`osf hint`: which frame of a shot to draw next."""

from __future__ import annotations

from typing import Annotated

import typer

from osf_pipeline.cli.console import Home, Report, Root, Shot, progress_lines, project, reporting


def command(
    shot: Shot,
    root: Root = None,
    home: Home = None,
    count: Annotated[int, typer.Option(help="Frames to name.", min=1)] = 3,
    style: Annotated[str | None, typer.Option(help="Only this style; else each of the shot's.")] = None,
    report: Report = None,
) -> None:
    """Name the frames that show most of what no drawing of the style shows yet, and picture what is missing."""
    with reporting(report) as results:
        from osf_pipeline.training.hint import hint_shot

        for found in hint_shot(project(root, home), shot, count, style, progress_lines()):
            results.append(found.to_json())
            typer.echo(f"style {found.style}: its drawings show {found.covered:.1%} of what {shot} shows")
            for frame, before, after in found.frames:
                typer.echo(f"  draw {shot}@{frame}: {before:.1%} -> {after:.1%}")
            if found.picture:
                typer.echo(f"  what is missing, in magenta: {found.picture}")
