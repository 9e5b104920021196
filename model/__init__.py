"""All tensor maths, pure torch: networks, losses, warping, contours, compositing, one training step.

No files except the package's own weights format; no configuration parsing, no dagster, ray, mlflow, zarr.
"""
