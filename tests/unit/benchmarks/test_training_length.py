"""`benchmarks/training.py` tells the shortest fit that is as good as a long one."""

import sys
from pathlib import Path

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))
import training

from osf_pipeline.training.recipe import TrainRecipe


@pytest.mark.parametrize(
    ("everywhere", "occluded", "steps"),
    [
        ([1.20, 1.04, 1.02, 1.0], [1.30, 1.05, 1.01, 1.0], 100),
        ([1.20, 1.04, 1.02, 1.0], [1.30, 1.06, 1.01, 1.0], 200),  # in every region
        ([1.03, 1.06, 1.02, 1.0], [1.02, 1.01, 1.01, 1.0], 200),  # a lucky short fit is not enough
        ([0.97, 0.98, 0.99, 1.0], [0.90, 0.98, 0.99, 1.0], 50),
    ],
)
def test_a_length_is_enough_when_no_longer_one_is_much_worse_than_the_longest(everywhere, occluded, steps):
    ratios = pd.DataFrame({"all": everywhere, "occlusion band": occluded}, index=[50, 100, 200, 800])
    assert training.enough(ratios) == steps


def test_values_are_means_over_sequences_and_seeds_of_one_metric():
    rows = [
        ("50 steps", "a", 0, "all", "st_lpips", 0.1), ("50 steps", "b", 0, "all", "st_lpips", 0.3),
        ("50 steps", "a", 0, "occlusion band", "st_lpips", 0.4), ("50 steps", "a", 0, "all", "ssim", 0.9),
        ("50 steps", "a", 0, "visible", "st_lpips", 0.7), ("as laid", "a", 0, "all", "st_lpips", 0.2),
        ("as laid", "a", 1, "all", "st_lpips", 0.6), ("as laid", "a", 0, "occlusion band", "st_lpips", 0.5),
    ]  # fmt: skip
    results = pd.DataFrame(rows, columns=["method", "sequence", "seed", "region", "metric", "value"])
    found = training.values(results)
    assert found.loc["50 steps"].to_dict() == pytest.approx({"all": 0.2, "occlusion band": 0.4})
    assert found.loc["as laid"].to_dict() == pytest.approx({"all": 0.4, "occlusion band": 0.5})


def test_only_the_longest_fit_is_kept_from_ending_early():
    made = training.methods([100, 50], 800)
    assert list(made) == [0, 50, 100, 800]
    patience = [TrainRecipe.model_validate(dict(method.recipe)).patience for method in made.values()]
    assert patience == [*[TrainRecipe().patience] * 3, 0]
    assert [method.network for method in made.values()] == [False, True, True, True]
