import numpy as np
import pytest
import torch

from model.occlusion import Motion
from osf_pipeline.occlusion.examples import Example
from osf_pipeline.occlusion.scores import Scores, f1_by_sequence, forward_backward, quartiles, scored


def scores(estimate, hidden) -> Scores:
    return Scores(np.array(estimate, np.float32), np.array(hidden, bool))


def test_f1_of_a_threshold():
    found = scores([0.9, 0.8, 0.3, 0.1], [1, 0, 1, 0])
    assert found.f1(0.5) == pytest.approx(0.5)
    assert found.f1(0.2) == pytest.approx(0.8)
    assert np.isnan(scores([0.5], [0]).f1(0.1))


def test_the_best_threshold_beats_every_other():
    rng = np.random.default_rng(0)
    hidden = rng.random(500) < 0.2
    found = scores(np.round(0.4 * hidden + rng.random(500), 1), hidden)
    best = found.best_threshold()
    every = [found.f1(t) for t in np.unique(found.estimate)]
    assert found.f1(best) == pytest.approx(max(every))
    constant = scores([0.5] * 4, [1, 0, 0, 0])
    assert constant.f1(constant.best_threshold()) == pytest.approx(0.4)


def test_calibration_error():
    rng = np.random.default_rng(0)
    share = rng.random(20000).astype(np.float32)
    hidden = rng.random(20000) < share
    assert scores(share, hidden).ece() < 0.02
    assert scores(share**3, hidden).ece() > 0.2
    assert scores([0, 0, 1, 1], [0, 0, 1, 1]).ece() == 0
    assert scores([1, 1, 0, 0], [0, 0, 1, 1]).ece() == 1
    assert scores([0.01, 0.5], [0, 1]).in_doubt().estimate.tolist() == [0.5]


def example(sequence: str = "a", hidden: int = 4) -> Example:
    """The flow back misses the way there by one pixel in the third row, by five in the last."""
    go = torch.zeros(1, 2, 6, 8)
    back = go.clone()
    back[0, 0, 3], back[0, 1, 5] = 1, 5
    truth = torch.zeros(1, 1, 6, 8, dtype=torch.bool)
    truth[..., 5, :hidden] = True
    seen = torch.ones_like(truth)
    seen[..., 0, :] = False
    color = torch.zeros(1, 4, 6, 8).half()
    return Example(sequence, color, color, Motion(go.half(), seen), Motion(back.half(), seen), truth)


def test_the_baseline_is_the_forward_backward_rule():
    error = forward_backward(example())[0, 0]
    assert error[1].eq(0).all()
    assert error[3, 0] == pytest.approx(1 / 0.51)
    assert error[5, 0] == pytest.approx(25 / 0.75)


def test_scores_are_kept_by_sequence_over_surfaces():
    found = scored({"baseline": forward_backward}, [example(), example("b", 0), example()])["baseline"]
    assert [len(found[name].estimate) for name in "ab"] == [80, 40]
    assert found["a"].hidden.sum() == 8
    assert f1_by_sequence(found, 10) == {"a": pytest.approx(2 * 8 / 24)}
    assert quartiles([1, 2, 3, 4, 5]) == (2, 3, 4)
