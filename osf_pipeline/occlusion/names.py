"""Names other rooms and configuration need without loading torch. Does not belong here: anything else."""

from __future__ import annotations

GROUP = "osf.occlusion_estimators"
"""Entry points of estimators."""

MODEL = "osf-occlusion"
"""Registered name of the learned estimator's model."""

AUTO, FULL, MAPS = "auto", "full", "maps"
"""Modes that are no estimator: by what the store knows, exact from geometry, and the user's own."""

FLOW, LIGHT = "flow", "light"
"""Built-in estimators: consistency of both flows, and the learned one."""
