"""What inputs look like from outside: cheap enough to ask every few minutes whether something changed.

Belongs here: listings (name, size, modification time). Does not: contents; the library hashes those when it reads them,
and a false alarm here only makes a run that finds nothing to do.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import fsspec

from osf_pipeline.layout import Layout

SOURCE_TAG = "osf/source"
MODEL_TAG = "osf/model."


def shot_source(layout: Layout, shot: str) -> str:
    """16 hex digits over a shot's renders, its shot.yaml and what detection found."""
    return _fingerprint(layout.renders(shot), layout.config(shot))


def drawing_source(layout: Layout, character: str) -> str:
    """16 hex digits over a drawing's folder."""
    return _fingerprint(layout.drawing(character))


def style_source(layout: Layout, style: str) -> str:
    """16 hex digits over a style's folder."""
    return _fingerprint(layout.style(style))


def _fingerprint(*urls: str) -> str:
    entries: list[Any] = []
    for url in urls:
        fs, path = fsspec.core.url_to_fs(url)
        for name, info in sorted(fs.find(path, detail=True).items()):
            changed = info.get("mtime") or info.get("ETag") or info.get("LastModified") or info.get("created")
            entries.append((name.removeprefix(path), info["size"], str(changed)))
    return hashlib.sha256(json.dumps(entries).encode()).hexdigest()[:16]
