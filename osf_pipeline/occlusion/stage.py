"""The training stage of the occlusion network: generated sets to a registered model.

Belongs here: identity of a training, its folder, tracking, registration, promotion. Does not: the loop (`training`),
the scores (`scores`).
"""

from __future__ import annotations

import io
import platform
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from osf_pipeline.config import checked
from osf_pipeline.execution import Progress
from osf_pipeline.layout import Layout, join
from osf_pipeline.occlusion.names import MODEL
from osf_pipeline.occlusion.recipe import OcclusionRecipe
from osf_pipeline.provenance import code_revision
from osf_pipeline.store.identity import identity
from osf_pipeline.tracking.gate import Gate

if TYPE_CHECKING:
    from model.occlusion_net import OcclusionNet
    from osf_pipeline.occlusion.examples import Example
    from osf_pipeline.occlusion.scores import Scores
    from osf_pipeline.tracking.tracker import Tracker

KIND = "occlusion"
STAGE_VERSION = 3
EXPERIMENT = "osf-occlusion"
ID_TAG = "osf.id"
LOGGED = 10
"""Steps between two records of the loss in MLflow."""

GATE = Gate(at_least={"f1": 0.60, "f1_gain": 0.15}, at_most={"ece": 0.1})
"""Of a champion, on metrics of `measure` over all pixels: sequences with next to nothing hidden have no F1 to speak of.
"""

MEASURED = (
    "F1 and ECE over all pixels that show a surface, of all validation sequences together (`f1`, `ece`), and the "
    "median of the sequences' F1 (`f1_median`); thresholds and calibration are those of the calibration sets"
)
"""What the card says of its metrics."""


@dataclass(frozen=True)
class TrainedOcclusion:
    """A trained and registered occlusion network.

    Attributes:
        version: registered version of `osf-occlusion`.
        url: local folder with weights.safetensors and card.json.
        metrics: what the promotion gate saw.
    """

    model: str
    version: int
    url: str
    reused: bool
    seconds: float
    metrics: dict[str, float]
    metadata: dict[str, Any] = field(default_factory=dict)
    preview_png: bytes | None = None


def train_occlusion(
    layout: Layout, progress: Progress | None = None, overrides: Mapping[str, Any] | None = None
) -> TrainedOcclusion:
    """Train, calibrate, measure, log, register as `candidate` and, past the gate, promote to `champion`.

    The same sets and recipe again do no work; an interrupted training continues, bit for bit.

    Args:
        overrides: keys of `OcclusionRecipe`.

    Raises:
        RequestError: for a bad recipe, a set that is not there, or a model that does not pass the gate (it stays
            registered).
    """
    from model.weights import read_card
    from osf_pipeline.occlusion.examples import FLOW, FLOW_VERSION, contents
    from osf_pipeline.tracking.tracker import Tracker

    began = time.monotonic()
    recipe = checked(dict(overrides or {}), OcclusionRecipe)
    sets = {name: contents(layout, name) for name in (*recipe.train, *recipe.calibration, *recipe.validation)}
    inputs = {"sets": sets, "flow": [FLOW, FLOW_VERSION]}
    training = identity(KIND, STAGE_VERSION, inputs, recipe.model_dump(mode="json"))
    tracker = Tracker.at(layout.home)
    version = tracker.find(MODEL, ID_TAG, training)
    reused = version is not None
    if version is None:
        version = _train(layout, recipe, sets, training, tracker, progress)
    ref = tracker.resolve(MODEL, version)
    card = read_card(ref.path)
    if tracker.aliases(MODEL).get("champion") != version:
        tracker.promote(MODEL, version, "champion", GATE, card["metrics"])
    described = {
        "model": MODEL,
        "version": version,
        "recipe": [{"key": key, "value": str(value)} for key, value in card["recipe"].items()],
        **{key: round(value, 4) for key, value in card["metrics"].items()},
    }
    return TrainedOcclusion(
        MODEL, version, str(ref.path), reused, time.monotonic() - began, card["metrics"], described,
        (ref.path / "reliability.png").read_bytes(),
    )  # fmt: skip


def _train(
    layout: Layout,
    recipe: OcclusionRecipe,
    sets: Mapping[str, Mapping[str, str]],
    training: str,
    tracker: Tracker,
    progress: Progress | None,
) -> int:
    import torch

    from model.occlusion_net import OcclusionCard, save
    from osf_pipeline.occlusion.examples import FLOW, FLOW_VERSION
    from osf_pipeline.occlusion.training import calibrate, computing_on, train
    from osf_pipeline.training.checkpoint import CHECKPOINT

    folder = Path(layout.home) / "training" / MODEL / training
    folder.mkdir(parents=True, exist_ok=True)
    tags = {ID_TAG: training, "code": code_revision()}
    with (
        tracker.run(EXPERIMENT, training, recipe.model_dump(mode="json"), tags) as run,
        computing_on(recipe.threads),
    ):
        for name, keys in sets.items():
            run.log_dataset(name, identity("set", STAGE_VERSION, keys, None), join(layout.root, "generated", name))

        def log(step: int, terms: dict[str, float]) -> None:
            if step % LOGGED == 0 or step == recipe.steps:
                run.log(step, terms)

        learnt = _examples(layout, recipe.train, sets, recipe.pairs, progress)
        network, history = train(learnt, recipe, progress, folder, log)
        fitted, judged = (
            list(_examples(layout, names, sets, recipe.pairs, progress))
            for names in (recipe.calibration, recipe.validation)
        )
        calibrate(network, fitted)
        metrics, pooled = measure(network, fitted, judged)
        card = OcclusionCard(
            architecture=network.architecture,
            threshold=metrics["threshold"],
            seed=recipe.seed,
            recipe=recipe.model_dump(mode="json"),
            data={
                "sets": {name: len(keys) for name, keys in sets.items()},
                "flow": f"{FLOW} {FLOW_VERSION}",
                "calibrated_on": list(recipe.calibration),
                "judged_on": list(recipe.validation),
                "measured": MEASURED,
            },
            metrics=metrics,
            versions={
                "osf-pipeline": metadata.version("osf-pipeline"),
                "torch": torch.__version__,
                "python": platform.python_version(),
            },
        )
        with tempfile.TemporaryDirectory() as scratch:
            made = Path(scratch) / "model"
            save(made, network, card)
            (made / "reliability.png").write_bytes(reliability_plot(pooled))
            version = tracker.register(MODEL, made, run.id, tags, f"learnt from {', '.join(recipe.train)}")
        run.log(recipe.steps, metrics)
        (folder / "loss.png").write_bytes(loss_plot(history))
        (folder / CHECKPOINT).unlink(missing_ok=True)
        run.log_dir(folder)
    tracker.set_alias(MODEL, version, "candidate")
    return version


def _examples(
    layout: Layout,
    names: tuple[str, ...],
    sets: Mapping[str, Mapping[str, str]],
    pairs: int,
    progress: Progress | None,
) -> Iterator[Example]:
    from osf_pipeline.occlusion.examples import examples

    shots = {shot: key for name in names for shot, key in sets[name].items()}
    for done, (shot, key) in enumerate(shots.items(), 1):
        yield from examples(layout, shot, key, pairs)
        if progress is not None:
            progress(done, len(shots), f"read {shot}")


def measure(
    network: OcclusionNet, fitted: Iterable[Example], judged: Iterable[Example]
) -> tuple[dict[str, float], Scores]:
    """Network and baseline (`scores.forward_backward`) on the same frames, over pixels that show a surface.

    `f1` is over all pixels of all sequences, `f1_median` the median of the sequences in which anything is hidden; both
    at the `threshold` that is best over all pixels of the `fitted` frames. `ece` is over all pixels, `ece_in_doubt`
    over those that `scores.DOUBT` leaves.

    Returns:
        the metrics on the `judged` frames, and the network's scores over all their sequences.
    """
    from osf_pipeline.occlusion.scores import Scores, f1_by_sequence, forward_backward, quartiles, scored

    folded = network.folded()
    answers = {"network": lambda e: folded.hidden(e.here, e.there, e.go, e.back), "baseline": forward_backward}
    best = {name: Scores.pooled(by.values()).best_threshold() for name, by in scored(answers, fitted).items()}
    found = scored(answers, judged)
    pooled = {name: Scores.pooled(scores.values()) for name, scores in found.items()}
    f1 = {name: pooled[name].f1(best[name]) for name in found}
    medians = {name: quartiles(list(f1_by_sequence(found[name], best[name]).values()))[1] for name in found}
    metrics = {
        "f1": f1["network"],
        "f1_baseline": f1["baseline"],
        "f1_gain": f1["network"] - f1["baseline"],
        "f1_median": medians["network"],
        "f1_baseline_median": medians["baseline"],
        "ece": pooled["network"].ece(),
        "ece_in_doubt": pooled["network"].in_doubt().ece(),
        "threshold": best["network"],
        "threshold_baseline": best["baseline"],
    }
    return metrics, pooled["network"]


def reliability_plot(scores: Scores) -> bytes:
    """PNG: share that is hidden over what was predicted, and how many pixels each point stands for."""
    from matplotlib.figure import Figure

    predicted, true, count = zip(*scores.reliability(), strict=True)
    figure = Figure((4, 4.6), dpi=120, layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.plot([0, 1], [0, 1], color="0.7", linewidth=0.8)
    upper.plot(predicted, true, "o-", color="tab:red")
    upper.set(ylabel="share hidden", xlim=(0, 1), ylim=(0, 1), title=f"ECE {scores.ece():.4f}")
    lower.bar(predicted, count, width=0.04, color="0.4")
    lower.set(xlabel="predicted probability", ylabel="pixels", yscale="log")
    return _png(figure)


def loss_plot(history: list[dict[str, float]]) -> bytes:
    """PNG: loss over steps."""
    from matplotlib.figure import Figure

    figure = Figure((6, 3.6), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    axes.plot([h["step"] for h in history], [h["loss"] for h in history], color="0.3", linewidth=0.8)
    axes.set(xlabel="step", ylabel="loss", yscale="log")
    return _png(figure)


def _png(figure: Any) -> bytes:
    found = io.BytesIO()
    figure.savefig(found, format="png")
    return found.getvalue()
