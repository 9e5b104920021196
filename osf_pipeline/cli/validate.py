"""`osf validate`: find what is wrong with a shot before anything heavy runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from osf_pipeline.cli.console import Home, Report, Root, Shot, project, reporting


def command(
    shot: Shot,
    root: Root = None,
    home: Home = None,
    page: Annotated[Path | None, typer.Option(help="Write the findings as an HTML page here.")] = None,
    report: Report = None,
) -> None:
    """Check a shot's files: gaps, truncation, channels, sizes. Exit 3 when something is wrong."""
    with reporting(report) as results:
        from osf_pipeline.ingest.stage import validate_shot
        from osf_pipeline.store.files import write_bytes
        from osf_pipeline.validate.page import page as html
        from osf_pipeline.validate.page import report_facts

        layout = project(root, home)
        found = validate_shot(layout, shot)
        for finding in found.findings:
            typer.echo(str(finding))
        results.append({"shot": shot, "frames": len(found.manifest), "findings": [vars(f) for f in found.findings]})
        typer.echo(f"{shot}: {len(found.manifest)} frames, {len(found.findings)} findings")
        if page is not None:
            facts = report_facts(layout.shot_config(shot), found)
            write_bytes(str(page.resolve()), html(shot, found.manifest, found.table, facts).encode())
            typer.echo(f"page {page.resolve()}")
        found.refuse()
