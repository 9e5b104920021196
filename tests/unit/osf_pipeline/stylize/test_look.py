import numpy as np
import pytest

from osf_pipeline.config import ShotConfig
from osf_pipeline.errors import RequestError
from osf_pipeline.layout import Layout
from osf_pipeline.stylize.look import Line, Look, look_of, read_preset

MATRIX = ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0))
PARTS = {1: "torso", 2: "head", 3: "hand"}


def layout(tmp_path, **presets: str) -> Layout:
    (tmp_path / "presets").mkdir()
    for name, text in presets.items():
        (tmp_path / "presets" / f"{name}.yaml").write_text(text)
    return Layout.of(str(tmp_path))


def look(**keys) -> Look:
    return Look.model_validate(keys)


def test_a_part_keeps_what_it_does_not_turn():
    found = look(strength=0.5, line={"width": 2, "color": "#102030"}, parts={2: {"line": {"width": 1}}})
    assert found.part(2).line == Line(width=1, color="#102030")
    assert (found.part(2).strength, found.part(1).line.width) == (0.5, 2)


def test_values_follow_the_part_ids():
    found = look(strength=0.25, parts={3: {"strength": 1}, 9: {"strength": 0}})
    part = np.array([[0, 1], [3, 9], [40, 2]], np.uint16)
    values = found.values(lambda held: held.strength, part)
    np.testing.assert_array_equal(values, [[0.25, 0.25], [1, 0], [0.25, 0.25]])
    assert look(strength=0.25).values(lambda held: held.strength, None).shape == (1, 1)


def test_only_a_turned_look_is_not_plain():
    assert Look().plain
    assert look(strength=1, parts={}, line={}).plain
    assert not look(occlusion=0.9).plain
    assert not look(parts={1: {"strength": 0}}).plain


def test_it_reads_what_it_needs():
    assert Look().reads == look(line={"width": 2}).reads == ()
    assert look(parts={1: {"strength": 0}}).reads == ("part_id",)
    assert look(parts={1: {"line": {"lock": "character"}}}).reads == ("part_id", "rest_position")
    assert set(look(line={"lock": "character"}).reads) == {"part_id", "rest_position"}


@pytest.mark.parametrize("key", ["hand", "3", 3])
def test_binding_turns_names_into_ids(key):
    bound = look(parts={key: {"strength": 0}}).bound(PARTS, lambda: MATRIX)
    assert list(bound.parts) == [3]
    assert bound.part(3).strength == 0


def test_a_bound_look_comes_back_from_json():
    bound = look(
        line={"color": "#ff0000"}, parts={"head": {"line": {"width": 2}}}, post=[{"step": "match"}, {"step": "smooth"}]
    ).bound(PARTS, lambda: MATRIX)
    back = Look.model_validate(bound.to_json())
    part = np.array([[1, 2]])
    assert back.post == bound.post
    assert back.post[0].matrix == MATRIX
    np.testing.assert_array_equal(back.values(lambda held: held.line.width, part), [[1, 2]])


def test_an_unknown_part_is_an_error_that_names_the_known_ones():
    with pytest.raises(RequestError, match=r"part=tail.*torso, head, hand"):
        look(parts={"tail": {}}).bound(PARTS, lambda: MATRIX)
    with pytest.raises(RequestError, match="part=7"):
        look(parts={7: {}}).bound(PARTS, lambda: MATRIX)
    assert list(look(parts={7: {}}).bound({}, lambda: MATRIX).parts) == [7], "unnamed parts go by id"


def test_colours_are_measured_only_where_they_are_asked_for():
    def never():
        raise AssertionError("measured")

    steps = [{"step": "match", "to": "fill"}, {"step": "match", "matrix": MATRIX}, {"step": "sharpen"}]
    assert look(post=steps).bound({}, never).post == look(post=steps).post


def test_the_nearest_look_counts(tmp_path):
    home = layout(tmp_path, soft="strength: 0.5\n")
    config = ShotConfig(
        objects={1: "hero"},
        looks={"hero": {"strength": 0.1}, "2": {"strength": 0.2}, "ink": {"strength": 0.3}, "*": "soft"},
    )
    asked = ((1, "ink"), (2, "ink"), (3, "ink"), (3, "chalk"), ("*", "ink"))
    assert [look_of(home, config, *pair).strength for pair in asked] == [0.1, 0.2, 0.3, 0.5, 0.5]
    assert look_of(home, ShotConfig(), 1, "ink").plain


def test_mistakes_name_file_or_key(tmp_path):
    home = layout(tmp_path, good="", bad="line: {witdh: 2}\n", worse="post: [{step: blur}]\n")
    assert read_preset(home, "good").plain
    with pytest.raises(RequestError, match=r"presets/bad.yaml.*line\.witdh"):
        read_preset(home, "bad")
    with pytest.raises(RequestError, match="post"):
        read_preset(home, "worse")
    with pytest.raises(RequestError, match=r"preset=none.*bad, good, worse"):
        read_preset(home, "none")
    with pytest.raises(RequestError, match=r"looks\.\*\.strength"):
        look_of(home, ShotConfig(looks={"*": {"strength": 2}}), 1, "ink")
