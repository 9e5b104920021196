"""The comparison with a baseline that more steps no longer help, so that nobody is beaten for want of them.

Belongs here: on what, against whom, and what it took. Does not: when a method has reached its plateau
(`methods.plateau`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from osf_pipeline.bench.methods.painted import TwoStage
from osf_pipeline.bench.methods.plateau import ToPlateau
from osf_pipeline.bench.ours import Ours
from osf_pipeline.bench.report import grid, number
from osf_pipeline.bench.request import BenchRequest, Comparison
from osf_pipeline.bench.runs import Cache, Run, Trial, learn_all, styles_of
from osf_pipeline.bench.sequences import at_size, generated
from osf_pipeline.errors import RequestError
from osf_pipeline.execution import Execution, Progress
from osf_pipeline.layout import Layout

SIZE = 256
"""Width and height of the frames."""
METHOD = ToPlateau(TwoStage())
COMPARISON: Comparison = "to the plateau"


def plateau(
    layout: Layout, request: BenchRequest, cache: Cache, execution: Execution, progress: Progress | None = None
) -> Trial:
    """Ours and the two-stage method after the request's steps, and the latter at its plateau: on the generated set at
    256x256, with the first seed alone, since rounds of twice as many steps each take long.

    Raises:
        RequestError: without generated sequences.
        RequestError, InputDataError: as the stages that make them.
    """
    if request.generated is None:
        raise RequestError("a comparison at the plateau needs generated sequences", fix="Ask for some.")
    layout, wanted = at_size(layout, request.generated, SIZE, SIZE)
    sequences = [
        replace(sequence, group=f"{sequence.group}-{SIZE}x{SIZE}")
        for sequence in generated(layout, wanted, execution, progress)
    ]
    styles = styles_of(layout, sequences)
    runs = learn_all(cache, [Ours(), TwoStage(), METHOD], styles, request.budgets()[:1], progress)
    return Trial(sequences, styles, [replace(run, comparison=COMPARISON) for run in runs])


def spent(runs: Sequence[Run]) -> str:
    """What the plateau took, as a Markdown table: one line a style."""
    (run,) = (run for run in runs if run.method is METHOD)
    head = ["style", "steps of each network, best round", "steps of all rounds", "s", "more steps buy nothing"]
    body = [
        [
            style, str(kept.fit.facts["steps"]), str(kept.fit.facts["spent"]), number(kept.seconds, 0),
            "yes" if kept.fit.facts["plateau"] else "not yet",
        ]
        for style, kept in run.fits.items()
    ]  # fmt: skip
    return f"## Steps to the plateau: {METHOD.name}\n\n{grid([head, *body])}"
