"""Methods side by side on sequences of known truth, region by region, with confidence intervals.

Not part of any shot's job: it makes its own sequences, and takes minutes (`quick`) to hours.
"""

import dagster as dg
from pydantic import Field

from assets.metadata import location, preview, values
from assets.resources import OsfProject


class Benchmark(dg.Config):
    """As the options of `osf bench occlusion`; what is not given is the run's own.

    Attributes:
        sequences: folders of sequences with `ref/` frames, measured beside the generated ones.
    """

    quick: bool = False
    equal_time: bool = False
    plateau: int = 0
    methods: list[str] = Field([])
    sequences: list[str] = Field([])
    seeds: int | None = None
    steps: int | None = None


@dg.asset(group_name="benchmark", kinds={"pytorch", "pandas"}, description=__doc__)
def occlusion_benchmark(osf: OsfProject, config: Benchmark) -> dg.MaterializeResult[None]:
    from osf_pipeline.bench.request import BenchRequest
    from osf_pipeline.bench.stage import bench

    asked = {
        "methods": config.methods, "folders": config.sequences, "equal_time": config.equal_time,
        "plateau": config.plateau, "seeds": config.seeds, "steps": config.steps, "threads": osf.threads,
    }  # fmt: skip
    given = {key: value for key, value in asked.items() if value is not None}
    request = BenchRequest.made(quick=config.quick, given=given)
    result = bench(osf.layout, request, osf.execution, osf.progress)
    metadata = {
        "claims": request.claims,
        "seconds": result.seconds,
        "reused": result.reused,
        "identity": result.id,
        **location(result.url),
        **values({"occlusion_band": result.headline, "figures": result.figures}),
        **preview(result.preview_png),
    }
    return dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(result.id))
