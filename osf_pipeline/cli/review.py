"""`osf review`: the static review page."""

from __future__ import annotations

from osf_pipeline.cli.console import Home, Report, Root, Shot, describe, progress_lines, project, reporting, show


def command(shot: Shot, root: Root = None, home: Home = None, report: Report = None) -> None:
    """Make the review page: open its index.html from disk."""
    with reporting(report) as results:
        from osf_pipeline.evaluation.stage import review_shot

        result = review_shot(project(root, home), shot, progress_lines())
        results.append(describe(result))
        show(result)
