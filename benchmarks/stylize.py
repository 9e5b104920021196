"""Guides and stylizer at 512x512 on two threads: seconds, memory, and the guides' share.

    python benchmarks/stylize.py [--quick]

Frames: the sample figure, filling the picture. The network and the drawn line are random, which cost what those of a
style cost. Baseline: one plain U-shaped generator of the kind earlier work runs (7x7 at full resolution, seven residual
blocks), once, on the same frames. Memory is the peak over the process with everything loaded.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
import torch
from common import finish, line, stylizer

from osf_pipeline.guidance.guides import GEOMETRY, OPTIONAL, guides
from osf_pipeline.guidance.rule import shot_rule
from osf_pipeline.render.frame import render_frame
from osf_pipeline.sample.make import SampleRequest, sample_scene
from osf_pipeline.shots import FrameRange

SIZE, THREADS = 512, 2


class PlainGenerator(torch.nn.Module):
    """The usual patch-trained generator of keyframe stylization: stride-2 encoder, residual blocks, skips, 7x7 ends."""

    def __init__(self, inputs: int = 7) -> None:
        super().__init__()
        conv = torch.nn.Conv2d
        self.first, self.down1, self.down2 = conv(inputs, 32, 7, 1, 3), conv(32, 64, 3, 2, 1), conv(64, 128, 3, 2, 1)
        self.blocks = torch.nn.ModuleList(
            torch.nn.Sequential(torch.nn.ReLU(), conv(128, 128, 3, 1, 1), torch.nn.ReLU(), conv(128, 128, 3, 1, 1))
            for _ in range(7)
        )
        self.up1, self.up2 = conv(256, 128, 3, 1, 1), conv(192, 128, 3, 1, 1)
        self.last = conv(128 + 32 + inputs, 64, 7, 1, 3)
        self.tail = torch.nn.Sequential(
            torch.nn.ReLU(), conv(64, 64, 3, 1, 1), torch.nn.ReLU(), conv(64, 64, 3, 1, 1), conv(64, 3, 1)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        up = torch.nn.functional.interpolate
        a = torch.relu(self.first(x))
        b = torch.relu(self.down1(a))
        c = d = self.down2(b)
        for block in self.blocks:
            d = d + block(d)
        d = torch.relu(self.up1(up(torch.cat([d, c], 1), scale_factor=2)))
        d = torch.relu(self.up2(up(torch.cat([d, b], 1), scale_factor=2)))
        return torch.tanh(self.tail(self.last(torch.cat([d, a, x], 1))))


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer frames")
    quick = parser.parse_args().quick
    count = 6 if quick else 16
    torch.set_num_threads(THREADS)
    frames = FrameRange.of(range(1001, 1001 + count))
    scene = sample_scene(SampleRequest(frames=str(frames), width=SIZE, height=SIZE), frames)
    rendered = [
        render_frame(
            scene, f, (SIZE, SIZE), previous=f - 1 if f > 1001 else None, following=None, supersample=1
        ).buffers
        for f in frames
    ]
    names = [n for n in ("color", *GEOMETRY, *OPTIONAL) if n in rendered[0] and "next" not in n]
    shot = [{name: frame[name][None] for name in names} for frame in rendered]
    rule = shot_rule(shot[0])
    ours = stylizer(rule.pixel)
    loaded = peak_mib()

    guide_times, net_times = [], []
    for t in range(count):
        start = time.perf_counter()
        found = guides(shot[t], shot[t - 1] if t else None, None, rule)
        middle = time.perf_counter()
        ours({n: v[0] for n, v in (shot[t] | found).items()})
        guide_times.append(middle - start)
        net_times.append(time.perf_counter() - middle)
    peak = peak_mib() - loaded

    plain = PlainGenerator().eval().requires_grad_(False)
    x = torch.from_numpy(np.random.default_rng(0).random((1, 7, SIZE, SIZE), np.float32))
    plain_times = []
    for _ in range(2 if quick else 4):
        start = time.perf_counter()
        with torch.inference_mode():
            plain(x)
        plain_times.append(time.perf_counter() - start)

    guide = line("guides", guide_times[1:])
    net = line("stylizer", net_times[1:])
    baseline = line("plain generator (baseline)", plain_times[1:])
    whole = guide + net
    print(f"{whole:.3f} s a frame, peak {peak:.0f} MiB over load; ratio to the baseline {whole / baseline:.3f}")
    finish(
        seconds_per_frame=whole,
        peak_mib_over_load=peak,
        guide_fraction=guide / whole,
        baseline_seconds=baseline,
        threads=THREADS,
    )


if __name__ == "__main__":
    main()
