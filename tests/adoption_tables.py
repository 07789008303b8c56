"""How do tests get tables of adoption dates whose truth is known? From the engine, written as people keep them."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sim.engine.columns import structure
from sim.engine.rows import execute, rows_of
from sim.scenario.scenario import Scenario
from tests.build import build

TRUTH = {"external": 0.02, "peers": 0.4, "leaders": 0.15}
NETWORK = {"distance_decay": 1.0, "size_exponent": 0.7, "neighbours": 8}


def world(
    places: int, technologies: int, diffusion: Mapping[str, float], guides: bool = True, seed: int = 1, **settings: Any
) -> Scenario:
    """Two regions: one leader in the first starts with everything, guides in the second with some of it."""
    chance = np.random.default_rng(seed)
    towns: list[dict[str, Any]] = []
    for number in range(places):
        guide = guides and number % 5 == 4
        towns.append(
            {
                "id": f"p{number:04d}",
                "region": "s" if guide else "r",
                "population": float(np.round(10 ** chance.uniform(3.5, 6.0))),
                "lat": float(np.round(chance.uniform(55, 60), 4)),
                "lon": float(np.round(chance.uniform(50, 60), 4)),
                "role": "guide" if guide else "member",
            }
        )
    kinds = [f"k{number:04d}" for number in range(technologies)]
    first = [town["id"] for town in towns if town["role"] == "guide"]
    portfolio = [(towns[0]["id"], kind) for kind in kinds]
    portfolio += [(place, kind) for kind in kinds for place in first if chance.random() < 0.4]
    regions = ("r", "s") if guides else ("r",)
    return build(
        towns, kinds, regions, portfolio, diffusion=dict(diffusion), network=NETWORK, **({"end": "2026-01"} | settings)
    )


def write(
    folder: Path, scenario: Scenario, replicate: int = 0, seed: int = 7, year_dates: bool = False
) -> tuple[Path, Path]:
    """One run of a scenario as events.csv and places.csv, in the words of `calibrate adoption`."""
    shared = structure(scenario)
    events = execute(shared, rows_of(scenario, seed, np.array([replicate])), seed, 1).events
    dates = [str(day)[: 4 if year_dates else 7] for day in scenario.instants.astype("datetime64[D]")]
    found = {
        (scenario.places.id[event["place"]], scenario.technologies.id[event["technology"]]): dates[
            max(int(event["adopted"]), 0)
        ]
        for event in events
    }
    members = [row for row, guide in enumerate(scenario.places.guide) if not guide]
    rows = [
        (scenario.places.id[row], kind, found.get((scenario.places.id[row], kind), ""))
        for kind in scenario.technologies.id
        for row in range(len(scenario.places.id))
        if row in set(members) or (scenario.places.id[row], kind) in found
    ]
    leading = scenario.portfolio.any(axis=1)
    places = [
        (
            scenario.places.id[row],
            scenario.regions.id[scenario.places.region[row]],
            scenario.places.latitude[row],
            scenario.places.longitude[row],
            int(scenario.places.population[row]),
            int(leading[row]),
        )
        for row in range(len(scenario.places.id))
    ]
    return (
        table(folder / "events.csv", ("place", "technology", "date"), rows),
        table(folder / "places.csv", ("place", "region", "lat", "lon", "population", "leader"), places),
    )


def table(path: Path, head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> Path:
    """Write a CSV table."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([head, *rows])
    return path
