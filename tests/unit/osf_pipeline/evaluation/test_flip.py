import numpy as np
import pytest

from osf_pipeline.evaluation.flip import Seen, flip

Y, X = np.mgrid[:40, :48]


def pair() -> tuple[np.ndarray, np.ndarray]:
    planes = 0.5 + 0.5 * np.sin(X / 3 + Y / 7), 0.5 + 0.4 * np.cos(Y / 4), 0.5 + 0.5 * np.sin((X - Y) / 9)
    first = np.stack(planes).astype(np.float32)
    second = first.copy()
    second[:, 10:30, 20:23] = 0
    second[2] *= 0.7
    second[:, 5, 40] = 1
    return first, second


def test_the_map_is_the_one_of_its_authors() -> None:
    """Values of flip-evaluator 1.7 on the same pair, as LDR and without its colour map."""
    first, second = pair()
    found = flip(Seen(first), Seen(second))
    assert found.mean() == pytest.approx(0.40616557, abs=1e-4)
    expected = {
        (0, 0): 0.42338, (20, 21): 0.94711, (20, 25): 0.57694, (5, 40): 0.31407, (39, 47): 0.56160, (30, 10): 0.12707,
    }  # fmt: skip
    assert {place: found[place] for place in expected} == pytest.approx(expected, abs=2e-4)
    np.testing.assert_allclose(flip(Seen(second), Seen(first)), found)


def test_equal_pictures_do_not_differ_and_black_and_white_nearly_all() -> None:
    first, _ = pair()
    np.testing.assert_array_equal(flip(Seen(first), Seen(first)), np.zeros((40, 48)))
    black, white = np.zeros_like(first), np.ones_like(first)
    np.testing.assert_allclose(flip(Seen(black), Seen(white)), 0.96739, atol=1e-4)
