"""Imports run one way, heavy libraries have one home each, and light entry points stay light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
LAYERS = ("model", "osf_pipeline", "assets", "dagster_project")
"""Each may import itself and what stands before it."""
HOMES = {
    "ray": ("osf_pipeline/distributed",),
    "mlflow": ("osf_pipeline/tracking",),
    "dagster": ("assets", "dagster_project"),
}
"""The only folders that may import a library."""
HEAVY = ("torch", "ray", "mlflow")


def modules(package: str) -> list[Path]:
    return sorted((REPOSITORY / package).rglob("*.py"))


def imported(path: Path) -> Iterator[tuple[str, int]]:
    """Top-level name and line of every import of a file, also inside functions and `if TYPE_CHECKING`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name.split(".")[0], node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} is a relative import, which this test cannot place"
            yield (node.module or "").split(".")[0], node.lineno


def offences(package: str, forbidden: set[str]) -> list[str]:
    return [
        f"{path.relative_to(REPOSITORY)}:{line} imports {name}"
        for path in modules(package)
        for name, line in imported(path)
        if name in forbidden
    ]


@pytest.mark.parametrize("package", LAYERS)
def test_imports_run_one_way(package: str) -> None:
    assert modules(package)
    assert offences(package, set(LAYERS[LAYERS.index(package) + 1 :]) | {"tests", "benchmarks"}) == []


@pytest.mark.parametrize("library", HOMES)
def test_a_library_stays_in_its_home(library: str) -> None:
    users = {
        path.relative_to(REPOSITORY).as_posix()
        for package in LAYERS
        for path in modules(package)
        if library in {name for name, _ in imported(path)}
    }
    strangers = [user for user in users if not user.startswith(tuple(f"{home}/" for home in HOMES[library]))]
    assert strangers == []
    assert users, "the rule guards nothing"


def test_the_model_needs_torch_and_the_standard_library_only() -> None:
    allowed = {"torch", "safetensors", "model"} | set(sys.stdlib_module_names)
    strangers = {name for path in modules("model") for name, _ in imported(path)} - allowed
    assert strangers == set()


def test_package_files_hold_a_docstring_only() -> None:
    for package in LAYERS:
        for path in modules(package):
            if path.name == "__init__.py":
                body = ast.parse(path.read_text()).body
                assert [type(node) for node in body] == [ast.Expr], f"{path} does more than say what belongs there"


@pytest.mark.parametrize(
    "statement",
    [
        "from dagster_project.definitions import defs; defs().resolve_asset_graph()",
        "import osf_pipeline.cli.main",
    ],
)
def test_light_entry_points_load_no_heavy_library(statement: str) -> None:
    code = f"{statement}; import sys; print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
