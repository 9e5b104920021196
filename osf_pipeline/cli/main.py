"""The `osf` command: registers the verbs."""

from __future__ import annotations

import os

import typer

from osf_pipeline.cli import (
    ablate,
    annotate,
    bake,
    bench,
    character,
    crossover,
    deliver,
    doctor,
    evaluate,
    gc,
    generate,
    guide,
    hint,
    ingest,
    inspect,
    render,
    replay,
    review,
    run,
    sample,
    stylize,
    train,
    train_occlusion,
    validate,
)

app = typer.Typer(
    help="Float EXR renders and one drawing in, stylized layered frames out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(sample.app, name="sample")
app.add_typer(bench.app, name="bench")
for verb in (
    annotate,
    character,
    render,
    ingest,
    validate,
    guide,
    hint,
    train,
    train_occlusion,
    stylize,
    crossover,
    deliver,
    evaluate,
    review,
    bake,
    run,
    ablate,
    inspect,
    gc,
    replay,
    generate,
    doctor,
):
    app.command(verb.__name__.rsplit(".", 1)[-1].replace("_", "-"))(verb.command)


def main() -> None:
    # Read when torch starts its threads; spinning ones slow everything several times over on shared cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    app()
