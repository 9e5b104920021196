"""`osf train-occlusion`: learn from generated sets who is hidden in the neighbouring frame, and register the model."""

from __future__ import annotations

from typing import Annotated

import typer

from osf_pipeline.cli.console import Home, Report, Root, progress_lines, project, reporting
from osf_pipeline.cli.train import assigned


def command(
    train: Annotated[list[str] | None, typer.Option(help="Generated set to learn from [default: train-0].")] = None,
    calibration: Annotated[
        list[str] | None, typer.Option(help="Generated set that probabilities are fitted to [default: val-0].")
    ] = None,
    validation: Annotated[list[str] | None, typer.Option(help="Generated set to judge on [default: val-1].")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any key of the recipe; may be repeated.")
    ] = None,
    root: Root = None,
    home: Home = None,
    report: Report = None,
) -> None:
    """Train the network of `occlusion: {mode: light}` on generated sets; log and register it."""
    with reporting(report) as results:
        from osf_pipeline.occlusion.stage import train_occlusion

        asked = {"train": train, "calibration": calibration, "validation": validation}
        sets = {key: value for key, value in asked.items() if value}
        result = train_occlusion(project(root, home), progress_lines(), {**sets, **assigned(settings)})
        results.append({k: v for k, v in vars(result).items() if k != "preview_png"} | {"type": "model"})
        figures = "  ".join(f"{name} {result.metrics[name]:.3f}" for name in ("f1", "f1_baseline", "ece"))
        state = "reused" if result.reused else f"{result.seconds:.1f} s"
        typer.echo(f"trained  {result.model} version {result.version}  {figures}  [{state}]  {result.url}")
