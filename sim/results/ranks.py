"""Do two rankings agree, such as those of cities and of their regions?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.engine.draws import generator
from sim.results.arm import Arm
from sim.results.measures import index_at, main_cities, region_index_at

PERMUTATIONS = 9999
RESAMPLES = 4000
_CELLS = 20_000_000
"""Pairs that Kendall's tau works on at once, to bound memory."""


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks along the last axis, 1 for the largest value; equal values share the mean of their ranks."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(-np.asarray(values, dtype=np.float64), axis=-1))


def rank_correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation along the last axis, ties sharing ranks; NaN where one side is all ties."""
    from scipy.stats import rankdata

    ranks = [rankdata(values, axis=-1) for values in (first, second)]
    a, b = (rank - rank.mean(axis=-1, keepdims=True) for rank in ranks)
    scale = np.sqrt((a**2).sum(axis=-1) * (b**2).sum(axis=-1))
    return np.where(scale > 0, (a * b).sum(axis=-1) / np.where(scale > 0, scale, 1), np.nan)


def kendall(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Kendall's tau-b along the last axis, ties taken into account; NaN where one side is all ties."""
    first, second = np.broadcast_arrays(np.asarray(first, np.float64), np.asarray(second, np.float64))
    shape, n = first.shape[:-1], first.shape[-1]
    flat, other = first.reshape(-1, n), second.reshape(-1, n)
    # SciPy's function takes one pair of rankings; ten thousand permutations of it would take minutes
    upper, lower = np.triu_indices(n, 1)
    found = np.empty(len(flat))
    for start in range(0, len(flat), chunk := max(1, _CELLS // max(len(upper), 1))):
        part = slice(start, start + chunk)
        one = np.sign(flat[part][:, upper] - flat[part][:, lower])
        two = np.sign(other[part][:, upper] - other[part][:, lower])
        scale = np.sqrt((one**2).sum(axis=1) * (two**2).sum(axis=1))
        found[part] = np.where(scale > 0, (one * two).sum(axis=1) / np.where(scale > 0, scale, 1), np.nan)
    return found.reshape(shape)


COEFFICIENTS = {"spearman": rank_correlation, "kendall": kendall}


@dataclass(frozen=True)
class Correspondence:
    """How far two rankings of the same n items agree: coefficient, 95 % interval, and chance of as much by accident.

    `p` is two-sided, from random permutations; `low` and `high` from items drawn with replacement (percentiles).
    """

    name: str
    n: int
    value: float
    p: float
    low: float
    high: float


def correspondence(
    first: np.ndarray, second: np.ndarray, name: str = "spearman", seed: int = 1, draws: int = PERMUTATIONS
) -> Correspondence:
    """Spearman's rho or Kendall's tau-b of two columns [n], n >= 3, with a permutation test and a bootstrap interval.

    Small samples: the interval is wide and rough, and says so better than a formula for many items would.
    Raises ValueError for columns that are too short, of unequal length, or all ties.
    """
    one, two = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if one.shape != two.shape or one.ndim != 1 or len(one) < 3:
        raise ValueError(f"rankings of {one.shape} and {two.shape} items; two columns of the same 3 or more are needed")
    coefficient = COEFFICIENTS[name]
    value = float(coefficient(one, two))
    if not np.isfinite(value):
        raise ValueError("one of the rankings is all ties")
    chance = generator(seed, "inequality", name)
    shuffled = chance.permuted(np.tile(two, (draws, 1)), axis=1)
    extreme = np.abs(coefficient(np.broadcast_to(one, shuffled.shape), shuffled)) >= abs(value) - 1e-12
    picked = chance.integers(len(one), size=(RESAMPLES, len(one)))
    resampled = coefficient(one[picked], two[picked])
    low, high = np.nanquantile(resampled, (0.025, 0.975))
    return Correspondence(name, len(one), value, float((1 + extreme.sum()) / (1 + draws)), float(low), float(high))


def cities_and_regions(arm: Arm, instant: int, name: str = "spearman") -> np.ndarray:
    """Rank correlation of regions in focus with their largest municipalities by the index, float64[replicates].

    NaN in replicates where all regions, or all those cities, have the same index.
    """
    cities = index_at(arm, instant)[:, main_cities(arm)]
    return np.asarray(COEFFICIENTS[name](cities, region_index_at(arm, instant)))
