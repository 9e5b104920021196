"""The first losses of a tiny training, against the recorded ones: a change means that training has changed.

After a change on purpose, record them anew: `docs/training.md` has the command.
"""

import os
from pathlib import Path

import pytest

from osf_pipeline.training.exemplar import exemplar_from_arrays
from osf_pipeline.training.loop import train
from osf_pipeline.training.recipe import TrainRecipe

GOLDEN = Path(__file__).with_name("golden_losses.txt")
RECIPE = TrainRecipe(
    steps=24, width=8, blocks=1, batch=4, patch=32, pool=4, refresh=3, snapshot=8, threads=1, precision="fp32"
)
TERMS = ("total", "pixel", "gradient", "sparsity", "held_out")
TOLERANCE = 2e-3
"""Relative. Another thread count moves these losses by up to 3e-4, 1 % more learning rate by 4e-3, bf16 by 2.5e-3."""


def as_text(history):
    rows = [[f"{step['step']:.0f}", *(f"{step[t]:.6f}" if t in step else "-" for t in TERMS)] for step in history]
    return "".join(" ".join(row) + "\n" for row in [["step", *TERMS], *rows])


def test_losses_equal_the_recorded_ones(keyframe):
    found = as_text(train([exemplar_from_arrays(*keyframe)], RECIPE).history)
    if os.environ.get("OSF_RECORD_GOLDEN"):
        GOLDEN.write_text(found)
    rows = [[line.split() for line in text.splitlines()] for text in (found, GOLDEN.read_text())]
    assert [row[0] for row in rows[0]] == [row[0] for row in rows[1]]
    for now, then in zip(rows[0][1:], rows[1][1:], strict=True):
        for term, value, recorded in zip(TERMS, now[1:], then[1:], strict=True):
            if recorded == "-":
                assert value == "-"
            else:
                assert float(value) == pytest.approx(float(recorded), rel=TOLERANCE), f"{term} of step {now[0]}"
