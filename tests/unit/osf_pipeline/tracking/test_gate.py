from __future__ import annotations

import math

import pytest

from osf_pipeline.tracking.gate import Gate

GATE = Gate(at_least={"psnr": 20.0}, at_most={"flicker": 0.1})


def test_metrics_on_the_bounds_pass() -> None:
    assert GATE.failures({"psnr": 20.0, "flicker": 0.1}) == []


@pytest.mark.parametrize(
    ("metrics", "failure"),
    [
        ({"psnr": 19.9, "flicker": 0.0}, "psnr 19.9 is below 20"),
        ({"psnr": 30.0, "flicker": 0.2}, "flicker 0.2 is above 0.1"),
        ({"psnr": 30.0}, "flicker was not measured"),
        ({"psnr": math.nan, "flicker": 0.0}, "psnr is nan"),
        ({"psnr": math.inf, "flicker": 0.0}, "psnr is inf"),
    ],
)
def test_each_bound_not_met_is_named(metrics: dict[str, float], failure: str) -> None:
    assert GATE.failures(metrics) == [failure]


def test_every_failure_is_listed() -> None:
    assert len(GATE.failures({"psnr": 0.0, "flicker": 1.0})) == 2
