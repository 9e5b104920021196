"""The train stage: a style's drawing to a registered model.

Belongs here: identity of a training, tracking, registration, promotion. Does not: the loop itself (`loop`).
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fsspec
import numpy as np

from osf_pipeline.colorspaces.network import network_space
from osf_pipeline.colorspaces.source import input_fingerprint
from osf_pipeline.colorspaces.spaces import LINEAR_REC709, Space, convert
from osf_pipeline.config import StyleConfig
from osf_pipeline.execution import Progress
from osf_pipeline.layout import Layout, join
from osf_pipeline.provenance import code_revision
from osf_pipeline.results import TrainedStyle
from osf_pipeline.store.identity import identity
from osf_pipeline.tracking.gate import Gate
from osf_pipeline.training.recipe import TrainRecipe

KIND = "stylizer"
STAGE_VERSION = 1
EXPERIMENT = "osf-stylizer"
ID_TAG = "osf.id"
GATE = Gate(at_most={"held_out_ratio": 0.9})
"""A champion explains held-out composites of the drawing at least 10 % better than drawing no line at all."""


def train_style(
    layout: Layout, style: str, progress: Progress | None = None, overrides: Mapping[str, Any] | None = None
) -> TrainedStyle:
    """Train, log, register as `candidate` and, past the gate, promote to `champion`.

    The same exemplars and recipe again do no work; an interrupted training continues, bit for bit.

    Args:
        overrides: keys of `TrainRecipe` that take the place of style.yaml's.

    Raises:
        RequestError: for an unknown style, a bad recipe, or a model that does not pass the gate (it stays registered).
        InputDataError: when the exemplar is damaged or does not fit together.
    """
    from osf_pipeline.tracking.tracker import Tracker, model_name

    began = time.monotonic()
    config = layout.style_config(style)
    recipe = TrainRecipe.model_validate({**config.recipe, **(overrides or {})})
    model = model_name(style)
    files = _contents(config, layout.style(style))
    exemplars = [
        entry.model_dump(mode="json", exclude={"ocio"}) | {"ocio": input_fingerprint(entry)}
        for entry in config.exemplars
    ]
    space = network_space(config.network_space, config.ocio)
    learnt = {"files": files, "exemplars": exemplars, "network_space": space.attributes}
    training = identity(KIND, STAGE_VERSION, learnt, recipe.model_dump(mode="json"))
    tracker = Tracker.at(layout.home)
    version = tracker.find(model, ID_TAG, training)
    reused = version is not None
    if version is None:
        version = _train(layout, style, config, space, recipe, training, model, tracker, progress)
    ref = tracker.resolve(model, version)
    card = _card(ref.path)
    if tracker.aliases(model).get("champion") != version:
        tracker.promote(model, version, "champion", GATE, card["metrics"])
    preview = ref.path / "preview.png"
    metadata = {
        "model": model,
        "version": version,
        "recipe": [{"key": key, "value": str(value)} for key, value in card["recipe"].items()],
        "network_space": card["color_space"]["name"],
        "stroke_px": round(card["stroke"], 2),
        "license": card["license"],
        **{key: round(value, 4) for key, value in card["metrics"].items()},
    }
    return TrainedStyle(
        style, model, version, str(ref.path), reused, time.monotonic() - began, card["metrics"], card, metadata,
        preview.read_bytes() if preview.exists() else None,
    )  # fmt: skip


def _train(
    layout: Layout,
    style: str,
    config: StyleConfig,
    space: Space,
    recipe: TrainRecipe,
    training: str,
    model: str,
    tracker: Any,
    progress: Progress | None,
) -> int:
    from model.weights import save
    from osf_pipeline.training.exemplar import load_exemplars
    from osf_pipeline.training.loop import train

    exemplars = load_exemplars(config, layout.style(style), space)
    checkpoints = Path(layout.home) / "training" / style / training
    tags = {ID_TAG: training, "style": style, "code": code_revision()}
    with tracker.run(EXPERIMENT, f"{style} {training}", recipe.model_dump(mode="json"), tags) as run:

        def log(step: int, terms: dict[str, float]) -> None:
            if step % 10 == 0 or "held_out" in terms:
                run.log(step, terms)

        found = train(exemplars, recipe, progress, checkpoints, license=config.license, on_step=log)
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "model"
            card = save(folder, found.model, found.card)
            (folder / "preview.png").write_bytes(_preview(exemplars[0], found.model, card))
            version = tracker.register(model, folder, run.id, tags, f"learnt from {len(exemplars)} drawing(s)")
        run.log(recipe.steps, card.metrics)
    tracker.set_alias(model, version, "candidate")
    shutil.rmtree(checkpoints, ignore_errors=True)
    return int(version)


def _contents(config: StyleConfig, base: str) -> dict[str, str]:
    """sha256 of every file the exemplars name.

    Raises:
        RequestError: when one is missing.
    """
    from osf_pipeline.errors import RequestError

    found = {}
    for entry in config.exemplars:
        for name in (entry.keyframe, entry.drawing, entry.mask):
            if name is None:
                continue
            fs, path = fsspec.core.url_to_fs(join(base, name))
            try:
                found[name] = hashlib.sha256(fs.cat_file(path)).hexdigest()
            except FileNotFoundError as error:
                raise RequestError(
                    "a file of the style is missing", file=join(base, name), fix="Mend the path in style.yaml."
                ) from error
    return found


def _card(folder: Path) -> dict[str, Any]:
    import json

    card: dict[str, Any] = json.loads((folder / "card.json").read_text())
    return card


def _preview(exemplar: Any, network: Any, card: Any) -> bytes:
    """The drawing beside the model's own drawing of the keyframe, as a small PNG on white."""
    import torch

    from model.contours import contours
    from osf_pipeline.color import decode_srgb
    from osf_pipeline.delivery.preview import beside, encode_png, picture, resized
    from osf_pipeline.stylize.frame import Stylizer
    from osf_pipeline.training.exemplar import prepare

    def tensor(name: str, dtype: Any) -> torch.Tensor:
        return torch.from_numpy(exemplar.buffers[name].astype(dtype))[None]

    surfaces = [tensor(name, np.float32) for name in ("depth", "rest_position", "normal")]
    ids = [tensor(name, np.int32) for name in ("part_id", "object_id")]
    found = contours(surfaces[0], surfaces[1], surfaces[2], ids[0], ids[1], prepare(exemplar).rule)
    frame = {
        "color": exemplar.buffers["color"],
        "contour": found.distance[0].numpy(),
        "contour_side": found.side[0].numpy(),
        "confidence": np.ones_like(exemplar.buffers["depth"]),
        "rest_position": exemplar.buffers["rest_position"],
    }
    alpha = exemplar.drawing[3:]
    paper = np.concatenate([decode_srgb(exemplar.drawing[:3]) * alpha, alpha])
    drawn = Stylizer(network, card, space=exemplar.space)(frame)["beauty"]
    shown = [picture(convert(layer, exemplar.space, LINEAR_REC709)) for layer in (paper, drawn)]
    return encode_png(resized(beside(shown), 480))
