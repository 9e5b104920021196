"""`osf train`: learn a style from its drawing and register the model."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from osf_pipeline.cli.console import Home, Report, Root, Style, describe, progress_lines, project, reporting, show


def command(
    style: Style,
    root: Root = None,
    home: Home = None,
    steps: Annotated[int | None, typer.Option(help="Training steps, instead of the recipe's.", min=1)] = None,
    seed: Annotated[int | None, typer.Option(help="Seed, instead of the recipe's.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any key of the recipe; may be repeated.")
    ] = None,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where to train.")] = "auto",
    report: Report = None,
) -> None:
    """Learn a style from its drawing; log and register the model."""
    with reporting(report) as results:
        from osf_pipeline.training.stage import train_style

        named = {key: value for key, value in (("steps", steps), ("seed", seed)) if value is not None}
        result = train_style(project(root, home), style, progress_lines(), {**named, **assigned(settings)}, device)
        results.append(describe(result))
        show(result)


def assigned(settings: list[str] | None) -> dict[str, Any]:
    """`KEY=VALUE` words as keys of a recipe; a value is read as in style.yaml.

    Raises:
        RequestError: for a word without `=`, or a value that is no YAML.
    """
    import yaml

    from osf_pipeline.errors import RequestError

    found = {}
    for setting in settings or []:
        key, given, value = setting.partition("=")
        try:
            found[key] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise RequestError("no readable value", argument=setting, fix="Write it as in style.yaml.") from error
        if not given:
            raise RequestError("no value is given", argument=setting, fix="Write --set KEY=VALUE.")
    return found
