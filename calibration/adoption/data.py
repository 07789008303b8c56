"""What do tables of adoption dates say? Events on a calendar, who listens to whom, exposures by the engine's push."""

from __future__ import annotations

import calendar
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from calibration.words import counted
from sim.engine.exposures import Exposures
from sim.engine.network import Channel, channel_from, sparse_rows
from sim.engine.sphere import on_sphere
from sim.scenario.errors import InputError, Problem, nearest, shortened
from sim.scenario.schema import NetworkParameters
from sim.scenario.tables import Column, read_table

DATE_WORDS = "2018-04-01, 2018-04, 2018 or 2018.25; nothing: not adopted by the end"
CELL_LIMIT = 20_000_000
NEVER = np.iinfo(np.int32).max
EVENTS = {"place": Column(), "technology": Column(), "date": Column(empty=True)}
PLACES: Mapping[str, Column] = {
    "id": Column(required=False, empty=True),
    "place": Column(required=False, empty=True),
    "region": Column(required=False, empty=True),
    "lat": Column("number", required=False, empty=True, low=-90, high=90),
    "lon": Column("number", required=False, empty=True, low=-180, high=180),
    "population": Column("number", required=False, empty=True, low=0, high=1e10),
    "leader": Column("flag", required=False, empty=True),
}
EDGES = {
    "from": Column(),
    "to": Column(),
    "weight": Column("number", required=False, empty=True, low=0),
    "channel": Column(required=False, empty=True),
}
ALLOWED_CHANNELS = ("peers", "leaders")


@dataclass(frozen=True)
class AdoptionData:
    """Adoption dates on a calendar of equal intervals; interval t is [origin + t, origin + t + 1) steps.

    `when` int32[K, n]: interval of adoption, NEVER where there is none by the end. `start` int64[K]: the interval up to
    which adopters of a technology are its initial state; risk begins with the next one. `at_risk` bool[K, n]: pairs
    that are looked at. `step` in years. `covariates` float64[n, C], standardised; `scale` float64[C] gives their units.
    """

    places: tuple[str, ...]
    technologies: tuple[str, ...]
    when: np.ndarray
    start: np.ndarray
    at_risk: np.ndarray
    intervals: int
    origin: float
    step: float
    peers: Channel
    leaders: Channel | None
    covariate_names: tuple[str, ...]
    covariates: np.ndarray
    scale: np.ndarray
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Options:
    """How to read the tables: first and last date of observation, months a step, network of the model, flags."""

    start: str | None = None
    end: str | None = None
    step: float | None = None
    covariates: tuple[str, ...] = ()
    listed_only: bool = False
    undirected: bool = False
    distance_decay: float = NetworkParameters().distance_decay
    size_exponent: float = NetworkParameters().size_exponent
    neighbours: int = NetworkParameters().neighbours


@dataclass(frozen=True)
class _Town:
    """The table of places, or the names in the events alone."""

    names: tuple[str, ...]
    region: np.ndarray
    latitude: np.ndarray
    longitude: np.ndarray
    population: np.ndarray
    leader: np.ndarray
    covariates: np.ndarray


def read(
    events: str | Path,
    places: str | Path | None = None,
    network: str | Path | None = None,
    options: Options | None = None,
) -> AdoptionData:
    """Read tables of events, places and links. Raises InputError with every problem found."""
    asked = options or Options()
    table = read_table(events, EVENTS, extra="ignore")
    notes: list[str] = []
    towns = _towns(places, asked) if places else _unknown_towns(table.columns["place"])
    if asked.covariates and not places:
        raise InputError(
            Problem("--covariates", 0, "", "covariates are columns of the table of places", "--places FILE")
        )
    rows = _rows_of(table.columns["place"], towns.names, table.path, table.lines, "place")
    technologies = tuple(dict.fromkeys(table.columns["technology"]))
    kinds = _rows_of(table.columns["technology"], technologies, table.path, table.lines, "technology")
    if len(technologies) * len(towns.names) > CELL_LIMIT:
        message = f"{len(towns.names)} places and {len(technologies)} technologies are too many"
        raise InputError(Problem(table.path, 0, "", message, f"up to {CELL_LIMIT:,} pairs"))
    _refuse_duplicates(rows, kinds, table.columns, table.lines, table.path)
    dates, step = _dates(table.columns["date"], table.path, table.lines, asked.step, notes)
    origin, first, last = _frame(dates, step, asked, table.path)
    when = np.full((len(technologies), len(towns.names)), NEVER, np.int32)
    index = np.full(len(dates), NEVER, np.int64)
    dated = np.isfinite(dates)
    index[dated] = np.maximum(_interval(dates[dated], step) - origin, 0)
    late = int((index[dated] > last).sum())
    if late:
        notes.append(f"{counted(late, 'adoption')} after the end: not adopted by then.")
    when[kinds, rows] = np.where(index > last, NEVER, index)
    listed = np.zeros(when.shape, bool)
    listed[kinds, rows] = True
    if not asked.listed_only:
        if not listed.all():
            notes.append(
                f"{(~listed).sum()} of {listed.size} pairs of place and technology are not in the table: they count as "
                "not adopted by the end (--listed-only leaves them out)."
            )
        listed[:] = True
    start = np.full(len(technologies), first) if asked.start else when.min(axis=1).astype(np.int64)
    _refuse_empty(when, start, listed, table.path, notes, bool(asked.start))
    peers, leaders = _links(network, towns, asked, notes) if network else _gravity(towns, asked, notes)
    covariates, scale = _standardised(towns.covariates, asked.covariates)
    return AdoptionData(
        towns.names, technologies, when, start, listed, last + 1, origin * step, step, peers, leaders,
        asked.covariates, covariates, scale, tuple(notes),
    )  # fmt: skip


# Places and names


def _unknown_towns(names: Sequence[str]) -> _Town:
    unique = tuple(sorted(set(names)))
    nothing = np.full(len(unique), np.nan)
    empty = np.zeros(len(unique), np.int64)
    return _Town(unique, empty, nothing, nothing, np.ones(len(unique)), empty.astype(bool), np.empty((len(unique), 0)))


def _towns(path: str | Path, asked: Options) -> _Town:
    wanted = {name: Column("number") for name in asked.covariates if name not in PLACES}
    table = read_table(path, {**PLACES, **wanted}, extra="ignore")
    ids = table.columns["id"] if any(table.columns["id"]) else table.columns["place"]
    problems = [
        Problem(table.path, int(line), "place", "is empty", "the place's name in the table of events")
        for name, line in zip(ids, table.lines, strict=True)
        if not name
    ]
    seen: dict[str, int] = {}
    for name, line in zip(ids, table.lines, strict=True):
        if name and seen.setdefault(name, int(line)) != line:
            problems.append(Problem(table.path, int(line), "place", f"{name!r} is in line {seen[name]} too"))
    for name in asked.covariates:
        values = np.asarray(table.columns[name], dtype=np.float64)
        bad = np.flatnonzero(~np.isfinite(values) | ((values <= 0) & (name == "population")))
        problems += [Problem(table.path, int(table.lines[row]), name, "has no usable value", "a number") for row in bad]
    if problems:
        raise InputError(shortened(problems))
    names = dict.fromkeys(table.columns["region"])
    numbers = {name: at for at, name in enumerate(names)}
    population = np.asarray(table.columns["population"])
    columns = [np.log(population) if name == "population" else table.columns[name] for name in asked.covariates]
    return _Town(
        tuple(ids),
        np.array([numbers[name] for name in table.columns["region"]], np.int64),
        np.asarray(table.columns["lat"]),
        np.asarray(table.columns["lon"]),
        np.where(np.isfinite(population), population, 1.0),
        np.asarray(table.columns["leader"], dtype=bool),
        np.column_stack(columns).astype(np.float64) if columns else np.empty((len(ids), 0)),
    )


def _standardised(values: np.ndarray, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Covariates with mean 0 and standard deviation 1, and the latter. Raises InputError for a constant one."""
    scale = values.std(axis=0)
    flat = [name for name, deviation in zip(names, scale, strict=True) if not deviation > 0]
    if flat:
        raise InputError(Problem("--covariates", 0, name, "is the same in all places") for name in flat)
    return (values - values.mean(axis=0)) / scale, scale


def _rows_of(names: Sequence[str], known: Sequence[str], file: str, lines: np.ndarray, key: str) -> np.ndarray:
    """Numbers of names, int64. Raises InputError for those that the table of places does not have."""
    number = {name: at for at, name in enumerate(known)}
    unknown: dict[str, list[int]] = {}
    for line, name in zip(lines.tolist(), names, strict=True):
        if name not in number:
            unknown.setdefault(name, []).append(line)
    if unknown:
        problems = []
        for name, where in islice(unknown.items(), 50):
            rows = f" ({len(where)} rows)" if len(where) > 1 else ""
            message = f"{name!r} is not in the table of places{rows}"
            problems.append(Problem(file, where[0], key, message, "", nearest(name, known)))
        raise InputError(shortened(problems))
    return np.array([number[name] for name in names], np.int64)


def _refuse_duplicates(rows: np.ndarray, kinds: np.ndarray, columns: Mapping, lines: np.ndarray, file: str) -> None:
    key = kinds * (rows.max() + 1) + rows
    order = np.argsort(key, kind="stable")
    again = np.flatnonzero(key[order][1:] == key[order][:-1])
    if len(again):
        raise InputError(
            shortened(
                [
                    Problem(
                        file, int(lines[order[at + 1]]), "place",
                        f"{columns['place'][order[at]]!r} and {columns['technology'][order[at]]!r} are in line "
                        f"{lines[order[at]]} too", "each place and technology once",
                    )
                    for at in again[:50]
                ]
            )
        )  # fmt: skip


# Dates


EARLIEST = 1000
"""The first year that is taken for one of our calendar; smaller numbers are years since some start."""


def _dates(
    texts: Sequence[str], file: str, lines: np.ndarray, step: float | None, notes: list[str]
) -> tuple[np.ndarray, float]:
    """Dates in years (NaN: none), and the calendar's step in years: a year if any date is but a year, else a month."""
    values, kinds, problems = np.full(len(texts), np.nan), set(), []
    for at, text in enumerate(texts):
        if not text:
            continue
        parsed = parse_date(text)
        if parsed is None:
            problems.append(Problem(file, int(lines[at]), "date", f"{text!r} is not a date", DATE_WORDS))
        else:
            values[at] = parsed[0]
            kinds.add(parsed[1])
    early, late = values < EARLIEST, values >= EARLIEST
    if early.any() and late.any():
        wrong = np.flatnonzero(early if early.sum() <= late.sum() else late)
        allowed = f"all dates in years of our calendar, from {EARLIEST}, or all in years since some start"
        problems += [
            Problem(file, int(lines[at]), "date", f"{texts[at]!r} is another kind of date than the others", allowed)
            for at in wrong.tolist()
        ]
    if problems:
        raise InputError(shortened(problems))
    if not kinds:
        raise InputError(Problem(file, 1, "date", "no place has adopted anything", DATE_WORDS))
    if step is None:
        step = 12.0 if kinds == {"year"} or ("year" in kinds and "decimal" not in kinds) else 1.0
        if len(kinds) > 1 and step == 12:
            notes.append("Some dates are years and others finer: all are taken as years.")
    if np.nanmax(values) < EARLIEST:
        notes.append("Dates look like numbers of years since some start; rates are per such a unit.")
    return values, step / 12.0


def parse_date(text: str) -> tuple[float, str] | None:
    """A date in years, and what it is (day, month, year, decimal); None for anything else."""
    text = text.strip()
    iso = re.fullmatch(r"(\d{4})-(\d\d)(?:-(\d\d))?(?:[T ].*)?", text, re.ASCII)
    if iso:
        year, month, day = int(iso[1]), int(iso[2]), int(iso[3] or 1)
        if not (year >= 1 and 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]):
            return None
        length = calendar.monthrange(year, month)[1]
        return year + (month - 1 + (day - 1) / length) / 12, "day" if iso[3] else "month"
    if re.fullmatch(r"\d{1,4}(\.\d+)?", text, re.ASCII):
        return float(text), "decimal" if "." in text else "year"
    return None


def _interval(dates: np.ndarray, step: float) -> np.ndarray:
    return np.floor(dates / step + 1e-6).astype(np.int64)


def _frame(dates: np.ndarray, step: float, asked: Options, file: str) -> tuple[int, int, int]:
    """First interval of the calendar, and start and end of observation counted from it."""
    found = _interval(dates[np.isfinite(dates)], step)
    limits = []
    for option, text, default in (("--start", asked.start, found.min()), ("--end", asked.end, found.max())):
        parsed = parse_date(text) if text else (0.0, "")
        if parsed is None:
            raise InputError(Problem(option, 0, "", f"{text!r} is not a date", "2018-04-01, 2018-04, 2018 or 2018.25"))
        limits.append(int(_interval(np.array([parsed[0]]), step)[0]) if text else int(default))
    if limits[1] <= limits[0] and (asked.start or asked.end):
        raise InputError(Problem("--end", 0, "", "the end of observation is not after its start", "a later date"))
    if limits[1] <= limits[0]:
        raise InputError(
            Problem(file, 0, "date", "all adoptions are at the same time", "adoptions after the first date")
        )
    return limits[0], 0, limits[1] - limits[0]


def _refuse_empty(
    when: np.ndarray, start: np.ndarray, listed: np.ndarray, file: str, notes: list[str], common: bool
) -> None:
    """Notes on technologies that say little; InputError where nothing is left to fit."""
    after = (when != NEVER) & (when > start[:, None]) & listed
    if after.sum() < 5:
        message = f"only {counted(int(after.sum()), 'adoption')} after the first date of a technology: too few to fit"
        raise InputError(Problem(file, 0, "date", message, "5 or more"))
    never = int((start == NEVER).sum())
    if never:
        notes.append(
            f"{counted(never, 'technology', 'technologies')} adopted nowhere: left out, its beginning is unknown."
        )
    if not common:
        initial = int((when == start[:, None]).sum())
        notes.append(
            f"{counted(initial, 'adoption')} at the first date of a technology: its initial state, not explained; risk "
            "begins after it (--start DATE sets one beginning for all)."
        )


# Who listens to whom


def _gravity(towns: _Town, asked: Options, notes: list[str]) -> tuple[Channel, Channel | None]:
    """The model's own weights: gravity among peers of a region, leaders of other regions."""
    n = len(towns.names)
    everybody = np.arange(n)
    rank = np.argsort(np.argsort(towns.names)).astype(np.int64)
    decay, size, neighbours = asked.distance_decay, asked.size_exponent, asked.neighbours
    located = np.isfinite(towns.latitude) & np.isfinite(towns.longitude)
    if not located.all():
        words = (
            "no coordinates and no network" if not located.any() else f"{(~located).sum()} places without coordinates"
        )
        notes.append(f"{words[0].upper()}{words[1:]}: everybody listens to all others of the region alike.")
        position, decay, neighbours = np.zeros((n, 3)), 0.0, n
        size = 0.0
    else:
        position = on_sphere(towns.latitude, towns.longitude)
    mass = np.maximum(towns.population, 1.0) ** size
    regions = np.unique(towns.region)
    alone = len(regions) == 1
    groups_peers, groups_leaders = [], []
    for region in regions:
        here = everybody[towns.region == region]
        leaders = everybody[towns.leader & ((towns.region != region) | alone)]
        groups_peers.append((here, here[~towns.leader[here]] if alone and len(leaders) else here))
        groups_leaders.append((here, leaders))
    if alone and towns.leader.any():
        notes.append("There is one region: leaders are a channel of their own, peers are the others.")
    weights = (position, mass, rank, decay, neighbours)
    nothing = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    peers = channel_from(n, groups_peers, weights, nothing)
    return peers, channel_from(n, groups_leaders, weights, nothing) if towns.leader.any() else None


def _links(path: str | Path, towns: _Town, asked: Options, notes: list[str]) -> tuple[Channel, Channel | None]:
    """Channels from an edge list; the weights of what a place listens to are scaled to a sum of 1."""
    table = read_table(path, EDGES, extra="ignore")
    source, target = (_rows_of(table.columns[key], towns.names, table.path, table.lines, key) for key in ("from", "to"))
    channel = np.array([name or "peers" for name in table.columns["channel"]])
    weight = np.asarray(table.columns["weight"])
    weight = np.where(np.isfinite(weight), weight, 1.0)
    problems = [
        Problem(
            table.path, int(table.lines[at]), "channel", f"{str(channel[at])!r} is unknown", ", ".join(ALLOWED_CHANNELS)
        )
        for at in np.flatnonzero(~np.isin(channel, ALLOWED_CHANNELS))
    ]
    if problems:
        raise InputError(shortened(problems))
    keep = (source != target) & (weight > 0)
    if not keep.all():
        notes.append(f"{counted((~keep).sum(), 'link')} of a place to itself, or of weight 0, left out.")
    source, target, weight, channel = source[keep], target[keep], weight[keep], channel[keep]
    if asked.undirected:
        source, target = np.r_[source, target], np.r_[target, source]
        weight, channel = np.r_[weight, weight], np.r_[channel, channel]
    found = [
        _row_shares(len(towns.names), *(a[channel == name] for a in (source, target, weight)))
        for name in ALLOWED_CHANNELS
    ]
    deaf = len(towns.names) - len(np.unique(target))
    if deaf:
        notes.append(
            f"{counted(deaf, 'place')} without anybody to listen to: an edge runs from who is copied to who listens."
        )
    return found[0], found[1] if (channel == "leaders").any() else None


def _row_shares(n: int, source: np.ndarray, target: np.ndarray, weight: np.ndarray) -> Channel:
    """A channel with repeated links added up and each listener's weights scaled to a sum of 1."""
    pair, at = np.unique(source * n + target, return_inverse=True)
    total = np.bincount(at, weights=weight, minlength=len(pair))
    source, target = pair // n, pair % n
    whole = np.bincount(target, weights=total, minlength=n)
    return sparse_rows(n, source, target, total / whole[target] if len(pair) else total)


# Exposure, by the engine


@dataclass(frozen=True)
class Month:
    """An interval of the calendar: technologies with somebody at risk, who is, exposures, who adopts; arrays [k, n].

    `peers`, `leaders` and `mixed` (the share of all other places that have it) are those at the interval's beginning.
    """

    t: int
    kinds: np.ndarray
    at_risk: np.ndarray
    adopts: np.ndarray
    peers: np.ndarray
    leaders: np.ndarray
    mixed: np.ndarray


def walk(data: AdoptionData) -> Iterator[Month]:
    """The intervals of the calendar in order, with exposures from the adoptions before."""
    kinds, n = data.when.shape
    exposures = Exposures(kinds, n, data.peers, data.leaders)
    order = np.argsort(data.when, axis=None, kind="stable")
    technology, place = np.divmod(order, n)
    bounds = np.searchsorted(data.when.ravel()[order], np.arange(data.intervals + 1))
    adopters = np.zeros(kinds)
    last = np.where(data.at_risk, data.when, -1).max(axis=1)
    for t in range(data.intervals):
        active = np.flatnonzero((data.start < t) & (last >= t))
        if len(active):
            when = data.when[active]
            at_risk = (when >= t) & data.at_risk[active]
            peers, leaders = exposures.of(active)
            mixed = np.broadcast_to(adopters[active, None] / max(n - 1, 1), when.shape)
            yield Month(t, active, at_risk, (when == t) & at_risk, peers, leaders, mixed)
        now = slice(bounds[t], bounds[t + 1])
        exposures.begin(technology[now], place[now])
        adopters += np.bincount(technology[now], minlength=kinds)


def date_of(data: AdoptionData, interval: float) -> float:
    """The beginning of an interval in years."""
    return data.origin + interval * data.step if math.isfinite(interval) else math.nan
