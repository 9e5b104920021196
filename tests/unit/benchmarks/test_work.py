"""The networks of `benchmarks/two_stage.py` weigh what is published of them."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))
import two_stage
import work

from model.stylizer import Architecture, Stylizer


@pytest.mark.parametrize(
    ("network", "parameters", "gmac"),
    [(two_stage.texture_network, 2.847, 158.4), (two_stage.contour_network, 3.279, 271.9)],
)
def test_parameters_and_work_are_the_published_ones(network, parameters, gmac):
    built = network()
    assert sum(p.numel() for p in built.parameters()) / 1e6 == pytest.approx(parameters, abs=5e-4)
    assert work.macs(built, two_stage.INPUTS) / 1e9 == pytest.approx(gmac, abs=0.1)


def test_a_picture_keeps_its_size():
    network = two_stage.contour_network().eval()
    assert network(torch.zeros(1, two_stage.INPUTS, 16, 20)).shape == (1, 3, 16, 20)


def test_ours_takes_at_most_a_fifteenth_of_the_work():
    network = Stylizer(Architecture())
    ours = work.macs(network, len(network.architecture.inputs))
    theirs = sum(work.macs(n(), two_stage.INPUTS) for n in (two_stage.texture_network, two_stage.contour_network))
    assert theirs / ours >= 15


def test_every_design_draws_a_frame(monkeypatch):
    monkeypatch.setattr(work, "SIZE", 32)
    for design in work.DESIGNS:
        work.prepared(design)()
