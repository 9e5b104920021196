"""`osf inspect`: what is in a root, a shot or a store."""

from __future__ import annotations

from typing import Annotated

import typer

from osf_pipeline.cli.console import Home, Root, project, reporting


def command(
    shot: Annotated[str | None, typer.Argument(help="Shot to look into; none lists the root.")] = None,
    kind: Annotated[str | None, typer.Argument(help="gbuffer, guidance or stylized.")] = None,
    root: Root = None,
    home: Home = None,
    verify: Annotated[bool, typer.Option(help="Re-read every shard and compare checksums.")] = False,
) -> None:
    """List shots, styles and versions; show the arrays, ranges and provenance of a store."""
    with reporting():
        from osf_pipeline.inspection import describe_root, describe_shot, describe_version

        layout = project(root, home)
        if shot is None:
            lines = describe_root(layout)
        elif kind is None:
            lines = describe_shot(layout, shot)
        else:
            lines = describe_version(layout, shot, kind, verify)
        for line in lines:
            typer.echo(line)
