"""Numbers for every region that matters: fidelity to the drawing, flicker, revealed areas, contours."""

import dagster as dg

from assets.metadata import materialize
from assets.partitions import shots
from assets.resources import OsfProject


@dg.asset(partitions_def=shots, group_name="shot", kinds={"python"}, deps=["guidance", "stylized"], description=__doc__)
def evaluation(context: dg.AssetExecutionContext, osf: OsfProject) -> dg.MaterializeResult[None]:
    from osf_pipeline.evaluation.stage import evaluate_shot

    return materialize(evaluate_shot(osf.layout, context.partition_key, osf.progress))
