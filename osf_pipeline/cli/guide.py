"""`osf guide`: G-buffer store to guidance store."""

from osf_pipeline.cli.stages import sharded

command = sharded(
    "osf_pipeline.guidance.stage:guide_shot",
    "Compute occlusion guidance: contours, revealed and hidden areas, creases, confidence.",
)
