"""One frame under judgement, and how rules take samples of it.

Belongs here: what every rule on pixels may look at. Does not: the rules.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from osf_pipeline.config import Camera, Source
from osf_pipeline.exr.adapters import BufferMap
from osf_pipeline.exr.convert import Frame, surface
from osf_pipeline.exr.header import Header
from osf_pipeline.validate.findings import Finding, Severity


@dataclass(frozen=True)
class Subject:
    """A decoded and converted frame.

    Attributes:
        found: canonical buffers over the figure's bounding box.
        header: of its file.
        mapping, source: how it was read.
    """

    found: Frame
    header: Header
    mapping: BufferMap
    source: Source
    frame: int

    @property
    def buffers(self) -> dict[str, np.ndarray]:
        return self.found.buffers

    @property
    def camera(self) -> Camera | None:
        return self.source.camera_at(self.frame)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the figure's bounding box."""
        height, width = self.buffers["color"].shape[1:]
        return height, width

    @cached_property
    def alpha(self) -> np.ndarray:
        """(y, x) float32."""
        return self.buffers["color"][3].astype(np.float32)

    @cached_property
    def surface(self) -> np.ndarray:
        """(y, x) bool: data passes see a surface."""
        return surface(self.buffers)

    def finding(self, rule: str, severity: Severity, channel: str, value: str, fix: str) -> Finding:
        """A finding on this frame."""
        return Finding(rule, severity, self.header.url, self.frame, channel, value, fix)


def stride(shape: tuple[int, ...], samples: int) -> int:
    """The step along both axes of (y, x) that leaves about `samples` pixels."""
    height, width = shape
    return max(1, math.isqrt(height * width // samples))


def thin(*indices: np.ndarray, samples: int) -> tuple[np.ndarray, ...]:
    """Equally long index arrays, evenly thinned to at most `samples` entries."""
    every = max(1, -(-len(indices[0]) // samples))
    return tuple(index[::every] for index in indices)
