import io
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from pydantic import ValidationError

from model.inputs import INPUTS
from model.stylizer import Line
from model.training_step import Numerics
from osf_pipeline.errors import RequestError
from osf_pipeline.training import loop
from osf_pipeline.training.checkpoint import CHECKPOINT
from osf_pipeline.training.exemplar import drawn_line, exemplar_from_arrays, prepare
from osf_pipeline.training.loop import train
from osf_pipeline.training.patches import HELD_OUT, PatchPool
from osf_pipeline.training.recipe import TrainRecipe

TINY = TrainRecipe(
    steps=20, width=8, blocks=1, batch=4, patch=32, pool=4, refresh=3, snapshot=5, checkpoint=10, threads=1,
    precision="fp32",
)  # fmt: skip


class Stop(Exception):
    pass


def stop_at(last):
    def stop(step, terms):
        if step == last:
            raise Stop

    return stop


@pytest.fixture
def exemplars(keyframe):
    return [exemplar_from_arrays(*keyframe)]


@pytest.fixture(scope="module")
def whole(make_keyframe):
    """`TINY`, trained without a break, and what it told on the way."""
    told = SimpleNamespace(lines=[], pictures={})
    told.result = train(
        [exemplar_from_arrays(*make_keyframe())],
        TINY,
        lambda done, total, text: told.lines.append((done, total, text)),
        on_snapshot=told.pictures.__setitem__,
    )
    return told


def weights(result):
    return torch.cat([v.flatten().double() for v in result.model.state_dict().values()])


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


def test_an_interrupted_run_ends_as_an_uninterrupted_one(exemplars, whole, tmp_path):
    with pytest.raises(Stop):
        train(exemplars, TINY, checkpoint_dir=tmp_path, on_step=stop_at(13))
    (tmp_path / f".{CHECKPOINT}.{'0' * 32}").write_bytes(b"killed while writing")
    steps, taken = [], []
    resumed = train(
        exemplars,
        TINY,
        lambda done, total, text: taken.append(done),
        checkpoint_dir=tmp_path,
        on_step=lambda step, _: steps.append(step),
    )
    assert taken[0] == 11
    assert steps == list(range(1, 21))
    assert weights(resumed).equal(weights(whole.result))
    assert resumed.history == whole.result.history
    assert resumed.card == whole.result.card
    assert resumed.preview == whole.result.preview


SCORES = {2: 0.4, 4: 0.3, 6: 0.35, 8: 0.32, 10: 0.1}


@pytest.fixture
def scripted(monkeypatch):
    """Held-out losses are those of `SCORES`."""
    offer = loop._Keeper.offer

    def scripted_offer(self, step, average):
        monkeypatch.setattr(loop, "patch_loss", lambda *_: {"total": torch.tensor(SCORES[step])})
        return offer(self, step, average)

    monkeypatch.setattr(loop._Keeper, "offer", scripted_offer)


PATIENT = TINY.model_copy(update={"steps": 10, "snapshot": 2, "checkpoint": 4, "batch": 2, "patience": 2})


@pytest.mark.parametrize("killed", [5, 8])
def test_training_stops_when_patience_ends_and_so_does_a_resumed_one(exemplars, scripted, tmp_path, killed):
    stopped = train(exemplars, PATIENT, checkpoint_dir=tmp_path / "whole")
    metrics = stopped.card.metrics
    assert (metrics["stopped_at"], metrics["best_step"]) == (8, 4)
    assert metrics["held_out"] == pytest.approx(0.3)
    with pytest.raises(Stop):
        train(exemplars, PATIENT, checkpoint_dir=tmp_path, on_step=stop_at(killed))
    resumed = train(exemplars, PATIENT, checkpoint_dir=tmp_path)
    assert weights(resumed).equal(weights(stopped))
    assert resumed.history == stopped.history
    assert resumed.card == stopped.card


def test_a_stopped_run_is_not_taken_up_again(exemplars, scripted, tmp_path):
    train(exemplars, PATIENT, checkpoint_dir=tmp_path)
    taken = []
    train(exemplars, PATIENT, lambda done, *_: taken.append(done), checkpoint_dir=tmp_path)
    assert taken == []


def test_without_patience_every_step_is_taken(exemplars, scripted):
    card = train(exemplars, PATIENT.model_copy(update={"patience": 0})).card
    assert (card.metrics["stopped_at"], card.metrics["best_step"]) == (10, 10)


def test_progress_says_losses_rate_pace_and_time_left(whole):
    assert [(done, total) for done, total, _ in whole.lines] == [(step, 20) for step in range(1, 21)]
    line = r"train loss \d\.\d{4}( held_out \d\.\d{4})? rate \d\.\d\de-\d\d \d+\.\d\d steps/s \d+:\d\d left"
    assert all(re.fullmatch(line, text) for *_, text in whole.lines)
    assert "held_out" not in whole.lines[3][2]
    assert f"held_out {whole.result.snapshots[5]:.4f}" in whole.lines[8][2]
    assert whole.lines[-1][2].endswith(" 0:00 left")


def test_a_preview_of_every_snapshot_shows_keyframe_and_composite_beside_the_drawing(exemplars, whole):
    assert list(whole.pictures) == [5, 10, 15, 20]
    first, last = (np.asarray(Image.open(io.BytesIO(whole.pictures[step]))) for step in (5, 20))
    height, width = prepare(exemplars[0]).figure.sheet.size
    assert first.shape[1:] == (2 * width, 3)
    assert height < first.shape[0] <= 2 * height  # composites may be shrunk
    assert np.array_equal(first[:height, :width], last[:height, :width]), "the drawing stands left"
    assert not np.array_equal(first[:, width:], last[:, width:])


def test_a_loss_that_is_no_number_ends_the_training(exemplars, monkeypatch):
    monkeypatch.setattr(loop.TrainingState, "step", lambda self, *_: {"total": float("nan")})
    with pytest.raises(RequestError, match="no number"):
        train(exemplars, TINY)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_recipe_decides_every_bit_whatever_threads_its_caller_has(exemplars, threads):
    short = TINY.model_copy(update={"steps": 2, "threads": threads})
    before, found = torch.get_num_threads(), []
    for callers in (1, 2):
        torch.set_num_threads(callers)
        found.append(weights(train(exemplars, short)))
        assert torch.get_num_threads() == callers
    torch.set_num_threads(before)
    assert found[0].equal(found[1])


def test_another_seed_gives_another_model(exemplars):
    short = TINY.model_copy(update={"steps": 5})
    assert not weights(train(exemplars, short)).equal(weights(train(exemplars, short.model_copy(update={"seed": 1}))))


def test_a_checkpoint_of_another_recipe_is_refused(exemplars, tmp_path):
    short = TINY.model_copy(update={"steps": 10})
    train(exemplars, short, checkpoint_dir=tmp_path)
    with pytest.raises(RequestError, match="another recipe"):
        train(exemplars, TINY, checkpoint_dir=tmp_path)


def test_a_checkpoint_of_other_drawings_is_refused(exemplars, make_keyframe, tmp_path):
    short = TINY.model_copy(update={"steps": 10, "batch": 2})
    train(exemplars, short, checkpoint_dir=tmp_path)
    with pytest.raises(RequestError, match="other drawings"):
        train([exemplar_from_arrays(*make_keyframe(ink=(0.8, 0.1, 0.1)))], short, checkpoint_dir=tmp_path)


def test_a_checkpoint_of_another_precision_is_refused(exemplars, tmp_path, monkeypatch):
    short = TINY.model_copy(update={"steps": 10, "precision": "auto"})
    monkeypatch.setattr(loop, "numerics", lambda *_: Numerics())
    train(exemplars, short, checkpoint_dir=tmp_path)
    monkeypatch.setattr(loop, "numerics", lambda *_: Numerics(dtype=torch.bfloat16))
    with pytest.raises(RequestError, match="another precision"):
        train(exemplars, short, checkpoint_dir=tmp_path)


def test_patches_may_be_larger_than_the_figure(exemplars):
    prepared = [prepare(exemplar) for exemplar in exemplars]
    recipe = TINY.model_copy(update={"patch": 256, "pool": 2, "shrunk": 1.0})
    batch = PatchPool(prepared, drawn_line(prepared), recipe).batch(0)
    assert batch.inputs.shape == (4, len(INPUTS), 256, 256)
    assert (batch.fill[:, 3] > 0).any()
    beyond = batch.fill[:, 3] == 0
    assert beyond.float().mean() > 0.5
    assert (batch.weight[:, 0][beyond] == 1).all()


def test_the_best_snapshot_is_kept_not_the_last(whole):
    result = whole.result
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
