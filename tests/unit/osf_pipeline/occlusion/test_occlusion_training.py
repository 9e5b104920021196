from pathlib import Path

import pytest
import torch

from model.occlusion import Motion
from model.occlusion_net import OcclusionArchitecture, OcclusionNet
from osf_pipeline.config import checked
from osf_pipeline.errors import InputDataError, RequestError
from osf_pipeline.occlusion.examples import Example
from osf_pipeline.occlusion.recipe import OcclusionRecipe
from osf_pipeline.occlusion.scores import Scores, scored
from osf_pipeline.occlusion.training import Patches, calibrate, computing_on, train
from osf_pipeline.training.checkpoint import CHECKPOINT


def example(number: int, size: int = 48) -> Example:
    """A box that moves over a wall of another colour, and flow that does not see it move."""
    torch.manual_seed(number)
    left, top = torch.randint(8, 24, (2,)).tolist()
    wall, box = torch.rand(2, 1, 3, 1, 1)
    pictures = []
    for at in (left, left - 6):
        color = wall.expand(1, 3, size, size).clone()
        color[:, :, top : top + 14, at : at + 14] = box
        pictures.append(torch.cat([color, torch.ones(1, 1, size, size)], 1).half())
    hidden = torch.zeros(1, 1, size, size, dtype=torch.bool)
    hidden[:, :, top : top + 14, left + 8 : left + 14] = True
    still = Motion(torch.zeros(1, 2, size, size).half(), torch.ones(1, 1, size, size, dtype=torch.bool))
    return Example("a", pictures[0], pictures[1], still, still, hidden)


def recipe(**keys) -> OcclusionRecipe:
    small = {"steps": 12, "width": 4, "blocks": 1, "batch": 4, "patch": 32, "threads": 1, "checkpoint": 5}
    return OcclusionRecipe(**{**small, **keys})


def state(network) -> dict[str, torch.Tensor]:
    return network.state_dict()


def same(a, b) -> bool:
    return all(torch.equal(a[name], b[name]) for name in a)


EXAMPLES = [example(number) for number in range(6)]


def test_equal_recipes_give_equal_weights():
    (first, history), (second, again) = (train(EXAMPLES, recipe()) for _ in range(2))
    assert history == again
    assert same(state(first), state(second))
    assert not same(state(first), state(train(EXAMPLES, recipe(seed=1))[0]))


def test_an_interrupted_training_continues_bit_for_bit(tmp_path: Path):
    whole, history = train(EXAMPLES, recipe())

    class Killed(Exception):
        pass

    def kill(step: int, _: dict[str, float]) -> None:
        if step == 7:
            raise Killed

    with pytest.raises(Killed):
        train(EXAMPLES, recipe(), checkpoints=tmp_path, on_step=kill)
    steps = []
    resumed, found = train(EXAMPLES, recipe(), checkpoints=tmp_path, on_step=lambda step, _: steps.append(step))
    assert steps == list(range(1, 13)), "the steps before the checkpoint are told again, and once"
    assert found == history
    assert same(state(whole), state(resumed))
    with pytest.raises(RequestError, match="another recipe"):
        train(EXAMPLES, recipe(rate=1e-3), checkpoints=tmp_path)
    assert (tmp_path / CHECKPOINT).exists()


def test_what_is_learnt_holds_on_other_frames_and_is_calibrated():
    network, history = train([example(number) for number in range(16)], recipe(steps=80, batch=6, rate=1e-2))
    assert history[-1]["loss"] < 0.7 * history[0]["loss"]
    held_out = [example(number) for number in range(50, 56)]

    def share(e: Example) -> torch.Tensor:
        return network.hidden(e.here, e.there, e.go, e.back)

    def measured() -> Scores:
        return scored({"network": share}, held_out)["network"]["a"]

    assert measured().f1(measured().best_threshold()) > 0.5
    network.calibration = torch.tensor([1.0, 2.0])  # far too sure of what is hidden
    askew = measured().ece()
    calibrate(network, held_out)
    assert measured().ece() < 0.03 < askew


def test_patches_depend_on_seed_and_step_alone():
    patches = Patches(EXAMPLES, recipe(), _architecture())
    first, again, other = patches.batch(3), patches.batch(3), patches.batch(4)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])
    x, hidden, seen = first
    assert x.shape[2:] == (32, 32)
    assert hidden.sum() > 0
    assert not hidden[seen == 0].any()


def test_a_reduced_pixel_is_hidden_by_the_share_of_its_surface():
    e = example(0)
    seen = e.seen.clone()
    seen[..., 20:] = False
    hidden = torch.zeros_like(e.hidden)
    hidden[..., :20] = True
    cut = Example("a", e.here, e.there, Motion(e.go.step, seen), e.back, hidden)
    odd = OcclusionArchitecture(4, 1, pixels=32 * 32)  # 1.5 pixels become one: some hold the figure's border
    _, share, surface = Patches([cut], recipe(batch=8), odd).batch(0)
    assert ((surface > 0) & (surface < 1)).any()
    assert share[surface > 0].min() > 0.99


def test_frames_that_show_nothing_are_refused():
    e = example(0)
    nothing = Motion(e.go.step, torch.zeros_like(e.go.valid))
    empty = Example("a", e.here, e.there, nothing, nothing, e.hidden & False)
    with pytest.raises(InputDataError, match="training sets show no figure"):
        Patches([empty], recipe(), _architecture())
    with pytest.raises(InputDataError, match="calibration sets show no figure"):
        calibrate(OcclusionNet(_architecture()).eval(), [empty])


def test_threads_are_those_of_the_recipe_and_given_back():
    before = torch.get_num_threads()
    seen = []
    train(EXAMPLES[:1], recipe(steps=1, threads=3), on_step=lambda *_: seen.append(torch.get_num_threads()))
    assert seen == [3]
    with pytest.raises(RuntimeError), computing_on(5):
        assert torch.get_num_threads() == 5
        raise RuntimeError
    assert torch.get_num_threads() == before


def test_characters_that_were_learnt_from_judge_nothing():
    for wrong in ({"validation": ["train-1"]}, {"calibration": ["train-1"]}, {"train": ["val-0"]}):
        with pytest.raises(RequestError, match="split"):
            checked(wrong, OcclusionRecipe)
    with pytest.raises(RequestError, match="cannot judge"):
        checked({"calibration": ["val-3", "val-4"], "validation": ["val-4"]}, OcclusionRecipe)


def _architecture() -> OcclusionArchitecture:
    return OcclusionArchitecture(4, 1)
