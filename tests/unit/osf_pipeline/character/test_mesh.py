"""The flat mesh: what it covers, how well its triangles are shaped, cuts and splits."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_figures import PLACES, capsule, figure_mask

from osf_pipeline.character.mesh import triangulate
from osf_pipeline.character.sheet import Sheet
from osf_pipeline.errors import InputDataError

SQUARE = Sheet(
    np.array([[0, 0], [2, 0], [2, 2], [0, 2], [1, 1]], float),
    np.array([[0, 4, 1], [1, 4, 2], [2, 4, 3], [3, 4, 0]], np.int32),
)


def euler(sheet: Sheet) -> int:
    return len(sheet.points) - len(sheet.edges.ends) + len(sheet.faces)


def edge_between(sheet: Sheet, a: int, b: int) -> np.ndarray:
    return (sheet.edges.ends == sorted((a, b))).all(axis=1)


def test_a_figure_is_covered_by_well_shaped_triangles() -> None:
    mask = figure_mask(PLACES)
    sheet = triangulate(mask, 3000)
    assert sheet.areas.min() > 0
    assert sheet.areas.sum() == pytest.approx(mask.sum(), rel=0.01)
    assert np.degrees(sheet.angles.min()) > 12
    assert np.percentile(np.degrees(sheet.angles.min(axis=1)), 5) > 35
    assert 2000 < len(sheet.points) < 6000
    assert euler(sheet) == 1


def test_a_hole_stays_a_hole() -> None:
    ring = capsule((120, 120), (60, 60), (60, 60), 50) & ~capsule((120, 120), (60, 60), (60, 60), 8)
    sheet = triangulate(ring, 800)
    assert euler(sheet) == 0
    inside = np.linalg.norm(sheet.points[sheet.faces].mean(axis=1) - 60, axis=1)
    assert inside.min() > 7.5


@pytest.mark.parametrize("width", [2, 3])
def test_a_limb_of_few_pixels_has_vertices_inside(width: int) -> None:
    mask = capsule((160, 160), (50, 80), (50, 80), 40)
    mask[80 : 80 + width, 80:150] = True
    sheet = triangulate(mask, 800)
    limb = (sheet.points[:, 0] > 95) & (sheet.points[:, 0] < 145)
    assert (limb & ~sheet.on_boundary).sum() > 10
    assert sheet.points[:, 0].max() == pytest.approx(149.5, abs=1)


def test_elements_grow_with_the_figure() -> None:
    sizes = []
    for radius in (40, 80):
        sheet = triangulate(capsule((200, 200), (100, 100), (100, 100), radius), 800)
        ends = sheet.points[sheet.edges.ends]
        sizes.append(np.median(np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1)))
    assert sizes[1] / sizes[0] == pytest.approx(2, rel=0.1)


def test_the_same_mask_gives_the_same_mesh() -> None:
    mask = capsule((100, 100), (40, 50), (60, 50), 25)
    one, other = triangulate(mask, 800), triangulate(mask, 800)
    assert one.points.tobytes() == other.points.tobytes()
    assert one.faces.tobytes() == other.faces.tobytes()


def test_an_empty_mask_is_refused() -> None:
    with pytest.raises(InputDataError, match="no figure"):
        triangulate(np.zeros((50, 50), bool))


def test_a_cut_to_the_middle_opens_the_sheet_but_keeps_its_end_whole() -> None:
    opened = SQUARE.cut(edge_between(SQUARE, 0, 4))
    assert len(opened.points) == len(SQUARE.points) + 1  # the corner is there twice, the middle once
    assert opened.on_boundary.all()
    assert euler(opened) == 1


def test_a_cut_across_parts_the_sheet() -> None:
    opened = SQUARE.cut(edge_between(SQUARE, 0, 4) | edge_between(SQUARE, 2, 4))
    assert len(opened.points) == len(SQUARE.points) + 3
    assert euler(opened) == 2


@pytest.mark.parametrize("spokes", [(0,), (0, 1), (0, 1, 2, 3)])
def test_splitting_edges_keeps_the_surface(spokes: tuple[int, ...]) -> None:
    chosen = np.any([edge_between(SQUARE, spoke, 4) for spoke in spokes], axis=0)
    finer, origin = SQUARE.split(chosen)
    assert len(finer.points) == len(SQUARE.points) + len(spokes)
    assert finer.areas.min() > 0
    assert np.bincount(origin, finer.areas) == pytest.approx(SQUARE.areas)
    assert euler(finer) == 1


def test_splitting_all_three_sides_of_a_face_makes_four() -> None:
    finer, origin = SQUARE.split(np.ones(len(SQUARE.edges.ends), bool))
    assert np.bincount(origin).tolist() == [4, 4, 4, 4]
    assert euler(finer) == 1


def test_the_laplacian_knows_linear_functions() -> None:
    sheet = triangulate(capsule((60, 60), (25, 30), (35, 30), 18), 800)
    inner = ~sheet.on_boundary
    assert (sheet.laplacian @ sheet.points)[inner] == pytest.approx(0, abs=1e-9)
    assert sheet.mass.sum() == pytest.approx(sheet.areas.sum())
