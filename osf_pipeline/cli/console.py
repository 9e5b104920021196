"""What the verbs share: options, progress, results on screen, the JSON report, and errors to exit codes.

Does not belong here: anything a verb does.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from osf_pipeline.errors import OsfError, PartialError
from osf_pipeline.execution import Progress
from osf_pipeline.results import BuiltCharacter, StageResult, TrainedStyle
from osf_pipeline.shots import FrameRange

if TYPE_CHECKING:
    from osf_pipeline.layout import Layout

Root = Annotated[
    str | None, typer.Option(help="Project root, a folder or any fsspec URL [env OSF_ROOT, default ./var].")
]
Home = Annotated[
    str | None, typer.Option(help="Local folder of databases and scratch [env OSF_HOME, default ROOT/home].")
]
Shot = Annotated[str, typer.Argument(help="Name of a shot: a folder under ROOT/renders.")]
Style = Annotated[str, typer.Argument(help="Name of a style: a folder under ROOT/styles.")]
Backend = Annotated[Literal["local", "ray"], typer.Option(help="Plain loop in this process, or Ray.")]
Address = Annotated[str | None, typer.Option(help="Ray cluster to join (auto, host:port); none starts one here.")]
Workers = Annotated[int | None, typer.Option(help="Ray actors at once [default: what fits].", min=1)]
Threads = Annotated[int, typer.Option(help="Threads of one worker.", min=1)]
Gpus = Annotated[float, typer.Option(help="GPUs of one worker; 0 stylizes on the CPU.", min=0)]
Preset = Annotated[str | None, typer.Option(help="Look of everything: a file under ROOT/presets.")]
Report = Annotated[Path | None, typer.Option(help="Write a JSON report of the run here.")]

CRASH = 1
INTERRUPTED = 5


def progress_lines(stream: Any = None) -> Progress:
    """Progress for people and farms: one rewritten line on a terminal, else a line about every second.

    The first word of a progress text names the stage; the rest may change with every call.
    """
    out = stream or sys.stderr
    state: dict[str, Any] = {"last": 0.0, "stage": ""}

    def show(done: int, total: int, text: str) -> None:
        now = time.monotonic()
        finished = done >= total
        stage = text.split(maxsplit=1)[0]
        if stage == state["stage"] and not finished and now - state["last"] < (0.1 if out.isatty() else 1.0):
            return
        state.update(last=now, stage=stage)
        percent = 100 * done // max(total, 1)
        if out.isatty():
            print(f"\r\033[K  {text} {done}/{total} {percent}%", end="\n" if finished else "", file=out, flush=True)
        else:
            print(f"  {text} {done}/{total} {percent}%", file=out, flush=True)

    return show


def describe(result: StageResult | TrainedStyle | BuiltCharacter) -> dict[str, Any]:
    """A result as plain JSON, without pictures."""
    data = {key: value for key, value in vars(result).items() if key not in ("preview_png", "card")}
    data["type"] = {TrainedStyle: "style", BuiltCharacter: "character"}.get(type(result), "stage")
    return data


def show(result: StageResult | TrainedStyle | BuiltCharacter) -> None:
    """One line per finished stage."""
    if isinstance(result, TrainedStyle):
        head, name = f"{result.model} version {result.version}", "train"
    elif isinstance(result, BuiltCharacter):
        head, name = f"{result.character} {result.id}", "character"
    else:
        head, name = f"{result.shot} {result.id} {result.frames} frames", result.kind
    verb = "reused" if result.reused else f"{result.seconds:.1f} s"
    if shards := result.metadata.get("shards"):
        verb += f"; shards: {shards}"
    typer.echo(f"{name:<10} {head}  [{verb}]  {result.url}")


@contextlib.contextmanager
def reporting(path: Path | None = None) -> Iterator[list[dict[str, Any]]]:
    """Run a verb: turn errors into messages and exit codes, and write the JSON report whatever happens."""
    results: list[dict[str, Any]] = []
    code, failure = 0, None
    try:
        yield results
        _refuse_partial(results)
    except OsfError as error:
        code, failure = (
            error.exit_code,
            {"type": type(error).__name__, "what": error.what, "fix": error.fix, "where": error.where},
        )
        typer.secho(f"error: {error}", fg="red", err=True)
    except KeyboardInterrupt:
        code, failure = INTERRUPTED, {"type": "Interrupted", "what": "interrupted", "fix": "Run it again to continue."}
        typer.secho("interrupted; run it again to continue", fg="yellow", err=True)
    except typer.Exit as exit_:
        code = exit_.exit_code
    except Exception as error:
        code, failure = CRASH, {"type": type(error).__name__, "what": str(error), "traceback": traceback.format_exc()}
        if path is not None:
            _write(path, results, code, failure)
        raise
    if path is not None:
        _write(path, results, code, failure)
    if code:
        raise typer.Exit(code)


def _refuse_partial(results: list[dict[str, Any]]) -> None:
    """
    Raises:
        PartialError: when everything is done but for frames that were left out.
    """
    for result in results:
        if left_out := result.get("quarantined"):
            raise PartialError(
                "done, but for bad frames", shot=result["shot"], frames=FrameRange.of(left_out),
                fix="Mend their source and run again: only they are done again. `osf validate` says what is wrong.",
            )  # fmt: skip


def _write(path: Path, results: list[dict[str, Any]], code: int, failure: dict[str, Any] | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = {"exit_code": code, "results": results, "error": failure}
    path.write_text(json.dumps(data, indent=1, default=str) + "\n")


def project(root: str | None, home: str | None) -> Layout:
    from osf_pipeline.layout import Layout

    return Layout.of(root, home)
