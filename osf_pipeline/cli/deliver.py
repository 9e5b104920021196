"""`osf deliver`: stylized layers to EXR, PNG and video."""

from __future__ import annotations

from osf_pipeline.cli.console import Home, Report, Root, Shot, describe, progress_lines, project, reporting, show


def command(shot: Shot, root: Root = None, home: Home = None, report: Report = None) -> None:
    """Write layered EXR, PNG previews and a video of the stylized shot."""
    with reporting(report) as results:
        from osf_pipeline.delivery.stage import deliver_shot

        result = deliver_shot(project(root, home), shot, progress_lines())
        results.append(describe(result))
        show(result)
