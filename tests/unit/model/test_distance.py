import pytest
import torch

from model import reference
from model.distance import MAX_REACH, at, nearest


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("reach", [3, 40])
def test_equals_the_search_in_distance_and_in_which_pixel(seed, reach):
    generator = torch.Generator().manual_seed(seed)
    height, width = 9 + 5 * seed, 31 - 4 * seed
    marked = torch.rand(2, 1, height, width, generator=generator) < 0.02
    found = nearest(marked, reach)
    for b in range(2):
        distance, index = reference.nearest(marked[b, 0], reach)
        assert torch.equal(found.distance[b, 0], distance)
        assert torch.equal(found.index[b, 0], index)


def test_the_reach_is_exact():
    marked = torch.zeros(1, 1, 1, 80, dtype=torch.bool)
    marked[..., 0] = True
    found = nearest(marked, 32)
    assert found.distance[0, 0, 0, 30:36].tolist() == [30, 31, 32, 32, 32, 32]
    assert found.index[0, 0, 0, 30:36].tolist() == [0, 0, 0, 33, 34, 35]


def test_nothing_marked():
    found = nearest(torch.zeros(1, 1, 5, 7, dtype=torch.bool), 32)
    assert (found.distance == 32).all()
    assert found.index.flatten().tolist() == list(range(35))


def test_the_largest_reach_fits_the_key():
    marked = torch.zeros(1, 1, 101, 101, dtype=torch.bool)
    marked[..., 0, 0] = True
    found = nearest(marked, MAX_REACH)
    assert found.distance[0, 0, 60, 80] == 100
    assert found.index[0, 0, 60, 80] == 0
    assert found.distance[0, 0, 100, 100] == 100
    assert found.index[0, 0, 100, 100] == 100 * 101 + 100
    with pytest.raises(ValueError, match="reach"):
        nearest(marked, MAX_REACH + 1)


def test_at_fetches_by_flat_index():
    values = torch.arange(24).view(1, 2, 3, 4)
    assert at(values, torch.full((1, 1, 3, 4), 6))[0, :, 0, 0].tolist() == [6, 18]
