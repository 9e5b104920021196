"""The partitions. A character, style or shot appears when its folder does; see `dagster_project.sensors`."""

from __future__ import annotations

import dagster as dg

characters = dg.DynamicPartitionsDefinition(name="characters")
shots = dg.DynamicPartitionsDefinition(name="shots")
styles = dg.DynamicPartitionsDefinition(name="styles")
