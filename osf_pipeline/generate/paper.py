"""The sheet as a scanner or a phone sees it: its colour, fibres and grain, uneven light, darker corners.

Belongs here: what every drawing shares whatever is drawn. Does not: the drawing (`canvas`, `artwork`).
"""

from __future__ import annotations

import numpy as np

from osf_pipeline.generate.canvas import noise
from osf_pipeline.generate.shapes import brush_mark, spline

PAPERS = ("#fbf8f0", "#f7f3ea", "#f8f8f6", "#f4efe2", "#eeece6", "#f6f2ee")
"""Display colours of the sheets: warm white, cream, office white, ivory, grey, rose."""


def paper(size: tuple[int, int], seed: int) -> np.ndarray:
    """(y, x, 3) float32 display-encoded picture of an empty sheet; a drawing on white is multiplied with it.

    Light falls off by up to a sixteenth across the sheet and by a few hundredths in the corners; fibres and grain
    move it by about a hundredth.

    Args:
        size: width, height.
        seed: of everything random: colour, light, fibres, grain.
    """
    rng = np.random.default_rng([seed, 2])
    width, height = size
    unit = max(size) / 700
    sheet = PAPERS[rng.integers(len(PAPERS))]
    color = np.array([int(sheet[k : k + 2], 16) for k in (1, 3, 5)], np.float32) / 255

    y, x = np.mgrid[:height, :width].astype(np.float32)
    u, v = 2 * x / width - 1, 2 * y / height - 1
    turn = rng.uniform(0, 2 * np.pi)
    slope = rng.uniform(0.003, 0.03) * (np.cos(turn) * u + np.sin(turn) * v - 1)
    corners = -rng.uniform(0.006, 0.022) * (u * u + v * v) ** 1.5
    light = 1 + slope + corners + 0.005 * noise(size, 240 * unit, rng)

    grain = 0.0040 * noise(size, 1.1, rng) + 0.0045 * noise(size, 2.3 * unit, rng) + 0.004 * noise(size, 9 * unit, rng)
    weave = 0.0016 * noise(size, (14 * unit, 1.5 * unit), rng) + 0.0016 * noise(size, (1.5 * unit, 14 * unit), rng)
    fibres = np.zeros((height, width), np.float32)
    for _ in range(90):
        at, course = rng.uniform((0, 0), size), rng.uniform(0, 2 * np.pi)
        steps = np.stack([np.cos(course + (bend := rng.normal(0, 0.5, 4))), np.sin(course + bend)], axis=1)
        path = spline(at + np.cumsum(steps * 7 * unit, axis=0))
        mark = brush_mark(np.column_stack([path, np.full(len(path), 0.45 * unit)]), size)
        fibres[mark.window] += rng.uniform(-0.016, 0.010) * mark.value
    tinted = 1 + rng.normal(0, 0.002, 3).astype(np.float32) * noise(size, 180 * unit, rng)[..., None]
    return np.clip(color * tinted * (light + grain + weave + fibres)[..., None], 0, 1).astype(np.float32)
