"""The evaluation and review stages of one shot.

Belongs here: which truth a shot has, the loop over its frames, the files written. Does not: metrics, regions, the page
itself.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import fsspec
import numpy as np
import pandas as pd

from osf_pipeline.color import decode_srgb
from osf_pipeline.colorspaces.spaces import in_rec709
from osf_pipeline.config import ShotConfig
from osf_pipeline.delivery.stage import RECORD, delivery_url
from osf_pipeline.evaluation.baselines import TextureLookup
from osf_pipeline.evaluation.evaluate import Candidate, Evaluator, csv, headline, markdown
from osf_pipeline.evaluation.regions import REGIONS
from osf_pipeline.execution import Progress
from osf_pipeline.exr.sequence import find_sequence
from osf_pipeline.layout import Layout, join
from osf_pipeline.results import StageResult
from osf_pipeline.shots import FrameRange
from osf_pipeline.store.files import listing, read_json, write_bytes, write_json
from osf_pipeline.store.version import Version, reopen, require

STAGE_VERSION = 3
REVIEW_VERSION = 2
"""Raised when the same inputs make another page; `STAGE_VERSION` does the same for the evaluation."""
OURS = "ours"
FOLDER, SUMMARY = "evaluation", "summary.json"
REVIEW, REVIEW_RECORD = "review", "review.json"
PERCEPTUAL_FRAMES = 24
"""Frames, spread over the shot, whose perceptual distance is measured: it costs more than all else together."""
COLORS = ("color", "beauty", "fill", "line")
"""Arrays of stores that hold premultiplied colour."""
COLUMNS = ("st_lpips", "ciede2000", "contour_f1", "contour_recall", "contour_precision")


def evaluate_shot(layout: Layout, shot: str, progress: Progress | None = None) -> StageResult:
    """Measure the current stylized version against the shot's truth, beside two baselines.

    The truth is the `reference` of shot.yaml, or what `osf sample` wrote. A shot without one has nothing to be measured
    against; the result says so.

    Raises:
        RequestError: when the shot is not stylized yet.
        InputDataError: when a truth file is missing or damaged.
    """
    began = time.monotonic()
    version = require(layout.store(shot, "stylized"), "stylize", shot)
    url = join(layout.delivery(shot, version.id), FOLDER)
    config = layout.shot_config(shot)
    truths = truth_files(layout, shot, config, version)
    summary = read_json(join(url, SUMMARY))
    wanted = {"version": STAGE_VERSION, "truth": _contents(truths)}
    reused = summary is not None and summary["of"] == wanted
    if summary is None or not reused:
        summary = _evaluate(layout, shot, config, version, truths, url, progress) if truths else {"table": []}
        summary["of"] = wanted
        summary["logged_with"] = _log(layout, shot, version, summary["table"])
        write_json(join(url, SUMMARY), summary)
    metadata: dict[str, Any] = {"frames_measured": len(truths), "truth": _describe(truths)}
    if summary["table"]:
        metadata |= {"metrics": summary["table"], "markdown": join(url, "metrics.md"), "csv": join(url, "metrics.csv")}
        metadata["logged_with"] = ", ".join(summary["logged_with"]) or "none: the models are not registered here"
    seconds = time.monotonic() - began
    return StageResult(
        shot, "evaluation", version.id, url, reused, len(version.frames), seconds, metadata,
        quarantined=version.quarantined, held=version.held,
    )  # fmt: skip


def review_shot(layout: Layout, shot: str, progress: Progress | None = None) -> StageResult:
    """Make the review page of the current stylized version: `deliveries/<shot>/<id>/review/index.html`.

    `review.json` is written last and names all that the page shows beside the version: an evaluation, a delivery or a
    truth that comes or changes later makes the page anew.

    Raises:
        RequestError: when the shot is not stylized yet.
        InputDataError: when a truth file is missing or damaged.
    """
    began = time.monotonic()
    version = require(layout.store(shot, "stylized"), "stylize", shot)
    folder = layout.delivery(shot, version.id)
    url = join(folder, REVIEW)
    config = layout.shot_config(shot)
    truths = truth_files(layout, shot, config, version)
    evaluated = read_json(join(folder, FOLDER, SUMMARY))
    delivered = read_json(join(delivery_url(layout, shot, version, config), RECORD))
    wanted = {
        "version": REVIEW_VERSION,
        "evaluation": evaluated and evaluated["of"],
        "delivery": delivered,
        "truth": _contents(truths),
        "fps": config.fps,
    }
    record = read_json(join(url, REVIEW_RECORD))
    reused = record is not None and record["of"] == wanted
    if not reused:
        _review(layout, shot, config, version, truths, delivered, url, progress)
        write_json(join(url, REVIEW_RECORD), {"of": wanted})
    page = join(url, "index.html")
    fs, sheet = fsspec.core.url_to_fs(join(url, "sheet.png"))
    seconds = time.monotonic() - began
    metadata = {"page": page, "frames": str(FrameRange.of(version.frames))}
    return StageResult(
        shot, "review", version.id, page, reused, len(version.frames), seconds, metadata, fs.cat_file(sheet),
        version.quarantined, version.held,
    )  # fmt: skip


def _review(
    layout: Layout,
    shot: str,
    config: ShotConfig,
    version: Version,
    truths: Mapping[int, str],
    delivered: Mapping[str, Any] | None,
    url: str,
    progress: Progress | None,
) -> None:
    from osf_pipeline.evaluation.review import ReviewData, ReviewFrame, frame_views, write_review
    from osf_pipeline.evaluation.truth import read_truth
    from osf_pipeline.guidance.stage import guide_picture

    gbuffer = reopen(layout.store(shot, "gbuffer"), version.record["inputs"]["gbuffer"])
    guidance = reopen(layout.store(shot, "guidance"), version.record["inputs"]["guidance"])

    def frames() -> Iterator[ReviewFrame]:
        for i, number in enumerate(version.frames):
            guides = _frame(guidance, i, ("contour", "contour_side", "revealed"))
            yield frame_views(
                number,
                _frame(gbuffer, i, ("color",))["color"],
                _frame(version, i, ("beauty", "line", "fill")),
                guide_picture(guides),
                guides["revealed"][0],
                read_truth(truths[number]).beauty if number in truths else None,
            )
            if progress:
                progress(i + 1, len(version.frames), "review")

    models = version.record["inputs"]["models"]
    provenance = [
        ("stylized", version.id),
        ("G-buffers", f"{gbuffer.id}, tier {gbuffer.attributes['tier']}"),
        ("guidance", guidance.id),
        *((f"model of {style}", f"{m['model']} version {m['version']}") for style, m in models.items()),
        *((f"weights of {style}", m["sha256"]) for style, m in models.items()),
        ("code", version.record["provenance"]["code"]),
        ("published", version.record["provenance"]["published"]),
        ("truth", _describe(truths)),
        *((name, str(FrameRange.of(bad))) for name, bad in _set_aside(version).items() if bad),
    ]
    delivery = delivery_url(layout, shot, version, config).rsplit("/", 1)[-1]
    beside = "../" if delivery == version.id else f"../../{delivery}/"
    places = {"EXR": "exr/", "PNG": "png/", "Video": delivered["video"]} if delivered else {}
    links = [(name, f"{beside}{place}") for name, place in places.items()]
    if load_table(layout, shot, version.id) is not None:
        links.append(("Metrics", "../evaluation/metrics.csv"))
    height, width = version.shape
    data = ReviewData(
        shot=shot,
        subtitle=f"{FrameRange.of(version.frames)}, {width}×{height}, {config.fps:g} fps",
        fps=config.fps,
        metrics=load_table(layout, shot, version.id),
        curves=load_table(layout, shot, version.id, "curves"),
        provenance=provenance,
        files=links,
    )
    write_review(url, data, frames())


def truth_files(layout: Layout, shot: str, config: ShotConfig, version: Version) -> dict[int, str]:
    """Frame number to truth file; empty when the shot has none.

    Frames that were left out or held are not measured, and neither are those in which an earlier drawing is shown: the
    truth is of the pose that would have been drawn.
    """
    if config.reference is not None:
        found = find_sequence(layout.renders(shot), config.reference, config.frames).urls
    else:
        fs, folder = fsspec.core.url_to_fs(layout.truth(shot))
        found = find_sequence(layout.truth(shot), f"{shot}.####.exr", config.frames).urls if fs.exists(folder) else {}
    unlike = {*version.quarantined, *version.held, *version.stepped}
    return {frame: url for frame, url in found.items() if frame not in unlike}


def _contents(truths: Mapping[int, str]) -> list[list[str]]:
    """Truth as it looks from outside: a truth that is written anew is measured against anew."""
    from osf_pipeline.evaluation.truth import truth_parts

    return listing(part for url in sorted(truths.values()) for part in truth_parts(url))


def _set_aside(version: Version) -> dict[str, tuple[int, ...]]:
    """Frames that do not show their own drawing, by why."""
    return {
        "left out, bad source": version.quarantined,
        "held, bad source": version.held,
        "on steps, earlier drawing shown": version.stepped,
    }


def _describe(truths: Mapping[int, str]) -> str:
    if not truths:
        return "none: set `reference` in shot.yaml to measure against frames of your own"
    kind = "reference pictures" if next(iter(truths.values())).endswith(".png") else "exact, from geometry"
    return f"{kind}, {len(truths)} frames"


def _evaluate(
    layout: Layout,
    shot: str,
    config: ShotConfig,
    version: Version,
    truths: Mapping[int, str],
    url: str,
    progress: Progress | None,
) -> dict[str, Any]:
    from osf_pipeline.evaluation.metrics import st_lpips
    from osf_pipeline.evaluation.truth import read_truth

    gbuffer = reopen(layout.store(shot, "gbuffer"), version.record["inputs"]["gbuffer"])
    guidance = reopen(layout.store(shot, "guidance"), version.record["inputs"]["guidance"])
    wished = ("rest_position", "part_id", "object_id", "motion", "motion_valid")
    geometry = tuple(name for name in wished if name in gbuffer.names)
    lookup = _texture_lookup(layout, next(iter(version.record["inputs"]["models"])))
    evaluator = Evaluator(perceptual=st_lpips(), parts=config.parts)
    wanted = [(i, frame) for i, frame in enumerate(version.frames) if frame in truths]
    # A picture shown twice is steady by itself, and the frames around one that is not measured are no neighbours.
    linked = {i for (before, _), (i, frame) in pairwise(wanted) if i == before + 1 and frame not in version.duplicated}
    stride = -(-len(wanted) // PERCEPTUAL_FRAMES)
    for done, (i, frame) in enumerate(wanted, 1):
        layers = _frame(version, i, ("beauty", "line"))
        seen = _frame(gbuffer, i, ("color", *geometry))
        candidates = {"raw render": Candidate(seen["color"])}
        if {"rest_position", "part_id"} <= seen.keys():
            thing = seen["object_id"][0] if "object_id" in seen else None
            painted = lookup.paint(seen["color"], seen["rest_position"], seen["part_id"][0], thing)
            candidates["texture lookup"] = Candidate(painted)
        candidates[OURS] = Candidate(layers["beauty"], layers["line"][3].astype(np.float32))
        evaluator.add(
            frame,
            read_truth(truths[frame]),
            seen["color"],
            candidates,
            revealed=_frame(guidance, i, ("revealed",))["revealed"][0].astype(np.float32),
            part_id=seen["part_id"][0] if "part_id" in seen else None,
            motion=seen.get("motion") if i in linked else None,
            motion_valid=seen["motion_valid"][0] if "motion_valid" in seen else None,
            perceptual=done % stride == 0,
        )
        if progress:
            progress(done, len(wanted), "evaluation")
    table, curves = evaluator.table(), evaluator.curves()
    main = [region for region in REGIONS if region in set(table["region"])]
    write_bytes(join(url, "metrics.csv"), csv(table).encode())
    write_bytes(join(url, "curves.csv"), csv(curves).encode())
    write_bytes(join(url, "metrics.md"), markdown(table).encode())
    return {"table": _short(table, main), "headline": headline(table[table["region"].isin(main)])}


def _log(layout: Layout, shot: str, version: Version, table: list[dict[str, Any]]) -> list[str]:
    """Record our rows with the trainings of the models that drew the version."""
    from osf_pipeline.tracking.evaluations import log_evaluation

    ours = [row for row in table if row["method"] == OURS]
    return log_evaluation(layout.home, shot, version.record["inputs"]["models"].values(), ours) if ours else []


def _frame(version: Version, position: int, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Arrays of one frame; colours in linear Rec. 709, the primaries of truths, metrics and screens."""
    arrays = {name: values[0] for name, values in version.read(position, position + 1, names).items()}
    return {n: in_rec709(a, version.attributes) if n in COLORS else a for n, a in arrays.items()}


def _texture_lookup(layout: Layout, style: str) -> TextureLookup:
    """The first exemplar of a style, carried by rest position."""
    from osf_pipeline.training.exemplar import load_exemplars

    exemplar = load_exemplars(layout.style_config(style), layout.style(style))[0]
    alpha = exemplar.drawing[3:]
    drawing = np.concatenate([decode_srgb(exemplar.drawing[:3]) * alpha, alpha])
    return TextureLookup(drawing, exemplar.buffers["rest_position"], exemplar.buffers["part_id"][0])


def _short(table: pd.DataFrame, regions: list[str]) -> list[dict[str, Any]]:
    """One flat row per region and method with the main metrics: what an asset or a terminal shows."""
    chosen = table[table["metric"].isin(COLUMNS) & table["region"].isin(regions)]
    wide = chosen.pivot_table(index=["region", "method"], columns="metric", values="value", sort=False, dropna=False)
    rows = []
    for row in wide.reset_index().to_dict("records"):
        numbers = {name: None if pd.isna(row[name]) else round(float(row[name]), 4) for name in COLUMNS if name in row}
        rows.append({"region": row["region"], "method": row["method"], **numbers})
    return rows


def load_table(layout: Layout, shot: str, version_id: str, name: str = "metrics") -> pd.DataFrame | None:
    """A table that `evaluate_shot` wrote for a version, or None."""
    fs, path = fsspec.core.url_to_fs(join(layout.delivery(shot, version_id), FOLDER, f"{name}.csv"))
    return pd.read_csv(io.BytesIO(fs.cat_file(path))) if fs.exists(path) else None
