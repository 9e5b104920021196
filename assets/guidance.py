"""What the networks are told about visibility and lines: revealed regions, contours and their owners, confidence."""

import dagster as dg

from assets.metadata import materialize
from assets.partitions import shots
from assets.resources import OsfProject


@dg.asset(partitions_def=shots, group_name="shot", kinds={"ray", "zarr"}, deps=["gbuffer"], description=__doc__)
def guidance(context: dg.AssetExecutionContext, osf: OsfProject) -> dg.MaterializeResult[None]:
    from osf_pipeline.guidance.stage import guide_shot

    return materialize(guide_shot(osf.layout, context.partition_key, osf.execution, osf.progress))
