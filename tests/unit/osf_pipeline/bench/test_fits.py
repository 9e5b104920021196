from dataclasses import replace

import numpy as np
import pytest
import torch

from osf_pipeline.bench.fits import Style, learn
from osf_pipeline.bench.method import Budget
from osf_pipeline.bench.methods.untrained import RawRender


@pytest.fixture
def style(exemplar):
    return Style.of("figure", (exemplar,))


@pytest.fixture
def folder(tmp_path):
    return str(tmp_path / "fits")


def test_nothing_is_learnt_twice(folder, style, number):
    first, again = (learn(folder, style, number(scale=2), Budget(5, seed=3)) for _ in range(2))
    assert len(number.learnt) == 1
    assert (first.reused, again.reused) == (False, True)
    assert first.digest == again.digest
    assert torch.equal(again.fit.tensors["value"], torch.tensor([6.0]))
    assert again.fit.facts == {"steps": 5, "seconds": 1.0, "parameters": 1}


@pytest.mark.parametrize("budget", [Budget(6), Budget(5, seconds=1.0), Budget(5, seed=1), Budget(5, threads=1)])
def test_every_part_of_a_budget_counts(folder, style, number, budget):
    learn(folder, style, number(), Budget(5))
    assert not learn(folder, style, number(), budget).reused


def test_settings_count_and_names_do_not(folder, style, number):
    learn(folder, style, number(), Budget(5))
    assert learn(folder, style, number(name="other", meaning="the same"), Budget(5)).reused
    assert not learn(folder, style, number(scale=3), Budget(5)).reused


def test_what_the_exemplars_hold_counts(folder, style, number):
    (first,) = style.exemplars
    learn(folder, style, number(), Budget(5))
    drawing = first.drawing.copy()
    drawing[0, 32, 32] += 1e-3
    buffers = {**first.buffers, "part_id": np.where(first.buffers["part_id"] > 0, 7, 0).astype(np.uint16)}
    for changed in ([replace(first, drawing=drawing)], [replace(first, buffers=buffers)], [first, first]):
        assert not learn(folder, Style.of("figure", tuple(changed)), number(), Budget(5)).reused
    assert learn(folder, Style.of("another name", (first,)), number(), Budget(5)).reused


def test_fits_that_draw_alike_are_told_by_their_digest(folder, style, number):
    def digests(method):
        return {learn(folder, style, method, Budget(5, seed=seed)).digest for seed in (0, 1)}

    assert len(digests(number())) == 2
    assert len(digests(RawRender())) == 1  # nothing learnt: the seed makes no difference
    assert len(digests(number(scale=0))) == 1  # equal weights; only the time they took differs
