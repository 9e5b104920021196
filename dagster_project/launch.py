"""`python -m dagster_project.launch`: from a drawing or a shot to stylized frames, in this process and on this console.

The runs are recorded in the same instance that `dagster dev` shows. Does not belong here: anything a sensor or the UI
could not start as well.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import dagster as dg
import typer

from dagster_project.definitions import defs
from dagster_project.staleness import in_the_making
from osf_pipeline.cli.console import Address, Backend, Home, Root, Threads, Workers, reporting
from osf_pipeline.errors import RequestError
from osf_pipeline.layout import Layout, join
from osf_pipeline.scenes import scenes_of
from osf_pipeline.store.files import read_json
from osf_pipeline.store.version import require

INSTANCE_SETTINGS = Path(__file__).resolve().parents[1] / "infra" / "dagster.yaml"


def command(
    shot: Annotated[str | None, typer.Option(help="Name of a shot: a folder under ROOT/renders.")] = None,
    character: Annotated[str | None, typer.Option(help="Or of a character: a folder under ROOT/drawings.")] = None,
    motion: Annotated[
        list[str] | None, typer.Option(help="Motions of the character [default: its scenes, else walk].")
    ] = None,
    style: Annotated[list[str] | None, typer.Option(help="Style to train first [default: those of the shot].")] = None,
    root: Root = None,
    home: Home = None,
    backend: Backend = "local",
    address: Address = None,
    workers: Workers = None,
    threads: Threads = 2,
    steps: Annotated[int | None, typer.Option(help="Training steps, instead of the recipe's.", min=1)] = None,
) -> None:
    """Run the jobs `character`, `style` and `shot` as Dagster would, and show how to open the result."""
    began = time.monotonic()
    with reporting():
        if (shot is None) == (character is None):
            raise RequestError("a launch starts from one thing", fix="Give either --shot or --character.")
        layout = Layout.of(root, home)
        project = {"root": layout.root, "home": layout.home, "backend": backend, "address": address}
        resource = {"osf": {"config": {**project, "workers": workers, "threads": threads}}}
        training = {"ops": {"stylizer": {"config": {"recipe": {} if steps is None else {"steps": steps}}}}}
        shots = [] if shot is None else [shot]
        with instance_at(layout) as instance:
            if character is not None:
                motions = {"ops": {"renders": {"config": {"motions": motion or []}}}}
                run("character", character, instance, {"resources": resource, **motions})
                shots = [name for name in scenes_of(layout, character) if not in_the_making(layout, name)]
            for name in style or sorted({s for shot in shots for s in layout.shot_config(shot).styles.values()}):
                run("style", name, instance, {"resources": resource, **training})
            for name in shots:
                run("shot", name, instance, {"resources": resource})
    typer.echo(f"done in {time.monotonic() - began:.0f} s")
    for name in shots:
        for line in where(layout, name):
            typer.echo(line)


def where(layout: Layout, shot: str) -> list[str]:
    """What a person opens next: the page, the video, the frames, and the UI on the runs just made."""
    from osf_pipeline.delivery.stage import RECORD, delivery_url

    version = require(layout.store(shot, "stylized"), "stylize", shot)
    folder = delivery_url(layout, shot, version, layout.shot_config(shot))
    delivered = read_json(join(folder, RECORD)) or {}
    dagster = Path(sys.executable).with_name("dagster")
    return [
        f"review page  {join(layout.delivery(shot, version.id), 'review', 'index.html')}",
        f"video        {join(folder, delivered.get('video', ''))}",
        f"frames       {join(folder, delivered.get('exr', ''))}",
        f"Dagster UI   OSF_ROOT={layout.root} DAGSTER_HOME={home_of(layout)} {dagster} dev -w workspace.yaml",
    ]


def home_of(layout: Layout) -> Path:
    """DAGSTER_HOME of a project."""
    return Path(layout.home) / "dagster"


def instance_at(layout: Layout) -> dg.DagsterInstance:
    """The project's Dagster instance, made on first use from `infra/dagster.yaml`."""
    folder = home_of(layout)
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "dagster.yaml").exists():
        shutil.copy(INSTANCE_SETTINGS, folder / "dagster.yaml")
    os.environ["DAGSTER_HOME"] = str(folder)
    return dg.DagsterInstance.get()


def run(job: str, partition: str, instance: dg.DagsterInstance, config: dict[str, Any]) -> None:
    """One recorded run of one partition; what a stage raises is raised here."""
    instance.add_dynamic_partitions(f"{job}s", [partition])
    typer.echo(f"== {job} {partition}")
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    defs().resolve_job_def(job).execute_in_process({**quiet, **config}, instance=instance, partition_key=partition)


app = typer.Typer(pretty_exceptions_enable=False)
app.command()(command)

if __name__ == "__main__":
    app()
