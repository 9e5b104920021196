"""A small shot with two objects, in memory, and methods that are told apart at a glance."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import torch

from osf_pipeline.bench.method import Fit
from osf_pipeline.evaluation.evaluate import Candidate
from osf_pipeline.training.exemplar import exemplar_from_arrays

SIZE = 64


@dataclass(frozen=True)
class Number:
    """Learns its seed times a scale, and paints that grey over everything."""

    name: str = "number"
    meaning: str = "for tests"
    scale: float = 1.0
    learnt: ClassVar[list] = []

    def fit(self, exemplars, budget, log=None):
        self.learnt.append((self.name, budget))
        facts = {"steps": budget.steps, "seconds": float(len(self.learnt)), "parameters": 1}
        return Fit({"value": torch.tensor([self.scale * budget.seed])}, facts)

    def drawer(self, exemplars, fit):
        value = float(fit.tensors["value"])

        def draw(footage, position):
            height, width = footage.size
            return Candidate(np.full((4, height, width), value, np.float32), np.full((height, width), value))

        return draw

    def macs(self, fit, height, width):
        return height * width


@pytest.fixture
def number():
    Number.learnt.clear()
    return Number


@pytest.fixture
def exemplar():
    """One figure of one part on an empty ground, outlined in two inks."""
    y, x = np.mgrid[:SIZE, :SIZE]
    seen = ((x - 32) ** 2 + (y - 32) ** 2 < 400)[None]
    color = np.concatenate([0.5 * seen.repeat(3, 0), seen]).astype(np.float16)
    buffers = {
        "color": color,
        "depth": np.where(seen, 5.0, np.inf).astype(np.float32),
        "normal": np.concatenate([0 * seen, 0 * seen, seen]).astype(np.float16),
        "rest_position": (np.stack([x, -y, 0.3 * x]) * 0.01 * seen).astype(np.float32),
        "part_id": seen.astype(np.uint16),
        "object_id": seen.astype(np.uint16),
    }
    line = np.abs(np.hypot(x - 32, y - 32) - 18) < 2
    drawing = color.astype(np.float32)
    drawing[:3, line] = np.where(x < 32, 0.0, 0.2)[line]
    return exemplar_from_arrays(buffers, drawing)


@pytest.fixture
def footage():
    """Two frames: object 1 on the left, 2 on the right, 3 below, each on some background."""
    objects = np.zeros((SIZE, SIZE), np.uint16)
    objects[8:24, 4:28], objects[8:24, 36:60], objects[40:60, 20:44] = 1, 2, 3
    color = np.stack([*[0.25 * (objects > 0)] * 3, objects > 0]).astype(np.float16)
    frames = [{"color": color, "object_id": objects[None]}] * 2
    return Shown(frames, (1001, 1002))


class Shown(list):
    """`method.Footage` of given frames."""

    size = (SIZE, SIZE)

    def __init__(self, frames, numbers):
        super().__init__(frames)
        self.frames = numbers


@pytest.fixture
def sequence():
    """What identity asks of a sequence."""
    version = SimpleNamespace(id="0123")
    return SimpleNamespace(shot="s", group="g", gbuffer=version, guidance=version, truth={}, parts={}, styles={1: "a"})
