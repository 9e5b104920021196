import numpy as np
import pandas as pd
import pytest

from osf_pipeline.bench.statistics import _centres, interval, summarize


def results(comparison="equal steps", characters=None, **values):
    """Values by method, (sequences, seeds); every sequence has a character of its own where none are told."""
    rows = [
        {
            "comparison": comparison, "set": "test", "sequence": f"s{i}",
            "character": characters[i] if characters else f"c{i}", "method": method.replace("_", " "),
            "seed": k, "region": "all", "metric": "ssim", "value": value, "frames": 4, "pixels": 9,
        }
        for method, matrix in values.items()
        for i, row in enumerate(matrix)
        for k, value in enumerate(row)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def row(summary, method):
    (found,) = summary[summary["method"] == method].to_dict("records")
    return found


def test_centres_are_over_sequences_and_seeds():
    found = row(summarize(results(ours=[[1, 2], [3, 10]])), "ours")
    assert (found["median"], found["mean"]) == (2.5, 4)
    assert (found["sequences"], found["seeds"]) == (2, 2)


def test_a_difference_is_taken_on_the_same_sequence_and_seed():
    spread = np.arange(12.0).reshape(6, 2)
    found = row(summarize(results(ours=spread, other=spread + 0.5)), "other")
    # However far the values lie apart, their difference is certain.
    assert [found[f"difference_median{end}"] for end in ("", "_low", "_high")] == [0.5] * 3
    assert found["mean_high"] - found["mean_low"] > 2


def test_ours_differs_from_itself_in_nothing_that_is_told():
    found = summarize(results(ours=[[1.0], [2.0]], other=[[1.0], [2.0]]))
    assert np.isnan(row(found, "ours")["difference_median"])
    assert row(found, "other")["difference_median"] == 0


def test_a_comparison_with_fewer_seeds_counts_its_own():
    both = [
        results(ours=[[1, 2], [3, 4]], other=[[1, 2], [3, 4]]),
        results("longer", ours=[[1], [3]], other=[[2], [6]]),
    ]
    found = summarize(pd.concat(both))
    longer = found[found["comparison"] == "longer"]
    assert (row(longer, "ours")["median"], row(longer, "ours")["sequences"], row(longer, "ours")["seeds"]) == (2, 2, 1)
    assert row(longer, "other")["difference_median"] == 2
    assert row(found[found["comparison"] == "equal steps"], "ours")["seeds"] == 2


def test_sequences_without_a_value_are_left_out_and_counted():
    found = summarize(results(ours=[[1.0], [2.0], [9.0]], other=[[2.0], [np.nan], [11.0]]))
    assert (row(found, "ours")["median"], row(found, "ours")["sequences"]) == (2, 3)
    assert (row(found, "other")["median"], row(found, "other")["sequences"]) == (6.5, 2)
    assert row(found, "other")["difference_median"] == 1.5
    nothing = row(summarize(results(ours=[[np.nan]])), "ours")
    assert np.isnan(nothing["median"])
    assert nothing["sequences"] == 0


def test_the_interval_is_that_of_the_mean_of_sequences():
    values = np.random.default_rng(1).normal(5, 2, (400, 1))
    low, high = interval(values, range(400), "mean")
    half = 1.96 * 2 / np.sqrt(400)
    assert low == pytest.approx(values.mean() - half, abs=0.05)
    assert high == pytest.approx(values.mean() + half, abs=0.05)


def test_the_median_of_a_sample_is_the_median_of_what_it_holds():
    values, times = np.array([3.0, 1.0, 2.0, 9.0]), np.array([[1, 1, 1, 1], [2, 0, 0, 1], [0, 3, 0, 3], [0, 0, 1, 0]])
    held = [np.repeat(values, row) for row in times]
    assert _centres(values, times, "median").tolist() == [np.median(sample) for sample in held]
    assert _centres(values, times, "mean").tolist() == [np.mean(sample) for sample in held]


def test_frames_of_one_sequence_do_not_count_as_many():
    """Three seeds of one number are one observation: more seeds do not narrow the interval."""
    one = np.random.default_rng(2).normal(0, 1, (20, 1))
    wide = interval(one, range(20), "mean")
    assert interval(one.repeat(3, 1), range(20), "mean") == pytest.approx(wide, abs=0.12)
    assert interval(np.array([[1.0, 2.0, 3.0]]), ["a"], "mean") != (2, 2)  # seeds are drawn too


def test_sequences_of_one_character_do_not_count_as_many():
    """Equal sequences of one character are one observation, however the characters are spread over the rows."""
    one = np.random.default_rng(4).normal(0, 1, (20, 1))
    wide = interval(one, range(20), "mean")
    assert interval(one.repeat(5, 0), np.repeat(range(20), 5), "mean") == pytest.approx(wide, abs=0.12)
    assert interval(np.tile(one, (5, 1)), [*range(20)] * 5, "mean") == pytest.approx(wide, abs=0.12)
    low, high = interval(one.repeat(5, 0), range(100), "mean")
    assert high - low < 0.6 * (wide[1] - wide[0])


def test_the_sequences_of_a_character_are_drawn_too():
    alone = interval(np.array([[1.0], [2.0], [3.0]]), ["a", "a", "a"], "mean")
    assert alone[0] < 1.5 < 2.5 < alone[1]


def test_the_characters_of_what_was_measured_are_counted():
    cast = ["a", "b", "a"]
    found = summarize(results(ours=[[1.0], [np.nan], [9.0]], other=[[2.0], [3.0], [11.0]], characters=cast))
    assert [row(found, method)["characters"] for method in ("ours", "other")] == [1, 2]


def test_a_sequence_drawn_to_the_last_bit_has_an_infinite_psnr():
    assert interval(np.array([[np.inf], [np.inf]]), ["a", "b"], "median") == (np.inf, np.inf)
    assert interval(np.array([[np.inf], [20.0]]), ["a", "b"], "median") == (20, np.inf)
    found = row(summarize(results(ours=[[np.inf], [20.0]], other=[[np.inf], [19.0]])), "other")
    assert found["difference_median"] == -1


def test_equal_input_gives_equal_intervals():
    values = np.random.default_rng(3).random((9, 2))
    assert interval(values, range(9), "median") == interval(values, range(9), "median")
