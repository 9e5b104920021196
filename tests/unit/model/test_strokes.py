import pytest
import torch

from model.strokes import fit_atlas

LOW, HIGH = torch.tensor([0.0, 0.0, 0.0]), torch.tensor([1.0, 1.0, 0.0])
RED, BLUE = (0.8, 0.1, 0.1), (0.1, 0.1, 0.8)


def two_inks():
    """A broad red line along x = 0, a thin blue one along x = 1; 3 ink pixels a contour pixel against 1."""
    along = torch.linspace(0, 1, 200)
    left, right = (torch.stack([torch.full_like(along, x), along, 0 * along], 1) for x in (0.0, 1.0))
    ink = torch.cat([torch.tensor(RED).expand(600, 3), torch.tensor(BLUE).expand(200, 3)])
    return fit_atlas(
        torch.cat([left.repeat(3, 1), right]), ink, torch.ones(800), torch.cat([left, right]), LOW, HIGH, stroke=4.0
    )


def at(atlas, x: float, y: float) -> torch.Tensor:
    return atlas(torch.tensor([x, y, 0.0]).view(1, 3, 1, 1))[0, :, 0, 0]


@pytest.mark.parametrize(("x", "ink", "width"), [(0.05, RED, 6.0), (0.95, BLUE, 2.0)])
def test_ink_and_width_are_local(x, ink, width):
    found = at(two_inks(), x, 0.5)
    torch.testing.assert_close(found[:3], torch.tensor(ink), atol=0.02, rtol=0)
    assert found[3].item() == pytest.approx(width, rel=0.05)


def test_far_from_any_line_the_nearest_one_counts():
    torch.testing.assert_close(at(two_inks(), 0.4, 0.5)[:3], torch.tensor(RED), atol=0.02, rtol=0)


def test_the_atlas_is_too_coarse_to_say_where_a_line_lies():
    """Across a line of one ink nothing changes: no shortcut from rest position to ink."""
    across = torch.stack([torch.linspace(0.01, 0.3, 50), torch.full((50,), 0.5), torch.zeros(50)])
    found = two_inks()(across.view(1, 3, 1, 50))[0, :, 0]
    assert (found.amax(1) - found.amin(1)).max() < 0.05


def test_background_takes_after_the_surface_beside_it_and_is_empty_further_out():
    rest = torch.zeros(1, 3, 9, 20)
    rest[:, :, :, :5] = torch.tensor([0.05, 0.5, 0.0]).view(1, 3, 1, 1)
    found = two_inks()(rest)[0]
    torch.testing.assert_close(found[:, 4, 7], found[:, 4, 4], atol=1e-4, rtol=1e-4)
    assert not found[:, :, 9:].any()


def test_a_flat_figure_has_an_atlas_too():
    assert two_inks().values.isfinite().all()


def test_faint_pixels_hardly_tint_the_ink():
    along = torch.stack([torch.zeros(100), torch.linspace(0, 1, 100), torch.zeros(100)], 1)
    ink = torch.cat([torch.tensor(RED).expand(100, 3), torch.ones(100, 3)])
    strength = torch.cat([torch.ones(100), torch.full((100,), 0.01)])
    found = at(fit_atlas(along.repeat(2, 1), ink, strength, along, LOW, HIGH, stroke=4.0), 0.0, 0.5)
    torch.testing.assert_close(found[:3], torch.tensor(RED), atol=0.02, rtol=0)
