"""The two jobs: learn a style, and take a shot from renders to review."""

from __future__ import annotations

import dagster as dg

style = dg.define_asset_job("style", ["stylizer"], description="Train and register one style.")
shot = dg.define_asset_job(
    "shot", dg.AssetSelection.groups("shot"), description="One shot, from renders to review page."
)

PREPARE = [dg.AssetKey(key) for key in ("gbuffer", "guidance")]
"""Part of `shot` that needs no model."""
RESTYLE = [dg.AssetKey(key) for key in ("stylized", "delivery", "evaluation", "review")]
"""Part of `shot` that depends on the models."""
