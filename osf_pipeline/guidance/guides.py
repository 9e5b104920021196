"""Guides of one shard of frames: a pure function from canonical buffers to canonical guidance.

Belongs here: which sources a guide is made from, the loop over frames, crops. Does not: the maths (`model.contours`,
`model.occlusion`), stores and publishing (`stage`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch

from model.contours import CONTOUR_RANGE, ContourRule, Contours, contours, motion_contours
from model.occlusion import Motion, Surface, confidence, hidden, unreached
from osf_pipeline.buffers import GUIDANCE
from osf_pipeline.errors import InputDataError
from osf_pipeline.guidance.flow import FlowEstimator, total_variation_flow
from osf_pipeline.occlusion.estimators import OcclusionEstimator
from osf_pipeline.occlusion.flow import layer_flow

Buffers = Mapping[str, np.ndarray]
Box = tuple[slice, slice]

GEOMETRY = ("depth", "normal", "rest_position", "part_id", "object_id")
"""Buffers that make contours exact; without all of them contours come from coverage and motion."""

OPTIONAL = ("motion", "motion_valid", "motion_next", "motion_next_valid", "sample")
"""Buffers used where present."""

REPAIRED = 2
"""Value of `sample` for a mixed pixel that was repaired."""

MARGIN = int(CONTOUR_RANGE) + 2
"""Pixels around the subject beyond which every guide has its background value."""

HIDDEN = ("revealed", "hidden_next")
"""Guides that tell what a neighbouring frame hides."""


def sources(names: Collection[str], *, estimated: bool = False, maps: Collection[str] = ()) -> dict[str, str]:
    """What each guide will be made from: `rendered`, `estimated`, `given` or `none`.

    Args:
        names: of the buffers at hand.
        estimated: an occlusion estimator is used.
        maps: guides the user gives.
    """
    exact = set(GEOMETRY) <= set(names)
    rendered = "motion" in names
    next_known = not rendered or exact or "motion_next" in names
    motion = "rendered" if rendered and not estimated else "estimated"
    hidden = {"revealed": motion, "hidden_next": motion if next_known or estimated else "none"}
    if maps:
        hidden = {name: "given" if name in maps else "none" for name in HIDDEN}
    return {
        "contour": "rendered" if exact else "estimated",
        "contour_side": "rendered" if exact else "estimated",
        "contour_step": "rendered" if exact else "none",
        "crease": "rendered" if exact else "none",
        **hidden,
        "confidence": "rendered" if exact and not estimated else "estimated",
    }


def guides(
    frames: Buffers,
    before: Buffers | None,
    after: Buffers | None,
    rule: ContourRule | None,
    *,
    starts: Collection[int] = (),
    flow: FlowEstimator | None = None,
    occlusion: OcclusionEstimator | None = None,
    maps: Buffers = MappingProxyType({}),
) -> dict[str, np.ndarray]:
    """Guidance of a shard, frame by frame; a frame's guides depend on it and its two neighbours alone.

    Args:
        frames: canonical buffers, (frame, channel, y, x). `color` is required; `GEOMETRY` and `OPTIONAL` are used where
            present (`sources` tells how).
        before, after: the neighbouring frame with the same buffers, one frame each; None at the ends of a shot.
        rule: of the shot; may be None without geometry.
        starts: positions in `frames` that follow a cut (its length for `after`); nothing is compared across.
        flow: estimates motion where the buffers hold none, and always for `occlusion`, whose own is that of layers.
        occlusion: tells from the pictures and the flow between them what a neighbour hides; by default geometry does,
            or without it the consistency of the motions.
        maps: the user's own, (frame, 1, y, x) in 0..1, instead: `revealed`, perhaps `hidden_next`. Nothing else is said
            about either; both stay 0 where no neighbour is compared with.

    Returns:
        The arrays named and typed by `buffers.GUIDANCE`, of the frames' height and width.

    Raises:
        InputDataError: without `color`, or with geometry but without a rule.
    """
    if "color" not in frames:
        raise InputDataError("a shard needs colour", channel="color", fix="Map the source's colour channels.")
    if set(GEOMETRY) <= set(frames) and rule is None:
        raise InputDataError("geometry needs the shot's contour rule", fix="Make it with `shot_rule`.")
    count, _, height, width = frames["color"].shape
    found = {name: buffer.empty(count, height, width) for name, buffer in GUIDANCE.items()}
    found["contour"][:] = CONTOUR_RANGE
    found["contour_step"][:] = found["confidence"][:] = 1
    window = _Window(frames, before, after)
    flow = flow or (layer_flow if occlusion else total_variation_flow)
    cuts = set(starts)
    with torch.inference_mode():
        past = None
        for t in range(count + 1):
            here = window.frame(t)
            link = None if t in cuts else _link(window.frame(t - 1), here, flow, always=occlusion is not None)
            if t > 0:
                now = window.frame(t - 1)
                assert now is not None
                trio = (window.frame(t - 2) if past else None, now, here if link else None)
                exact = _exact(frames) and occlusion is None
                box = _subject([frame for frame in trio if frame], (height, width), exact=exact)
                if box:
                    given = {name: array[t - 1] for name, array in maps.items()}
                    for name, values in _frame_guides(trio, past, link, box, rule, occlusion, given).items():
                        found[name][t - 1][..., box[0], box[1]] = values
            past = link
    return found


@dataclass(frozen=True)
class _Link:
    """Motion between two successive frames, each (2, H, W) with (1, H, W) validity.

    Attributes:
        back, back_valid: `motion` of the later frame.
        forth, forth_valid: `motion_next` of the earlier frame; None where the renderer gave none.
    """

    back: np.ndarray
    back_valid: np.ndarray
    forth: np.ndarray | None
    forth_valid: np.ndarray | None

    def to_earlier(self, box: Box) -> Motion:
        return Motion(_tensor(-self.back, box), _tensor(self.back_valid, box))

    def to_later(self, box: Box) -> Motion | None:
        if self.forth is None or self.forth_valid is None:
            return None
        return Motion(_tensor(self.forth, box), _tensor(self.forth_valid, box))


class _Window:
    """A shard's frames by position, its neighbours at -1 and count."""

    def __init__(self, frames: Buffers, before: Buffers | None, after: Buffers | None) -> None:
        self.frames, self.before, self.after = frames, before, after
        self.count = len(frames["color"])

    def frame(self, t: int) -> dict[str, np.ndarray] | None:
        """(channel, y, x) buffers of one frame, as views."""
        if 0 <= t < self.count:
            return {name: array[t] for name, array in self.frames.items()}
        neighbour = {-1: self.before, self.count: self.after}.get(t)
        return None if neighbour is None else {name: array[0] for name, array in neighbour.items()}


def _exact(names: Collection[str]) -> bool:
    return set(GEOMETRY) <= set(names)


def _seen(frame: Buffers) -> np.ndarray:
    """(1, H, W) bool, a surface is seen."""
    return np.isfinite(frame["depth"]) if _exact(frame) else frame["color"][3:] >= 0.5


def _link(earlier: Buffers | None, later: Buffers | None, flow: FlowEstimator, *, always: bool) -> _Link | None:
    """
    Args:
        always: estimate the motion even where the renderer gave it.
    """
    if earlier is None or later is None:
        return None
    if always or "motion" not in later:
        back = flow(earlier["color"], later["color"])
        return _Link(back, _seen(later), -flow(later["color"], earlier["color"]), _seen(earlier))
    valid = later["motion_valid"] > 0 if "motion_valid" in later else _seen(later)
    if "motion_next" not in earlier:
        return _Link(later["motion"], valid, None, None)
    next_valid = earlier["motion_next_valid"] > 0 if "motion_next_valid" in earlier else _seen(earlier)
    return _Link(later["motion"], valid, earlier["motion_next"], next_valid)


def _subject(frames: list[dict[str, np.ndarray]], size: tuple[int, int], *, exact: bool) -> Box | None:
    """Box around all that the frames show, with a margin; None when they show nothing.

    Guides made from colour alone are not cropped: their motion may point anywhere.
    """
    if not exact:
        return slice(0, size[0]), slice(0, size[1])
    seen = [_seen(frame)[0] for frame in frames]
    spans = []
    for axis, length in enumerate(size):
        filled = np.flatnonzero(np.any([s.any(axis=1 - axis) for s in seen], axis=0))
        if not len(filled):
            return None
        spans.append(slice(max(0, int(filled[0]) - MARGIN), min(length, int(filled[-1]) + 1 + MARGIN)))
    return spans[0], spans[1]


def _frame_guides(
    trio: tuple[Buffers | None, Buffers, Buffers | None],
    past: _Link | None,
    future: _Link | None,
    box: Box,
    rule: ContourRule | None,
    occlusion: OcclusionEstimator | None,
    given: Buffers,
) -> dict[str, np.ndarray]:
    """Guides of the middle frame, inside the box."""
    previous, now, following = trio
    rest_gap = rule.rest_gap if rule else 1.0
    surface = _surface(now, box)
    seen = _tensor(_seen(now), box)
    revealed, hidden_next = torch.zeros(seen.shape), torch.zeros(seen.shape)
    checked = torch.zeros_like(seen)
    if past and previous:
        go, way_back = past.to_earlier(box), past.to_later(box)
        checked = go.valid
        if "revealed" in given:
            revealed, checked = _tensor(given["revealed"], box) * seen, seen
        elif occlusion is not None and way_back is not None:
            revealed = occlusion(_color(now, box), _color(previous, box), go, way_back)
        else:
            revealed = hidden(surface, _surface(previous, box), go, way_back, rest_gap)
    if future and following:
        way, back = future.to_later(box), future.to_earlier(box)
        beyond = _surface(following, box)
        if given:
            hidden_next = _tensor(given["hidden_next"], box) * seen if "hidden_next" in given else hidden_next
        elif occlusion is not None and way is not None:
            hidden_next = occlusion(_color(now, box), _color(following, box), way, back)
        elif way is not None:
            hidden_next = hidden(surface, beyond, way, back, rest_gap)
        elif surface and beyond:
            hidden_next = unreached(surface, beyond, back, rest_gap)
    if surface and rule:
        depth, normal = _tensor(now["depth"], box), _tensor(now["normal"], box).float()
        coverage = _tensor(now["color"][3:], box).float()
        lines = contours(depth, surface.rest, normal, surface.part, surface.object, rule, coverage)
    else:
        lines = _estimated_contours(seen, past, future, box, torch.maximum(revealed, hidden_next), rule)
    repaired = _tensor(now["sample"] == REPAIRED, box) if "sample" in now else None
    trust = confidence(revealed, checked, seen, repaired, estimated=surface is None or occlusion is not None)
    result = {
        "revealed": revealed,
        "hidden_next": hidden_next,
        "contour": lines.distance,
        "contour_side": lines.side,
        "contour_step": lines.step,
        "crease": lines.crease,
        "confidence": trust,
    }
    return {name: values[0].numpy().astype(GUIDANCE[name].dtype) for name, values in result.items()}


def _estimated_contours(
    seen: torch.Tensor,
    past: _Link | None,
    future: _Link | None,
    box: Box,
    uncovered: torch.Tensor,
    rule: ContourRule | None,
) -> Contours:
    motion = None
    if past:
        motion = _tensor(past.back, box)
    elif future and future.forth is not None:
        motion = _tensor(future.forth, box)
    return motion_contours(seen, motion, uncovered, rule.min_size if rule else ContourRule.min_size)


def _surface(frame: Buffers, box: Box) -> Surface | None:
    if not _exact(frame):
        return None
    return Surface(
        _tensor(frame["rest_position"], box),
        _tensor(frame["part_id"].astype(np.int32), box),
        _tensor(frame["object_id"].astype(np.int32), box),
    )


def _color(frame: Buffers, box: Box) -> torch.Tensor:
    return _tensor(frame["color"], box).float()


def _tensor(array: np.ndarray, box: Box) -> torch.Tensor:
    """(1, C, h, w) tensor of one frame inside the box; a copy, as arrays from a worker's store may be read-only."""
    return torch.from_numpy(array[:, box[0], box[1]].copy())[None]
