"""What each key of a look does to one frame: the sheet of `docs/look.md`.

python benchmarks/looks.py ROOT SHOT FRAME docs/images/looks.png
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from model.weights import load
from osf_pipeline.colorspaces.spaces import in_rec709, store_space
from osf_pipeline.delivery.preview import encode_png, picture, resized
from osf_pipeline.evaluation.lines import trace
from osf_pipeline.evaluation.sheets import labelled_sheet
from osf_pipeline.layout import Layout
from osf_pipeline.stylize.frame import Stylizer
from osf_pipeline.stylize.look import Look
from osf_pipeline.stylize.stage import ALL, GUIDES, inputs, styles_of
from osf_pipeline.tracking.tracker import Tracker, model_name

ROWS: dict[str, dict[str, dict[str, Any]]] = {
    "strength": {str(s): {"strength": s} for s in (0, 0.33, 0.67, 1)},
    "line.width": {str(w): {"line": {"width": w}} for w in (0.5, 1, 1.5, 2)},
    "line.threshold": {str(t): {"line": {"threshold": t}} for t in (0.2, 0.5, 0.8, 0.95)},
    "line.crispness": {str(c): {"line": {"crispness": c}} for c in (0.5, 1, 4, 16)},
    "occlusion": {str(o): {"occlusion": o} for o in (0, 0.5, 1, 1.5)},
    "line.color": {c: {"line": {"color": c}} for c in ("#8a1f1f", "#1f5a8a", "#2a6b2a", "#000000")},
    "post": {
        "none": {},
        "sharpen": {"post": [{"step": "sharpen"}]},
        "smooth": {"post": [{"step": "smooth", "radius": 4}]},
        "match to fill": {"post": [{"step": "match", "to": "fill"}]},
    },
}


def main(root: str, shot: str, frame: int, out: str) -> None:
    torch.set_num_threads(1)
    layout = Layout.of(root)
    gbuffer, guidance = inputs(layout, shot)
    at = gbuffer.position(frame)
    names = tuple(n for n in ("color", "rest_position", "object_id", "part_id") if n in gbuffer.names)
    pixels = {n: v[0] for n, v in (gbuffer.read(at, at + 1, names) | guidance.read(at, at + 1, GUIDES)).items()}
    style = next(iter(styles_of(layout.shot_config(shot), gbuffer.attributes["objects"] or [ALL], shot).values()))
    model = Tracker.at(layout.home).resolve(model_name(style), "champion")
    stylizer = Stylizer(*load(model.path), space=store_space(gbuffer.attributes))
    rows, columns = (np.flatnonzero((pixels["color"][3] > 0).any(axis)) for axis in (1, 0))
    box = slice(max(0, rows[0] - 12), rows[-1] + 13), slice(max(0, columns[0] - 12), columns[-1] + 13)
    pictures: list[list[np.ndarray]] = []
    widths: dict[str, float | None] = {}
    seconds = []
    for row, looks in ROWS.items():
        shown = []
        for name, look in looks.items():
            began = time.perf_counter()
            layers = stylizer(pixels, look=Look.model_validate(look))
            seconds.append(time.perf_counter() - began)
            found = trace(layers["line"][3].astype(np.float32)).width
            widths[f"{row} {name}"] = round(float(np.median(found)), 2) if len(found) else None
            shown.append(resized(picture(in_rec709(layers["beauty"], gbuffer.attributes))[box], 240))
        pictures.append(shown)
    labels = [f"{row}: {', '.join(looks)}" for row, looks in ROWS.items()]
    Path(out).write_bytes(encode_png(labelled_sheet(pictures, labels, [""] * 4)))
    for name, width in widths.items():
        print(f"{name:<24} stroke {width} px")
    print(json.dumps({"seconds_per_frame": round(float(np.median(seconds)), 3), "stroke_px": widths}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
