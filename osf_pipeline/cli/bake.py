"""`osf bake`: stylized frames back onto the textures of what they show."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from osf_pipeline.cli.console import Home, Report, Root, Shot, describe, progress_lines, project, reporting, show


def command(
    shot: Shot,
    root: Root = None,
    home: Home = None,
    layers: Annotated[Literal["fill", "beauty"], typer.Option(help="Bake colour alone, or the line as well.")] = "fill",
    objects: Annotated[
        list[str] | None, typer.Option("--objects", help="Name or id of an object; repeat it [default: all stylized].")
    ] = None,
    size: Annotated[
        int | None, typer.Option(help="Pixels of the texture's longer side [default: the character's own, or 1024].")
    ] = None,
    report: Report = None,
) -> None:
    """Bake a stylized shot onto the textures of its objects, and project those into the frames."""
    with reporting(report) as results:
        from osf_pipeline.bake.stage import bake_shot

        result = bake_shot(
            project(root, home), shot, progress_lines(), layers=layers, objects=objects or None, size=size
        )
        results.append(describe(result))
        show(result)
