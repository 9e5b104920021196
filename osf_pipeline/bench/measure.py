"""One sequence drawn by methods and measured against its truth; what was measured is kept.

Belongs here: which style draws which pixel, the loop over frames, identity of a table. Does not: metrics and regions
(`osf_pipeline.evaluation`), learning (`fits`), statistics.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from osf_pipeline.bench import code
from osf_pipeline.bench.fits import KeptFit, Style, settings
from osf_pipeline.bench.footage import StoredFootage
from osf_pipeline.bench.method import Drawer, Footage, Method
from osf_pipeline.bench.sequences import BenchSequence
from osf_pipeline.evaluation.evaluate import Candidate, Evaluator, csv
from osf_pipeline.evaluation.metrics import st_lpips
from osf_pipeline.evaluation.truth import read_truth, truth_parts
from osf_pipeline.execution import Progress
from osf_pipeline.layout import join
from osf_pipeline.store.files import listing, take, write_bytes
from osf_pipeline.store.identity import identity
from osf_pipeline.stylize.stage import ALL, nearest_object

KIND = "measured"
STAGE_VERSION = 1
TABLE, CURVES = "table.csv", "curves.csv"


@dataclass(frozen=True)
class Entry:
    """One method with what it has learnt of each style of a sequence."""

    method: Method
    fits: Mapping[str, KeptFit]

    def key(self, sequence: BenchSequence, perceptual_frames: int) -> str:
        """Identity of its measurement: by what decides how it draws, so that equal fits are measured once."""
        used = {style: self.fits[style].digest for style in sorted(set(sequence.styles.values()))}
        inputs = {
            "gbuffer": sequence.gbuffer.id,
            "guidance": sequence.guidance.id,
            "truth": listing(part for url in sequence.truth.values() for part in truth_parts(url)),
            "styles": {str(i): style for i, style in sequence.styles.items()},
            "fits": used,
        }
        recipe = {"method": settings(self.method, ["meaning"]), "perceptual_frames": perceptual_frames}
        used_code = code.digest([*code.DRAW, *code.MEASURE, code.of_object(self.method)])
        return identity(KIND, STAGE_VERSION, inputs, recipe, [used_code])


@dataclass(frozen=True)
class Scene:
    """Several styles on one frame, each on its own objects; a `Drawer` itself.

    Attributes:
        drawers: style to its drawer.
        styles: object id, or `*`, to style; other objects keep their render.
    """

    drawers: Mapping[str, Drawer]
    styles: Mapping[int | str, str]

    @classmethod
    def of(cls, entry: Entry, sequence: BenchSequence, styles: Mapping[str, Style]) -> Scene:
        drawers = {
            name: entry.method.drawer(styles[name].exemplars, entry.fits[name].fit)
            for name in sorted(set(sequence.styles.values()))
        }
        return cls(drawers, sequence.styles)

    def __call__(self, footage: Footage, position: int) -> Candidate:
        drawn = {style: drawer(footage, position) for style, drawer in self.drawers.items()}
        frame = footage[position]
        first = next(iter(drawn.values()))
        if "object_id" not in frame or (len(drawn) == 1 and self._alone(frame["object_id"])):
            return first
        place = nearest_object(frame["object_id"][0])
        beauty = frame["color"].astype(np.float32)
        line = None if any(found.line is None for found in drawn.values()) else np.zeros(place.shape, np.float32)
        for style, found in drawn.items():
            mine = np.isin(place, [i for i, name in self.styles.items() if name == style])
            beauty[:, mine] = found.beauty[:, mine]
            if line is not None and found.line is not None:
                line[mine] = found.line[mine]
        return Candidate(beauty, line)

    def _alone(self, objects: np.ndarray) -> bool:
        return ALL in self.styles or set(np.unique(objects).tolist()) - {0} <= set(self.styles)


def measured(folder: str, key: str) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """Table and curves of a measurement; None when it is not there. Both lack the method's name."""
    try:
        return _read(join(folder, key, TABLE)), _read(join(folder, key, CURVES))
    except FileNotFoundError:
        return None


def measure(
    folder: str,
    sequence: BenchSequence,
    entries: Mapping[str, Entry],
    styles: Mapping[str, Style],
    *,
    flows: str,
    perceptual_frames: int,
    progress: Progress | None = None,
) -> None:
    """Measure entries side by side on one sequence: each frame and its truth are read once.

    Args:
        entries: by their keys.
        perceptual_frames: frames, spread over the sequence, whose perceptual distance is measured.
    """
    footage = StoredFootage(sequence, flows)
    evaluator = Evaluator(perceptual=st_lpips(), parts=sequence.parts)
    scenes = {key: Scene.of(entry, sequence, styles) for key, entry in entries.items()}
    wanted = [(i, number) for i, number in enumerate(footage.frames) if number in sequence.truth]
    stride = -(-len(wanted) // perceptual_frames)
    for done, (position, number) in enumerate(wanted, 1):
        frame = footage[position]
        evaluator.add(
            number,
            read_truth(sequence.truth[number]),
            frame["color"],
            {key: scene(footage, position) for key, scene in scenes.items()},
            revealed=frame["revealed"][0].astype(np.float32),
            part_id=frame["part_id"][0] if "part_id" in frame else None,
            motion=frame.get("motion"),
            motion_valid=frame["motion_valid"][0] if "motion_valid" in frame else None,
            perceptual=done % stride == 0,
        )
        if progress:
            progress(done, len(wanted), f"measuring {sequence.shot}")
    table, curves = evaluator.table(), evaluator.curves()
    for key in entries:
        for name, rows in ((CURVES, curves), (TABLE, table)):  # the table comes last
            mine = rows[rows["method"] == key].drop(columns="method")
            write_bytes(join(folder, key, name), csv(mine).encode())


def _read(url: str) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(take(url)))
