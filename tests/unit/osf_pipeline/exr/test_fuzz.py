"""Ten thousand damaged files, read in a process of their own: decoded or refused, no crash, hang or other error."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

FUZZER = Path(__file__).resolve().parents[4] / "benchmarks" / "fuzz_exr.py"
COUNT, PATIENCE_S = 10_000, 300


def run(*arguments: str) -> tuple[str, dict[str, float]]:
    done = subprocess.run(
        [sys.executable, str(FUZZER), *arguments], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.stdout, done.stderr
    return done.stdout, json.loads(done.stdout.splitlines()[-1])


def test_no_mutation_ends_in_anything_but_pixels_or_a_refusal() -> None:
    told, found = run("--count", str(COUNT), "--seed", "1")
    assert (found["crashes"], found["hangs"], found["other_errors"]) == (0, 0, 0), told
    assert found["decoded"] + found["refused"] == found["mutations"] == COUNT
    # Mutations reach the pixel decoder, and not all of them are harmless.
    assert found["decoded"] > COUNT // 20
    assert int(told.split("refused: pixels")[1].split()[0]) > COUNT // 20
    assert found["peak_mib"] < 3072


@pytest.mark.parametrize("fault", ["crash", "hang", "error"])
def test_the_fuzzer_sees_a_reader_that_fails(fault: str) -> None:
    told, found = run("--count", "30", "--patience-s", "1", "--fault", fault)
    assert found[{"crash": "crashes", "hang": "hangs", "error": "other_errors"}[fault]] == 1, told
    assert "--seed 1 --first 7" in told
