"""Where in a frame a metric counts.

Belongs here: named masks. Does not: scores (`metrics`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import ndimage

from osf_pipeline.evaluation.truth import FrameTruth

BAND = 6
"""Pixels from a contour within which a pixel belongs to its band, and around the figure that still count."""

REGIONS = ("all", "visible", "revealed", "contour band", "occlusion band")
"""Regions every frame has; `part <name>` follow when part ids are given."""


def regions(
    truth: FrameTruth,
    coverage: np.ndarray,
    *,
    revealed: np.ndarray | None = None,
    part_id: np.ndarray | None = None,
    parts: Mapping[int, str] | None = None,
) -> dict[str, np.ndarray]:
    """Named (y, x) bool masks of one frame; the same whichever methods are compared.

    * `all`: the truth or the render has coverage, grown by `BAND`: a line or a rim that strays outside is seen.
    * `visible`, `revealed`: `all`, split by whether the surface was hidden in the previous frame.
    * `contour band`, `occlusion band`: within `BAND` pixels of a contour, and of one with a surface behind it.
    * `part <name>`: one per part id in the frame.

    Args:
        coverage: (y, x) alpha of the render.
        revealed: (y, x) 0..1 of the guidance; used where the truth does not tell.
        part_id: (y, x) integer, 0 is background.
        parts: part id to name.
    """
    covered = (truth.beauty[3] > 0) | (coverage > 0)
    everything = ndimage.binary_dilation(covered, np.ones((3, 3), bool), BAND)
    hidden = truth.revealed if truth.revealed is not None else None if revealed is None else revealed > 0.5
    out = {"all": everything}
    if hidden is not None:
        out |= {"visible": everything & ~hidden, "revealed": everything & hidden}
    out |= {
        "contour band": everything & (truth.contour <= BAND),
        "occlusion band": everything & (truth.occlusion <= BAND),
    }
    if part_id is not None:
        names = parts or {}
        out |= {f"part {names.get(int(i), i)}": part_id == i for i in np.unique(part_id) if i}
    return out
