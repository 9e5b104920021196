"""`osf validate`: find what is wrong with a shot before anything heavy runs."""

from __future__ import annotations

import typer

from osf_pipeline.cli.console import Home, Report, Root, Shot, project, reporting


def command(shot: Shot, root: Root = None, home: Home = None, report: Report = None) -> None:
    """Check a shot's files: gaps, truncation, channels, sizes. Exit 3 when something is wrong."""
    with reporting(report) as results:
        from osf_pipeline.ingest.stage import validate_shot

        found = validate_shot(project(root, home), shot)
        for finding in found.findings:
            typer.echo(str(finding))
        results.append({"shot": shot, "frames": len(found.manifest), "findings": [vars(f) for f in found.findings]})
        typer.echo(f"{shot}: {len(found.manifest)} frames, {len(found.findings)} findings")
        found.refuse()
