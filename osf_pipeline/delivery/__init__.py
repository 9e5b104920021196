"""What leaves the pipeline: layered EXR, previews and video."""
