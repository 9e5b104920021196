"""Dagster assets, one per stage and module: each names its inputs, calls one library function and describes the result.

Does not belong here: work on pixels or files (`osf_pipeline`), jobs, schedules, sensors (`dagster_project`).
"""
