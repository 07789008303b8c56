"""Whom to equip first, and what is a leader worth to the others? Places are given technologies, or lose them."""

from __future__ import annotations

import heapq
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.engine.columns import EQUIPS, Structure, structure
from sim.engine.rows import Batch, execute, rows_of
from sim.results.effects import effect
from sim.results.measures import GRP, MONEY, Measures, Reducer, label, measure_names, step_at
from sim.scenario.errors import InputError, refused, unknown
from sim.scenario.scenario import Scenario

if TYPE_CHECKING:
    import pandas as pd

REPLICATES_LEADERS, REPLICATES_WORTH = 48, 100
"""Replicates of a trial of the search, and for what leaders are worth."""
SECONDS_BETWEEN_LINES = 10.0

Progress = Callable[[str], None]


@dataclass(frozen=True)
class LeadersAnswer:
    """`uptake seek --leaders`: `chosen` places in order, and `orders`, the choice against other orders.

    chosen: order, municipality, name, gain (further share), low, high. orders: order, municipalities, gain over
    equipping nobody, gain_low, gain_high, behind (the search's gain less this one's), behind_low, behind_high. All on
    fresh replicates that had no part in the choice.
    """

    chosen: pd.DataFrame
    orders: pd.DataFrame
    measure: str
    evaluations: int

    def summary(self) -> str:
        """The places in order, and how the search compares with simpler orders, in lines."""
        lines = [f"Further {self.measure}, percentage points (95 % interval), on fresh replicates:"]
        for row in self.chosen.to_dict("records"):
            interval = f"{100 * row['low']:+.2f} to {100 * row['high']:+.2f}"
            lines.append(f"{row['order']:3d}. {100 * row['gain']:+6.2f}  ({interval})  {row['name']}")
        lines.append("All together, by")
        for row in self.orders.to_dict("records"):
            behind = f"; the search is ahead by {100 * row['behind']:+.2f} "
            behind += f"({100 * row['behind_low']:+.2f} to {100 * row['behind_high']:+.2f})"
            lines.append(f"{row['order']:>12} {100 * row['gain']:+6.2f}{behind if row['order'] != 'search' else ''}")
        return "\n".join(lines)

    def told(self) -> dict[str, Any]:
        """The answer for machines."""
        tables = {"chosen": self.chosen, "orders": self.orders}
        records = {name: json.loads(table.to_json(orient="records")) for name, table in tables.items()}
        return {"measure": self.measure, **records}


def seek_leaders(
    scenario: Scenario,
    n: int,
    at: str | None = None,
    portfolio: Sequence[str] | None = None,
    measure: str = "coverage",
    replicates: int = REPLICATES_LEADERS,
    seed: int | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> LeadersAnswer:
    """Which `n` further focus municipalities to equip first, for the largest `measure` at the end.

    Without `at`, they start with the portfolio (technology ids; by default everything that any place starts with) and
    lead other regions too; with it they are given it at that date, and each technology operates after its lag. Lazy
    greedy search (Leskovec et al. 2007) under common random numbers; where gains do not diminish it is a heuristic.
    It is compared with population order and degree order (weight with which others listen) on fresh replicates.
    """
    known = measure_names(scenario)
    if measure not in known:
        raise InputError(unknown(measure, "a measure", known, "", "measure"))
    candidates = _candidates(scenario)
    if not 1 <= n <= len(candidates):
        raise refused("--leaders", f"{n} is not possible", f"1 to {len(candidates)}, the places without a portfolio")
    step = None if at is None else step_at(scenario, at)
    if step == scenario.steps:
        raise refused("--at", f"nothing can follow what is given at the end, {at}", "a date before the end")
    used = scenario.seed if seed is None else int(seed)
    equipping = _Equipping(scenario, _technologies(scenario, portfolio), step, measure, used, threads)
    # the search picks what looks best on its own replicates: only others tell what the choice is worth
    search, fresh = np.arange(replicates), np.arange(replicates, 3 * replicates)
    chosen = _greedy(equipping, candidates, n, search, progress or (lambda _: None))
    size, heed = np.asarray(scenario.places.population), _weight_with_others(equipping.shared)
    orders = {
        "search": chosen,
        "population": sorted(candidates, key=lambda place: (-size[place], place))[:n],
        "degree": sorted(candidates, key=lambda place: (-heed[place], place))[:n],
    }
    evaluations = len(equipping.known)
    tables = _chosen_table(equipping, chosen, fresh), _orders_table(equipping, orders, fresh)
    return LeadersAnswer(*tables, f"{measure} {label(scenario, scenario.steps)}", evaluations)


def _candidates(scenario: Scenario) -> list[int]:
    """Focus municipalities without a portfolio, in the table's order."""
    # guides lie outside, and a place with a portfolio leads already
    free = ~np.asarray(scenario.portfolio).any(axis=1) & ~np.asarray(scenario.places.guide)
    return np.flatnonzero(free & np.isin(scenario.places.region, scenario.focus_rows)).tolist()


def _technologies(scenario: Scenario, names: Sequence[str] | None) -> np.ndarray:
    """Numbers of the technologies that a place is equipped with, int64[]. Raises InputError for an unknown one.

    By default every technology that some place starts with, and what these require.
    """
    technologies = scenario.technologies
    for name in names or ():
        if name not in technologies.id:
            raise InputError(unknown(name, "a technology", technologies.id, "", "portfolio"))
    if names is not None:
        return np.array([technologies.id.index(name) for name in names])
    wanted = set(np.flatnonzero(np.asarray(scenario.portfolio).any(axis=0)).tolist())
    while needed := {int(r) for k in wanted for r in technologies.requires[k]} - wanted:
        wanted |= needed
    return np.array(sorted(wanted), dtype=np.int64)


def _weight_with_others(shared: Structure) -> np.ndarray:
    """The weight with which others in the region listen to each place (a row of the table), int64[n]."""
    channel = shared.network.peers
    total = np.zeros(len(shared.places), np.int64)
    # links are stored by source: how often each place is one, in the order of the weights
    sources = np.repeat(np.arange(len(total)), np.diff(channel.out_start))
    np.add.at(total, sources, channel.outward["weight"])
    return total


class _Equipping:
    """What comes of equipping places: the measure at the end by replicate, for sets of places (rows of the table).

    From the start, places are equipped by their portfolio, since a leader is heeded in other regions, which changes the
    network; at a date, by the rows' table of equips, since nobody is led by what is not yet there.
    """

    def __init__(self, scenario: Scenario, technologies: np.ndarray, at: int | None, measure: str, seed: int,
                 threads: int | None) -> None:  # fmt: skip
        self.scenario, self.technologies, self.at = scenario, technologies, at
        self.measures = Measures((measure,), (scenario.steps,))
        self.seed, self.threads = seed, threads
        self.known: dict[tuple[frozenset[int], int], np.ndarray] = {}
        self.shared = structure(scenario)

    def figures(self, places: Sequence[int], replicates: np.ndarray) -> np.ndarray:
        """The measure of each replicate, float64[replicates]; what was asked before is not computed again."""
        key = (frozenset(places), int(replicates[0]))  # replicates are a range: the first tells which one
        if key not in self.known:
            self.known[key] = self._figures(places, replicates)
        return self.known[key]

    def _figures(self, places: Sequence[int], replicates: np.ndarray) -> np.ndarray:
        scenario, shared = self.scenario, self.shared
        rows = rows_of(scenario, self.seed, replicates)
        if self.at is not None:
            given = [(place, k, self.at) for place in places for k in self.technologies]
            rows = replace(rows, equips=np.array(given, EQUIPS))
        elif places:
            scenario = with_portfolio(scenario, places, self.technologies)
            shared = structure(scenario)
        batch = execute(shared, rows, self.seed, self.threads)
        return self.measures.reduce(scenario, shared, batch)[:, 0]


def with_portfolio(scenario: Scenario, places: Iterable[int], technologies: np.ndarray, has: bool = True) -> Scenario:
    """The scenario where places (rows of its table) start with technologies, or without them."""
    portfolio = np.array(scenario.portfolio)
    for place in places:
        portfolio[place, technologies] = has
    portfolio.flags.writeable = False
    # past the scenario's document, which takes longer to read than a trial to run; only tables of its own are changed
    return replace(scenario, portfolio=portfolio)


def _greedy(
    equipping: _Equipping, candidates: Sequence[int], n: int, replicates: np.ndarray, progress: Progress
) -> list[int]:
    """Lazy greedy: a place's gain is worked out anew only while it could still be the largest; ties go to the table."""
    chosen: list[int] = []
    so_far = equipping.figures([], replicates).mean()
    said = time.monotonic()
    progress(f"{n} of {len(candidates)} places are chosen; {len(replicates)} replicates a trial ...")
    queue = [
        (-np.inf, place, -1) for place in candidates
    ]  # loss, place, and how many were chosen when it was worked out
    heapq.heapify(queue)
    while len(chosen) < n:
        _, place, when = queue[0]
        if when == len(chosen):
            heapq.heappop(queue)
            chosen.append(place)
            so_far = equipping.figures(chosen, replicates).mean()
            progress(f"{len(chosen)} of {n}: {equipping.scenario.places.name[place]}")
            continue
        if time.monotonic() - said > SECONDS_BETWEEN_LINES:
            said = time.monotonic()
            progress(f"{len(equipping.known)} trials done, {len(chosen)} of {n} chosen")
        gain = float(equipping.figures([*chosen, place], replicates).mean() - so_far)
        heapq.heapreplace(queue, (-gain, place, len(chosen)))
    return chosen


def _chosen_table(equipping: _Equipping, chosen: Sequence[int], fresh: np.ndarray) -> pd.DataFrame:
    """What each chosen place adds to those before it; columns as in `LeadersAnswer`."""
    import pandas as pd

    places, rows = equipping.scenario.places, []
    for order, place in enumerate(chosen, 1):
        with_it, without = (equipping.figures(chosen[:count], fresh) for count in (order, order - 1))
        gain = effect(with_it, without)
        rows.append((order, places.id[place], places.name[place], gain.mean, gain.low, gain.high))
    return pd.DataFrame(rows, columns=["order", "municipality", "name", "gain", "low", "high"])


def _orders_table(equipping: _Equipping, orders: Mapping[str, Sequence[int]], fresh: np.ndarray) -> pd.DataFrame:
    """What each order of places gives in all, and how far it stays behind the search; columns as in `LeadersAnswer`."""
    import pandas as pd

    rows = []
    nobody, best = equipping.figures([], fresh), equipping.figures(orders["search"], fresh)
    for name, places in orders.items():
        figures = equipping.figures(places, fresh)
        gain, behind = effect(figures, nobody), effect(best, figures)
        ids = ", ".join(equipping.scenario.places.id[place] for place in places)
        rows.append((name, ids, gain.mean, gain.low, gain.high, behind.mean, behind.low, behind.high))
    columns = ["order", "municipalities", "gain", "gain_low", "gain_high", "behind", "behind_low", "behind_high"]
    return pd.DataFrame(rows, columns=columns)


def leader_worth(
    scenario: Scenario,
    measure: str = "coverage",
    at: str | None = None,
    replicates: int = REPLICATES_WORTH,
    seed: int | None = None,
    threads: int | None = None,
) -> pd.DataFrame:
    """What each leader is worth: the fall in a share when its portfolio is taken away, under the same luck.

    The share is over the focus municipalities other than the leader, so that its own technologies do not count; those
    who listened to it turn to the leaders that remain. Columns: municipality, name, worth, low, high (paired, 95 % for
    all leaders at once), largest worth first. `at`: a date, the end unless given. Raises InputError.
    """
    import pandas as pd

    step = scenario.steps if at is None else step_at(scenario, at)
    used = scenario.seed if seed is None else int(seed)

    def computed(world: Scenario) -> tuple[Scenario, Structure, Batch]:
        shared = structure(world)
        return world, shared, execute(shared, rows_of(world, used, np.arange(replicates)), used, threads)

    leaders = np.flatnonzero(np.asarray(scenario.portfolio).any(axis=1)).tolist()
    as_it_is, everything = computed(scenario), np.arange(len(scenario.technologies.id))
    rows = []
    for place in leaders:
        without = computed(with_portfolio(scenario, [place], everything, has=False))
        values, base = (
            elsewhere(world, shared, place, measure, step).figures(batch)[:, 0]
            for world, shared, batch in (as_it_is, without)
        )
        worth = effect(values, base, comparisons=len(leaders))
        rows.append((scenario.places.id[place], scenario.places.name[place], worth.mean, worth.low, worth.high))
    table = pd.DataFrame(rows, columns=["municipality", "name", "worth", "low", "high"])
    return table.sort_values("worth", ascending=False, ignore_index=True, kind="stable")


def elsewhere(scenario: Scenario, shared: Structure, place: int, measure: str, step: int) -> Reducer:
    """A share measure over all focus municipalities but one (a row of the table). Raises InputError for others."""
    reducer = Measures((measure,), (step,)).reducer(scenario, shared)
    if not reducer.shares:
        shares = [name for name in measure_names(scenario) if name not in (*MONEY, GRP)]
        raise InputError(unknown(measure, "a share", shares, "", "measure"))
    # the weight of the place goes to the others, so that the measure stays a share
    weights = reducer.weights.copy()
    total = weights.sum()
    weights[place] = 0.0
    return replace(reducer, weights=weights * (total / max(weights.sum(), 1e-300)))
