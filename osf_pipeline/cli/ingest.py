"""`osf ingest`: EXR sequence to a validated G-buffer store."""

from osf_pipeline.cli.stages import sharded

command = sharded(
    "osf_pipeline.ingest.stage:ingest_shot",
    "Read a shot's EXR renders into a validated, versioned G-buffer store.",
)
