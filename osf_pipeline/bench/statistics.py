"""What the measurements say of the split: centres, confidence intervals, paired differences.

Belongs here: the bootstrap. Does not: single measurements (`measure`), tables for people (`report`).

A value belongs to a sequence and a seed. Sequences are drawn by chance and so is the seed of a fit, which all sequences
share: one bootstrap sample draws sequences with replacement and, once for all of them, seeds with replacement; both
methods of a pair see the same draw. Intervals are percentiles (Efron and Tibshirani 1993, "An Introduction to the
Bootstrap", chapter 13).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Literal

import numpy as np
import pandas as pd

from osf_pipeline.bench.ours import OURS

SAMPLES = 1000
SEED = 20
LEVEL = 95.0
BY = ["comparison", "set", "method", "region", "metric"]
CENTRES: dict[str, Callable[..., Any]] = {"median": np.median, "mean": np.mean}


def summarize(results: pd.DataFrame) -> pd.DataFrame:
    """One row per comparison, set, method, region and metric.

    Columns: `median` and `mean` of the values over sequences and seeds, `difference_median` and `difference_mean` of
    the method's value less that of ours on the same sequence and seed, each with `_low` and `_high`, the ends of its
    95 % interval; `sequences` and `seeds` that were counted. A sequence in which the metric is undefined with any seed
    (no line drawn, no such contour) is left out of that row; differences are of the sequences that both define, and NaN
    for ours itself and where ours was not run. Seeds are those that the method was run with in that comparison.
    """
    tables = dict(_matrices(results))
    rows = []
    for key, values in tables.items():
        ours = tables.get((*key[:2], OURS, *key[3:]))
        apart = values.iloc[:0] if ours is None or key[2] == OURS else values - ours
        counted = {"sequences": int(values.notna().all(axis=1).sum()), "seeds": values.shape[1]}
        rows.append(
            {**dict(zip(BY, key, strict=True)), **_centred("", values), **counted, **_centred("difference_", apart)}
        )
    return pd.DataFrame(rows)


def _matrices(results: pd.DataFrame) -> Iterator[tuple[tuple[str, ...], pd.DataFrame]]:
    """Sequences by seeds, for each of `BY`, in order of first appearance."""
    order = results[BY].drop_duplicates()
    wide = results.set_index([*BY, "sequence", "seed"])["value"].unstack("seed")  # noqa: PD010 pivot_table aggregates
    groups: dict[Any, pd.DataFrame] = dict(iter(wide.groupby(BY)))
    seeds = {key: sorted(own.unique()) for key, own in results.groupby(BY[:3])["seed"]}
    for key in order.itertuples(index=False, name=None):
        yield key, groups[key].droplevel(list(range(len(BY))))[seeds[key[:3]]]


def _centred(prefix: str, values: pd.DataFrame) -> dict[str, float]:
    kept = values.dropna().to_numpy(np.float64)
    found: dict[str, float] = {}
    for name, centre in CENTRES.items():
        low, high = interval(kept, centre)
        found |= {f"{prefix}{name}": float(centre(kept)) if kept.size else np.nan}
        found |= {f"{prefix}{name}_low": low, f"{prefix}{name}_high": high}
    return found


def interval(values: np.ndarray, centre: Callable[..., Any]) -> tuple[float, float]:
    """Ends of the 95 % interval of a centre of (sequences, seeds) values; NaN where there are none."""
    if not values.size:
        return np.nan, np.nan
    drawn = centre(values[_draws(*values.shape)].reshape(SAMPLES, -1), axis=1)
    # The PSNR of equal pictures is infinite: nothing lies between two of them.
    between: Literal["linear", "nearest"] = "linear" if np.isfinite(drawn).all() else "nearest"
    low, high = np.percentile(drawn, [(100 - LEVEL) / 2, (100 + LEVEL) / 2], method=between)
    return float(low), float(high)


@cache
def _draws(sequences: int, seeds: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the bootstrap samples: (SAMPLES, sequences, 1) and (SAMPLES, 1, seeds)."""
    rng = np.random.default_rng(SEED)
    return (
        rng.integers(sequences, size=(SAMPLES, sequences, 1)),
        rng.integers(seeds, size=(SAMPLES, 1, seeds)),
    )
