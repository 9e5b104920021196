"""`osf doctor`: is this machine ready, and if not, what to do."""

from __future__ import annotations

import typer

from osf_pipeline.cli.console import Home, Root, project, reporting


def command(root: Root = None, home: Home = None) -> None:
    """Check Python, packages, codecs, weights, disk, memory and write access; exit 2 when something must be fixed."""
    with reporting():
        from osf_pipeline.doctor import examine

        checks = examine(project(root, home))
        for check in checks:
            typer.echo(f"{'ok ' if check.ok else 'FIX'} {check.name:<14} {check.found}")
            if not check.ok:
                typer.secho(f"    -> {check.fix}", fg="red")
        if not all(check.ok for check in checks):
            raise typer.Exit(2)
