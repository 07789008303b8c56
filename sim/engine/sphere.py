"""How far apart are two places? Kilometres on the sphere; without a compiler, so that checks are quick."""

from __future__ import annotations

from typing import Any

import numpy as np

EARTH_RADIUS = 6371.0088
"""Mean radius of the Earth, kilometres (International Union of Geodesy and Geophysics)."""


def great_circle(chord: Any) -> Any:
    """Kilometres along the sphere between points of the unit sphere whose straight-line distance is `chord` (0 to 2).

    For a number or an array of any shape. The chord is what a spatial index compares, and near points lose no digits
    in it, as they would in the arc cosine of a product.
    """
    return 2.0 * EARTH_RADIUS * np.arcsin(np.minimum(1.0, 0.5 * chord))


def on_sphere(latitude: Any, longitude: Any) -> np.ndarray:
    """Unit vectors float64[n, 3] of coordinates in degrees."""
    phi, theta = np.radians(latitude), np.radians(longitude)
    return np.column_stack([np.cos(phi) * np.cos(theta), np.cos(phi) * np.sin(theta), np.sin(phi)])


def kilometres(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Great-circle distances between unit vectors float64[..., 3], which broadcast; float64[...]."""
    return np.asarray(great_circle(np.linalg.norm(points - others, axis=-1)))


def morton(latitude: Any, longitude: Any) -> np.ndarray:
    """Bits of latitude and longitude interleaved, so that near places get near codes: uint64[n]."""

    def spread(values: np.ndarray) -> np.ndarray:
        bits = np.clip(values * 0xFFFF, 0, 0xFFFF).astype(np.uint64)
        for shift, mask in ((8, 0x00FF00FF), (4, 0x0F0F0F0F), (2, 0x33333333), (1, 0x55555555)):
            bits = (bits | (bits << np.uint64(shift))) & np.uint64(mask)
        return bits

    return spread((np.asarray(latitude) + 90.0) / 180.0) | (
        spread((np.asarray(longitude) + 180.0) / 360.0) << np.uint64(1)
    )
