"""Which figures of a run are kept when its events are not? Measures at chosen instants, for each row of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sim.batch import Batch, Rows, structures
from sim.compiled import entry_point
from sim.results import Arm
from sim.scenario import Scenario
from sim.state import ECONOMY, MINOR_UNITS, PAYMENT, Structure
from sim.tables import InputError, Problem, nearest

MONEY = ("spending", "public")
"""Paid for adoptions in the focus regions so far, millions: by everybody, and by the three public tiers."""
GRP = "grp"
"""Gross product of the focus regions in the year before the instant, billions."""


@entry_point
def totals(
    events: np.ndarray,
    payments: np.ndarray,
    outages: np.ndarray,
    ends: np.ndarray,
    instants: np.ndarray,
    weights: np.ndarray,
    exposed: np.ndarray,
    focus: np.ndarray,
    since: np.ndarray,
    sums: np.ndarray,
    paid: np.ndarray,
) -> None:
    """Weighted sums of what operates, and money paid, at each instant for each row.

    `weights` float64[n, K, M], `exposed` bool[n, K] (incidents take it down), `focus` bool[n], `instants` int64[D],
    `since` int64[n] room to work in.
    Filled: `sums` float64[rows, D, M], `paid` int64[rows, D, 2] (all, public). What operated when an outage began is
    down until the outage ends or the next one begins.
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
                if event.source > 0 and event.adopted <= t and focus[i] and len(payments) > 0:
                    public = payments[e].own + payments[e].regional + payments[e].federal
                    paid[row, d, 0] += public + payments[e].private
                    paid[row, d, 1] += public
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
        return Reducer(self, scenario, shared, shares, weights, exposed, arm.focus)

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
    focus: np.ndarray

    def figures(self, batch: Batch) -> np.ndarray:
        """The figures of every row, float64[rows, columns]."""
        rows, names = len(batch.ends), self.measures.names
        instants = np.array(self.measures.instants, np.int64)
        sums = np.zeros((rows, len(instants), len(self.shares)))
        paid = np.zeros((rows, len(instants), 2), np.int64)
        payments = batch.payments if len(batch.payments) else np.zeros(0, PAYMENT)
        since = np.zeros(len(self.focus), np.int64)
        lists = (batch.events, payments, batch.outages, batch.ends, instants)
        totals(*lists, self.weights, self.exposed, self.focus, since, sums, paid)
        found = dict(zip(self.shares, np.moveaxis(np.round(sums, 12) + 0.0, 2, 0), strict=True))
        found |= {name: paid[:, :, m] / MINOR_UNITS for m, name in enumerate(MONEY)}
        if GRP in names:
            found[GRP] = _product(self.scenario, self.shared, batch, instants)
        return np.stack([found[name] for name in names], axis=2).reshape(rows, -1)


def bare_arm(scenario: Scenario, shared: Structure) -> Arm:
    """An arm without runs, for its measures and focus."""
    none = np.zeros(0)
    return Arm("", "", scenario, shared, Rows(none, none, none), Batch(none, none, none, none, none, none))


def _product(scenario: Scenario, shared: Structure, batch: Batch, instants: np.ndarray) -> np.ndarray:
    """GRP of the focus regions, float64[rows, D]."""
    focus = [r for r, name in enumerate(scenario.regions.id) if name in scenario.focus]
    year = shared.calendar["year"][np.clip(instants - 1, 0, None)]
    return batch.tables[..., ECONOMY.index("grp")][:, focus].sum(axis=1)[:, year]


def label(scenario: Scenario, instant: int) -> str:
    """An instant's date as people write it: `2024-01`, or with the day where it is not the first of a month."""
    date = str(scenario.instant(instant))
    return date.removesuffix("-01") if date.endswith("-01") else date


def measure_names(scenario: Scenario) -> list[str]:
    """Every measure that can be kept."""
    money = MONEY if scenario.finance.cost_level > 0 else ()
    product = (GRP,) if scenario.grp_fit is not None else ()
    return [*bare_arm(scenario, structures([scenario])[0]).measures(), *money, *product]


def default_measures(scenario: Scenario) -> Measures:
    """Coverage, people, index, technologies with a target, and spending, at the targets' dates and the end."""
    targets = scenario.targets.values()
    dates = [target.date or target.before for target in targets]
    steps = {scenario.step_of(date) for date in dates if date is not None} | {scenario.steps}
    technologies = dict.fromkeys(target.technology for target in targets)
    money = ("spending",) if scenario.finance.cost_level > 0 else ()
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
            message = f"{name!r} is no measure of this scenario"
            raise InputError(Problem("sweep", 0, "measures", message, ", ".join(known), nearest(name, known)))
    instants = default.instants if dates is None else tuple(step_at(scenario, date) for date in dates)
    return Measures(tuple(names) if names else default.names, instants)


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
