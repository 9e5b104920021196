import math
from dataclasses import fields, replace

import pytest
import torch

from model.compositing import Figure, Limb, Move, Sheet, arrange, cut, moved, shrunk, stacked

SIZE = 64


def sheet(part: torch.Tensor, red: float = 0.2, depth: float = 5.0) -> Sheet:
    """A flat patch of the given part mask, facing right and up."""
    seen = part[None, None] > 0
    one = seen.float()
    y, x = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    return Sheet(
        color=torch.cat([red * one, 0.1 * one, 0 * one, one], 1),
        target=torch.cat([red * one, 0.1 * one, 0 * one, one], 1),
        weight=torch.ones_like(one),
        depth=torch.where(seen, depth, torch.inf),
        normal=torch.cat([0.6 * one, 0.8 * one, 0 * one], 1),
        rest=torch.stack([x, y, torch.zeros_like(x)])[None] * one,
        part=part[None, None],
        object=one.int(),
    )


def block(top: int, bottom: int, left: int, right: int, number: int = 1) -> torch.Tensor:
    part = torch.zeros(SIZE, SIZE, dtype=torch.int32)
    part[top:bottom, left:right] = number
    return part


def figure() -> Figure:
    part = block(16, 48, 16, 40) + block(28, 36, 40, 56, 2)
    surface = (part == 2)[None, None]
    outline = torch.zeros(1, 4, SIZE, SIZE)
    outline[:, 3, :, 40:43] = 1  # black
    return Figure(sheet(part), [Limb(surface, surface, outline, (47, 31))], depth_gap=0.5)


def test_identity_changes_nothing():
    before = sheet(block(16, 48, 20, 40))
    after = moved(before, Move((10, 20), (10, 20)))
    for field in fields(Sheet):
        torch.testing.assert_close(getattr(after, field.name), getattr(before, field.name), msg=field.name)


def test_a_quarter_turn_turns_picture_and_normals_together():
    before = sheet(block(30, 34, 40, 60))  # to the right of the centre
    after = moved(before, Move((31, 31), (31, 31), 1))
    rows, columns = after.part[0, 0].nonzero(as_tuple=True)
    assert rows.float().mean() > 40  # clockwise on screen: right becomes down
    assert abs(columns.float().mean() - 31) < 1
    nx, ny, nz = after.normal[0, :, 50, 31].tolist()
    assert math.isclose(nx, 0.8, abs_tol=1e-5)  # up became right
    assert math.isclose(ny, -0.6, abs_tol=1e-5)  # right became down
    assert nz == 0


def test_a_mirrored_sheet_faces_the_other_way():
    after = moved(sheet(block(30, 34, 40, 60)), Move((31, 31), (31, 31), mirrored=True))
    columns = after.part[0, 0].nonzero()[:, 1]
    assert (columns.min(), columns.max()) == (3, 22)
    torch.testing.assert_close(after.normal[0, :, 31, 10], torch.tensor([-0.6, 0.8, 0.0]))


def test_moves_resample_nothing():
    torch.manual_seed(0)
    before = replace(sheet(block(20, 44, 20, 44)), target=torch.rand(1, 4, SIZE, SIZE))
    for quarters in range(4):
        for mirrored in (False, True):
            after = moved(before, Move((32, 32), (30, 35), quarters, mirrored))
            inside = after.part[0, 0] > 0
            shown, source = after.target[0][:, inside], before.target[0][:, before.part[0, 0] > 0]
            assert shown.sort(1).values.equal(source.sort(1).values)


def test_front_covers_back_and_clears_it_in_depth():
    front, back = sheet(block(10, 30, 10, 30, 7), 0.9, depth=9.0), sheet(block(20, 50, 20, 50), 0.2, depth=5.0)
    both = stacked(front, back, gap=0.5)
    assert both.part[0, 0, 25, 25] == 7
    assert math.isclose(both.color[0, 0, 25, 25].item(), 0.9, abs_tol=1e-6)
    assert math.isclose(both.target[0, 0, 40, 40].item(), 0.2, abs_tol=1e-6)
    assert both.depth[0, 0, 25, 25] <= both.depth[0, 0, 40, 40] - 0.5
    assert both.depth[0, 0, 0, 0] == math.inf


def test_a_cut_limb_gets_its_outline_back_along_the_cut():
    limb = figure().limbs[0]
    piece = cut(figure(), limb)
    assert (piece.part[0, 0] > 0).equal(limb.surface[0, 0])
    assert piece.target[0, 0, 32, 40] < 0.01  # black ink at the cut
    assert math.isclose(piece.target[0, 0, 32, 50].item(), 0.2, abs_tol=1e-6)  # untouched further out
    assert piece.target[0, 3].equal(piece.color[0, 3])  # never further out than the limb
    assert math.isclose(piece.color[0, 0, 32, 40].item(), 0.2, abs_tol=1e-6)  # the render carries no outline


def test_a_composite_is_a_function_of_its_seed():
    one, same, other = (arrange(figure(), torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert one.color.equal(same.color)
    assert not one.color.equal(other.color)


def test_composites_hold_occlusions():
    """A limb in front of the body leaves a depth step inside the silhouette."""
    found = 0
    for number in range(8):
        depth = arrange(figure(), torch.Generator().manual_seed(number)).depth[0, 0]
        step = depth.diff(dim=1).abs()
        found += int((step.isfinite() & (step > 0.4)).sum() > 5)
    assert found >= 4


def test_a_shrunk_sheet_shows_the_same_smaller():
    before = sheet(block(16, 48, 20, 40))
    after = shrunk(before, 0.5)
    assert after.size == (32, 32)
    rows, columns = after.part[0, 0].nonzero(as_tuple=True)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (8, 23, 10, 19)
    assert after.rest[0, :2, 12, 15].tolist() == [31, 25]  # a pixel of the large one
    assert after.color[0, 3].sum().item() == pytest.approx(before.color[0, 3].sum().item() / 4, rel=1e-3)
    assert after.depth[0, 0, 0, 0] == math.inf
