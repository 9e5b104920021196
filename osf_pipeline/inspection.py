"""What `osf inspect` prints: a root, a shot, a store. Reads only what is stored; computes nothing new."""

from __future__ import annotations

from typing import Any

import numpy as np

from osf_pipeline.layout import Layout, join
from osf_pipeline.shots import FrameRange
from osf_pipeline.store.build import verify as verify_version
from osf_pipeline.store.files import names, read_json
from osf_pipeline.store.version import Version, current, published, require

KINDS = ("gbuffer", "guidance", "stylized")
STAGE_OF = {"gbuffer": "ingest", "guidance": "guide", "stylized": "stylize"}


def describe_root(layout: Layout) -> list[str]:
    """Shots with their current versions, and styles."""
    lines = [f"root {layout.root}", f"home {layout.home}"]
    for shot in layout.shots():
        found = {kind: current(layout.store(shot, kind)) for kind in KINDS}
        state = "  ".join(f"{kind} {version.id if version else '-'}" for kind, version in found.items())
        lines.append(f"shot  {shot:<20} {state}")
    lines += [f"style {style}" for style in layout.styles()]
    return lines


def describe_shot(layout: Layout, shot: str) -> list[str]:
    """Every published version of a shot, the current one marked."""
    config = layout.shot_config(shot)
    lines = [f"shot {shot}  source {config.source}  adapter {config.adapter}  styles {config.styles or '-'}"]
    for kind in KINDS:
        store = layout.store(shot, kind)
        now = current(store)
        for version in published(store):
            mark = "*" if now is not None and version.id == now.id else " "
            when, code = version.record["provenance"]["published"], version.record["provenance"]["code"]
            frames = FrameRange.of(version.frames)
            lines.append(f"{mark} {kind:<9} {version.id}  {frames}  published {when}  code {code}")
    return lines


def describe_version(layout: Layout, shot: str, kind: str, verify: bool) -> list[str]:
    """Arrays with dtype, size and value range, then attributes and inputs of the current version."""
    version = require(layout.store(shot, kind), STAGE_OF.get(kind, kind), shot)
    height, width = version.shape
    lines = [f"{kind} {version.id}  {width}x{height}  {FrameRange.of(version.frames)}  {version.data_url}"]
    lines += [_array_line(version, name) for name in version.names]
    lines += [f"  {key}: {_short(value)}" for key, value in version.attributes.items()]
    lines += [f"  input {key}: {_short(value)}" for key, value in version.record["inputs"].items()]
    if verify:
        lines.append(f"  {verify_version(version)} shard objects match their checksums")
    return lines


def delivered(layout: Layout, shot: str) -> dict[str, str]:
    """Ids of the versions that a shot's deliveries were made from, and of which delivery each."""
    from osf_pipeline.bake.stage import RECORD as BAKE_RECORD
    from osf_pipeline.delivery.stage import RECORD

    folders = names(layout.deliveries(shot), "directory")
    records = {name: join(layout.deliveries(shot), name) for name in folders}
    whole = [
        name
        for name, url in records.items()
        if any(read_json(join(url, record)) is not None for record in (RECORD, BAKE_RECORD))
    ]
    return {name.split("-")[0]: f"delivery {name} is made from it" for name in whole}


def _array_line(version: Version, name: str) -> str:
    array = version.array(name)
    low, high = np.inf, -np.inf
    for start in range(len(version.frames)):
        values = np.asarray(array[start])
        finite = values[np.isfinite(values)]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    channels = "".join(str(c) for c in array.attrs["channels"])  # type: ignore[union-attr]
    return f"  {name:<18} {channels:<5} {array.dtype!s:<8} {low:.5g} .. {high:.5g}  {array.attrs['unit']}"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 120 else text[:117] + "..."
