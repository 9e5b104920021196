"""The drawn look on every frame: fill, line, beauty and confidence layers.

Models come from the registry, not from an upstream asset: shots and styles are different partitions. The alias is
resolved once, and the versions used are tags of the materialization; a sensor compares them with the champions.
"""

import dagster as dg

from assets.fingerprint import MODEL_TAG
from assets.metadata import materialize
from assets.partitions import shots
from assets.resources import OsfProject


class Models(dg.Config):
    """Alias or version number to load from the registry, and the look of everything, if not the shot's own."""

    alias: str = "champion"
    preset: str | None = None


@dg.asset(
    partitions_def=shots, group_name="shot", kinds={"ray", "pytorch", "zarr"}, deps=["gbuffer", "guidance"],
    description=__doc__,
)  # fmt: skip
def stylized(context: dg.AssetExecutionContext, osf: OsfProject, config: Models) -> dg.MaterializeResult[None]:
    from osf_pipeline.stylize.stage import stylize_shot

    result = stylize_shot(
        osf.layout, context.partition_key, osf.execution, osf.progress, config.alias, preset=config.preset
    )
    models = {f"{MODEL_TAG}{row['style']}": str(row["version"]) for row in result.metadata["models"]}
    return materialize(result, models)
