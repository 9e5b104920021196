"""EXR renders of every scene a character plays in; each becomes a shot.

Each motion asked for gets a scene; a character without any scene walks. A scene whose other characters are not built
yet waits for theirs.
"""

import dagster as dg
from pydantic import Field

from assets.metadata import materialize_scenes
from assets.partitions import characters
from assets.resources import OsfProject


class Motions(dg.Config):
    """Motions to make a scene of, named `<character>_<motion>`, where that scene does not exist yet."""

    motions: list[str] = Field([])


@dg.asset(
    partitions_def=characters, group_name="character", kinds={"ray", "openexr"}, deps=["rig"], description=__doc__
)
def renders(context: dg.AssetExecutionContext, osf: OsfProject, config: Motions) -> dg.MaterializeResult[None]:
    from osf_pipeline.render.stage import render_scenes

    return materialize_scenes(
        render_scenes(osf.layout, context.partition_key, config.motions, osf.execution, osf.progress)
    )
