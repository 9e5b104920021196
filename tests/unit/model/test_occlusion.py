import pytest
import torch

from model import reference
from model.occlusion import (
    TRUST_ESTIMATED,
    TRUST_REPAIRED,
    TRUST_UNCHECKED,
    Motion,
    Surface,
    confidence,
    hidden,
    unreached,
)

H, W, REST_GAP = 24, 32, 6.0


def view(left: int) -> tuple[Surface, torch.Tensor]:
    """A wall, and in front of it a box whose left edge is at `left`; and where the box is."""
    y, x = torch.meshgrid(torch.arange(H), torch.arange(W), indexing="ij")
    wall = torch.stack([x, y, torch.zeros_like(x)]).float()
    box = torch.stack([x - left, y, torch.full_like(x, 500)]).float()
    front = (x >= left) & (x < left + 10) & (y >= 8) & (y < 16)
    rest = torch.where(front, box, wall)[None]
    part = torch.where(front, 2, 1)[None, None]
    return Surface(rest, part, torch.ones_like(part)), front[None, None]


def moving(front: torch.Tensor, step: float) -> torch.Tensor:
    return torch.where(front, torch.tensor([step, 0]).view(1, 2, 1, 1), 0.0)


ALL = torch.ones(1, 1, H, W, dtype=torch.bool)


def columns(mask: torch.Tensor) -> list[int]:
    return mask[0, 0, 10].nonzero().flatten().tolist()


@pytest.fixture(params=[True, False], ids=["with return motion", "without"])
def both_ways(request):
    """An occluder moving three pixels to the right over a wall at rest."""
    (before, front_before), (after, front_after) = view(8), view(11)
    motion, motion_next = moving(front_after, 3), moving(front_before, 3)
    back = request.param
    revealed = hidden(after, before, Motion(-motion, ALL), Motion(motion_next, ALL) if back else None, REST_GAP)
    covered = hidden(before, after, Motion(motion_next, ALL), Motion(-motion, ALL) if back else None, REST_GAP)
    return revealed, covered


def test_exactly_the_uncovered_strip_is_revealed(both_ways):
    revealed, _ = both_ways
    strip = torch.zeros(1, 1, H, W)
    strip[..., 8:16, 8:11] = 1
    assert torch.equal(revealed, strip)


def test_exactly_the_covered_strip_is_hidden_next(both_ways):
    _, covered = both_ways
    strip = torch.zeros(1, 1, H, W)
    strip[..., 8:16, 18:21] = 1
    assert torch.equal(covered, strip)


def test_a_wrong_sign_reveals_the_moving_surface():
    (before, _), (after, front) = view(8), view(14)
    wrong = hidden(after, before, Motion(moving(front, 6), ALL), None, REST_GAP)
    assert wrong[front].mean() > 0.5


def test_motion_alone_tells_when_geometry_is_unknown():
    (_, front_before), (_, front_after) = view(8), view(11)
    go, back = Motion(-moving(front_after, 3), ALL), Motion(moving(front_before, 3), ALL)
    found = hidden(None, None, go, back, REST_GAP)
    assert columns(found > 0.5) == [8, 9, 10]


def test_contradicting_motion_hides_a_surface_that_looks_the_same():
    here, _ = view(8)
    still, away = torch.zeros(1, 2, H, W), torch.full((1, 2, H, W), 5.0)
    assert (hidden(here, here, Motion(still, ALL), Motion(away, ALL), REST_GAP) == 1).all()
    assert (hidden(here, here, Motion(still, ALL), Motion(away, ~ALL), REST_GAP) == 0).all()


def test_points_that_leave_the_frame_are_hidden_and_invalid_motion_is_not():
    here, _ = view(8)
    left = torch.tensor([-4.0, 0]).view(1, 2, 1, 1).expand(1, 2, H, W)
    moved = Surface(here.rest.roll(-4, 3), here.part.roll(-4, 3), here.object)
    found = hidden(here, moved, Motion(left, ALL), None, REST_GAP)
    assert columns(found > 0) == [0, 1, 2, 3]
    assert not hidden(here, moved, Motion(left, ~ALL), None, REST_GAP).any()


def test_subpixel_motion_tolerates_its_neighbours():
    (before, _), (after, front) = view(8), view(11)
    found = hidden(after, before, Motion(-moving(front, 2.6), ALL), None, REST_GAP)
    assert not found[front].any()
    assert columns(found > 0.5) == [8, 9, 10]


@pytest.mark.parametrize("seed", range(5))
def test_equals_the_definition_on_random_frames(seed):
    generator = torch.Generator().manual_seed(seed)

    def surface() -> Surface:
        ids = [torch.randint(1, 3, (1, 1, 9, 12), generator=generator) for _ in range(2)]
        return Surface(torch.rand(1, 3, 9, 12, generator=generator) * 8, *ids)

    here, there = surface(), surface()
    go, back = (torch.randn(1, 2, 9, 12, generator=generator) * 2 for _ in range(2))
    go[..., ::3] = go[..., ::3].round()
    valid = torch.rand(1, 1, 9, 12, generator=generator) < 0.8
    everywhere = torch.ones_like(valid)
    for returning in (None, back):
        fast = hidden(
            here, there, Motion(go, valid), None if returning is None else Motion(returning, everywhere), REST_GAP
        )
        slow = reference.hidden(
            (here.rest[0], torch.cat([here.part, here.object], 1)[0]),
            (there.rest[0], torch.cat([there.part, there.object], 1)[0]),
            go[0], None if returning is None else returning[0], valid[0, 0], REST_GAP,
        )  # fmt: skip
        torch.testing.assert_close(fast[0, 0], slow, rtol=0, atol=1e-5)
        assert 0 < fast.mean() < 1


def test_without_motion_next_the_next_frames_motion_tells():
    (before, _), (after, front_after) = view(8), view(11)
    found = unreached(before, after, Motion(-moving(front_after, 3), ALL), REST_GAP)
    assert columns(found) == [18, 19, 20]
    assert not found[..., :8, :].any()
    wrong = unreached(before, after, Motion(moving(front_after, 3), ALL), REST_GAP)
    assert columns(wrong) != [18, 19, 20]


def test_nothing_is_hidden_across_a_cut():
    (before, _), (after, front_after) = view(8), view(11)
    assert not unreached(before, after, Motion(-moving(front_after, 3), ~ALL), REST_GAP).any()


def pair(one: Surface, two: Surface) -> Surface:
    return Surface(*(torch.cat([getattr(one, name), getattr(two, name)]) for name in ("rest", "part", "object")))


def test_frames_of_a_batch_do_not_mix():
    (a, front_a), (b, front_b) = view(8), view(11)
    go = torch.cat([-moving(front_b, 3), moving(front_a, 3)])
    valid = ALL.expand(2, 1, H, W)
    both = hidden(pair(b, a), pair(a, b), Motion(go, valid), None, REST_GAP)
    assert columns(both[:1]) == [8, 9, 10]
    assert columns(both[1:]) == [18, 19, 20]
    reached = unreached(pair(a, b), pair(b, a), Motion(go, valid), REST_GAP)
    assert columns(reached[:1]) == [18, 19, 20]
    assert columns(reached[1:]) == [8, 9, 10]


def test_confidence_falls_with_what_is_unknown():
    yes, no = torch.ones(1, 1, 1, 1, dtype=torch.bool), torch.zeros(1, 1, 1, 1, dtype=torch.bool)
    zero, one = torch.zeros(1, 1, 1, 1), torch.ones(1, 1, 1, 1)
    assert confidence(zero, yes, yes, no, estimated=False) == 1
    assert confidence(one, yes, yes, no, estimated=False) == 0.5
    assert confidence(zero, no, yes, None, estimated=False) == TRUST_UNCHECKED
    assert confidence(zero, no, no, None, estimated=False) == 1
    assert confidence(zero, yes, yes, yes, estimated=False) == TRUST_REPAIRED
    assert confidence(zero, yes, yes, no, estimated=True) == TRUST_ESTIMATED
