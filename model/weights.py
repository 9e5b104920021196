"""The stored form of a network: `weights.safetensors` beside `card.json`; and the card of a stylizer.

Belongs here: this one file format. Does not: registries (`osf_pipeline.tracking`) or training checkpoints
(`osf_pipeline.training`).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import nn

from model.stylizer import Architecture, Stylizer

WEIGHTS, CARD = "weights.safetensors", "card.json"
FORMAT = 2

LINEAR_REC709 = {"name": "linear-rec709", "chromaticities": [0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290]}


@dataclass(frozen=True)
class Card:
    """What a user must know of a model before running it.

    Attributes:
        architecture: how to build the network; names its inputs in order.
        stroke: stroke width in pixels; normalises the signed contour distance.
        pixel: scene units per pixel of the exemplar, the scale the line was learnt at.
        rest_box: two corners of the exemplar's rest positions in scene units.
        tier: the least a store must know: `full` or `estimated`.
        color_space: name and CIE 1931 x, y of red, green, blue and white of the scene-linear space that the network
            sees and draws in, under the sRGB curve.
        license: of the drawing and keyframe it was trained on.
        seed, recipe: enough to train it again.
        versions: of the software that made it.
        metrics: numbers of the training run.
        sha256: of the weights file.
    """

    architecture: Architecture
    stroke: float
    pixel: float
    rest_box: tuple[tuple[float, ...], tuple[float, ...]]
    license: str
    seed: int
    recipe: dict[str, Any]
    tier: str = "full"
    color_space: dict[str, Any] = field(default_factory=LINEAR_REC709.copy)
    versions: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    sha256: str = ""

    def to_json(self) -> dict[str, Any]:
        """JSON-ready; also says the receptive radius and the format version."""
        return {
            "format": FORMAT,
            **asdict(self),
            "architecture": self.architecture.to_json(),
            "receptive_radius": self.architecture.receptive_radius,
            "normalisers": {"signed_contour": "stroke + 3 px", "soft_edge": "exp(-(d / 1.5 px)^2)"},
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Card:
        """
        Raises:
            ValueError: for a card of another format or architecture.
        """
        if data.get("format") != FORMAT:
            raise ValueError(f"unknown card format {data.get('format')}; this version reads format {FORMAT}")
        architecture = Architecture.from_json(data["architecture"])
        low, high = data["rest_box"]
        known = {name: data[name] for name in cls.__dataclass_fields__}
        return cls(**{**known, "architecture": architecture, "rest_box": (tuple(low), tuple(high))})


def save(folder: Path, model: Stylizer, card: Card) -> Card:
    """Write both files into `folder` (made if needed) and return the card with its sha256."""
    return Card(**{**card.__dict__, "sha256": write(folder, model, card.to_json())})


def load(folder: Path) -> tuple[Stylizer, Card]:
    """Read a model on the CPU, unfolded.

    Raises:
        FileNotFoundError: when a file is missing.
        ValueError: when the card is of an unknown format, or the weights are not those the card names.
    """
    data = read_card(folder)
    card = Card.from_json(data)
    model = Stylizer(card.architecture)
    restore(folder, model, data["sha256"])
    return model.eval(), card


def write(folder: Path, model: nn.Module, card: dict[str, Any]) -> str:
    """Write a network's state and its card with the weights' sha256, which is returned."""
    folder.mkdir(parents=True, exist_ok=True)
    # Batch counters are training state; a model's bytes depend on what it computes alone.
    state = {k: v.contiguous() for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")}
    data = safetensors.torch.save(state)
    digest = hashlib.sha256(data).hexdigest()
    (folder / WEIGHTS).write_bytes(data)
    (folder / CARD).write_text(json.dumps({**card, "sha256": digest}, indent=2, sort_keys=True) + "\n")
    return digest


def read_card(folder: Path) -> dict[str, Any]:
    """The card as plain JSON."""
    card: dict[str, Any] = json.loads((folder / CARD).read_text())
    return card


def restore(folder: Path, model: nn.Module, sha256: str) -> None:
    """Fill a network with the stored state.

    Raises:
        ValueError: when the weights are not those of that sha256.
    """
    data = (folder / WEIGHTS).read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest != sha256:
        raise ValueError(f"{folder / WEIGHTS} has sha256 {digest}, its card says {sha256}")
    counters = {k: v for k, v in model.state_dict().items() if k.endswith("num_batches_tracked")}
    model.load_state_dict({**safetensors.torch.load(data), **counters})
