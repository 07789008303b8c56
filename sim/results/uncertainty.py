"""How much of the spread over replicates is luck, and how much the draws of coefficients and parameters?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from sim.engine.rows import Rows, execute, rows_of
from sim.results.arm import Arm
from sim.results.run import Results

COEFFICIENT_FIELDS = ("b1", "b2")


@dataclass(frozen=True)
class Split:
    """Shares of the variance over replicates by what varies; `together`: what no part explains alone; sum 1.

    `error`: the largest Monte Carlo standard error of a share, from `replicates` pairs of runs.
    """

    shares: dict[str, float]
    error: float
    replicates: int


def varying(arm: Arm) -> list[str]:
    """What differs between replicates: luck always; coefficients and parameters where they are drawn."""
    rows = arm.rows
    others = [name for name in rows.parameters.dtype.names or () if name not in COEFFICIENT_FIELDS]
    found = []
    if any(_differs(rows.parameters[name]) for name in COEFFICIENT_FIELDS):
        found.append("coefficients")
    if any(_differs(rows.parameters[name]) for name in others) or _differs(rows.mandates["rate"]):
        found.append("parameters")
    return [*found, "luck"]


def _differs(values: np.ndarray) -> bool:
    return bool(len(values) and (values != values[:1]).any())


def variance_split(
    results: Results,
    measures: Mapping[str, Callable[[Arm], np.ndarray]],
    most: int = 100,
    threads: int | None = None,
) -> dict[str, Split]:
    """The variance of each measure (of an arm, to float64[replicates]) in the baseline, by what varies.

    First-order shares by pick-freeze (Sobol 1993; Janon et al. 2014): each replicate is run again with one part kept
    and all others drawn anew; the share is the correlation of the two. Where luck alone varies nothing is run.
    """
    arm, count = results.baseline, min(results.replicates, most)
    parts = varying(arm)
    if len(parts) == 1 or count < 2:
        return {name: Split({"luck": 1.0}, 0.0, 0) for name in measures}
    kept = replace(arm, rows=arm.rows.part(0, count))
    anew = rows_of(arm.scenario, results.seed, np.arange(results.replicates, results.replicates + count))
    again = {part: _rerun(arm, _mixed(kept.rows, anew, part), results.seed, threads) for part in parts}
    found = {}
    for name, measure in measures.items():
        first = measure(arm)[:count]
        correlations = {part: _correlation(first, measure(other)) for part, other in again.items()}
        found[name] = _split(correlations, count)
    return found


def _mixed(kept: Rows, anew: Rows, part: str) -> Rows:
    """Rows drawn anew in everything but one part."""
    if part == "luck":
        return Rows(anew.parameters, anew.mandates, kept.replicates)
    own, other = (anew, kept) if part == "coefficients" else (kept, anew)
    parameters = own.parameters.copy()
    for name in COEFFICIENT_FIELDS:
        parameters[name] = other.parameters[name]
    return Rows(parameters, own.mandates, anew.replicates)


def _rerun(arm: Arm, rows: Rows, seed: int, threads: int | None) -> Arm:
    return Arm(arm.name, arm.title, arm.scenario, arm.shared, rows, execute(arm.shared, rows, seed, threads))


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Share of variance in common: both halves have the same distribution, so mean and variance are pooled."""
    mean = (first + second).mean() / 2
    variance = (first**2 + second**2).mean() / 2 - mean**2
    return float(((first * second).mean() - mean**2) / variance) if variance > 0 else 0.0


def _split(correlations: Mapping[str, float], count: int) -> Split:
    shares = {name: min(max(value, 0.0), 1.0) for name, value in correlations.items()}
    error = max(1 - value**2 for value in shares.values()) / count**0.5
    total = sum(shares.values())
    if total > 1:
        return Split({name: value / total for name, value in shares.items()}, error, count)
    return Split({**shares, "together": 1 - total}, error, count)
