"""What the benchmark scripts share: medians, the printed table, the JSON line at the end."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from typing import Any


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
