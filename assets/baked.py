"""Stylized frames solved back onto the textures of what they show, and those textures seen through every frame.

Not part of a shot's own job: it needs texture coordinates, and not every shot wants it.
"""

import dagster as dg

from assets.metadata import materialize
from assets.partitions import shots
from assets.resources import OsfProject


@dg.asset(partitions_def=shots, group_name="texture", kinds={"openexr"}, deps=["stylized"], description=__doc__)
def baked(context: dg.AssetExecutionContext, osf: OsfProject) -> dg.MaterializeResult[None]:
    from osf_pipeline.bake.stage import bake_shot

    return materialize(bake_shot(osf.layout, context.partition_key, osf.progress))
