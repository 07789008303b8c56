"""Which places, regions, technologies and links do the tables of a scenario describe?"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.engine.sphere import morton
from sim.scenario.errors import PROBLEMS_SHOWN, InputError, Problem, nearest, shortened
from sim.scenario.schema import Settlements
from sim.scenario.tables import Column, Table

MEMORY_LIMIT = 16 * 2**30
NO_END = math.inf
MEASURE_NAMES = frozenset(("coverage", "people", "index", "large", "medium", "small", "spending", "public", "grp"))
"""What results call their measures: a technology of that name would hide one."""
SEGMENTS = ("urban_environment", "safe_city", "digital_city_management", "peoples_wellbeing", "investment_climate")
"""Segments of the IQ-city index."""
FEDERAL = frozenset(("federal",))
"""What results call the level above the regions."""


def _number(unit: str, low: float, high: float, optional: bool = False, empty: bool = False) -> Column:
    empty = empty or optional
    return Column("number", required=not optional, empty=empty, low=low, high=high, unit=unit)


_ID = Column(unique=True)
_NOTE = Column(required=False, empty=True)
_PERSONS = _number("persons", 0, 1e10, optional=True)
_BILLIONS = _number("billions of the currency", 0, 1e12, optional=True)
_RANK = _number("", 1, 1e6, optional=True)

COLUMNS: Mapping[str, Mapping[str, Column]] = {
    "places": {
        "id": _ID,
        "name": Column(),
        "name_local": _NOTE,
        "region": Column(),
        "population": _number("persons", 1, 1e9),
        "urban_population": _PERSONS,
        "lat": _number("degrees", -90, 90),
        "lon": _number("degrees", -180, 180),
        "role": _NOTE,
        "divide": _number("share", 0, 1, optional=True),
        "resistance": _number("V", 0, 20, optional=True),
        "rank": _RANK,
        "note": _NOTE,
        "source": _NOTE,
    },
    "regions": {
        "id": _ID,
        "name": Column(),
        "name_local": _NOTE,
        "population": _PERSONS,
        "urban_population": _PERSONS,
        "grp_bln": _BILLIONS,
        "industry_bln": _BILLIONS,
        "lat": _number("degrees", -90, 90, optional=True),
        "lon": _number("degrees", -180, 180, optional=True),
        "rank": _RANK,
        "use_in_fit": Column("flag", required=False, empty=True),
        "note": _NOTE,
        "source": _NOTE,
    },
    "technologies": {
        "id": _ID,
        "name": Column(),
        "domain": Column(),
        "segment": Column(empty=True),
        "cost": _number("relative", 0, 1e6),
        "complexity": _number("V", 0, 20),
        "benefit": _number("V", 0, 20),
        "foreign_share": _number("share", 0, 1),
        "lag": _number("years", 0, 100),
        "life": _number("years", 0.01, 1000, empty=True),
        "privacy": _number("V", 0, 20),
        "running_cost": _number("share of cost a year", 0, 100),
        "saving": _number("share of cost a year", 0, 100),
        "requires": Column(empty=True),
        "immune": Column("flag", empty=True),
        "basis": Column(empty=True),
        "source": Column(empty=True),
    },
    "portfolios": {"place": Column(), "technology": Column(), "source": _NOTE},
    "specialization": {
        "region": Column(),
        "domain": Column(),
        "fit": _number("1", 0, 20),
        "source": _NOTE,
    },
    "links": {
        "from": Column(),
        "to": Column(),
        "channel": Column(),
        "weight": _number("share of the row", 0, 1),
        "source": _NOTE,
    },
}


@dataclass(frozen=True, eq=False)
class Places:
    """Municipalities and guides, in canonical order (see `_canonical`); arrays are [places] and read-only.

    `divide`, `resistance` and `rank` are NaN where the table says nothing.
    """

    id: tuple[str, ...]
    name: tuple[str, ...]
    name_local: tuple[str, ...]
    region: np.ndarray
    population: np.ndarray
    latitude: np.ndarray
    longitude: np.ndarray
    guide: np.ndarray
    divide: np.ndarray
    resistance: np.ndarray
    rank: np.ndarray

    def __len__(self) -> int:
        return len(self.id)


@dataclass(frozen=True, eq=False)
class Regions:
    """Regions that have a place, in file order; arrays are float64[regions], NaN where nothing is said.

    `population` is never below that of the region's own places. `grp`, `industry`: billions of the currency.
    """

    id: tuple[str, ...]
    name: tuple[str, ...]
    population: np.ndarray
    urban: np.ndarray
    grp: np.ndarray
    industry: np.ndarray
    latitude: np.ndarray
    longitude: np.ndarray
    rank: np.ndarray

    def __len__(self) -> int:
        return len(self.id)


@dataclass(frozen=True, eq=False)
class Technologies:
    """Technologies in file order; arrays are float64[technologies]; `life` is infinite where none ends it."""

    id: tuple[str, ...]
    name: tuple[str, ...]
    domain: tuple[str, ...]
    segment: tuple[str, ...]
    cost: np.ndarray
    complexity: np.ndarray
    benefit: np.ndarray
    foreign_share: np.ndarray
    lag: np.ndarray
    life: np.ndarray
    privacy: np.ndarray
    running_cost: np.ndarray
    saving: np.ndarray
    requires: tuple[tuple[int, ...], ...]
    immune: np.ndarray

    def __len__(self) -> int:
        return len(self.id)


@dataclass(frozen=True, eq=False)
class Links:
    """Influence given beside gravity: `dst` looks at `src` with a fixed weight, a share of its row."""

    src: np.ndarray
    dst: np.ndarray
    channel: tuple[str, ...]
    weight: np.ndarray

    def __len__(self) -> int:
        return len(self.src)


@dataclass(frozen=True, eq=False)
class World:
    """All that the tables of a scenario say.

    `portfolio` is bool[places, technologies]; `fit` float64[regions, technologies], 1 where nothing is given;
    `region_lines`: (file, line) of each region.
    """

    tables: Mapping[str, Table]
    places: Places
    regions: Regions
    technologies: Technologies
    portfolio: np.ndarray
    fit: np.ndarray
    links: Links
    region_lines: tuple[tuple[str, int], ...]


def build(tables: Mapping[str, Table], wanted: Settlements | None, once: Callable[..., Any]) -> World:
    """The columns of a world from its tables; `once` (of the document) makes what policies share one time.

    Tables: those of COLUMNS, with `settlements` and `countries`, of the `wanted` kind, beside places and regions.
    Raises InputError with every problem.
    """
    paths = {name: table.path for name, table in tables.items()}
    key = ("people", wanted, paths.get("places"), paths.get("regions"))
    places, regions, lines, problems = once(key, _people, tables)
    technologies, more = once(("technologies of", paths["technologies"]), _technologies, tables["technologies"])
    problems = [*problems, *more]
    if 64 * len(places) * len(technologies) > MEMORY_LIMIT:
        raise InputError([*problems, too_large(64 * len(places) * len(technologies))])
    whole = (*key, paths["technologies"])
    portfolio = once(
        ("held", *whole, paths.get("portfolios")), _portfolio, tables.get("portfolios"), places, technologies
    )
    given = tables.get("specialization"), tables.get("regions"), regions, technologies
    fit = once(("fit", *whole, paths.get("specialization")), _fit, *given)
    links = once(("links", *whole, paths.get("links")), _links, tables.get("links"), places)
    if problems := [*problems, *portfolio[1], *fit[1], *links[1]]:
        raise InputError(problems)
    return World(dict(tables), places, regions, technologies, portfolio[0], fit[0], links[0], lines)


def _frozen(values: Any, kind: Any = np.float64) -> np.ndarray:
    array = np.asarray(values, dtype=kind)
    array.flags.writeable = False
    return array


def _stacked(tables: Iterable[Table | None]) -> dict[str, Any]:
    """The rows of several tables, one below the other, by column; `line` holds (file, line) of each row."""
    given = [table for table in tables if table is not None]
    columns: dict[str, Any] = {"line": [(table.path, int(line)) for table in given for line in table.lines]}
    for name in given[0].columns if given else ():
        parts = [table.columns[name] for table in given]
        if len(parts) == 1:  # shared, not copied: a large table
            columns[name] = parts[0]
        else:
            columns[name] = sum(parts, ()) if isinstance(parts[0], tuple) else np.concatenate(parts)
    return columns


def _people(tables: Mapping[str, Table]) -> tuple[Places, Regions, tuple[Any, ...], list[Problem]]:
    """Places, the regions that have one, these regions' lines; and ids that do not fit."""
    problems: list[Problem] = []
    rows = _stacked([tables.get("places"), tables.get("settlements")])
    countries = _stacked([tables.get("regions"), tables.get("countries")])
    problems += _id_problems(rows["id"], rows["line"])
    problems += _id_problems(countries["id"], countries["line"], FEDERAL)
    index = {name: row for row, name in enumerate(countries["id"])}
    region, found = _found(rows["region"], index, "region", rows["line"])
    problems += found
    role_problems = [
        _at(rows["line"][row], "role", f"{role!r} is not a role", "member, guide or nothing")
        for row, role in enumerate(rows["role"])
        if role not in ("", "member", "guide")
    ]
    problems += shortened(role_problems)
    guide = np.array([role == "guide" for role in rows["role"]], dtype=bool)
    if guide.all():
        problems.append(Problem(rows["line"][0][0], 1, "role", "there is no municipality", "at least one member"))
    if problems:
        region = np.maximum(region, 0)
    # a table of all regions serves a scenario of some: those without a place are left out
    used = np.unique(region)
    place_region = np.searchsorted(used, region)
    order = _canonical(rows, place_region, [countries["id"][row] for row in used])
    places = Places(
        id=tuple(rows["id"][row] for row in order),
        name=tuple(rows["name"][row] for row in order),
        name_local=tuple(rows["name_local"][row] for row in order),
        region=_frozen(place_region[order], np.int32),
        latitude=_frozen(rows["lat"][order]),
        longitude=_frozen(rows["lon"][order]),
        guide=_frozen(guide[order], bool),
        population=_frozen(rows["population"][order]),
        divide=_frozen(rows["divide"][order]),
        resistance=_frozen(rows["resistance"][order]),
        rank=_frozen(rows["rank"][order]),
    )
    return places, _regions(countries, used, places), tuple(countries["line"][row] for row in used), problems


def _canonical(rows: Mapping[str, Any], region: np.ndarray, regions: list[str]) -> np.ndarray:
    """Rows of places by region id, then along a space-filling curve, then by id: int64[n].

    It depends on nothing but the places themselves, so that reordering a table changes nothing; the places of a region
    stand together, and neighbours lie close in memory.
    """
    rank = np.argsort(np.argsort(regions))
    return np.lexsort((np.asarray(rows["id"]), morton(rows["lat"], rows["lon"]), rank[region]))


def _regions(rows: Mapping[str, Any], used: np.ndarray, places: Places) -> Regions:
    """The rows of the regions in use; a region has at least the people of its own places."""
    urban = rows["urban_population"][used]
    # shares of a region's people must not exceed 1, whatever its row says
    inside = np.bincount(places.region, weights=places.population, minlength=len(used))
    given = rows["population"][used]
    population = np.fmax(np.where(np.isnan(given), urban, given), inside)
    others = ("grp_bln", "industry_bln", "lat", "lon", "rank")
    return Regions(
        tuple(rows["id"][row] for row in used),
        tuple(rows["name"][row] for row in used),
        _frozen(population),
        _frozen(urban),
        *(_frozen(rows[name][used]) for name in others),
    )


def _id_problems(
    ids: tuple[str, ...], lines: list[tuple[str, int]], taken: frozenset[str] = frozenset()
) -> list[Problem]:
    """Ids that lists, keys and other tables could not hold, that two tables both have, or that are `taken`."""
    allowed = "no space, comma, semicolon or quote"
    sound = re.compile(r"[^\s,;\"'`]{1,80}").fullmatch
    wrong = [row for row, name in enumerate(ids) if not sound(name)]
    problems = [_at(lines[row], "id", f"{ids[row][:80]!r} is not an id", allowed) for row in wrong]
    for row, name in enumerate(ids) if taken else ():
        if name in taken:
            message = f"the id {name!r} has a meaning of its own in results"
            problems.append(_at(lines[row], "id", message, "any other id"))
    if len(set(ids)) < len(ids):
        seen: set[str] = set()
        for row, name in enumerate(ids):
            if name in seen:
                problems.append(_at(lines[row], "id", f"{name!r} is there twice", "each value once"))
            seen.add(name)
    return shortened(problems)


def _found(
    values: tuple[str, ...], index: Mapping[str, int], key: str, lines: list[tuple[str, int]]
) -> tuple[np.ndarray, list[Problem]]:
    """Row of each id, int64; -1 and a problem for one that no table has."""
    noun = {"from": "place", "to": "place", "requires": "technology"}.get(key, key)
    rows = np.array([index.get(value, -1) for value in values], dtype=np.int64)
    wrong = np.flatnonzero(rows < 0)
    problems = [
        _at(lines[row], key, f"{values[row]!r} is no {noun} of this scenario", "", nearest(values[row], index))
        for row in wrong[:PROBLEMS_SHOWN]
    ]
    if len(wrong) > PROBLEMS_SHOWN:
        others = f"and {len(wrong) - PROBLEMS_SHOWN} more of the kind"
        problems.append(_at(lines[wrong[PROBLEMS_SHOWN]], key, others))
    return rows, problems


def _at(line: tuple[str, int], key: str, message: str, allowed: str = "", close: str = "") -> Problem:
    return Problem(line[0], line[1], key, message, allowed, close)


def _lines(table: Table) -> list[tuple[str, int]]:
    return [(table.path, int(line)) for line in table.lines]


def _technologies(table: Table) -> tuple[Technologies, list[Problem]]:
    rows = table.columns
    problems = _id_problems(rows["id"], _lines(table), MEASURE_NAMES)
    for name, line in zip(rows["segment"], _lines(table), strict=True):
        if name and name not in SEGMENTS:
            allowed = f"{', '.join(SEGMENTS)}, or an empty cell: not counted"
            problems.append(_at(line, "segment", f"{name!r} is no segment", allowed, nearest(name, SEGMENTS)))
    numbers = ("cost", "complexity", "benefit", "foreign_share", "lag", "privacy", "running_cost", "saving")
    found = Technologies(
        life=_frozen(np.where(np.isnan(rows["life"]), NO_END, rows["life"])),
        requires=_requires(table, problems),
        immune=_frozen(rows["immune"], bool),
        id=rows["id"],
        name=rows["name"],
        domain=rows["domain"],
        segment=rows["segment"],
        **{name: _frozen(rows[name]) for name in numbers},
    )
    return found, problems


def _requires(table: Table, problems: list[Problem]) -> tuple[tuple[int, ...], ...]:
    """Row numbers of the technologies that each one requires; none may require itself, however far."""
    index = {name: row for row, name in enumerate(table.columns["id"])}
    lines = _lines(table)
    before = len(problems)
    required = []
    for row, cell in enumerate(table.columns["requires"]):
        names = tuple(name.strip() for name in cell.split(";") if name.strip())
        others, found = _found(names, index, "requires", [lines[row]] * len(names))
        problems += found
        required.append(tuple(sorted({int(other) for other in others})))
    if len(problems) == before:
        for row in _in_circles(required):
            name = table.columns["id"][row]
            problems.append(_at(lines[row], "requires", f"{name!r} requires itself in the end", "no circle"))
    return tuple(required)


def _in_circles(required: list[tuple[int, ...]]) -> list[int]:
    """Those left when what requires nothing that is left is taken away again and again."""
    # what requires nothing that is left can come; those that never can require each other
    left = set(range(len(required)))
    while free := {row for row in left if not left.intersection(required[row])}:
        left -= free
    return sorted(left)


def _portfolio(table: Table | None, places: Places, technologies: Technologies) -> tuple[np.ndarray, list[Problem]]:
    """What places have at the start, bool[places, technologies]."""
    problems: list[Problem] = []
    portfolio = np.zeros((len(places), len(technologies)), dtype=bool)
    if table is not None:
        lines = _lines(table)
        place, unknown = _found(table.columns["place"], _index(places.id), "place", lines)
        names = table.columns["technology"]
        technology, unknown_too = _found(names, _index(technologies.id), "technology", lines)
        problems += unknown + unknown_too
        problems += _repeated(zip(place.tolist(), technology.tolist(), strict=True), lines, "technology")
        portfolio[place, technology] = True
    portfolio.flags.writeable = False
    return portfolio, problems


def _index(ids: tuple[str, ...]) -> dict[str, int]:
    return {name: row for row, name in enumerate(ids)}


def _repeated(rows: Iterable[tuple[Any, ...]], lines: list[tuple[str, int]], key: str) -> list[Problem]:
    seen: set[tuple[Any, ...]] = set()
    problems = []
    for row, line in zip(rows, lines, strict=True):
        if row in seen and -1 not in row:
            problems.append(_at(line, key, "this row is there twice", "each pair once"))
        seen.add(row)
    return shortened(problems)


def _fit(
    table: Table | None,
    known: Table | None,
    regions: Regions,
    technologies: Technologies,
) -> tuple[np.ndarray, list[Problem]]:
    """Specialization by region and technology; rows of regions without a place are ignored."""
    problems: list[Problem] = []
    fit = np.ones((len(regions), len(technologies)))
    if table is not None:
        lines, index = _lines(table), _index(regions.id)
        others = known.columns["id"] if known is not None else ()
        everywhere = _index((*regions.id, *(name for name in others if name not in index)))
        region, unknown = _found(table.columns["region"], everywhere, "region", lines)
        domains = _index(tuple(dict.fromkeys(technologies.domain)))
        domain, unknown_too = _found(table.columns["domain"], domains, "domain", lines)
        problems += unknown + unknown_too
        problems += _repeated(zip(region.tolist(), domain.tolist(), strict=True), lines, "domain")
        own = np.array([domains[name] for name in technologies.domain], dtype=np.int64)
        for row in np.flatnonzero((region >= 0) & (region < len(regions))):
            fit[region[row], own == domain[row]] = table.columns["fit"][row]
    fit.flags.writeable = False
    return fit, problems


def _links(table: Table | None, places: Places) -> tuple[Links, list[Problem]]:
    """Links of influence; a row's given weights may not exceed 1, and guides look at nobody."""
    if table is None:
        return Links(_frozen([], np.int32), _frozen([], np.int32), (), _frozen([])), []
    lines, index = _lines(table), _index(places.id)
    src, unknown = _found(table.columns["from"], index, "from", lines)
    dst, unknown_too = _found(table.columns["to"], index, "to", lines)
    problems = unknown + unknown_too
    channel, weight = table.columns["channel"], table.columns["weight"]
    found = []
    total: dict[tuple[int, str], float] = {}
    for row, (source, target, name) in enumerate(zip(src.tolist(), dst.tolist(), channel, strict=True)):
        total[target, name] = total.get((target, name), 0.0) + float(weight[row])
        key, message, allowed = _link_problem(source, target, name, places)
        if not message and target >= 0 and total[target, name] > 1 + 1e-9:
            key, message = (
                "weight",
                f"the weights of {places.id[target]!r} as a listener add up to more than 1",
            )
            allowed = "a sum of at most 1 for each listener and channel"
        if message:
            found.append(_at(lines[row], key, message, allowed))
    problems += shortened(found)
    problems += _repeated(zip(src.tolist(), dst.tolist(), channel, strict=True), lines, "to")
    return Links(_frozen(src, np.int32), _frozen(dst, np.int32), channel, _frozen(weight)), problems


def _link_problem(source: int, target: int, channel: str, places: Places) -> tuple[str, str, str]:
    """Column, fault and what is allowed for one link; empty texts for a sound one."""
    if channel not in ("peers", "leaders"):
        return "channel", f"{channel!r} is not a channel", "peers or leaders"
    if source < 0 or target < 0:
        return "", "", ""
    if source == target or places.guide[target]:
        fault = "is a guide and looks at nobody" if places.guide[target] else "looks at itself"
        return "to", f"{places.id[target]!r} {fault}", "another municipality"
    together = bool(places.region[source] == places.region[target])
    if together != (channel == "peers"):
        right = "peers, for places of one region" if together else "leaders, for places of different regions"
        return "channel", f"{channel} are places of {'other regions' if together else 'one region'}", right
    return "", "", ""


def memory(world: World, steps: int, neighbours: int) -> int:
    """Bytes that a run will need, roughly: cells, influence links, and the record of each step."""
    # measured: 64 bytes a cell, and 48 a link in both directions with what sorting them takes
    cells = len(world.places) * len(world.technologies)
    sizes = np.bincount(world.places.region)
    peers = int(np.minimum(sizes - 1, neighbours) @ sizes)
    leaders = len(world.places) * min(int(world.portfolio.any(axis=1).sum()), neighbours)
    return 64 * cells + 48 * (peers + leaders) + 8 * steps * len(world.technologies) * (len(world.regions) + 8)


def too_large(size: int) -> Problem:
    """The problem of a scenario that would need more memory than is allowed."""
    message = f"the scenario is too large: a run would need about {size / 2**30:,.0f} GB"
    return Problem("", 0, "", message, f"up to {MEMORY_LIMIT / 2**30:g} GB")
