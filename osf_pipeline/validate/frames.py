"""Rules on the decoded buffers of one frame. They run on every frame of every shot, so each looks at some pixels only.

Belongs here: ranges of canonical buffers, and the list of all rules on one frame. Does not: mending values
(`exr.convert`), values as stored (`validate.stored`), several frames (`validate.motion`, `validate.neighbours`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from osf_pipeline.validate.edges import premultiplication, shift
from osf_pipeline.validate.findings import Finding, accepted
from osf_pipeline.validate.geometry import normal_axes, radial_depth
from osf_pipeline.validate.subject import Subject, stride

ALPHA_MARGIN = 0.05
"""Sharpening pixel filters overshoot by a few hundredths; more is a wrong channel or straight colour."""
UNSET = 0.5
"""Largest share of visible pixels that may have no id."""
SAMPLES = 20_000


def check_frame(subject: Subject) -> list[Finding]:
    """Findings of all rules on one frame's canonical buffers."""
    return accepted((finding for rule in RULES for finding in rule(subject)), subject.source.accept)


def alpha(subject: Subject) -> Iterator[Finding]:
    """Alpha outside 0..1, or 0 where something is seen. A figure off screen is legal."""
    low, high = float(subject.alpha.min()), float(subject.alpha.max())
    if low < -ALPHA_MARGIN or high > 1 + ALPHA_MARGIN:
        yield subject.finding(
            "alpha_range", "error", "color.A", f"alpha runs from {low:g} to {high:g}",
            "Map the alpha channel under `channels: {color: [R, G, B, A]}`.",
        )  # fmt: skip
    if low == high == 0:
        depth = subject.buffers.get("depth")
        seen = {"colour": subject.buffers["color"][:3].any(), "depth": depth is not None and np.isfinite(depth).any()}
        shown = [name for name, any_seen in seen.items() if any_seen]
        if shown:
            yield subject.finding(
                "alpha_empty", "error", "color.A", f"alpha is 0 everywhere, yet {' and '.join(shown)} show a figure",
                "Render with alpha (a transparent film), or map colour without it: `channels: {color: [R, G, B]}`.",
            )  # fmt: skip


def depth_sign(subject: Subject) -> Iterator[Finding]:
    """Negative depth: stored along the viewing axis the other way."""
    low = float(subject.buffers["depth"].min()) if "depth" in subject.buffers else 0
    if -np.inf < low < 0:
        yield subject.finding(
            "depth_sign", "error", "depth", f"depth is {low:g} at its nearest; it must be positive",
            "If depth runs the other way, set `scale: {depth: [-1]}`.",
        )  # fmt: skip


def unset_ids(subject: Subject) -> Iterator[Finding]:
    """Surfaces without an id: contours between them cannot be found."""
    if "depth" not in subject.buffers:
        return
    every = stride(subject.shape, SAMPLES)
    seen = subject.surface[::every, ::every]
    for buffer in ("object_id", "part_id"):
        if buffer not in subject.buffers or not seen.any():
            continue
        unset = float((subject.buffers[buffer][0, ::every, ::every][seen] == 0).mean())
        if unset > UNSET:
            yield subject.finding(
                "unset_ids", "warning", buffer, f"{buffer} is 0 on {unset:.0%} of the visible surface",
                "Give every object and part an id from 1 on; 0 is background.",
            )  # fmt: skip


RULES: tuple[Callable[[Subject], Iterator[Finding]], ...] = (
    alpha, premultiplication, shift, depth_sign, radial_depth, normal_axes, unset_ids,
)  # fmt: skip
