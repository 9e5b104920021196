"""A page to look at: frames, differences, metrics; opens from disk in any browser."""

import dagster as dg

from assets.metadata import materialize
from assets.partitions import shots
from assets.resources import OsfProject


@dg.asset(partitions_def=shots, group_name="shot", kinds={"html"}, deps=["delivery", "evaluation"], description=__doc__)
def review(context: dg.AssetExecutionContext, osf: OsfProject) -> dg.MaterializeResult[None]:
    from osf_pipeline.evaluation.stage import review_shot

    return materialize(review_shot(osf.layout, context.partition_key, osf.progress))
