"""Wiring of the Dagster code location: start with `definitions.py`.

Does not belong here: assets, checks and resource classes (`assets`), work (`osf_pipeline`).
"""
