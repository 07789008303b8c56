"""What is measured of a run? Each measure once: its name, unit and what it counts, at an instant, for every replicate.

Shares, index and size classes are weighted counts of what operates (`Arm.measures` has the weights); money is a sum of
flows of the ledger; regional product is read from the yearly table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sim.engine.columns import ECONOMY, FLOWS, MINOR_UNITS, Structure
from sim.engine.rows import Batch, structures
from sim.results.arm import SIZE_CLASSES, Arm, Spans
from sim.scenario.errors import InputError, refused, unknown
from sim.scenario.scenario import Scenario

if TYPE_CHECKING:
    pass

_ADOPTIONS = ("own_spent", "regional_spent", "federal_spent")
PUBLIC = (*_ADOPTIONS, "running_paid", "fees_paid")
"""Flows of the ledger that are public money: what the three tiers pay for adoptions, running costs, fees to partners.
Savings are not taken off."""
MONEY = {"spending": (*_ADOPTIONS, "private_spent", "running_paid"), "public": PUBLIC}
"""Money of the focus regions so far, millions: what adoptions and running cost, whoever pays (a fee pays back what a
partner paid, and would count twice), and public money."""
GRP = "grp"
"""Gross product of the focus regions in the year before the instant, billions."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


# Names, units, dates


def unit_of(name: str, currency: str) -> tuple[float, str]:
    """By what a measure is multiplied for people, and the unit of a difference: shares in percentage points."""
    if name in MONEY or name == GRP:
        return 1.0, f"{'billion' if name == GRP else 'million'} {currency}".strip()
    return (1.0, "points of 120") if name == "index" else (100.0, "percentage points")


def has_money(scenario: Scenario) -> bool:
    """Whether anything costs money here."""
    return scenario.finance.cost_level > 0


def has_economy(scenario: Scenario) -> bool:
    """Whether a regression of regional product is given."""
    return scenario.grp_fit is not None


def measure_names(scenario: Scenario) -> list[str]:
    """Every measure that the scenario has."""
    shares = Arm.bare(scenario, structures([scenario])[0]).measures()
    return [*shares, *(MONEY if has_money(scenario) else ()), *((GRP,) if has_economy(scenario) else ())]


def headline(scenario: Scenario) -> list[int]:
    """Technologies that the scenario is about: those with targets, else mandates, else memberships; at most three."""
    ids = scenario.technologies.id
    named = [target.technology for target in scenario.targets.values()]
    named = named or [mandate.technology for mandate in scenario.mandates]
    found = [ids.index(name) for name in dict.fromkeys(named)]
    return (found or [k for k, segment in enumerate(scenario.technologies.segment) if not segment])[:3]


def label(scenario: Scenario, instant: int) -> str:
    """An instant's date as people write it: `2024-01`, or with the day where it is not the first of a month."""
    date = str(scenario.instant(instant))
    return date.removesuffix("-01") if date.endswith("-01") else date


def table_years(scenario: Scenario) -> np.ndarray:
    """The years of the yearly table."""
    instants = scenario.instants[: scenario.steps]
    return np.unique(instants.astype("datetime64[Y]").astype(np.int64)) + 1970


def yearly_instants(scenario: Scenario) -> np.ndarray:
    """The first instant, the first of every year after it, and the last, int64[...]."""
    year = scenario.instants.astype("datetime64[Y]")
    return np.unique(np.r_[0, np.flatnonzero(year[1:] != year[:-1]) + 1, scenario.steps])


def step_at(scenario: Scenario, date: str) -> int:
    """The step of a date within the scenario. Raises InputError."""
    allowed = f"{label(scenario, 0)} to {label(scenario, scenario.steps)}"
    try:
        step = scenario.step_of(np.datetime64(date, "D"))
    except ValueError:
        raise refused("date", f"{date!r} is not a date", allowed) from None
    if not 0 <= step <= scenario.steps:
        raise refused("date", f"{date} is outside the scenario", allowed)
    return step


# Figures at chosen instants, for many rows whose events are not kept


@dataclass(frozen=True)
class Measures:
    """The figures to keep: names as in `measure_names`, each at every instant (steps)."""

    names: tuple[str, ...]
    instants: tuple[int, ...]

    def columns(self, scenario: Scenario) -> list[str]:
        """Names of the columns of `reduce`, such as `coverage 2030-12`: instants outside, measures inside."""
        return [f"{name} {label(scenario, t)}" for t in self.instants for name in self.names]

    def reducer(self, scenario: Scenario, shared: Structure) -> Reducer:
        """What gets these figures from batches of a scenario."""
        arm = Arm.bare(scenario, shared)
        known = arm.measures()
        shares = tuple(name for name in self.names if name in known)
        weights = np.stack([known[name] for name in shares] or [np.zeros(arm.shared.portfolio.shape[::-1])], axis=2)
        return Reducer(self, scenario, shared, arm.focus_regions, shares, weights)

    def reduce(self, scenario: Scenario, shared: Structure, batch: Batch) -> np.ndarray:
        """The figures of every row, float64[rows, columns]; shares of 0 to 1, index of 0 to 120."""
        return self.reducer(scenario, shared).figures(batch)


@dataclass(frozen=True)
class Reducer:
    """Gets the figures from batches: `weights` float64[n, K, M] of the share measures, `regions` in focus."""

    measures: Measures
    scenario: Scenario
    shared: Structure
    regions: np.ndarray
    shares: tuple[str, ...]
    weights: np.ndarray

    def figures(self, batch: Batch) -> np.ndarray:
        """The figures of every row, float64[rows, columns]."""
        rows, names = len(batch.ends), self.measures.names
        instants = np.array(self.measures.instants, np.int64)
        sums = Spans.of(batch, self.shared).sums(rows, instants, self.weights)
        found = dict(zip(self.shares, np.moveaxis(sums, 2, 0), strict=False))
        for name in MONEY.keys() & set(names):
            found[name] = _until(flow_of(batch, self.regions, *MONEY[name]), self.shared, instants)
        if GRP in names:
            year = self.shared.calendar["year"][np.clip(instants - 1, 0, None)]
            found[GRP] = batch.tables[..., ECONOMY.index("grp")][:, self.regions].sum(axis=1)[:, year]
        return np.stack([found[name] for name in names], axis=2).reshape(rows, -1)


def default_measures(scenario: Scenario) -> Measures:
    """Coverage, people, index, technologies with a target, and money, at the targets' dates and the end."""
    # what people will ask of a study is what its targets are about, when they are, and how it ends
    targets = scenario.targets.values()
    dates = [target.date or target.before for target in targets]
    steps = {scenario.step_of(date) for date in dates if date is not None} | {scenario.steps}
    technologies = dict.fromkeys(target.technology for target in targets)
    money = MONEY if has_money(scenario) else ()
    return Measures(
        ("coverage", "people", "index", *technologies, *money),
        tuple(sorted(step for step in steps if 0 <= step <= scenario.steps)),
    )


def chosen_measures(scenario: Scenario, names: Sequence[str] | None, dates: Sequence[str] | None) -> Measures:
    """The default measures with other names or dates. Raises InputError for what the scenario does not have."""
    default = default_measures(scenario)
    known = measure_names(scenario)
    for name in names or ():
        if name not in known:
            raise InputError(unknown(name, "a measure of this scenario", known, "", "measures"))
    instants = default.instants if dates is None else tuple(step_at(scenario, date) for date in dates)
    return Measures(tuple(names) if names else default.names, instants)


# Figures of an arm


def one(arm: Arm, technology: int) -> np.ndarray:
    """Share of focus municipalities operating a technology, float64[replicates, T + 1]."""
    return arm.series(arm.share_weights(np.arange(len(arm.counted)) == technology))


def coverage(arm: Arm) -> np.ndarray:
    """Share of (focus municipality, counted technology) pairs operating, float64[replicates, T + 1]."""
    return arm.series(arm.share_weights(arm.counted))


def technologies_at(arm: Arm, instant: int) -> np.ndarray:
    """Number of counted technologies operating at each place at an instant, float64[replicates, n] (canonical)."""
    return arm.at_places(instant, arm.counted.astype(np.float64))


def index_at(arm: Arm, instant: int) -> np.ndarray:
    """IQ-city index of every place, 0 to 120, at an instant, float64[replicates, n] (canonical)."""
    return arm.at_places(instant, arm.index_by_technology)


def region_index_at(arm: Arm, instant: int) -> np.ndarray:
    """The index of the regions in focus: their municipalities weighted by people, float64[replicates, regions]."""
    people = people_of_regions(arm)
    return np.einsum("rn,ng->rg", index_at(arm, instant), people / people.sum(axis=0))


def people_of_regions(arm: Arm) -> np.ndarray:
    """Population of each focus municipality in its region's column, else 0: float64[n, regions in focus]."""
    people = np.where(arm.focus, arm.shared.places["population"], 0).astype(np.float64)
    return people[:, None] * (arm.shared.places["region"][:, None] == arm.focus_regions)


def main_cities(arm: Arm) -> np.ndarray:
    """The largest focus municipality of each region in focus, canonical numbers."""
    return np.asarray(people_of_regions(arm).argmax(axis=0))


def flow_of(batch: Batch, regions: Sequence[int] | np.ndarray, *names: str) -> np.ndarray:
    """Sum of flows of the ledger over regions, millions of the currency, float64[rows, Y]."""
    # whole minor units are added first and divided once: no order of regions can be seen in a sum
    columns = [FLOWS.index(name) for name in names]
    return np.asarray(batch.ledgers[:, regions][..., columns].sum(axis=(1, 3)) / MINOR_UNITS)


def flow(arm: Arm, *names: str) -> np.ndarray:
    """Sum of flows of the ledger over the regions in focus, millions of the currency, float64[replicates, Y]."""
    return flow_of(arm.batch, arm.focus_regions, *names)


def _until(yearly: np.ndarray, shared: Structure, instants: np.ndarray) -> np.ndarray:
    """A yearly flow summed up to each instant, float64[rows, D]; a year under way counts by its steps that are over."""
    year, size = shared.calendar["year"], yearly.shape[1]
    over = np.array([np.bincount(year[:t], minlength=size) for t in instants]) / np.bincount(year, minlength=size)
    # not a matrix product, whose order of addition may depend on the number of rows
    return np.asarray((yearly[:, None, :] * over).sum(axis=2))


def public_money(arm: Arm) -> np.ndarray:
    """Public money to the end: adoptions, running costs, fees; savings not taken off; millions, float64[replicates]."""
    return np.asarray(flow(arm, *PUBLIC).sum(axis=1))


def product(arm: Arm) -> np.ndarray:
    """Gross regional product of the regions in focus, billions, float64[replicates, regions, Y]."""
    return np.asarray(arm.batch.tables[:, arm.focus_regions][..., ECONOMY.index("grp")])


def bands(values: np.ndarray) -> dict[str, np.ndarray]:
    """Mean and the quantiles that bound 50 and 90 % of replicates; values [replicates, ...]."""
    named = {f"q{round(100 * q):02d}": found for q, found in zip(QUANTILES, _quantiles(values), strict=True)}
    return {"mean": values.mean(axis=0), **named}


def _quantiles(values: np.ndarray) -> np.ndarray:
    # along memory: several times faster than along the first axis, with the same numbers
    return np.quantile(np.ascontiguousarray(np.moveaxis(values, 0, -1)), QUANTILES, axis=-1)


# The digital divide


def gini(counts: np.ndarray) -> np.ndarray:
    """Gini coefficient along the last axis: 0 where all have the same, 1 - 1/n where one has all; 0 of nothing."""
    ordered = np.sort(counts, axis=-1)
    n = counts.shape[-1]
    rank = 2 * np.arange(1, n + 1) - n - 1
    total = ordered.sum(axis=-1)  # nothing is evenly shared where there is nothing: 0, and not 0/0
    return np.where(total > 0, (ordered * rank).sum(axis=-1) / (n * np.where(total > 0, total, 1)), 0.0)


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
    counts, known = technologies_at(arm, instant)[:, arm.focus], arm.measures()
    names = ["coverage", "people", *(name for name, _, _ in SIZE_CLASSES if name in known)]
    found = {"gini": gini(counts), "worst_decile": worst_decile(counts) / max(int(arm.counted.sum()), 1)}
    return found | {name: arm.series(known[name])[:, instant] for name in names}
