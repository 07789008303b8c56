"""Many rows through the engine: rows of parameters in, lists of events out, on as many threads as are given.

A row is (policy arm, parameter vector, replicate). Threads take whole chunks of rows, and chunks are put together in
the order of rows, so that the number of threads cannot be seen in the result.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING

import numpy as np

from sim.engine import columns as c
from sim.engine import month as engine
from sim.engine.columns import State, Structure, structure, workspace
from sim.engine.draws import COEFFICIENT_DRAW, PARAMETER_DRAW, pick

if TYPE_CHECKING:
    from sim.scenario.scenario import Scenario

LARGEST_CHUNK = 256
LARGE = 3_000_000
"""Cells from which on a single row is shared by threads: below, handing over takes longer than it saves."""
FIRST_ROOM = 100_000
"""Events for which a workspace makes room at first, unless one row may have more."""


@dataclass(frozen=True)
class Rows:
    """What a batch computes: PARAMETERS[m], MANDATES[m, M], and the replicate of each row, int64[m].

    `equips` EQUIPS[E]: which places are given what, and when, the same in every row.
    """

    parameters: np.ndarray
    mandates: np.ndarray
    replicates: np.ndarray
    equips: np.ndarray = field(default_factory=lambda: np.zeros(0, c.EQUIPS))

    def part(self, first: int, last: int) -> Rows:
        """Rows first to last - 1."""
        chosen = slice(first, last)
        return Rows(self.parameters[chosen], self.mandates[chosen], self.replicates[chosen], self.equips)

    def __len__(self) -> int:
        return len(self.replicates)


@dataclass(frozen=True)
class Batch:
    """What a batch gave: EVENT, PAYMENT (empty where money is slack) and OUTAGE lists, row after row.

    `ends` int64[rows, 2]: number of events and outages up to the end of each row. `tables` float64[rows, R, Y, 4],
    `ledgers` int64[rows, R + 1, Y, 14].
    """

    events: np.ndarray
    payments: np.ndarray
    outages: np.ndarray
    ends: np.ndarray
    tables: np.ndarray
    ledgers: np.ndarray

    @property
    def event_rows(self) -> np.ndarray:
        """The row of each event, int32[events]."""
        return np.repeat(np.arange(len(self.ends), dtype=np.int32), np.diff(self.ends[:, 0], prepend=0))

    @property
    def outage_rows(self) -> np.ndarray:
        """The row of each outage, int32[outages]."""
        return np.repeat(np.arange(len(self.ends), dtype=np.int32), np.diff(self.ends[:, 1], prepend=0))


def structure_key(scenario: Scenario) -> tuple[object, ...]:
    """Two scenarios with the same key have the same Structure: they share tables, network parameters and calendar."""
    # by identity: a policy that leaves a table alone holds the very same one
    tables = [getattr(scenario, name) for name in ("places", "regions", "technologies", "portfolio", "fit", "links")]
    calendar = (scenario.start, scenario.end, scenario.step, scenario.economy.base_year)
    return (*map(id, tables), scenario.network_parameters, *calendar)


def structures(scenarios: Sequence[Scenario]) -> list[Structure]:
    """The structure of each scenario, built once for those that share it."""
    known: dict[tuple[object, ...], Structure] = {}
    for scenario in scenarios:
        key = structure_key(scenario)
        if key not in known:
            known[key] = structure(scenario)
    return [known[structure_key(scenario)] for scenario in scenarios]


def rows_of(scenario: Scenario, seed: int, replicates: np.ndarray) -> Rows:
    """A row for each replicate: the scenario's parameters, with the replicate's draw of coefficients and parameters."""
    rows = np.repeat(c.parameters_of(scenario), len(replicates))
    mandates = np.repeat(c.mandates_of(scenario)[None, :], len(replicates), axis=0)
    fitted, posterior = scenario.grp_fit, scenario.parameter_fit
    if fitted is not None and scenario.economy.coefficients == "draws" and len(fitted.draws["b1"]):
        chosen = pick(seed, replicates, COEFFICIENT_DRAW, len(fitted.draws["b1"]))
        rows["b1"], rows["b2"] = fitted.draws["b1"][chosen], fitted.draws["b2"][chosen]
    if posterior is not None and scenario.parameters.draws == "draws" and posterior.draws:
        chosen = pick(seed, replicates, PARAMETER_DRAW, len(next(iter(posterior.draws.values()))))
        for key, values in posterior.draws.items():
            if key in scenario.parameters.fixed:
                continue
            assign(rows, mandates, key, values[chosen])
    return Rows(rows, mandates, np.asarray(replicates, dtype=np.int64))


def in_rows(key: str) -> bool:
    """Whether the rows of one batch can differ in a dotted key: parameters, and rates of mandates."""
    section, _, rest = key.partition(".")
    number, _, name = rest.partition(".")
    return key in c.FIELDS or (section == "mandates" and name == "rate" and number.isdigit())


def assign(rows: np.ndarray, mandates: np.ndarray, key: str, values: np.ndarray) -> None:
    """Set the parameter of a dotted key in every row, such as diffusion.peers or mandates.0.rate.

    Raises KeyError for a key that rows of one batch cannot differ in.
    """
    if not in_rows(key):
        raise KeyError(key)
    if key in c.FIELDS:
        rows[c.FIELDS[key]] = values
    elif (number := int(key.split(".")[1])) < mandates.shape[1]:  # a policy may have taken the mandate away
        mandates["rate"][:, number] = values


def execute(
    shared: Structure,
    rows: Rows,
    seed: int,
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Batch:
    """Run all rows; `progress` is told the number of rows done. The result does not depend on `threads`."""
    asked = threads or os.cpu_count() or 1
    threads = max(1, min(asked, len(rows)))
    paid = bool((rows.parameters["cost_level"] > 0).any())
    # four chunks a thread: small enough to end together, large enough that handing over does not show
    size = max(1, min(LARGEST_CHUNK, -(-len(rows) // (threads * 4))))
    bounds = [(first, min(first + size, len(rows))) for first in range(0, len(rows), size)]
    free: SimpleQueue[State] = SimpleQueue()  # workspaces are used again: fresh memory must first be wiped

    def chunk(first: int, last: int) -> Batch:
        part = rows.part(first, last)
        state = workspace(shared, paid, FIRST_ROOM) if free.empty() else free.get()
        found = _chunk(shared, part, seed, state, asked if len(rows) == 1 else 1)
        if len(bounds) == 1:
            return found
        lists = ("events", "payments", "outages")
        # copies of its own: the next chunk writes into the same workspace
        own = replace(found, **{name: _end_to_end([getattr(found, name)]) for name in lists})
        free.put(state)
        return own

    if threads == 1:
        chunks = []
        for first, last in bounds:
            chunks.append(chunk(first, last))
            if progress:
                progress(last - first)
        return _joined(chunks)
    with ThreadPoolExecutor(threads) as pool:
        futures = [pool.submit(chunk, first, last) for first, last in bounds]
        for future, (first, last) in zip(futures, bounds, strict=True):
            future.result()
            if progress:
                progress(last - first)
    return _joined([future.result() for future in futures])


def _chunk(shared: Structure, rows: Rows, seed: int, state: State, threads: int) -> Batch:
    """Run a chunk of rows on this thread, in a workspace whose lists of events grow when they must.

    A single large row may use more `threads`.
    """
    count, technologies, regions, steps, years = shared.shape
    state.record["event_count"] = state.record["outage_count"] = 0
    ends = np.zeros((len(rows), 2), np.int64)
    tables = np.zeros((len(rows), regions, years, len(c.ECONOMY)))
    ledgers = np.zeros((len(rows), regions + 1, years, len(c.FLOWS)), np.int64)
    go = partial(_run, state, rows, seed, (ends, tables, ledgers))
    if min(threads, technologies) > 1 and count * technologies >= LARGE:
        _together(go, technologies, steps, threads)
    else:
        go(np.array([0, -1]), steps)
    events, outages = int(ends[-1, 0]), int(ends[-1, 1])
    paid = events if len(state.payments) else 0
    return Batch(state.events[:events], state.payments[:paid], state.outages[:outages], ends, tables, ledgers)


def _run(
    state: State, rows: Rows, seed: int, found: tuple[np.ndarray, ...], progress: np.ndarray, until: int,
    part: int = engine.WHOLE, first: int = 0, last: int | None = None,
) -> None:  # fmt: skip
    """Call the engine until it is done, making room for events where it must; `found`: ends, tables, ledgers."""
    parameters = rows.parameters.view(np.float64).reshape(len(rows), -1)
    given = (state.record, parameters, rows.mandates, rows.equips, seed, rows.replicates, *found)
    last = int(state.record["technologies_count"][0]) if last is None else last
    while not engine.run_rows(*given, progress, until, part, first, last):
        state.grow()


def _together(go: Callable[..., None], technologies: int, steps: int, threads: int) -> None:
    """One row on several threads: they share the technologies while wants are worked out, nearly half of the time.

    All of them hold the same record: what it says of the row they write anew, and write the same.
    """
    bounds = np.linspace(0, technologies, min(threads, technologies) + 1).round().astype(int).tolist()
    go(np.array([0, -1]), 0)
    with ThreadPoolExecutor(threads) as pool:
        for t in range(steps):
            go(np.array([0, t]), t + 1, engine.BEFORE)
            shares = [
                pool.submit(go, np.array([0, t]), t + 1, engine.WANTS, first, last)
                for first, last in itertools.pairwise(bounds)
            ]
            for share in shares:
                share.result()
            go(np.array([0, t]), t + 1, engine.AFTER)


def _joined(chunks: Sequence[Batch]) -> Batch:
    if len(chunks) == 1:
        return chunks[0]
    offsets = np.cumsum([[0, 0]] + [chunk.ends[-1] for chunk in chunks[:-1]], axis=0)
    return Batch(
        _end_to_end([chunk.events for chunk in chunks]),
        _end_to_end([chunk.payments for chunk in chunks]),
        _end_to_end([chunk.outages for chunk in chunks]),
        np.concatenate([chunk.ends + offset for chunk, offset in zip(chunks, offsets, strict=True)]),
        np.concatenate([chunk.tables for chunk in chunks]),
        np.concatenate([chunk.ledgers for chunk in chunks]),
    )


def _end_to_end(lists: Sequence[np.ndarray]) -> np.ndarray:
    """One list of records from many: as bytes, since NumPy copies records with gaps one field at a time."""
    return np.concatenate([records.view(np.uint8) for records in lists]).view(lists[0].dtype)


class Simulation:
    """One row, advanced by hand: what the Mesa model and the browser view hold. The same code as a batch of rows."""

    def __init__(self, scenario: Scenario, seed: int, replicate: int = 0) -> None:
        self.scenario = scenario
        self.seed, self.replicate = int(seed), int(replicate)
        self.shared = structure(scenario)
        self.rows = rows_of(scenario, self.seed, np.array([self.replicate]))
        self.mandates = self.rows.mandates[0].copy()
        self.paid = bool(self.rows.parameters["cost_level"][0] > 0)
        self.state = workspace(self.shared, self.paid)
        self.step = 0
        self._run_to(0, -1)

    @property
    def finished(self) -> bool:
        """Whether the scenario's end is reached."""
        return self.step >= self.scenario.steps

    @property
    def events(self) -> np.ndarray:
        """The events so far, EVENT[...]."""
        return self.state.events[: int(self.state.record["event_count"][0])]

    @property
    def outages(self) -> np.ndarray:
        """The outages so far, OUTAGE[...]."""
        return self.state.outages[: int(self.state.record["outage_count"][0])]

    @property
    def batch(self) -> Batch:
        """The run so far as a batch of one row; the simulation goes on writing into its arrays."""
        ends = np.array([[len(self.events), len(self.outages)]])
        payments = self.state.payments[: len(self.events) if self.paid else 0]
        return Batch(self.events, payments, self.outages, ends, self.state.yearly[None], self.state.ledger[None])

    def advance(self, steps: int = 1) -> None:
        """Run so many steps, or to the end of the scenario."""
        last = min(self.step + steps, self.scenario.steps)
        if last > self.step:
            self._run_to(last, self.step)
            self.step = last

    def _run_to(self, last: int, first: int) -> None:
        """Run from step `first` (-1: set the start) to `last`, growing the list of events when it must."""
        progress = np.array([0, first], np.int64)
        found = (np.zeros((1, 2), np.int64), self.state.yearly[None], self.state.ledger[None])
        rows = replace(self.rows, mandates=self.mandates[None])
        _run(self.state, rows, self.seed, found, progress, last)

    def equip(self, place: int, technology: int) -> bool:
        """Give place (in canonical order) a technology now; nobody pays. False when it has it already."""
        if len(self.events) == len(self.state.events):
            self.state.grow()
        return bool(engine.equip(self.state.record, technology, place, self.step))

    def grant(self, place: int, amount: int) -> None:
        """Give a municipality an amount in minor units now; the ledger shows it as granted."""
        year = int(self.shared.calendar["year"][min(self.step, self.scenario.steps - 1)])
        region = int(self.shared.places["region"][place])
        self.state.budgets["balance"][place] += amount
        self.state.ledger[region, year, c.GRANTED] += amount

    def mandate(self, region: int, technology: int, rate: float, until: int | None = None) -> None:
        """Oblige a region's municipalities to take up a technology at a rate (1/year) from now until a step."""
        stop = self.scenario.steps if until is None else until
        added = np.array([(region, technology, self.step, stop, rate)], dtype=self.mandates.dtype)
        self.mandates = np.concatenate([self.mandates, added])
