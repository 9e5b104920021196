"""Which results no longer match their inputs: sources that changed on disk, champions that moved.

Belongs here: comparing the tags of the last materialization with the world now. Does not: acting on it (`sensors`,
`schedules`).
"""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg

from assets.fingerprint import MODEL_TAG, SOURCE_TAG, drawing_source, shot_source, style_source
from osf_pipeline.errors import OsfError
from osf_pipeline.layout import Layout, exists, join


def last_tags(instance: dg.DagsterInstance, asset: str, partition: str) -> Mapping[str, str] | None:
    """Tags of the newest materialization of one partition; None when there is none."""
    records = dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[partition])
    found = instance.fetch_materializations(records, limit=1).records
    if not found or found[0].asset_materialization is None:
        return None
    return found[0].asset_materialization.tags or {}


def in_the_making(layout: Layout, shot: str) -> bool:
    """Whether a shot with a scene still lacks the shot.yaml that its renderer writes last."""
    return exists(layout.scene(shot)) and not exists(join(layout.renders(shot), "shot.yaml"))


def shot_changed(instance: dg.DagsterInstance, layout: Layout, shot: str) -> str | None:
    """The fingerprint of a shot's source, if its G-buffer was made from another."""
    now = shot_source(layout, shot)
    tags = last_tags(instance, "gbuffer", shot)
    return now if tags is None or tags.get(SOURCE_TAG) != now else None


def drawing_changed(instance: dg.DagsterInstance, layout: Layout, character: str) -> str | None:
    """The fingerprint of a drawing, if its character was made from another."""
    now = drawing_source(layout, character)
    tags = last_tags(instance, "rig", character)
    return now if tags is None or tags.get(SOURCE_TAG) != now else None


def style_changed(instance: dg.DagsterInstance, layout: Layout, style: str) -> str | None:
    """The fingerprint of a style's source, if its model was learnt from another."""
    now = style_source(layout, style)
    tags = last_tags(instance, "stylizer", style)
    return now if tags is None or tags.get(SOURCE_TAG) != now else None


def champions(layout: Layout) -> dict[str, int]:
    """Style to the version its `champion` alias points at; styles without one are left out."""
    from osf_pipeline.tracking.tracker import Tracker, model_name

    tracker = Tracker.at(layout.home)
    found = {style: tracker.aliases(model_name(style)).get("champion") for style in layout.styles()}
    return {style: version for style, version in found.items() if version is not None}


def wanted_models(layout: Layout, shot: str, champions: Mapping[str, int]) -> dict[str, int] | None:
    """Style to champion version of a shot; None while it has no style, or a style of it has no champion."""
    try:
        needed = set(layout.shot_config(shot).styles.values())
    except OsfError:  # a bad shot.yaml; the run of its gbuffer says what is wrong
        return None
    return {style: champions[style] for style in sorted(needed)} if needed and needed <= champions.keys() else None


def models_changed(instance: dg.DagsterInstance, layout: Layout, shot: str, champions: Mapping[str, int]) -> str | None:
    """`style=version ...` of the champions of a prepared shot, unless its stylized layers were made with them."""
    wanted = wanted_models(layout, shot, champions)
    if wanted is None or last_tags(instance, "guidance", shot) is None:
        return None
    tags = last_tags(instance, "stylized", shot) or {}
    used = {key.removeprefix(MODEL_TAG): value for key, value in tags.items() if key.startswith(MODEL_TAG)}
    # shot.yaml may name styles of objects that never appear, so only styles that were used count.
    if used and all(str(champions.get(style)) == version for style, version in used.items()):
        return None
    return " ".join(f"{style}={version}" for style, version in wanted.items())
