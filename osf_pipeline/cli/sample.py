"""`osf sample`: something to begin with: a drawing, or a whole shot with its truth."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from osf_pipeline.cli.console import Home, Root, progress_lines, project, reporting

app = typer.Typer(help="Make something to begin with, without any input.", no_args_is_help=True)


@app.command()
def drawing(
    name: Annotated[str, typer.Option(help="Name of the character.")] = "fox",
    root: Root = None,
    home: Home = None,
) -> None:
    """Write the project's own drawing as if scanned, with its joints: what a character is made from."""
    with reporting():
        from osf_pipeline.sample.original import write_original

        folder = project(root, home).drawing(name)
        write_original(folder)
        typer.echo(f"sample     drawing {folder}")


@app.command()
def figure(
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
