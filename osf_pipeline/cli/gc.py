"""`osf gc`: what the stores of a root hold, why, and removing what nobody needs."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import typer

from osf_pipeline.cli.console import Home, Report, Root, project, reporting


def command(
    shot: Annotated[str | None, typer.Argument(help="Shot to clean up; none takes all of them.")] = None,
    root: Root = None,
    home: Home = None,
    delete: Annotated[bool, typer.Option("--delete/--dry-run", help="Remove it, or only say what would go.")] = False,
    keep: Annotated[int, typer.Option(help="Older versions of each kind to keep.", min=0)] = 2,
    grace: Annotated[float, typer.Option(help="Hours for which unfinished work is kept.", min=0)] = 24.0,
    report: Report = None,
) -> None:
    """Remove versions, attempts and leftovers that nobody needs. Says what and why; removes only with --delete."""
    with reporting(report) as results:
        from osf_pipeline.errors import RequestError
        from osf_pipeline.inspection import delivered
        from osf_pipeline.store.garbage import collect, inspect_stores

        layout = project(root, home)
        stored = layout.stored()
        if shot is not None and shot not in stored:
            raise RequestError(
                "shot has no stores", shot=shot, fix=f"Shots with stores: {', '.join(stored) or 'none'}."
            )
        for name in stored if shot is None else [shot]:
            items = inspect_stores(layout.stores(name), delivered(layout, name), keep, grace)
            gone = set(collect(items)) if delete else set()
            sizes: Counter[str] = Counter()
            rows = []
            for item in items:
                fate = "removed" if item in gone else "keep" if not item.removable or delete else "remove"
                sizes[fate] += item.bytes
                rows.append(vars(item) | {"fate": fate})
                where = item.url.removeprefix(f"{layout.stores(name)}/")
                typer.echo(f"{fate:<8} {_size(item.bytes):>9}  {item.kind:<9} {where}  ({item.reason})")
            results.append({"shot": name, "items": rows, "bytes": dict(sizes)})
            typer.echo(f"{name}: " + ", ".join(f"{fate} {_size(size)}" for fate, size in sorted(sizes.items())))
        if not delete:
            typer.echo("nothing was removed; --delete removes it")


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"
