import pytest
from pydantic import ValidationError

from osf_pipeline.bench.catalogue import chosen
from osf_pipeline.bench.request import BenchRequest
from osf_pipeline.errors import RequestError


def test_a_quick_run_is_small_and_claims_nothing():
    request = BenchRequest.made(quick=True)
    assert (request.seeds, request.claims, request.generated.width, request.generated.height) == (1, False, 256, 256)
    assert BenchRequest.made().claims
    assert [budget.seed for budget in BenchRequest.made().budgets()] == [0, 1, 2]


def test_what_is_given_takes_the_place_of_the_runs_own():
    request = BenchRequest.made(quick=True, given={"steps": 7}, generated={"frames": 5, "seed": 4})
    assert (request.steps, request.generated.frames, request.generated.name) == (7, 5, "test-4")
    assert request.generated.characters == BenchRequest.made(quick=True).generated.characters
    assert BenchRequest.made(generated={"sequences": 0}).generated is None


def test_a_bad_key_is_refused():
    with pytest.raises(ValidationError):
        BenchRequest.made(given={"step": 3})


def test_methods_are_known_by_name_whatever_joins_its_words():
    assert [m.name for m in chosen(["texture-lookup", "Raw_Render"])] == ["ours", "raw render", "texture lookup"]
    everything = [m.name for m in chosen()]
    assert everything[0] == "ours"
    assert "single run, edges carried" in [m.name for m in chosen(["single-run-edges-carried"])]
    assert len(everything) == len(set(everything)) > 5


def test_an_unknown_method_is_refused_with_those_there_are():
    with pytest.raises(RequestError, match="raw render"):
        chosen(["guesswork"])
