import numpy as np
import pytest

from model.contours import FULL, ContourRule
from model.occlusion import TRUST_ESTIMATED, TRUST_UNCHECKED
from osf_pipeline.buffers import CONTOUR_RANGE, GBUFFER, GUIDANCE
from osf_pipeline.errors import InputDataError
from osf_pipeline.guidance import guides as module
from osf_pipeline.guidance.guides import guides, sources
from osf_pipeline.occlusion.estimators import ForwardBackward

HEIGHT, WIDTH = 120, 170
RULE = ContourRule(pixel=1, depth_gap=4, rest_gap=6, min_size=9)
STEP = 3
COLOR = {"color"}


def shot(count: int = 5) -> dict[str, np.ndarray]:
    """A textured box slides right by three pixels a frame over a textured wall at rest; background around both."""
    names = (
        "color", "depth", "normal", "rest_position", "part_id", "object_id",
        "motion", "motion_valid", "motion_next", "motion_next_valid", "sample",
    )  # fmt: skip
    frames = {name: GBUFFER[name].empty(count, HEIGHT, WIDTH) for name in names}
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    wall = (slice(40, 100), slice(50, 120))
    for t in range(count):
        front = np.zeros((HEIGHT, WIDTH), bool)
        left = 64 + STEP * t
        front[70:92, left : left + 24] = True
        seen = front.copy()
        seen[wall] = True
        u = np.where(front, x - STEP * t, x)
        grain = 0.5 + 0.2 * np.sin(u * 0.9 + 3 * front) + 0.2 * np.sin(y * 0.8 + u * 0.3)
        frames["color"][t] = np.where(seen, np.stack([grain, grain**2, grain * front, np.ones_like(x)]), 0)
        frames["depth"][t, 0] = np.where(front, 40, np.where(seen, 50, np.inf))
        frames["normal"][t, 2] = seen
        frames["rest_position"][t] = np.where(seen, np.stack([u, y, 300 * front]), 0)
        frames["part_id"][t, 0] = np.where(front, 2, seen)
        frames["object_id"][t, 0] = seen
        frames["motion"][t, 0] = frames["motion_next"][t, 0] = STEP * front
        frames["motion_valid"][t, 0] = seen & (t > 0)
        frames["motion_next_valid"][t, 0] = seen & (t < count - 1)
        frames["sample"][t, 0] = seen
    return frames


def part(frames: dict[str, np.ndarray], start: int, stop: int, names=None) -> dict[str, np.ndarray]:
    return {name: array[start:stop] for name, array in frames.items() if names is None or name in names}


def row(values: np.ndarray, t: int) -> list[int]:
    return np.flatnonzero(values[t, 0, 80]).tolist()


def test_arrays_are_named_and_typed_as_stored():
    found = guides(shot(2), None, None, RULE)
    assert {name: (a.dtype, a.shape) for name, a in found.items()} == {
        name: (np.dtype(buffer.dtype), (2, buffer.count, HEIGHT, WIDTH)) for name, buffer in GUIDANCE.items()
    }


def test_each_frame_shows_its_uncovered_and_its_covered_strip():
    found = guides(shot(), None, None, RULE)
    assert row(found["revealed"], 2) == [67, 68, 69]
    assert row(found["hidden_next"], 2) == [94, 95, 96]
    assert found["revealed"][2].sum() == found["hidden_next"][2].sum() == 3 * 22
    assert not found["revealed"][0].any()
    assert not found["hidden_next"][-1].any()
    assert found["contour"][2, 0, 80, 70] == 0.5
    assert found["contour_side"][2, 0, 80, 70:94].all()
    assert not found["contour_side"][2, 0, 80, 67:70].any()


def test_the_step_of_a_contour_grows_with_the_gap_behind_it():
    for step in (0.3, 0.5, 1, 1.5):
        frames, gaps = shot(1), 1 + step * (FULL - 1)
        frames["depth"][frames["depth"] == 40] = 50 - gaps * RULE.depth_gap
        found = guides(frames, None, None, RULE)["contour_step"][0, 0]
        np.testing.assert_allclose(found[70:73, 70:80], min(step, 1), atol=1e-3)
        assert (found[40, 60:110] == 1).all(), "a silhouette"
        assert (found[:4] == 1).all(), "background"


def test_the_wrong_sign_of_motion_shows():
    frames = shot()
    frames["motion"] *= -1
    assert row(guides(frames, None, None, RULE)["revealed"], 2) != [67, 68, 69]


def test_without_motion_next_the_answer_is_the_same():
    frames = shot()
    less = part(frames, 0, 5, set(frames) - {"motion_next", "motion_next_valid"})
    full, found = guides(frames, None, None, RULE), guides(less, None, None, RULE)
    for name in GUIDANCE:
        np.testing.assert_array_equal(found[name], full[name])


def sliding(previous: np.ndarray, current: np.ndarray) -> np.ndarray:
    """A flow estimator that knows this shot: the box alone is blue."""
    box = current[2] > 0
    left = [picture[2].nonzero()[1].min() for picture in (previous, current)]
    return np.stack([(left[1] - left[0]) * box, 0 * box]).astype(np.float32)


@pytest.mark.parametrize("names", [None, COLOR], ids=["rendered", "estimated"])
def test_guides_do_not_depend_on_how_a_shot_is_cut_into_shards(names):
    frames = part(shot(4), 0, 4, names)
    rule = None if names else RULE
    whole = guides(frames, None, None, rule, flow=sliding)
    for start, stop in ((0, 1), (1, 3), (3, 4)):
        before = part(frames, start - 1, start) if start else None
        after = part(frames, stop, stop + 1) if stop < 4 else None
        for name, values in guides(part(frames, start, stop), before, after, rule, flow=sliding).items():
            np.testing.assert_array_equal(values, whole[name][start:stop])


def test_the_crop_to_the_subject_changes_nothing(monkeypatch):
    from osf_pipeline.guidance import guides as module

    cropped = guides(shot(), None, None, RULE)
    monkeypatch.setattr(module, "_subject", lambda frames, size, exact: (slice(0, size[0]), slice(0, size[1])))
    for name, values in guides(shot(), None, None, RULE).items():
        np.testing.assert_array_equal(values, cropped[name])


def test_nothing_is_compared_across_a_cut():
    frames = shot(4)
    found = guides(part(frames, 1, 3), part(frames, 0, 1), part(frames, 3, 4), RULE, starts=[1])
    assert found["revealed"][0].any()
    assert not found["revealed"][1].any()
    assert not found["hidden_next"][0].any()
    assert found["hidden_next"][1].any()
    alone = guides(part(frames, 1, 2), part(frames, 0, 1), None, RULE)
    for name, values in alone.items():
        np.testing.assert_array_equal(values[0], found[name][0])
    assert not guides(part(frames, 1, 3), part(frames, 0, 1), part(frames, 3, 4), RULE, starts=[0, 2])["revealed"][
        0
    ].any()


def test_an_empty_frame_is_all_background():
    frames = {name: GBUFFER[name].empty(2, HEIGHT, WIDTH) for name in shot(1)}
    found = guides(frames, None, None, RULE)
    assert (found["contour"] == CONTOUR_RANGE).all()
    assert (found["confidence"] == 1).all()
    assert not any(found[name].any() for name in ("revealed", "hidden_next", "contour_side", "crease"))


def test_confidence_falls_where_nothing_confirms_a_pixel():
    trust = guides(shot(), None, None, RULE)["confidence"][:, 0]
    assert trust[2, 80, 68] == 0.5
    assert trust[2, 80, 80] == 1
    assert trust[0, 80, 80] == TRUST_UNCHECKED
    assert trust[0, 0, 0] == 1


def test_colour_alone_gives_weaker_guides_that_say_so():
    found = guides(part(shot(2), 0, 2, COLOR), None, None, None)
    revealed = found["revealed"][1, 0, 74:88] > 0.5
    assert revealed[:, 64:67].mean() > 0.5  # the box is at 67 in this frame
    assert revealed[:, 67:].mean() < 0.1
    outline = found["contour"][1, 0]
    assert outline[40, 80] == outline[39, 80] == 0.5
    assert not found["contour_side"][1, 0, 30].any()
    assert found["confidence"][1, 0, 40:100, 50:120].max() == TRUST_ESTIMATED
    assert not found["crease"].any()


def test_a_flow_estimator_can_be_replaced():
    calls = []

    def counted(previous: np.ndarray, current: np.ndarray) -> np.ndarray:
        calls.append(1)
        return sliding(previous, current)

    found = guides(part(shot(3), 0, 3, COLOR), None, None, None, flow=counted)
    assert len(calls) == 4  # two pairs of frames, both directions, each once
    assert row(found["revealed"] > 0.5, 1) == [64, 65, 66]
    assert row(found["hidden_next"] > 0.5, 1) == [91, 92, 93]


def test_geometry_with_estimated_motion_keeps_exact_contours():
    frames = shot(2)
    still = part(frames, 0, 2, set(frames) - {"motion", "motion_valid", "motion_next", "motion_next_valid"})
    full, found = guides(frames, None, None, RULE), guides(still, None, None, RULE)
    np.testing.assert_array_equal(found["contour"], full["contour"])
    # The rest position has the last word on what was hidden.
    assert (found["revealed"][1, 0, 70:92, 64:67] == 1).mean() > 0.9


def test_read_only_arrays_are_welcome():
    frames = shot(2)
    for array in frames.values():
        array.setflags(write=False)
    guides(frames, None, None, RULE)


def test_sources_are_reported():
    names = set(shot(1))
    assert set(sources(names).values()) == {"rendered"}
    colour = sources(COLOR)
    assert colour["contour"] == colour["revealed"] == colour["confidence"] == "estimated"
    assert colour["crease"] == "none"
    assert sources(names - {"motion"})["contour"] == "rendered"
    assert sources(names - {"motion"})["revealed"] == "estimated"
    assert sources({"color", "motion"})["hidden_next"] == "none"
    assert set(sources(names)) == set(GUIDANCE)


def test_missing_inputs_are_named():
    with pytest.raises(InputDataError, match="colour"):
        guides({}, None, None, None)
    with pytest.raises(InputDataError, match="rule"):
        guides(shot(1), None, None, None)


def test_an_estimator_answers_from_pictures_and_estimated_flow():
    asked = []

    class Marking:
        def __call__(self, here, there, go, back):
            asked.append((go.step[0, 0, 80, 80].item(), back.step[0, 0, 80, 80].item()))
            return ((here[:, 2:3] > 0) & (there[:, 2:3] == 0)).float()  # where blue appears

    frames = shot(3)
    found = guides(frames, None, None, RULE, flow=sliding, occlusion=Marking())
    assert asked == [(STEP, -STEP), (-STEP, STEP), (STEP, -STEP), (-STEP, STEP)]
    assert row(found["revealed"], 1) == [88, 89, 90]
    assert row(found["hidden_next"], 1) == [67, 68, 69]
    assert found["confidence"][1, 0, 80, 89] == 0.5 * TRUST_ESTIMATED
    np.testing.assert_array_equal(found["contour"], guides(frames, None, None, RULE)["contour"])
    # The renderer's motion has no say in it.
    wild = frames | {"motion": frames["motion"] * 9, "motion_next": frames["motion_next"] * 9}
    again = guides(wild, None, None, RULE, flow=sliding, occlusion=Marking())
    for name in GUIDANCE:
        np.testing.assert_array_equal(again[name], found[name])


def test_an_estimator_gets_the_flow_of_layers(monkeypatch: pytest.MonkeyPatch):
    asked = []

    def noted(name):
        return lambda previous, current: (asked.append(name), sliding(previous, current))[1]

    for name in ("layer_flow", "total_variation_flow"):
        monkeypatch.setattr(module, name, noted(name))
    frames = part(shot(2), 0, 2, COLOR)
    guides(frames, None, None, None, occlusion=ForwardBackward())
    guides(frames, None, None, None)
    assert asked == 2 * ["layer_flow"] + 2 * ["total_variation_flow"]


@pytest.mark.parametrize("names", [None, COLOR], ids=["rendered", "estimated"])
def test_the_users_maps_take_the_place_of_every_estimate(names):
    frames = part(shot(4), 0, 4, names)
    given = np.zeros((4, 1, HEIGHT, WIDTH), np.float32)
    given[:, 0, 78:82, 10:60] = 0.75
    found = guides(frames, None, None, None if names else RULE, flow=sliding, starts=[2], maps={"revealed": given})
    assert [row(found["revealed"], t) for t in range(4)] == [[], list(range(50, 60)), [], list(range(50, 60))]
    assert set(np.unique(found["revealed"])) == {0, 0.75}
    assert not found["hidden_next"].any()
    trust = (1 - 0.5 * 0.75) * (TRUST_ESTIMATED if names else 1)
    assert found["confidence"][1, 0, 80, 55] == pytest.approx(trust, abs=1e-3)
    both = guides(
        frames, None, None, None if names else RULE, flow=sliding, maps={"revealed": given, "hidden_next": given}
    )
    assert row(both["hidden_next"], 0) == list(range(50, 60))
    assert not both["hidden_next"][3].any()


def test_sources_tell_who_said_what_is_hidden():
    names = set(shot(1))
    light = sources(names, estimated=True)
    assert (light["revealed"], light["hidden_next"], light["contour"]) == ("estimated", "estimated", "rendered")
    assert light["confidence"] == "estimated"
    given = sources(COLOR, maps={"revealed"})
    assert (given["revealed"], given["hidden_next"]) == ("given", "none")
