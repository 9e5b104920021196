"""The main job of one shot, end to end: the same stage functions the Dagster assets call, in order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from osf_pipeline.execution import Execution, Progress
from osf_pipeline.layout import Layout
from osf_pipeline.results import StageResult, TrainedStyle


def run_shot(
    layout: Layout,
    shot: str,
    execution: Execution | None = None,
    progress: Progress | None = None,
    overrides: dict[str, Any] | None = None,
    preset: str | None = None,
) -> Iterator[StageResult | TrainedStyle]:
    """Yield each stage's result as it is done; what is published already is reused.

    Args:
        overrides: of the training recipe, for styles that still have to be trained.
        preset: the look of everything, instead of what shot.yaml says under `looks`.

    Raises:
        RequestError: for an unknown or bad preset, before any stage begins.
        OsfError: as the stages; everything finished before stays.
    """
    from osf_pipeline.delivery.stage import deliver_shot
    from osf_pipeline.evaluation.stage import evaluate_shot, review_shot
    from osf_pipeline.guidance.stage import guide_shot
    from osf_pipeline.ingest.stage import ingest_shot
    from osf_pipeline.stylize.look import read_preset
    from osf_pipeline.stylize.stage import inputs, styles_of, stylize_shot
    from osf_pipeline.training.stage import train_style

    if preset is not None:
        read_preset(layout, preset)
    yield ingest_shot(layout, shot, execution, progress)
    yield guide_shot(layout, shot, execution, progress)
    objects = inputs(layout, shot)[0].attributes["objects"]
    for style in sorted(set(styles_of(layout.shot_config(shot), objects, shot).values())):
        yield train_style(layout, style, progress, overrides)
    yield stylize_shot(layout, shot, execution, progress, preset=preset)
    yield deliver_shot(layout, shot, progress)
    yield evaluate_shot(layout, shot, progress)
    yield review_shot(layout, shot, progress)
