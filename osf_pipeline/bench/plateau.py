"""The comparison with a baseline that more steps no longer help, so that nobody is beaten for want of them.

Belongs here: on what, against whom, when a method has reached its plateau, and what it took. Does not: the method
(`methods.painted`), learning and keeping one fit (`fits`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from osf_pipeline.bench.fits import KeptFit, Style
from osf_pipeline.bench.method import Budget
from osf_pipeline.bench.methods.painted import TwoStage, held_out_loss
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
GAIN = 0.01
"""Share of the held-out loss that a round must save to be followed by another."""
ROUNDS = 6
"""At most."""
METHOD = TwoStage("two-stage, to its plateau", f"{TwoStage.meaning}; steps doubled until they buy nothing")
COMPARISON: Comparison = "to the plateau"


def plateau(
    layout: Layout, request: BenchRequest, cache: Cache, execution: Execution, progress: Progress | None = None
) -> Trial:
    """Ours and the two-stage method after the request's steps, and the latter at its plateau: on the first sequences of
    the generated set at 256x256, with the first seed alone.

    Raises:
        RequestError: without generated sequences.
        RequestError, InputDataError: as the stages that make them.
    """
    if request.generated is None:
        raise RequestError("a comparison at the plateau needs generated sequences", fix="Ask for some.")
    place, wanted = at_size(layout, request.generated, SIZE, SIZE)
    if place != layout:  # else the whole set is there already
        wanted = wanted.model_copy(update={"sequences": min(request.plateau, wanted.sequences)})
    sequences = [
        replace(sequence, group=f"{sequence.group}-{SIZE}x{SIZE}")
        for sequence in generated(place, wanted, execution, progress)[: request.plateau]
    ]
    styles = styles_of(place, sequences)
    (budget, *_) = request.budgets()
    runs = learn_all(cache, [Ours(), TwoStage()], styles, [budget], progress)
    settled = {name: to_plateau(cache, style, budget, progress) for name, style in styles.items()}
    runs.append(Run(COMPARISON, METHOD, budget.seed, settled))
    return Trial(sequences, styles, [replace(run, comparison=COMPARISON) for run in runs])


def to_plateau(cache: Cache, style: Style, budget: Budget, progress: Progress | None = None) -> KeptFit:
    """The best of rounds with twice the steps each, the first with the budget's, until one saves less than `GAIN` of
    the held-out loss. Every round starts anew, so that each ends with its learning rate run down, and is kept: a killed
    run goes on with the round it was in.

    Returns:
        The round of lowest held-out loss, with the seconds of all; its facts also tell `spent`, the steps of all, and
        `plateau`, whether the rounds were enough.
    """
    rounds: list[KeptFit] = []
    reached = False
    while not reached and len(rounds) < ROUNDS:
        longer = replace(budget, steps=budget.steps << len(rounds))
        (run,) = learn_all(cache, [METHOD], {style.name: style}, [longer], progress)
        found = run.fits[style.name]
        losses = [held_out_loss(earlier.fit) for earlier in rounds]
        reached = bool(losses) and held_out_loss(found.fit) > (1 - GAIN) * min(losses)
        rounds.append(found)
    best = min(rounds, key=lambda found: held_out_loss(found.fit))
    facts = {"plateau": reached, "spent": sum(found.fit.facts["steps"] for found in rounds)}
    return replace(
        best,
        fit=replace(best.fit, facts={**best.fit.facts, **facts}),
        seconds=sum(found.seconds for found in rounds),
        reused=all(found.reused for found in rounds),
    )


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
