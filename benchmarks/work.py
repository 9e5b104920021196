"""Work of one 512x512 frame: our stylizer against the two-stage design at its own size.

    python benchmarks/work.py [--quick] [--threads 2]

Multiply-accumulates are counted by hooks on every convolution. CPU seconds and peak memory over load are taken in
fresh processes, one design at a time, and their medians printed. The frame is covered from edge to edge, so that our
cropping to the figure saves nothing. Ours is the whole call, laying the strokes, packing and layers included; of the
two-stage design only the networks run, its deformable first stage with plain 3x3 convolutions (`two_stage`), so its
time and memory are understated. Guides (ours) and edges (theirs) are left out; `stylize.py` measures ours.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from common import finish, stylizer
from torch import nn
from two_stage import INPUTS, contour_network, texture_network

from model.stylizer import Stylizer as Network

SIZE = 512
DESIGNS = ("ours", "two-stage")


def macs(network: nn.Module, channels: int) -> int:
    """Multiply-accumulates of all convolutions for one frame."""
    total = 0

    def count(layer: nn.Conv2d, _: object, out: torch.Tensor) -> None:
        nonlocal total
        total += out.shape[2] * out.shape[3] * layer.weight.numel()

    hooks = [m.register_forward_hook(count) for m in network.modules() if isinstance(m, nn.Conv2d)]
    with torch.device("meta"), torch.no_grad():
        network.to("meta").eval()(torch.empty(1, channels, SIZE, SIZE))
    for hook in hooks:
        hook.remove()
    return total


def prepared(design: str) -> Callable[[], object]:
    """A call that draws one frame, everything loaded."""
    random = np.random.default_rng(0)
    if design == "ours":
        frame = {
            "color": np.concatenate([random.random((3, SIZE, SIZE)), np.ones((1, SIZE, SIZE))]).astype(np.float32),
            "contour": 32 * random.random((1, SIZE, SIZE), np.float32),
            "contour_side": random.integers(0, 2, (1, SIZE, SIZE), np.uint8),
            "contour_step": random.random((1, SIZE, SIZE), np.float32),
            "confidence": np.ones((1, SIZE, SIZE), np.float32),
            "rest_position": random.random((3, SIZE, SIZE), np.float32),
        }
        ours = stylizer(pixel=0.01)
        return lambda: ours(frame)
    networks = [network().eval().requires_grad_(False) for network in (texture_network, contour_network)]
    x = torch.from_numpy(random.random((1, INPUTS, SIZE, SIZE), np.float32))

    @torch.inference_mode()
    def draw() -> None:
        for network in networks:
            network(x)

    return draw


def measured(design: str, frames: int, threads: int) -> dict[str, float]:
    """CPU and wall seconds a frame after a first one, and peak memory over load, of this process."""
    torch.set_num_threads(threads)
    draw = prepared(design)
    loaded = _peak_mib()
    draw()
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(frames):
        draw()
    return {
        "cpu": (time.process_time() - cpu) / frames,
        "wall": (time.perf_counter() - wall) / frames,
        "mib": _peak_mib() - loaded,
    }


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _apart(design: str, arguments: argparse.Namespace) -> dict[str, float]:
    command = [sys.executable, __file__, "--only", design, "--threads", str(arguments.threads)]
    done = subprocess.run(command + ["--quick"] * arguments.quick, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one process of one frame each")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", choices=DESIGNS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        print(json.dumps(measured(arguments.only, 1 if arguments.quick else 3, arguments.threads)))
        return
    ours = Network()
    gmac = {
        "ours": macs(ours, len(ours.architecture.inputs)) / 1e9,
        "two-stage": (macs(texture_network(), INPUTS) + macs(contour_network(), INPUTS)) / 1e9,
    }
    found = {d: [_apart(d, arguments) for _ in range(1 if arguments.quick else 5)] for d in DESIGNS}
    median = {d: {k: statistics.median(run[k] for run in runs) for k in runs[0]} for d, runs in found.items()}
    for design in DESIGNS:
        m = median[design]
        print(
            f"{design:<12} {gmac[design]:7.1f} GMAC   {m['cpu']:7.3f} CPU s   {m['wall']:7.3f} s   "
            f"{m['mib']:6.0f} MiB over load   n={len(found[design])}"
        )
    a, b = (median[d] for d in DESIGNS)
    finish(
        gmac=gmac["ours"],
        two_stage_gmac=gmac["two-stage"],
        gmac_ratio=gmac["two-stage"] / gmac["ours"],
        cpu_seconds=a["cpu"],
        two_stage_cpu_seconds=b["cpu"],
        cpu_ratio=b["cpu"] / a["cpu"],
        mib=a["mib"],
        two_stage_mib=b["mib"],
        mib_ratio=b["mib"] / a["mib"],
        threads=arguments.threads,
    )


if __name__ == "__main__":
    main()
