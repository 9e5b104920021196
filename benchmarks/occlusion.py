"""Learned occlusion against forward-backward consistency on held-out generated scenes, and what it costs.

    python benchmarks/occlusion.py --root ROOT [--calibration val-0] [--test test-0] [--model champion]

Both answer from two pictures and the same estimated flow. Each threshold is the one of the best F1 over the calibration
set; scores are taken over pixels that show a surface, with no tolerance: pooled over the test set, and per sequence.
Time is that of both questions of a frame (hidden in the previous one, hidden in the next one) at 512x512 on two
threads, without the flow, beside the stylizer's on the same frame.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from common import finish, line, seconds, stylizer
from matplotlib.figure import Figure
from torch import Tensor

from model.color import on_white
from model.occlusion import Motion
from model.occlusion_net import OcclusionNet, View, load
from osf_pipeline.guidance.guides import GEOMETRY, OPTIONAL, guides
from osf_pipeline.guidance.rule import shot_rule
from osf_pipeline.layout import Layout
from osf_pipeline.occlusion.examples import Example, contents, examples
from osf_pipeline.occlusion.flow import layer_flow
from osf_pipeline.occlusion.names import MODEL
from osf_pipeline.occlusion.scores import Estimate, Scores, f1_by_sequence, forward_backward, quartiles, scored
from osf_pipeline.render.frame import render_frame
from osf_pipeline.sample.make import SampleRequest, sample_scene
from osf_pipeline.shots import FrameRange
from osf_pipeline.tracking.tracker import Tracker

SIZE, THREADS, TURNS = 512, 2, 15
NETWORK, BASELINE = "network", "forward-backward"
SHOWN = (0.25, 0.5, 0.75)
"""Where among the sequences, ordered by the network's F1, those of the picture stand."""


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
    seen = [c[:, 3:] >= 0.5 for c in color]
    questions = []
    for other in (0, 2):
        a, b = (c[0].numpy() for c in (color[1], color[other]))
        go, back = (torch.from_numpy(-layer_flow(*pair))[None] for pair in ((b, a), (a, b)))
        questions.append((color[1], color[other], Motion(go, seen[1]), Motion(back, seen[other])))

    def answer() -> None:
        with torch.inference_mode():
            for question in questions:
                network.hidden(*question)

    answer()
    ours(frame)
    turns = [(seconds(answer, 1)[0], seconds(lambda: ours(frame), 1)[0]) for _ in range(TURNS)]
    return [a for a, _ in turns], [b for _, b in turns]


def draw(file: str, shown: Mapping[str, Example], answers: Mapping[str, Estimate], threshold: dict[str, float]) -> None:
    """One row an example: the frame, what is hidden, the network's probability, what the baseline calls hidden."""
    figure = Figure((7.2, 2.6 * len(shown)), dpi=100, layout="constrained")
    for row, (title, e) in zip(figure.subplots(len(shown), 4, squeeze=False), shown.items(), strict=True):
        view = View.of(e.seen, SIZE * SIZE)
        assert view is not None
        picture = view.part(on_white(e.here.float()))[0]
        found = {name: view.part(answer(e))[0] for name, answer in answers.items()}
        masks = (torch.zeros_like(picture[:1]), view.part(e.hidden)[0], found[NETWORK])
        for axes, mask, name in zip(
            row,
            (*masks, (found[BASELINE] >= threshold[BASELINE]) * view.part(e.seen)[0]),
            (title, "hidden in the neighbour", "network, probability", BASELINE),
            strict=True,
        ):
            axes.imshow(_marked(picture, mask, plain=mask is masks[0]), interpolation="nearest")
            axes.set_title(name, fontsize=8)
            axes.set_axis_off()
    figure.savefig(file)


def _marked(picture: Tensor, mask: Tensor, *, plain: bool) -> np.ndarray:
    """(y, x, 3): a picture, pale and grey unless `plain`, with red laid over it."""
    base = picture if plain else 0.5 + 0.4 * picture.mean(0, keepdim=True).expand_as(picture)
    red = picture.new_tensor([0.85, 0.0, 0.0]).view(3, 1, 1)
    return (base * (1 - mask) + red * mask).permute(1, 2, 0).clamp(0, 1).numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", required=True)
    parser.add_argument("--home")
    parser.add_argument("--calibration", default="val-0")
    parser.add_argument("--test", default="test-0")
    parser.add_argument("--model", default="champion", help="alias or version")
    parser.add_argument("--pairs", type=int, default=6, help="of frames, per sequence")
    parser.add_argument("--picture", help="PNG to draw three sequences into: quartiles and median of the network's F1")
    asked = parser.parse_args()
    torch.set_num_threads(THREADS)
    layout = Layout.of(asked.root, asked.home)
    network = load(Tracker.at(layout.home).resolve(MODEL, asked.model).path)[0].folded()
    answers: dict[str, Estimate] = {
        NETWORK: lambda e: network.hidden(e.here, e.there, e.go, e.back), BASELINE: forward_backward,
    }  # fmt: skip

    def held_out(name: str) -> Iterator[Example]:
        for shot, key in contents(layout, name).items():
            yield from examples(layout, shot, key, asked.pairs)

    fitted = scored(answers, held_out(asked.calibration))
    threshold = {name: Scores.pooled(by.values()).best_threshold() for name, by in fitted.items()}
    found = scored(answers, held_out(asked.test))
    f1 = {name: f1_by_sequence(by_shot, threshold[name]) for name, by_shot in found.items()}
    print(f"{'sequence':<18}{NETWORK:>10}{BASELINE:>18}   hidden px")
    for shot, value in f1[NETWORK].items():
        print(f"{shot:<18}{value:>10.3f}{f1[BASELINE][shot]:>18.3f}{found[NETWORK][shot].hidden.sum():>12}")
    pooled = {name: Scores.pooled(by_shot.values()) for name, by_shot in found.items()}
    figures: dict[str, float] = {}
    for name, key in ((NETWORK, "network"), (BASELINE, "baseline")):
        low, middle, high = quartiles(list(f1[name].values()))
        figures[f"f1_{key}"], figures[f"f1_{key}_median"] = pooled[name].f1(threshold[name]), middle
        print(
            f"{name:<18} F1 pooled {figures[f'f1_{key}']:.3f}, of sequences {middle:.3f} ({low:.3f} to {high:.3f}),"
            f" threshold {threshold[name]:.3f}"
        )
    figures["gain"] = figures["f1_network"] - figures["f1_baseline"]
    figures["gain_median"] = statistics.median(f1[NETWORK][shot] - f1[BASELINE][shot] for shot in f1[NETWORK])
    figures["ece"], figures["ece_in_doubt"] = pooled[NETWORK].ece(), pooled[NETWORK].in_doubt().ece()
    print(
        f"{figures['f1_network'] / figures['f1_baseline']:.2f} times the F1 of {BASELINE}; calibration error"
        f" {figures['ece']:.4f}, in doubt {figures['ece_in_doubt']:.3f}"
    )
    if asked.picture:
        ordered = sorted(f1[NETWORK], key=lambda shot: f1[NETWORK][shot])
        keys, shown = contents(layout, asked.test), {}
        for share in SHOWN:
            shot = ordered[round(share * (len(ordered) - 1))]
            candidates = examples(layout, shot, keys[shot], asked.pairs)
            shown[f"{shot}\nF1 {f1[NETWORK][shot]:.2f}"] = max(candidates, key=lambda e: int(e.hidden.sum()))
        with torch.inference_mode():
            draw(asked.picture, shown, answers, threshold)

    both, drawing = times(network)
    figures["seconds"], figures["stylizer_seconds"] = line("both questions", both), line("stylizer", drawing)
    figures["share"] = figures["seconds"] / figures["stylizer_seconds"]
    print(f"{100 * figures['share']:.1f} % of the stylizer's time")
    finish(**figures, sequences=len(f1[NETWORK]), threads=THREADS)


if __name__ == "__main__":
    main()
