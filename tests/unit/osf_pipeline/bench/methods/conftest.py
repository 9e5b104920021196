"""A small drawn figure as exemplar and as footage: a body with an arm, flat fill, a dark line inside its outline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from scipy import ndimage

from model.contours import ContourRule, contours
from osf_pipeline.training.exemplar import ExemplarData, exemplar_from_arrays

SIZE, STROKE, PIXEL = 96, 4, 0.01
FILL, INK = np.array([0.8, 0.7, 0.5], np.float32), np.array([0.1, 0.05, 0.3], np.float32)


@dataclass
class Frames:
    """Footage of given frames; `motion` is their estimated flow by position."""

    buffers: list[Mapping[str, np.ndarray]]
    motion: Mapping[int, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)

    @property
    def frames(self) -> list[int]:
        return list(range(1001, 1001 + len(self.buffers)))

    @property
    def size(self) -> tuple[int, int]:
        return self.buffers[0]["color"].shape[1:]

    def __getitem__(self, position: int) -> Mapping[str, np.ndarray]:
        self.asked.append(position)
        return self.buffers[position]

    def flow(self, position: int) -> tuple[np.ndarray, np.ndarray]:
        if position < 1:
            raise IndexError(position)
        return self.motion[position]


def figure(arm_x: int = 60) -> dict[str, np.ndarray]:
    """Canonical buffers and guidance: an ellipse, and an upright arm in front of it, its left edge at `arm_x`."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    body = ((x - 44) / 30) ** 2 + ((y - 48) / 40) ** 2 < 1
    arm = (x >= arm_x) & (x < arm_x + 12) & (y >= 30) & (y < 80)
    part = np.where(arm, 2, body).astype(np.uint16)
    seen = part > 0
    fill = FILL[:, None, None] ** 2.2
    depth = np.where(arm, 4.0, np.where(body, 5.0, np.inf)).astype(np.float32)[None]
    rest_x = np.where(arm, x - arm_x + 80, x)
    found = {
        "color": np.concatenate([fill * seen, seen[None]]).astype(np.float16),
        "depth": depth,
        "normal": np.stack([0 * x, 0 * x, seen]).astype(np.float16),
        "rest_position": (np.stack([rest_x, -y, 0 * x]) * PIXEL * seen).astype(np.float32),
        "part_id": part[None],
        "object_id": seen[None].astype(np.uint16),
    }
    tensors = [torch.from_numpy(found[name].astype(np.float32))[None] for name in ("depth", "rest_position", "normal")]
    ids = [torch.from_numpy(found[name].astype(np.int32))[None] for name in ("part_id", "object_id")]
    lines = contours(*tensors, *ids, ContourRule(PIXEL, 0.04, 0.018))
    found["contour"] = lines.distance[0].numpy().astype(np.float16)
    found["contour_side"] = lines.side[0].numpy().astype(np.uint8)
    found["contour_step"] = lines.step[0].numpy().astype(np.float16)
    found["confidence"] = np.ones((1, SIZE, SIZE), np.float16)
    return found


@pytest.fixture(scope="session")
def shot() -> Callable[..., Frames]:
    """`shot(*arm positions)`: footage without flow."""
    return lambda *arms: Frames([figure(arm) for arm in arms])


@pytest.fixture(scope="session")
def drawn() -> ExemplarData:
    """The figure with its arm beside the body, drawn with a constant line inside every silhouette."""
    buffers = figure(76)
    seen = buffers["part_id"][0] > 0
    line = seen & (ndimage.distance_transform_edt(seen) <= STROKE)
    straight = np.where(line, INK[:, None, None], FILL[:, None, None])
    return exemplar_from_arrays(buffers, np.concatenate([straight * seen, seen[None]]).astype(np.float32))
