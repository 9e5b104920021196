"""Results of the library as Dagster metadata, so that a materialization answers questions by itself.

Belongs here: kinds of metadata values. Does not: measuring anything.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import fsspec

from osf_pipeline.cli.console import show
from osf_pipeline.layout import local_path
from osf_pipeline.results import BuiltCharacter, StageResult, TrainedStyle
from osf_pipeline.store.identity import identity

PREVIEW_BYTES = 30_000
"""Metadata lies in the event log, so pictures in it stay small."""


def materialize(result: StageResult, tags: Mapping[str, str] | None = None) -> dg.MaterializeResult[None]:
    """One finished stage of a shot; its data version is the identity of the stored version."""
    show(result)
    metadata = {
        "frame_count": result.frames,
        "seconds": result.seconds,
        "reused": result.reused,
        "identity": result.id,
        **location(result.url),
        **values(result.metadata),
        **preview(result.preview_png),
    }
    return dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(result.id), tags=tags)


def materialize_style(result: TrainedStyle, tags: Mapping[str, str] | None = None) -> dg.MaterializeResult[None]:
    """One trained and registered style; its data version is the registered version."""
    show(result)
    metadata = {
        "model": result.model,
        "version": result.version,
        "seconds": result.seconds,
        "reused": result.reused,
        "card": dg.MetadataValue.json(result.card),
        **location(result.url),
        **values(result.metrics),
        **values(result.metadata),
        **preview(result.preview_png),
    }
    return dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(str(result.version)), tags=tags)


def materialize_character(result: BuiltCharacter, tags: Mapping[str, str] | None = None) -> dg.MaterializeResult[None]:
    """One built character; its data version is the identity of the version."""
    show(result)
    metadata = {
        "style": Path(result.style).name,
        "seconds": result.seconds,
        "reused": result.reused,
        **location(result.url),
        **values(result.metadata),
        **preview(result.preview_png),
    }
    return dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(result.id), tags=tags)


def materialize_scenes(results: Sequence[StageResult]) -> dg.MaterializeResult[None]:
    """The rendered scenes of one character, a row each; the data version covers them all."""
    for result in results:
        show(result)
    rows = [
        {"shot": r.shot, "frames": r.frames, "reused": r.reused, "seconds": r.seconds, "folder": r.url} for r in results
    ]
    version = identity("renders", 1, {r.shot: r.id for r in results}, {})
    metadata = {
        "scenes": len(results),
        **values({"rendered": rows}),
        **preview(next((r.preview_png for r in results), None)),
    }
    return dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(version))


def values(data: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers and text as they are, lists of flat dicts as tables, anything else as JSON."""
    return {key: _value(value) for key, value in data.items()}


def _value(value: Any) -> Any:
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        return table(value)
    return dg.MetadataValue.json(value)


def table(rows: list[dict[str, Any]]) -> dg.TableMetadataValue:
    """Rows of equal keys; what is no number or text is written as text."""
    plain = [
        {k: v if isinstance(v, bool | int | float | str) else str(v or "") for k, v in row.items()} for row in rows
    ]
    return dg.MetadataValue.table([dg.TableRecord(row) for row in plain])


def location(url: str) -> dict[str, Any]:
    """Where the result lies, its size, and a link for what a browser opens."""
    fs, path = fsspec.core.url_to_fs(url)
    local = local_path(url)
    found: dict[str, Any] = {
        "location": dg.MetadataValue.url(url) if local is None else dg.MetadataValue.path(str(local)),
        "megabytes": round(fs.du(path) / 1e6, 3),
    }
    if local is not None and local.suffix == ".html":
        found["open"] = dg.MetadataValue.url(local.as_uri())
    return found


def preview(png: bytes | None) -> dict[str, Any]:
    """A picture in the event itself, made smaller until it fits `PREVIEW_BYTES`."""
    if png is None:
        return {}
    from PIL import Image

    while len(png) > PREVIEW_BYTES:
        picture = Image.open(io.BytesIO(png))
        factor = min(0.9, (PREVIEW_BYTES / len(png)) ** 0.5)
        size = (max(1, int(picture.width * factor)), max(1, int(picture.height * factor)))
        smaller = io.BytesIO()
        picture.convert("RGBA").resize(size, Image.Resampling.LANCZOS).save(smaller, "PNG", optimize=True)
        png = smaller.getvalue()
    return {"preview": dg.MetadataValue.md(f"![preview](data:image/png;base64,{base64.b64encode(png).decode()})")}
