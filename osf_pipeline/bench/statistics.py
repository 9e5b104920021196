"""What the measurements say of the split: centres, confidence intervals, paired differences.

Belongs here: the bootstrap. Does not: single measurements (`measure`), tables for people (`report`).

A value belongs to a sequence and a seed. A character plays in several sequences, which are therefore alike, and all
sequences share the seed of a fit: one bootstrap sample draws characters with replacement, for each of them as many of
its sequences as it has, with replacement, and, once for all, seeds with replacement; both methods of a pair see the
same draw (Davison and Hinkley 1997, "Bootstrap Methods and their Application", section 3.8, hierarchical data).
Intervals are percentiles (Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Literal

import numpy as np
import pandas as pd

from osf_pipeline.bench.ours import OURS

SAMPLES = 1000
SEED = 20
LEVEL = 95.0
BY = ["comparison", "set", "method", "region", "metric"]
Centre = Literal["median", "mean"]
CENTRES: tuple[Centre, ...] = ("median", "mean")


def summarize(results: pd.DataFrame) -> pd.DataFrame:
    """One row per comparison, set, method, region and metric.

    Columns: `median` and `mean` of the values over sequences and seeds, `difference_median` and `difference_mean` of
    the method's value less that of ours on the same sequence and seed, each with `_low` and `_high`, the ends of its
    95 % interval; `sequences`, `characters` in them and `seeds` that were counted. A sequence in which the metric is
    undefined with any seed (no line drawn, no such contour) is left out of that row; differences are of the sequences
    that both define, and NaN for ours itself and where ours was not run. Seeds are those that the method was run with
    in that comparison.
    """
    tables = dict(_matrices(results))
    played = results.drop_duplicates("sequence").set_index("sequence")["character"]
    rows = []
    for key, values in tables.items():
        ours = tables.get((*key[:2], OURS, *key[3:]))
        apart = values.iloc[:0] if ours is None or key[2] == OURS else values - ours
        whole = values.dropna()
        counted = {"sequences": len(whole), "characters": played[whole.index].nunique(), "seeds": values.shape[1]}
        rows.append(
            {
                **dict(zip(BY, key, strict=True)), **_centred("", whole, played), **counted,
                **_centred("difference_", apart.dropna(), played),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def _matrices(results: pd.DataFrame) -> Iterator[tuple[tuple[str, ...], pd.DataFrame]]:
    """Sequences by seeds, for each of `BY`, in order of first appearance."""
    order = results[BY].drop_duplicates()
    wide = results.set_index([*BY, "sequence", "seed"])["value"].unstack("seed")  # noqa: PD010 pivot_table aggregates
    groups: dict[Any, pd.DataFrame] = dict(iter(wide.groupby(BY)))
    seeds = {key: sorted(own.unique()) for key, own in results.groupby(BY[:3])["seed"]}
    for key in order.itertuples(index=False, name=None):
        yield key, groups[key].droplevel(list(range(len(BY))))[seeds[key[:3]]]


def _centred(prefix: str, values: pd.DataFrame, played: pd.Series) -> dict[str, float]:
    kept, characters = values.to_numpy(np.float64), played[values.index].to_numpy()
    found: dict[str, float] = {}
    for name in CENTRES:
        low, high = interval(kept, characters, name)
        found |= {f"{prefix}{name}": float(getattr(np, name)(kept)) if kept.size else np.nan}
        found |= {f"{prefix}{name}_low": low, f"{prefix}{name}_high": high}
    return found


def interval(values: np.ndarray, characters: Sequence[Any] | np.ndarray, centre: Centre) -> tuple[float, float]:
    """Ends of the 95 % interval of a centre of (sequences, seeds) values; NaN where there are none.

    Args:
        characters: (sequences,) who plays.
    """
    if not values.size:
        return np.nan, np.nan
    clusters = np.unique(np.asarray(characters), return_inverse=True)[1]
    drawn = _centres(values.ravel(), _draws(tuple(clusters.tolist()), values.shape[1]), centre)
    # The PSNR of equal pictures is infinite: nothing lies between two of them.
    between: Literal["linear", "nearest"] = "linear" if np.isfinite(drawn).all() else "nearest"
    low, high = np.percentile(drawn, [(100 - LEVEL) / 2, (100 + LEVEL) / 2], method=between)
    return float(low), float(high)


def _centres(values: np.ndarray, times: np.ndarray, centre: Centre) -> np.ndarray:
    """(SAMPLES,) centres of values of which each sample holds every one so many times, (SAMPLES, values)."""
    if centre == "mean":
        mean: np.ndarray = (np.where(times > 0, values, 0) * times).sum(1) / times.sum(1)
        return mean
    order = np.argsort(values)
    up_to = times[:, order].cumsum(1)
    total = up_to[:, -1:]
    lower, upper = ((up_to > half).argmax(1) for half in ((total - 1) // 2, total // 2))
    median: np.ndarray = (values[order][lower] + values[order][upper]) / 2
    return median


@cache
def _draws(clusters: tuple[int, ...], seeds: int) -> np.ndarray:
    """(SAMPLES, sequences · seeds) how often each bootstrap sample holds the value of a sequence and a seed.

    Args:
        clusters: of each sequence the number of its character, 0 and up.
    """
    rng = np.random.default_rng(SEED)
    of_seed = _drawn(rng, np.full(SAMPLES, seeds), seeds)
    place, sizes = np.array(clusters), np.bincount(clusters)
    of_character = _drawn(rng, np.full(SAMPLES, len(sizes)), len(sizes))
    of_sequence = np.empty((SAMPLES, len(place)), np.int64)
    for character, size in enumerate(sizes):
        of_sequence[:, place == character] = _drawn(rng, size * of_character[:, character], size)
    return (of_sequence[:, :, None] * of_seed[:, None]).reshape(SAMPLES, -1)


def _drawn(rng: np.random.Generator, count: np.ndarray, among: int) -> np.ndarray:
    """(SAMPLES, among) how often each thing comes up in so many draws with replacement."""
    return rng.multinomial(count, np.full(among, 1 / among))
