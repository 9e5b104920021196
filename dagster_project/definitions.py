"""The code location: everything Dagster knows, in one list.

    drawings/ ──► rig ──► renders ┄┄► renders/<shot>                          partition: character
                 └┄┄► styles/<character>
    styles/  ──► stylizer ─────► registry (MLflow)                            partition: style
                                    │  alias `champion`
    renders/ ──► gbuffer ──► guidance ──► stylized ──► delivery ──► review    partition: shot
                   ▲ blocking checks         ├──► evaluation ──────────┘
                                             └──► baked (on request)
    occlusion_benchmark (on request): makes its own sequences and compares methods on them

* `discover` makes a partition of every new folder under drawings/, styles/ and renders/ and starts its job, so a
  drawing put into its folder comes out as stylized frames.
* `promotion` stylizes shots again when a style's champion moves.
* `refresh_characters`, `refresh_styles`, `refresh_shots` run at night what no longer matches its inputs.

Settings come from the environment: OSF_ROOT, OSF_HOME, and OSF_BACKEND, OSF_RAY_ADDRESS for where shards are computed.
"""

from __future__ import annotations

import os

import dagster as dg

from assets.baked import baked
from assets.delivery import delivery
from assets.evaluation import evaluation
from assets.gbuffer import gbuffer
from assets.guidance import guidance
from assets.occlusion_benchmark import occlusion_benchmark
from assets.renders import renders
from assets.resources import OsfProject
from assets.review import review
from assets.rig import rig
from assets.stylized import stylized
from assets.stylizer import stylizer
from dagster_project import jobs, schedules, sensors


@dg.definitions
def defs() -> dg.Definitions:
    return dg.Definitions(
        assets=[
            rig,
            renders,
            stylizer,
            gbuffer,
            guidance,
            stylized,
            delivery,
            evaluation,
            review,
            baked,
            occlusion_benchmark,
        ],
        jobs=[jobs.character, jobs.style, jobs.shot, jobs.bake, jobs.benchmark],
        sensors=[sensors.discover, sensors.promotion],
        schedules=[schedules.refresh_characters, schedules.refresh_styles, schedules.refresh_shots],
        resources={
            "osf": OsfProject(
                backend=os.environ.get("OSF_BACKEND", "local"), address=os.environ.get("OSF_RAY_ADDRESS") or None
            )
        },
        # A shot's stages follow one another; what runs side by side are its shards and other shots' runs.
        executor=dg.in_process_executor,
    )
