"""Which code a number was computed with.

Belongs here: digests of the project's own sources. Does not: revisions of the repository (`osf_pipeline.provenance`).

Stages raise a version by hand when their results change. The benchmark compares what is being changed, so what it keeps
is keyed by the code itself: a number never outlives the code that made it.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

FIT = (
    "model",
    "osf_pipeline.color",
    "osf_pipeline.colorspaces",
    "osf_pipeline.drawing.outline",
    "osf_pipeline.training",
)
"""What every learnt method stands on."""
FLOW = ("model.flow", "osf_pipeline.guidance.flow")
DRAW = (*FIT, *FLOW, "osf_pipeline.bench.footage", "osf_pipeline.stylize")
METHODS, OURS = "osf_pipeline.bench.methods", "osf_pipeline.bench.ours"
MEASURE = ("model.perceptual", "osf_pipeline.bench.measure", "osf_pipeline.evaluation")


def digest(modules: Iterable[str]) -> str:
    """16 hex digits over modules and whole packages; comments, docstrings and layout do not count."""
    found = hashlib.sha256()
    for module in sorted(set(modules)):
        found.update(_digest(module))
    return found.hexdigest()[:16]


def take_note() -> None:
    """Read all that counts now, as it has just been imported; each file is read once, whatever becomes of it later."""
    digest([*DRAW, *MEASURE, METHODS, OURS])


def of_object(thing: object) -> str:
    """Name of the package of an object's class, or of its module where that lies in no package of its own."""
    module = type(thing).__module__
    return METHODS if module.startswith(f"{METHODS}.") else module


@cache
def _digest(module: str) -> bytes:
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    origin = Path(spec.origin)
    files = sorted(origin.parent.rglob("*.py")) if spec.submodule_search_locations else [origin]
    found = hashlib.sha256(module.encode())
    for file in files:
        found.update(f"\n{file.relative_to(origin.parent)}\n".encode())
        found.update(ast.dump(_bare(ast.parse(file.read_bytes()))).encode())
    return found.digest()


def _bare(tree: ast.AST) -> ast.AST:
    """Without docstrings."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if not isinstance(body, list) or not body or isinstance(node, ast.Lambda):
            continue
        first = body[0]
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            body[0] = ast.Pass()
    return tree
