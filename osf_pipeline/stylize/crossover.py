"""A cross-over: one shot in many styles, and one sheet to choose from.

Belongs here: which versions are made, and the sheet. Does not: making a version (`stage`), which leaves the shot's
current one as it is.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from osf_pipeline.colorspaces.spaces import in_rec709
from osf_pipeline.delivery.preview import encode_png, picture, resized
from osf_pipeline.errors import RequestError
from osf_pipeline.evaluation.sheets import labelled_sheet
from osf_pipeline.execution import Execution, Progress
from osf_pipeline.layout import Layout, join
from osf_pipeline.results import StageResult
from osf_pipeline.store.files import write_bytes
from osf_pipeline.store.identity import identity
from osf_pipeline.store.version import Version, reopen
from osf_pipeline.stylize.stage import KIND as STYLIZED
from osf_pipeline.stylize.stage import stylize_shot

KIND = "crossover"
STAGE_VERSION = 1
SHEET = "crossover.png"
CELL = 240
"""Width of a picture on the sheet, at most."""

MARGIN = 8
"""Pixels of paper kept around what is seen."""


def cross_over(
    layout: Layout,
    shot: str,
    styles: Sequence[str],
    presets: Sequence[str] = (),
    columns: int = 4,
    execution: Execution | None = None,
    progress: Progress | None = None,
    alias: str = "champion",
) -> StageResult:
    """Stylize a shot once in each style, under each preset, and lay the results out on one sheet.

    Every object that the shot stylizes is drawn in the style of the row. What is there already is not made again.

    Args:
        styles: one row each; with presets, one for each of them.
        presets: looks of everything; the shot's own looks when empty.
        columns: frames on the sheet, spread over the shot.

    Returns:
        `metadata` names the sheet and the version of every row.

    Raises:
        RequestError: without a style; and as `stylize_shot`.
        InputDataError: as `stylize_shot`.
    """
    if not styles:
        raise RequestError("a cross-over needs styles", shot=shot, fix="Name one or more with `--style`.")
    began = time.monotonic()
    rows = [(style, preset) for style in dict.fromkeys(styles) for preset in dict.fromkeys(presets or (None,))]
    made = [
        stylize_shot(layout, shot, execution, progress, alias, preset=preset, style=style, make_current=False)
        for style, preset in rows
    ]
    versions = [reopen(layout.store(shot, STYLIZED), result.id) for result in made]
    labels = [style if preset is None else f"{style}  {preset}" for style, preset in rows]
    positions = _spread(versions[0], columns)
    sheet_id = identity(KIND, STAGE_VERSION, [version.id for version in versions], [labels, positions])
    url = layout.delivery(shot, f"{KIND}-{sheet_id}")
    sheet = _sheet(versions, labels, positions)
    write_bytes(join(url, SHEET), sheet)
    versions_made = [
        {"row": label, "version": result.id, "url": result.url} for label, result in zip(labels, made, strict=True)
    ]
    return StageResult(
        shot, KIND, sheet_id, url, all(result.reused for result in made), len(versions[0].frames),
        time.monotonic() - began, {"sheet": join(url, SHEET), "versions": versions_made}, sheet,
        made[0].quarantined, made[0].held,
    )  # fmt: skip


def _spread(version: Version, columns: int) -> list[int]:
    """Positions of frames that can be shown, evenly over the shot, its ends included."""
    good = [at for at, frame in enumerate(version.frames) if frame not in version.quarantined]
    if not good:
        raise RequestError("no frame of the shot can be shown", store=version.url, fix="Mend its source, run again.")
    return [good[i] for i in sorted({round(x) for x in np.linspace(0, len(good) - 1, columns)})]


def _sheet(versions: Sequence[Version], labels: Sequence[str], positions: Sequence[int]) -> bytes:
    """PNG: a row for each version, a column for each frame, cropped to all that any of them shows."""
    layers = [
        [in_rec709(version.read(at, at + 1, ("beauty",))["beauty"][0], version.attributes) for at in positions]
        for version in versions
    ]
    seen = np.any([layer[3] > 0 for row in layers for layer in row], axis=0)
    rows, columns = (np.flatnonzero(seen.any(axis)) for axis in (1, 0))
    box = tuple(
        slice(max(0, int(found[0]) - MARGIN), int(found[-1]) + 1 + MARGIN) if len(found) else slice(None)
        for found in (rows, columns)
    )
    pictures = [[resized(picture(layer)[box], CELL) for layer in row] for row in layers]
    return encode_png(labelled_sheet(pictures, labels, [str(versions[0].frames[at]) for at in positions]))
