"""What the benchmark scripts share: medians, the printed table, the JSON line at the end, a stylizer to weigh."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from osf_pipeline.stylize.frame import Stylizer

ROWS, REACH = 1500, 8
"""Length and half width in pixels of a drawn line as styles of a figure of 384 pixels have it."""


def seconds(action: Callable[[], Any], repeats: int) -> list[float]:
    """Wall seconds of each of `repeats` calls."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return times


def line(name: str, times: list[float], note: str = "") -> float:
    """Print one row and return the median."""
    median = statistics.median(times)
    print(f"{name:<34} median {median:8.3f} s   min {min(times):8.3f} s   n={len(times)}   {note}", flush=True)
    return median


def finish(**figures: Any) -> None:
    """Print the figures as one JSON object: the last line of every benchmark."""
    print(json.dumps({key: round(value, 4) if isinstance(value, float) else value for key, value in figures.items()}))


def stylizer(pixel: float) -> Stylizer:
    """The default network with random weights and a random drawn line, which cost what those of a style cost.

    Args:
        pixel: scene units that one of the drawing covers.
    """
    import torch

    from model.strokes import FINE, Stroke, Strokes
    from model.stylizer import Architecture
    from model.stylizer import Stylizer as Network
    from model.weights import Card
    from osf_pipeline.stylize.frame import Stylizer

    random = torch.Generator().manual_seed(0)
    values = torch.rand(ROWS, 2 * FINE * REACH + 1, 4, generator=random)
    drawn = Strokes.of([Stroke(values, 2 * torch.rand(ROWS, 3, generator=random) - 1)], pixel)
    network = Network(Architecture(rows=ROWS, reach=REACH))
    network.strokes.load_state_dict(drawn.state_dict())
    return Stylizer(network, Card(network.architecture, 6.0, pixel, ((-1.0,) * 3, (1.0,) * 3), "none", 0, {}))
