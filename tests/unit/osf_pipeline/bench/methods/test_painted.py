from dataclasses import replace

import numpy as np
import pytest
import torch

from model.painter import INPUTS, Painter
from osf_pipeline.bench.fits import AFTERWARDS, settings
from osf_pipeline.bench.method import Budget, Fit
from osf_pipeline.bench.methods import learning
from osf_pipeline.bench.methods.edges import RestBox
from osf_pipeline.bench.methods.learning import Cutter, Lesson, Picture, keyframe, learn, overlaid, with_edges
from osf_pipeline.bench.methods.painted import EDGES, SingleRun, TwoStage
from osf_pipeline.bench.methods.registry import methods
from osf_pipeline.training.exemplar import prepare
from osf_pipeline.training.patches import seeded

SINGLE = SingleRun("single run", "")


@pytest.fixture(scope="module", autouse=True)
def small():
    """Networks and patches too small to be any good, and quick."""
    patch = pytest.MonkeyPatch()
    patch.setattr(learning, "RECIPE", replace_recipe(width=8, blocks=1, batch=4, patch=32))
    patch.setattr("osf_pipeline.bench.methods.painted.RECIPE", learning.RECIPE)
    yield
    patch.undo()


def replace_recipe(**keys):
    return learning.RECIPE.model_copy(update=keys)


@pytest.fixture(scope="module")
def picture(drawn) -> tuple[Picture, np.ndarray]:
    prepared = prepare(drawn)
    return keyframe(prepared, RestBox.of([prepared]))


@pytest.fixture(scope="module")
def two_stage(small, drawn) -> Fit:
    return TwoStage().fit([drawn], Budget(3, threads=1))


def test_a_keyframe_becomes_a_square_of_whole_strides(picture, drawn):
    found, edges = picture
    height, width = found.alpha.shape[1:]
    assert height == width
    assert height % 4 == 0
    assert edges.shape == (height, width)
    seen = found.alpha[0] > 0
    assert int(seen.sum()) == int((drawn.buffers["part_id"] > 0).sum())
    torch.testing.assert_close(found.rgb[:, seen].mean(1), torch.tensor([0.8, 0.7, 0.5]), atol=0.02, rtol=0)
    assert found.wanted[:, ~seen].min() > 0.999


def test_edges_are_black_and_leave_the_coverage(picture):
    found, edges = picture
    marked = with_edges(found, edges)
    assert marked.rgb[:, edges].max() == 0
    torch.testing.assert_close(marked.rgb[:, ~edges], found.rgb[:, ~edges])
    assert marked.alpha is found.alpha


def test_the_overlay_hides_what_is_below_and_keeps_the_front_whole(picture):
    marked = with_edges(*picture)
    alone, both = overlaid(marked)
    assert alone is marked
    front, below = marked.alpha[0] > 0.5, torch.rot90(marked.alpha, 1, (1, 2))[0] > 0.5
    for name in ("rgb", "rest", "wanted"):
        whole, part = getattr(both, name)[:, front], getattr(marked, name)[:, front]
        torch.testing.assert_close(whole, part)
    behind = below & ~front
    assert (both.alpha[0, behind] > 0.5).all()
    torch.testing.assert_close(both.wanted[:, behind], torch.rot90(marked.wanted, 1, (1, 2))[:, behind])
    # The front's outline lies on the picture below it, too.
    rim = marked.marked[0] & ~front & below
    assert rim.any()
    assert both.rgb[:, rim].max() == 0


def test_patches_lie_on_the_figure(picture):
    cutter = Cutter([picture[0]])
    grown = torch.nn.functional.max_pool2d(picture[0].alpha[None], 7, 1, 3)[0, 0] > 0
    assert len(cutter.centres) == int(grown.sum())
    patches = cutter.batch(seeded(0, 1, 0))
    assert patches.inputs.shape == (4, len(INPUTS), 32, 32)
    assert (patches.alpha.flatten(1).amax(1) > 0).all()
    again = cutter.batch(seeded(0, 1, 0))
    torch.testing.assert_close(again.inputs, patches.inputs, rtol=0, atol=0)


def test_learning_is_a_function_of_its_seed(picture):
    lesson = Lesson([picture[0]], [picture[0].turned(2)], 0)
    first, second, other = (learn(lesson, Budget(2, seed=seed, threads=1)).model.state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[k], second[k]) for k in first)
    assert any(not torch.equal(first[k], other[k]) for k in first)


def test_the_best_snapshot_is_kept(picture, monkeypatch):
    monkeypatch.setattr(learning, "RECIPE", replace_recipe(snapshot=1))
    said = iter([0.3, 0.1, 0.2])

    def told(model, patches, weights):
        return torch.tensor(value[0])

    value = [0.0]
    monkeypatch.setattr(learning, "HELD_OUT_BATCHES", 1)
    monkeypatch.setattr(learning, "painting_loss", told)
    kept = []
    original = learning.PainterTraining.averaged

    def averaged(self):
        if self.done:
            value[0] = next(said)
        kept.append(original(self))
        return kept[-1]

    monkeypatch.setattr(learning.PainterTraining, "averaged", averaged)
    found = learn(Lesson([picture[0]], [picture[0]], 0), Budget(3, threads=1))
    assert list(found.losses) == [1, 2, 3]
    assert found.model is kept[2]


def test_a_wall_time_ends_a_training(picture):
    lesson = Lesson([picture[0]], [picture[0]], 0)
    assert learn(lesson, Budget(10_000, seconds=0.01, threads=1)).steps == 1
    assert learn(lesson, Budget(2, seconds=600, threads=1)).steps == 2


def test_threads_are_given_back(picture):
    before = torch.get_num_threads()
    learn(Lesson([picture[0]], [picture[0]], 0), Budget(1, threads=before + 1))
    assert torch.get_num_threads() == before


def test_two_networks_are_learnt_and_drawn_with(two_stage, shot, drawn):
    one = sum(p.numel() for p in Painter(8, 1).parameters())
    assert two_stage.facts["parameters"] == 2 * one
    assert two_stage.facts["steps"] == 3
    beauty = TwoStage().drawer([drawn], two_stage)(shot(40), 0).beauty
    render = shot(40).buffers[0]["color"].astype(np.float32)
    np.testing.assert_array_equal(beauty[3], render[3])
    assert not beauty[:, render[3] == 0].any()
    # Hardly trained: the picture with the edges painted on, black.
    np.testing.assert_allclose(beauty[:3, 55, 46], render[:3, 55, 46], atol=0.25)
    assert beauty[:3, 55, 40].max() < 0.1
    # A fit of other weights draws another picture, stage by stage.
    for stage in ("0.", "1."):
        shifted = {k: v + 1 if k == f"{stage}head.bias" else v for k, v in two_stage.tensors.items()}
        changed = TwoStage().drawer([drawn], replace(two_stage, tensors=shifted))(shot(40), 0).beauty
        assert np.abs(changed - beauty).max() > 0.05


def test_a_frame_is_drawn_alike_wherever_the_figure_stands(two_stage, shot, drawn):
    draw = TwoStage().drawer([drawn], two_stage)
    frames, wide = shot(40), shot(40)
    wide.buffers = [{k: np.pad(v, ((0, 0), (8, 5), (12, 3)), mode="edge") for k, v in frames.buffers[0].items()}]
    np.testing.assert_allclose(draw(wide, 0).beauty[:, 8:104, 12:108], draw(frames, 0).beauty, atol=1e-5)


def test_an_empty_frame_stays_empty(two_stage, shot, drawn):
    empty = shot(40)
    empty.buffers = [{k: 0 * v if k != "depth" else v + np.inf for k, v in empty.buffers[0].items()}]
    assert not TwoStage().drawer([drawn], two_stage)(empty, 0).beauty.any()


def test_single_runs_share_a_fit_and_differ_in_their_edges(shot, drawn):
    singles = [method for name, method in methods().items() if name.startswith("single run")]
    assert [m.name for m in singles] == list(EDGES)
    assert all(settings(m, AFTERWARDS) == settings(singles[0], AFTERWARDS) for m in singles)
    fit = SINGLE.fit([drawn], Budget(2, threads=1))
    frames = shot(40, 44)
    flow = np.zeros((2, 96, 96), np.float32)
    flow[0] = 4
    frames.motion = {1: (flow, flow)}
    beauties = [m.drawer([drawn], fit)(frames, 1).beauty for m in singles]
    assert np.abs(beauties[0] - beauties[2]).max() > 0.1  # no flow steps: the arm's edge is not found
    assert np.abs(beauties[0] - beauties[1]).max() > 0.1  # the body's edges were carried, though it stands still


def test_work_is_that_of_every_network(two_stage):
    fit = Fit(facts={**two_stage.facts, "held_out": [{}], "width": 24, "blocks": 4})
    one = SINGLE.macs(fit, 512, 512)
    assert one == pytest.approx(16.5e9, rel=0.05)
    assert TwoStage().macs(Fit(facts={**fit.facts, "held_out": [{}, {}]}), 512, 512) == 2 * one
    assert SINGLE.macs(fit, 510, 509) == one
