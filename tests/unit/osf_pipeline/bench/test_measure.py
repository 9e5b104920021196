from types import SimpleNamespace

import numpy as np
import pytest
import torch

from osf_pipeline.bench.fits import KeptFit
from osf_pipeline.bench.measure import Entry, Scene
from osf_pipeline.bench.method import Fit
from osf_pipeline.evaluation.evaluate import Candidate


def kept(value=0.0, digest="d"):
    return KeptFit(Fit({"value": torch.tensor([value])}), digest, 1.0, False)


def grey(value, line=True):
    def draw(footage, position):
        shape = footage.size
        return Candidate(np.full((4, *shape), value, np.float32), np.full(shape, value) if line else None)

    return draw


def test_every_style_draws_its_own_objects_and_the_rest_keeps_its_render(footage):
    scene = Scene({"a": grey(0.6), "b": grey(0.9)}, {1: "a", 2: "b"})
    found = scene(footage, 0)
    render = footage[0]["color"].astype(np.float32)
    for at, value in (((16, 16), 0.6), ((16, 48), 0.9)):
        assert (found.beauty[:, *at] == np.float32(value)).all()
        assert found.line[at] == pytest.approx(value)
    assert (found.beauty[:, 50, 32] == render[:, 50, 32]).all()
    assert found.line[50, 32] == 0
    # A line may reach out of its object: background belongs to the nearest one.
    assert found.line[16, 1] == pytest.approx(0.6)
    assert found.line[62, 32] == 0


def test_one_style_for_everything_is_taken_as_it_is(footage):
    assert (Scene({"a": grey(0.6)}, {"*": "a"})(footage, 0).beauty == np.float32(0.6)).all()
    assert (Scene({"a": grey(0.6)}, {1: "a", 2: "a", 3: "a"})(footage, 0).beauty == np.float32(0.6)).all()


def test_a_scene_has_a_line_layer_where_every_style_has(footage):
    assert Scene({"a": grey(0.6), "b": grey(0.9, line=False)}, {1: "a", 2: "b"})(footage, 0).line is None


def test_a_scene_is_made_of_the_fits_of_its_styles(footage, sequence, number, exemplar):
    sequence.styles = {1: "a", 2: "b", 3: "a"}
    entry = Entry(number(), {"a": kept(0.2), "b": kept(0.7), "unused": kept(0.5)})
    style = SimpleNamespace(exemplars=(exemplar,))
    found = Scene.of(entry, sequence, {"a": style, "b": style})(footage, 0)
    assert [found.line[at] for at in ((16, 16), (16, 48), (50, 32))] == pytest.approx([0.2, 0.7, 0.2])


def test_equal_fits_are_measured_once(sequence, number):
    def key(digest="d", method=None, **styles):
        return Entry(method or number(), {"a": kept(digest=digest), **styles}).key(sequence, 4)

    assert key() == key(unused=kept(digest="e"))  # not one of the sequence's styles
    assert key() != key("e")
    assert key() != key(method=number(name="other"))  # a name may decide how a method draws
    assert key() == key(method=number(meaning="said otherwise"))


@pytest.mark.parametrize("name", ["gbuffer", "guidance", "styles", "truth", "frames"])
def test_what_a_sequence_shows_counts(sequence, number, name, tmp_path):
    entry = Entry(number(), {"a": kept()})
    before = entry.key(sequence, 4)
    file = tmp_path / "truth.exr"
    file.write_bytes(b"1")
    other = SimpleNamespace(id="4567")
    changed = {"gbuffer": other, "guidance": other, "styles": {2: "a"}, "truth": {1: str(file)}}
    if name in changed:
        setattr(sequence, name, changed[name])
    assert entry.key(sequence, 5 if name == "frames" else 4) != before


def test_both_pictures_of_a_reference_count(sequence, number, tmp_path):
    picture, line = tmp_path / "f_0001_stylized.png", tmp_path / "f_0001_contour.png"
    picture.write_bytes(b"1")
    line.write_bytes(b"1")
    sequence.truth = {1: str(picture)}
    entry = Entry(number(), {"a": kept()})
    before = entry.key(sequence, 4)
    line.write_bytes(b"22")
    assert entry.key(sequence, 4) != before
