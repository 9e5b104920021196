"""When a method has reached its plateau, and what of the generated set it is compared on."""

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch

from osf_pipeline.bench import plateau
from osf_pipeline.bench.fits import Style
from osf_pipeline.bench.method import Budget, Fit
from osf_pipeline.bench.methods.painted import TwoStage
from osf_pipeline.bench.runs import Cache


@dataclass(frozen=True)
class Told:
    """Reaches the held-out loss that it is told for its steps."""

    name: str = "told"
    meaning: str = ""
    losses: ClassVar[dict] = {}
    asked: ClassVar[list] = []

    def fit(self, exemplars, budget, log=None):
        self.asked.append(budget.steps)
        facts = {"steps": budget.steps, "seconds": 0.0, "held_out": [{"1": 0.0}, {"1": self.losses[budget.steps]}]}
        return Fit({"steps": torch.tensor([budget.steps])}, facts)


@pytest.fixture
def settle(tmp_path, exemplar, monkeypatch):
    """The plateau of a method with these losses after 100, 200, ... steps; and the rounds it took."""
    monkeypatch.setattr(plateau, "METHOD", Told())

    def settled(*losses):
        Told.losses.update({100 << i: loss for i, loss in enumerate(losses)})
        Told.asked.clear()
        cache = Cache(str(tmp_path))
        found = plateau.to_plateau(cache, Style.of("figure", (exemplar,)), Budget(100, seed=1, threads=1))
        return found, list(Told.asked)

    return settled


def test_steps_are_doubled_until_they_buy_nothing_and_the_best_round_is_kept(settle):
    found, asked = settle(1.0, 0.8, 0.795)
    assert asked == [100, 200, 400]
    assert (found.fit.facts["plateau"], found.fit.facts["spent"], found.fit.facts["steps"]) == (True, 700, 400)
    assert torch.equal(found.fit.tensors["steps"], torch.tensor([400]))


def test_a_worse_round_ends_it_and_is_not_kept(settle):
    found, asked = settle(1.0, 0.8, 0.9)
    assert asked == [100, 200, 400]
    assert found.fit.facts["steps"] == 200


def test_rounds_that_still_help_are_told(settle, monkeypatch):
    monkeypatch.setattr(plateau, "ROUNDS", 3)
    found, asked = settle(1.0, 0.8, 0.6)
    assert asked == [100, 200, 400]
    assert not found.fit.facts["plateau"]


def test_rounds_are_kept(settle):
    assert not settle(1.0, 0.8, 0.795)[0].reused
    again, asked = settle(1.0, 0.8, 0.795)
    assert asked == []
    assert again.reused
    assert again.fit.facts["spent"] == 700


def test_its_first_round_is_the_fit_at_equal_steps():
    assert replace(plateau.METHOD, name="two-stage", meaning=TwoStage.meaning) == TwoStage()
