"""What `benchmarks/pictures.py` measures and where it looks."""

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))
import looking
import pictures

from osf_pipeline.execution import Execution
from osf_pipeline.layout import Layout


def disc(radius: float = 12, size: int = 48) -> np.ndarray:
    """(y, x) float32 coverage of a disc with a soft edge."""
    y, x = np.indices((size, size)) - size / 2
    return np.clip(radius - np.hypot(y, x) + 0.5, 0, 1).astype(np.float32)


def colored(alpha: np.ndarray, rgb: tuple[float, float, float]) -> np.ndarray:
    return np.concatenate([np.array(rgb, np.float32)[:, None, None] * alpha, alpha[None]])


@pytest.mark.parametrize("grey", [0.0, 0.18, 1.0])
def test_a_clean_matte_has_no_fringe(grey):
    assert looking.fringe(colored(disc(), (0.5, 0.2, 0.1)), grey).max() < 0.01


def test_white_left_in_the_edge_shows_over_dark_grounds():
    alpha = disc()
    layer = colored(alpha, (0.2, 0.1, 0.1))
    edge = (alpha > 0) & (alpha < 0.99)
    layer[:3, edge] = alpha[edge]
    assert looking.fringe(layer, 0.0)[edge].max() > 50
    assert looking.fringe(layer, 0.0)[~edge].max() == 0


def test_the_window_holds_most_of_what_is_looked_for():
    where = np.zeros((60, 80), bool)
    where[40:50, 60:70] = True
    where[5, 5] = True
    rows, columns = looking.window(where, 20, 20)
    assert where[rows, columns].sum() == 100
    assert (rows.stop - rows.start, columns.stop - columns.start) == (20, 20)


def test_what_is_looked_for_stands_in_the_middle_of_its_window():
    where = np.zeros((60, 80), bool)
    where[28:32, 38:42] = True
    assert looking.window(where, 20, 20) == (slice(20, 40), slice(30, 50))


def test_a_window_is_no_larger_than_the_frame():
    assert looking.window(np.ones((10, 80), bool), 20, 20)[0] == slice(0, 10)


def test_a_face_counts_as_features_and_a_shaded_head_does_not():
    part = np.where(disc() > 0.5, 4, 0)[None]
    contour = ndimage.distance_transform_edt(part[0] > 0)[None]
    plain = colored(disc(), (0.5, 0.4, 0.3)) * np.linspace(1, 0.85, 48, dtype=np.float32)
    plain[3] = disc()
    face = plain.copy()
    face[:3, 22:25, 19:22] = 0.01
    head = {"part_id": part, "contour": contour}
    assert looking.features(head | {"beauty": plain}, 4, 1.0) == 0
    assert looking.features(head | {"beauty": face}, 4, 1.0) == pytest.approx(9 / (contour[0] > 3.5).sum())


def test_two_objects_touch_only_where_both_are():
    objects = np.zeros((4, 6), int)
    objects[:2, :3], objects[:2, 3:], objects[3, :3] = 1, 2, 2
    assert np.argwhere(looking.between(objects)).tolist() == [[0, 3], [1, 3]]


def test_a_silhouette_is_no_inner_contour():
    solid = disc() > 0.5
    frame = {
        "color": colored(disc(), (1, 1, 1)),
        "object_id": solid[None].astype(np.uint16),
        "contour": np.where(solid, *map(ndimage.distance_transform_edt, (solid, ~solid)))[None] - 0.5,
    }
    assert not looking.occlusion_band(frame, 2.0).any()
    frame["contour"][0, 23:26, 16:32] = 0.5
    assert looking.occlusion_band(frame, 2.0)[24, 18:30].all()


def test_cells_are_enlarged_whole_pixels_under_their_caption():
    sheet = looking.Sheet(columns=2)
    pixels = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    sheet.add("a", pixels, 2)
    cell = sheet.cells[0]
    assert cell.shape == (looking.STRIP + 8 + looking.MARGIN, 10 + looking.MARGIN, 3)
    assert (cell[looking.STRIP : looking.STRIP + 8 : 2, :10:2] == pixels).all()
    assert cell[: looking.STRIP].min() < 128


def test_sheets_of_real_material_are_made_where_it_is_given(tmp_path):
    studio = pictures.Studio(Layout.of(str(tmp_path)), 1, Execution())
    own = [name for name, _ in pictures.sheets(studio)]
    assert own == [f"scenes_{name}" for name in pictures.OWN]
    given = pictures.Studio(studio.layout, 1, Execution(), tmp_path, tmp_path, tmp_path)
    assert {"crossing", "scenes_char4"} <= {name for name, _ in pictures.sheets(given)} - set(own)


def test_drawings_by_code_are_written_as_an_artist_would(tmp_path):
    pictures.write_artwork(str(tmp_path), pictures.ROBOT_SEED)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["char_cfg.yaml", "drawing.png"]
