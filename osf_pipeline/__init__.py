"""OSF Pipeline: float EXR renders and one drawing in, stylized layered frames out.

The library: everything that touches data. No Dagster here; Ray only in `distributed`, MLflow only in `tracking`.
This file stays empty of code, so importing a room never imports another.
"""
