import numpy as np
import pytest
from scipy import ndimage

from osf_pipeline.color import lab
from osf_pipeline.evaluation.lines import drawn_mask
from osf_pipeline.evaluation.metrics import (
    Sampled,
    TrueLine,
    ciede2000,
    flicker,
    line_metrics,
    perceptual_metric,
    picture_metrics,
    ssim,
)
from osf_pipeline.evaluation.truth import FrameTruth

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


def test_white_and_black_are_100_apart():
    white, black = np.ones((3, 1, 1)), np.zeros((3, 1, 1))
    found = picture_metrics(white, black)
    assert found["ciede2000"].values.item() == pytest.approx(100, abs=1e-6)
    assert found["mse"].values.item() == 1


def test_mse_is_the_mean_over_channels():
    first, second = np.zeros((3, 20, 20)), np.zeros((3, 20, 20))
    first[0], first[1] = 0.3, -0.6
    np.testing.assert_allclose(picture_metrics(first, second)["mse"].values, (0.09 + 0.36) / 3)


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
    assert ssim(first, second)[y, x] == pytest.approx(np.mean(expected), abs=1e-9)
    np.testing.assert_allclose(ssim(first, first), 1)
    np.testing.assert_allclose(ssim(first, second), ssim(second, first))


def test_sampled_counts_only_where_it_is_defined():
    values, where, region = np.arange(6.0).reshape(2, 3), np.array([[1, 1, 0], [0, 0, 1]]) > 0, np.eye(2, 3) > 0
    assert Sampled(values, where).within(region) == (0.0, 1)
    assert Sampled(values).within(region) == (4.0, 2)
    assert Sampled(values, where).within(np.ones((2, 3), bool)) == (6.0, 3)


@pytest.mark.parametrize("rows", [slice(100, 104), slice(0, 2), slice(188, 190), slice(0, 0)])
def test_perceptual_map_is_measured_around_the_region_at_a_size_the_network_takes(rows: slice):
    rng = np.random.default_rng(2)
    first, second = rng.random((2, 3, 190, 170)).astype(np.float32)
    region = np.zeros((190, 170), bool)
    region[rows, 80:90] = True
    sizes = []

    def measure(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        sizes.append(a.shape[1:])
        return np.abs(a - b).mean(0)

    found = perceptual_metric(measure, first, second, region)
    np.testing.assert_array_equal(found.values[region], np.abs(first - second).mean(0)[region])
    assert found.within(np.ones_like(region))[1] == region.sum()
    assert min(sizes[0]) >= 64
    assert np.prod(sizes[0]) < region.size / 2  # the rest of the picture is not computed


# --- Lines


def bar(column: int, width: int = 5, shape: tuple[int, int] = (80, 100)) -> np.ndarray:
    """A vertical line of odd width centred on a column, away from the border."""
    mask = np.zeros(shape, bool)
    mask[10:70, column - width // 2 : column + width // 2 + 1] = True
    return mask


def bar_truth(column: int = 40, width: int = 5) -> FrameTruth:
    mask = bar(column, width)
    distance = np.abs(np.arange(100) - (column - width // 2)) * np.ones((80, 1))
    return FrameTruth(np.zeros((4, 80, 100), np.float32), mask.astype(np.float32), distance, distance)


def mean(sampled: Sampled) -> float:
    total, count = sampled.within(np.ones(sampled.values.shape, bool))
    return total / count if count else float("nan")


def test_the_true_line_scores_perfectly():
    truth = bar_truth()
    scores = {name: mean(sampled) for name, sampled in line_metrics(truth.line_mask, TrueLine.of_layer(truth)).items()}
    assert scores == {
        "contour_recall": 1,
        "contour_precision": 1,
        "stray_ink": 0,
        "offset": 0,
        "contour_distance": pytest.approx(2, abs=0.1),  # half a stroke inside its contour
        "line_width": pytest.approx(5, abs=0.1),
    }


def test_a_line_shifted_within_the_tolerance_matches_and_shows_its_offset():
    truth = bar_truth()
    assert TrueLine.of_layer(truth).reach == 2.5
    scores = {name: mean(sampled) for name, sampled in line_metrics(bar(42), TrueLine.of_layer(truth)).items()}
    assert scores["contour_recall"] == scores["contour_precision"] == 1
    assert scores["offset"] == pytest.approx(2, abs=0.05)
    assert scores["contour_distance"] == pytest.approx(4, abs=0.1)
    assert scores["stray_ink"] == pytest.approx(1 / 5)  # columns 43 and 44 stick out, one of them beyond 1.5 px


@pytest.mark.parametrize("column", [43, 60])
def test_a_line_shifted_beyond_the_tolerance_matches_nothing(column: int):
    found = line_metrics(bar(column), TrueLine.of_layer(bar_truth()))
    assert mean(found["contour_recall"]) < 0.02
    assert mean(found["contour_precision"]) < 0.02


def test_without_a_line_recall_is_zero_and_precision_undefined():
    truth = bar_truth()
    found = line_metrics(np.zeros((80, 100), bool), TrueLine.of_layer(truth))
    assert found["contour_recall"].within(np.ones((80, 100), bool)) == (0, truth.centre.sum())
    assert np.isnan(mean(found["contour_precision"]))
    assert np.isnan(mean(found["stray_ink"]))


def test_a_line_where_none_belongs_has_no_precision():
    far = np.full((80, 100), 32.0)
    nothing = FrameTruth(np.zeros((4, 80, 100)), np.zeros((80, 100)), far, far)
    assert np.isnan(nothing.stroke)
    assert TrueLine.of_layer(nothing).reach == 1.5
    found = line_metrics(bar(40), TrueLine.of_layer(nothing))
    assert mean(found["contour_precision"]) == 0
    assert np.isnan(mean(found["contour_recall"]))
    assert mean(found["stray_ink"]) == 1


def test_half_a_line_has_half_the_recall():
    truth = bar_truth()
    half = bar(40)
    half[40:] = False
    found = line_metrics(half, TrueLine.of_layer(truth))
    assert mean(found["contour_precision"]) == 1
    assert mean(found["contour_recall"]) == pytest.approx(0.5, abs=0.06)


def test_a_flood_of_ink_is_stray():
    truth = bar_truth()
    flood = np.zeros((80, 100), bool)
    flood[10:70, 20:61] = True
    found = line_metrics(flood, TrueLine.of_layer(truth))
    assert mean(found["stray_ink"]) > 0.75


def test_ink_that_cannot_be_seen_is_allowed_and_not_asked_for():
    truth = bar_truth()
    render, target = np.full((3, 80, 100), 0.9), np.full((3, 80, 100), 0.9)
    render[:, 40:] = 0.05  # dark below: black ink does not show
    target[:, 40:] = 0.05
    target[:, truth.line_mask] = 0
    drawn = TrueLine.as_drawn(truth, target, render)
    assert drawn.asked[12:38].any()
    assert not drawn.asked[40:].any()
    visible = truth.line_mask.copy()
    visible[40:] = False
    for mask in (visible, truth.line_mask):  # whether or not a method draws the part that is not asked for
        found = line_metrics(mask, drawn)
        assert mean(found["contour_recall"]) == mean(found["contour_precision"]) == 1
        assert mean(found["stray_ink"]) == 0


def test_what_else_the_truth_paints_is_no_line():
    truth = bar_truth()
    render, target = np.ones((3, 80, 100)), np.ones((3, 80, 100))
    target[:, truth.line_mask] = 0
    target[:, 30:50, 60:90] = 0.5  # a painted patch beside the line
    drawn = TrueLine.as_drawn(truth, target, render)
    np.testing.assert_array_equal(drawn.asked, truth.centre)
    np.testing.assert_array_equal(drawn.mask, truth.line_mask)


def test_the_truth_of_grainy_ink_misses_nothing_of_itself():
    ink = bar(40, 7) & (np.random.default_rng(2).random((80, 100)) > 0.3)
    far = np.zeros((80, 100))
    truth = FrameTruth(np.zeros((4, 80, 100)), ink.astype(np.float32), far, far)
    render, target = np.ones((3, 80, 100)), np.where(ink, 0.0, np.ones((3, 80, 100)))
    found = line_metrics(drawn_mask(target, render), TrueLine.as_drawn(truth, target, render))
    assert mean(found["contour_recall"]) == mean(found["contour_precision"]) == 1
    assert mean(found["offset"]) == mean(found["stray_ink"]) == 0


# --- Flicker


def recall(column: int, drawn: np.ndarray) -> Sampled:
    """Recall on a one-pixel centre line at a column, detected on `drawn` rows."""
    centre = bar(column, 1)
    return Sampled(np.broadcast_to(drawn[:, None], centre.shape), centre)


def motion(x: float, y: float) -> np.ndarray:
    return np.broadcast_to(np.array([x, y], np.float32)[:, None, None], (2, 80, 100))


VALID = np.ones((80, 100), np.uint8)
ROWS = np.arange(80)


def test_a_line_that_is_drawn_alike_twice_does_not_flicker():
    previous, now = recall(40, ROWS < 33), recall(45, ROWS < 30)  # moved by 5 right and 3 up
    assert mean(flicker(now, previous, motion(5, -3), VALID)) == 0
    _, pixels = flicker(now, previous, motion(5, -3), VALID).within(np.ones((80, 100), bool))
    assert pixels >= 57


def test_a_line_that_comes_and_goes_flickers_where_it_does():
    previous, now = recall(40, ROWS < 0), recall(40, ROWS < 40)
    found = flicker(now, previous, motion(0, 0), VALID)
    np.testing.assert_array_equal(found.where, now.where)
    assert mean(found) == 30 / 60
    assert found.values[10:40, 40].all()
    assert mean(flicker(previous, now, motion(0, 0), VALID)) == 30 / 60


def test_flicker_follows_the_motion_and_leaves_out_what_cannot_be_followed():
    previous, now = recall(40, ROWS < 0), recall(45, ROWS >= 0)
    assert mean(flicker(now, previous, motion(5, 0), VALID)) == 1
    assert not flicker(now, previous, motion(-5, 0), VALID).where.any()  # there was no contour there
    assert not flicker(now, previous, motion(5, 0), 0 * VALID).where.any()
    assert not flicker(now, previous, motion(50, 0), VALID).where.any()  # from outside the picture
    none = Sampled(np.zeros((80, 100), bool), np.zeros((80, 100), bool))
    assert not flicker(now, none, motion(5, 0), VALID).where.any()
    assert not flicker(none, now, motion(5, 0), VALID).where.any()
