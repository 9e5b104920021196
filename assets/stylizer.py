"""The network of one style, learnt from its drawing, gated and registered in MLflow."""

from typing import Any

import dagster as dg
from pydantic import Field

from assets.fingerprint import SOURCE_TAG, style_source
from assets.metadata import materialize_style
from assets.partitions import styles
from assets.resources import OsfProject


class Training(dg.Config):
    """Recipe keys that differ from the style's own, e.g. `steps`."""

    recipe: dict[str, Any] = Field({})


@dg.asset(partitions_def=styles, group_name="style", kinds={"pytorch", "mlflow"}, description=__doc__)
def stylizer(context: dg.AssetExecutionContext, osf: OsfProject, config: Training) -> dg.MaterializeResult[None]:
    from osf_pipeline.training.stage import train_style

    style = context.partition_key
    source = style_source(osf.layout, style)
    return materialize_style(train_style(osf.layout, style, osf.progress, config.recipe), {SOURCE_TAG: source})
