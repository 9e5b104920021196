"""Learned occlusion against forward-backward consistency on held-out generated scenes, and what it costs.

    python benchmarks/occlusion.py --root ROOT [--validation val-0] [--test test-0] [--model champion]

Both answer from two pictures and the same estimated flow. Each threshold is the one of the best F1 over the validation
set; scores are taken per sequence of the test set, over pixels that show a surface, with no tolerance. Time is that of
both questions of a frame (hidden in the previous one, hidden in the next one) at 512x512 on two threads, without the
flow, beside the stylizer's on the same frame.
"""

from __future__ import annotations

import argparse
import statistics

import numpy as np
import torch
from common import finish, line, seconds, stylizer

from model.occlusion import Motion
from model.occlusion_net import OcclusionNet, load
from osf_pipeline.guidance.flow import total_variation_flow
from osf_pipeline.guidance.guides import GEOMETRY, OPTIONAL, guides
from osf_pipeline.guidance.rule import shot_rule
from osf_pipeline.layout import Layout
from osf_pipeline.occlusion.examples import contents, examples
from osf_pipeline.occlusion.names import MODEL
from osf_pipeline.occlusion.scores import Scores, f1_by_sequence, forward_backward, quartiles, scored
from osf_pipeline.render.frame import render_frame
from osf_pipeline.sample.make import SampleRequest, sample_scene
from osf_pipeline.shots import FrameRange
from osf_pipeline.tracking.tracker import Tracker

SIZE, THREADS = 512, 2
NETWORK, BASELINE = "network", "forward-backward"


def scores(layout: Layout, name: str, network: OcclusionNet, pairs: int) -> dict[str, dict[str, Scores]]:
    held_out = (e for shot, key in contents(layout, name).items() for e in examples(layout, shot, key, pairs))
    answers = {NETWORK: lambda e: network.hidden(e.here, e.there, e.go, e.back), BASELINE: forward_backward}
    return scored(answers, held_out)


def times(network: OcclusionNet) -> tuple[list[float], list[float]]:
    """Seconds of both questions of one frame, and of the stylizer on it; in turns, as other work comes and goes."""
    frames = FrameRange.of(range(1001, 1004))
    scene = sample_scene(SampleRequest(frames=str(frames), width=SIZE, height=SIZE), frames)
    before, now, after = (
        render_frame(scene, f, (SIZE, SIZE), previous=f - 1 if f > 1001 else None, following=None, supersample=1)
        for f in frames
    )
    names = [n for n in ("color", *GEOMETRY, *OPTIONAL) if n in now.buffers and "next" not in n]
    shot = {name: now.buffers[name][None] for name in names}
    rule = shot_rule(shot)
    ours = stylizer(rule.pixel)
    frame = {n: v[0] for n, v in (shot | guides(shot, None, None, rule)).items()}
    color = [torch.from_numpy(f.buffers["color"].astype(np.float32))[None] for f in (before, now, after)]
    seen = color[1][:, 3:] >= 0.5
    questions = []
    for other in (0, 2):
        a, b = (c[0].numpy() for c in (color[1], color[other]))
        go, back = (torch.from_numpy(-total_variation_flow(*pair))[None] for pair in ((b, a), (a, b)))
        questions.append((color[1], color[other], Motion(go, seen), Motion(back, seen)))

    def answer() -> None:
        with torch.inference_mode():
            for question in questions:
                network.hidden(*question)

    answer()
    ours(frame)
    turns = [(seconds(answer, 1)[0], seconds(lambda: ours(frame), 1)[0]) for _ in range(15)]
    return [a for a, _ in turns], [b for _, b in turns]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", required=True)
    parser.add_argument("--home")
    parser.add_argument("--validation", default="val-0")
    parser.add_argument("--test", default="test-0")
    parser.add_argument("--model", default="champion", help="alias or version")
    parser.add_argument("--pairs", type=int, default=6, help="of frames, per sequence")
    asked = parser.parse_args()
    torch.set_num_threads(THREADS)
    layout = Layout.of(asked.root, asked.home)
    network = load(Tracker.at(layout.home).resolve(MODEL, asked.model).path)[0].folded()

    chosen = scores(layout, asked.validation, network, asked.pairs)
    threshold = {name: Scores.pooled(found.values()).best_threshold() for name, found in chosen.items()}
    found = scores(layout, asked.test, network, asked.pairs)
    f1 = {name: f1_by_sequence(by_shot, threshold[name]) for name, by_shot in found.items()}
    print(f"{'sequence':<18}{NETWORK:>10}{BASELINE:>18}   hidden px")
    for shot, value in f1[NETWORK].items():
        print(f"{shot:<18}{value:>10.3f}{f1[BASELINE][shot]:>18.3f}{found[NETWORK][shot].hidden.sum():>12}")
    pooled = {name: Scores.pooled(by_shot.values()) for name, by_shot in found.items()}
    figures: dict[str, float] = {}
    for name, key in ((NETWORK, "network"), (BASELINE, "baseline")):
        low, middle, high = quartiles(list(f1[name].values()))
        figures[f"f1_{key}"], figures[f"f1_{key}_pooled"] = middle, pooled[name].f1(threshold[name])
        print(f"{name:<18} F1 median {middle:.3f} ({low:.3f} to {high:.3f}), pooled {figures[f'f1_{key}_pooled']:.3f}")
    figures["gain"] = statistics.median(f1[NETWORK][shot] - f1[BASELINE][shot] for shot in f1[NETWORK])
    figures["ece"] = quartiles([s.ece() for s in found[NETWORK].values()])[1]
    figures["ece_in_doubt"] = pooled[NETWORK].in_doubt().ece()

    both, drawing = times(network)
    figures["seconds"], figures["stylizer_seconds"] = line("both questions", both), line("stylizer", drawing)
    figures["share"] = figures["seconds"] / figures["stylizer_seconds"]
    print(f"{100 * figures['share']:.1f} % of the stylizer's time")
    finish(**figures, sequences=len(f1[NETWORK]), threads=THREADS)


if __name__ == "__main__":
    main()
