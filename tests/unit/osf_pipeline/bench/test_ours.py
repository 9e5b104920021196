from types import SimpleNamespace

import numpy as np
import pytest
import torch

from model.strokes import Strokes
from osf_pipeline.bench.fits import Style, learn
from osf_pipeline.bench.method import Budget
from osf_pipeline.bench.ours import Ours, _fitting
from osf_pipeline.stylize.frame import MATTE_FLOOR
from osf_pipeline.stylize.look import Look
from osf_pipeline.training.recipe import TrainRecipe

TINY = {"width": 8, "blocks": 1, "batch": 2, "patch": 32, "pool": 2, "precision": "fp32"}


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return str(tmp_path_factory.mktemp("fits"))


@pytest.fixture
def fitted(kept, exemplar):
    """The fit of a variant after two steps."""
    style = Style.of("figure", (exemplar,))

    def fit(recipe=None, **given):
        method = Ours(recipe={**TINY, **(recipe or {})}, **given)
        return method, learn(kept, style, method, Budget(2, threads=1))

    return fit


@pytest.fixture
def frame(exemplar):
    y, x = np.mgrid[:64, :64]
    away = np.abs(np.hypot(x - 32, y - 32) - 20)[None]
    guides = {name: np.ones((1, 64, 64)) for name in ("contour_step", "confidence")}
    guides |= {"contour": away, "contour_side": exemplar.buffers["part_id"]}
    return {**exemplar.buffers, **{name: values.astype(np.float16) for name, values in guides.items()}}


def drawn(method, found, exemplar, frame):
    return method.drawer([exemplar], found.fit)([frame], 0)


def test_what_was_learnt_draws_again_from_storage(fitted, exemplar, frame):
    method, found = fitted()
    first = drawn(method, found, exemplar, frame)
    assert first.beauty.shape == (4, 64, 64)
    assert first.line.max() > 0.5  # an untrained network draws the laid line
    assert (drawn(*fitted(), exemplar, frame).beauty == first.beauty).all()
    assert found.fit.facts["steps"] == 2
    assert found.fit.facts["parameters"] > 1000


def test_a_guide_that_is_never_shown_makes_no_difference(fitted):
    (_, whole), (_, without) = fitted(), fitted({"withhold": ["revealed"]})
    assert not without.reused  # learnt for itself, and the same came out
    assert without.digest == whole.digest


def test_a_guide_that_is_shown_does(fitted, exemplar, frame):
    method, whole = fitted()
    blind, without = fitted({"withhold": ["contour"]})
    assert without.digest != whole.digest
    line = drawn(blind, without, exemplar, frame).line
    assert line.max() < drawn(method, whole, exemplar, frame).line.max()
    # It is withheld in drawing too: other contours, the same line.
    elsewhere = {**frame, "contour": np.roll(frame["contour"], 7, axis=2)}
    inside = np.s_[20:44, 20:44]
    assert (drawn(blind, without, exemplar, elsewhere).line[inside] == line[inside]).all()


def test_rest_z_is_withheld_from_the_strokes(fitted):
    (_, whole), (_, flat) = fitted(), fitted({"withhold": ["rest_z"]})
    assert flat.digest != whole.digest


def test_without_strokes_every_place_gets_the_same_line(fitted, exemplar, frame):
    """The figure is drawn in two inks, left and right."""

    def inks(method, found):
        beauty = drawn(method, found, exemplar, frame).beauty
        return beauty[0, 31, 13], beauty[0, 31, 50]

    left, right = inks(*fitted({"tier": "estimated"}))
    assert abs(left - right) < 0.02
    left, right = inks(*fitted())
    assert right - left > 0.02


def test_without_the_network_the_line_is_shown_as_it_is_laid(fitted, exemplar, frame):
    method, found = fitted(network=False)
    assert found.fit.facts["steps"] == 1
    assert method.macs(found.fit, 64, 64) == 0
    strokes = Strokes(found.fit.tensors["strokes.rest"].shape[0], found.fit.facts["card"]["architecture"]["reach"])
    strokes.load_state_dict({k.removeprefix("strokes."): v for k, v in found.fit.tensors.items() if "strokes." in k})
    distance, side, rest = (
        torch.from_numpy(frame[name].astype(np.float32))[None] for name in ("contour", "contour_side", "rest_position")
    )
    laid = strokes(distance, side > 0, rest)[0, 3].numpy()
    line = drawn(method, found, exemplar, frame).line
    np.testing.assert_allclose(line, np.where(laid >= MATTE_FLOOR, laid, 0), atol=2e-3)
    assert line.max() > 0.9


def test_a_look_needs_no_training_of_its_own(fitted, exemplar, frame):
    _, whole = fitted()
    method, found = fitted(look=Look(strength=0))
    assert found.reused
    assert (found.digest, drawn(method, found, exemplar, frame).line.max()) == (whole.digest, 0)


def test_work_is_counted_without_drawing(fitted):
    method, found = fitted()
    small, large = (method.macs(found.fit, size, size) for size in (64, 128))
    assert large == 4 * small
    assert 1e6 < small < 1e9


def test_steps_are_chosen_to_end_in_time(monkeypatch):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr("osf_pipeline.bench.ours.time.monotonic", lambda: clock.now)

    def train(exemplars, recipe, on_step):
        clock.now += 5  # preparing
        for step in range(recipe.steps):
            clock.now += 0.5
            on_step(step + 1, {})

    monkeypatch.setattr("osf_pipeline.bench.ours.train", train)
    recipe = TrainRecipe(steps=400)
    # 60 s: 13 spent on telling the pace (5 + 16 x 0.5), 5 on preparing again, 42 left for steps of half a second.
    assert _fitting([], recipe, 60.0) == 84
    assert _fitting([], recipe, 1000.0) == 400
    assert _fitting([], recipe, 1.0) == 1


def test_seeds_are_told_apart(kept, exemplar):
    style = Style.of("figure", (exemplar,))
    first, second = (learn(kept, style, Ours(recipe=TINY), Budget(2, seed=s, threads=1)) for s in (0, 1))
    assert not torch.equal(first.fit.tensors["stem.conv.weight"], second.fit.tensors["stem.conv.weight"])
