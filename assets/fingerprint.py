"""What inputs look like from outside: cheap enough to ask every few minutes whether something changed.

Belongs here: listings (name, size, modification time). Does not: contents; the library hashes those when it reads them,
and a false alarm here only makes a run that finds nothing to do.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import fsspec

from osf_pipeline.errors import OsfError
from osf_pipeline.layout import Layout

SOURCE_TAG = "osf/source"
MODEL_TAG = "osf/model."


def shot_source(layout: Layout, shot: str) -> str:
    """16 hex digits over a shot's renders, its shot.yaml, what detection found, and the presets its looks name."""
    return _fingerprint(layout.renders(shot), layout.config(shot), *_presets(layout, shot))


def drawing_source(layout: Layout, character: str) -> str:
    """16 hex digits over a drawing's folder."""
    return _fingerprint(layout.drawing(character))


def style_source(layout: Layout, style: str) -> str:
    """16 hex digits over a style's folder."""
    return _fingerprint(layout.style(style))


def _presets(layout: Layout, shot: str) -> list[str]:
    try:
        looks = layout.shot_config(shot).looks.values()
        return [layout.preset(look) for look in looks if isinstance(look, str)]
    except OsfError:  # a bad shot.yaml; the run of its gbuffer says what is wrong
        return []


def _fingerprint(*urls: str) -> str:
    entries: list[Any] = []
    for url in urls:
        fs, path = fsspec.core.url_to_fs(url)
        for name, info in sorted(fs.find(path, detail=True).items()):
            changed = info.get("mtime") or info.get("ETag") or info.get("LastModified") or info.get("created")
            entries.append((name.removeprefix(path), info["size"], str(changed)))
    return hashlib.sha256(json.dumps(entries).encode()).hexdigest()[:16]
