"""What the engine works on: a scenario as columns, a row of parameters, and the columns that a month changes.

Arrays of cells are [technology][place], since adoption is arithmetic along one technology at a time. Places are in the
canonical order of `network.build`. Everything whose sum could depend on the order of addition is a whole number.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sim.draws import identity_keys
from sim.network import Channel, Network, build

if TYPE_CHECKING:
    from sim.scenario import Scenario

WAITING, WANTED, INSTALLING, OPERATING, DOWN, CLOSED = range(6)
INITIAL, EXTERNAL, PEERS, LEADERS, PLATFORM, MANDATE, ACTION = range(7)
SOURCES = ("initial", "external", "peers", "leaders", "platform", "mandate", "action")
MINOR_UNITS = 100_000_000
"""Minor units (hundredths of the currency) in a million: money is counted in whole ones."""
NEVER = -1

FIELDS: dict[str, str] = {
    "diffusion.external": "external",
    "diffusion.leader_factor": "leader_factor",
    "diffusion.peers": "peers",
    "diffusion.leaders": "leaders",
    "diffusion.announced": "announced",
    "diffusion.benefit_weight": "benefit_weight",
    "diffusion.heterogeneity": "heterogeneity",
    "diffusion.size_elasticity": "size_elasticity",
    "diffusion.resistance": "resistance",
    "diffusion.divide": "divide",
    "platform.threshold": "platform_threshold",
    "platform.cost_cut": "platform_cost_cut",
    "platform.rate": "platform_rate",
    "platform.spillover": "platform_spillover",
    "finance.own_share": "own_share",
    "finance.regional_pool": "regional_pool",
    "finance.federal_pool": "federal_pool",
    "finance.regional_share": "regional_share",
    "finance.federal_share": "federal_share",
    "finance.private_share": "private_share",
    "finance.private_fee": "private_fee",
    "finance.cost_level": "cost_level",
    "finance.cost_elasticity": "cost_elasticity",
    "finance.supply_premium": "supply_premium",
    "finance.renewal": "renewal",
    "finance.reference_population": "reference_population",
    "economy.volatility": "volatility",
    "economy.industry_growth": "industry_growth",
    "economy.urban_growth": "urban_growth",
    "economy.industry_gain": "industry_gain",
    "sanctions.severity": "severity",
    "sanctions.substitution": "substitution",
    "security.incident_rate": "incident_rate",
    "security.outage": "outage",
    "security.distrust": "distrust",
    "policy.protection": "protection",
    "policy.protection_cost": "protection_cost",
    "policy.inclusion": "inclusion",
}
"""Dotted key of a scenario to the field of the engine's row: the parameters that rows of one batch may differ in."""

_DERIVED = ("sanctions_from", "b1", "b2", "loglog")
PARAMETERS = np.dtype([(name, np.float64) for name in (*FIELDS.values(), *_DERIVED)])
MANDATES = np.dtype(
    [("region", np.int32), ("technology", np.int32), ("start", np.int32), ("stop", np.int32), ("rate", np.float64)]
)
FLOWS = (
    "own_inflow", "regional_inflow", "federal_inflow", "granted", "saved",
    "own_spent", "regional_spent", "federal_spent", "private_spent",
    "running_paid", "fees_paid", "arrears", "balance", "unpaid",
)  # fmt: skip
"""Columns of the yearly ledger: flows within the year, and at its end arrears, balances and entries that wait."""
ECONOMY = ("grp", "industry", "urban", "share")


class Places(NamedTuple):
    """Municipalities as columns [n]: key uint64, region int32, population int64, member and leader bool."""

    key: np.ndarray
    region: np.ndarray
    population: np.ndarray
    member: np.ndarray
    leader: np.ndarray
    divide: np.ndarray
    resistance: np.ndarray


class Technologies(NamedTuple):
    """Technologies as columns [K]; lag and life in steps (life 0: no end); prerequisites both ways as sparse rows."""

    key: np.ndarray
    cost: np.ndarray
    complexity: np.ndarray
    benefit: np.ndarray
    foreign_share: np.ndarray
    lag: np.ndarray
    life: np.ndarray
    privacy: np.ndarray
    running: np.ndarray
    saving: np.ndarray
    exposed: np.ndarray
    counted: np.ndarray
    requires_start: np.ndarray
    requires: np.ndarray
    unlocks_start: np.ndarray
    unlocks: np.ndarray


class Regions(NamedTuple):
    """Regions as columns [R]; `start` int64[R + 1] bounds their places; grp in millions; links int64[R, R]; fit [K, R]."""

    start: np.ndarray
    population: np.ndarray
    grp: np.ndarray
    industry: np.ndarray
    urban: np.ndarray
    links: np.ndarray
    fit: np.ndarray


class Calendar(NamedTuple):
    """Steps: `step` their length in years, `year` int32[T] the row of the yearly table, `opens` whether a year begins.

    `since_base` float64[Y] is the number of years from the economy's base year to each year of the table.
    """

    step: float
    year: np.ndarray
    opens: np.ndarray
    since_base: np.ndarray


class Structure(NamedTuple):
    """All that the rows of one batch share."""

    places: Places
    technologies: Technologies
    regions: Regions
    peers: Channel
    leaders: Channel
    calendar: Calendar
    portfolio: np.ndarray


class Cells(NamedTuple):
    """One value for each technology and place [K, n], lists along a technology, and calendars of coming events.

    `remaining` float32 is what is left of the clock, `rate` float32 what a step takes off it, before supply.
    `peers` and `leaders` int64 are exposures in units of 2**-40. `stale` lists the waiting places whose rate must be
    worked out anew. `starts` and `ends` int32[K, T + 1] head linked lists through `following`.
    """

    status: np.ndarray
    remaining: np.ndarray
    rate: np.ndarray
    peers: np.ndarray
    leaders: np.ndarray
    spell: np.ndarray
    event: np.ndarray
    is_stale: np.ndarray
    stale: np.ndarray
    stale_count: np.ndarray
    wants: np.ndarray
    want_source: np.ndarray
    want_guide: np.ndarray
    want_count: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    following: np.ndarray
    waiting: np.ndarray


class PlaceState(NamedTuple):
    """What changes about places [n]: capacity, resistance, incidents, and how many technologies operate."""

    capacity: np.ndarray
    resistance: np.ndarray
    distrust_until: np.ndarray
    down_until: np.ndarray
    clock: np.ndarray
    incidents: np.ndarray
    exposed: np.ndarray
    counted: np.ndarray


class RegionState(NamedTuple):
    """What changes about regions: platforms uint8[K, R], operating int64[K, R], yearly table float64[R, Y, 4]."""

    platform: np.ndarray
    operating: np.ndarray
    start_share: np.ndarray
    table: np.ndarray
    supply: np.ndarray


class Money(NamedTuple):
    """Balances, inflows and obligations in whole minor units, the queue of those who wait for money, and the ledger.

    [n]: balance, arrears, inflow (a step), running, fee, saving (a year). [R]: pool, reserve and their inflows.
    `federal` int64[2]: balance and inflow. Queue: [K * n] when money binds, else empty. `ledger` int64[R + 1, Y, 14].
    """

    size: np.ndarray
    balance: np.ndarray
    arrears: np.ndarray
    inflow: np.ndarray
    running: np.ndarray
    fee: np.ndarray
    saving: np.ndarray
    pool: np.ndarray
    reserve: np.ndarray
    pool_inflow: np.ndarray
    reserve_inflow: np.ndarray
    federal: np.ndarray
    median: np.ndarray
    queue: np.ndarray
    spare: np.ndarray
    queued: np.ndarray
    ledger: np.ndarray


class Events(NamedTuple):
    """Adoptions as columns of one growing list; times are instants in steps from the start, -1 where there is none.

    `count` int64[2]: events so far, and outages so far. Money columns hold whole minor units and are empty when money
    is slack. Outages: place, and the instants from which and until which its technologies are down.
    """

    place: np.ndarray
    technology: np.ndarray
    spell: np.ndarray
    wanted: np.ndarray
    adopted: np.ndarray
    operating: np.ndarray
    ended: np.ndarray
    source: np.ndarray
    guide: np.ndarray
    own: np.ndarray
    regional: np.ndarray
    federal: np.ndarray
    private: np.ndarray
    outage_place: np.ndarray
    outage_start: np.ndarray
    outage_stop: np.ndarray
    count: np.ndarray


class State(NamedTuple):
    """Everything that a month may change."""

    cells: Cells
    places: PlaceState
    regions: RegionState
    money: Money
    events: Events


QUEUE = np.dtype(
    [
        ("value", np.float64),
        ("tie", np.uint64),
        ("place", np.int32),
        ("technology", np.int32),
        ("guide", np.int32),
        ("wanted", np.int16),
        ("source", np.uint8),
    ],
    align=True,
)


def structure(scenario: Scenario) -> tuple[Structure, Network]:
    """The columns of a scenario that all its rows share, and the network they hold."""
    network = build(scenario)
    order = network.order
    return Structure(
        _places(scenario, order),
        _technologies(scenario),
        _regions(scenario, order, network),
        network.peers,
        network.leaders,
        _calendar(scenario),
        np.ascontiguousarray(np.asarray(scenario.portfolio)[order].T.astype(np.uint8)),
    ), network


def _places(scenario: Scenario, order: np.ndarray) -> Places:
    places = scenario.places
    return Places(
        identity_keys(places.id)[order],
        np.asarray(places.region, dtype=np.int32)[order],
        np.rint(np.asarray(places.population))[order].astype(np.int64),
        ~np.asarray(places.guide)[order],
        np.asarray(scenario.portfolio).any(axis=1)[order],
        np.asarray(places.divide, dtype=np.float64)[order],
        np.asarray(places.resistance, dtype=np.float64)[order],
    )


def _technologies(scenario: Scenario) -> Technologies:
    tech = scenario.technologies
    per_step = 12.0 / scenario.step
    life = np.asarray(tech.life, dtype=np.float64)
    unlocks = [[k for k, needs in enumerate(tech.requires) if j in needs] for j in range(len(tech.id))]
    requires_start, requires = _rows(tech.requires)
    unlocks_start, unlocks_flat = _rows(unlocks)
    return Technologies(
        identity_keys(tech.id),
        *(np.asarray(x, np.float64) for x in (tech.cost, tech.complexity, tech.benefit, tech.foreign_share)),
        np.rint(np.asarray(tech.lag) * per_step).astype(np.int32),
        np.where(np.isfinite(life), np.maximum(1, np.rint(np.nan_to_num(life, posinf=0) * per_step)), 0).astype(np.int32),
        *(np.asarray(x, np.float64) for x in (tech.privacy, tech.running_cost, tech.saving)),
        ~np.asarray(tech.immune),
        np.array([segment != "" for segment in tech.segment]),
        requires_start,
        requires,
        unlocks_start,
        unlocks_flat,
    )


def _rows(lists) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[no-untyped-def]
    """Lists of whole numbers as sparse rows: start int32[len + 1] and the entries int32."""
    start = np.r_[0, np.cumsum([len(row) for row in lists])].astype(np.int32)
    return start, np.array([x for row in lists for x in row], dtype=np.int32)


def _regions(scenario: Scenario, order: np.ndarray, network: Network) -> Regions:
    regions = scenario.regions
    region = np.asarray(scenario.places.region)[order]
    # canonical order runs through regions by id; `start` is indexed by the region's row in the table
    rows = len(regions.id)
    start = np.zeros((rows, 2), dtype=np.int64)
    for r in np.unique(region):
        where = np.flatnonzero(region == r)
        start[r] = where[0], where[-1] + 1
    return Regions(
        start,
        np.rint(np.nan_to_num(np.asarray(regions.population))).astype(np.int64),
        np.asarray(regions.grp, dtype=np.float64) * 1000.0,
        np.asarray(regions.industry, dtype=np.float64),
        np.asarray(regions.urban, dtype=np.float64),
        network.regions,
        np.ascontiguousarray(np.asarray(scenario.fit, dtype=np.float64).T),
    )


def _calendar(scenario: Scenario) -> Calendar:
    instants = np.array([scenario.instant(t) for t in range(scenario.steps)], dtype="datetime64[D]")
    year = instants.astype("datetime64[Y]").astype(int) + 1970
    opens = np.r_[True, year[1:] != year[:-1]] if len(year) else np.zeros(0, dtype=bool)
    base = scenario.economy.base_year
    years = np.arange(year[0], year[-1] + 1) if len(year) else np.zeros(0, dtype=int)
    return Calendar(
        scenario.step / 12.0,
        (year - (year[0] if len(year) else 0)).astype(np.int32),
        opens,
        (years - (base if base is not None else (years[0] if len(years) else 0))).astype(np.float64),
    )


def parameters(scenario: Scenario) -> np.ndarray:
    """One row of the engine's parameters, PARAMETERS[1], at the scenario's values and the fit's point estimate."""
    row = np.zeros(1, dtype=PARAMETERS)
    for key, field in FIELDS.items():
        section, name = key.split(".")
        row[field] = getattr(getattr(scenario, section), name)
    begins = scenario.sanctions.from_
    row["sanctions_from"] = math.inf if begins is None else scenario.step_of(begins)
    fit = scenario.grp_fit
    if fit is not None:
        row["b1"], row["b2"], row["loglog"] = fit.b1, fit.b2, fit.form == "loglog"
    return row


def mandates(scenario: Scenario) -> np.ndarray:
    """The scenario's mandates as MANDATES[M]: region and technology by number, steps from and until."""
    region = {name: r for r, name in enumerate(scenario.regions.id)}
    technology = {name: k for k, name in enumerate(scenario.technologies.id)}
    rows = [
        (
            region[m.region],
            technology[m.technology],
            scenario.step_of(m.from_),
            scenario.steps if m.until is None else scenario.step_of(m.until),
            m.rate,
        )
        for m in scenario.mandates
    ]
    return np.array(rows, dtype=MANDATES)


def workspace(shared: Structure, paid: bool, capacity: int | None = None) -> State:
    """Room for one row's state; `paid` says whether money may bind (else the money columns take no room)."""
    kinds, n = shared.portfolio.shape
    steps, years, rows = len(shared.calendar.year), len(shared.calendar.since_base), len(shared.regions.grp)

    def cells(dtype: type) -> np.ndarray:
        return np.zeros((kinds, n), dtype=dtype)

    def places(dtype: type) -> np.ndarray:
        return np.zeros(n, dtype=dtype)

    queue = kinds * n if paid else 0
    return State(
        Cells(
            cells(np.uint8), cells(np.float32), cells(np.float32), cells(np.int64), cells(np.int64),
            cells(np.int16), cells(np.int32), cells(np.uint8), cells(np.int32), np.zeros(kinds, np.int32),
            cells(np.int32), cells(np.uint8), cells(np.int32), np.zeros(kinds, np.int32),
            np.zeros((kinds, steps + 1), np.int32), np.zeros((kinds, steps + 1), np.int32), cells(np.int32),
            np.zeros(1, np.int64),
        ),
        PlaceState(
            places(np.float64), places(np.float64), places(np.int32), places(np.int32),
            places(np.float64), places(np.int32), places(np.int32), places(np.int32),
        ),
        RegionState(
            np.zeros((kinds, rows), np.uint8), np.zeros((kinds, rows), np.int64), np.zeros(rows),
            np.zeros((rows, years, len(ECONOMY))), np.ones(kinds),
        ),
        Money(
            places(np.float64), *(places(np.int64) for _ in range(6)), *(np.zeros(rows, np.int64) for _ in range(4)),
            np.zeros(2, np.int64), np.zeros(rows, np.int64), np.zeros(queue, QUEUE), np.zeros(queue, QUEUE),
            np.zeros(1, np.int64), np.zeros((rows + 1, years, len(FLOWS)), np.int64),
        ),
        event_columns(capacity or kinds * n + 1024, n + 1024, paid),
    )  # fmt: skip


def event_columns(capacity: int, outages: int, paid: bool) -> Events:
    """An empty list of events with room for `capacity` adoptions and `outages` outages."""

    def column(dtype: type, size: int = capacity) -> np.ndarray:
        return np.empty(size, dtype=dtype)

    money = capacity if paid else 0
    return Events(
        column(np.int32), column(np.int16), *(column(np.int16) for _ in range(5)), column(np.uint8), column(np.int32),
        *(column(np.int64, money) for _ in range(4)),
        column(np.int32, outages), column(np.int16, outages), column(np.int16, outages),
        np.zeros(2, np.int64),
    )  # fmt: skip


def grown(events: Events, capacity: int, outages: int) -> Events:
    """The same list of events with room for more."""
    roomier = event_columns(capacity, outages, len(events.own) > 0)
    for old, new in zip(events[:-1], roomier[:-1], strict=True):
        new[: len(old)] = old
    roomier.count[:] = events.count
    return roomier
