import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError

from model.inputs import INPUTS
from model.stylizer import Line
from osf_pipeline.errors import RequestError
from osf_pipeline.training.exemplar import drawn_line, exemplar_from_arrays, prepare
from osf_pipeline.training.loop import train
from osf_pipeline.training.patches import HELD_OUT, PatchPool
from osf_pipeline.training.recipe import TrainRecipe

TINY = TrainRecipe(
    steps=20, width=8, blocks=1, batch=4, patch=32, pool=4, refresh=3, snapshot=5, checkpoint=10, threads=1
)


GOLDEN = (1.47825, 1.09264)


@pytest.fixture
def exemplars(keyframe):
    return [exemplar_from_arrays(*keyframe)]


def weights(result):
    return torch.cat([v.flatten().double() for v in result.model.state_dict().values()])


def test_losses_equal_the_recorded_ones(exemplars):
    # Recorded on x86-64; a change here means that training has changed, on purpose or not.
    history = train(exemplars, TINY).history
    total = [step["total"] for step in history]
    assert total[0] == pytest.approx(GOLDEN[0], rel=1e-3)
    assert np.mean(total[-5:]) == pytest.approx(GOLDEN[1], rel=2e-2)


@pytest.fixture(scope="module")
def learnt(make_keyframe):
    """A small network after 80 steps, with its exemplar."""
    recipe = TINY.model_copy(update={"steps": 80, "snapshot": 20, "batch": 6})
    exemplar = exemplar_from_arrays(*make_keyframe())
    return train([exemplar], recipe), exemplar, recipe


def test_training_learns(learnt):
    assert learnt[0].card.metrics["held_out_ratio"] < 0.6


def test_interiors_stay_free_of_ink_where_limbs_cross(learnt):
    """The guard against flooding: away from contours, composites carry no more ink than the keyframe."""
    result, exemplar, recipe = learnt
    prepared = prepare(exemplar)
    pool = PatchPool([prepared], drawn_line([prepared]), recipe.model_copy(update={"composites": 1.0}))
    stroke = result.card.stroke

    def ink_share(plate):
        inputs = dict(zip(INPUTS, plate.inputs.float(), strict=True))
        far = (inputs["signed_contour"].abs() >= 1) & (inputs["alpha"] == 1)
        height, width = far.shape
        padded = F.pad(plate.inputs[None].float(), (0, -width % 4, 0, -height % 4), mode="replicate")
        with torch.inference_mode():
            alpha = Line.of(result.model(padded)).alpha[0, 0, :height, :width]
        near = (inputs["signed_contour"] > 0) & (inputs["signed_contour"] < 0.5 * stroke / (stroke + 3))
        return (alpha[far] > 0.5).float().mean().item(), (alpha[near] > 0.5).float().mean().item()

    still, _ = ink_share(PatchPool([prepared], pool.strokes, recipe.model_copy(update={"composites": 0.0})).make(0))
    shares = [ink_share(pool.make(number, HELD_OUT)) for number in range(6)]
    assert np.mean([far for far, _ in shares]) <= still + 0.03
    assert np.mean([near for _, near in shares]) > 0.6


def test_an_interrupted_run_ends_as_an_uninterrupted_one(exemplars, tmp_path):
    class Stop(Exception):
        pass

    def stop(step, terms):
        if step == 13:
            raise Stop

    whole = train(exemplars, TINY)
    with pytest.raises(Stop):
        train(exemplars, TINY, checkpoint_dir=tmp_path, on_step=stop)
    steps = []
    resumed = train(exemplars, TINY, checkpoint_dir=tmp_path, on_step=lambda step, _: steps.append(step))
    assert steps == list(range(1, 21))
    assert weights(resumed).equal(weights(whole))
    assert resumed.history == whole.history
    assert resumed.card == whole.card


def test_another_seed_gives_another_model(exemplars):
    short = TINY.model_copy(update={"steps": 5})
    assert not weights(train(exemplars, short)).equal(weights(train(exemplars, short.model_copy(update={"seed": 1}))))


def test_a_checkpoint_of_another_recipe_is_refused(exemplars, tmp_path):
    short = TINY.model_copy(update={"steps": 10})
    train(exemplars, short, checkpoint_dir=tmp_path)
    with pytest.raises(RequestError, match="another recipe"):
        train(exemplars, TINY, checkpoint_dir=tmp_path)


def test_the_best_snapshot_is_kept_not_the_last(exemplars):
    result = train(exemplars, TINY)
    best = min(result.snapshots.values())
    assert result.card.metrics["held_out"] == best
    assert result.snapshots[int(result.card.metrics["best_step"])] == best


def test_card_names_recipe_stroke_and_rest_box(exemplars):
    card = train(exemplars, TINY.model_copy(update={"steps": 2}), license="CC0-1.0").card
    assert card.recipe["width"] == 8
    assert card.stroke == pytest.approx(5, abs=1)
    assert card.license == "CC0-1.0"
    assert card.pixel == pytest.approx(0.01, rel=0.01)
    assert all(low < high for low, high in zip(card.rest_box[0][:2], card.rest_box[1][:2], strict=True))


def test_recipe_refuses_unknown_keys():
    with pytest.raises(ValidationError):
        TrainRecipe.model_validate({"stepz": 3})
