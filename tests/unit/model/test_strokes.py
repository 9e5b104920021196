import pytest
import torch

from model.outline import CONTOUR_RANGE
from model.strokes import FINE, NOWHERE, OTHER, OWN, PALEST, PASSES, VANISHING, WINDOW, Stroke, Strokes

REACH = 4


def ramp(rows: int = 40, rest_y: float = 0.0) -> Stroke:
    """A line along x, one scene unit a row: ink of opacity 1 from -1 to 2, redder from row to row."""
    distance = torch.arange(-REACH * FINE, REACH * FINE + 1) / FINE
    alpha = ((distance >= -1) & (distance <= 2)).float().expand(rows, -1)
    red = (torch.arange(rows) / rows)[:, None].expand(-1, len(distance))
    values = torch.stack([red, 0 * red, 0 * red, alpha], -1)
    rest = torch.stack([torch.arange(rows).float(), torch.full((rows,), rest_y), torch.zeros(rows)], -1)
    return Stroke(values, rest)


def field(height: int = 9, width: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    """A straight contour along row REACH: distance and owner, which lies below it."""
    away = torch.arange(height).float() - REACH
    side = (away >= 0).view(1, 1, -1, 1).expand(1, 1, height, width)
    return away.abs().view(1, 1, -1, 1).expand(1, 1, height, width).contiguous(), side.contiguous()


def rest(width: int = 40, height: int = 9, off: float = 0.0) -> torch.Tensor:
    x = torch.arange(width).float().expand(height, width)
    return torch.stack([x, torch.full_like(x, off), torch.zeros_like(x)])[None]


def test_the_drawings_own_contour_gets_its_own_stroke():
    strokes = Strokes.of([ramp()], pixel=1.0)
    found = strokes(*field(), rest())
    assert found[0, 3, :, 7].tolist() == [0, 0, 0, 1, 1, 1, 1, 0, 0]
    torch.testing.assert_close(found[0, 0, REACH], torch.arange(40) / 40)
    assert found[0, 0, REACH + 2].equal(found[0, 0, REACH])  # a whole row, across the line


def test_a_contour_elsewhere_walks_along_the_rows_hereabouts():
    """Far from the outline rows follow one another without jumps, about one a pixel, and stay in its neighbourhood."""
    strokes = Strokes.of([ramp(400)], pixel=1.0)
    found = strokes(*field(width=400), rest(400, off=30.0))[0, :, REACH]
    found = found[:, 60:340]  # the ramp's last row is not like its first
    steps = (found[0].diff() * 400).abs()
    assert steps.max() < 12  # rows; a nearest row behind a limb's middle would be 200 away
    assert 0.3 < steps.mean() < 3
    assert (found[0] * 400 - torch.arange(60, 340)).abs().median() < 60
    assert found[3].min() > 0.99


def test_an_outline_goes_on_within_itself():
    """Rows of another outline, whose line is green, are out of hearing."""
    green = ramp(100, rest_y=1000.0)
    green.values[..., 1] = 1
    found = Strokes.of([ramp(60), green], pixel=1.0)(*field(width=60), rest(60, off=20.0))
    assert found[0, 1].max() == 0
    assert found[0, 0, REACH].max() > 0


def test_lines_of_different_breadth_are_mixed_to_one_of_the_breadth_between():
    broad = ramp(48, rest_y=30.0)
    distance = torch.arange(-REACH * FINE, REACH * FINE + 1) / FINE
    broad.values[..., 3] = ((distance >= -1) & (distance <= 4)).float()
    strokes = Strokes.of([ramp(48), broad], pixel=1.0)
    torch.testing.assert_close(strokes.breadth[[10, 60]], torch.tensor([2.5, 4.5]))
    alpha = strokes(*field(width=48), rest(48, off=15.0))[0, 3, REACH:, 24]  # half way between the two
    assert alpha[:3].min() > 0.95  # not half
    assert alpha[4] < 0.6


def broadened(stroke: Stroke, rows: slice, stop: float) -> Stroke:
    """The ink of these rows reaches from -1 to `stop`."""
    distance = torch.arange(-REACH * FINE, REACH * FINE + 1) / FINE
    stroke.values[rows, :, 3] = ((distance >= -1) & (distance <= stop)).float()
    return stroke


def test_the_breadth_of_a_line_changes_smoothly_along_it():
    """Rows that are not neighbours in the drawing are in the frame: every other one is twice as broad."""
    strokes = Strokes.of([broadened(ramp(), slice(0, None, 2), 4.0)], pixel=1.0)
    ink = strokes(*field(), rest())[0, 3].sum(0)[6:-6]
    assert strokes.breadth.unique().numel() > 1
    assert ink.diff().abs().max() < 0.5
    red = strokes(*field(), rest())[0, 0, REACH]
    torch.testing.assert_close(red, torch.arange(40) / 40)  # the rows stay each its own


def test_a_line_changes_its_breadth_at_once_where_another_contour_begins():
    broad = broadened(ramp(rest_y=1000.0), slice(None), 4.0)
    place = rest()
    place[0, 1, :, 20:] = 1000
    ink = Strokes.of([ramp(), broad], pixel=1.0)(*field(), place)[0, 3].sum(0)
    assert ink[:20].eq(ink[0]).all()
    assert ink[20:].eq(ink[39]).all()
    assert ink[39] >= ink[0] + 1


def test_a_line_tapers_where_the_surfaces_it_parts_close_up():
    distance, side = field(width=80)
    step = torch.linspace(1, 0, 80).expand(1, 1, 9, 80)
    strokes = Strokes.of([ramp(80)], pixel=1.0)
    line, share = strokes.tapered(distance, side, step, rest(80))
    assert line.equal(strokes(distance, side, rest(80)))
    assert strokes.tapered(distance, side, torch.ones_like(step), rest(80))[1].eq(1).all()
    assert share[:, :, 0].eq(1).all()  # out of reach
    assert share.max() == 1
    ink = (line[:, 3:] * share)[0, 0]
    torch.testing.assert_close(ink[:, 0], line[0, 3, :, 0], atol=0.01, rtol=0)
    assert ink.sum(0).diff().max() <= 1e-6  # it only ever thins out
    assert ink.sum(0).diff().abs().max() < 0.3
    assert ink[:, -1].max() < 0.05
    pale = step[0, 0, 0].sub(VANISHING).abs().argmin()
    assert ink[:, pale].max() == pytest.approx(PALEST + (1 - PALEST) * VANISHING**2 * (3 - 2 * VANISHING), abs=0.02)
    on_the_surface = slice(REACH, None)
    widths = (ink / ink.amax(0))[on_the_surface].sum(0)
    assert widths[-2] < 0.7 * widths[0]


def test_the_drawings_own_stroke_gives_way_smoothly():
    """Rest positions of contour pixels lie now nearer to the outline, now farther: the share of its rows does not."""
    strokes = Strokes.of([ramp(400)], pixel=1.0)
    place = rest(400)
    middle = (OWN + OTHER) / 2
    place[0, 1] = torch.tensor([middle - 2, middle + 2]).repeat(200)
    steps = strokes(*field(width=400), place)[0, 0, REACH, 60:340].diff().abs() * 400
    assert steps.max() < 12  # rows; the two are up to 70 apart


def test_a_frame_of_twice_the_scale_gets_the_stroke_twice_as_broad():
    strokes = Strokes.of([ramp()], pixel=1.0)
    away = torch.arange(17).float() - 2 * REACH
    distance, side = away.abs().view(1, 1, -1, 1).expand(1, 1, 17, 40), (away >= 0).view(1, 1, -1, 1)
    found = strokes(distance, side.expand(1, 1, 17, 40), rest(height=17), scale=2.0)
    single = strokes(*field(), rest())
    assert found[0, 3, ::2, 7].equal(single[0, 3, :, 7])


def test_rows_that_may_not_be_taken_are_never_taken():
    stroke = ramp()
    stroke.rest[:20] = NOWHERE
    found = Strokes.of([stroke], pixel=1e9)(*field(), rest())
    assert found[0, 0, REACH].min() >= 0.5


def test_without_rest_positions_the_mean_line_is_laid():
    found = Strokes.of([ramp()], pixel=1.0)(*field(), None)
    torch.testing.assert_close(found[0, 0, REACH], torch.full((40,), (torch.arange(40) / 40).mean()))
    assert found[0, 3, :, 3].tolist() == [0, 0, 0, 1, 1, 1, 1, 0, 0]


def test_a_style_without_a_line_draws_none():
    assert Strokes.of([], pixel=1.0)(*field(), rest()).abs().max() == 0


def test_outlines_of_different_reach_share_their_contour():
    narrow = Stroke(ramp().values[:, 2 * FINE : -2 * FINE], ramp().rest + 1000)
    strokes = Strokes.of([ramp(), narrow], pixel=1.0)
    assert strokes.reach == REACH
    assert strokes.values[45, ::FINE, 3].tolist() == [0, 0, 0, 1, 1, 1, 1, 0, 0]


def test_no_line_is_laid_where_no_contour_is_in_range():
    """A distance that saturates would count as a small one where the stroke is asked for many times as broad."""
    distance = torch.full((1, 1, 4, 4), CONTOUR_RANGE)
    for side in (torch.ones(1, 1, 4, 4, dtype=torch.bool), torch.zeros(1, 1, 4, 4, dtype=torch.bool)):
        strokes = Strokes.of([ramp()], pixel=1.0)
        assert strokes(distance - 1, side, rest(4, 4), scale=32.0).any()
        assert not strokes(distance, side, rest(4, 4), scale=32.0).any()


@pytest.mark.parametrize("scale", [0.3, 1, 2.6, 20])
def test_nothing_farther_than_the_radius_changes_a_pixel(scale: float):
    torch.manual_seed(0)
    strokes = Strokes.of([ramp()], pixel=0.3)
    away = torch.arange(60).float()[:, None].expand(60, 110) - 8  # a contour along the top
    distance, side = away.abs().clamp(max=CONTOUR_RANGE)[None, None], (away >= 0)[None, None]
    place = rest(110, 60) + torch.rand(1, 3, 60, 110)
    whole = strokes(distance, side, place, scale)
    far = strokes.radius(scale)
    assert far <= max(1, round(REACH * scale)) + PASSES * WINDOW
    part = strokes(*(layer[..., 5:105] for layer in (distance, side, place)), scale)
    inner = part[..., far:-far]
    assert inner.any()
    assert inner.equal(whole[..., 5 + far : 105 - far])
    step = torch.rand(1, 1, 60, 110)
    share = strokes.tapered(distance, side, step, place, scale)[1]
    part = strokes.tapered(*(layer[..., 5:105] for layer in (distance, side, step, place)), scale)[1]
    assert share.min() < 0.9
    assert part[..., far:-far].equal(share[..., 5 + far : 105 - far])


def test_neither_batch_nor_block_changes_a_bit(monkeypatch: pytest.MonkeyPatch):
    torch.manual_seed(0)
    strokes, (distance, side) = Strokes.of([ramp()], pixel=0.3), field()
    places = [rest() + torch.rand(1, 3, 9, 40) for _ in range(2)]
    alone = torch.cat([strokes(distance, side, place) for place in places])
    assert not alone[0].equal(alone[1])
    monkeypatch.setattr("model.strokes._BLOCK", 7)
    assert strokes(distance.repeat(2, 1, 1, 1), side.repeat(2, 1, 1, 1), torch.cat(places)).equal(alone)


def test_they_are_stored_by_shape_alone():
    strokes = Strokes.of([ramp()], pixel=0.3)
    twin = Strokes(strokes.rows, strokes.reach)
    twin.load_state_dict(strokes.state_dict())
    assert twin(*field(), rest()).equal(strokes(*field(), rest()))


def test_a_resized_line_has_as_many_pixels_more():
    twice = ramp().resized(2.0)
    assert twice.rest.shape == (80, 3)
    middle = twice.values.shape[1] // 2
    alpha = twice.values[7, middle % FINE :: FINE, 3]
    assert alpha.sum() == 7  # -2 to 4
    torch.testing.assert_close(twice.rest[::2], ramp().rest)
    assert ramp().resized(1.01).values.equal(ramp().values)
