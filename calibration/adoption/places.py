"""What is known of the places whose adoptions are dated? Coordinates, people, leaders, covariates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from sim.scenario.errors import InputError, Problem, nearest, shortened
from sim.scenario.schema import NetworkParameters
from sim.scenario.tables import Column, read_table

PLACES: Mapping[str, Column] = {
    "id": Column(required=False, empty=True),
    "place": Column(required=False, empty=True),
    "region": Column(required=False, empty=True),
    "lat": Column("number", required=False, empty=True, low=-90, high=90),
    "lon": Column("number", required=False, empty=True, low=-180, high=180),
    "population": Column("number", required=False, empty=True, low=0, high=1e10),
    "leader": Column("flag", required=False, empty=True),
}


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
class PlaceTable:
    """The table of places, or the names in the events alone: a row a place, in the table's order.

    `region` int64[n] numbers regions; `latitude`, `longitude` float64[n], degrees, NaN where not given; `population`
    float64[n], 1 where not given; `leader` bool[n]; `covariates` float64[n, C] as they are, population as a logarithm.
    """

    names: tuple[str, ...]
    region: np.ndarray
    latitude: np.ndarray
    longitude: np.ndarray
    population: np.ndarray
    leader: np.ndarray
    covariates: np.ndarray


def places_of_events(names: Sequence[str]) -> PlaceTable:
    """The places that events name, in alphabetical order, of which nothing else is known."""
    unique = tuple(sorted(set(names)))
    nothing = np.full(len(unique), np.nan)
    empty = np.zeros(len(unique), np.int64)
    return PlaceTable(
        unique, empty, nothing, nothing, np.ones(len(unique)), empty.astype(bool), np.empty((len(unique), 0))
    )


def read_places(path: str | Path, asked: Options) -> PlaceTable:
    """The table of places with the covariates asked for. Raises InputError for names and values that cannot be used."""
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
    # size acts by its logarithm, so that the effect is the elasticity that a scenario names
    columns = [np.log(population) if name == "population" else table.columns[name] for name in asked.covariates]
    return PlaceTable(
        tuple(ids),
        np.array([numbers[name] for name in table.columns["region"]], np.int64),
        np.asarray(table.columns["lat"]),
        np.asarray(table.columns["lon"]),
        np.where(np.isfinite(population), population, 1.0),
        np.asarray(table.columns["leader"], dtype=bool),
        np.column_stack(columns).astype(np.float64) if columns else np.empty((len(ids), 0)),
    )


def standardised(values: np.ndarray, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Covariates with mean 0 and standard deviation 1, and the latter. Raises InputError for a constant one."""
    scale = values.std(axis=0)
    flat = [name for name, deviation in zip(names, scale, strict=True) if not deviation > 0]
    if flat:
        raise InputError(Problem("", 0, f"--covariates {name}", "is the same in all places") for name in flat)
    return (values - values.mean(axis=0)) / scale, scale


def rows_of(names: Sequence[str], known: Sequence[str], file: str, lines: np.ndarray, key: str) -> np.ndarray:
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
