"""`osf replay`: make stored shards again and compare; take a failing one home."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from osf_pipeline.cli.console import Home, Report, Root, project, reporting


def command(
    target: Annotated[str, typer.Argument(help="SHOT/KIND, SHOT/KIND/ID, or a bundle (*.zip).")],
    shard: Annotated[int | None, typer.Option(help="Only this shard.", min=0)] = None,
    frame: Annotated[int | None, typer.Option(help="Only the shard of this frame.")] = None,
    last: Annotated[bool, typer.Option("--last", help="The newest attempt, even if it failed.")] = False,
    bundle: Annotated[
        Path | None, typer.Option(help="Write the first shard that fails or differs here, as a zip.")
    ] = None,
    root: Root = None,
    home: Home = None,
    report: Report = None,
) -> None:
    """Rebuild a store, shard or frame from its provenance and compare bit for bit. Exit 3 when anything differs."""
    with reporting(report) as results:
        import tempfile

        from osf_pipeline import replay

        with tempfile.TemporaryDirectory(prefix="osf-bundle-") as folder:
            if target.endswith(".zip"):
                source, index = replay.unpack(Path(target), Path(folder))
                indices = [index]
            else:
                source = replay.origin(project(root, home), *replay.parse(target), last)
                indices = source.indices(shard, frame)
            bad = []
            for outcome in replay.replay(source, indices):
                typer.echo(str(outcome))
                results.append({"shard": outcome.index, "equal": outcome.equal, "text": str(outcome)})
                if not outcome.equal:
                    bad.append(outcome)
            if bundle is not None:
                chosen = bad[0].index if bad else indices[0]
                size = replay.pack(source, chosen, bundle)
                typer.echo(f"shard {chosen} packed, {size / 1e6:.1f} MB: osf replay {bundle}")
            replay.refuse(bad, target)
