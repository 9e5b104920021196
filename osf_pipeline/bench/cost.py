"""What a method costs: work, time and memory of a frame, parameters.

Belongs here: measuring one method in a process of its own. Does not: seconds of learning (they are a fit's own).

Memory is the peak while drawing, over what is resident once everything is loaded. Linux tells the peak of a process
and lets it be reset; elsewhere memory is not measured.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from osf_pipeline.bench import code
from osf_pipeline.bench.fits import Style, learn, settings
from osf_pipeline.bench.footage import StoredFootage
from osf_pipeline.bench.method import Budget, Fit, Method
from osf_pipeline.bench.sequences import BenchSequence, generated
from osf_pipeline.execution import Execution
from osf_pipeline.generate.plan import GenerateRequest
from osf_pipeline.layout import Layout, join
from osf_pipeline.store.files import read_json, write_json
from osf_pipeline.store.identity import identity

SIZE = 512
"""Side of the frame whose multiply-accumulates are counted."""
FRAMES = 6
STEPS = 1
"""Of the fit that is drawn with: what it costs to draw does not depend on how much was learnt."""
RECORD = "cost.json"
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Cost:
    """What a method costs.

    Attributes:
        gmac: multiply-accumulates of its networks for a 512x512 frame, in units of 10^9.
        parameters: of its networks.
        size: side of the frames that were drawn, in pixels.
        seconds, cpu_seconds: wall and processor time of one, medians; reading it is not counted, flow that the method
            asks for is.
        memory_mib: peak over load; None where the system does not tell.
    """

    gmac: float
    parameters: int
    size: int
    seconds: float
    cpu_seconds: float
    memory_mib: float | None


def cost(layout: Layout, cache: str, method: Method, size: int, threads: int) -> Cost:
    """Measure a method on a generated sequence, or take what was measured before.

    Args:
        cache: folder where costs and the fits behind them are kept.
        size: side of the frames.
    """
    request = GenerateRequest(
        split="test", seed=10_000 + size, sequences=1, characters=1, frames=FRAMES, width=size, height=size
    )
    used = code.digest([*code.DRAW, code.of_object(method)])
    recipe = {"method": settings(method, ["meaning"]), "request": request.model_dump(mode="json"), "threads": threads}
    url = join(cache, "cost", identity("cost", 1, {}, recipe, [used]), RECORD)
    found = read_json(url)
    if found is None:
        fresh = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=fresh, max_tasks_per_child=1) as pool:
            # A process that has learnt holds memory that drawing would use again.
            pool.submit(_make_ready, layout, cache, method, request, threads).result()
            found = asdict(pool.submit(_measure, layout, cache, method, request, threads).result())
        write_json(url, found)
    return Cost(**found)


def _prepare(
    layout: Layout, cache: str, method: Method, request: GenerateRequest, threads: int
) -> tuple[BenchSequence, Style, Fit]:
    """What is drawn, and what with; made now unless it is there."""
    import torch

    torch.set_num_threads(threads)
    (sequence,) = generated(layout, request, Execution(threads=threads))
    (name,) = set(sequence.styles.values())
    style = Style.read(layout, name)
    return sequence, style, learn(join(cache, "fits"), style, method, Budget(STEPS, threads=threads)).fit


def _make_ready(layout: Layout, cache: str, method: Method, request: GenerateRequest, threads: int) -> None:
    _prepare(layout, cache, method, request, threads)


def _measure(layout: Layout, cache: str, method: Method, request: GenerateRequest, threads: int) -> Cost:
    """In a process that has done nothing else."""
    sequence, style, fit = _prepare(layout, cache, method, request, threads)
    drawer = method.drawer(style.exemplars, fit)
    footage = StoredFootage(sequence, kept=FRAMES)
    for position in range(FRAMES):
        _ = footage[position]
    loaded = _resident()
    walls, processors = [], []
    for position in range(1, FRAMES):
        began, busy = time.perf_counter(), time.process_time()
        drawer(footage, position)
        walls.append(time.perf_counter() - began)
        processors.append(time.process_time() - busy)
    peak = _peak()
    memory = None if loaded is None or peak is None else round(peak - loaded, 1)
    return Cost(
        round(method.macs(fit, SIZE, SIZE) / 1e9, 2),
        int(fit.facts.get("parameters", 0)),
        request.width,
        round(median(walls[1:]), 4),  # the first warms up
        round(median(processors[1:]), 4),
        memory,
    )


def _resident() -> float | None:
    """MiB resident now; the peak counts from here."""
    if not CLEAR.exists():
        return None
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):  # of glibc: freed memory is not resident
        trim(0)
    CLEAR.write_text("5")  # proc(5): resets VmHWM
    return _status("VmRSS")


def _peak() -> float | None:
    return _status("VmHWM") if STATUS.exists() else None


def _status(key: str) -> float:
    lines: Mapping[str, Any] = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return float(lines[key].split()[0]) / 1024
