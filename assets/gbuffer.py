"""EXR renders of a shot, read, mapped to canonical buffers, validated and stored."""

from collections.abc import Iterator

import dagster as dg

from assets import checks
from assets.fingerprint import SOURCE_TAG, shot_source
from assets.metadata import materialize
from assets.partitions import shots
from assets.resources import OsfProject
from osf_pipeline.errors import InputDataError


@dg.asset(
    partitions_def=shots, group_name="shot", kinds={"ray", "zarr"}, check_specs=checks.gbuffer_checks,
    description=__doc__,
)  # fmt: skip
def gbuffer(
    context: dg.AssetExecutionContext, osf: OsfProject
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[None]]:
    from osf_pipeline.ingest.stage import ingest_shot, validate_shot
    from osf_pipeline.validate.findings import Finding, of_error

    shot = context.partition_key
    source = shot_source(osf.layout, shot)
    findings: list[Finding] = []
    try:
        findings += validate_shot(osf.layout, shot).findings
        result = ingest_shot(osf.layout, shot, osf.execution, osf.progress)
    except InputDataError as error:  # the checks say what is wrong, then the step fails with the same words
        found = of_error(error, error.where.get("frame"))
        if found.rule not in {f.rule for f in findings}:
            findings.append(found)
        yield from checks.results(shot, findings, complete=False)
        raise
    kept = [Finding(**row) for row in result.metadata["findings"]]
    yield from checks.results(shot, kept, complete=True, set_aside={*result.quarantined, *result.held})
    yield materialize(result, {SOURCE_TAG: source})
