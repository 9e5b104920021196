"""Where a result came from: code revision and library versions. Never part of an identity."""

from __future__ import annotations

import functools
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


@functools.cache
def code_revision() -> str:
    """`<package version>+<git revision>`, `.dirty` when changed; the package version alone outside git."""
    try:
        package = version("osf-pipeline")
    except PackageNotFoundError:
        package = "0"
    here = Path(__file__).resolve().parent
    try:
        described = subprocess.run(
            ["git", "-C", str(here), "describe", "--always", "--dirty=.dirty", "--abbrev=12", "--exclude=*"],
            capture_output=True, text=True, timeout=5, check=True,
        ).stdout.strip()  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return package
    return f"{package}+{described}"


def library_versions(*names: str) -> dict[str, str]:
    """Installed versions of the named distributions."""
    return {name: version(name) for name in names}
