"""How do tests make a scenario in a line? Tables from Python rows, through the resolved form that JSON files hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from sim.engine.columns import SOURCES, Structure, structure
from sim.engine.rows import Batch, Rows, execute, rows_of
from sim.scenario.scenario import FORMAT, Scenario

PLACE = {"region": "r", "population": 50_000.0, "lat": 58.0, "lon": 56.0, "role": "member"}
REGION = {"population": None, "urban_population": 1e6, "grp_bln": 500.0, "industry_bln": 300.0}
TECHNOLOGY = {
    "domain": "d", "segment": "safe_city", "cost": 1.0, "complexity": 0.0, "benefit": 0.0, "foreign_share": 0.0,
    "lag": 0.0, "life": None, "privacy": 0.0, "running_cost": 0.0, "saving": 0.0, "requires": "", "immune": 0,
    "basis": "", "source": "",
}  # fmt: skip
NEUTRAL: dict[str, dict[str, Any]] = {
    "diffusion": {
        "external": 0.0, "leader_factor": 1.0, "peers": 0.0, "leaders": 0.0, "announced": 0.0, "benefit_weight": 0.0,
        "heterogeneity": 0.0, "size_elasticity": 0.0, "resistance": 0.0, "divide": 0.0,
    },
    "network": {"distance_decay": 0.0, "size_exponent": 0.0, "neighbours": 1000},
    "platform": {"threshold": 1000.0, "cost_cut": 0.0, "rate": 0.0, "spillover": 0.0},
    "finance": {"cost_level": 0.0},
    "sanctions": {"severity": 0.0},
    "security": {"incident_rate": 0.0},
    "policy": {"protection": 0.0, "protection_cost": 0.0, "inclusion": 0.0},
}  # fmt: skip
"""Every mechanism at the value that switches it off."""


def _columns(rows: Iterable[Mapping[str, Any]], defaults: Mapping[str, Any]) -> dict[str, list[Any]]:
    full = [{"name": row.get("id", ""), **defaults, **row} for row in rows]
    return {key: [row.get(key) for row in full] for key in dict.fromkeys(key for row in full for key in row)}


def _rows(given: int | Sequence[Any], prefix: str) -> list[dict[str, Any]]:
    """Rows from a number of them, their ids, or themselves."""
    if isinstance(given, int):
        given = [f"{prefix}{number:04d}" for number in range(given)]
    return [{"id": row} if isinstance(row, str) else dict(row) for row in given]


def build(
    places: int | Sequence[Any] = 3,
    technologies: int | Sequence[Any] = 1,
    regions: Sequence[Any] = ("r",),
    portfolio: Iterable[tuple[str, str]] = (),
    links: Iterable[tuple[str, str, str, float]] = (),
    specialization: Iterable[tuple[str, str, float]] = (),
    fit: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Scenario:
    """A scenario in which only what `settings` say happens: whole sections, merged over NEUTRAL, or single keys.

    Sections are dictionaries (`diffusion={"peers": 0.4}`); a row of a table needs an `id` only. `fit` is a fit of
    regional product as its file holds it.
    """
    files: dict[str, Any] = {
        "places": _columns(_rows(places, "p"), PLACE),
        "regions": _columns(_rows(regions, "r"), REGION),
        "technologies": _columns(_rows(technologies, "k"), TECHNOLOGY),
    }
    for name, head, rows in (
        ("portfolios", ("place", "technology"), portfolio),
        ("links", ("from", "to", "channel", "weight"), links),
        ("specialization", ("region", "domain", "fit"), specialization),
    ):
        listed = list(rows)
        if listed:
            files[name] = {key: list(column) for key, column in zip(head, zip(*listed, strict=True), strict=True)}
    found: dict[str, Any] = {"title": "test", "start": "2020-01", "end": "2030-01", "replicates": 1, "seed": 1}
    found["tables"] = {name: name for name in files}
    for section in dict.fromkeys((*NEUTRAL, *settings)):
        value = settings.get(section, {})
        merged = isinstance(value, Mapping) and section in NEUTRAL
        found[section] = {**NEUTRAL[section], **value} if merged else value
    if fit is not None:
        files["fit"] = dict(fit)
        found["economy"] = {"base_year": 2020, **found.get("economy", {}), "fit": "fit"}
    return Scenario.from_resolved({"format": FORMAT, "name": "test", "settings": found, "files": files})


def linear_fit(b1: float = 1.2, b2: float = 0.0094, draws: int = 0, form: str = "linear") -> dict[str, Any]:
    """A fit of regional product; with `draws`, that many joint draws of wide spread."""
    file: dict[str, Any] = {"kind": "grp", "form": form, "n": 20, "coefficients": {"a": 0.0, "b1": b1, "b2": b2}}
    if draws:
        spread = np.linspace(-2.0, 3.0, draws)
        file["draws"] = {"a": [0.0] * draws, "b1": (b1 * spread).tolist(), "b2": (b2 * spread[::-1]).tolist()}
    return file


def simulate(scenario: Scenario, replicates: int = 1, seed: int = 1, threads: int = 1) -> tuple[Structure, Rows, Batch]:
    """The engine's answer for a scenario."""
    shared = structure(scenario)
    rows = rows_of(scenario, seed, np.arange(replicates))
    return shared, rows, execute(shared, rows, seed, threads)


TIMES = ("wanted", "adopted", "operating", "ended")
PAYERS = ("own", "regional", "federal", "private")


def named_events(scenario: Scenario, batch: Batch) -> list[tuple[Any, ...]]:
    """Events with ids in place of numbers, in an order of their own, with who paid.

    Columns: row, place, technology, spell, wanted, adopted, operating, ended, source, guide, own, regional, federal,
    private (minor units; 0 where money is slack).
    """
    place = scenario.places.id
    kinds = scenario.technologies.id
    paid = [batch.payments[name] for name in PAYERS] if len(batch.payments) else []
    found = []
    for at, (row, event) in enumerate(zip(batch.event_rows, batch.events, strict=True)):
        guide = place[event["guide"]] if event["guide"] >= 0 else ""
        times = tuple(int(event[name]) for name in ("spell", *TIMES))
        payers = tuple(int(column[at]) for column in paid) or (0, 0, 0, 0)
        who = (int(row), place[event["place"]], kinds[event["technology"]])
        found.append((*who, *times, SOURCES[event["source"]], guide, *payers))
    return sorted(found)


def events_of(scenario: Scenario, replicates: int = 1, seed: int = 1, threads: int = 1) -> list[tuple[Any, ...]]:
    """Named events of a scenario run by the engine."""
    return named_events(scenario, simulate(scenario, replicates, seed, threads)[2])


def first_adoptions(batch: Batch, replicates: int, count: int, kinds: int = 1) -> np.ndarray:
    """Instant of the first adoption (initial: 0; never: a large number), int64[replicates, K, n]."""
    times = np.full((replicates, kinds, count), 10**6, dtype=np.int64)
    events = batch.events
    at = np.where(events["source"] == 0, 0, events["adopted"])
    np.minimum.at(times, (batch.event_rows, events["technology"], events["place"]), at)
    return times
