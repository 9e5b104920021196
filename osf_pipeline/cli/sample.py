"""`osf sample`: a generated shot, its drawing and its truth."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from osf_pipeline.cli.console import Home, Root, progress_lines, project, reporting


def command(
    shot: Annotated[str, typer.Option(help="Name of the shot to make.")] = "figure",
    style: Annotated[str, typer.Option(help="Name of the style to make.")] = "figure",
    frames: Annotated[str, typer.Option(help="Frame range.")] = "1001-1048",
    width: Annotated[int, typer.Option(min=32)] = 384,
    height: Annotated[int, typer.Option(min=32)] = 384,
    prop: Annotated[bool, typer.Option(help="A foreground prop crosses.")] = False,
    two_figures: Annotated[bool, typer.Option(help="Two figures touch.")] = False,
    camera_move: Annotated[bool, typer.Option(help="The camera moves.")] = False,
    lighting: Annotated[Literal["flat", "lit"], typer.Option(help="Unlit, or one soft key light.")] = "flat",
    seed: Annotated[int, typer.Option(help="Seed of figure, hand and motion.")] = 0,
    root: Root = None,
    home: Home = None,
) -> None:
    """Make a sample by formula: EXR renders with every buffer exact, a drawing, and the styled truth of every frame."""
    with reporting():
        from osf_pipeline.sample.make import SampleRequest, make_sample

        request = SampleRequest(
            shot=shot, style=style, frames=frames, width=width, height=height, prop=prop,
            two_figures=two_figures, camera_move=camera_move, lighting=lighting, seed=seed,
        )  # fmt: skip
        layout = project(root, home)
        make_sample(layout, request, progress_lines())
        typer.echo(
            f"sample     renders {layout.renders(shot)}, style {layout.style(style)}, truth {layout.truth(shot)}"
        )
