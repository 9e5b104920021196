"""`osf evaluate`: metric by region against the shot's truth or reference."""

from __future__ import annotations

from osf_pipeline.cli.console import Home, Report, Root, Shot, describe, progress_lines, project, reporting, show


def command(shot: Shot, root: Root = None, home: Home = None, report: Report = None) -> None:
    """Measure the stylized shot against its truth or reference, and against two baselines."""
    with reporting(report) as results:
        from osf_pipeline.evaluation.stage import evaluate_shot

        result = evaluate_shot(project(root, home), shot, progress_lines())
        results.append(describe(result))
        show(result)
