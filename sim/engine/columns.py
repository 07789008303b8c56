"""What the engine works on: each column is declared here, once, with its dtype, its shape and what it means.

Columns are NumPy arrays, often of records, so that `cells(m)[k, i].status` reads like an agent's property. What a
scenario gives is shared by all rows of a batch (`Structure`); what a month changes belongs to one row (`State`). The
compiled code gets both as **one record `m`** of addresses, sizes, counters and the row's own parameters: `m.peers` is
diffusion.peers, `cells(m)` an array (`compiling.column` says why addresses).

Cells are [technology][place], since adoption is arithmetic along one technology at a time. Places are in canonical
order (see `scenario.Places`). Everything whose sum could depend on the order of addition is a whole number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.engine import rules
from sim.engine.compiling import column
from sim.engine.draws import identity_keys
from sim.engine.network import LINK, Channel, Network, build

if TYPE_CHECKING:
    from sim.scenario.scenario import Scenario

# Names for people, and their numbers for compiled code, which knows no enumeration as an index of a column
STATUSES = ("waiting", "wanted", "installing", "operating", "down", "closed")
"""What a cell may be. A guide's cells are closed: it keeps what it has and adopts nothing."""
WAITING, WANTED, INSTALLING, OPERATING, DOWN, CLOSED = range(len(STATUSES))
SOURCES = ("initial", "external", "peers", "leaders", "platform", "mandate", "action")
INITIAL, EXTERNAL, PEERS, LEADERS, PLATFORM, MANDATE, ACTION = range(len(SOURCES))
FLOWS = (
    "own_inflow", "regional_inflow", "federal_inflow", "granted", "saved",
    "own_spent", "regional_spent", "federal_spent", "private_spent",
    "running_paid", "fees_paid", "arrears", "balance", "unpaid",
)  # fmt: skip
"""Columns of the yearly ledger: flows within the year, and at its end arrears, balances and entries that wait."""
(
    OWN_INFLOW, REGIONAL_INFLOW, FEDERAL_INFLOW, GRANTED, SAVED, OWN_SPENT, REGIONAL_SPENT, FEDERAL_SPENT,
    PRIVATE_SPENT, RUNNING_PAID, FEES_PAID, ARREARS, BALANCE, UNPAID,
) = range(len(FLOWS))  # fmt: skip
ECONOMY = ("grp", "industry", "urban", "share")
"""Columns of the yearly table: billions, billions, persons, population-weighted share of technologies operating."""
MINOR_UNITS = 100_000_000
"""Minor units (hundredths of the currency) in a million: money is counted in whole ones."""
NEVER = NOBODY = -1

_OWN = {
    "diffusion": (
        "external", "leader_factor", "peers", "leaders", "announced", "benefit_weight", "heterogeneity",
        "size_elasticity", "resistance", "divide",
    ),
    "platform": ("threshold", "cost_cut", "rate", "spillover"),
    "finance": (
        "own_share", "regional_pool", "federal_pool", "regional_share", "federal_share", "private_share", "private_fee",
        "cost_level", "cost_elasticity", "supply_premium", "renewal", "reference_population",
    ),
    "economy": ("volatility", "industry_growth", "urban_growth", "industry_gain"),
    "sanctions": ("severity", "substitution"),
    "security": ("incident_rate", "outage", "distrust"),
    "policy": ("protection", "protection_cost", "inclusion"),
}  # fmt: skip
# `m.rate` would leave open whose rate it is; all other names say it themselves
FIELDS = {
    f"{section}.{name}": f"platform_{name}" if section == "platform" else name
    for section, names in _OWN.items()
    for name in names
}
"""Dotted key of a scenario to the field of the record: the parameters that rows of one batch may differ in."""


def _record(**columns: Any) -> np.dtype:
    return np.dtype(list(columns.items()), align=True)


_F, _I, _L, _U, _W, _B, _S = np.float64, np.int32, np.int64, np.uint64, np.uint32, np.uint8, np.int16

PARAMETERS = _record(**dict.fromkeys((*FIELDS.values(), "sanctions_from", "b1", "b2", "loglog"), _F))
"""A row's parameters; `sanctions_from` is a step, b1 and b2 the coefficients of the GRP equation, `loglog` its form."""
MANDATES = _record(region=_I, technology=_I, start=_I, stop=_I, rate=_F)
"""A mandate: steps `start` to `stop` - 1, rate 1/year."""
EQUIPS = _record(place=_I, technology=_I, instant=_I)
"""An experimenter's action: a place (canonical) gets a technology before step `instant`; nobody pays."""
EVENT = _record(place=_I, guide=_I, technology=_S, spell=_S, wanted=_S, adopted=_S, operating=_S, ended=_S, source=_B)
"""An adoption; times are instants in steps from the start, -1 where there is none."""
PAYMENT = _record(own=_L, regional=_L, federal=_L, private=_L)
"""Who paid for an adoption, minor units."""
OUTAGE = _record(place=_I, start=_S, stop=_S)
"""An incident: the exposed technologies of the place are down from instant `start` to `stop`."""
_QUEUED = _record(value=_F, tie=_U, least=_L, place=_I, technology=_I, guide=_I, wanted=_S, source=_B)

_SIZES = ("places_count", "technologies_count", "regions_count", "steps", "years_count", "days", "ledgers_count",
          "levels")  # fmt: skip
_ROOMS = ("event_room", "outage_room", "queue_room", "spare_room")
_COUNTERS = ("event_count", "outage_count", "waiting", "queued", "federal", "federal_inflow")
_MANY = 1 << 40  # lists whose parts are bounded by records of other columns
_GIVEN: dict[str, tuple[Any, tuple[Any, ...]]] = {}
_CHANGING: dict[str, tuple[Any, tuple[Any, ...]]] = {}


def _given(name: str, dtype: Any, *dimensions: Any) -> Any:
    _GIVEN[name] = dtype, dimensions
    return column(name, dtype, *dimensions)


def _changing(name: str, dtype: Any, *dimensions: Any) -> Any:
    _CHANGING[name] = dtype, dimensions
    return column(name, dtype, *dimensions)


# What a scenario gives, shared by the rows of a batch

# peers_in and the like are the place's rows in the lists of links
places = _given(
    "places",
    _record(
        key=_U, population=_L, divide=_F, resistance=_F, region=_I, member=_B, leader=_B,
        peers_in=(_I, 2), peers_out=(_I, 2), leaders_in=(_I, 2), leaders_out=(_I, 2),
    ),
    "places_count",
)  # fmt: skip
# lag and life in steps (life 0: no end); `exposed` to incidents, `counted` in the index; requires, unlocks: rows below
technologies = _given(
    "technologies",
    _record(
        key=_U, cost=_F, complexity=_F, benefit=_F, foreign_share=_F, privacy=_F, running=_F, saving=_F,
        lag=_I, life=_I, exposed=_B, counted=_B, requires=(_I, 2), unlocks=(_I, 2),
    ),
    "technologies_count",
)  # fmt: skip
requires = _given("requires", _I, _MANY)
unlocks = _given("unlocks", _I, _MANY)
# places start to stop - 1 are the region's; `members` of them may adopt; grp and industry in billions, urban in persons
regions = _given(
    "regions",
    _record(start=_L, stop=_L, members=_L, population=_L, grp=_F, industry=_F, urban=_F),
    "regions_count",
)
region_links = _given("region_links", _L, "regions_count", "regions_count")  # in units of 2**-31, row listens to column
fit = _given("fit", _F, "technologies_count", "regions_count")  # how well a domain suits a region
peers_in = _given("peers_in", LINK, _MANY)
peers_out = _given("peers_out", LINK, _MANY)
leaders_in = _given("leaders_in", LINK, _MANY)
leaders_out = _given("leaders_out", LINK, _MANY)
calendar = _given("calendar", _record(year=_I, opens=_B), "steps")  # year from the first; whether the step opens it
since_base = _given("since_base", _F, "years_count")  # years from the base year of the economy
portfolio = _given("portfolio", _B, "technologies_count", "places_count")  # 1: there from the start

# What a month changes, one row's own

# A technology at a place: what is read of others at each adoption, so small that a million of them stay in the
# processor's caches. `lacking`: how many prerequisites do not operate there; `stale`: its rate must be worked out anew.
cells = _changing("cells", _record(status=_B, stale=_B, lacking=_B), "technologies_count", "places_count")
exposures = _changing("exposures", _record(peers=_W, leaders=_W), "technologies_count", "places_count")  # 2**-31
# a spell's number, from 1, and the event that is its adoption
spells = _changing("spells", _record(event=_I, number=_S), "technologies_count", "places_count")
remaining = _changing("remaining", np.float32, "technologies_count", "places_count")  # clocks, in expected adoptions
rates = _changing("rates", np.float32, "technologies_count", "places_count")  # off a clock a step, before supply
all_remaining = column("remaining", np.float32, _MANY)  # the same two as one list, for the pass over all cells
all_rates = column("rates", np.float32, _MANY)
stale = _changing(
    "stale", _I, "technologies_count", "places_count"
)  # places whose rate is stale, as many as offers say
wants = _changing("wants", _record(place=_I, guide=_I, source=_B), "technologies_count", "places_count")
# a technology as it is on offer this step: supply (1: normal), how many cells are stale or wanted, and whether a
# platform may open
offers = _changing("offers", _record(supply=_F, stale=_I, wants=_I, unsettled=_B), "technologies_count")
# events that begin or end on a day hang together: its first here, the next in `following`
starts = _changing("starts", _I, "technologies_count", "days")
ends = _changing("ends", _I, "technologies_count", "days")
# What decides about a place in this row, in the order in which a hazard needs it: of a large country most is out of
# reach of the processor's caches, and each line of memory counts. Then its incidents and how many technologies operate.
municipalities = _changing(
    "municipalities",
    _record(
        capacity=_F, divide=_F, resistance=_F, external=_F, region=_I, distrust_until=_I,
        size=_F, clock=_F, down_until=_I, incidents=_I, exposed=_I, counted=_I,
    ),
    "places_count",
)  # fmt: skip
# A place's money in minor units: `running`, `fee` and `saving` are a year's; a step's are `due` (running costs and
# fees), `fee_due` and `saved`.
budgets = _changing(
    "budgets",
    _record(balance=_L, arrears=_L, inflow=_L, due=_L, fee_due=_L, saved=_L, running=_L, fee=_L, saving=_L),
    "places_count",
)
# A region's co-financing pool and the reserve for municipalities with at most the `median` number of technologies;
# `start_share` is its share operating at the start.
funds = _changing(
    "funds",
    _record(start_share=_F, pool=_L, reserve=_L, pool_inflow=_L, reserve_inflow=_L, median=_L),
    "regions_count",
)
# a region's municipalities by how many technologies operate there: medians from counts, without sorting
operating_counts = _changing("operating_counts", _I, "regions_count", "levels")
# a technology in a region: municipalities operating it, and whether it is a platform (0, OPEN or OPENING)
platforms = _changing("platforms", _record(operating=_I, platform=_B), "technologies_count", "regions_count")
yearly = _changing("yearly", _F, "regions_count", "years_count", len(ECONOMY))
ledger = _changing("ledger", _L, "ledgers_count", "years_count", len(FLOWS))  # last row: the federal level
queue = _changing("queue", _QUEUED, "queue_room")  # who waits for money, in order of service
spare = _changing("spare", _QUEUED, "spare_room")  # this step's new entries, and a hand to sort them with
events = _changing("events", EVENT, "event_room")
following = _changing("following", _I, "event_room")
payments = _changing("payments", PAYMENT, "event_room")  # empty where money is slack
outages = _changing("outages", OUTAGE, "outage_room")
mandates = column("mandates", MANDATES, "mandates_count")  # the row's, in the batch's memory
equips = column("equips", EQUIPS, "equips_count")  # the batch's

parameters = column("parameters", _F, len(PARAMETERS.names or ()))  # the row's, inside the record itself

RECORD = _record(
    **dict.fromkeys(PARAMETERS.names or (), _F),  # first, so that a row's parameters are copied in one go
    **dict.fromkeys((*_GIVEN, *_CHANGING, "mandates", "equips", "parameters", "run"), _U),
    **dict.fromkeys((*_SIZES, *_ROOMS, *_COUNTERS), _L),
    **dict.fromkeys(
        ("counted_technologies", "exposed_technologies", "first_year", "mandates_count", "equips_count", "paid"), _L
    ),
    step=_F,
)
"""The record `m`: parameters of the row, addresses of columns, `run` the key of its draws, sizes, counters, the step
in years. `paid`: money may bind."""


@dataclass
class Columns:
    """Columns by name, and the RECORD[1] that holds their addresses; the owner keeps the columns alive."""

    columns: dict[str, np.ndarray]
    record: np.ndarray

    def __getattr__(self, name: str) -> np.ndarray:
        # only asked for what is no field; not before unpickling has set the fields
        if name == "columns" or name not in self.columns:
            raise AttributeError(name)
        return self.columns[name]

    def address(self) -> None:
        """Write where the columns are into the record."""
        for name, values in self.columns.items():
            self.record[name] = values.ctypes.data

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore from a pickle: the columns lie elsewhere now."""
        self.__dict__.update(state)
        self.address()


@dataclass
class Structure(Columns):
    """All that the rows of one batch share: the columns declared as given, and the network that links came from."""

    network: Network

    @property
    def shape(self) -> tuple[int, int, int, int, int]:
        """Places, technologies, regions, steps, years."""
        technologies, places = self.portfolio.shape
        return places, technologies, len(self.regions), len(self.calendar), len(self.since_base)


@dataclass
class State(Columns):
    """Everything that a month may change: the columns declared as changing; its record is the `m` of the engine.

    One for each thread, with the addresses of what is shared copied in.
    """

    shared: Structure

    def address(self) -> None:
        """Write where the columns are into the record, the shared ones and the row's parameters in it too."""
        super().address()
        for name, values in {**self.shared.columns, "parameters": self.record}.items():
            self.record[name] = values.ctypes.data

    def grow(self, events: int = 0, outages: int = 0) -> None:
        """Make room for so many events and outages, or for one more row's and half as many again; what is there stays.

        Addresses are written anew: columns that grow move.
        """
        places, technologies = (int(self.record[name][0]) for name in ("places_count", "technologies_count"))
        events = events or len(self.events) * 3 // 2 + places * technologies
        outages = outages or len(self.outages) * 3 // 2 + places
        used, down = int(self.record["event_count"][0]), int(self.record["outage_count"][0])
        for name in ("events", "following", "payments") if self.record["paid"][0] else ("events", "following"):
            self.columns[name] = _longer(self.columns[name], events, used)
        self.columns["outages"] = _longer(self.outages, outages, down)
        self.address()
        self.record["event_room"], self.record["outage_room"] = len(self.events), len(self.outages)


def _longer(values: np.ndarray, length: int, used: int) -> np.ndarray:
    longer = np.empty(max(length, len(values)), dtype=values.dtype)
    longer[:used].view(np.uint8)[:] = values[:used].view(np.uint8)  # as bytes: records with gaps copy slowly
    return longer


def allocate(record: np.ndarray, names: Sequence[str] = tuple(_CHANGING)) -> dict[str, np.ndarray]:
    """Columns of zeros of the sizes that a record holds; what nobody has touched takes no memory."""
    found = {}
    for name in names:
        dtype, dimensions = (_GIVEN | _CHANGING)[name]
        shape = [size if isinstance(size, int) else int(record[size][0]) for size in dimensions]
        found[name] = np.zeros(shape, dtype)
    return found


def structure(scenario: Scenario) -> Structure:
    """The columns of a scenario that all its rows share."""
    network = build(scenario)
    requirements = scenario.technologies.requires
    unlocking = [[k for k, needs in enumerate(requirements) if j in needs] for j in range(len(requirements))]
    tech = _technologies(scenario)
    place = _places(scenario)
    steps, years = _calendar(scenario)
    columns = {
        "places": place,
        "technologies": tech,
        "regions": _regions(scenario),
        "region_links": np.ascontiguousarray(network.regions),
        "fit": np.ascontiguousarray(np.asarray(scenario.fit, dtype=np.float64).T),
        "calendar": steps,
        "since_base": years,
        "portfolio": np.ascontiguousarray(np.asarray(scenario.portfolio).T.astype(np.uint8)),
    }
    for name, lists in (("requires", requirements), ("unlocks", unlocking)):
        tech[name], columns[name] = _sparse(lists)
    for name, channel in (("peers", network.peers), ("leaders", network.leaders)):
        place[f"{name}_in"], place[f"{name}_out"] = channel.inward_bounds, channel.outward_bounds
        columns[f"{name}_in"], columns[f"{name}_out"] = channel.inward, channel.outward
    shared = Structure(columns, np.zeros(1, RECORD), network)
    shared.address()
    places, technologies, regions, length, years_count = shared.shape
    # a day more than steps: the end is one; a row of the ledger more than regions: the federal level
    sizes = (places, technologies, regions, length, years_count, length + 1, regions + 1, technologies + 1)
    for name, size in zip(_SIZES, sizes, strict=True):
        shared.record[name] = size
    shared.record["step"], shared.record["first_year"] = scenario.step / 12.0, scenario.start.year
    shared.record["counted_technologies"] = tech["counted"].sum()
    shared.record["exposed_technologies"] = tech["exposed"].sum()
    return shared


def rewired(shared: Structure, peers: Channel) -> Structure:
    """A structure in which other links carry what peers do: `peers` as from `network.sparse_rows`, canonical places."""
    place = shared.places.copy()
    place["peers_in"], place["peers_out"] = peers.inward_bounds, peers.outward_bounds
    links = {"places": place, "peers_in": peers.inward, "peers_out": peers.outward}
    changed = Structure(shared.columns | links, shared.record.copy(), replace(shared.network, peers=peers))
    changed.address()
    return changed


def workspace(shared: Structure, paid: bool, room: int | None = None) -> State:
    """Room for one row's state and `room` events; `paid`: money may bind (else its columns take no room)."""
    places, technologies = shared.shape[:2]
    record = shared.record.copy()
    waiting = technologies * places if paid else 0  # every cell at once, if nobody can pay
    rooms = (max(room or 0, 2 * technologies * places), 2 * places + 1024, waiting, waiting + 1)
    for name, size in zip(_ROOMS, rooms, strict=True):
        record[name] = size
    record["paid"] = paid
    state = State(allocate(record), record, shared)
    if not paid:
        state.columns["payments"] = np.zeros(0, PAYMENT)
    state.address()
    return state


def _sparse(lists: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Lists of whole numbers as one list int32 and the bounds of each, int32[len, 2]."""
    stop = np.cumsum([len(row) for row in lists]).astype(np.int32)
    bounds = np.column_stack([np.r_[0, stop[:-1]], stop])
    return bounds, np.array([x for row in lists for x in row], dtype=np.int32)


def _places(scenario: Scenario) -> np.ndarray:
    places = scenario.places
    column = np.zeros(len(places.id), _GIVEN["places"][0])
    column["key"] = identity_keys(places.id)
    column["population"] = np.rint(places.population)
    column["divide"], column["resistance"], column["region"] = places.divide, places.resistance, places.region
    column["member"] = ~np.asarray(places.guide)
    column["leader"] = np.asarray(scenario.portfolio).any(axis=1)
    return column


def _technologies(scenario: Scenario) -> np.ndarray:
    tech = scenario.technologies
    step = scenario.step / 12.0
    life = np.asarray(tech.life, dtype=np.float64)
    ends = np.isfinite(life)
    column = np.zeros(len(tech.id), _GIVEN["technologies"][0])
    column["key"] = identity_keys(tech.id)
    for name in ("cost", "complexity", "benefit", "foreign_share", "privacy", "saving"):
        column[name] = getattr(tech, name)
    column["running"] = tech.running_cost
    column["lag"] = rules.whole_steps(np.asarray(tech.lag), step)
    column["life"][ends] = rules.lifetime(life[ends], step)
    column["exposed"] = ~np.asarray(tech.immune)
    column["counted"] = [segment != "" for segment in tech.segment]
    return column


def _regions(scenario: Scenario) -> np.ndarray:
    given, region = scenario.regions, np.asarray(scenario.places.region)
    column = np.zeros(len(given.id), _GIVEN["regions"][0])
    for r in np.unique(region):
        where = np.flatnonzero(region == r)
        column["start"][r], column["stop"][r] = where[0], where[-1] + 1
    column["members"] = np.bincount(region[~np.asarray(scenario.places.guide)], minlength=len(column))
    column["population"] = np.rint(np.nan_to_num(np.asarray(given.population)))
    column["grp"], column["industry"], column["urban"] = given.grp, given.industry, given.urban
    return column


def _calendar(scenario: Scenario) -> tuple[np.ndarray, np.ndarray]:
    """The calendar by step [T], and the years from the base year to each year of the yearly table, float64[Y]."""
    instants = np.array([scenario.instant(t) for t in range(scenario.steps)], dtype="datetime64[D]")
    year = instants.astype("datetime64[Y]").astype(np.int64) + 1970
    steps = np.zeros(len(year), _GIVEN["calendar"][0])
    steps["year"] = year - year[0]
    steps["opens"] = np.r_[True, year[1:] != year[:-1]]
    base = scenario.economy.base_year
    years = np.arange(year[0], year[-1] + 1)
    return steps, (years - (years[0] if base is None else base)).astype(np.float64)


def parameters_of(scenario: Scenario) -> np.ndarray:
    """One row of the engine's parameters, PARAMETERS[1], at the scenario's values and the fit's point estimate."""
    row = np.zeros(1, dtype=PARAMETERS)
    for key, field in FIELDS.items():
        row[field] = scenario[key]
    begins = scenario.sanctions.from_
    row["sanctions_from"] = math.inf if begins is None else scenario.step_of(begins)
    fitted = scenario.grp_fit
    if fitted is not None:
        row["b1"], row["b2"], row["loglog"] = fitted.b1, fitted.b2, fitted.form == "loglog"
    return row


def mandates_of(scenario: Scenario) -> np.ndarray:
    """The scenario's mandates as MANDATES[M]: region and technology by number, steps from and until."""
    region = {name: r for r, name in enumerate(scenario.regions.id)}
    technology = {name: k for k, name in enumerate(scenario.technologies.id)}
    rows = []
    for m in scenario.mandates:
        until = scenario.steps if m.until is None else scenario.step_of(m.until)
        rows.append((region[m.region], technology[m.technology], scenario.step_of(m.from_), until, m.rate))
    return np.array(rows, dtype=MANDATES)
