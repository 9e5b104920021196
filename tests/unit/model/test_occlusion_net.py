import json
from dataclasses import replace

import pytest
import torch

from model.occlusion import Motion
from model.occlusion_net import (
    FEATURES,
    MARGIN,
    OcclusionArchitecture,
    OcclusionCard,
    OcclusionNet,
    View,
    absence,
    coverage,
    features,
    load,
    occlusion_loss,
    rival,
    save,
)

SMALL = OcclusionArchitecture(width=4, blocks=1)
STEP = 4


def sliding() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """A red box that moves right by four pixels over a grey wall: here, there (the previous frame), go and back."""
    pictures, boxes = [], []
    for left in (16, 12):
        box = torch.zeros(1, 1, 40, 48)
        box[:, :, 10:30, left : left + 12] = 1
        pictures.append(torch.cat([0.2 + 0.6 * box, 0.2 - 0.2 * box, 0.2 - 0.2 * box, torch.ones_like(box)], 1))
        boxes.append(box)
    go, back = (torch.cat([sign * STEP * box, 0 * box], 1) for sign, box in zip((-1, 1), boxes, strict=True))
    return pictures[0], pictures[1], go, back


def channel(found: torch.Tensor, name: str) -> torch.Tensor:
    return found[0, FEATURES.index(name)]


def test_features_are_named_and_bounded():
    found = features(*sliding())
    assert found.shape == (1, len(FEATURES), 40, 48)
    assert found.abs().max() <= 1
    wild = features(torch.rand(1, 4, 16, 16) * 9, torch.rand(1, 4, 16, 16), *torch.randn(2, 1, 2, 16, 16) * 50)
    assert wild.abs().max() <= 1


def test_every_cue_points_at_the_uncovered_strip():
    found = features(*sliding())
    row, strip, wall = 20, slice(12, 16), slice(34, 44)
    for name in ("residual", "still", "inconsistency", "return_error"):
        values = channel(found, name)[row].abs()
        assert values[strip].min() > 0.1, name
        assert values[wall].max() < 1e-4, name
    for name in ("coverage", "claim"):
        assert channel(found, name)[row, 13:15].max() < 0.1, name
        assert channel(found, name)[row, wall].min() == 1, name
    assert channel(found, "step_x")[row, 20] < 0
    assert channel(found, "divergence")[row].abs().argmax().item() in (15, 27)


def test_a_colour_is_absent_only_beyond_the_radius():
    there = torch.zeros(1, 1, 9, 21)
    there[..., 10] = 1
    here = torch.ones(1, 1, 9, 21)
    assert absence(here, there, 3)[0, 0, 4].tolist() == [1.0] * 7 + [0.0] * 7 + [1.0] * 7
    assert absence(0 * here, 1 - there, 3)[0, 0, 4].tolist() == [1.0] * 7 + [0.0] * 7 + [1.0] * 7


def test_coverage_is_the_heaviest_of_all_that_reach_a_place():
    step, one = torch.zeros(1, 2, 8, 8), torch.ones(1, 1, 8, 8)
    assert coverage(step, one).eq(1).all()
    step[:, 0, :, 4:] = 20  # leaves the frame
    assert coverage(step, one)[0, 0, 3].tolist() == pytest.approx([1, 1, 1, 2 / 3, 1 / 3, 0, 0, 0])
    both = torch.cat([torch.zeros(1, 2, 8, 8), step])
    assert torch.equal(coverage(both, torch.cat([one, one]))[1:], coverage(step, one))
    step[:, 0, :, 4:] = -4  # onto the first half, which stays
    light = 0.25 * one
    light[..., 4:] = 0.75
    assert coverage(step, light)[0, 0, 3].tolist() == pytest.approx([0.75, 0.75, 0.75, 0.5, 0.25, 0, 0, 0])


def test_a_rival_matches_the_same_place_better():
    step, residual = torch.zeros(1, 2, 4, 8), torch.full((1, 1, 4, 8), 0.5)
    residual[..., 5] = 0.125
    assert not rival(residual, step).any()
    step[:, 0, :, 5] = -3  # to column 2, which stays where it is
    assert rival(residual, step)[0, 0, 1].tolist() == [0, 0, 0.375, 0, 0, 0, 0, 0]
    step[:, 0, :, 5] = 20  # leaves the frame
    assert not rival(residual, step).any()


@pytest.mark.parametrize("size", [(37, 53), (64, 64), (130, 150)])
def test_pictures_of_any_size_are_answered(size):
    torch.manual_seed(0)
    network = OcclusionNet(replace(SMALL, pixels=3000)).eval()
    torch.nn.init.normal_(network.head.weight)
    here, there = torch.rand(2, 1, 4, *size)
    go, back = (Motion(step, torch.ones(1, 1, *size, dtype=torch.bool)) for step in torch.randn(2, 1, 2, *size))
    go.valid[..., :5, :] = False
    with torch.inference_mode():
        found = network.hidden(here, there, go, back)
        folded = network.folded().hidden(here, there, go, back)
    assert found.shape == (1, 1, *size)
    assert not found[..., :5, :].any()
    assert 0 < found[..., 5:, :].min() <= found.max() < 1
    torch.testing.assert_close(folded, found, atol=1e-4, rtol=1e-3)


def test_every_picture_of_a_batch_is_answered_by_itself():
    torch.manual_seed(0)
    network = OcclusionNet(SMALL).eval()
    torch.nn.init.normal_(network.head.weight)
    here, there, steps = torch.rand(2, 4, 40, 48), torch.rand(2, 4, 40, 48), torch.randn(2, 2, 40, 48)
    valid = torch.zeros(2, 1, 40, 48, dtype=torch.bool)
    valid[0, :, 4:9, 6:20] = True
    valid[1, :, 20:, 10:] = True

    def answer(part: slice) -> torch.Tensor:
        go, back = Motion(steps[part], valid[part]), Motion(-steps[part], valid[part])
        return network.hidden(here[part], there[part], go, back)

    with torch.inference_mode():
        both = answer(slice(0, 2))
        assert all(torch.equal(both[at : at + 1], answer(slice(at, at + 1))) for at in (0, 1))
        valid[:] = False
        assert not answer(slice(0, 2)).any()


def test_the_view_holds_all_that_is_seen_in_a_bounded_number_of_pixels():
    seen = torch.zeros(1, 1, 100, 200, dtype=torch.bool)
    assert View.of(seen, 1000) is None
    seen[..., 30, 50] = seen[..., 69, 149] = True
    view = View.of(seen, 10_000)
    assert view == View(slice(30 - MARGIN, 70 + MARGIN), slice(50 - MARGIN, 150 + MARGIN), (56, 116))
    small = View.of(seen, 56 * 116 // 4)
    assert small == replace(view, size=(28, 58))
    seen[..., 0, 0] = True
    assert View.of(seen, 20_000).rows == slice(0, 70 + MARGIN)


def test_large_views_are_reduced_with_their_motion_and_enlarged_again():
    view = View(slice(0, 80), slice(4, 100), (40, 48))
    here, there, go, back = (
        torch.nn.functional.pad(torch.nn.functional.interpolate(x, scale_factor=2), (4, 0)) for x in sliding()
    )
    halves = view.reduced(here, there, 2 * go, 2 * back)
    for found, expected in zip(halves, sliding(), strict=True):
        torch.testing.assert_close(found, expected)
    assert view.enlarged(halves[0]).shape == (1, 4, 80, 96)
    middle = torch.zeros(1, 2, 80, 100)
    middle[:, 0, :, 50:] = 7  # the border between two motions falls inside a pixel: it takes one of them
    assert replace(view, size=(40, 32)).reduced(here, there, middle, middle)[2][:, 0].unique().tolist() == [
        0.0,
        pytest.approx(7 / 3),
    ]
    half = torch.zeros(1, 1, 80, 100, dtype=torch.bool)
    half[..., ::2, :] = True
    assert view.averaged(half).eq(0.5).all()


def test_the_loss_looks_at_surfaces_alone():
    hidden = torch.zeros(1, 1, 8, 8)
    hidden[..., 2:4, :] = 1
    seen = torch.ones_like(hidden)
    seen[..., 6:, :] = 0
    right = 8 * hidden - 4
    assert occlusion_loss(right, hidden, seen) < 0.1 < occlusion_loss(-right, hidden, seen)
    other = right.clone()
    other[..., 6:, :] = 50
    assert occlusion_loss(other, hidden, seen) == occlusion_loss(right, hidden, seen)


def test_a_network_is_read_back_as_it_was_stored(tmp_path):
    torch.manual_seed(0)
    network = OcclusionNet(SMALL).eval()
    network.calibration = torch.tensor([1.5, -0.25])
    torch.nn.init.normal_(network.head.weight)
    card = OcclusionCard(SMALL, 0.4, 3, {"steps": 1}, {"flow": "x"}, {"f1": 0.5})
    digest = save(tmp_path, network, card)
    again, read = load(tmp_path)
    assert read == card
    assert json.loads((tmp_path / "card.json").read_text())["sha256"] == digest
    x = torch.rand(1, len(FEATURES), 16, 16)
    with torch.inference_mode():
        assert torch.equal(again(x), network(x))
        plain = OcclusionNet(SMALL).eval()
        plain.load_state_dict({**network.state_dict(), "calibration": torch.tensor([1.0, 0.0])})
        torch.testing.assert_close(network(x), 1.5 * plain(x) - 0.25)


def test_cards_and_weights_of_others_are_refused(tmp_path):
    card = OcclusionCard(SMALL, 0.4, 3, {}, {}, {})
    save(tmp_path, OcclusionNet(SMALL), card)
    data = json.loads((tmp_path / "card.json").read_text())
    for wrong in ({"format": 9}, {"architecture": {**data["architecture"], "inputs": ["red"]}}, {"sha256": "0" * 64}):
        (tmp_path / "card.json").write_text(json.dumps({**data, **wrong}))
        with pytest.raises(ValueError, match=r"format|architecture|sha256"):
            load(tmp_path)
