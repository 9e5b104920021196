"""The partitions. A shot or a style appears when its folder does; see `dagster_project.sensors`."""

from __future__ import annotations

import dagster as dg

shots = dg.DynamicPartitionsDefinition(name="shots")
styles = dg.DynamicPartitionsDefinition(name="styles")
