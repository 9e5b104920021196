"""Commands of the stages that take a shot and nothing else; stages with options of their own have their own file.

Belongs here: the shape those verbs share. Does not: what a stage does.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from osf_pipeline.cli.console import (
    Address,
    Backend,
    Home,
    Report,
    Root,
    Shot,
    Threads,
    Workers,
    describe,
    progress_lines,
    project,
    reporting,
    show,
)
from osf_pipeline.execution import Execution


def sharded(stage: str, text: str) -> Callable[..., None]:
    """The command of a stage that runs over shards; `stage` is "package.module:function"."""

    def command(
        shot: Shot,
        root: Root = None,
        home: Home = None,
        backend: Backend = "local",
        address: Address = None,
        workers: Workers = None,
        threads: Threads = 2,
        report: Report = None,
    ) -> None:
        with reporting(report) as results:
            execution = Execution(backend, address, workers, threads)
            result = _load(stage)(project(root, home), shot, execution, progress_lines())
            results.append(describe(result))
            show(result)

    command.__doc__ = text
    return command


def whole(stage: str, text: str) -> Callable[..., None]:
    """The command of a stage that runs in one process."""

    def command(shot: Shot, root: Root = None, home: Home = None, report: Report = None) -> None:
        with reporting(report) as results:
            result = _load(stage)(project(root, home), shot, progress_lines())
            results.append(describe(result))
            show(result)

    command.__doc__ = text
    return command


def _load(stage: str) -> Callable[..., Any]:
    module, _, function = stage.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return found
