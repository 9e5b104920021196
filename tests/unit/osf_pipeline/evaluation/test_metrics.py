import numpy as np
import pytest
from scipy import ndimage

from osf_pipeline.color import lab
from osf_pipeline.evaluation.metrics import METRICS, Picture, Sampled, ciede2000, picture_metrics, silhouette_iou, ssim

# Sharma, Wu and Dalal 2005, table 1: the 34 pairs in order.
SHARMA = [
    ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
    ((50, 3.1571, -77.2803), (50, 0, -82.7485), 2.8615),
    ((50, 2.8361, -74.0200), (50, 0, -82.7485), 3.4412),
    ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0000),
    ((50, -1.1848, -84.8006), (50, 0, -82.7485), 1.0000),
    ((50, -0.9009, -85.5211), (50, 0, -82.7485), 1.0000),
    ((50, 0, 0), (50, -1, 2), 2.3669),
    ((50, -1, 2), (50, 0, 0), 2.3669),
    ((50, 2.49, -0.001), (50, -2.49, 0.0009), 7.1792),
    ((50, 2.49, -0.001), (50, -2.49, 0.0010), 7.1792),
    ((50, 2.49, -0.001), (50, -2.49, 0.0011), 7.2195),
    ((50, 2.49, -0.001), (50, -2.49, 0.0012), 7.2195),
    ((50, -0.001, 2.49), (50, 0.0009, -2.49), 4.8045),
    ((50, -0.001, 2.49), (50, 0.0010, -2.49), 4.8045),
    ((50, -0.001, 2.49), (50, 0.0011, -2.49), 4.7461),
    ((50, 2.5, 0), (50, 0, -2.5), 4.3065),
    ((50, 2.5, 0), (73, 25, -18), 27.1492),
    ((50, 2.5, 0), (61, -5, 29), 22.8977),
    ((50, 2.5, 0), (56, -27, -3), 31.9030),
    ((50, 2.5, 0), (58, 24, 15), 19.4535),
    ((50, 2.5, 0), (50, 3.1736, 0.5854), 1.0000),
    ((50, 2.5, 0), (50, 3.2972, 0), 1.0000),
    ((50, 2.5, 0), (50, 1.8634, 0.5757), 1.0000),
    ((50, 2.5, 0), (50, 3.2592, 0.3350), 1.0000),
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ((63.0109, -31.0961, -5.8663), (62.8187, -29.7946, -4.0864), 1.2630),
    ((61.2901, 3.7196, -5.3901), (61.4292, 2.2480, -4.9620), 1.8731),
    ((35.0831, -44.1164, 3.7933), (35.0232, -40.0716, 1.5901), 1.8645),
    ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
    ((36.4612, 47.8580, 18.3852), (36.2715, 50.5065, 21.2231), 1.4146),
    ((90.8027, -2.0831, 1.4410), (91.1528, -1.6435, 0.0447), 1.4441),
    ((90.9257, -0.5406, -0.9208), (88.6381, -0.8985, -0.7239), 1.5381),
    ((6.7747, -0.2908, -2.4247), (5.8714, -0.0985, -2.2286), 0.6377),
    ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
]


# --- Pictures


def test_ciede2000_reproduces_the_published_pairs():
    first, second, published = (np.array(column, np.float64).T for column in zip(*SHARMA, strict=True))
    np.testing.assert_allclose(ciede2000(first, second), published, atol=5.1e-5)
    np.testing.assert_allclose(ciede2000(second, first), published, atol=5.1e-5)


def test_ciede2000_is_symmetric_and_zero_only_between_equal_colours():
    rng = np.random.default_rng(0)
    first, second = (lab(rng.random((3, 40, 25))) for _ in range(2))
    np.testing.assert_allclose(ciede2000(first, second), ciede2000(second, first), atol=1e-9)
    assert (ciede2000(first, second) > 0).all()
    np.testing.assert_array_equal(ciede2000(first, first), np.zeros((40, 25)))


def between(first: np.ndarray, second: np.ndarray) -> dict[str, Sampled]:
    everywhere = np.ones(first.shape[1:], bool)
    pair = (Picture(p.astype(np.float32)) for p in (first, second))
    return picture_metrics(*pair, everywhere, everywhere)


def test_white_and_black_are_100_apart():
    white, black = np.ones((3, 12, 12)), np.zeros((3, 12, 12))
    found = between(white, black)
    np.testing.assert_allclose(found["ciede2000"].values, 100, atol=1e-6)
    np.testing.assert_array_equal(found["psnr"].values, 1)
    assert found["flip"].values.mean() > 0.9


def test_squared_error_is_the_mean_over_channels():
    first, second = np.zeros((3, 20, 20)), np.zeros((3, 20, 20))
    first[0], second[1] = 0.3, 0.6
    np.testing.assert_allclose(between(first, second)["psnr"].values, (0.09 + 0.36) / 3, rtol=1e-6)


def test_sharpness_is_gradient_energy_over_the_truths_own():
    rng = np.random.default_rng(3)
    truth = rng.random((3, 30, 30))
    halved = between(truth / 2, truth)["sharpness"]
    assert halved.within(np.ones((1, 30, 30), bool))[0, :2] @ [1, -0.25] == pytest.approx(0, abs=1e-3)
    blurred = between(ndimage.gaussian_filter(truth, (0, 1, 1)), truth)["sharpness"]
    total, per, _ = blurred.within(np.ones((1, 30, 30), bool))[0]
    assert total / per < 0.2


def test_silhouettes_are_compared_as_intersection_over_union():
    first, second = np.zeros((2, 20, 20))
    first[:10], second[5:15] = 1, 0.6
    second[18] = 0.4  # not covered by half
    total, per, _ = silhouette_iou(first, second).within(np.ones((1, 20, 20), bool))[0]
    assert (total, per) == (5 * 20, 15 * 20)


def test_ssim_is_its_definition():
    rng = np.random.default_rng(1)
    first = ndimage.gaussian_filter(rng.random((3, 30, 34)), (0, 1, 1))
    second = np.clip(first + rng.normal(0, 0.1, first.shape), 0, 1)
    y, x = 14, 17
    offset = np.arange(-5, 6)
    window = np.exp(-(offset[:, None] ** 2 + offset[None] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    expected = []
    for a, b in zip(first, second, strict=True):
        a, b = (p[y - 5 : y + 6, x - 5 : x + 6] for p in (a, b))
        ma, mb = (window * a).sum(), (window * b).sum()
        va, vb, cov = (window * u * v for u, v in ((a - ma, a - ma), (b - mb, b - mb), (a - ma, b - mb)))
        va, vb, cov = va.sum(), vb.sum(), cov.sum()
        expected.append((2 * ma * mb + 1e-4) * (2 * cov + 9e-4) / ((ma**2 + mb**2 + 1e-4) * (va + vb + 9e-4)))
    pictures = Picture(first), Picture(second)
    assert ssim(*pictures)[y, x] == pytest.approx(np.mean(expected), abs=1e-9)
    np.testing.assert_allclose(ssim(pictures[0], pictures[0]), 1)
    np.testing.assert_allclose(ssim(*pictures), ssim(*pictures[::-1]))


def test_sampled_sums_only_where_it_is_defined():
    plane, where = np.arange(6.0).reshape(2, 3), np.array([[1, 1, 0], [0, 0, 1]]) > 0
    regions = np.stack([np.eye(2, 3) > 0, np.ones((2, 3), bool), np.zeros((2, 3), bool)])
    np.testing.assert_array_equal(Sampled.of(plane, where).within(regions), [[0, 1, 1], [6, 3, 3], [0, 0, 0]])
    ratio = Sampled(where, np.array([1.0, 2, 3]), np.array([10.0, 20, 30]))
    np.testing.assert_array_equal(ratio.within(regions), [[1, 10, 1], [6, 60, 3], [0, 0, 0]])


def test_headings_say_which_way_is_better():
    shown = {name: METRICS[name].heading for name in ("ssim", "flip", "warp_ratio", "line_width")}
    assert shown == {"ssim": "SSIM ↑", "flip": "FLIP ↓", "warp_ratio": "warp error ratio →1", "line_width": "width px"}
