"""Which figures of a run are kept when its events are not? Measures at chosen instants, for each row of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sim.engine.columns import ECONOMY, FLOWS, MINOR_UNITS, Structure
from sim.engine.compiling import entry_point
from sim.engine.rows import Batch, Rows, structures
from sim.results.run import Arm
from sim.scenario.errors import InputError, Problem, nearest
from sim.scenario.scenario import Scenario

_ADOPTIONS = ("own_spent", "regional_spent", "federal_spent")
PUBLIC = (*_ADOPTIONS, "running_paid", "fees_paid")
"""Flows of the ledger that are public money: what the three tiers pay for adoptions, running costs, fees to partners.
Savings are not taken off."""
MONEY = {"spending": (*_ADOPTIONS, "private_spent", "running_paid"), "public": PUBLIC}
"""Money of the focus regions so far, millions: what adoptions and running cost, whoever pays (a fee pays back what a
partner paid, and would count twice), and public money."""
GRP = "grp"
"""Gross product of the focus regions in the year before the instant, billions."""


@entry_point
def totals(
    events: np.ndarray,
    outages: np.ndarray,
    ends: np.ndarray,
    instants: np.ndarray,
    weights: np.ndarray,
    exposed: np.ndarray,
    since: np.ndarray,
    sums: np.ndarray,
) -> None:
    """Weighted sums of what operates, at each instant for each row.

    `weights` float64[n, K, M], `exposed` bool[n, K] (incidents take it down), `instants` int64[D], `since` int64[n]
    room to work in. Filled: `sums` float64[rows, D, M]. What operated when an outage began is down until the outage
    ends or the next one begins.
    """
    first_event = first_outage = 0
    for row in range(len(ends)):
        for d in range(len(instants)):
            t = instants[d]
            since[:] = -1
            for o in range(first_outage, ends[row, 1]):
                outage = outages[o]
                if outage.start <= t and outage.start > since[outage.place]:
                    since[outage.place] = outage.start if t < outage.stop else -1
            for e in range(first_event, ends[row, 0]):
                event = events[e]
                i, k = event.place, event.technology
                if event.operating < 0 or event.operating > t or 0 <= event.ended <= t:
                    continue
                if exposed[i, k] and event.operating <= since[i]:
                    continue
                for m in range(weights.shape[2]):
                    sums[row, d, m] += weights[i, k, m]
        first_event, first_outage = ends[row, 0], ends[row, 1]


@dataclass(frozen=True)
class Measures:
    """The figures to keep: names as in `Arm.measures`, `spending`, `public` or `grp`, each at every instant (steps)."""

    names: tuple[str, ...]
    instants: tuple[int, ...]

    def columns(self, scenario: Scenario) -> list[str]:
        """Names of the columns of `reduce`, such as `coverage 2030-12`: instants outside, measures inside."""
        return [f"{name} {label(scenario, t)}" for t in self.instants for name in self.names]

    def reducer(self, scenario: Scenario, shared: Structure) -> Reducer:
        """What gets these figures from batches of a scenario."""
        arm = bare_arm(scenario, shared)
        known = arm.measures()
        shares = tuple(name for name in self.names if name in known)
        weights = np.zeros((len(shared.places), len(shared.technologies), len(shares)))
        for m, name in enumerate(shares):
            weights[:, :, m] = known[name]
        exposed = np.outer(shared.places["member"] == 1, shared.technologies["exposed"] == 1)
        return Reducer(self, scenario, shared, shares, weights, exposed)

    def reduce(self, scenario: Scenario, shared: Structure, batch: Batch) -> np.ndarray:
        """The figures of every row, float64[rows, columns]; shares of 0 to 1, index of 0 to 120."""
        return self.reducer(scenario, shared).figures(batch)


@dataclass(frozen=True)
class Reducer:
    """Gets the figures from batches: `weights` float64[n, K, M] of the share measures, `exposed` bool[n, K]."""

    measures: Measures
    scenario: Scenario
    shared: Structure
    shares: tuple[str, ...]
    weights: np.ndarray
    exposed: np.ndarray

    def figures(self, batch: Batch) -> np.ndarray:
        """The figures of every row, float64[rows, columns]."""
        rows, names = len(batch.ends), self.measures.names
        instants = np.array(self.measures.instants, np.int64)
        sums = np.zeros((rows, len(instants), len(self.shares)))
        since = np.zeros(len(self.exposed), np.int64)
        totals(batch.events, batch.outages, batch.ends, instants, self.weights, self.exposed, since, sums)
        found = dict(zip(self.shares, np.moveaxis(np.round(sums, 12) + 0.0, 2, 0), strict=True))
        regions = self.scenario.focus_rows
        for name in MONEY.keys() & set(names):
            found[name] = _until(flow(batch, regions, *MONEY[name]), self.shared, instants)
        if GRP in names:
            found[GRP] = _product(self.shared, batch, regions, instants)
        return np.stack([found[name] for name in names], axis=2).reshape(rows, -1)


def bare_arm(scenario: Scenario, shared: Structure) -> Arm:
    """An arm without runs, for its measures and focus."""
    none = np.zeros(0)
    return Arm("", "", scenario, shared, Rows(none, none, none), Batch(none, none, none, none, none, none))


def flow(batch: Batch, regions: Sequence[int] | np.ndarray, *names: str) -> np.ndarray:
    """Sum of flows of the ledger over regions, millions of the currency, float64[rows, Y]."""
    columns = [FLOWS.index(name) for name in names]
    return batch.ledgers[:, regions][..., columns].sum(axis=(1, 3)) / MINOR_UNITS


def _until(yearly: np.ndarray, shared: Structure, instants: np.ndarray) -> np.ndarray:
    """A yearly flow summed up to each instant, float64[rows, D]; a year under way counts by its steps that are over."""
    year, size = shared.calendar["year"], yearly.shape[1]
    over = np.array([np.bincount(year[:t], minlength=size) for t in instants]) / np.bincount(year, minlength=size)
    # not a matrix product, whose order of addition may depend on the number of rows
    return (yearly[:, None, :] * over).sum(axis=2)


def _product(shared: Structure, batch: Batch, regions: Sequence[int], instants: np.ndarray) -> np.ndarray:
    """GRP of regions, float64[rows, D]."""
    year = shared.calendar["year"][np.clip(instants - 1, 0, None)]
    return batch.tables[..., ECONOMY.index("grp")][:, regions].sum(axis=1)[:, year]


def label(scenario: Scenario, instant: int) -> str:
    """An instant's date as people write it: `2024-01`, or with the day where it is not the first of a month."""
    date = str(scenario.instant(instant))
    return date.removesuffix("-01") if date.endswith("-01") else date


def measure_names(scenario: Scenario) -> list[str]:
    """Every measure that can be kept."""
    product = (GRP,) if scenario.grp_fit is not None else ()
    return [*bare_arm(scenario, structures([scenario])[0]).measures(), *_money(scenario), *product]


def _money(scenario: Scenario) -> tuple[str, ...]:
    """The measures of money, where anything costs money."""
    return tuple(MONEY) if scenario.finance.cost_level > 0 else ()


def default_measures(scenario: Scenario) -> Measures:
    """Coverage, people, index, technologies with a target, and money, at the targets' dates and the end."""
    targets = scenario.targets.values()
    dates = [target.date or target.before for target in targets]
    steps = {scenario.step_of(date) for date in dates if date is not None} | {scenario.steps}
    technologies = dict.fromkeys(target.technology for target in targets)
    return Measures(
        ("coverage", "people", "index", *technologies, *_money(scenario)),
        tuple(sorted(step for step in steps if 0 <= step <= scenario.steps)),
    )


def chosen_measures(scenario: Scenario, names: Sequence[str] | None, dates: Sequence[str] | None) -> Measures:
    """The default measures with other names or dates. Raises InputError for what the scenario does not have."""
    default = default_measures(scenario)
    known = measure_names(scenario)
    for name in names or ():
        if name not in known:
            message = f"{name!r} is no measure of this scenario"
            raise InputError(Problem("sweep", 0, "measures", message, ", ".join(known), nearest(name, known)))
    instants = default.instants if dates is None else tuple(step_at(scenario, date) for date in dates)
    return Measures(tuple(names) if names else default.names, instants)


def unit_of(name: str, currency: str) -> tuple[float, str]:
    """By what a measure is multiplied for people, and the unit of a difference: shares in percentage points."""
    if name in MONEY or name == GRP:
        return 1.0, f"{'billion' if name == GRP else 'million'} {currency}".strip()
    return (1.0, "points of 120") if name == "index" else (100.0, "percentage points")


def step_at(scenario: Scenario, date: str) -> int:
    """The step of a date within the scenario. Raises InputError."""
    allowed = f"{label(scenario, 0)} to {label(scenario, scenario.steps)}"
    try:
        step = scenario.step_of(np.datetime64(date, "D"))
    except ValueError:
        raise InputError(Problem("sweep", 0, "date", f"{date!r} is not a date", allowed)) from None
    if not 0 <= step <= scenario.steps:
        raise InputError(Problem("sweep", 0, "date", f"{date} is outside the scenario", allowed))
    return step
