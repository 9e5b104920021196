"""Every method of the benchmark by its name. Belongs here: choosing. Does not: the methods."""

from __future__ import annotations

import re
from collections.abc import Sequence

from osf_pipeline.bench.method import Method
from osf_pipeline.bench.methods import registry
from osf_pipeline.bench.ours import OURS, Ours
from osf_pipeline.errors import RequestError


def chosen(names: Sequence[str] = ()) -> list[Method]:
    """Methods in the order of the tables, ours first; all when no names are given. Case, `-`, `_` and commas in a name
    do not matter.

    Raises:
        RequestError: for a name that no method has.
    """
    known: dict[str, Method] = {OURS: Ours(), **registry.methods()}
    plain = {_plain(name): name for name in known}
    if unknown := [name for name in names if _plain(name) not in plain]:
        raise RequestError("no such method", method=unknown[0], fix=f"There are: {', '.join(known)}.")
    wanted = {plain[_plain(name)] for name in names} | {OURS} if names else set(known)
    return [method for name, method in known.items() if name in wanted]


def _plain(name: str) -> str:
    return " ".join(re.findall(r"\w+", name.lower().replace("_", " ")))
