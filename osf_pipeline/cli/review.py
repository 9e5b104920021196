"""`osf review`: the static review page."""

from osf_pipeline.cli.stages import whole

command = whole(
    "osf_pipeline.evaluation.stage:review_shot",
    "Make the review page: open its index.html from disk.",
)
