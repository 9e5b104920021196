"""What starts runs by itself: new folders, and champions that moved.

Both look at the world and at the event log, and keep no cursor; run keys keep a request from being made twice.
"""

from collections.abc import Iterator

import dagster as dg

from assets.partitions import characters, shots, styles
from assets.resources import OsfProject
from dagster_project import jobs
from dagster_project.staleness import champions, in_the_making, models_changed, wanted_models
from osf_pipeline.layout import exists, join
from osf_pipeline.shots import NAME


@dg.sensor(
    jobs=[jobs.character, jobs.style, jobs.shot],
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def discover(context: dg.SensorEvaluationContext, osf: OsfProject) -> dg.SensorResult:
    """New folders under drawings/, styles/ and renders/ become partitions and are run.

    A drawing becomes a character and renders. A style is trained once its style.yaml is there. A shot whose styles all
    have a champion runs through; any other is prepared up to guidance and waits for `promotion`. A shot rendered here
    counts as new once its last frame is there.
    """
    layout = osf.layout
    new_shots = [s for s in _new(context.instance, shots, layout.shots()) if not in_the_making(layout, s)]
    new_characters = _new(context.instance, characters, layout.drawings())
    new_styles = [
        s for s in _new(context.instance, styles, layout.styles()) if exists(join(layout.style(s), "style.yaml"))
    ]
    trained = champions(layout) if new_shots else {}
    requests = [
        dg.RunRequest(f"new {name}", job_name=job.name, partition_key=name)
        for job, names in ((jobs.character, new_characters), (jobs.style, new_styles))
        for name in names
    ]
    for shot in new_shots:
        ready = wanted_models(layout, shot, trained) is not None
        requests.append(
            dg.RunRequest(
                f"new {shot}",
                job_name=jobs.shot.name,
                partition_key=shot,
                asset_selection=None if ready else jobs.PREPARE,
            )
        )
    added = [
        characters.build_add_request(new_characters),
        styles.build_add_request(new_styles),
        shots.build_add_request(new_shots),
    ]
    return dg.SensorResult(requests, dynamic_partitions_requests=[a for a in added if a.partition_keys])


@dg.sensor(job=jobs.shot, minimum_interval_seconds=60, default_status=dg.DefaultSensorStatus.RUNNING)
def promotion(context: dg.SensorEvaluationContext, osf: OsfProject) -> Iterator[dg.RunRequest]:
    """Prepared shots whose styles have other champions than those they were stylized with are stylized again."""
    layout, known = osf.layout, context.instance.get_dynamic_partitions("shots")
    trained = champions(layout) if known else {}
    for shot in known:
        models = models_changed(context.instance, layout, shot, trained)
        if models is not None:
            yield dg.RunRequest(f"{shot} {models}", partition_key=shot, asset_selection=jobs.RESTYLE)


def _new(instance: dg.DagsterInstance, partitions: dg.DynamicPartitionsDefinition, names: list[str]) -> list[str]:
    """Usable names that are no partitions yet."""
    known = set(instance.get_dynamic_partitions(str(partitions.name)))
    return [name for name in names if NAME.match(name) and name not in known]
