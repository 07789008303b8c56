"""What is odd about a scenario, though nothing in it is wrong? Notes for `uptake check` and `uptake run`."""

from __future__ import annotations

import datetime
from collections.abc import Iterable

import numpy as np

from sim.engine.sphere import kilometres, on_sphere
from sim.scenario.scenario import Scenario

FAR = 1600.0
"""Kilometres from its region's median at which a place's coordinates are doubted."""
SPREAD = 6.0
"""A region as large as a country has places farther away: they are doubted beyond so many times its usual distance."""
SHOWN = 5


def notes(scenario: Scenario) -> list[str]:
    """Dates that have no effect, and places that lie where they hardly can, a line each."""
    return [*_without_effect(scenario), *_misplaced(scenario)]


def _without_effect(scenario: Scenario) -> list[str]:
    """Dates beyond the run: nothing is wrong, and nothing will come of them."""
    dated: list[tuple[str, datetime.date | None]] = [
        (f"mandates.{at}.from", mandate.from_) for at, mandate in enumerate(scenario.mandates)
    ]
    dated += [(f"targets.{name}.date", target.date) for name, target in scenario.targets.items()]
    dated.append(("sanctions.from", scenario.sanctions.from_))
    return [
        f"{scenario.path or scenario.name}: note: {key}: {date} is after the end, {scenario.end}; it has no effect"
        for key, date in dated
        if date is not None and date > scenario.end
    ]


def _misplaced(scenario: Scenario) -> list[str]:
    """Places far from the others of their region, and regions that only swapped coordinates keep from the others."""
    places, count = scenario.places, len(scenario.regions.id)
    latitude, longitude, region = (np.asarray(x) for x in (places.latitude, places.longitude, places.region))
    members = [np.flatnonzero(region == r) for r in range(count)]
    points, swapped = on_sphere(latitude, longitude), on_sphere(longitude, latitude)
    swapped[np.abs(longitude) > 90.0] = np.nan
    middle = np.array([_middle(points[rows]) for rows in members])
    away, turned = kilometres(points, middle[region]), kilometres(swapped, middle[region])
    usual = np.array([np.median(away[rows]) if len(rows) > 2 else 0.0 for rows in members])
    written = np.array([not name.startswith("geonames-") for name in places.id])  # not those of the package
    far = np.flatnonzero((away > np.maximum(FAR, SPREAD * usual)[region]) & written)
    found = [
        f"{places.name[i]} ({places.id[i]}) lies {away[i]:.0f} km from the middle of its region, "
        f"{scenario.regions.name[region[i]]}" + _hint(turned[i], away[i])
        for i in far[:SHOWN]
    ]
    found += [f"{len(far) - SHOWN} more places lie as far from the middle of their regions"] if len(far) > SHOWN else []
    for r, rows in enumerate(members):
        others = np.delete(middle, r, axis=0)
        if not len(others) or np.isin(rows, far).any() or not written[rows].any():
            continue
        near, other = (kilometres(others, centre).min() for centre in (middle[r], _middle(swapped[rows])))
        if near > FAR and _hint(other, near):
            names = ", ".join(f"{places.name[i]} ({places.id[i]})" for i in rows[:SHOWN])
            found.append(
                f"all of {scenario.regions.name[r]} ({names}{', ...' if len(rows) > SHOWN else ''}) lies {near:.0f} km "
                f"from every other region{_hint(other, near)}"
            )
    file = _file_of_places(scenario.inputs, scenario["tables.places"]) or str(scenario.path or scenario.name)
    return [f"{file}: note: {text}" for text in found]


def _middle(points: np.ndarray) -> np.ndarray:
    """The median of points on the unit sphere, float64[3]: on either side of the date line alike."""
    found = np.median(points, axis=0)
    return np.asarray(found / max(float(np.linalg.norm(found)), 1e-12))


def _hint(swapped: float, now: float) -> str:
    """What to look for where swapped coordinates would lie near; NaN where they are none."""
    if not swapped < min(FAR, now / 2):
        return ""
    return f"; with latitude and longitude swapped it would be {swapped:.0f} km"


def _file_of_places(files: Iterable[str], name: str) -> str:
    """The file of the places among those that were read."""
    return next((file for file in files if name and file.endswith(name)), "")
