"""`osf character`: a drawing to a posable character and its style."""

from __future__ import annotations

from typing import Annotated

import typer

from osf_pipeline.cli.console import Home, Report, Root, describe, progress_lines, project, reporting, show


def command(
    name: Annotated[str, typer.Argument(help="Name of a drawing: a folder under ROOT/drawings.")],
    root: Root = None,
    home: Home = None,
    report: Report = None,
) -> None:
    """Build a character from a drawing: mesh, bones, texture, glTF, and the style that is learnt from it.

    The folder holds the picture (drawing.png, a scan will do) and, where you have them, mask.png and char_cfg.yaml (the
    joints; `osf annotate` sets them, else they are estimated).
    """
    with reporting(report) as results:
        from osf_pipeline.character.stage import build_from_drawing

        result = build_from_drawing(project(root, home), name, progress_lines())
        results.append(describe(result))
        show(result)
        for row in result.metadata["findings"]:
            typer.echo(f"  {row['finding']}")
