"""The jobs: a drawing to a character and its renders, a style to its network, a shot from renders to review."""

from __future__ import annotations

import dagster as dg

character = dg.define_asset_job(
    "character", dg.AssetSelection.groups("character"), description="One drawing, to a character and its renders."
)
style = dg.define_asset_job("style", ["stylizer"], description="Train and register one style.")
shot = dg.define_asset_job(
    "shot", dg.AssetSelection.groups("shot"), description="One shot, from renders to review page."
)

PREPARE = [dg.AssetKey(key) for key in ("gbuffer", "guidance")]
"""Part of `shot` that needs no model."""
RESTYLE = [dg.AssetKey(key) for key in ("stylized", "delivery", "evaluation", "review")]
"""Part of `shot` that depends on the models."""
