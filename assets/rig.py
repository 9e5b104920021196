"""A drawing made into a posable character, and the style that is learnt from it."""

import dagster as dg

from assets.fingerprint import SOURCE_TAG, drawing_source
from assets.metadata import materialize_character
from assets.partitions import characters
from assets.resources import OsfProject


@dg.asset(partitions_def=characters, group_name="character", kinds={"python"}, description=__doc__)
def rig(context: dg.AssetExecutionContext, osf: OsfProject) -> dg.MaterializeResult[None]:
    from osf_pipeline.character.stage import build_from_drawing

    name = context.partition_key
    source = drawing_source(osf.layout, name)
    return materialize_character(build_from_drawing(osf.layout, name, osf.progress), {SOURCE_TAG: source})
