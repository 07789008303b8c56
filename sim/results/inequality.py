"""How unequal are places, who is served, and do cities and their regions rank alike?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sim.engine import rules
from sim.engine.draws import generator
from sim.results.findings import gini, held, rank_correlation
from sim.results.run import SIZE_CLASSES, Arm, Results
from sim.scenario.places import SEGMENTS

if TYPE_CHECKING:
    import pandas as pd

PERMUTATIONS = 9999
RESAMPLES = 4000
_CELLS = 20_000_000


def index(arm: Arm, instant: int, weights: np.ndarray | None = None) -> np.ndarray:
    """IQ-city index, 0 to 120, at an instant: of every place, float64[replicates, n] (canonical order).

    With weights [n, groups], whose columns add up to 1, of every group: a region is its places weighted by population.
    """
    segment = np.array(arm.scenario.technologies.segment)
    belongs = np.array([segment == name for name in SEGMENTS], dtype=np.float64)
    operating = np.moveaxis(np.tensordot(belongs, arm.holdings(instant), axes=(1, 1)), 0, -1)
    if weights is not None:
        operating = np.einsum("rns,ng->rgs", operating, weights)
    return np.asarray(rules.iq_index(operating, belongs.sum(axis=1)))


def people_of_regions(arm: Arm) -> np.ndarray:
    """Weights [n, regions in focus] for `index`: the share of each municipality in the people of its region."""
    region = arm.shared.places["region"]
    people = np.where(arm.focus, arm.shared.places["population"], 0).astype(np.float64)
    columns = [people * (region == r) for r in np.unique(region[arm.focus])]
    return np.column_stack([column / column.sum() for column in columns])


def worst_decile(counts: np.ndarray) -> np.ndarray:
    """Mean of the lowest tenth (at least one) along the last axis."""
    tenth = max(1, counts.shape[-1] // 10)
    return np.asarray(np.sort(counts, axis=-1)[..., :tenth].mean(axis=-1))


def divide(arm: Arm, instant: int) -> dict[str, np.ndarray]:
    """The digital divide between focus municipalities at an instant, by measure, float64[replicates] each.

    `gini` of the number of technologies operating; `worst_decile` and `coverage`: share of technologies operating in
    the lowest tenth and in all; `people`: share of (person, technology) pairs served; `large`, `medium`, `small`:
    coverage of the places of a size class (those that have a place).
    """
    counts = held(arm, instant)[:, arm.focus]
    known = arm.measures()
    names = ["coverage", "people", *(name for name, _, _ in SIZE_CLASSES if name in known)]
    found = {"gini": gini(counts), "worst_decile": worst_decile(counts) / max(int(arm.counted.sum()), 1)}
    return found | {name: arm.series(known[name])[:, instant] for name in names}


def divide_table(results: Results, instants: list[int] | None = None) -> pd.DataFrame:
    """`divide` of every arm at the start and the end, or at other instants: mean, q05 and q95 over replicates."""
    import pandas as pd

    rows = []
    for arm in results.arms.values():
        for instant in [0, results.scenario.steps] if instants is None else instants:
            for name, values in divide(arm, instant).items():
                low, high = np.quantile(values, (0.05, 0.95))
                rows.append((arm.name, results.instants[instant], name, values.mean(), low, high))
    return pd.DataFrame(rows, columns=["policy", "date", "measure", "mean", "q05", "q95"])


# Ranks


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks along the last axis, 1 for the largest value; equal values share the mean of their ranks."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(-np.asarray(values, dtype=np.float64), axis=-1))


def kendall(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Kendall's tau-b along the last axis, ties taken into account; NaN where one side is all ties."""
    first, second = np.broadcast_arrays(np.asarray(first, np.float64), np.asarray(second, np.float64))
    shape, n = first.shape[:-1], first.shape[-1]
    flat, other = first.reshape(-1, n), second.reshape(-1, n)
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
    weights = people_of_regions(arm)
    cities = weights.argmax(axis=0)
    places = index(arm, instant)
    return np.asarray(COEFFICIENTS[name](places[:, cities], index(arm, instant, weights)))
