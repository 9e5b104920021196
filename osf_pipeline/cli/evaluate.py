"""`osf evaluate`: metric by region against the shot's truth."""

from osf_pipeline.cli.stages import whole

command = whole(
    "osf_pipeline.evaluation.stage:evaluate_shot",
    "Measure the stylized shot against its truth or reference, and against two baselines.",
)
