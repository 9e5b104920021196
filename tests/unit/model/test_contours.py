import dataclasses

import pytest
import torch

from model import reference
from model.contours import (
    CONTOUR_RANGE,
    ContourRule,
    contours,
    creases,
    crossings,
    estimate_pixel,
    motion_contours,
    rule_for,
    without_specks,
)
from model.distance import nearest
from model.outline import OWN_REACH, measure
from osf_pipeline import buffers

RULE = ContourRule(pixel=1, depth_gap=4, rest_gap=6, min_size=1)


class Scene:
    """Flat sheets facing the camera; one pixel is one unit, and rest positions equal image positions plus an offset."""

    def __init__(self, height: int = 40, width: int = 48) -> None:
        self.depth = torch.full((1, 1, height, width), torch.inf)
        self.rest = torch.zeros(1, 3, height, width)
        self.normal = torch.zeros(1, 3, height, width)
        self.part = torch.zeros(1, 1, height, width, dtype=torch.int32)
        self.object = torch.zeros(1, 1, height, width, dtype=torch.int32)

    def sheet(self, rows: slice, columns: slice, depth, part=1, offset=0.0, owner=1) -> "Scene":
        y, x = torch.meshgrid(*map(torch.arange, self.depth.shape[2:]), indexing="ij")
        place = (..., rows, columns)
        self.depth[place] = depth
        self.rest[place] = (torch.stack([x, y, torch.zeros_like(x)])[None] + offset).float()[place]
        self.normal[place] = torch.tensor([0, 0, 1.0]).view(1, 3, 1, 1)
        self.part[place], self.object[place] = part, owner
        return self

    def seeds(self, rule: ContourRule = RULE) -> torch.Tensor:
        return crossings(self.depth, self.rest, self.normal, self.part, self.object, rule)[0][0].any(0)

    def contours(self, rule: ContourRule = RULE):
        return contours(self.depth, self.rest, self.normal, self.part, self.object, rule)


BODY = slice(5, 35), slice(5, 43)
ARM = slice(15, 25), slice(15, 30)


def ring(rows: slice, columns: slice, height: int = 40, width: int = 48) -> torch.Tensor:
    """The outermost pixels of a box."""
    found = torch.zeros(height, width, dtype=torch.bool)
    found[rows, columns] = True
    found[rows.start + 1 : rows.stop - 1, columns.start + 1 : columns.stop - 1] = False
    return found


def test_range_is_the_stored_one():
    assert CONTOUR_RANGE == buffers.CONTOUR_RANGE


def test_silhouette_is_the_outermost_pixels():
    assert torch.equal(Scene().sheet(*BODY, 50).seeds(), ring(*BODY))


def test_a_part_in_front_owns_its_outline_and_the_one_behind_gets_none():
    scene = Scene().sheet(*BODY, 50).sheet(*ARM, 40, part=2, offset=100)
    assert torch.equal(scene.seeds(), ring(*BODY) | ring(*ARM))


def test_a_part_behind_a_hole_leaves_the_line_on_the_near_rim():
    scene = Scene().sheet(*BODY, 40).sheet(*ARM, 50, part=2, offset=100)
    rim = torch.zeros(40, 48, dtype=torch.bool)
    rim[14, 15:30] = rim[25, 15:30] = rim[15:25, 14] = rim[15:25, 30] = True
    assert torch.equal(scene.seeds(), ring(*BODY) | rim)


@pytest.mark.parametrize(("depth", "drawn"), [(45, True), (46.5, False)])
@pytest.mark.parametrize(("part", "owner"), [(1, 1), (2, 1), (1, 2)], ids=["one part", "two parts", "two objects"])
def test_only_the_depth_gap_decides_whatever_the_ids(depth, drawn, part, owner):
    scene = Scene().sheet(*BODY, 50).sheet(*ARM, depth, part=part, owner=owner)
    assert torch.equal(scene.seeds(), ring(*BODY) | ring(*ARM) if drawn else ring(*BODY))


TOUCHING = dataclasses.replace(RULE, intersections=True)


def touching(offset: float = 100.0, owner: int = 1) -> Scene:
    """A round arm that lies in a flat body: half of its outline is a hair nearer, half a hair farther."""
    scene = Scene().sheet(*BODY, 50).sheet(*ARM, 49.9, part=2, offset=offset, owner=owner)
    scene.depth[..., 20:25, 15:30] = 50.1
    scene.normal[..., 15:25, 15:30] = torch.tensor([0.6, 0, 0.8]).view(1, 3, 1, 1)
    return scene


@pytest.mark.parametrize("owner", [1, 2], ids=["one object", "two objects"])
def test_an_intersection_is_drawn_on_request_only_and_whole_on_the_rounder_surface(owner):
    scene = touching(owner=owner)
    assert torch.equal(scene.seeds(), ring(*BODY))
    assert torch.equal(scene.seeds(TOUCHING), ring(*BODY) | ring(*ARM))
    found = scene.contours(TOUCHING)
    assert found.step[0, 0, ARM[0], ARM[1]].min() == 1
    assert found.side[0, 0, 20, 15:20].all()
    scene.normal[..., 5:35, 5:43] = torch.tensor([0.8, 0, 0.6]).view(1, 3, 1, 1)  # all turned away alike, but
    scene.normal[..., 15:25, 15:30] = torch.tensor([0.6, 0, 0.8]).view(1, 3, 1, 1)  # the arm less
    assert not (scene.seeds(TOUCHING) & ring(*ARM)).any()


@pytest.mark.parametrize(("gaps", "step"), [(5.9, None), (6.8, 0.8 / 3), (7.5, 0.5), (9.5, 1)])
def test_an_intersection_begins_and_grows_with_the_distance_in_the_rest_pose(gaps, step):
    scene = touching(offset=0)
    scene.rest[:, 2, ARM[0], ARM[1]] = gaps * RULE.rest_gap
    found = scene.contours(TOUCHING)
    assert found.seed[0, 0, 20, 15] == (step is not None)
    if step is not None:
        assert found.step[0, 0, 20, 15].item() == pytest.approx(step, abs=0.01)


def test_a_frame_beside_it_has_no_vote_in_who_owns_an_intersection():
    round_arm, flat_arm = touching(), touching()
    flat_arm.normal[:, 0], flat_arm.normal[:, 2] = 0.8, 0.6  # the whole body turns away
    flat_arm.normal[..., 15:25, 15:30] = torch.tensor([0, 0, 1.0]).view(1, 3, 1, 1)
    names = "depth", "rest", "normal", "part", "object"
    both = [torch.cat([getattr(scene, name) for scene in (round_arm, flat_arm)]) for name in names]
    found = crossings(*both, TOUCHING)[0].any(1)
    for frame, scene in zip(found, (round_arm, flat_arm), strict=True):
        assert torch.equal(frame, scene.seeds(TOUCHING))
    assert (found[0] & ring(*ARM)).any()
    assert not (found[1] & ring(*ARM)).any()


@pytest.mark.parametrize(("towards", "drawn"), [((0.9, 0.0), False), ((0.0, 0.9), True), ((0.5, 0.0), True)])
def test_a_step_is_explained_by_the_far_surfaces_slope_across_the_pair(towards, drawn):
    scene = Scene().sheet(*BODY, 50)
    x = torch.arange(48.0)
    scene.depth = torch.where(scene.depth.isfinite(), 50 + 6 * x, scene.depth)  # 6 units a pixel: 4 and a slope of 2
    nx, ny = towards  # slopes of 2.06, 0 and 0.58 to the right
    scene.normal[..., 5:35, 5:43] = torch.tensor([nx, ny, (1 - nx * nx - ny * ny) ** 0.5]).view(1, 3, 1, 1)
    assert scene.seeds()[20, 20] == drawn


def test_slopes_count_more_where_a_pixel_covers_more():
    scene = Scene().sheet(*BODY, 50)
    x = torch.arange(48.0)
    scene.depth = torch.where(scene.depth.isfinite(), 50 + 6 * x, scene.depth)
    scene.normal[..., 5:35, 5:43] = torch.tensor([0.8, 0, 0.6]).view(1, 3, 1, 1)
    assert scene.seeds(dataclasses.replace(RULE, subject=400.0))[20, 6:42].all()
    assert not scene.seeds(dataclasses.replace(RULE, subject=25.0))[20, 6:42].any()


def test_the_pictures_edge_is_no_silhouette():
    assert not Scene().sheet(slice(0, 40), slice(0, 48), 50).seeds().any()


def random_scene(seed: int):
    """Depth, rest position, normal, part and object of blocks, and the generator they came from."""
    generator = torch.Generator().manual_seed(seed)

    def patches(low: int, high: int) -> torch.Tensor:
        coarse = torch.randint(low, high, (1, 1, 6, 7), generator=generator).float()
        return torch.nn.functional.interpolate(coarse, (17, 19), mode="nearest")

    depth = 40 + 5 * patches(0, 4) + torch.randint(0, 5, (1, 1, 17, 19), generator=generator)
    part, owner = patches(1, 4).int(), patches(1, 3).int()
    background = patches(0, 5) == 0
    depth[background], part[background], owner[background] = torch.inf, 0, 0
    rest = torch.cat([8 * patches(0, 3) for _ in range(3)], 1)
    normal = torch.nn.functional.normalize(torch.cat([patches(-2, 3), patches(-2, 3), patches(0, 3)], 1))
    return depth, rest, normal, part, owner, generator


@pytest.mark.parametrize("intersections", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_crossings_equal_the_definition_on_random_scenes(seed, intersections):
    depth, rest, normal, part, owner, _ = random_scene(seed)
    rule = dataclasses.replace(RULE, rest_gap=1.2, intersections=intersections, subject=50.0 if seed % 2 else None)
    fast, gaps = (found[0] for found in crossings(depth, rest, normal, part, owner, rule))
    slow, slow_gaps = reference.crossings(depth[0, 0], rest[0], normal[0], part[0, 0], owner[0, 0], rule)
    assert torch.equal(fast, slow)
    assert torch.allclose(gaps[0], slow_gaps, atol=1e-4)
    assert (gaps[0].isfinite() & (gaps[0] > 1)).any()
    assert 0 < fast.sum() < fast.numel()


@pytest.mark.parametrize("seed", range(12))
def test_distance_and_side_equal_the_definition_on_random_scenes(seed):
    depth, rest, normal, part, owner, generator = random_scene(seed)
    rule = dataclasses.replace(RULE, subject=50.0 if seed % 2 else None)
    crossing, _ = crossings(depth, rest, normal, part, owner, rule)
    coverage = torch.rand(depth.shape, generator=generator) if seed > 1 else None
    distance, side, mark = measure(crossing, depth, rest, owner, rule, coverage)
    slow = reference.measure(
        crossing[0], depth[0, 0], rest[0], owner[0, 0], rule, None if coverage is None else coverage[0, 0]
    )
    assert torch.allclose(distance[0, 0], slow[0], atol=0.02, rtol=0)
    assert torch.equal(side[0, 0], slow[1])
    assert torch.equal(mark[0, 0], slow[2])
    assert side.any()


@pytest.mark.parametrize("seed", range(6))
def test_specks_equal_the_flood_fill(seed):
    marked = torch.rand(2, 1, 21, 26, generator=torch.Generator().manual_seed(seed)) < 0.18 + 0.05 * seed
    for size in (1, 4, 9):
        found = without_specks(marked, size)
        for b in range(2):
            assert torch.equal(found[b, 0], reference.without_specks(marked[b, 0], size))


@pytest.mark.parametrize("seed", range(4))
def test_uncertain_components_equal_the_flood_fill(seed):
    generator = torch.Generator().manual_seed(seed)
    marked = torch.rand(2, 1, 21, 26, generator=generator) < 0.25
    certain = marked & (torch.rand(marked.shape, generator=generator) < 0.2)
    found = without_specks(marked, 3, certain)
    for b in range(2):
        assert torch.equal(found[b, 0], reference.without_specks(marked[b, 0], 3, certain[b, 0]))
    assert 0 < found.sum() < without_specks(marked, 3).sum()


def test_specks_do_not_join_across_frames_or_rows():
    marked = torch.zeros(2, 1, 3, 6, dtype=torch.bool)
    marked[0, 0, 2], marked[1, 0, 0] = True, True
    assert without_specks(marked, 6).sum() == 12
    assert without_specks(marked, 7).sum() == 0
    assert not without_specks(torch.zeros(1, 1, 3, 3, dtype=torch.bool), 1).any()
    wrapped = torch.zeros(1, 1, 2, 4, dtype=torch.bool)
    wrapped[0, 0, 0, 3] = wrapped[0, 0, 1, 0] = True
    assert not without_specks(wrapped, 2).any()


def test_specks_are_dropped_from_contours():
    scene = Scene().sheet(*BODY, 50)
    scene.depth[0, 0, 20, 20] = torch.inf  # a pinhole: four seeds around it
    found = scene.contours(dataclasses.replace(RULE, min_size=5))
    assert torch.equal(found.seed[0, 0], ring(*BODY))


@pytest.mark.parametrize(
    ("steps", "drawn"), [((5.9, 5.9), (False, False)), ((5.9, 6.1), (True, True)), ((3.9, 6.1), (False, True))]
)
def test_a_faint_step_only_carries_a_contour_on(steps, drawn):
    """A band across a sheet, its upper edge in two halves; gaps are 4, and 6 begin a contour."""
    scene = Scene().sheet(slice(0, 40), slice(0, 48), 50)
    for columns, step in zip((slice(0, 24), slice(24, 48)), steps, strict=True):
        scene.sheet(slice(20, 40), columns, 50 - step)
    found = scene.contours().seed[0, 0]
    assert (found[20, 2:22].all(), found[20, 26:46].all()) == drawn
    assert found[20].any() == any(drawn)


def test_a_silhouette_is_certain_however_near_its_ends():
    scene = Scene().sheet(*BODY, 50).sheet(slice(20, 35), slice(20, 43), 45)  # its step is faint, but meets the rim
    assert scene.contours().seed[0, 0, 20, 20:43].all()


def test_distance_counts_from_the_contour_itself_and_side_names_its_owner():
    found = Scene().sheet(*BODY, 50).sheet(*ARM, 40, part=2, offset=100).contours()
    distance, side = found.distance[0, 0], found.side[0, 0]
    assert distance[20, 15:20].tolist() == [0.5, 1.5, 2.5, 3.5, 4.5]
    assert distance[20, 2:9].tolist() == [2.5, 1.5, 0.5, 0.5, 1.5, 2.5, 3.5]
    assert side[15:25, 15:30].all()  # the arm
    assert side[5:35, 5:43].all()  # the body: its own outline is never farther than the pen may reach
    assert not side[:, :5].any()  # background


def test_beside_a_crossing_the_hidden_surface_finds_its_own_outline():
    wide, body = Scene(60, 80), (slice(5, 55), slice(0, 80))
    found = wide.sheet(*body, 50).sheet(slice(0, 60), slice(30, 50), 40, part=2, offset=100).contours()
    distance, side = found.distance[0, 0], found.side[0, 0]
    assert side[5:55, 20:30][:OWN_REACH].all()
    assert torch.equal(distance[5:17, 29], torch.arange(12) + 0.5)  # though the arm's outline is half a pixel away
    assert not side[6 + OWN_REACH : 54 - OWN_REACH, 20:30].any()
    assert torch.equal(distance[30, 25:30], torch.tensor([4.5, 3.5, 2.5, 1.5, 0.5]))


def test_a_slanted_edge_is_placed_finer_than_a_pixel_and_by_coverage_finer_still():
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    angle = torch.tensor(0.35)
    signed = (x - 31.3) * torch.cos(angle) + (y - 30.2) * torch.sin(angle)  # positive outside
    scene = Scene(64, 64).sheet(slice(0, 64), slice(0, 64), 50)
    scene.depth[0, 0][signed > 0] = torch.inf
    inner = (signed.abs() < 6) & (x > 8) & (x < 56) & (y > 8) & (y < 56)
    errors = {}
    for name, coverage in (("centres", None), ("coverage", (0.5 - signed).clamp(0, 1)[None, None])):
        found = contours(scene.depth, scene.rest, scene.normal, scene.part, scene.object, RULE, coverage)
        assert torch.equal(found.side[0, 0], signed <= 0)
        errors[name] = (found.distance[0, 0] - signed.abs()).abs()[inner]
    nearer = torch.where(signed > 0, -1, 1) * nearest(found.seed, 32).distance[0, 0]
    assert (nearer + 0.5 + signed).abs()[inner].mean() > 0.1  # what marks alone tell
    assert errors["centres"].mean() < 0.1
    assert errors["coverage"].mean() < 0.04 < errors["centres"].mean()
    assert errors["coverage"].max() < 0.25


def test_what_is_around_a_frame_or_beside_it_in_a_batch_changes_nothing():
    scene = (
        Scene(60, 80)
        .sheet(slice(12, 50), slice(10, 70), 50)
        .sheet(slice(20, 35), slice(30, 50), 40, part=2, offset=100)
    )
    whole = scene.contours()
    views = [scene.depth, scene.rest, scene.normal, scene.part, scene.object]
    crop = contours(*(view[..., 5:57, 3:77] for view in views), RULE)
    pair = contours(*(torch.cat([view.flip(2), view]) for view in views), RULE)
    for name in ("seed", "side", "distance"):
        expected = getattr(whole, name)[0]
        assert torch.equal(getattr(pair, name)[1], expected)
        assert torch.equal(getattr(crop, name)[0][..., 5:-5, 5:-5], expected[..., 10:52, 8:72])


@pytest.mark.parametrize(("depth", "offset"), [(43, 100), (43, 0)], ids=["far in the rest pose", "near in it"])
def test_depth_or_the_way_the_contour_faces_tells_the_surface_behind(depth, offset):
    found = Scene(120, 120).sheet(slice(0, 120), slice(0, 120), 50)
    found = found.sheet(slice(40, 80), slice(40, 80), depth, part=2, offset=offset).contours()
    assert not found.side[0, 0, 60, 30:40].any()
    assert found.side[0, 0, 60, 40:80].all()


def test_a_surface_without_a_contour_in_range_owns_itself():
    found = Scene(120, 120).sheet(slice(2, 118), slice(2, 118), 50).contours()
    assert found.distance[0, 0, 60, 60] == CONTOUR_RANGE
    assert found.side[0, 0, 60, 60]


def test_a_rounded_rim_owns_its_line():
    y, x = torch.meshgrid(torch.arange(80.0), torch.arange(80.0), indexing="ij")
    height = (35**2 - (y - 40) ** 2 - (x - 40) ** 2).clamp(min=0).sqrt()
    ball = Scene(80, 80).sheet(slice(0, 80), slice(0, 80), 50)
    outside = height == 0
    ball.depth = torch.where(outside, torch.inf, 50 - height)[None, None]
    ball.rest = torch.stack([x, y, height])[None]
    ball.part[0, 0][outside] = 0
    found = ball.contours()
    assert found.side[0, 0][~outside].float().mean() > 0.99
    # Only the silhouette: the steep rim itself is no contour.
    assert not found.seed[0, 0][height > 12].any()


def test_creases_are_folds_within_one_part():
    scene = Scene().sheet(*BODY, 50)
    scene.normal[..., :, 24:] = torch.where(scene.part[..., 24:] > 0, torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1), 0)
    fold = creases(scene.normal, scene.part, scene.object)[0, 0]
    assert (fold[5:35, 23:25] == 1).all()
    assert fold.sum() == 60
    scene.part[..., 24:] *= 2
    assert not creases(scene.normal, scene.part, scene.object).any()


def test_the_default_rule_counts_in_sizes_of_the_figure():
    assert rule_for(0.5, 100) == ContourRule(0.5, pytest.approx(1.0), pytest.approx(1.8))
    assert rule_for(0.25, 100, subject=3.0) == ContourRule(0.25, pytest.approx(1.0), pytest.approx(1.8), subject=3.0)


def test_a_pixel_is_measured_on_surfaces_facing_the_camera():
    scene = Scene().sheet(*BODY, 50)
    scene.rest *= 0.25
    scene.rest[..., 20:, :] *= 7  # slanted, turned away
    scene.normal[:, 2, 20:] = 0.5
    assert estimate_pixel(scene.rest, scene.normal, scene.part) == pytest.approx(0.25)
    with pytest.raises(ValueError, match="face the camera"):
        estimate_pixel(scene.rest, 0 * scene.normal, scene.part)


def test_motion_contours_lie_where_neighbours_move_apart_on_the_side_in_front():
    seen = torch.zeros(1, 1, 40, 48, dtype=torch.bool)
    seen[(..., *BODY)] = True
    motion = torch.zeros(1, 2, 40, 48)
    motion[..., 24:43] = torch.tensor([-6.0, 0]).view(2, 1, 1)
    uncovered = torch.zeros(1, 1, 40, 48)
    uncovered[..., 18:24] = 1
    found = motion_contours(seen, motion, uncovered, 9)
    assert torch.equal(found.seed[0, 0, 10], ring(*BODY)[10] | (torch.arange(48) == 24))
    assert found.side[0, 0, 20, 24:40].all()
    assert found.distance[0, 0, 20, 22:26].tolist() == [1.5, 0.5, 0.5, 1.5]
    assert not found.side[0, 0, 20, 18:24].any()
    behind = motion_contours(seen, motion, uncovered.roll(6, 3), 9)  # the moving side is the one uncovered
    assert torch.equal(behind.seed[0, 0, 10], ring(*BODY)[10] | (torch.arange(48) == 23))
    still = motion_contours(seen, None, uncovered, 9)
    assert torch.equal(still.seed[0, 0], ring(*BODY))
    assert torch.equal(still.side, seen)
