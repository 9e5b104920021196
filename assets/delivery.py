"""The shot as a studio takes it back: EXR and PNG sequences with every layer, and a video."""

import dagster as dg

from assets.metadata import materialize
from assets.partitions import shots
from assets.resources import OsfProject


@dg.asset(partitions_def=shots, group_name="shot", kinds={"openexr"}, deps=["stylized"], description=__doc__)
def delivery(context: dg.AssetExecutionContext, osf: OsfProject) -> dg.MaterializeResult[None]:
    from osf_pipeline.delivery.stage import deliver_shot

    return materialize(deliver_shot(osf.layout, context.partition_key, osf.progress))
