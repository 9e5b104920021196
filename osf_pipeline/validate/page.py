"""The validation of a shot as one static page: opened from disk, no server, no network.

Belongs here: what the page says. Does not: rules, the tables themselves (`validate.schema`), the page's form
(`page.html`; Jinja escapes every value there, for names in files are anybody's).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import Any

import pandas as pd
from jinja2 import Environment, StrictUndefined, Template

from osf_pipeline.buffers import FULL_TIER, GBUFFER
from osf_pipeline.colorspaces.source import input_color
from osf_pipeline.colorspaces.spaces import SPACES
from osf_pipeline.config import ShotConfig
from osf_pipeline.exr.header import read_header
from osf_pipeline.shots import FrameRange
from osf_pipeline.validate.findings import Severity
from osf_pipeline.validate.preflight import Report

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
STATES = {
    "ok": "ok", "warning": "with warnings", "error": "with errors", "held": "held: show a neighbour's picture",
    "quarantined": "quarantined: left out", "damaged": "damaged", "missing": "missing",
}  # fmt: skip
"""How a frame stands, and what the legend calls it."""
BRIEF = 150
"""Letters of a frame range after which headings break it off; the tables below have all of it."""
STRIP = 1240
"""Pixels in which the cells of all frames should find room."""


def report_facts(config: ShotConfig, report: Report) -> dict[str, Any]:
    """What `page` wants to know of a shot that is not ingested; reads one header."""
    facts: dict[str, Any] = {"settings": config.model_dump(mode="json")}
    if report.mapping is not None:
        facts |= {"source": report.mapping.describe(), "tier": str(report.mapping.tier)}
    if report.window is not None:
        first = report.manifest.loc[report.manifest["status"] == "ok", "file"].iloc[0]
        facts |= {
            "window": report.window,
            "display_window": report.display_window,
            "pixel_aspect": report.pixel_aspect,
            "color_space": input_color(config, read_header(first)).space.attributes,
        }
    return facts


def page(shot: str, manifest: pd.DataFrame, findings: pd.DataFrame, facts: Mapping[str, Any]) -> str:
    """The page, with style and script inside.

    Args:
        manifest: schema `MANIFEST`.
        findings: schema `FINDINGS`.
        facts: attributes of a G-buffer version, or as many of them as are known, and `settings`, the shot's
            configuration. Nothing in it is required.
    """
    rows = _records(findings)
    frames = _frames(manifest, rows)
    source = facts.get("source")
    sets = Counter(text for text in manifest["channels"] if text)
    names = {text: f"set {chr(65 + i) if i < 26 else i + 1}" for i, (text, _) in enumerate(sets.most_common())}
    return _template().render(
        shot=shot,
        subtitle=_subtitle(manifest, facts),
        verdict=_verdict(rows),
        frames=frames,
        cell=max(6, min(22, STRIP // max(1, len(frames)) - 2)),
        legend=_legend(frames),
        groups=_groups(rows),
        buffers=_buffers(source, facts.get("ranges") or {}) if source else [],
        ranges=bool(facts.get("ranges")),
        flags=source["flags"] if source else [],
        facts=list(_facts(facts)),
        statuses=sorted(set(manifest["status"])),
        manifest=[_row(row, frame, names) for row, frame in zip(_records(manifest), frames, strict=True)],
        channel_sets=[(name, ", ".join(text.split(","))) for text, name in names.items()],
    )


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


@cache
def _template() -> Template:
    text = (resources.files("osf_pipeline.validate") / "page.html").read_text(encoding="utf-8")
    return Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True).from_string(text)


@dataclass(frozen=True)
class _Frame:
    """One cell of the strip; `state` is a key of `STATES`."""

    number: int
    state: str
    title: str


def _frames(manifest: pd.DataFrame, rows: Iterable[Mapping[str, Any]]) -> list[_Frame]:
    said: dict[int, list[Mapping[str, Any]]] = {}
    for row in rows:
        if (number := _number(row["frame"])) is not None:
            said.setdefault(number, []).append(row)
    found = []
    for number, status in zip(manifest["frame"].tolist(), manifest["status"], strict=True):
        mine = said.get(number, [])
        severities = {row["severity"] for row in mine}
        state = next((s for s in ("error", "warning") if s in severities), "ok") if status == "ok" else status
        told = dict.fromkeys(f"{row['severity']} {row['rule']}" for row in mine)
        found.append(_Frame(number, state, ", ".join([f"frame {number}: {status}", *told])))
    return found


def _legend(frames: Iterable[_Frame]) -> list[dict[str, Any]]:
    numbers: dict[str, list[int]] = {}
    for frame in frames:
        numbers.setdefault(frame.state, []).append(frame.number)
    return [
        {"state": s, "count": len(numbers[s]), "text": text, "frames": "" if s == "ok" else _brief(_range(numbers[s]))}
        for s, text in STATES.items()
        if s in numbers
    ]


def _verdict(rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    counts = Counter(row["severity"] for row in rows)
    worst = next((s for s in SEVERITIES if counts[s]), "ok")
    told = [f"{counts[s]} {s}{'' if counts[s] == 1 else 's'}" for s in SEVERITIES if counts[s]]
    return {"severity": worst, "text": ", ".join(told) or "no findings"}


def _groups(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Findings by severity and rule; within, equal ones of several frames together."""
    groups: dict[tuple[int, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault((SEVERITIES.index(row["severity"]), row["rule"]), []).append(row)
    return [
        {
            "severity": SEVERITIES[order],
            "rule": rule,
            "count": len(mine),
            "frames": _brief(_range(_numbers(mine))),
            "fixes": list(dict.fromkeys(row["fix"] for row in mine if row["fix"])),
            "rows": _together(mine),
        }
        for (order, rule), mine in sorted(groups.items(), key=lambda group: group[0])
    ]


def _together(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows that say the same of several frames as one; a frame's own number in what they say counts as the same."""
    same: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        value = re.sub(rf"\b{_number(row['frame'])}\b", "#", row["value"])
        same.setdefault((row["channel"], value), []).append(row)
    found = []
    for (channel, value), mine in same.items():
        numbers, urls = _numbers(mine), list(dict.fromkeys(row["file"] for row in mine if row["file"]))
        found.append(
            {
                "frames": _range(numbers),
                "first": min(numbers, default=""),
                "channel": channel,
                "value": value if len(mine) > 1 else mine[0]["value"],
                "url": "\n".join(urls[:20]),
                "file": _name(urls[0]) if urls else "",
                "files": len(urls),
            }
        )
    return found


def _buffers(source: Mapping[str, Any], ranges: Mapping[str, Sequence[float]]) -> list[dict[str, Any]]:
    bindings, derived = source["bindings"], source["derived"]
    rows = []
    for name, buffer in GBUFFER.items():
        binding = bindings.get(name)
        if binding is None and name not in derived and name not in FULL_TIER:
            continue
        dtype = source["color_dtype"] if name == "color" else buffer.dtype
        least, greatest = (f"{value:.5g}" for value in ranges[name]) if name in ranges else ("", "")
        rows.append(
            {
                "name": name,
                "missing": binding is None and name not in derived,
                "source": ", ".join(binding["channels"]) if binding else "derived",
                "how": _how(binding) if binding else derived.get(name, ""),
                "dtype": f"{buffer.count} × {dtype}",
                "unit": buffer.unit,
                "least": least,
                "greatest": greatest,
            }
        )
    return rows


def _how(binding: Mapping[str, Any]) -> str:
    """Note and conversion of a binding in words."""
    told = [
        binding["note"],
        f"× {_vector(binding['scale'])}" if binding["scale"] else "",
        f"+ {_vector(binding['offset'])}" if binding["offset"] else "",
        "world space, turned by the camera" if binding["space"] == "world" else "",
        "averaged, edges repaired" if binding["averaged"] else "",
    ]
    return "; ".join(text for text in told if text) or "as stored"


def _facts(facts: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    settings, source = facts.get("settings", {}), facts.get("source")
    if source:
        yield "tier", str(facts["tier"])
        yield "adapter", f"{source['adapter']}: {source['evidence']}"
    if "window" in facts:
        yield "window", _window(facts["window"])
        yield "display window", _window(facts["display_window"])
        yield "pixel aspect", f"{facts['pixel_aspect']:g}"
    if "color_space" in facts:
        space = facts["color_space"]
        known = space["name"] in SPACES
        yield "colour of the store", space["name"] if known else f"{space['name']} {_vector(space['chromaticities'])}"
    if settings:
        configured = f"{settings['color_space']} in {settings['ocio']}" if settings["ocio"] else settings["color_space"]
        yield "colour of the files", configured
        yield "alpha", settings["alpha"]
        yield "camera", _camera(settings["camera"])
        for name in ("view", "cuts", "accept", "on_fault", "source", "frames"):
            if value := settings.get(name):
                yield name.replace("_", " "), ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        yield "frames a second", f"{settings['fps']:g}"
    if facts.get("objects"):
        yield "object ids", str(FrameRange.of(facts["objects"]))
    if "source_bytes" in facts:
        yield "source files", f"{facts['source_bytes'] / 1e6:.1f} MB"


def _camera(camera: Mapping[str, Any] | None) -> str:
    if not camera:
        return "none given"
    if "projection" not in camera:
        return f"one for each of {len(camera)} frames, first {_camera(next(iter(camera.values())))}"
    lens = f"scale {camera['scale']:g}" if camera["projection"] == "ortho" else f"field of view {camera['fov']:g}°"
    return (
        f"{camera['projection']}, {lens}, at {_vector(camera['position'])}, looking against {_vector(camera['back'])}"
    )


def _row(row: Mapping[str, Any], frame: _Frame, names: Mapping[str, str]) -> dict[str, Any]:
    known = row["width"] > 0
    return {
        "frame": row["frame"],
        "status": row["status"],
        "state": frame.state,
        "url": row["file"],
        "file": _name(row["file"]),
        "size": row["size"],
        "resolution": f"{row['width']}×{row['height']}" if known else "",
        "window": _window([row[corner] for corner in ("x0", "y0", "x1", "y1")]) if known else "",
        "channels": f"{names[row['channels']]}, {row['channels'].count(',') + 1}" if row["channels"] else "",
        "changed": _moment(row["mtime"]),
        "sha256": row["sha256"],
    }


def _subtitle(manifest: pd.DataFrame, facts: Mapping[str, Any]) -> str:
    parts = [_brief(_range(manifest["frame"].tolist())), f"{len(manifest)} frame{'' if len(manifest) == 1 else 's'}"]
    if "window" in facts:
        x0, y0, x1, y1 = facts["display_window"]
        parts.append(f"{x1 - x0 + 1}×{y1 - y0 + 1}")
    if "tier" in facts:
        parts.append(f"{facts['tier']} tier")
    return ", ".join(parts)


def _number(frame: Any) -> int | None:
    """Tables that were stored give nothing back as NaN."""
    return None if pd.isna(frame) else int(frame)


def _numbers(rows: Iterable[Mapping[str, Any]]) -> list[int]:
    return [number for row in rows if (number := _number(row["frame"])) is not None]


def _range(numbers: Sequence[int]) -> str:
    return str(FrameRange.of(numbers)) if numbers else ""


def _brief(text: str) -> str:
    return text if len(text) <= BRIEF else f"{text[:BRIEF].rpartition(',')[0]}, …"


def _name(url: str) -> str:
    return url.rsplit("/", 1)[-1]


def _window(window: Sequence[int]) -> str:
    x0, y0, x1, y1 = window
    return f"{x0}, {y0} to {x1}, {y1}"


def _vector(values: Iterable[float]) -> str:
    return "(" + ", ".join(f"{value:g}" for value in values) + ")"


def _moment(mtime: str) -> str:
    """Local files have seconds since 1970, object stores an ETag."""
    try:
        return datetime.fromtimestamp(float(mtime), UTC).strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        return mtime[:12]
