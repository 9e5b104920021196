"""`osf train`: learn a style from its drawing and register the model."""

from __future__ import annotations

from typing import Annotated

import typer

from osf_pipeline.cli.console import Home, Report, Root, Style, describe, progress_lines, project, reporting, show


def command(
    style: Style,
    root: Root = None,
    home: Home = None,
    steps: Annotated[int | None, typer.Option(help="Training steps, instead of the recipe's.", min=1)] = None,
    seed: Annotated[int | None, typer.Option(help="Seed, instead of the recipe's.")] = None,
    report: Report = None,
) -> None:
    """Learn a style from its drawing; log and register the model."""
    with reporting(report) as results:
        from osf_pipeline.training.stage import train_style

        overrides = {key: value for key, value in (("steps", steps), ("seed", seed)) if value is not None}
        result = train_style(project(root, home), style, progress_lines(), overrides)
        results.append(describe(result))
        show(result)
