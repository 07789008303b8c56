"""Which values of the parameters agree with what was observed? Approximate Bayesian computation with the engine.

Draws from the plausible ranges are simulated, each under luck of its own, and those are kept whose runs meet the
targets (rejection: Tavaré et al. 1997, Pritchard et al. 1999). Where too few meet them exactly, the nearest are kept
and a local-linear regression on the distance takes the parameters to where it is 0, on the logit scale so that none
leaves its range (Beaumont, Zhang, Balding 2002).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from calibration.targets.simulator import Simulator, operating, simulator
from sim.engine.draws import generator
from sim.scenario.scenario import Scenario

ENOUGH = 1000
"""So many draws at least are kept; if fewer meet the targets exactly, the nearest ones are adjusted."""
BOOTSTRAP = 500
FRESH = 4096
ERRORS = 3.0
"""Monte Carlo errors from 0 beyond which a parameter is said to have learnt something."""


@dataclass(frozen=True)
class Accepted:
    """What is left of the prior: places in the ranges float64[m, P], weights [m], distances [m, J]."""

    raw: np.ndarray
    weight: np.ndarray
    distance: np.ndarray
    tolerance: float
    hits: int

    @cached_property
    def unit(self) -> np.ndarray:
        """Places in the ranges after regression adjustment, float64[m, P]."""
        return adjusted(self.raw, self.distance, self.weight)


@dataclass(frozen=True)
class Learning:
    """What the targets said about one parameter; `low` and `high` bound 90 % of the posterior, on its own scale.

    `shrinkage` is 1 - var_post / var_prior on the scale on which the prior is uniform; `shift` is the move of the mean
    in prior standard deviations; each with its Monte Carlo error.
    """

    key: str
    prior: tuple[float, float]
    scale: str
    median: float
    low: float
    high: float
    shrinkage: float
    shrinkage_error: float
    shift: float
    shift_error: float

    @property
    def verdict(self) -> str:
        """`learnt` (narrower), `moved` (not narrower, but elsewhere), or `nothing`, beyond Monte Carlo error."""
        if self.shrinkage > ERRORS * self.shrinkage_error:
            return "learnt"
        return "moved" if abs(self.shift) > ERRORS * self.shift_error else "nothing"


@dataclass(frozen=True)
class TargetsFit:
    """A calibration to targets: `draws` float64[d, P] are joint posterior draws, on the parameters' own scales.

    `prior_distance` and `distance` [rows, aims]: distances from all targets of runs from the prior, and of runs from
    the posterior under fresh luck. `prior_bands`, `bands` float64[5, T + 1]: 5, 25, 50, 75, 95 % of the number of
    municipalities over time, of the first target's technology.
    """

    simulator: Simulator
    n: int
    seed: int
    accepted: Accepted
    learning: tuple[Learning, ...]
    draws: np.ndarray
    prior_distance: np.ndarray
    distance: np.ndarray
    prior_bands: np.ndarray
    bands: np.ndarray
    instants: np.ndarray
    inputs: Mapping[str, str]

    def of(self, verdict: str) -> list[str]:
        """Keys of the parameters with this verdict, the most learnt first."""
        rows = sorted(self.learning, key=lambda row: -row.shrinkage)
        return [row.key for row in rows if row.verdict == verdict]


def calibrate(
    scenario: Scenario,
    n: int = 131_072,
    seed: int = 1,
    use: Iterable[str] = (),
    with_plan: bool = False,
    ranges: Mapping[str, tuple[float, float]] | None = None,
    keep: int = 1000,
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> TargetsFit:
    """Fit the scenario's parameters to its targets: n prior draws, `keep` posterior draws. Raises InputError.

    The scenario's own parameter fit, if it names one, is not looked at. `progress` is told of draws simulated since it
    was told last.
    """
    asked = tuple(use)
    task, whole = (simulator(scenario, asked, with_plan, ranges, to_end) for to_end in (False, True))
    unit = generator(seed, "targets", "prior").random((n, len(task.prior.keys)))
    prior_distance = task.distances(unit, 0, seed, threads, progress)
    used = [at for at, aim in enumerate(task.aims) if aim.used]
    accepted = accept(unit, prior_distance[:, used], min(ENOUGH, n))
    chosen = resampled(accepted, keep, generator(seed, "targets", "draws"))
    fresh = accepted.unit[
        generator(seed, "targets", "fresh").choice(len(accepted.raw), min(FRESH, n), p=accepted.weight)
    ]
    # six digits: what a fit file holds is what is simulated, and nobody reads more
    values = np.array([[float(f"{value:.6g}") for value in row] for row in task.prior.values(chosen)])
    return TargetsFit(
        task,
        n,
        seed,
        accepted,
        learned(task, accepted, seed),
        values,
        prior_distance,
        task.distances(fresh, n, seed, threads),
        bands(whole, unit[:FRESH], n + FRESH, seed, threads),
        bands(whole, fresh, n + FRESH, seed, threads),
        whole.scenario.instants,
        {Path(name).name: sha for name, sha in scenario.inputs.items() if name.endswith(".csv")},
    )


def accept(unit: np.ndarray, distance: np.ndarray, enough: int) -> Accepted:
    """Keep the draws nearest to all targets at once: the exact hits, or the nearest `enough` where those are fewer.

    unit [n, P], distance [n, J] in municipalities. With a tolerance above 0 the weights fall off after Epanechnikov.
    """
    off = np.abs(distance).max(axis=1)  # the worst target decides: a draw must meet all of them
    hits = int((off == 0).sum())
    tolerance = 0.0 if hits >= enough else float(np.partition(off, enough - 1)[enough - 1])
    chosen = np.flatnonzero(off <= tolerance)
    weight = 1.0 - (off[chosen] / (tolerance + 1.0)) ** 2
    return Accepted(unit[chosen], weight / weight.sum(), distance[chosen], tolerance, hits)


def adjusted(unit: np.ndarray, distance: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Local-linear regression adjustment on the logit scale to distance 0: float64[m, P]."""
    varies = distance.any(axis=0)
    if not varies.any():
        return unit
    logit = np.log(unit) - np.log1p(-unit)
    root = np.sqrt(weight)[:, None]  # weighted least squares by scaling rows
    design = np.column_stack([np.ones(len(unit)), distance[:, varies]])
    slopes = np.linalg.lstsq(design * root, logit * root, rcond=None)[0][1:]
    return np.asarray(1.0 / (1.0 + np.exp(-(logit - distance[:, varies] @ slopes))))


def resampled(accepted: Accepted, count: int, chance: np.random.Generator) -> np.ndarray:
    """`count` posterior draws, places in the ranges; none twice where there are enough of equal weight."""
    equal = np.ptp(accepted.weight) == 0
    again = not equal or len(accepted.raw) < count
    return accepted.unit[chance.choice(len(accepted.raw), count, replace=again, p=accepted.weight)]


def learned(task: Simulator, accepted: Accepted, seed: int) -> tuple[Learning, ...]:
    """Shrinkage and shift of each parameter with Monte Carlo errors from a bootstrap of the draws kept."""
    chance, m = generator(seed, "targets", "bootstrap"), len(accepted.raw)
    point = _moments(accepted.unit, accepted.weight)
    again = np.empty((BOOTSTRAP, *point.shape))
    for at in range(BOOTSTRAP):
        rows = chance.integers(m, size=m)
        weight = accepted.weight[rows] / accepted.weight[rows].sum()
        again[at] = _moments(adjusted(accepted.raw[rows], accepted.distance[rows], weight), weight)
    error = again.std(axis=0, ddof=1)
    bounds = task.prior.values(_quantiles(accepted.unit, accepted.weight, (0.05, 0.5, 0.95)))
    figures = np.vstack([bounds, point[:1], error[:1], point[1:], error[1:]]).T.tolist()
    limits = np.column_stack([task.prior.low, task.prior.high]).tolist()
    scales = ["logarithmic" if mark else "linear" for mark in task.prior.logarithmic]
    return tuple(
        Learning(key, (low, high), scale, median=row[1], low=row[0], high=row[2], shrinkage=row[3],
                 shrinkage_error=row[4], shift=row[5], shift_error=row[6])
        for key, (low, high), scale, row in zip(task.prior.keys, limits, scales, figures, strict=True)
    )  # fmt: skip


def _moments(unit: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Shrinkage and shift [2, P] against the uniform prior (mean 1/2, variance 1/12)."""
    mean = weight @ unit
    effective = 1.0 / (weight @ weight)  # as many equal draws would say as much (Kish 1965)
    variance = weight @ (unit - mean) ** 2 * effective / (effective - 1.0)
    return np.array([1.0 - 12.0 * variance, (mean - 0.5) * np.sqrt(12.0)])


def _quantiles(unit: np.ndarray, weight: np.ndarray, levels: Iterable[float]) -> np.ndarray:
    """Weighted quantiles of each column, float64[levels, P]."""
    found = []
    for column in unit.T:
        order = np.argsort(column)
        passed = np.cumsum(weight[order]) - 0.5 * weight[order]
        found.append(np.interp(list(levels), passed, column[order]))
    return np.array(found).T


def bands(task: Simulator, unit: np.ndarray, first: int, seed: int, threads: int | None) -> np.ndarray:
    """5, 25, 50, 75 and 95 % over runs of the number of municipalities with the first aim's technology: [5, T + 1]."""
    technology = task.used[0].technology
    series = [operating(arm, technology) for _, arm in task.runs(unit, first, seed, threads)]
    return np.quantile(np.concatenate(series), (0.05, 0.25, 0.5, 0.75, 0.95), axis=0)


def simulated_ranks(
    task: Simulator, n: int, tests: int, seed: int, draws: int = 99, threads: int | None = None
) -> np.ndarray:
    """Simulation-based calibration: ranks int64[tests, P] of a known truth among `draws` posterior draws.

    Truths come from the prior, each is simulated, and what came out replaces the used targets. Ranks 0 to `draws` are
    uniform if the inference is right (Talts et al. 2018). One pool of n prior runs serves all tests.
    """
    chance = generator(seed, "targets", "ranks")
    unit = chance.random((n + tests, len(task.prior.keys)))
    zero = tuple(dataclasses.replace(aim, low=0.0, high=0.0) for aim in task.used)  # distance from 0: the count itself
    counts = dataclasses.replace(task, aims=zero).distances(unit, 0, seed, threads)
    pool, truths = slice(0, n), range(n, n + tests)
    ranks = np.empty((tests, unit.shape[1]), np.int64)
    for at, truth in enumerate(truths):
        accepted = accept(unit[pool], counts[pool] - counts[truth], draws)
        ranks[at] = (resampled(accepted, draws, chance) < unit[truth]).sum(axis=0)
    return ranks
