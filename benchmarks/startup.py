"""How long a person waits before anything happens: `osf --help` and loading the Dagster definitions.

    python benchmarks/startup.py [--quick]

Baseline: an interpreter that imports nothing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys

from common import finish, line, seconds

HEAVY = ("torch", "ray", "mlflow")
DEFINITIONS = "import dagster_project.definitions as d; d.defs()"
REPORT = (
    f"{DEFINITIONS}; import osf_pipeline.cli.main, sys, json; "
    f"print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
)


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    repeats = 3 if parser.parse_args().quick else 9
    heavy = json.loads(python(REPORT))
    empty = line("python -c pass (baseline)", seconds(lambda: python("pass"), repeats))
    call = "import sys; sys.argv = ['osf', '--help']; from osf_pipeline.cli.main import main; main()"
    cli = line("osf --help", seconds(lambda: python(call), repeats))
    definitions = line("load the definitions", seconds(lambda: python(DEFINITIONS), repeats))
    print(f"ratio to baseline: cli {cli / empty:.1f}, definitions {definitions / empty:.1f}")
    finish(cli_seconds=cli, definitions_seconds=definitions, baseline_seconds=empty, heavy_imports=heavy)


if __name__ == "__main__":
    main()
