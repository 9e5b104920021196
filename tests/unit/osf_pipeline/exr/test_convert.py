from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from osf_pipeline.buffers import GBUFFER
from osf_pipeline.color import decode_srgb
from osf_pipeline.config import Camera, Exemplar, Source
from osf_pipeline.errors import InputDataError, RequestError
from osf_pipeline.exr.adapters import BufferMap, map_buffers
from osf_pipeline.exr.convert import Frame, canonical, trim_to_figure
from osf_pipeline.exr.header import read_header
from osf_pipeline.exr.keyframe import read_drawing, read_keyframe
from osf_pipeline.exr.read import place, read_exr
from osf_pipeline.exr.write import write_exr

CAMERA = Camera(scale=2, right=(1, 0, 0), up=(0, 0, 1), back=(0, -1, 0))


def load(url: str | Path, source: Source, frame: int = 1) -> tuple[Frame, BufferMap]:
    mapping = map_buffers(read_header(str(url)), source)
    return canonical(
        trim_to_figure(read_exr(str(url), mapping.channels, mapping.fill), mapping), mapping, source, frame
    ), mapping


def write(tmp_path: Path, **channels: np.ndarray) -> str:
    url = str(tmp_path / "a.exr")
    write_exr(url, {k.replace("__", "."): v for k, v in channels.items()})
    return url


def full(value: float, dtype: type = np.float32, shape: tuple[int, int] = (2, 3)) -> np.ndarray:
    return np.full(shape, value, dtype)


def test_own_files_pass_through_bit_for_bit(tmp_path: Path, figure) -> None:
    found, mapping = load(figure.write(tmp_path / "a.exr", 2), Source())
    for buffer, channels in mapping.bindings.items():
        for plane, name in zip(found.buffers[buffer], channels.channels, strict=True):
            x0, y0, x1, y1 = found.window
            stored = figure.channels(2)[name][y0 : y1 + 1, x0 : x1 + 1]
            np.testing.assert_array_equal(plane, stored.astype(GBUFFER[buffer].dtype))
    assert found.buffers["color"].max() > 1
    assert found.buffers["color"].min() < 0


def test_only_the_figure_is_kept_and_nothing_of_it_is_lost(tmp_path: Path, figure) -> None:
    found, _ = load(figure.write(tmp_path / "a.exr", 2), Source())
    x0, y0, x1, y1 = found.window
    seen = figure.channels(2)["A"] > 0
    assert not seen[:y0].any()
    assert not seen[y1 + 1 :].any()
    assert not seen[:, :x0].any()
    assert not seen[:, x1 + 1 :].any()
    assert seen[y0].any()
    assert seen[:, x1].any()


def test_a_glow_without_alpha_is_kept(tmp_path: Path, figure) -> None:
    glow = figure.channels(2)["R"].copy()
    glow[0, 0] = 0.5
    found, _ = load(figure.write(tmp_path / "a.exr", 2, R=glow), Source())
    assert found.window[:2] == (0, 0)
    assert found.buffers["color"][0, 0, 0] == 0.5


def test_blender_signs_spaces_and_background(tmp_path: Path) -> None:
    depth = full(5.0)
    depth[0, 0] = 1e10
    url = write(
        tmp_path,
        **{f"V__Combined__{c}": full(1, np.float16) for c in "RGBA"},
        **{f"V__Vector__{c}": full(v) for c, v in zip("XYZW", (-10, -5, -20, -10), strict=True)},
        **{f"V__Normal__{c}": full(v) for c, v in zip("XYZ", (0.6, -0.8, 0), strict=True)},
        **{f"V__RestPos__{c}": full(v) for c, v in zip("RGB", (0.25, 0.5, 1), strict=True)},
        V__Depth__Z=depth, V__PartID__X=full(4),
    )  # fmt: skip
    found, _ = load(url, Source(camera=CAMERA, rest_box=((-1, -1, -2), (1, 1, 2))))
    at = {name: values[:, 1, 1].tolist() for name, values in found.buffers.items()}
    assert at["motion"] == [10, -5]
    assert at["motion_next"] == [20, -10]
    assert at["normal"] == pytest.approx([0.6, 0, 0.8], abs=1e-3)
    assert at["rest_position"] == [-0.5, 0, 2]
    assert at["part_id"] == [4]
    assert at["object_id"] == [1]
    assert np.isposinf(found.buffers["depth"][0, 0, 0])
    assert found.buffers["rest_position"][:, 0, 0].tolist() == [0, 0, 0]


def test_ids_and_depth_never_pass_through_half(tmp_path: Path) -> None:
    url = write(
        tmp_path, R=full(1, np.float16), G=full(1, np.float16), B=full(1, np.float16), Z=full(70000.125),
        objectid=full(4097, np.uint32), partid=full(2049),
    )  # fmt: skip
    found, _ = load(url, Source())
    assert found.buffers["depth"][0, 0, 0] == 70000.125
    assert found.buffers["object_id"][0, 0, 0] == 4097
    assert found.buffers["part_id"][0, 0, 0] == 2049


def test_an_id_beyond_16_bits_is_refused(tmp_path: Path) -> None:
    url = write(tmp_path, **{c: full(1) for c in "RGB"}, objectid=full(70000, np.uint32))
    with pytest.raises(InputDataError, match="does not fit 16 bits") as caught:
        load(url, Source())
    assert (caught.value.where["channel"], caught.value.where["value"]) == ("objectid", 70000)


def test_straight_and_display_encoded_colour(tmp_path: Path) -> None:
    url = write(tmp_path, R=full(0.5), G=full(-0.02), B=full(2), A=full(0.5))
    straight, _ = load(url, Source(alpha="straight"))
    np.testing.assert_allclose(straight.buffers["color"][:, 0, 0], [0.25, -0.01, 1, 0.5])
    encoded, _ = load(url, Source(alpha="straight", color_space="srgb"))
    np.testing.assert_allclose(encoded.buffers["color"][0, 0, 0], 0.5 * 0.21404114, rtol=1e-5)
    premultiplied, _ = load(url, Source(color_space="srgb"))
    np.testing.assert_allclose(premultiplied.buffers["color"][0, 0, 0], 0.5, rtol=1e-5)
    np.testing.assert_allclose(decode_srgb(np.array([-0.04045, 0, 1])), [-0.0031308, 0, 1], atol=1e-6)


def test_colour_without_alpha_is_opaque(tmp_path: Path) -> None:
    found, _ = load(write(tmp_path, **{c: full(0.5) for c in "RGB"}), Source())
    assert (found.buffers["color"][3] == 1).all()


def test_depth_from_position_and_a_depth_that_runs_the_other_way(tmp_path: Path) -> None:
    position = {f"P__{c}": full(v) for c, v in zip("XYZ", (0.5, 1, 2), strict=True)}
    camera = CAMERA.model_copy(update={"position": (0, -5, 0)})
    colour = {c: full(1) for c in "RGB"}
    found, _ = load(write(tmp_path, **colour, **position), Source(camera=camera))
    assert found.buffers["depth"][0, 0, 0] == 6
    backwards = full(-5)
    backwards[0, 0], backwards[0, 1] = -1e10, 0
    found, _ = load(write(tmp_path, **colour, Z=backwards), Source(scale={"depth": (-1,)}))
    assert found.buffers["depth"][0, 0].tolist() == [np.inf, np.inf, 5]


def test_a_camera_per_frame(tmp_path: Path) -> None:
    url = write(
        tmp_path, **{c: full(1) for c in "RGB"}, **{f"N__{c}": full(v) for c, v in zip("XYZ", (0, -1, 0), strict=True)}
    )
    source = Source(camera={1: CAMERA}, normal_space="world")
    assert load(url, source, 1)[0].buffers["normal"][:, 0, 0].tolist() == [0, 0, 1]
    with pytest.raises(RequestError, match="frame=2"):
        load(url, source, 2)


def averaged(shape: tuple[int, int] = (40, 40), depth_of_part_4: float = 5) -> dict[str, np.ndarray]:
    """What Blender stores with many samples: part 2 left of part 4, one column of background mix at each side.

    Depth, index and position are the first sample of a pixel, at its centre.
    """
    alpha = np.zeros(shape, np.float32)
    alpha[:, 10:30] = 1
    alpha[:, 9], alpha[:, 30] = 0.75, 0.25
    x = np.arange(shape[1])
    part = np.where(x < 20, 2.0, 4.0) * alpha
    part[:, 19] = 3.0  # half and half: whole by chance
    depth = np.where(alpha > 0.5, np.where(x < 20, 5.0, depth_of_part_4), 1e10)
    depth[::2, 9] = 1e10  # three quarters covered, but not the centre
    rest = np.where(x < 20, 0.5, 0.9) * alpha + x * alpha / 1024
    rest[:, 19] = 0.7 + 19 / 1024
    channels = {
        "PartID.X": part, "Depth.Z": depth, "IndexOB.X": np.where(depth < 1e9, 7.0, 0),
        "Normal.X": 0 * alpha, "Normal.Y": -alpha, "Normal.Z": 0 * alpha,
        "RestPos.R": rest, "RestPos.G": 0.25 * alpha, "RestPos.B": alpha,
        "Vector.X": np.where(x < 19, 3, np.where(x == 19, 5, 7)) * (alpha > 0),
        "Vector.Y": 0 * alpha, "Vector.Z": 0 * alpha, "Vector.W": 0 * alpha,
        **{f"Combined.{c}": alpha for c in "RGBA"},
    }  # fmt: skip
    return {f"V.{name}": np.ascontiguousarray(values, np.float32) for name, values in channels.items()}


def repaired(tmp_path: Path, channels: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    url = str(tmp_path / "a.exr")
    write_exr(url, channels)
    found, _ = load(url, Source(camera=CAMERA, rest_box=((0, 0, 0), (1, 1, 1))))
    return {k: place(v, found.window, (0, 0, 39, 39), GBUFFER[k].background) for k, v in found.buffers.items()}


def test_averaged_edges_become_pixel_centre_samples(tmp_path: Path) -> None:
    buffers = repaired(tmp_path, averaged())
    part, sample = buffers["part_id"][0], buffers["sample"][0]
    assert set(np.unique(part)) == {0, 2, 4}  # never a rounded 1, 1.5 or 3
    assert (part[1::2, 9] == 2).all()
    assert (buffers["object_id"][0, 1::2, 9] == 7).all()
    np.testing.assert_allclose(buffers["rest_position"][:, 5, 9], [0.5 + 9 / 1024, 0.25, 1], rtol=1e-6)
    np.testing.assert_allclose(buffers["normal"][:, 5, 9], [0, 0, 1])
    assert (sample[1::2, 9] == 2).all()
    assert (sample[:, 19] == 2).all()
    assert (sample[:, [12, 25]] == 1).all()
    # The first sample lies at the centre: where it missed, the surface covers the pixel but not its centre.
    for row, column in ((4, 9), (5, 30)):
        assert sample[row, column] == part[row, column] == buffers["object_id"][0, row, column] == 0
        assert np.isposinf(buffers["depth"][0, row, column])
        assert not buffers["motion"][:, row, column].any()
    assert (buffers["color"][3, :, 30] == 0.25).all()


def test_without_depth_half_a_pixels_coverage_decides(tmp_path: Path) -> None:
    channels = {name: plane for name, plane in averaged().items() if "Depth" not in name}
    buffers = repaired(tmp_path, channels)
    assert (buffers["part_id"][0, :, 9] == 2).all()
    assert (buffers["object_id"][0, :, 9] == 7).all()  # the first sample missed it in every second row
    assert (buffers["part_id"][0, :, 30] == 0).all()


def test_where_parts_join_smoothly_means_stay_and_where_one_hides_the_other_they_go(tmp_path: Path) -> None:
    smooth = repaired(tmp_path, averaged())
    np.testing.assert_allclose(smooth["rest_position"][0, :, 19], 0.7 + 19 / 1024, rtol=1e-6)
    assert (smooth["motion"][0, :, 19] == -5).all()
    hiding = repaired(tmp_path, averaged(depth_of_part_4=4))
    assert (hiding["part_id"][0, :, 19] == 2).all()  # depth at the centre is that of part 2
    np.testing.assert_allclose(hiding["rest_position"][0, :, 19], 0.5 + 18 / 1024, rtol=1e-6)
    assert (hiding["motion"][0, :, 19] == -3).all()


@pytest.mark.parametrize("kept", ["Normal", "PartID", "RestPos"])
def test_one_averaged_pass_is_enough_to_see_that_passes_are_averaged(tmp_path: Path, kept: str) -> None:
    averages = {"Normal", "PartID", "RestPos"} - {kept}
    channels = {name: plane for name, plane in averaged().items() if name.split(".")[1] not in averages}
    buffers = repaired(tmp_path, channels)
    assert (buffers["sample"][0, 1::2, 9] == 2).all()


def test_data_sampled_at_pixel_centres_is_left_alone(tmp_path: Path) -> None:
    """Soft alpha over binary data is legal: nothing may be divided or moved."""
    channels = averaged()
    on = np.zeros((40, 40), np.float32)
    on[:, 9:30] = 1
    sampled = {"PartID.X": 2 * on, "Depth.Z": np.where(on > 0, 5, 1e10), "IndexOB.X": on, "Normal.Y": -on}
    sampled |= {f"RestPos.{c}": 0.5 * on for c in "RGB"}
    channels |= {f"V.{name}": values.astype(np.float32) for name, values in sampled.items()}
    url = str(tmp_path / "a.exr")
    write_exr(url, channels)
    found, _ = load(url, Source(camera=CAMERA, rest_box=((0, 0, 0), (1, 1, 1))))
    assert set(np.unique(found.buffers["sample"])) == {0, 1}
    assert set(np.unique(found.buffers["rest_position"])) == {0, 0.5}
    assert (found.buffers["part_id"][0, :, 0] == 2).all()


def test_keyframe_and_drawing(tmp_path: Path, figure) -> None:
    from PIL import Image

    figure.write(tmp_path / "key.exr", 2, data_window=(10, 8, 100, 90))
    Image.fromarray(np.full((96, 128, 3), 51, np.uint8)).save(tmp_path / "drawing.png")
    buffers = read_keyframe(Exemplar(keyframe="key.exr", drawing="drawing.png"), str(tmp_path))
    assert {values.shape[1:] for values in buffers.values()} == {(96, 128)}
    np.testing.assert_array_equal(buffers["part_id"][0], figure.channels(2)["part_id.I"])
    assert np.isposinf(buffers["depth"][0, 0, 0])
    drawing = read_drawing(str(tmp_path / "drawing.png"))
    assert (drawing.shape, drawing.dtype) == ((4, 96, 128), np.float32)
    np.testing.assert_allclose(drawing[:, 0, 0], [0.2, 0.2, 0.2, 1])
    with pytest.raises(InputDataError, match="picture cannot be read"):
        read_drawing(str(tmp_path / "key.exr"))
