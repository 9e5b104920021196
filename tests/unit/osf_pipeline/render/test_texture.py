"""Pictures on surfaces: where texels lie, in which light they are filtered, what happens far away."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from osf_pipeline.color import decode_srgb
from osf_pipeline.config import Camera
from osf_pipeline.errors import RequestError
from osf_pipeline.render.frame import render_frame
from osf_pipeline.render.scene import Mesh, Plain, Scene, Texture

CORNERS = np.array([(0, -1, 0), (1, -1, 0), (1, 0, 0), (0, 0, 0)], np.float64)
FACES = np.array([(0, 1, 2), (0, 2, 3)])
UV = np.array([(0, 1), (1, 1), (1, 0), (0, 0)], np.float32)[FACES]


def albedo(image: np.ndarray, size: int, uv: np.ndarray = UV, supersample: int = 3) -> dict[str, np.ndarray]:
    """A unit quad with the picture on it, filling size x size pixels."""
    mesh = Mesh(CORNERS, FACES, np.array([1, 1]), 1, lambda _: CORNERS, Texture(image), uv)
    camera = Camera(scale=1, position=(0.5, -0.5, 1))
    return render_frame(Scene((mesh,), lambda _: camera), 1, (size, size), supersample=supersample).buffers


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).random((height, width, 3), np.float32)


def test_a_texel_for_a_pixel_shows_the_picture_itself() -> None:
    image = noise(16, 16)
    found = albedo(image, 16)
    np.testing.assert_allclose(found["albedo"], np.moveaxis(decode_srgb(image), 2, 0), atol=1e-3)
    i = (np.arange(16) + 0.5) / 16
    np.testing.assert_allclose(found["uv"], np.stack([np.tile(i, (16, 1)), np.tile(i[:, None], 16)]), atol=1e-6)


def test_filtering_happens_in_scene_linear_light() -> None:
    image = np.zeros((2, 2, 3), np.float32)
    image[:, 1] = 1
    row = albedo(image, 8)["albedo"][0, 4]
    # Texel centres lie at 1/4 and 3/4: a ramp of light between them, repeated edges outside.
    np.testing.assert_allclose(row, np.clip((np.arange(8) + 0.5) / 8 * 2 - 0.5, 0, 1), atol=1e-3)


def test_corners_of_one_vertex_may_differ() -> None:
    """A seam: the two faces of the quad look at different halves of the picture."""
    image = np.zeros((4, 8, 3), np.float32)
    image[:, 4:] = 1
    uv = np.stack([np.float32([[0.1, 0.9], [0.4, 0.9], [0.4, 0.1]]), np.float32([[0.6, 0.9], [0.9, 0.1], [0.6, 0.1]])])
    found = albedo(image, 8, uv)["albedo"][0]
    assert (found[6, 6], found[1, 1]) == (0, 1)
    assert set(np.unique(found)) <= {0, 1}


@pytest.mark.parametrize(("height", "width"), [(512, 512), (300, 500)])
def test_far_away_a_picture_becomes_its_mean(height: int, width: int) -> None:
    image = noise(height, width)
    color = albedo(image, 4)["color"][:3].astype(float)
    mean = decode_srgb(image).mean((0, 1))
    np.testing.assert_allclose(color.mean((1, 2)), mean, rtol=0.02)
    assert color.std((1, 2)).max() < 0.02  # without the pyramid: 0.1


def test_no_level_of_the_pyramid_is_taken_while_samples_are_finer_than_texels() -> None:
    image = noise(64, 64)
    mesh = Mesh(CORNERS, FACES, np.array([1, 1]), 1, lambda _: CORNERS, Texture(image), UV)
    texture = mesh.color
    assert isinstance(texture, Texture)
    frame = albedo(image, 32)  # two texels a pixel and axis, three samples
    expected = decode_srgb(image).reshape(32, 2, 32, 2, 3).mean((1, 3))
    np.testing.assert_allclose(frame["color"][:3], np.moveaxis(expected, 2, 0), atol=0.25)
    assert frame["color"][0].astype(float).std() > 0.8 * expected[..., 0].std()


def test_a_picture_needs_texture_coordinates() -> None:
    mesh = Mesh(CORNERS, FACES, np.array([1, 1]), 7, lambda _: CORNERS, Texture(noise(4, 4)))
    camera = Camera(scale=1, position=(0.5, -0.5, 1))
    with pytest.raises(RequestError, match="texture coordinates"):
        render_frame(Scene((mesh,), lambda _: camera), 1, (8, 8))


def test_meshes_without_coordinates_are_background_in_uv() -> None:
    plain = Mesh(CORNERS, FACES, np.array([1, 1]), 2, lambda _: CORNERS - (0.5, 0, 0), Texture(noise(4, 4)), UV)
    aside = CORNERS + np.array([0.5, 0, 0])
    bare = replace(plain, object_id=1, pose=lambda _: aside, color=Plain((0, 0, 0)), uv=None)
    camera = Camera(scale=1, position=(0.5, -0.5, 1))
    found = render_frame(Scene((plain, bare), lambda _: camera), 1, (8, 8)).buffers
    assert (found["uv"][:, found["object_id"][0] == 1] == 0).all()
    assert (found["uv"][:, found["object_id"][0] == 2] > 0).all()
