"""`osf annotate`: a page on this machine to set the joints of a drawing."""

from __future__ import annotations

from typing import Annotated

import typer

from osf_pipeline.cli.console import Home, Root, project, reporting


def command(
    character: Annotated[str, typer.Argument(help="Name of a character: a folder under ROOT/drawings.")],
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.", min=0, max=65535)] = 0,
    browser: Annotated[bool, typer.Option("--browser", help="Open the page in the browser.")] = False,
    root: Root = None,
    home: Home = None,
) -> None:
    """Set a drawing's joints on a page that this machine alone can reach, and save them beside it."""
    with reporting():
        import webbrowser

        from osf_pipeline.drawing.annotate import Server, Sheet
        from osf_pipeline.drawing.folder import DrawingFolder
        from osf_pipeline.drawing.skeleton import FILE
        from osf_pipeline.layout import join

        folder = DrawingFolder.at(project(root, home).drawing(character))
        picture, figure = folder.figure()
        for finding in figure.findings:
            typer.echo(f"{'mask':<10} {finding}")
        sheet = Sheet(character, picture, figure.mask, join(folder.url, folder.joints or FILE))
        with Server(sheet, port) as server:
            typer.echo(f"{'annotate':<10} {server.url}")
            typer.echo(f"{'joints':<10} {sheet.url}; Ctrl+C ends")
            if browser:
                webbrowser.open(server.url)
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                typer.echo(f"{'annotate':<10} ended")
