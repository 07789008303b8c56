"""What the engine works on: a scenario as columns, a row of parameters, and the columns that a month changes.

Columns are NumPy arrays, often of records, so that `cells(state)[k, i].status` reads like an agent's property. The
compiled code gets them as one record of addresses, `Structure.record` and `State.record` (`compiled.column` says why).
Cells are [technology][place], since adoption is arithmetic along one technology at a time. Places are in the canonical
order of `network.build`. Everything whose sum could depend on the order of addition is a whole number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.engine.compiling import column
from sim.engine.draws import identity_keys
from sim.engine.network import LINK, Channel, Network, build

if TYPE_CHECKING:
    from sim.scenario.scenario import Scenario

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
FLOWS = (
    "own_inflow", "regional_inflow", "federal_inflow", "granted", "saved",
    "own_spent", "regional_spent", "federal_spent", "private_spent",
    "running_paid", "fees_paid", "arrears", "balance", "unpaid",
)  # fmt: skip
"""Columns of the yearly ledger: flows within the year, and at its end arrears, balances and entries that wait."""
ECONOMY = ("grp", "industry", "urban", "share")
"""Columns of the yearly table: billions, billions, persons, population-weighted share of technologies operating."""


def _record(**columns: Any) -> np.dtype:
    return np.dtype(list(columns.items()), align=True)


_F, _I, _L, _U, _W, _B, _S = np.float64, np.int32, np.int64, np.uint64, np.uint32, np.uint8, np.int16

PARAMETERS = _record(**dict.fromkeys((*FIELDS.values(), *_DERIVED), _F))
MANDATES = _record(region=_I, technology=_I, start=_I, stop=_I, rate=_F)
PLACE = _record(
    key=_U, population=_L, divide=_F, resistance=_F, region=_I, member=_B, leader=_B,
    peers_in=(_I, 2), peers_out=(_I, 2), leaders_in=(_I, 2), leaders_out=(_I, 2),
)  # fmt: skip
"""A place as it is given; peers_in and the like bound its rows in the lists of links."""
TECHNOLOGY = _record(
    key=_U, cost=_F, complexity=_F, benefit=_F, foreign_share=_F, privacy=_F, running=_F, saving=_F,
    lag=_I, life=_I, exposed=_B, counted=_B, requires=(_I, 2), unlocks=(_I, 2),
)  # fmt: skip
"""A technology as given; lag and life in steps (life 0: no end); `exposed` to incidents, `counted` in the index."""
REGION = _record(start=_L, stop=_L, members=_L, population=_L, grp=_F, industry=_F, urban=_F)
STEP = _record(year=_I, opens=_B)
CELL = _record(status=_B, stale=_B, lacking=_B)
"""One technology at one place: what is read of others at each adoption, so small that a million of them stay in the
processor's caches. `lacking`: how many prerequisites do not operate there."""
SEEN = _record(peers=_W, leaders=_W)
"""A cell's exposures, in units of 2**-31."""
SPELL = _record(event=_I, number=_S)
"""A cell's spell: its number, from 1, and the event that is its adoption."""
WANT = _record(place=_I, guide=_I, source=_B)
LINE = _record(supply=_F, stale=_I, wants=_I, unsettled=_B)
"""What changes about a technology: its supply, how many cells are stale or wanted, whether a platform may open."""
TOWN = _record(
    capacity=_F, divide=_F, resistance=_F, external=_F, region=_I, distrust_until=_I,
    size=_F, clock=_F, down_until=_I, incidents=_I, exposed=_I, counted=_I,
)  # fmt: skip
"""What decides about a place in this row, what a hazard needs first: of a large country most of it is out of reach of
the processor's caches, and each line of memory counts. Then its incidents and how many technologies operate."""
PURSE = _record(
    balance=_L, arrears=_L, inflow=_L, due=_L, fee_due=_L, saved=_L, running=_L, fee=_L, saving=_L,
)  # fmt: skip
"""A place's money in minor units: `running`, `fee` and `saving` are a year's; a step's are `due` (running costs and
fees), `fee_due` and `saved`."""
AREA = _record(start_share=_F, pool=_L, reserve=_L, pool_inflow=_L, reserve_inflow=_L, median=_L)
"""What changes about a region; `tally` int32[R, K + 1] counts its municipalities by how many technologies operate."""
PLATE = _record(operating=_I, platform=_B)
"""One technology in one region: municipalities operating it, and whether it is a platform."""
QUEUE = _record(value=_F, tie=_U, least=_L, place=_I, technology=_I, guide=_I, wanted=_S, source=_B)
EVENT = _record(place=_I, guide=_I, technology=_S, spell=_S, wanted=_S, adopted=_S, operating=_S, ended=_S, source=_B)
"""An adoption; times are instants in steps from the start, -1 where there is none. What starts or ends on one day hangs
together: `following` int32[events] is the next event of the day."""
PAYMENT = _record(own=_L, regional=_L, federal=_L, private=_L)
OUTAGE = _record(place=_I, start=_S, stop=_S)

_DIMENSIONS = ("places_count", "kinds", "regions_count", "steps", "years_count", "days", "budgets_count", "levels")
_SHARED = ("places", "technologies", "requires", "unlocks", "regions", "region_links", "fit", "peers_in", "peers_out",
           "leaders_in", "leaders_out", "calendar", "since_base", "portfolio")  # fmt: skip
_STATE = ("cells", "seen", "spells", "remaining", "rates", "stale", "wants", "lines", "starts", "ends", "towns",
          "purses", "areas", "tally", "plates", "table", "ledger", "queue", "spare", "events", "following",
          "payments", "outages")  # fmt: skip
SHARED_RECORD = _record(
    **dict.fromkeys(_SHARED, _U),
    **dict.fromkeys(_DIMENSIONS, _L),
    step=_F,
    counted_kinds=_L,
    exposed_kinds=_L,
    first_year=_L,
)
STATE_RECORD = _record(
    **dict.fromkeys(_STATE, _U),
    **dict.fromkeys(_DIMENSIONS, _L),
    **dict.fromkeys(("event_room", "outage_room", "queue_room", "spare_room", "paid"), _L),
    **dict.fromkeys(("event_count", "outage_count", "waiting", "queued", "federal", "federal_inflow"), _L),
)


# The columns by name, for compiled code: places(shared) is an array PLACE[n], cells(state) CELL[K, n], and so on

_MANY = 1 << 40  # lists whose parts are bounded elsewhere
places = column("places", PLACE, "places_count")
technologies = column("technologies", TECHNOLOGY, "kinds")
requires = column("requires", np.int32, _MANY)
unlocks = column("unlocks", np.int32, _MANY)
regions = column("regions", REGION, "regions_count")
region_links = column("region_links", np.int64, "regions_count", "regions_count")
fit = column("fit", np.float64, "kinds", "regions_count")
peers_in = column("peers_in", LINK, _MANY)
peers_out = column("peers_out", LINK, _MANY)
leaders_in = column("leaders_in", LINK, _MANY)
leaders_out = column("leaders_out", LINK, _MANY)
calendar = column("calendar", STEP, "steps")
since_base = column("since_base", np.float64, "years_count")
portfolio = column("portfolio", np.uint8, "kinds", "places_count")

cells = column("cells", CELL, "kinds", "places_count")
seen = column("seen", SEEN, "kinds", "places_count")
spells = column("spells", SPELL, "kinds", "places_count")
remaining = column("remaining", np.float32, "kinds", "places_count")
rates = column("rates", np.float32, "kinds", "places_count")
all_remaining = column("remaining", np.float32, _MANY)
all_rates = column("rates", np.float32, _MANY)
stale = column("stale", np.int32, "kinds", "places_count")
wants = column("wants", WANT, "kinds", "places_count")
lines = column("lines", LINE, "kinds")
starts = column("starts", np.int32, "kinds", "days")
ends = column("ends", np.int32, "kinds", "days")
towns = column("towns", TOWN, "places_count")
purses = column("purses", PURSE, "places_count")
areas = column("areas", AREA, "regions_count")
tally = column("tally", np.int32, "regions_count", "levels")
plates = column("plates", PLATE, "kinds", "regions_count")
table = column("table", np.float64, "regions_count", "years_count", len(ECONOMY))
ledger = column("ledger", np.int64, "budgets_count", "years_count", len(FLOWS))
queue_of = column("queue", QUEUE, "queue_room")
spare = column("spare", QUEUE, "spare_room")
events = column("events", EVENT, "event_room")
following = column("following", np.int32, "event_room")
payments = column("payments", PAYMENT, "event_room")
outages = column("outages", OUTAGE, "outage_room")


# The columns in Python


@dataclass(frozen=True)
class Structure:
    """All that the rows of one batch share; `record` SHARED_RECORD[1] holds addresses. Shapes: see the accessors."""

    places: np.ndarray
    technologies: np.ndarray
    requires: np.ndarray
    unlocks: np.ndarray
    regions: np.ndarray
    region_links: np.ndarray
    fit: np.ndarray
    peers_in: np.ndarray
    peers_out: np.ndarray
    leaders_in: np.ndarray
    leaders_out: np.ndarray
    calendar: np.ndarray
    since_base: np.ndarray
    portfolio: np.ndarray
    record: np.ndarray
    network: Network

    @property
    def shape(self) -> tuple[int, int, int, int, int]:
        """Places, technologies, regions, steps, years."""
        kinds, count = self.portfolio.shape
        return count, kinds, len(self.regions), len(self.calendar), len(self.since_base)


@dataclass
class State:
    """Everything that a month may change; `record` STATE_RECORD[1] holds addresses and counters."""

    cells: np.ndarray
    seen: np.ndarray
    spells: np.ndarray
    remaining: np.ndarray
    rates: np.ndarray
    stale: np.ndarray
    wants: np.ndarray
    lines: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    towns: np.ndarray
    purses: np.ndarray
    areas: np.ndarray
    tally: np.ndarray
    plates: np.ndarray
    table: np.ndarray
    ledger: np.ndarray
    queue: np.ndarray
    spare: np.ndarray
    events: np.ndarray
    following: np.ndarray
    payments: np.ndarray
    outages: np.ndarray
    record: np.ndarray

    def grow(self, events: int, outages: int) -> None:
        """Make room for more events and outages; what is there stays."""
        used, down = int(self.record["event_count"][0]), int(self.record["outage_count"][0])
        self.events = _longer(self.events, events, used)
        self.following = _longer(self.following, events, used)
        self.outages = _longer(self.outages, outages, down)
        if self.record["paid"][0]:
            self.payments = _longer(self.payments, events, used)
        _address(self, self.record)
        self.record["event_room"], self.record["outage_room"] = len(self.events), len(self.outages)


def _longer(column: np.ndarray, length: int, used: int) -> np.ndarray:
    longer = np.empty(max(length, len(column)), dtype=column.dtype)
    longer[:used].view(np.uint8)[:] = column[:used].view(np.uint8)  # as bytes: records with gaps copy slowly
    return longer


def _address(columns: Structure | State, record: np.ndarray) -> None:
    """Write the columns' addresses into their record; the owner keeps the columns alive."""
    for field in fields(columns):
        if field.name in (record.dtype.names or ()):
            record[field.name] = getattr(columns, field.name).ctypes.data


def _measure(record: np.ndarray, shape: tuple[int, int, int, int, int]) -> None:
    """Write the lengths of the columns into their record."""
    _, kinds, areas, steps, _ = shape
    for name, size in zip(_DIMENSIONS, (*shape, steps + 1, areas + 1, kinds + 1), strict=True):
        record[name] = size


def structure(scenario: Scenario) -> Structure:
    """The columns of a scenario that all its rows share."""
    network = build(scenario)
    order = network.order
    requirements = scenario.technologies.requires
    unlocking = [
        [k for k, needs in enumerate(requirements) if j in needs] for j in range(len(scenario.technologies.id))
    ]
    requires_bounds, requires_list = _sparse(requirements)
    unlocks_bounds, unlocks_list = _sparse(unlocking)
    tech = _technologies(scenario)
    tech["requires"], tech["unlocks"] = requires_bounds, unlocks_bounds
    place = _places(scenario, order)
    lists = {}
    for name, channel in (("peers", network.peers), ("leaders", network.leaders)):
        place[f"{name}_in"], place[f"{name}_out"] = channel.inward_bounds, channel.outward_bounds
        lists[f"{name}_in"], lists[f"{name}_out"] = channel.inward, channel.outward
    steps, years = _calendar(scenario)
    shared = Structure(
        place,
        tech,
        requires_list,
        unlocks_list,
        _regions(scenario, order),
        np.ascontiguousarray(network.regions),
        np.ascontiguousarray(np.asarray(scenario.fit, dtype=np.float64).T),
        **lists,
        calendar=steps,
        since_base=years,
        portfolio=np.ascontiguousarray(np.asarray(scenario.portfolio)[order].T.astype(np.uint8)),
        record=np.zeros(1, SHARED_RECORD),
        network=network,
    )
    _address(shared, shared.record)
    _measure(shared.record, shared.shape)
    shared.record["step"], shared.record["first_year"] = scenario.step / 12.0, scenario.start.year
    shared.record["counted_kinds"], shared.record["exposed_kinds"] = tech["counted"].sum(), tech["exposed"].sum()
    return shared


def rewired(shared: Structure, peers: Channel) -> Structure:
    """A structure in which other links carry what peers do: `peers` as from `network.sparse_rows`, canonical places."""
    place = shared.places.copy()
    place["peers_in"], place["peers_out"] = peers.inward_bounds, peers.outward_bounds
    changed = replace(
        shared, places=place, peers_in=peers.inward, peers_out=peers.outward, record=shared.record.copy(),
        network=replace(shared.network, peers=peers),
    )  # fmt: skip
    _address(changed, changed.record)
    return changed


def _sparse(lists: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Lists of whole numbers as one list int32 and the bounds of each, int32[len, 2]."""
    stop = np.cumsum([len(row) for row in lists]).astype(np.int32)
    bounds = np.column_stack([np.r_[0, stop[:-1]], stop])
    return bounds, np.array([x for row in lists for x in row], dtype=np.int32)


def _places(scenario: Scenario, order: np.ndarray) -> np.ndarray:
    places = scenario.places
    column = np.zeros(len(order), PLACE)
    column["key"] = identity_keys(places.id)[order]
    column["population"] = np.rint(np.asarray(places.population))[order]
    column["divide"], column["resistance"] = np.asarray(places.divide)[order], np.asarray(places.resistance)[order]
    column["region"] = np.asarray(places.region)[order]
    guides: np.ndarray = np.asarray(places.guide)[order]
    column["member"] = ~guides
    column["leader"] = np.asarray(scenario.portfolio)[order].any(axis=1)
    return column


def _technologies(scenario: Scenario) -> np.ndarray:
    tech = scenario.technologies
    per_year = 12.0 / scenario.step
    life = np.asarray(tech.life, dtype=np.float64)
    column = np.zeros(len(tech.id), TECHNOLOGY)
    column["key"] = identity_keys(tech.id)
    for name in ("cost", "complexity", "benefit", "foreign_share", "privacy", "saving"):
        column[name] = getattr(tech, name)
    column["running"] = tech.running_cost
    column["lag"] = np.rint(np.asarray(tech.lag) * per_year)
    column["life"] = np.where(
        np.isfinite(life), np.maximum(1, np.rint(np.where(np.isfinite(life), life, 0) * per_year)), 0
    )
    column["exposed"] = ~np.asarray(tech.immune)
    column["counted"] = [segment != "" for segment in tech.segment]
    return column


def _regions(scenario: Scenario, order: np.ndarray) -> np.ndarray:
    given = scenario.regions
    region = np.asarray(scenario.places.region)[order]
    column = np.zeros(len(given.id), REGION)
    for r in np.unique(region):
        where = np.flatnonzero(region == r)
        column["start"][r], column["stop"][r] = where[0], where[-1] + 1
    members = region[~np.asarray(scenario.places.guide)[order]]
    column["members"] = np.bincount(members, minlength=len(column))
    column["population"] = np.rint(np.nan_to_num(np.asarray(given.population)))
    column["grp"], column["industry"], column["urban"] = given.grp, given.industry, given.urban
    return column


def _calendar(scenario: Scenario) -> tuple[np.ndarray, np.ndarray]:
    """STEP[T], and the years from the base year to each year of the yearly table, float64[Y]."""
    instants = np.array([scenario.instant(t) for t in range(scenario.steps)], dtype="datetime64[D]")
    year = instants.astype("datetime64[Y]").astype(np.int64) + 1970
    steps = np.zeros(len(year), STEP)
    steps["year"] = year - year[0]
    steps["opens"] = np.r_[True, year[1:] != year[:-1]]
    base = scenario.economy.base_year
    years = np.arange(year[0], year[-1] + 1)
    return steps, (years - (years[0] if base is None else base)).astype(np.float64)


def parameters(scenario: Scenario) -> np.ndarray:
    """One row of the engine's parameters, PARAMETERS[1], at the scenario's values and the fit's point estimate."""
    row = np.zeros(1, dtype=PARAMETERS)
    for key, field in FIELDS.items():
        section, name = key.split(".")
        row[field] = getattr(getattr(scenario, section), name)
    begins = scenario.sanctions.from_
    row["sanctions_from"] = math.inf if begins is None else scenario.step_of(begins)
    fitted = scenario.grp_fit
    if fitted is not None:
        row["b1"], row["b2"], row["loglog"] = fitted.b1, fitted.b2, fitted.form == "loglog"
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


def workspace(shared: Structure, paid: bool, room: int | None = None) -> State:
    """Room for one row's state and `room` events; `paid`: money may bind (else its columns take no room)."""
    count, kinds, areas, steps, years = shared.shape
    waiting = kinds * count if paid else 0
    events_room = max(room or 0, 2 * kinds * count)  # room that nobody enters takes no memory
    state = State(
        cells=np.zeros((kinds, count), CELL),
        seen=np.zeros((kinds, count), SEEN),
        spells=np.zeros((kinds, count), SPELL),
        remaining=np.zeros((kinds, count), np.float32),
        rates=np.zeros((kinds, count), np.float32),
        stale=np.zeros((kinds, count), np.int32),
        wants=np.zeros((kinds, count), WANT),
        lines=np.zeros(kinds, LINE),
        starts=np.zeros((kinds, steps + 1), np.int32),
        ends=np.zeros((kinds, steps + 1), np.int32),
        towns=np.zeros(count, TOWN),
        purses=np.zeros(count, PURSE),
        areas=np.zeros(areas, AREA),
        tally=np.zeros((areas, kinds + 1), np.int32),
        plates=np.zeros((kinds, areas), PLATE),
        table=np.zeros((areas, years, len(ECONOMY))),
        ledger=np.zeros((areas + 1, years, len(FLOWS)), np.int64),
        queue=np.zeros(waiting, QUEUE),
        spare=np.zeros(waiting + 1, QUEUE),
        events=np.empty(events_room, EVENT),
        following=np.empty(events_room, np.int32),
        payments=np.empty(events_room if paid else 0, PAYMENT),
        outages=np.empty(2 * count + 1024, OUTAGE),
        record=np.zeros(1, STATE_RECORD),
    )
    _address(state, state.record)
    _measure(state.record, shared.shape)
    state.record["event_room"], state.record["outage_room"] = len(state.events), len(state.outages)
    state.record["queue_room"], state.record["spare_room"], state.record["paid"] = waiting, waiting + 1, paid
    return state
