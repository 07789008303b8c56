"""Which lines does a map draw behind the places? An outline from GeoJSON, checked before it is used."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from sim.scenario.errors import InputError, Problem

OUTLINE_LIMIT = 16 * 2**20
"""Bytes of the largest file that is read."""
_SHAPES = "Polygon or MultiPolygon"


def rings(shape: Any, name: str) -> tuple[np.ndarray, ...]:
    """The rings of all polygons, float64[points, 2] of longitude and latitude in degrees (WGS 84), read-only.

    `shape`: a parsed GeoJSON FeatureCollection, Feature, Polygon or MultiPolygon (RFC 7946). Holes are rings too.
    Raises InputError in the name of the file for anything else.
    """
    found = tuple(_ring(ring, key, name) for ring, key in _raw_rings(shape, name))
    if not found:
        raise _refused(name, "", "there is no polygon", _SHAPES)
    return found


def _refused(name: str, key: str, message: str, allowed: str = "") -> InputError:
    return InputError(Problem(name, 0, key, message, allowed))


def _raw_rings(shape: Any, name: str) -> Iterator[tuple[Any, str]]:
    """Every ring as it is written, and where it is."""
    several = isinstance(shape, Mapping) and shape.get("type") == "FeatureCollection"
    features = _list(shape.get("features"), name, "features") if several else [shape]
    for number, feature in enumerate(features):
        key = f"features.{number}.geometry" if several else "geometry"
        geometry = feature.get("geometry", feature) if isinstance(feature, Mapping) else None
        geometry = geometry if isinstance(geometry, Mapping) else {}
        kind = geometry.get("type")
        if kind not in ("Polygon", "MultiPolygon"):
            raise _refused(name, key, f"{str(kind)[:40]!r} is not an outline", _SHAPES)
        key += ".coordinates"
        given = _list(geometry.get("coordinates"), name, key)
        for polygon in [given] if kind == "Polygon" else given:
            yield from ((ring, key) for ring in _list(polygon, name, key))


def _list(value: Any, name: str, key: str) -> list[Any]:
    if not isinstance(value, list):
        raise _refused(name, key, "is missing or no list", "a list, as GeoJSON has it")
    return value


def _ring(ring: Any, key: str, name: str) -> np.ndarray:
    """One ring: at least four positions, the last one as the first."""
    if not isinstance(ring, list) or len(ring) < 4 or not all(map(_is_position, ring)):
        raise _refused(name, key, "a ring is not sound", "four or more [longitude, latitude], in degrees")
    points = np.array([position[:2] for position in ring], dtype=np.float64)
    if not (points[0] == points[-1]).all():
        raise _refused(name, key, "a ring is not closed", "the last position as the first")
    points.flags.writeable = False
    return points


def _is_position(position: Any) -> bool:
    return (
        isinstance(position, list)
        and len(position) >= 2
        and all(type(value) in (int, float) and math.isfinite(value) for value in position)
        and abs(position[0]) <= 180
        and abs(position[1]) <= 90
    )
