"""A drawn figure that moves by a known amount, as the files of a shot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from osf_pipeline.exr.write import Window, write_exr


@dataclass(frozen=True)
class MovingFigure:
    """A disc with two parts that moves by `velocity` pixels (x right, y down) each frame, with exact buffers.

    `edge` is the width in pixels over which colour and alpha fall off; other buffers stay binary.
    """

    height: int = 96
    width: int = 128
    radius: float = 30
    centre: tuple[float, float] = (50.0, 52.0)
    velocity: tuple[float, float] = (5.0, -3.0)
    edge: float = 0

    def channels(self, frame: int) -> dict[str, np.ndarray]:
        """Channels of one frame under the names of the project's own renderer."""
        y, x = np.mgrid[: self.height, : self.width].astype(np.float32)
        u, v = x - self.centre[0] - frame * self.velocity[0], y - self.centre[1] - frame * self.velocity[1]
        seen = u**2 + v**2 < self.radius**2
        zero = np.zeros_like(u)

        def on(value: np.ndarray | float, background: float = 0) -> np.ndarray:
            return np.where(seen, value, background).astype(np.float32)

        within = self.radius - np.hypot(u, v)
        coverage = np.clip(within / self.edge + 0.5, 0, 1) if self.edge else seen.astype(np.float32)
        stripes = 0.5 + 0.4 * np.sin(u / 3) * np.cos(v / 4)
        return {
            **{c: (stripes * coverage * k).astype(np.float16) for c, k in (("R", 2.5), ("G", 1.0), ("B", -0.25))},
            "A": coverage.astype(np.float16),
            "depth.Z": on(5 - 0.01 * u, np.inf),
            "normal.X": zero, "normal.Y": zero, "normal.Z": on(1),
            "rest_position.X": on(u / 50), "rest_position.Y": on(-v / 50), "rest_position.Z": on(0.1),
            "motion.X": on(self.velocity[0]), "motion.Y": on(self.velocity[1]),
            "motion_next.X": on(self.velocity[0]), "motion_next.Y": on(self.velocity[1]),
            "part_id.I": (seen * np.where(u > 0, 2, 1)).astype(np.uint32),
            "object_id.I": seen.astype(np.uint32),
        }  # fmt: skip

    def write(
        self,
        url: str | Path,
        frame: int,
        *,
        data_window: Window | None = None,
        display_window: Window | None = None,
        attributes: dict[str, Any] | None = None,
        **changes: np.ndarray | None,
    ) -> str:
        """Write one frame; `changes` replace channels ('.' written as '__'), None leaves one out.

        `data_window` cuts; `display_window` moves the picture's frame about the pixels, which stay at the origin.
        """
        channels = self.channels(frame) | {k.replace("__", "."): v for k, v in changes.items() if v is not None}
        for name in [k.replace("__", ".") for k, v in changes.items() if v is None]:
            del channels[name]
        whole = (0, 0, self.width - 1, self.height - 1)
        if data_window:
            x0, y0, x1, y1 = data_window
            channels = {k: v[y0 : y1 + 1, x0 : x1 + 1] for k, v in channels.items()}
        write_exr(
            str(url), channels, attributes={"osf:renderer": "test", **(attributes or {})},
            data_window=data_window or whole, display_window=display_window or whole,
        )  # fmt: skip
        return str(url)

    def sequence(self, folder: Path, frames: range = range(1, 5)) -> str:
        for frame in frames:
            self.write(folder / f"shot.{frame:04d}.exr", frame)
        return str(folder)


@pytest.fixture(scope="session")
def figure() -> MovingFigure:
    return MovingFigure()
