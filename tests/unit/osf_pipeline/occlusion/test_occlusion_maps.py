import numpy as np
import pytest
from PIL import Image

from osf_pipeline.config import Occlusion
from osf_pipeline.errors import InputDataError
from osf_pipeline.exr.write import write_exr
from osf_pipeline.occlusion.maps import find_maps, read_map

DISPLAY = (0, 0, 7, 5)
TRUTH = np.zeros((6, 8), np.float32)
TRUTH[2:4, 3:6] = 1
TRUTH[2, 3] = 0.4


def config(**keys) -> Occlusion:
    return Occlusion(mode="maps", revealed="r.####.png", **keys)


def png(path, values) -> str:
    Image.fromarray(values).save(path)
    return str(path)


@pytest.mark.parametrize(
    ("values", "stored"),
    [
        ((0, 255), np.rint(255 * TRUTH).astype(np.uint8)),
        ((255, 0), np.rint(255 - 255 * TRUTH).astype(np.uint8)),
        ((0, 65535), np.rint(65535 * TRUTH).astype(np.uint16)),
    ],
    ids=["bytes", "inverted", "16 bit"],
)
def test_pictures_are_read_by_the_values_named(tmp_path, values, stored):
    found = read_map(png(tmp_path / "r.png", stored), config(values=values), DISPLAY, DISPLAY)
    assert (found.shape, found.dtype) == ((1, 6, 8), np.float32)
    np.testing.assert_allclose(found[0], TRUTH, atol=0.002)


def test_binary_pictures_are_binary(tmp_path):
    found = read_map(png(tmp_path / "r.png", TRUTH > 0.5), config(), DISPLAY, DISPLAY)
    assert np.array_equal(found[0], TRUTH > 0.5)


def test_a_channel_of_an_exr_is_placed_by_its_data_window(tmp_path):
    url = str(tmp_path / "r.exr")
    part = {"occ.Y": 1 - TRUTH[1:5, 2:7], "other.Y": np.zeros((4, 5), np.float32)}
    write_exr(url, part, data_window=(2, 1, 6, 4), display_window=DISPLAY)
    found = read_map(url, config(values=(1, 0), channel="occ.Y"), (-1, 0, 7, 5), DISPLAY)
    np.testing.assert_allclose(found[0, :, 1:], TRUTH)
    assert not found[0, :, 0].any()
    with pytest.raises(InputDataError, match="channel named"):
        read_map(url, config(), DISPLAY, DISPLAY)


def test_a_map_that_does_not_fit_is_refused(tmp_path):
    with pytest.raises(InputDataError, match=r"range.*255"):
        read_map(png(tmp_path / "a.png", np.rint(255 * TRUTH).astype(np.uint8)), config(), DISPLAY, DISPLAY)
    with pytest.raises(InputDataError, match="another size"):
        read_map(png(tmp_path / "b.png", TRUTH[1:] > 0.5), config(), DISPLAY, DISPLAY)
    with pytest.raises(InputDataError, match="channel named"):
        read_map(png(tmp_path / "c.png", np.zeros((6, 8, 3), np.uint8)), config(), DISPLAY, DISPLAY)
    (tmp_path / "d.png").write_bytes(b"no picture")
    with pytest.raises(InputDataError, match="cannot be read"):
        read_map(str(tmp_path / "d.png"), config(), DISPLAY, DISPLAY)
    holed = TRUTH.copy()
    holed[0, 0] = np.nan
    write_exr(str(tmp_path / "e.exr"), {"Y": holed})
    with pytest.raises(InputDataError, match="range"):
        read_map(str(tmp_path / "e.exr"), config(), DISPLAY, DISPLAY)


def test_every_frame_needs_its_map(tmp_path):
    for frame in (1, 2, 4):
        png(tmp_path / f"r.{frame:04d}.png", np.full((6, 8), frame, np.uint8))
    found = find_maps(str(tmp_path), "r.####.png", [1, 2])
    assert [found[frame].url.rsplit("/", 1)[-1] for frame in (1, 2)] == ["r.0001.png", "r.0002.png"]
    assert found[1].sha256 != found[2].sha256
    with pytest.raises(InputDataError, match=r"no occlusion map.*frame=3"):
        find_maps(str(tmp_path), "r.####.png", [2, 3])


@pytest.mark.parametrize(
    "keys",
    [
        {"mode": "maps"},
        {"mode": "light", "revealed": "r.####.png"},
        {"mode": "full", "values": (0, 255)},
        {"mode": "maps", "revealed": "r.####.png", "values": (1, 1)},
    ],
)
def test_keys_that_contradict_each_other_are_refused(keys):
    with pytest.raises(ValueError, match=r"need|different"):
        Occlusion(**keys)


def test_a_setting_written_in_full_is_read_back():
    for setting in (Occlusion(), Occlusion(mode="light", model=3), config(values=(255, 0))):
        assert Occlusion.model_validate(setting.model_dump(mode="json")) == setting
