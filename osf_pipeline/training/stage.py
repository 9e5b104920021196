"""The train stage: a style's drawing to a registered model.

Belongs here: identity of a training, its folder, tracking, registration, promotion. Does not: the loop itself (`loop`).

`home/training/<style>/<id>/` is the folder of a run: its checkpoint while it goes on, a preview for every held-out
check, loss curves, recipe and environment. All but the checkpoint stays, and is kept in MLflow too.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec
import yaml

from osf_pipeline.colorspaces.network import network_space
from osf_pipeline.colorspaces.source import input_fingerprint
from osf_pipeline.colorspaces.spaces import Space
from osf_pipeline.config import StyleConfig, checked
from osf_pipeline.execution import Progress
from osf_pipeline.layout import Layout, join
from osf_pipeline.provenance import code_revision
from osf_pipeline.results import TrainedStyle
from osf_pipeline.store.identity import identity
from osf_pipeline.tracking.gate import Gate
from osf_pipeline.training.recipe import Device, TrainRecipe

if TYPE_CHECKING:
    from osf_pipeline.tracking.tracker import Tracker

KIND = "stylizer"
STAGE_VERSION = 8
EXPERIMENT = "osf-stylizer"
ID_TAG = "osf.id"
PREVIEWS = "previews"
LOGGED = 10
"""Steps between two records of the losses in MLflow; `losses.csv` has every step."""
GATE = Gate(at_most={"held_out_ratio": 0.9})
"""A champion explains held-out composites of the drawing at least 10 % better than drawing no line at all."""


def train_style(
    layout: Layout,
    style: str,
    progress: Progress | None = None,
    overrides: Mapping[str, Any] | None = None,
    device: Device = "auto",
) -> TrainedStyle:
    """Train, log, register as `candidate` and, past the gate, promote to `champion`.

    The same exemplars and recipe again do no work; an interrupted training continues, bit for bit.

    Args:
        overrides: keys of `TrainRecipe` that take the place of style.yaml's.
        device: `auto` is CUDA where there is one. Models of two devices agree within rounding, so a training is found
            again whatever device it ran on.

    Raises:
        RequestError: for an unknown style, a bad recipe, a device that is not there, or a model that does not pass the
            gate (it stays registered).
        InputDataError: when the exemplar is damaged or does not fit together.
    """
    from osf_pipeline.exr.keyframe import resolved
    from osf_pipeline.tracking.tracker import Tracker, model_name

    began = time.monotonic()
    config = layout.style_config(style)
    recipe = checked({**config.recipe, **(overrides or {})}, TrainRecipe)
    model = model_name(style)
    files = _contents(config, layout.style(style))
    exemplars = []
    for entry in config.exemplars:
        read = resolved(entry, layout.style(style))  # a shot's frame is learnt as the shot's own shot.yaml reads it
        said = read.model_dump(mode="json", exclude={"ocio"})
        exemplars.append(said | {"keyframe": entry.keyframe, "ocio": input_fingerprint(read)})
    space = network_space(config.network_space, config.ocio)
    # The card names the licence.
    learnt = {
        "files": files, "exemplars": exemplars, "network_space": space.attributes, "license": config.license,
    }  # fmt: skip
    training = identity(KIND, STAGE_VERSION, learnt, recipe.model_dump(mode="json"))
    tracker = Tracker.at(layout.home)
    version = tracker.find(model, ID_TAG, training)
    reused = version is not None
    if version is None:
        dataset = identity("exemplars", STAGE_VERSION, learnt, None)
        version = _train(layout, style, config, space, recipe, (training, dataset), tracker, progress, device)
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
    ids: tuple[str, str],
    tracker: Tracker,
    progress: Progress | None,
    device: Device,
) -> int:
    """Train, log and register; `ids` are those of the training and of what it learns from."""
    from model.weights import save
    from osf_pipeline.tracking.tracker import model_name
    from osf_pipeline.training.checkpoint import CHECKPOINT
    from osf_pipeline.training.curves import plot, table
    from osf_pipeline.training.exemplar import load_exemplars
    from osf_pipeline.training.loop import train
    from osf_pipeline.training.numerics import environment, numerics

    training, dataset = ids
    exemplars = load_exemplars(config, layout.style(style), space)
    made_with = environment(numerics(recipe, device), recipe.threads)
    folder = Path(layout.home) / "training" / style / training
    (folder / PREVIEWS).mkdir(parents=True, exist_ok=True)
    for name, described in (
        ("recipe.yaml", recipe.model_dump(mode="json")),
        ("style.yaml", config.model_dump(mode="json", exclude_defaults=True)),
        ("environment.yaml", made_with),
    ):
        (folder / name).write_text(yaml.safe_dump(described, sort_keys=False))
    tags = {ID_TAG: training, "style": style, "code": code_revision()}
    told = tags | {f"environment.{name}": value for name, value in made_with.items()}
    with tracker.run(EXPERIMENT, f"{style} {training}", recipe.model_dump(mode="json"), told) as run:
        run.log_dataset(style, dataset, layout.style(style))

        def log(step: int, terms: dict[str, float]) -> None:
            if step % LOGGED == 0 or "held_out" in terms:
                run.log(step, terms)

        def keep(step: int, picture: bytes) -> None:
            path = folder / PREVIEWS / f"{step:06d}.png"
            path.write_bytes(picture)
            run.log_file(path, PREVIEWS)

        found = train(
            exemplars, recipe, progress, folder, license=config.license, on_step=log, on_snapshot=keep, device=device
        )
        with tempfile.TemporaryDirectory() as scratch:
            made = Path(scratch) / "model"
            card = save(made, found.model, found.card)
            (made / "preview.png").write_bytes(found.preview)
            version = tracker.register(
                model_name(style), made, run.id, tags, f"learnt from {len(exemplars)} drawing(s)"
            )  # fmt: skip
        run.log(int(card.metrics["stopped_at"]), card.metrics)
        (folder / "losses.csv").write_text(table(found.history))
        (folder / "losses.png").write_bytes(plot(found.history))
        (folder / CHECKPOINT).unlink(missing_ok=True)
        run.log_dir(folder)
    tracker.set_alias(model_name(style), version, "candidate")
    return version


def _contents(config: StyleConfig, base: str) -> dict[str, str]:
    """sha256 of every file the exemplars name.

    Raises:
        RequestError: when one is missing.
    """
    from osf_pipeline.errors import RequestError
    from osf_pipeline.exr.keyframe import resolved

    found = {}
    for entry in config.exemplars:
        strip = [entry.strip, entry.strip.removesuffix(".json") + ".png"] if entry.strip else []
        for name in filter(None, (entry.keyframe, entry.drawing, entry.mask, *strip)):
            url = resolved(entry, base).keyframe if name == entry.keyframe else join(base, name)
            fs, path = fsspec.core.url_to_fs(url)
            try:
                found[name] = hashlib.sha256(fs.cat_file(path)).hexdigest()
            except FileNotFoundError as error:
                raise RequestError(
                    "a file of the style is missing", file=url, fix="Mend the path in style.yaml."
                ) from error
    return found


def _card(folder: Path) -> dict[str, Any]:
    card: dict[str, Any] = json.loads((folder / "card.json").read_text())
    return card
