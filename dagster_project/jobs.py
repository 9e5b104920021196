"""The jobs: a drawing to renders, a style to its network, a shot from renders to review, and back to textures; and the
benchmark."""

from __future__ import annotations

import dagster as dg

character = dg.define_asset_job(
    "character", dg.AssetSelection.groups("character"), description="One drawing, to a character and its renders."
)
style = dg.define_asset_job("style", ["stylizer"], description="Train and register one style.")
shot = dg.define_asset_job(
    "shot", dg.AssetSelection.groups("shot"), description="One shot, from renders to review page."
)
bake = dg.define_asset_job("bake", ["baked"], description="A stylized shot, back onto the textures of its objects.")

benchmark = dg.define_asset_job(
    "benchmark", dg.AssetSelection.groups("benchmark"), description="Methods side by side on sequences of known truth."
)

PREPARE = [dg.AssetKey(key) for key in ("gbuffer", "guidance")]
"""Part of `shot` that needs no model."""
RESTYLE = [dg.AssetKey(key) for key in ("stylized", "delivery", "evaluation", "review")]
"""Part of `shot` that depends on the models."""
