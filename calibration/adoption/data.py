"""What do tables of adoption dates say? Who adopted what in which interval, and what all others saw of it then."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from calibration.adoption.channels import gravity, read_links
from calibration.adoption.dates import frame_of, interval_of, read_dates
from calibration.adoption.places import Options, places_of_events, read_places, rows_of, standardised
from calibration.words import counted
from sim.engine.exposures import Exposures
from sim.engine.network import Channel
from sim.scenario.errors import InputError, Problem, refused, shortened
from sim.scenario.tables import Column, read_table

CELL_LIMIT = 20_000_000
NEVER = np.iinfo(np.int32).max
EVENTS = {"place": Column(), "technology": Column(), "date": Column(empty=True)}


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
    known = read_places(places, asked) if places else places_of_events(table.columns["place"])
    if asked.covariates and not places:
        raise refused("--covariates", "covariates are columns of the table of places", "--places FILE")
    rows = rows_of(table.columns["place"], known.names, table.path, table.lines, "place")
    technologies = tuple(dict.fromkeys(table.columns["technology"]))
    kinds = rows_of(table.columns["technology"], technologies, table.path, table.lines, "technology")
    if len(technologies) * len(known.names) > CELL_LIMIT:
        message = f"{len(known.names)} places and {len(technologies)} technologies are too many"
        raise InputError(Problem(table.path, 0, "", message, f"up to {CELL_LIMIT:,} pairs"))
    _refuse_duplicates(rows, kinds, table.columns, table.lines, table.path)
    dates, step = read_dates(table.columns["date"], table.path, table.lines, asked.step, notes)
    origin, first, last = frame_of(dates, step, asked, table.path)
    when = np.full((len(technologies), len(known.names)), NEVER, np.int32)
    index = np.full(len(dates), NEVER, np.int64)
    dated = np.isfinite(dates)
    index[dated] = np.maximum(interval_of(dates[dated], step) - origin, 0)
    late = int((index[dated] > last).sum())  # a later date is no fault: whoever asks for an end has the rest too
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
    # without one beginning for all, a technology begins where somebody has it first: before, nobody could copy
    start = np.full(len(technologies), first) if asked.start else when.min(axis=1).astype(np.int64)
    _refuse_empty(when, start, listed, table.path, notes, bool(asked.start))
    peers, leaders = read_links(network, known, asked, notes) if network else gravity(known, asked, notes)
    covariates, scale = standardised(known.covariates, asked.covariates)
    return AdoptionData(
        known.names, technologies, when, start, listed, last + 1, origin * step, step, peers, leaders,
        asked.covariates, covariates, scale, tuple(notes),
    )  # fmt: skip


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
