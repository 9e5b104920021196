from dataclasses import replace
from importlib.metadata import EntryPoint

import pytest
import torch

from osf_pipeline.errors import RequestError
from osf_pipeline.training import extensions
from osf_pipeline.training.exemplar import drawn_line, exemplar_from_arrays, prepare
from osf_pipeline.training.loop import train
from osf_pipeline.training.patches import HELD_OUT, PatchPool
from osf_pipeline.training.recipe import TrainRecipe


def soft_edge(line, fill_B4HW, target_B4HW):
    return (line.alpha * (1 - line.alpha)).mean()


def brighter(sheet, generator):
    gain = 1 + torch.rand((), generator=generator).item()
    return replace(sheet, color=sheet.color * gain)


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    points = [EntryPoint(f.__name__, f"{__name__}:{f.__name__}", group) for f, group in (
        (soft_edge, extensions.LOSSES), (brighter, extensions.AUGMENTATIONS)
    )]  # fmt: skip
    monkeypatch.setattr(extensions, "entry_points", lambda group: [p for p in points if p.group == group])


def test_a_registered_loss_is_a_term_of_the_total(keyframe):
    tiny = TrainRecipe(steps=1, width=8, blocks=1, batch=2, patch=32, pool=2, threads=1, precision="fp32")
    exemplars = [exemplar_from_arrays(*keyframe)]
    plain = train(exemplars, tiny).history[0]
    step = train(exemplars, tiny.model_copy(update={"losses": {"soft_edge": 4.0}})).history[0]
    assert step["soft_edge"] > 0
    assert step["total"] == pytest.approx(plain["total"] + step["soft_edge"], rel=1e-5)
    # The held-out choice follows the same objective.
    assert step["held_out"] > plain["held_out"]


def test_a_registered_augmentation_changes_what_is_learnt_from_alone(keyframe):
    prepared = prepare(exemplar_from_arrays(*keyframe))
    strokes = drawn_line([prepared])
    plain, other = (
        PatchPool([prepared], strokes, TrainRecipe(augmentations=names)) for names in ((), ("brighter",))
    )  # fmt: skip
    assert not other.make(3).fill.equal(plain.make(3).fill)
    assert other.make(3).fill.equal(other.make(3).fill)
    assert other.make(3, HELD_OUT).fill.equal(plain.make(3, HELD_OUT).fill)


def test_an_unknown_name_tells_the_known_ones():
    with pytest.raises(RequestError, match="Registered: soft_edge"):
        extensions.loss("soft_edges")
    with pytest.raises(RequestError, match="Registered: brighter"):
        extensions.augmentation("soft_edge")
