"""The sRGB curve, alpha and Lab, against the standards' own numbers."""

import numpy as np
import pytest

from osf_pipeline.color import decode_srgb, display, encode_srgb, from_straight_srgb, lab, over, straight_srgb, to_uint8


def test_srgb_curve_at_known_points():
    linear = np.array([0, 0.0031308, 0.18, 0.5, 1])
    expected = [0, 0.04045, 0.461356, 0.735357, 1]  # IEC 61966-2-1
    np.testing.assert_allclose(encode_srgb(linear), expected, atol=1e-5)
    np.testing.assert_allclose(decode_srgb(np.array(expected)), linear, atol=1e-5)


def test_srgb_curve_is_odd_and_unclipped():
    values = np.array([-3.0, -0.2, -1e-4, 1.5, 40.0])
    np.testing.assert_allclose(decode_srgb(encode_srgb(values)), values, rtol=1e-12)
    np.testing.assert_allclose(encode_srgb(-values), -encode_srgb(values))


def test_over_keeps_what_the_front_does_not_cover():
    front = np.array([0.25, 0, 0, 0.5]).reshape(4, 1, 1)
    back = np.array([0, 0.8, 0, 1.0]).reshape(4, 1, 1)
    np.testing.assert_allclose(over(front, back).ravel(), [0.25, 0.4, 0, 1])


@pytest.mark.parametrize(("background", "grey"), [("white", 1.0), ("grey", 0.5), ("black", 0.0), (0.25, 0.25)])
def test_an_empty_layer_shows_the_background(background, grey):
    np.testing.assert_allclose(display(np.zeros((4, 2, 2), np.float16), background), grey, atol=1e-6)


def test_display_composites_in_linear_light():
    half_white = np.full((4, 1, 1), 0.5, np.float32)
    np.testing.assert_allclose(display(half_white, "black"), 0.735357, atol=1e-5)


def test_highlights_clip():
    np.testing.assert_allclose(display(np.array([9, 1, -1, 1.0]).reshape(4, 1, 1)).ravel(), [1, 1, 0], atol=1e-6)


def test_straight_srgb_round_trips_every_code():
    codes = np.stack(np.meshgrid(np.arange(256), np.arange(1, 256), indexing="ij"), -1)
    pixels = np.concatenate([codes[..., :1]] * 3 + [codes[..., 1:]], -1).astype(np.uint8)
    np.testing.assert_array_equal(straight_srgb(from_straight_srgb(pixels)), pixels)


def test_transparent_pixels_carry_no_colour():
    assert not straight_srgb(np.array([0.5, 0.5, 0.5, 0]).reshape(4, 1, 1)).any()


def test_to_uint8_rounds_to_nearest():
    np.testing.assert_array_equal(to_uint8(np.array([0.5, 1.2, -1, 0.002]).reshape(4, 1, 1)).ravel(), [128, 255, 0, 1])


def test_lab_of_primaries():
    colors = np.array([[1, 1, 1], [1, 0, 0], [0, 0, 1], [0, 0, 0]], float).T
    expected = np.array([[100, 0, 0], [53.24, 80.09, 67.20], [32.30, 79.19, -107.86], [0, 0, 0]]).T
    np.testing.assert_allclose(lab(colors), expected, atol=0.03)
