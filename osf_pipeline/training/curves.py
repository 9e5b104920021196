"""The loss curves of a training as files: a table, and a picture of it."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pandas as pd

Step = dict[str, float]


def table(history: Sequence[Step]) -> str:
    """CSV, a row for every step; `held_out` is empty but at held-out checks."""
    return pd.DataFrame(history).to_csv(index=False, lineterminator="\n", float_format="%.6g")


def plot(history: Sequence[Step]) -> bytes:
    """PNG: training and held-out loss over steps, both logarithmic in height."""
    from matplotlib.figure import Figure

    figure = Figure((6, 3.6), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    steps = pd.DataFrame(history).set_index("step")
    axes.plot(steps.index, steps["total"], color="0.75", linewidth=0.8, label="training, each step")
    axes.plot(steps.index, steps["total"].rolling(20, 1, center=True).mean(), color="0.3", label="training, mean of 20")
    held_out = steps["held_out"].dropna()
    axes.plot(held_out.index, held_out, "o-", color="tab:red", label="held out")
    axes.set(xlabel="step", ylabel="loss", yscale="log")
    axes.legend(frameon=False)
    found = io.BytesIO()
    figure.savefig(found, format="png")
    return found.getvalue()
