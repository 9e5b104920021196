"""What runs by the clock: every night, what no longer matches its inputs, and nothing else.

The sensors act on what is new; the schedules also come back to what changed in place and to what failed.
"""

from collections.abc import Iterator

import dagster as dg

from assets.resources import OsfProject
from dagster_project import jobs
from dagster_project.staleness import champions, drawing_changed, models_changed, shot_changed, style_changed


@dg.schedule(cron_schedule="0 1 * * *", job=jobs.character, default_status=dg.DefaultScheduleStatus.RUNNING)
def refresh_characters(context: dg.ScheduleEvaluationContext, osf: OsfProject) -> Iterator[dg.RunRequest]:
    """Characters whose drawings changed are made and rendered again."""
    for character in context.instance.get_dynamic_partitions("characters"):
        if drawing_changed(context.instance, osf.layout, character):
            yield dg.RunRequest(run_key=character, partition_key=character)


@dg.schedule(cron_schedule="0 2 * * *", job=jobs.style, default_status=dg.DefaultScheduleStatus.RUNNING)
def refresh_styles(context: dg.ScheduleEvaluationContext, osf: OsfProject) -> Iterator[dg.RunRequest]:
    """Styles whose drawings or settings are not those the model was learnt from are trained again."""
    for style in context.instance.get_dynamic_partitions("styles"):
        if style_changed(context.instance, osf.layout, style):
            yield dg.RunRequest(run_key=style, partition_key=style)


@dg.schedule(cron_schedule="0 3 * * *", job=jobs.shot, default_status=dg.DefaultScheduleStatus.RUNNING)
def refresh_shots(context: dg.ScheduleEvaluationContext, osf: OsfProject) -> Iterator[dg.RunRequest]:
    """Shots whose renders changed run through; shots whose champions changed are stylized again."""
    known = context.instance.get_dynamic_partitions("shots")
    trained = champions(osf.layout) if known else {}
    for shot in known:
        if shot_changed(context.instance, osf.layout, shot):
            yield dg.RunRequest(run_key=shot, partition_key=shot)
        elif models_changed(context.instance, osf.layout, shot, trained) is not None:
            yield dg.RunRequest(run_key=shot, partition_key=shot, asset_selection=jobs.RESTYLE)
