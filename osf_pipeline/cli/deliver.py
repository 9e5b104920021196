"""`osf deliver`: stylized layers to EXR, PNG and video."""

from osf_pipeline.cli.stages import whole

command = whole(
    "osf_pipeline.delivery.stage:deliver_shot",
    "Write layered EXR, PNG previews and a video of the stylized shot.",
)
